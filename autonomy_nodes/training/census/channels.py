"""What the network's raster holds, channel by channel and range by range, as histograms that can be summed."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.perception.bev import (
    CELL_M,
    CELLS,
    FINE,
    FINE_M,
    HIGH_M,
    LOW_M,
    POINTS,
    PRIOR,
    SLICES_M,
    middles,
)

BANDS_M = (0.0, 10.0, 20.0, 40.0, 70.0)  # edges of the bands of range about base_link
BANDS = tuple(f'{low:.0f}-{high:.0f} m' for low, high in zip(BANDS_M[:-1], BANDS_M[1:]))
OCCUPIED = 'occupied'  # share of the cells of a sweep that hold points: one value a sweep
CHANNELS = (OCCUPIED, *POINTS, *PRIOR)
BINS = 50
_RANGES = {  # of the values of a channel; of the others two values, 0 and 1
    OCCUPIED: (-4.0, 0.0),  # decimal logarithm
    'count': (0.0, 6.0), 'highest': (LOW_M, HIGH_M), 'lowest': (LOW_M, HIGH_M), 'mean': (LOW_M, HIGH_M),
    'intensity': (0.0, 1.0), 'contrast': (0.0, 3.0), 'before': (0.0, 6.0), 'ground': (-5.0, 5.0), 'passed': (0.0, 1.0),
}  # fmt: skip
ABOUT = {  # in words, as the table of drift has them
    OCCUPIED: 'share of cells with points (log10)', 'count': 'points a cell', 'highest': 'highest point [m]',
    'lowest': 'lowest point [m]', 'mean': 'mean height [m]', 'intensity': 'intensity',
    'contrast': 'intensity against its mean', 'before': 'points that stood there before',
    'ground': 'height of the ground [m]', 'known': 'share of cells with known ground', 'passed': 'how low rays passed',
}  # fmt: skip
ABOUT |= {f'slice_{k}': f'cells with points {low:g} to {high:g} m up'
          for k, (low, high) in enumerate(zip(SLICES_M[:-1], SLICES_M[1:]))}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Values:
    """The raster of one sweep in few numbers.

    counts: (channels, bands, BINS) uint32 histograms of the values of cells. means: (channels, bands) float32, NaN
    where no cell is.
    """

    counts: np.ndarray
    means: np.ndarray


def values_of(inputs: dict[str, np.ndarray], with_before: bool, with_rays: bool) -> Values:
    """Return what a raster holds. inputs: as raster.rasterised gives them.

    Values of points are those of cells with points; known and passed those of all cells, ground those of known ones.
    """
    counts = np.zeros((len(CHANNELS), len(BANDS), BINS), np.uint32)
    means = np.full((len(CHANNELS), len(BANDS)), np.nan, np.float32)
    points, prior = inputs['points'], inputs['prior']
    occupied = points[POINTS.index('count')] > 0.0
    for band in range(len(BANDS)):
        share = float(occupied[band == _FINE_BANDS].mean())
        means[0, band] = share
        counts[0, band] = _histogram(OCCUPIED, np.log10(np.maximum([share], 1e-4)))
    here, bands = np.nonzero(occupied), _FINE_BANDS[occupied]
    for row, name in enumerate(POINTS, CHANNELS.index(POINTS[0])):
        if name != 'before' or with_before:
            _take(name, points[row - 1][here], bands, counts[row], means[row])
    known = prior[PRIOR.index('known')] > 0.0
    for row, (name, layer) in enumerate(zip(PRIOR, prior), CHANNELS.index(PRIOR[0])):
        if name != 'passed' or with_rays:
            asked = known if name == 'ground' else np.ones(CELLS, bool)
            _take(name, layer[asked], _BANDS[asked], counts[row], means[row])
    return Values(counts, means)


def edges_of(name: str) -> np.ndarray:
    """Return (BINS + 1,) edges of a channel's histogram."""
    return np.linspace(*_RANGES.get(name, (0.0, 1.0)), BINS + 1)


def is_share(name: str) -> bool:
    """Return whether a channel has no values but 0 and 1, so that its mean is a share of cells."""
    return name not in _RANGES


def _take(name: str, values: np.ndarray, bands: np.ndarray, counts: np.ndarray, means: np.ndarray) -> None:
    for band in range(len(BANDS)):
        here = values[bands == band]
        if len(here):
            counts[band], means[band] = _histogram(name, here), here.mean()


def _histogram(name: str, values: np.ndarray) -> np.ndarray:
    low, high = _RANGES.get(name, (0.0, 1.0))
    places = np.clip((values - low) * (BINS / (high - low)), 0, BINS - 1).astype(np.int64)
    return np.bincount(places, minlength=BINS).astype(np.uint32)


def _bands(size_m: float, shape: tuple[int, int]) -> np.ndarray:
    """Return (X, Y) the band of each cell; that of cells beyond the last is no band's."""
    reach = np.hypot(*np.moveaxis(middles(size_m), -1, 0))
    assert reach.shape == shape
    return np.digitize(reach, BANDS_M) - 1


_FINE_BANDS, _BANDS = _bands(FINE_M, FINE), _bands(CELL_M, CELLS)
