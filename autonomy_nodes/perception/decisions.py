"""What the network's answer decides, and how much of it rounding may change: by this INT8 is accepted.

Limits come from what rounding costs. `lidar_small` in INT8 was made worse on purpose (steps of activations 1.5 to 4
times as coarse or clipped, steps of weights 2 to 8 times, noise on weights), and of each that was measured what changes
on simulated places, and the average precision on KITTI's sequence 0000. All that stayed within these limits lost less
than 0.9 points of each; what lost more than one was beyond one of them at least. See docs/benchmarks.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autonomy_nodes.inference.decisions import Decision
from autonomy_nodes.perception.bev import FAR_OUTPUTS, FAR_TOLD, LANE_KINDS, LINE_TOLD
from autonomy_nodes.perception.confidence import confidences_of, log_odds

APART_M, APART = 0.2, 0.5  # boxes and tops of obstacles; log variances and logits
GROUND_M, FAR_GROUND_M = 0.1, 0.3
LINE_M = 0.1


def decisions(card: Mapping[str, Any], outputs: Mapping[str, Any]) -> tuple[Decision, ...]:
    """Return what decides. card: of the model, with the existence from which it is told; outputs: that it gives."""
    confidences = confidences_of(card)
    floors = np.maximum(confidences.floors(confidences.column('least')), 1e-3)
    found = (
        Decision('middles', 'heat', 'above', 0.08, tuple(round(float(one), 3) for one in log_odds(floors))),
        Decision('boxes', 'box', 'near', 0.02, (APART_M,), where='middles'),
        Decision('box spreads', 'box_spread', 'near', 0.05, (APART,), where='middles'),
        Decision('fits', 'overlap', 'near', 0.02, (APART,), where='middles'),
        Decision('ground', 'ground', 'near', 0.015, (GROUND_M,), (0, 1)),
        Decision('terrain', 'terrain', 'largest', 0.06),
        Decision('tops', 'top', 'near', 0.06, (APART_M,)),
        Decision('blocked', 'blocked', 'above', 0.08),
        Decision('occupied', 'occupied', 'above', 0.08),
    )
    if not set(FAR_OUTPUTS) <= set(outputs):
        return found
    height, obstacle, free = (FAR_TOLD.index(name) for name in ('ground', 'obstacle', 'free'))
    return (
        *found,
        Decision('far ground', 'far_told', 'near', 0.06, (FAR_GROUND_M,), (height, height + 1)),
        Decision('far obstacles', 'far_told', 'above', 0.3, (0.0,), (obstacle, obstacle + 1)),
        Decision('far free', 'far_told', 'above', 0.05, (0.0,), (free, free + 1)),
    )


def lane_decisions() -> tuple[Decision, ...]:
    """Return what decides of a network of lanes: which cells a line of each kind lies in, and where in them."""
    found = list[Decision]()
    for kind, name in enumerate(LANE_KINDS):
        first = kind * len(LINE_TOLD)
        found.append(Decision(f'{name} cells', 'lines', 'above', 0.08, (0.0,), (first, first + 1)))
        near = Decision(f'{name} places', 'lines', 'near', 0.05, (LINE_M,), (first + 1, first + 3), f'{name} cells')
        found.append(near)
    return (*found, Decision('travel', 'travel', 'near', 0.05, (APART,)))
