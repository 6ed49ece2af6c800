"""How much boxes overlap: turned rectangles seen from above, and boxes that stand upright."""

import numpy as np
from numba import njit

CORNERS = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])


def corners(rectangles: np.ndarray) -> np.ndarray:
    """Return (N, 4, 2) corners, counterclockwise, of (N, 5) x y length width heading."""
    c, s = np.cos(rectangles[:, 4]), np.sin(rectangles[:, 4])
    turn = np.stack([np.stack([c, -s], axis=1), np.stack([s, c], axis=1)], axis=1)
    return rectangles[:, None, :2] + (CORNERS * rectangles[:, None, 2:4]) @ turn.transpose(0, 2, 1)


def shared_areas(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return (N, M) areas [m2] that rectangles (N, 5) and (M, 5), as in `corners`, have in common."""
    return _shared(np.ascontiguousarray(corners(one)), np.ascontiguousarray(corners(two)))


def flat_iou(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return (N, M) intersection over union of rectangles (N, 5) and (M, 5), seen from above."""
    shared = shared_areas(one, two)
    return shared / (one[:, None, 2] * one[:, None, 3] + two[None, :, 2] * two[None, :, 3] - shared)


def box_iou(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return (N, M) intersection over union of upright boxes (N, 7) and (M, 7).

    A box is x y z of its middle, length, width, height, heading.
    """
    areas = shared_areas(one[:, [0, 1, 3, 4, 6]], two[:, [0, 1, 3, 4, 6]])
    top = np.minimum((one[:, 2] + one[:, 5] / 2.0)[:, None], (two[:, 2] + two[:, 5] / 2.0)[None])
    low = np.maximum((one[:, 2] - one[:, 5] / 2.0)[:, None], (two[:, 2] - two[:, 5] / 2.0)[None])
    shared = areas * np.maximum(top - low, 0.0)
    return shared / (one[:, 3:6].prod(axis=1)[:, None] + two[:, 3:6].prod(axis=1)[None] - shared)


def covered(pictures: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return (N, M) share of each upright rectangle (N, 4), left top right bottom, that lies in regions (M, 4)."""
    low = np.maximum(pictures[:, None, :2], regions[None, :, :2])
    high = np.minimum(pictures[:, None, 2:], regions[None, :, 2:])
    sides = pictures[:, 2:] - pictures[:, :2]
    return np.maximum(high - low, 0.0).prod(axis=2) / np.maximum(sides.prod(axis=1), 1e-9)[:, None]


@njit(cache=True)
def _shared(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Clip each quadrangle of `one` (N, 4, 2) by each of `two` (M, 4, 2): Sutherland and Hodgman (1974)."""
    areas = np.zeros((len(one), len(two)))
    room, other = np.empty((12, 2)), np.empty((12, 2))
    for n in range(len(one)):
        for m in range(len(two)):
            room[:4], count = one[n], 4
            for side in range(4):
                ax, ay = two[m, side, 0], two[m, side, 1]
                dx, dy = two[m, (side + 1) % 4, 0] - ax, two[m, (side + 1) % 4, 1] - ay
                kept = 0
                for k in range(count):
                    here, last = room[k], room[k - 1 if k > 0 else count - 1]
                    inside = dx * (here[1] - ay) - dy * (here[0] - ax)
                    before = dx * (last[1] - ay) - dy * (last[0] - ax)
                    if (inside >= 0.0) != (before >= 0.0):
                        part = before / (before - inside)
                        other[kept, 0] = last[0] + part * (here[0] - last[0])
                        other[kept, 1] = last[1] + part * (here[1] - last[1])
                        kept += 1
                    if inside >= 0.0:
                        other[kept, 0], other[kept, 1] = here[0], here[1]
                        kept += 1
                count = kept
                room[:count] = other[:count]
            for k in range(count):
                here, ahead = room[k], room[(k + 1) % count]
                areas[n, m] += (here[0] * ahead[1] - here[1] * ahead[0]) / 2.0
    return areas
