"""Where the ground lies under the vehicle, as its LiDARs see it: base_link should stand on it, level."""

import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import rotation_exp
from autonomy_nodes.common.types import DataError

NEAREST_M, FARTHEST_M = 3.0, 25.0
CELL_M, FEW_CELLS = 1.0, 60
SCALES_M = (0.8, 0.4, 0.2, 0.1, 0.1)  # off the plane at which a cell loses most of its weight, round by round
NEAR_M = 0.08  # of the plane: points of the ground itself, whose noise then averages out
FEW_POINTS = 500
MOVING_MPS = 1.0
DIFFERENT_RAD = math.radians(0.5)  # median difference from the median, from which it is the road
ENOUGH = 20_000  # points that the watch takes of a sweep: 2 ms


@dataclass(frozen=True)
class Level:
    """The plane of the ground in base_link: z = slope_x x + slope_y y + height_m. fitting: share of cells near it."""

    slope_x: float
    slope_y: float
    height_m: float
    fitting: float

    @property
    def tilt_rad(self) -> float:
        """The angle between the ground and base_link."""
        return math.atan(math.hypot(self.slope_x, self.slope_y))

    @property
    def true_from_told(self) -> np.ndarray:
        """(4, 4) from base_link as the mounts make it to one that stands on the ground, level: roll, pitch, height."""
        normal = np.array([-self.slope_x, -self.slope_y, 1.0])
        normal /= np.linalg.norm(normal)
        axis, sine = np.array([normal[1], -normal[0], 0.0]), math.hypot(normal[0], normal[1])
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_exp(axis / sine * math.atan2(sine, normal[2])) if sine > 1e-9 else np.eye(3)
        matrix[2, 3] = -self.height_m * normal[2]
        return matrix


def level_of(xyz: np.ndarray) -> Level:
    """Return the ground near the vehicle of points (N, 3) in base_link; raises DataError where there is too little.

    A plane through the lowest point of each cell, weighted robustly (Geman and McClure), then through the points near
    it. Wrong mounts of a few degrees are found.
    """
    way_m = np.hypot(xyz[:, 0], xyz[:, 1])
    near = xyz[(way_m > NEAREST_M) & (way_m < FARTHEST_M) & (np.abs(xyz[:, 2]) < 2.0)].astype(float)
    columns = 2 * int(FARTHEST_M / CELL_M) + 2
    cells = np.floor(near[:, :2] / CELL_M).astype(int) + columns // 2
    index = cells[:, 0] * columns + cells[:, 1]
    order = np.lexsort((near[:, 2], index))
    _, first = np.unique(index[order], return_index=True)
    low = near[order[first]]
    if len(low) < FEW_CELLS:
        raise DataError(f'ground near the vehicle in {len(low)} cells, at least {FEW_CELLS} needed')
    plane = np.array([0.0, 0.0, np.median(low[:, 2])])
    for scale_m in SCALES_M:
        off = low[:, 2] - _heights(low, plane)
        plane = _fitted(low, 1.0 / (1.0 + (off / scale_m) ** 2) ** 2)
    fitting = float((np.abs(low[:, 2] - _heights(low, plane)) < 2.0 * NEAR_M).mean())
    for _ in range(3):
        ground = near[np.abs(near[:, 2] - _heights(near, plane)) < NEAR_M]
        if len(ground) < FEW_POINTS:
            raise DataError(f'{len(ground)} points of ground near the vehicle, at least {FEW_POINTS} needed')
        plane = _fitted(ground, np.hypot(ground[:, 0], ground[:, 1]))  # rings lie denser near the vehicle
    return Level(float(plane[0]), float(plane[1]), float(plane[2]), fitting)


def _heights(points: np.ndarray, plane: np.ndarray) -> np.ndarray:
    return plane[0] * points[:, 0] + plane[1] * points[:, 1] + plane[2]


def _fitted(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    rows = np.column_stack([points[:, :2], np.ones(len(points))])
    return np.linalg.solve((rows * weights[:, None]).T @ rows, (rows * weights[:, None]).T @ points[:, 2])


def middle(levels: list[Level]) -> Level:
    """Return the median of several: hills and kerbs go, a wrong mount stays."""
    table = np.array([(each.slope_x, each.slope_y, each.height_m, each.fitting) for each in levels])
    return Level(*(float(value) for value in np.median(table, axis=0)))


class LevelWatch:
    """Watches the mounts while driving: one sweep in `every` is looked at, the median of the last `kept` counts.

    A road tilts here and there, a wrong mount tilts it everywhere: where the looks differ nothing is said.
    """

    def __init__(self, tilt_rad: float, off_m: float, every: int = 10, kept: int = 15) -> None:
        self.tilt_rad, self.off_m, self.every, self.enough = tilt_rad, off_m, every, kept // 3
        self._levels: deque[Level] = deque(maxlen=kept)
        self._number = -1

    def look(self, xyz: np.ndarray, speed_mps: float) -> tuple[dict[str, str], str]:
        """Return values for the status, and what is wrong or nothing. xyz: (N, 3) in base_link."""
        self._number += speed_mps > MOVING_MPS
        if speed_mps > MOVING_MPS and self._number % self.every == 0:
            with suppress(DataError):  # no ground in sight tells nothing about mounts
                self._levels.append(level_of(xyz[:: -(-len(xyz) // ENOUGH)]))
        if not self._levels:
            return {}, ''
        now = middle(list(self._levels))
        told = {'ground_tilt_deg': f'{math.degrees(now.tilt_rad):.2f}', 'ground_height_m': f'{now.height_m:.3f}'}
        wrong = now.tilt_rad > self.tilt_rad or abs(now.height_m) > self.off_m
        if not wrong or len(self._levels) < self.enough or self._differ():
            return told, ''
        text = f'calibration drifts: the ground is tilted by {told["ground_tilt_deg"]} deg and lies at '
        return told, text + f'{told["ground_height_m"]} m in base_link; `autonomy calibrate estimate` finds the mount'

    def _differ(self) -> bool:
        slopes = np.array([(each.slope_x, each.slope_y) for each in self._levels])
        return bool(np.median(np.abs(slopes - np.median(slopes, axis=0)), axis=0).max() > DIFFERENT_RAD)
