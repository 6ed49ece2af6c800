"""Natural ground from a seed: hills, patches, and beds that are laid into it."""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Material


def noise(shape: tuple[int, int], length_cells: float, rng: np.random.Generator) -> np.ndarray:
    """Return smooth values of mean 0 and standard deviation 1 whose bumps are about `length_cells` wide."""
    coarse = max(1, int(length_cells / 4.0))  # drawn coarsely: a wide filter on fine cells is slow
    small = tuple(size // coarse + 3 for size in shape)
    values = gaussian_filter(rng.normal(size=small), length_cells / coarse, mode='reflect')
    rows, columns = (np.arange(size) / coarse for size in shape)
    rows_low, columns_low = rows.astype(int), columns.astype(int)
    u, v = (rows - rows_low)[:, None], (columns - columns_low)[None, :]
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    corner = [values[np.ix_(rows_low + i, columns_low + j)] for i in (0, 1) for j in (0, 1)]
    values = (corner[0] * (1 - u) + corner[2] * u) * (1 - v) + (corner[1] * (1 - u) + corner[3] * u) * v
    return (values - values.mean()) / values.std()


def places(origin_m: np.ndarray, resolution_m: float, shape: tuple[int, int]) -> np.ndarray:
    """Return (X, Y, 2) places of the nodes of a grid."""
    axes = [origin_m[axis] + resolution_m * np.arange(shape[axis]) for axis in (0, 1)]
    return np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1)


def bedded(
    heights: np.ndarray, xy: np.ndarray, line: np.ndarray, flat_m: float, blend_m: float, sink_m: float = 0.0
) -> np.ndarray:
    """Return heights (X, Y) with a bed along a line (N, 3): its height within `flat_m`, natural `blend_m` further."""
    distance, nearest = cKDTree(line[:, :2]).query(xy.reshape(-1, 2))
    share = np.clip((distance - flat_m) / blend_m, 0.0, 1.0).reshape(heights.shape)
    share = share * share * (3.0 - 2.0 * share)
    bed = line[nearest, 2].reshape(heights.shape) - sink_m
    return bed * (1.0 - share) + heights * share


def along(xy: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y) how far along a line (N, 2), points 1 m apart, and how far to its left places (X, Y, 2) lie."""
    distance, nearest = cKDTree(line).query(xy.reshape(-1, 2))
    ahead = np.gradient(line, axis=0)[nearest]
    away = xy.reshape(-1, 2) - line[nearest]
    left = np.sign(ahead[:, 0] * away[:, 1] - ahead[:, 1] * away[:, 0]) * distance
    return nearest.reshape(xy.shape[:-1]).astype(float), left.reshape(xy.shape[:-1])


def patched(
    shape: tuple[int, int], kinds: dict[Material, float], length_cells: float, rng: np.random.Generator
) -> np.ndarray:
    """Return (X, Y) materials: GRASS, with patches of others that cover about their share of the ground."""
    materials = np.full(shape, Material.GRASS, np.uint8)
    for kind, share in kinds.items():
        field = noise(shape, length_cells, rng)
        materials[field > np.quantile(field, 1.0 - share)] = kind
    return materials


def field_of(origin_m: np.ndarray, resolution_m: float, heights: np.ndarray, materials: np.ndarray) -> HeightField:
    """Return the ground of heights at nodes and materials at nodes, of which the last row and column fall away."""
    return HeightField(np.asarray(origin_m, float), resolution_m, heights, materials[:-1, :-1])
