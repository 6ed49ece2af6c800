"""What the size of a rectangle tells: which class it may be, and how far it goes on where it was not seen.

A LiDAR sees the sides that face it. Where those fit a vehicle the rectangle is completed away from the sensor to an
ordinary size, and the covariance says how unsure that is. The numbers are ordinary sizes of road users, not trained.
"""

from functools import partial

import numpy as np

from autonomy_nodes.common.objects import Label, Objects

_CAR_LENGTH_M, _CAR_WIDTH_M = 4.3, 1.8
# class: windows of length, width, height, and of the mean height of its points as a share of its height; its weight
# against UNKNOWN with 1
_WINDOWS = {
    Label.CAR: ((1.3, 5.6), (0.0, 2.4), (1.0, 2.3), (0.35, 0.68), 8.0),
    Label.TRUCK: ((5.0, 18.0), (0.0, 3.2), (2.2, 4.5), (0.3, 0.75), 4.0),
    Label.BICYCLE: ((1.2, 2.0), (0.4, 0.9), (1.4, 1.95), (0.5, 0.7), 3.0),
    Label.PEDESTRIAN: ((0.35, 1.1), (0.25, 0.9), (1.3, 2.0), (0.4, 0.7), 2.0),
}
_SOFT_M, _SOFT_SHARE = 0.25, 0.08  # by which a window is blurred
_THICK, _EXACT_M = (Label.BICYCLE, Label.PEDESTRIAN), 0.1  # no plates, as far as returns lie close enough to tell
_LEAST_PROFILE = 0.3  # what is left of a class where heights of points or thickness do not fit it
_WHOLE_LENGTH_M, _WHOLE_WIDTH_M = 2.4, 1.2  # of which a car shows that much it is seen as one
_END_M = 1.4  # the least that an end of a car shows across the line of sight
_ONE_SIDE, _PART = 0.35, 0.15  # of its weight, where but a side of a vehicle or less is seen


def completed(
    stamp_ns: int, fits: np.ndarray, floors: np.ndarray, tops: np.ndarray, counts: np.ndarray, means: np.ndarray
) -> tuple[Objects, Objects]:
    """Return objects in base_link: completed where they may be vehicles, and by what was seen of them alone.

    fits: (K, 5) as of `boxes.rectangles`; floors: (K,) z of the ground under them. tops: (K,) height above ground.
    counts: (K,) points. means: (K,) mean height of the points, as a share of `tops`.
    """
    headings, sides, low, high = _lengthwise(fits)
    length, width = sides.T
    middle = (low + high) / 2.0
    across = abs(middle[:, 1]) > abs(middle[:, 0])  # the longer side stands across the line of sight
    narrow = (counts > 60) & ~(across & (width < 0.35))
    apart = np.sqrt(length * tops / counts)
    probabilities = _classes(length, width, tops, means, across, narrow, apart)
    vehicle = probabilities[:, Label.CAR] > 0.4
    end_view = vehicle & (length < 2.4) & across  # the length is hidden behind it
    turned = _turned(headings, low, high, end_view)
    wanted = np.where(vehicle[:, None], [_CAR_LENGTH_M, _CAR_WIDTH_M], 0.0)
    box = partial(
        _objects, stamp_ns=stamp_ns, floors=floors, tops=tops, counts=counts, probabilities=probabilities
    )  # fmt: skip
    return box(*turned, wanted), box(headings, low, high, np.zeros_like(wanted))


def _objects(
    headings: np.ndarray, low: np.ndarray, high: np.ndarray, wanted: np.ndarray,
    stamp_ns: int, floors: np.ndarray, tops: np.ndarray, counts: np.ndarray, probabilities: np.ndarray,
) -> Objects:  # fmt: skip
    """Return rectangles as objects, grown away from the sensor to the sides that are wanted at least, (K, 2)."""
    sides = np.maximum(high - low, 0.1)
    grown = np.maximum(wanted - sides, 0.0)
    away = np.sign(low + high)
    away[away == 0.0] = 1.0
    middle = (low + high) / 2.0 + away * grown / 2.0
    c, s = np.cos(headings), np.sin(headings)
    centre = np.stack([c * middle[:, 0] - s * middle[:, 1], s * middle[:, 0] + c * middle[:, 1]], axis=1)
    count = len(headings)
    heights = np.maximum(tops, 0.1)
    return Objects(
        stamp_ns=stamp_ns,
        frame='base_link',
        positions_m=np.column_stack([centre, floors + heights / 2.0]),
        headings_rad=(headings + np.pi) % (2.0 * np.pi) - np.pi,
        dimensions_m=np.column_stack([sides + grown, heights]),
        existence=0.95 - 0.6 * np.exp(-counts / 8.0),
        class_probabilities=probabilities,
        velocities_mps=np.full((count, 2), np.nan),
        heading_rates_rps=np.full(count, np.nan),
        pose_covariances=_covariances(headings, sides, grown, counts, probabilities[:, Label.UNKNOWN]),
        velocity_covariances=np.tile(np.eye(2) * 1e4, (count, 1, 1)),  # not known
    )


