"""Edges that a LiDAR and a camera both see: where depth jumps, where a top ends, where reflectance changes.

After Levinson and Thrun, Automatic Online Calibration of Cameras and Lasers (RSS 2013), with three kinds of edges, each
on the picture's gradient across it.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

NEAREST_M, FARTHEST_M = 2.0, 50.0
ROW_RAD, COLUMN_RAD = math.radians(0.42), math.radians(0.25)  # of a sweep that tells no rings
NEIGHBOUR_RAD, ROWS_RAD = math.radians(0.6), math.radians(3.0)
JUMP_M, TOP_JUMP_M, SURE_JUMP_M = 0.5, 0.8, 3.0
TOP_ABOVE_M = 0.5  # of the ground: rings on the ground jump as well
REFLECTANCE_LEVELS, REFLECTANCE_JUMP, SPREAD = 64, 20.0, 2
FULL_PERCENTILE = 95.0


@dataclass(frozen=True)
class Edges:
    """One kind: points (N, 3) in the LiDAR's frame and their weights (N,)."""

    points: np.ndarray
    weights: np.ndarray


def edges_of(xyz: np.ndarray, intensity: np.ndarray, ring: np.ndarray | None, ground_m: float) -> tuple[Edges, ...]:
    """Return upright, level and reflectance edges of a sweep in its own frame. ground_m: z of the ground there."""
    range_m = np.linalg.norm(xyz, axis=1)
    kept = np.flatnonzero((range_m > NEAREST_M) & (range_m < FARTHEST_M))
    points, range_m = xyz[kept].astype(float), range_m[kept].astype(float)
    height = np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))
    turn = np.arctan2(points[:, 1], points[:, 0])
    row = np.floor((height + math.pi / 2) / ROW_RAD).astype(int) if ring is None else _ranked(ring[kept], height)
    order = np.lexsort((turn, row))
    points, range_m, height, turn, row = points[order], range_m[order], height[order], turn[order], row[order]
    return (
        _upright(points, range_m, turn, row), _level(points, range_m, height, turn, row, ground_m),
        _painted(points, range_m, turn, row, intensity[kept][order]),
    )  # fmt: skip


def _ranked(ring: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return (N,) the number of the beam from below; drivers number them otherwise."""
    names, row = np.unique(ring, return_inverse=True)
    heights = [np.median(height[row == number]) for number in range(len(names))]
    return np.argsort(np.argsort(heights, kind='stable'), kind='stable')[row]


def _upright(points: np.ndarray, range_m: np.ndarray, turn: np.ndarray, row: np.ndarray) -> Edges:
    near = (row[1:] == row[:-1]) & (np.abs(np.diff(turn)) < NEIGHBOUR_RAD)
    step = np.where(near, np.diff(range_m), 0.0)
    jump = np.zeros(len(points))
    jump[:-1] = np.maximum(step, 0.0)  # the nearer side is the edge
    jump[1:] = np.maximum(jump[1:], -step)
    chosen = jump > JUMP_M
    return Edges(points[chosen], np.sqrt(np.minimum(jump[chosen], SURE_JUMP_M)))


def _level(
    points: np.ndarray, range_m: np.ndarray, height: np.ndarray, turn: np.ndarray, row: np.ndarray, ground_m: float
) -> Edges:
    column = np.floor((turn + math.pi) / COLUMN_RAD).astype(int)
    image = np.full((row.max(initial=0) + 2, column.max(initial=0) + 1), -1)
    far_first = np.argsort(-range_m, kind='stable')
    image[row[far_first], column[far_first]] = far_first
    low, high = image[:-1], image[1:]
    both = (low >= 0) & (high >= 0)
    jump = np.where(both, range_m[high] - range_m[low], 0.0)
    gap = np.where(both, height[high] - height[low], 0.0)
    chosen = (jump > TOP_JUMP_M) & (gap < ROWS_RAD)
    places = points[low[chosen]].copy()
    places[:, 2] += 0.5 * gap[chosen] * range_m[low[chosen]]  # it ends somewhere between the two beams
    above = places[:, 2] > ground_m + TOP_ABOVE_M
    return Edges(places[above], np.sqrt(np.minimum(jump[chosen][above], SURE_JUMP_M)))


def _painted(
    points: np.ndarray, range_m: np.ndarray, turn: np.ndarray, row: np.ndarray, intensity: np.ndarray
) -> Edges:
    ranks = np.argsort(np.argsort(intensity, kind='stable'), kind='stable')
    level = ranks * (REFLECTANCE_LEVELS / max(len(ranks), 1))
    k, jump = SPREAD, np.zeros(len(points))
    if len(points) > 2 * k:
        same = (row[2 * k :] == row[: -2 * k]) & (np.abs(range_m[2 * k :] - range_m[: -2 * k]) < 0.3)
        same &= np.abs(turn[2 * k :] - turn[: -2 * k]) < math.radians(2.0)
        count = len(same)
        after = 0.5 * (level[k + 1 : k + 1 + count] + level[2 * k :])
        before = 0.5 * (level[:count] + level[k - 1 : k - 1 + count])
        jump[k:-k] = np.where(same, np.abs(after - before), 0.0)
    chosen = jump > REFLECTANCE_JUMP
    return Edges(points[chosen], np.minimum(jump[chosen] / (2.0 * REFLECTANCE_JUMP), 1.0))


def gradients_of(pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return (H, W) float32 0 to 1, for each kind of edge: across, up and down, both. pixels: (H, W, 3) uint8."""
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), 1.0).astype(np.float32)
    across, upwards = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)), np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    kinds = across, upwards, np.hypot(across, upwards)
    full = [float(np.percentile(kind, FULL_PERCENTILE)) + 1e-6 for kind in kinds]
    return tuple(np.minimum(kind / top, 1.0).astype(np.float32) for kind, top in zip(kinds, full))
