"""What adapting a network gained on frames that it was not adapted on, and how sure that is.

Frames and runs (seeds) are drawn anew together: the interval is of the mean gain of runs like these on frames like
these. Where it holds zero, nothing was gained that could be told from chance.
"""

from collections.abc import Sequence

import numpy as np

from autonomy_nodes.evaluation.measures.detected import GROUPS, Seen
from autonomy_nodes.evaluation.measures.precision import Judged, average_precision, between, judged, overlapping, within
from autonomy_nodes.evaluation.measures.task import Figures

FARTHEST_M = 45.0
RULES = {
    'vehicle.ap_2m': ('vehicle', within(2.0)), 'vehicle.ap_iou0.5': ('vehicle', overlapping(0.5)),
    'vru.ap_1m': ('vru', within(1.0)),
}  # fmt: skip
ROUNDS = 300
Runs = Sequence[Sequence[Judged]]  # frames of each run


def precisions(frames: Sequence[Seen]) -> Figures:
    """Return each average precision [%] of some frames in which there is anything to find."""
    figures = {name: average_precision(judged_by(frames, name)) for name in RULES}
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def judged_by(frames: Sequence[Seen], name: str) -> list[Judged]:
    """Return frames as one of RULES judges them, up to FARTHEST_M from the LiDAR."""
    group, rule = RULES[name]
    return [judged(between(seen.scene(GROUPS[group]), seen.lidar_xy, 0.0, FARTHEST_M), rule) for seen in frames]


def gains(before: Sequence[Seen], runs: Sequence[Sequence[Seen]], seed: int) -> Figures:
    """Return {rule: mean over runs, rule_gain, rule_gain_low, rule_gain_high, rule_told} where there is what to find.

    told: 1 where the interval of the gain lies above zero, -1 where below, else 0: no gain.
    """
    figures: Figures = {}
    for name in RULES:
        first, after = judged_by(before, name), [judged_by(run, name) for run in runs]
        if not sum(frame.labels for frame in first):
            continue
        figures[name] = float(np.mean([average_precision(run) for run in after]))
        figures[f'{name}_gain'] = figures[name] - average_precision(first)
        low, high = interval_of_gain(first, after, seed)
        figures |= {f'{name}_gain_low': low, f'{name}_gain_high': high}
        figures[f'{name}_told'] = float(low > 0.0) - float(high < 0.0)
    return figures


def interval_of_gain(before: Sequence[Judged], runs: Runs, seed: int, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the 95 % interval of the mean gain, runs and frames drawn anew (Efron 1979)."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(rounds):
        frames = rng.integers(len(before), size=len(before)).tolist()
        drawn = rng.integers(len(runs), size=len(runs)).tolist()
        first = average_precision([before[k] for k in frames])
        each = {run: average_precision([runs[run][k] for k in frames]) for run in set(drawn)}
        found.append(np.mean([each[run] for run in drawn]) - first)
    told = np.array(found)[np.isfinite(found)]
    low, high = np.percentile(told, [2.5, 97.5])
    return float(low), float(high)


def verdict(name: str, figures: Figures) -> str:
    """Return a gain in words."""
    gain, low, high = (figures[f'{name}_gain{end}'] for end in ('', '_low', '_high'))
    words = {1.0: 'a gain', 0.0: 'no gain', -1.0: 'a loss'}[figures[f'{name}_told']]
    return f'{name}: {gain:+.2f} ({low:+.2f} to {high:+.2f}): {words}'
