"""Closed-form shape of an elevation grid: planes through windows, small holes filled, slope, step and roughness."""

import numpy as np
from numba import njit

_SLOPE_HALF = 2  # planes of 5 x 5 cells


@njit(cache=True)
def shape_of(
    elevation: np.ndarray, reach: int, resolution: float, filling_only: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fill small holes of (X, Y) `elevation` (NaN = not seen) in place; return slope [rad], roughness [m], and filled.

    A hole is filled by the plane through the cells seen within `reach`, if they lie all around it and fit a plane.
    filling_only: slope and roughness of what was seen are not wanted, and stay NaN.
    """
    most = max(reach, _SLOPE_HALF)
    sums = np.zeros((2 * most + 2, elevation.shape[1] + 1, 10))  # of the rows around the one in work, in turn
    slope = np.full(elevation.shape, np.nan, np.float32)
    roughness = np.full(elevation.shape, np.nan, np.float32)
    filled = np.zeros(elevation.shape, np.bool_)
    plane, fewest = np.zeros(16), max(2 * reach + 2, 4)
    for row in range(min(most, elevation.shape[0])):
        _sum_row(elevation, row, sums)
    for i in range(elevation.shape[0]):
        if i + most < elevation.shape[0]:
            _sum_row(elevation, i + most, sums)
        near, far = _between(len(sums), i, _SLOPE_HALF, len(elevation)), _between(len(sums), i, reach, len(elevation))
        for j in range(elevation.shape[1]):
            seen = np.isfinite(elevation[i, j])
            if seen and filling_only:
                continue
            (low, high), half, least = (near, _SLOPE_HALF, 4) if seen else (far, reach, fewest)
            if not _plane(sums, low, high, i, j, half, least, plane):
                continue
            height, slope_i, slope_j, residual2 = plane[0], plane[1], plane[2], plane[3]
            if not seen:
                centred = plane[4] ** 2 + plane[5] ** 2 <= (0.4 * reach) ** 2
                if not centred or residual2 > 0.08**2:
                    continue
                elevation[i, j], filled[i, j] = height, True
            slope[i, j] = np.arctan(np.sqrt(slope_i * slope_i + slope_j * slope_j) / resolution)
            roughness[i, j] = np.sqrt(residual2)
    return slope, roughness, filled


@njit(cache=True)
def _sum_row(elevation: np.ndarray, i: int, sums: np.ndarray) -> None:
    """Set row i + 1 of `sums`: from the corner on of 1, i, j, ii, ij, jj, z, iz, jz, zz over the cells seen.

    sums: (R, Y + 1, 10), of which row r holds each R-th row of all; column 0 is 0.
    """
    before, after, row = sums[i % len(sums)], sums[(i + 1) % len(sums)], np.zeros(10)
    for j in range(elevation.shape[1]):
        z = float(elevation[i, j])
        if np.isfinite(z):
            row[0] += 1.0
            row[1] += i
            row[2] += j
            row[3] += i * i
            row[4] += i * j
            row[5] += j * j
            row[6] += z
            row[7] += i * z
            row[8] += j * z
            row[9] += z * z
        for k in range(10):
            after[j + 1, k] = before[j + 1, k] + row[k]


@njit(cache=True)
def _between(length: int, i: int, half: int, rows: int) -> tuple[int, int]:
    """Return which rows of `length` sums lie before and behind a band of `half` rows on both sides of i, of `rows`."""
    return max(i - half, 0) % length, min(i + half + 1, rows) % length


@njit(cache=True)
def _plane(
    sums: np.ndarray, low: int, high: int, i: int, j: int, half: int, fewest: int, plane: np.ndarray
) -> bool:
    """Fit the cells within `half` of (i, j); fill `plane`: height there, slopes a cell, residual^2, middle off.

    low, high: of `_between`. The rest of `plane` is room for sums. Returns False, without a fit, where fewer than
    `fewest` cells were seen.
    """
    j0, j1 = max(j - half, 0), min(j + half + 1, sums.shape[1] - 1)
    n = sums[high, j1, 0] - sums[low, j1, 0] - sums[high, j0, 0] + sums[low, j0, 0]
    if n < fewest:
        return False
    for k in range(1, 10):
        plane[6 + k] = (sums[high, j1, k] - sums[low, j1, k] - sums[high, j0, k] + sums[low, j0, k]) / n
    mi, mj, mz = plane[7], plane[8], plane[12]  # means
    cii, cij, cjj = plane[9] - mi * mi, plane[10] - mi * mj, plane[11] - mj * mj
    ciz, cjz, czz = plane[13] - mi * mz, plane[14] - mj * mz, plane[15] - mz * mz
    det = cii * cjj - cij * cij
    if det < 0.05:  # all in one row: the slope across it is not known
        return False
    slope_i, slope_j = (cjj * ciz - cij * cjz) / det, (cii * cjz - cij * ciz) / det
    off_i, off_j = mi - i, mj - j
    plane[0], plane[1], plane[2] = mz - slope_i * off_i - slope_j * off_j, slope_i, slope_j
    plane[3] = max(0.0, czz - slope_i * ciz - slope_j * cjz)
    plane[4], plane[5] = off_i, off_j
    return True


@njit(cache=True)
def _height(elevation: np.ndarray, i: int, j: int) -> float:
    """Return the height of a cell; NaN outside."""
    inside = 0 <= i < elevation.shape[0] and 0 <= j < elevation.shape[1]
    return elevation[i, j] if inside else np.nan


@njit(cache=True)
def _excess(jump: float, before: float, after: float) -> float:
    """Return how much of a jump the rise just before or after it, whichever is nearer, does not explain."""
    one, two = abs(jump - before), abs(jump - after)
    if np.isnan(one) or np.isnan(two):
        return two if np.isnan(one) else one
    return min(one, two)


@njit(cache=True)
def steps_of(elevation: np.ndarray) -> np.ndarray:
    """Return (X, Y) the largest jump [m] at a cell beyond what the slope beside it explains; NaN where unknown.

    A jump from cell to cell, or over a cell that holds an edge, is judged against the rise just before and after it:
    an even slope has none, a kerb between two flats has its whole height, wherever in a cell it lies.
    """
    step = np.full(elevation.shape, np.nan, np.float32)
    for i in range(elevation.shape[0]):
        for j in range(elevation.shape[1]):
            here = elevation[i, j]
            if not np.isfinite(here):
                continue
            largest = 0.0
            for di, dj in ((1, 0), (0, 1)):
                left, right = _height(elevation, i - di, j - dj), _height(elevation, i + di, j + dj)
                before = left - _height(elevation, i - 2 * di, j - 2 * dj)
                after = _height(elevation, i + 2 * di, j + 2 * dj) - right
                for excess in (
                    _excess(right - here, here - left, after),
                    _excess(here - left, before, right - here),
                    _excess(right - left, 2.0 * before, 2.0 * after),
                ):
                    if excess > largest:  # false for NaN
                        largest = excess
            step[i, j] = largest
    return step
