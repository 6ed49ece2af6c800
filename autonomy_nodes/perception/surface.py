"""Closed-form shape of an elevation grid: planes through windows, small holes filled, slope, step and roughness."""

import numpy as np
from numba import njit

_SLOPE_HALF = 2  # planes of 5 x 5 cells


@njit(cache=True)
def shape_of(elevation: np.ndarray, reach: int, resolution: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fill small holes of (X, Y) `elevation` (NaN = not seen) in place; return slope [rad], roughness [m], and filled.

    A hole is filled by the plane through the cells seen within `reach`, if they lie all around it and fit a plane.
    """
    sums = _integral(elevation)
    slope = np.full(elevation.shape, np.nan, np.float32)
    roughness = np.full(elevation.shape, np.nan, np.float32)
    filled = np.zeros(elevation.shape, np.bool_)
    plane = np.zeros(17)
    for i in range(elevation.shape[0]):
        for j in range(elevation.shape[1]):
            seen = np.isfinite(elevation[i, j])
            if not _plane(sums, i, j, _SLOPE_HALF if seen else reach, plane):
                continue
            count, height, slope_i, slope_j, residual2, off_i, off_j = plane[:7]
            if not seen:
                centred = off_i * off_i + off_j * off_j <= (0.4 * reach) ** 2
                if count < 2 * reach + 2 or not centred or residual2 > 0.08**2:
                    continue
                elevation[i, j], filled[i, j] = height, True
            slope[i, j] = np.arctan(np.sqrt(slope_i * slope_i + slope_j * slope_j) / resolution)
            roughness[i, j] = np.sqrt(residual2)
    return slope, roughness, filled


@njit(cache=True)
def _integral(elevation: np.ndarray) -> np.ndarray:
    """Return (X + 1, Y + 1, 10) sums from the corner on of 1, i, j, ii, ij, jj, z, iz, jz, zz over the cells seen."""
    sums = np.zeros((elevation.shape[0] + 1, elevation.shape[1] + 1, 10))
    row = np.zeros(10)
    for i in range(elevation.shape[0]):
        row[:] = 0.0
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
                sums[i + 1, j + 1, k] = sums[i, j + 1, k] + row[k]
    return sums


@njit(cache=True)
def _plane(sums: np.ndarray, i: int, j: int, half: int, plane: np.ndarray) -> bool:
    """Fit the cells within `half` of (i, j); fill `plane`: count, height there, slopes a cell, residual^2, middle off.

    The rest of `plane` is room for sums.
    """
    i0, i1 = max(i - half, 0), min(i + half + 1, sums.shape[0] - 1)
    j0, j1 = max(j - half, 0), min(j + half + 1, sums.shape[1] - 1)
    n = sums[i1, j1, 0] - sums[i0, j1, 0] - sums[i1, j0, 0] + sums[i0, j0, 0]
    if n < 4.0:
        return False
    m = plane[7:]
    for k in range(1, 10):
        m[k] = (sums[i1, j1, k] - sums[i0, j1, k] - sums[i1, j0, k] + sums[i0, j0, k]) / n
    cii, cij, cjj = m[3] - m[1] * m[1], m[4] - m[1] * m[2], m[5] - m[2] * m[2]
    ciz, cjz, czz = m[7] - m[1] * m[6], m[8] - m[2] * m[6], m[9] - m[6] * m[6]
    det = cii * cjj - cij * cij
    if det < 0.05:  # all in one row: the slope across it is not known
        return False
    slope_i, slope_j = (cjj * ciz - cij * cjz) / det, (cii * cjz - cij * ciz) / det
    off_i, off_j = m[1] - i, m[2] - j
    plane[0], plane[1], plane[2], plane[3] = n, m[6] - slope_i * off_i - slope_j * off_j, slope_i, slope_j
    plane[4] = max(0.0, czz - slope_i * ciz - slope_j * cjz)
    plane[5], plane[6] = off_i, off_j
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
