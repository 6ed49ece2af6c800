"""The loops over cells and over places of bodies, compiled: boxes taken out of grids, drives held against ground."""

import math

import numpy as np
from numba import njit


@njit(cache=True)
def erase_boxes(
    mask: np.ndarray, origin: np.ndarray, resolution_m: float, boxes: np.ndarray, around_m: float
) -> None:
    """Set the cells of `mask` (X, Y) false whose middles lie in a box or within `around_m` of it.

    boxes: (B, 5) x y heading of the middle, half of length and width.
    """
    for b in range(len(boxes)):
        x0, y0, heading, length, width = boxes[b]
        cos, sin = math.cos(heading), math.sin(heading)
        reach = math.hypot(length, width) + around_m
        low_i = max(int(math.floor((x0 - reach - origin[0]) / resolution_m)), 0)
        low_j = max(int(math.floor((y0 - reach - origin[1]) / resolution_m)), 0)
        high_i = min(int(math.ceil((x0 + reach - origin[0]) / resolution_m)), mask.shape[0])
        high_j = min(int(math.ceil((y0 + reach - origin[1]) / resolution_m)), mask.shape[1])
        for i in range(low_i, high_i):
            x = origin[0] + (i + 0.5) * resolution_m - x0
            for j in range(low_j, high_j):
                if not mask[i, j]:
                    continue
                y = origin[1] + (j + 0.5) * resolution_m - y0
                along = max(abs(x * cos + y * sin) - length, 0.0)
                across = max(abs(y * cos - x * sin) - width, 0.0)
                if math.hypot(along, across) <= around_m:
                    mask[i, j] = False


@njit(cache=True)
def coarse_clearance(
    x: float, y: float, near: np.ndarray, near_at: np.ndarray, far: np.ndarray, far_at: np.ndarray
) -> float:
    """Return the clearance of the cell of a place in the near grid, else in the far one.

    near, far: (X + 2, Y + 2) with a rim that says 'outside'. near_at, far_at: (3,) x y of the corner, size of a cell.
    """
    found = _cell(x, y, near, near_at)
    return found if found != near[0, 0] else _cell(x, y, far, far_at)


@njit(cache=True)
def _cell(x: float, y: float, clearance: np.ndarray, at: np.ndarray) -> float:
    scale = 1.0 / at[2]
    i = min(max(x * scale + (1.0 - at[0] * scale), 0.0), clearance.shape[0] - 1.0)
    j = min(max(y * scale + (1.0 - at[1] * scale), 0.0), clearance.shape[1] - 1.0)
    found: float = clearance[int(i), int(j)]
    return found


@njit(cache=True)
def fine_clearance(
    x: float, y: float, near: np.ndarray, near_at: np.ndarray, far: np.ndarray, far_at: np.ndarray
) -> float:
    """Return what `coarse_clearance` tells, linear between the middles of cells."""
    if _within(x, y, near, near_at):
        return _linear(x, y, near, near_at)
    if _within(x, y, far, far_at):
        return _linear(x, y, far, far_at)
    return coarse_clearance(x, y, near, near_at, far, far_at)


@njit(cache=True)
def _within(x: float, y: float, clearance: np.ndarray, at: np.ndarray) -> bool:
    """Return whether a place has four middles of cells about it."""
    i, j = math.floor((x - at[0]) / at[2] + 0.5), math.floor((y - at[1]) / at[2] + 0.5)
    return i >= 1 and j >= 1 and i < clearance.shape[0] - 2 and j < clearance.shape[1] - 2


@njit(cache=True)
def _linear(x: float, y: float, clearance: np.ndarray, at: np.ndarray) -> float:
    a, b = (x - at[0]) / at[2] + 0.5, (y - at[1]) / at[2] + 0.5
    i, j = int(math.floor(a)), int(math.floor(b))
    a, b = a - i, b - j
    first = (1.0 - b) * clearance[i, j] + b * clearance[i, j + 1]
    second = (1.0 - b) * clearance[i + 1, j] + b * clearance[i + 1, j + 1]
    found: float = first + a * (second - first)
    return found


@njit(cache=True)
def body_blocked(
    poses: np.ndarray, axes: np.ndarray, offsets: np.ndarray, wanted_m: float, touching_m: float,
    slack: tuple[float, float, float], near: np.ndarray, near_at: np.ndarray, far: np.ndarray, far_at: np.ndarray,
) -> np.ndarray:
    """Return (N, T) whether circles (C,) ahead of (N, T, 3) poses come nearer to blocked ground than they may.

    Only the first moment of each drive is marked: what comes after it is not looked at. axes: (N, T, 2) cosines and
    sines of the headings.
    wanted_m: clearance of their middles. touching_m: with less than that the body touches. slack: how far a coarse
    clearance may be off, how much nearer than at the first pose is excused, and how much where it touches.
    """
    found = np.zeros(poses.shape[:2], np.bool_)
    start, outside = np.empty(len(offsets)), near[0, 0]
    scale, rows, columns = 1.0 / near_at[2], near.shape[0] - 1.0, near.shape[1] - 1.0
    shift_x, shift_y = 1.0 - near_at[0] * scale, 1.0 - near_at[1] * scale
    for n in range(poses.shape[0]):
        for t in range(poses.shape[1]):
            x0, y0, cos, sin = poses[n, t, 0], poses[n, t, 1], axes[n, t, 0], axes[n, t, 1]
            if t == 0:
                for c in range(len(offsets)):
                    x, y = x0 + offsets[c] * cos, y0 + offsets[c] * sin
                    start[c] = fine_clearance(x, y, near, near_at, far, far_at)
            if max(abs(x0 - poses[n, 0, 0]), abs(y0 - poses[n, 0, 1])) <= 0.05:  # standing touches nothing new
                continue
            for c in range(len(offsets)):
                x, y = x0 + offsets[c] * cos, y0 + offsets[c] * sin
                i, j = min(max(x * scale + shift_x, 0.0), rows), min(max(y * scale + shift_y, 0.0), columns)
                clear = near[np.uint32(i), np.uint32(j)]
                if clear == outside:
                    clear = _cell(x, y, far, far_at)
                hit = clear < 0.0  # a middle in a blocked cell
                if not hit and clear < wanted_m + slack[0]:
                    exact = fine_clearance(x, y, near, near_at, far, far_at)
                    hit = exact < wanted_m and exact < start[c] - slack[1]
                    hit = hit or (exact < touching_m and exact < start[c] - slack[2])
                if hit:
                    found[n, t] = True
                    break
            if found[n, t]:
                break
    return found
