"""The height of ground that nobody saw, from the ground around it: fine beside what was seen, coarse far from it.

Averages over ever larger squares are pulled up a pyramid, and what lacks is pushed down again (Gortler et al., The
Lumigraph, 1996, section 4.3). Beside an obstacle what passes for ground may be its foot, so that tells nothing here.
"""

import numpy as np
from numba import njit

from autonomy_nodes.common.grid import Grid

_SLOPE_SIGMA = 0.06  # rise over run by which ground differs from what lies around it, as `ground` has it
_TOP_CELLS = 4  # of the coarsest level


def everywhere(terrain: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, X) heights and variances of every cell: of a terrain where it knows any, else guessed.

    A guess is for who needs some height, such as of what stands there. It makes nothing known, let alone free.
    """
    elevation, variance = terrain.layers['elevation'], terrain.layers['variance']
    heights, widths = guessed(elevation, terrain.layers['occupancy'] > 0.5)
    spread = (_SLOPE_SIGMA * terrain.resolution_m * widths) ** 2
    known = np.isfinite(elevation)
    return np.where(known, elevation, heights), np.where(known, variance, spread)


@njit(cache=True)
def guessed(elevation: np.ndarray, blocked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, X) heights for every cell, and how large, in cells, the square was that told them.

    elevation: (X, X), NaN where not seen. blocked: (X, X) whether an obstacle stands there. NaN if nothing was seen.
    """
    sizes = [len(elevation)]
    while sizes[-1] > _TOP_CELLS:
        sizes.append((sizes[-1] + 1) // 2)
    sums, counts = [_trusted(elevation, blocked)], [np.zeros((1, 1), np.float32)]
    counts[0] = np.isfinite(sums[0]).astype(np.float32)
    sums[0] = np.where(np.isfinite(sums[0]), sums[0], np.float32(0.0))
    for size in sizes[1:]:
        sums.append(_halved(sums[-1], size))
        counts.append(_halved(counts[-1], size))
    total = counts[-1].sum()
    mean = sums[-1].sum() / total if total > 0.0 else np.nan
    heights = np.full((1, 1), mean, np.float32)
    widths = np.full((1, 1), np.float32(len(elevation)))
    for level in range(len(sizes) - 1, -1, -1):
        heights, widths = _pushed(heights, widths, sums[level], counts[level], 2.0**level)
    return heights, widths


@njit(cache=True)
def _trusted(elevation: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    """Return the heights that are not within a cell of an obstacle, NaN elsewhere."""
    trusted = elevation.copy()
    for i in range(len(elevation)):
        for j in range(len(elevation)):
            if blocked[i, j]:
                for a in range(max(i - 1, 0), min(i + 2, len(elevation))):
                    for b in range(max(j - 1, 0), min(j + 2, len(elevation))):
                        trusted[a, b] = np.nan
    return trusted


@njit(cache=True)
def _halved(values: np.ndarray, size: int) -> np.ndarray:
    """Return (size, size) sums over squares of 2 x 2."""
    halved = np.zeros((size, size), np.float32)
    for i in range(len(values)):
        for j in range(len(values)):
            halved[i // 2, j // 2] += values[i, j]
    return halved


@njit(cache=True)
def _pushed(
    coarse: np.ndarray, widths: np.ndarray, sums: np.ndarray, counts: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the heights of one level: its own where it has any, else those of the level above, bilinearly."""
    last = len(coarse) - 1
    heights, told = np.empty_like(sums), np.empty_like(sums)
    for i in range(len(sums)):
        a = i // 2
        beside_a = min(max(a + (1 if i % 2 else -1), 0), last)
        for j in range(len(sums)):
            if counts[i, j] > 0.0:
                heights[i, j], told[i, j] = sums[i, j] / counts[i, j], width
                continue
            b = j // 2
            if last == 0:
                heights[i, j], told[i, j] = coarse[0, 0], widths[0, 0]
                continue
            beside_b = min(max(b + (1 if j % 2 else -1), 0), last)
            near = np.float32(0.75) * coarse[a, b] + np.float32(0.25) * coarse[beside_a, b]
            far = np.float32(0.75) * coarse[a, beside_b] + np.float32(0.25) * coarse[beside_a, beside_b]
            heights[i, j] = np.float32(0.75) * near + np.float32(0.25) * far
            told[i, j] = widths[a, b]
    return heights, told
