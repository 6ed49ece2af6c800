"""The three pieces of a planner that cost most, in plain numpy: the baseline beside which a planner's speed is told.

500 drives of 40 steps are rolled out, all road users are drawn into grids of cells, one a joint mode and slice of time,
and the drives are looked up in them. Nothing is chosen: it is the least work that such a planner could do.
"""

import numpy as np

from autonomy_nodes.common.objects import Predictions
from autonomy_nodes.evaluation.measures.task import timed

DRIVES, STEPS, STEP_S = 500, 40, 0.2
SLICES = 20  # of 0.4 s
CELL_M, CELLS, BEHIND_M = 0.5, 256, 24.0
WHEELBASE_M, CIRCLES_M = 2.8, (-0.5, 0.6, 1.7, 2.8, 3.6)  # middles of circles that cover our body, ahead of base_link
LENGTHWAYS, ACROSS = 10, 4  # samples of a road user's box
AIM_S, WHEEL_LAG_S, WHEEL_MOST_RAD, WHEEL_RATE_RPS, PUSH_MPS2 = 1.0, 0.2, 0.6, 0.4, 2.5


def pieces_s(predictions: Predictions, speed_mps: float) -> dict[str, float]:
    """Return the CPU time of each piece [s], for these road users and a vehicle at the origin along x."""
    aside = np.linspace(-3.5, 3.5, DRIVES // 20).repeat(20)
    wanted = np.tile(np.linspace(0.0, 1.3 * speed_mps, 20), DRIVES // 20)
    poses, rollout_s = timed(lambda: rolled_out(aside, wanted, speed_mps))
    grids, raster_s = timed(lambda: rasters(predictions))
    _, look_up_s = timed(lambda: looked_up(poses[:, ::2], grids))
    return {'rollout': rollout_s, 'raster': raster_s, 'look_up': look_up_s}


def rolled_out(aside_m: np.ndarray, wanted_mps: np.ndarray, speed_mps: float) -> np.ndarray:
    """Return (N, STEPS, 3) x y heading of bicycles that steer for a line beside x by pure pursuit, with lags."""
    x, y, heading, wheel = (np.zeros(len(aside_m)) for _ in range(4))
    speed = np.full(len(aside_m), speed_mps)
    poses = np.empty((len(aside_m), STEPS, 3))
    for step in range(STEPS):
        reach = np.maximum(AIM_S * speed, 4.0)
        aim = np.arcsin(np.clip((aside_m - y) / reach, -1.0, 1.0)) - heading
        change = np.arctan(2.0 * WHEELBASE_M * np.sin(aim) / reach) - wheel
        most = WHEEL_RATE_RPS * STEP_S
        wheel = wheel + np.clip(change * (1.0 - np.exp(-STEP_S / WHEEL_LAG_S)), -most, most)
        wheel = np.clip(wheel, -WHEEL_MOST_RAD, WHEEL_MOST_RAD)
        push = np.clip(wanted_mps - speed, -PUSH_MPS2, PUSH_MPS2)
        after = np.maximum(speed + push * STEP_S, 0.0)
        mean = 0.5 * (speed + after)
        turn = mean * np.tan(wheel) / WHEELBASE_M * STEP_S
        x = x + mean * STEP_S * np.cos(heading + 0.5 * turn)
        y = y + mean * STEP_S * np.sin(heading + 0.5 * turn)
        heading, speed = heading + turn, after
        poses[:, step, 0], poses[:, step, 1], poses[:, step, 2] = x, y, heading
    return poses


def rasters(predictions: Predictions) -> np.ndarray:
    """Return (K, SLICES, CELLS, CELLS) bool: where a box of somebody lies in each joint mode at each slice of time."""
    paths, sizes = predictions.paths, predictions.objects.dimensions_m[:, :2]
    times = 2.0 * STEP_S * np.arange(SLICES) / predictions.step_s
    low = np.minimum(times.astype(int), paths.shape[2] - 2)
    poses = paths[:, :, low] + (times - low)[:, None] * (paths[:, :, low + 1] - paths[:, :, low])  # (N, K, S, 3)
    along, across = np.meshgrid(np.linspace(-0.5, 0.5, LENGTHWAYS), np.linspace(-0.5, 0.5, ACROSS), indexing='ij')
    along = along.ravel() * sizes[:, 0, None, None, None]
    across = across.ravel() * sizes[:, 1, None, None, None]
    cos, sin = np.cos(poses[..., 2:]), np.sin(poses[..., 2:])
    i, j, inside = _cells(poses[..., :1] + along * cos - across * sin, poses[..., 1:2] + along * sin + across * cos)
    mode, slice_ = np.indices(poses.shape[1:3])
    grids = np.zeros((*poses.shape[1:3], CELLS, CELLS), bool)
    flat = ((mode * SLICES + slice_)[..., None] * CELLS + i) * CELLS + j
    grids.reshape(-1)[flat[inside]] = True
    return grids


def looked_up(poses: np.ndarray, grids: np.ndarray) -> np.ndarray:
    """Return (N, K) whether drives (N, SLICES, 3) touch a cell in which somebody is, in each joint mode."""
    ahead = np.array(CIRCLES_M)
    x = poses[..., :1] + ahead * np.cos(poses[..., 2:])
    y = poses[..., 1:2] + ahead * np.sin(poses[..., 2:])
    i, j, inside = _cells(x, y)
    slices = np.arange(SLICES)[:, None]
    return np.stack([(grid[slices, i, j] & inside).any(axis=(1, 2)) for grid in grids], axis=1)


def _cells(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cells of places, those outside at the rim, and which lie inside."""
    i = ((x + BEHIND_M) / CELL_M).astype(np.int32)
    j = (y / CELL_M + CELLS / 2.0).astype(np.int32)
    inside = (i >= 0) & (i < CELLS) & (j >= 0) & (j < CELLS)
    return np.clip(i, 0, CELLS - 1), np.clip(j, 0, CELLS - 1), inside
