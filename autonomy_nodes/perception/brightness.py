"""How bright the points of the ground are beside the ground around: paint, by any LiDAR that tells intensity.

A point is bright when it stands out from the middle brightness of the ground of the same range and direction, which
also evens out what range, angle of incidence and the scale of the sensor do.
"""

import heapq

import numpy as np
from numba import njit

from autonomy_nodes.perception.polar import turn_of

_SECTORS, _LEVELS = 72, 256
_PATCH_M, _PATCH_SECTORS = 1.0, 12  # patches in which the middle brightness is taken


def contrasts(
    xyz: np.ndarray, intensity: np.ndarray, ground: np.ndarray, range_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (M, 3) the points of the ground, and (M,) their brightness over the middle of the ground around.

    0 beyond range_m [m], where the ground has too few points, and of a sensor that tells none.
    """
    xyz, intensity = chosen(xyz, intensity, ground)
    if not len(xyz) or (top := top_of(intensity)) <= 0.0:
        return xyz, np.zeros(len(xyz), np.float32)
    return xyz, over_median(sorted_in(xyz, range_m)[0], intensity, top)


@njit(cache=True)
def chosen(xyz: np.ndarray, intensity: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and their brightness where `which` is true."""
    places, bright = np.empty((len(xyz), 3), xyz.dtype), np.empty(len(xyz), intensity.dtype)
    count = 0
    for n in range(len(xyz)):
        if which[n]:
            places[count, 0], places[count, 1], places[count, 2] = xyz[n, 0], xyz[n, 1], xyz[n, 2]
            bright[count] = intensity[n]
            count += 1
    return places[:count], bright[:count]


@njit(cache=True)
def top_of(intensity: np.ndarray) -> float:
    """Return the brightness that one point in a thousand exceeds, or the brightest of few."""
    brightest = list(intensity[: max(1, len(intensity) // 1000)])
    heapq.heapify(brightest)
    for value in intensity[len(brightest) :]:
        if value > brightest[0]:
            heapq.heapreplace(brightest, value)
    return float(brightest[0])


@njit(cache=True)
def sorted_in(xyz: np.ndarray, range_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the patch of each point, -1 beyond range_m, and (72,) the farthest ground in each sector of 5 degrees.

    These sectors begin at -180 degrees, those of patches at 0.
    """
    patch, seen = np.full(len(xyz), -1, np.int32), np.zeros(_SECTORS)
    for n in range(len(xyz)):
        x, y = xyz[n, 0], xyz[n, 1]
        distance, turn = np.sqrt(x * x + y * y), turn_of(x, y)
        if distance < range_m:
            patch[n] = int(distance / _PATCH_M) * _PATCH_SECTORS + min(int(turn * _PATCH_SECTORS), _PATCH_SECTORS - 1)
        place = (turn + 0.5) * _SECTORS
        sector, share = int(place) % _SECTORS, place - int(place)
        if not 0.06 < share < 0.94:  # so near to an edge that it may lie beyond: the angle is a rough one
            if distance <= min(seen[sector], seen[(sector + (1 if share > 0.5 else -1)) % _SECTORS]):
                continue
            sector = int((np.arctan2(y, x) / (2.0 * np.pi) + 0.5) * _SECTORS) % _SECTORS
        if distance > seen[sector]:
            seen[sector] = distance
    return patch, seen


@njit(cache=True)
def over_median(patch: np.ndarray, intensity: np.ndarray, top: float) -> np.ndarray:
    """Return (N,) brightness over the median of the patch; 0 in no patch or where it has few points."""
    rings = (patch.max() + _PATCH_SECTORS) // _PATCH_SECTORS
    counts = np.zeros((rings * _PATCH_SECTORS, _LEVELS), np.int32)
    for n in range(len(patch)):
        if patch[n] >= 0:
            counts[patch[n], min(int(intensity[n] / top * (_LEVELS - 1)), _LEVELS - 1)] += 1
    medians, around = np.zeros(len(counts), np.float32), np.empty(_LEVELS, np.int32)
    for cell in range(len(counts)):
        ring, sector = cell // _PATCH_SECTORS * _PATCH_SECTORS, cell % _PATCH_SECTORS
        before, after = ring + (sector - 1) % _PATCH_SECTORS, ring + (sector + 1) % _PATCH_SECTORS
        total = all_ = 0
        for level in range(_LEVELS):  # near by a line fills most of one patch
            around[level] = counts[before, level] + counts[cell, level] + counts[after, level]
            all_ += around[level]
        if all_ < 20:
            continue
        for level in range(_LEVELS):
            total += 2 * around[level]
            if total >= all_:
                medians[cell] = (level + 0.5) / (_LEVELS - 1) * top
                break
    ratios = np.zeros(len(patch), np.float32)
    for n in range(len(patch)):
        if patch[n] >= 0 and medians[patch[n]] > 0.0:
            ratios[n] = intensity[n] / medians[patch[n]]
    return ratios
