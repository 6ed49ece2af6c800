"""The kernels on arrays of numpy, on the CPU: what tests hold against the loops of perception, and torch calls."""

import math
from collections.abc import Sequence

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.nvidia.kernels.library import Library, library
from autonomy_nodes.inference.nvidia.kernels.plans import (
    BOX_CHANNELS,
    CLASS_COLUMNS,
    ROW,
    Cells,
    Lift,
    Peaks,
    Splat,
)


def splat(points: np.ndarray, heights: np.ndarray, edges: np.ndarray, cells: Cells) -> np.ndarray:
    """Return (5 + slices + 3, X, Y) float32: count, highest, lowest, mean, intensity, slices, before, contrast, rough.

    As perception.raster lays one sweep; 'before', which it does not tell, is 0. points: (N, 4) x y z [m] intensity (0
    to 1; another makes the cell's NaN). heights: (N,) above the ground [m]; what is not between the first and the last
    edge is not looked at. edges: (slices + 1,) of the slices of height [m].
    """
    points, heights, edges = (np.require(array, np.float32, 'C') for array in (points, heights, edges))
    if points.ndim != 2 or points.shape[1] != 4 or heights.shape != points.shape[:1]:
        raise DataError(f'points {points.shape} and heights {heights.shape} must be (N, 4) and (N,)')
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0.0).all():
        raise ValueError(f'edges {edges} of the slices must rise')
    size = Splat(cells, len(edges) - 1, len(points))
    out = np.empty(size.out_shape, np.float32)
    scratch = np.empty(size.scratch_bytes // 8, np.float64)
    places = {'points': points, 'heights': heights, 'edges': edges, 'scratch': scratch, 'out': out}
    library('splat').run(size.plan(**_addresses(places)))
    return out


def lift(features: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (C, ...) the mean over cameras, by weights, of what each shows at a place; 0 where no weight is above 0.

    features: (N, C, h, w). places: (N, ..., 2) x y from -1, the left or upper border, to 1; 0 is shown outside and
    where one is NaN. weights: (N, ...), from 0. All float32, or all float64.
    """
    features, places, weights, size = _lift_of(features, places, weights)
    out = np.empty((size.channels, *weights.shape[1:]), features.dtype)
    given = {'features': features, 'places': places, 'weights': weights, 'out': out}
    _lifting(features.dtype).run(size.forward(**_addresses(given)))
    return out


def lift_gradients(
    told: np.ndarray, features: np.ndarray, lifted: np.ndarray, places: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradients of the features and of the weights, from that of what came out (told) and that (lifted)."""
    features, places, weights, size = _lift_of(features, places, weights)
    told, lifted = (np.require(array, features.dtype, 'C') for array in (told, lifted))
    if not told.shape == lifted.shape == (size.channels, *weights.shape[1:]):
        raise DataError(f'gradient {told.shape} and result {lifted.shape} are not of features {features.shape}')
    runner, common = _lifting(features.dtype), {'told': told, 'places': places, 'weights': weights}
    of_features, of_weights = np.empty_like(features), np.empty_like(weights)
    runner.run(size.to_features(**_addresses(common | {'out': of_features}), size=features.itemsize))
    given = common | {'features': features, 'lifted': lifted, 'out': of_weights}
    runner.run(size.to_weights(**_addresses(given)))
    return of_features, of_weights


def class_table(
    least: Sequence[float],
    temperature: Sequence[float],
    offset: Sequence[float],
    family: Sequence[int],
    radius_m: Sequence[float],
    fit: float,
) -> np.ndarray:
    """Return (K, 6) float64, what `peaks` asks of each class.

    least: what the network must say, above 0 and below 1. temperature, offset: by which its log odds are divided and
    shifted. family: of one place only one of a family is told. radius_m: no two of a family stand so near.
    """
    if not all(0.0 < value < 1.0 for value in least) or not all(value > 0.0 for value in temperature):
        raise ValueError(f'least={least} must be above 0 and below 1, temperature={temperature} above 0')
    alone = [min(float(value) ** (1.0 / (1.0 - fit)), 1.0 - 1e-12) for value in least]  # a perfect fit needs as much
    floors = [math.log(value / (1.0 - value)) for value in alone]
    return np.column_stack([least, floors, temperature, offset, family, radius_m]).astype(np.float64)


def peaks(
    heat: np.ndarray, overlap: np.ndarray, box: np.ndarray, told: np.ndarray, cells: Cells, fit: float, most: int
) -> tuple[np.ndarray, int]:
    """Return (most, 4) float64 existence, class, i, j of middles, the surest first and then 0, and how many there are.

    As perception.decode picks them. heat: (K, X, Y) logits; overlap: (X, Y) logit of how well a box fits; box: (8 or
    more, X, Y) as bev.BOX; told: (K, 6) of class_table.
    """
    heat, overlap, box = (np.require(array, np.float32, 'C') for array in (heat, overlap, box))
    told = np.require(told, np.float64, 'C')
    if heat.ndim != 3 or not heat.shape[1:] == overlap.shape == box.shape[1:] == cells.shape:
        raise DataError(f'heat {heat.shape}, overlap {overlap.shape}, box {box.shape} are not of cells {cells.shape}')
    if len(box) < BOX_CHANNELS or told.shape != (len(heat), CLASS_COLUMNS):
        raise DataError(f'box {box.shape} needs {BOX_CHANNELS} channels, classes {told.shape}: {CLASS_COLUMNS} columns')
    if not np.isfinite(told).all():
        raise DataError(f'classes {told} must be finite')
    size = Peaks(cells, len(heat), fit, most)
    out, kept = np.empty((most, ROW)), np.zeros(1, np.int32)
    scratch = np.empty(-(-size.scratch_bytes // 8), np.float64)
    given = {'heat': heat, 'overlap': overlap, 'box': box, 'told': told}
    library('decode').run(size.plan(**_addresses(given | {'scratch': scratch, 'out': out, 'kept': kept})))
    return out, int(kept[0])


def _lift_of(
    features: np.ndarray, places: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Lift]:
    """Return the arrays side by side, all of the features' type, and their sizes; DataError where they do not fit."""
    kind = np.float64 if features.dtype == np.float64 else np.float32
    features, places, weights = (np.require(array, kind, 'C') for array in (features, places, weights))
    if features.ndim != 4 or places.shape != (*weights.shape, 2) or weights.ndim < 2 or len(weights) != len(features):
        shapes = (features.shape, places.shape, weights.shape)
        raise DataError(f'features, places and weights {shapes} must be (N, C, h, w), (N, ..., 2), (N, ...)')
    cameras, channels, high, wide = features.shape
    size = Lift(cameras, channels, high, wide, weights.size // max(cameras, 1))
    return features, places, weights, size


def _lifting(kind: np.dtype) -> Library:
    return library('lift', 'double' if kind == np.float64 else 'float')


def _addresses(arrays: dict[str, np.ndarray]) -> dict[str, int]:
    return {name: array.ctypes.data for name, array in arrays.items()}
