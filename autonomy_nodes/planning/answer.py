"""The chosen drives in the form that leaves the planner: trajectories with height, marks, candidates to look at."""

import numpy as np

from autonomy_nodes.common.types import EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.gates import Vetoes
from autonomy_nodes.planning.ground import Ground
from autonomy_nodes.planning.proposals import Proposals
from autonomy_nodes.planning.rollout import STEP_S, TIMES_S, Drives
from autonomy_nodes.planning.situation import Marks

FINE_S = np.round(np.arange(2 * len(TIMES_S) - 1) * STEP_S / 2.0, 3)  # 0.1 s apart


def trajectory_of(drives: Drives, which: int, ego: EgoState, ground: Ground, vehicle: Vehicle) -> Trajectory:
    """Return one drive, twice as fine as it was simulated, starting at the vehicle's state to the bit."""
    speed, heading = drives.speeds_mps[which], drives.poses[which, :, 2]
    place = drives.poses[which, :, :2]
    forward = speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    middle = 0.5 * (place[1:] + place[:-1]) + STEP_S / 8.0 * (forward[:-1] - forward[1:])  # cubic Hermite
    xy = _between(place, middle)
    push = drives.accelerations_mps2[which]
    wheels = _halved(drives.wheels_rad[which])
    during = 0.5 * (speed[1:] + speed[:-1]) + STEP_S / 8.0 * (push[:-1] - push[1:])
    speeds = _between(speed, np.maximum(during, np.minimum(np.minimum(speed[1:], speed[:-1]), 0.0)))
    height = ground.height(xy, float(ego.position_m[2]))
    height[0] = ego.position_m[2]
    rates = speeds * np.tan(wheels) / vehicle.wheelbase_m
    poses = np.column_stack([xy, height, _halved(heading)])
    return Trajectory(ego.stamp_ns, FINE_S, poses, speeds, _halved(push), rates, wheels)


def table_of_marks(
    drives: Drives, proposals: Proposals, vetoes: Vetoes, marks: dict[str, np.ndarray], scores: np.ndarray,
    ego: EgoState,
) -> Marks:
    """Return all marks; where drives end is told at the height of the vehicle."""
    columns = {f'gate_{name}': np.isinf(times).astype(float) for name, times in vetoes.times_s.items()}
    columns |= {f'when_{name}': np.minimum(times, 99.0) for name, times in vetoes.times_s.items()}
    columns |= {f'term_{name}': values for name, values in marks.items()}
    ends = np.column_stack([drives.poses[proposals.of, -1, :2], np.full(len(scores), ego.position_m[2])])
    return Marks(proposals.kinds, ends, scores, columns)


def best_candidates(
    drives: Drives, of: np.ndarray, scores: np.ndarray, chosen: int, count: int, ego: EgoState
) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, T, 4) poses and (B,) scores of the chosen candidate and of the best besides.

    of: (N,) which drive each is.
    """
    order = [chosen, *(int(n) for n in np.argsort(-scores, kind='stable') if n != chosen)][:count]
    poses = drives.poses[of[order]]
    height = np.full((*poses.shape[:2], 1), ego.position_m[2])
    return np.concatenate([poses[..., :2], height, poses[..., 2:]], axis=-1), scores[order]


def _halved(values: np.ndarray) -> np.ndarray:
    return _between(values, 0.5 * (values[1:] + values[:-1]))


def _between(values: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Return values with the middles between them."""
    full = np.empty((len(values) + len(middle), *values.shape[1:]))
    full[::2], full[1::2] = values, middle
    return full