def _lengthwise(fits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return headings of the longer side, (K, 2) sides, (K, 2) least and greatest coordinates along and across."""
    low, high = fits[:, [1, 3]], fits[:, [2, 4]]
    across = high[:, 1] - low[:, 1] > high[:, 0] - low[:, 0]
    headings, low, high = _turned(fits[:, 0], low, high, across)
    return headings, high - low, low, high


def _turned(
    headings: np.ndarray, low: np.ndarray, high: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same rectangles with a heading a quarter turn further for those in `which` (K,)."""
    turned_low = np.column_stack([low[:, 1], -high[:, 0]])
    turned_high = np.column_stack([high[:, 1], -low[:, 0]])
    pick = which[:, None]
    return headings + which * (np.pi / 2.0), np.where(pick, turned_low, low), np.where(pick, turned_high, high)


def _classes(
    length: np.ndarray, width: np.ndarray, height: np.ndarray, means: np.ndarray, across: np.ndarray,
    narrow: np.ndarray, apart: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return (K, 12) probabilities by size and by how high the points lie.

    across: (K,) the longer side stands across the line of sight. narrow: (K,) seen so well that a car would show its
    width, or an end of it as flat as a plate. apart: (K,) [m] how far from one another its points lie.
    """
    scores = np.zeros((len(length), len(Label)))
    scores[:, Label.UNKNOWN] = 1.0
    for label, (*windows, profile, weight) in _WINDOWS.items():
        scores[:, label] = weight
        for size, window in zip((length, width, height), windows):
            scores[:, label] *= _within(size, window, _SOFT_M)
        if label in _THICK:
            thick = _within(width, (windows[1][0], np.inf), np.clip(apart, _EXACT_M, _SOFT_M))
            scores[:, label] *= np.maximum(thick, _LEAST_PROFILE)
        scores[:, label] *= np.maximum(_within(means, profile, _SOFT_SHARE), _LEAST_PROFILE)
    long = length > _WHOLE_LENGTH_M
    side = long | (across & (length > _END_M))
    scores[:, Label.CAR] *= np.where(long & (width > _WHOLE_WIDTH_M), 1.0, np.where(side, _ONE_SIDE, _PART))
    scores[:, Label.TRUCK] *= np.where(width > _WHOLE_WIDTH_M, 1.0, _ONE_SIDE)
    scores[narrow & (length < 2.4) & (width < 1.0), Label.CAR] *= 0.1
    return scores / scores.sum(axis=1, keepdims=True)


def _within(values: np.ndarray, window: tuple[float, float], soft: float | np.ndarray) -> np.ndarray:
    """Return 1 inside a window, less the further outside."""
    outside = np.maximum(np.maximum(window[0] - values, values - window[1]), 0.0)
    return np.exp(-((outside / soft) ** 2))


def _covariances(
    headings: np.ndarray, sides: np.ndarray, grown: np.ndarray, counts: np.ndarray, unknown: np.ndarray
) -> np.ndarray:
    """Return (K, 3, 3) of x, y, heading: few points, a short side and what was completed make it larger.

    What is of no known class may be a part of something: then its ends are where the view ends, and it seems to move.
    """
    sigma = 0.05 + 0.25 / np.sqrt(counts)[:, None] + 0.3 * grown  # (K, 2) along, across
    sigma += 0.25 * unknown[:, None] * sides
    c, s = np.cos(headings), np.sin(headings)
    turn = np.stack([np.stack([c, -s], axis=1), np.stack([s, c], axis=1)], axis=1)  # (K, 2, 2)
    result = np.zeros((len(headings), 3, 3))
    result[:, :2, :2] = turn @ (sigma[:, :, None] ** 2 * np.eye(2)) @ turn.transpose(0, 2, 1)
    long = sides.max(axis=1)
    result[:, 2, 2] = np.clip(0.25 / np.maximum(long - 0.5, 0.1), 0.05, 1.5) ** 2
    return result
