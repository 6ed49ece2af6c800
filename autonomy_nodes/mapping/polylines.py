"""Lines of points: their length, even spacing, and the middle between the two sides of a lane."""

import numpy as np


def arc_lengths(points: np.ndarray) -> np.ndarray:
    """Return (N,) distance from the first of (N, 3) points to each, along the line and seen from above."""
    steps = np.hypot(*np.diff(points[:, :2], axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


def sampled(points: np.ndarray, at_m: np.ndarray) -> np.ndarray:
    """Return (M, 3) places at these distances along (N, 3) points; beyond the ends, the ends."""
    along = arc_lengths(points)
    return np.column_stack([np.interp(at_m, along, points[:, axis]) for axis in range(3)])


def resampled(points: np.ndarray, step_m: float) -> np.ndarray:
    """Return (M, 3) points of the same line about `step_m` apart, both ends kept; two or more."""
    length = arc_lengths(points)[-1]
    count = max(int(np.ceil(length / step_m - 1e-9)), 1) + 1
    return sampled(points, np.linspace(0.0, length, count))


def middle(left: np.ndarray, right: np.ndarray, step_m: float) -> np.ndarray:
    """Return (M, 3) points half way between two sides of one direction, about `step_m` apart."""
    ends = arc_lengths(left)[-1], arc_lengths(right)[-1]
    count = max(int(np.ceil(max(ends) / step_m)), 1) + 1
    sides = [sampled(side, np.linspace(0.0, end, count)) for side, end in zip((left, right), ends)]
    return resampled((sides[0] + sides[1]) / 2.0, step_m)


def oriented(left: np.ndarray, right: np.ndarray) -> tuple[bool, bool]:
    """Return whether each side must be turned round so that both run one way, with `left` on the left of travel.

    A Lanelet2 file may hold either side in either direction; only together they tell which way the lane runs.
    """
    ends = np.array([[np.linalg.norm(a[:2] - b[:2]) for b in (right[0], right[-1])] for a in (left[0], left[-1])])
    right_turned = ends[0, 0] + ends[1, 1] > ends[0, 1] + ends[1, 0]
    aligned = right[::-1] if right_turned else right
    x, y = np.vstack([aligned, left[::-1]])[:, :2].T  # up on the right, back on the left: counter-clockwise if right
    clockwise = float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) < 0.0
    return clockwise, bool(right_turned) != clockwise
