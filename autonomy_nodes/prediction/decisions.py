"""What the answer of prediction decides, and how much of it rounding may change: by this INT8 is accepted.

A place counts as another where that of any future moves by KNOT_M, a tenth of what is a miss (2 m); those of nobody,
which fill up the tensors, count as well. The limits were not yet held against what they cost: judge a model that was
rounded by `autonomy evaluate forecasting` before it drives.
"""

from autonomy_nodes.inference.decisions import Decision

KNOT_M = 0.2
DECISIONS = (
    Decision('likeliest future', 'mode', 'largest', 0.05),
    Decision('places', 'knots', 'near', 0.05, (KNOT_M,)),
)
