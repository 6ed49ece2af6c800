"""Heights of the ground that others surveyed, as rasters.

Argoverse 2: a raster of 0.3 m in the city's frame, with the similarity that leads to its pixels
(argoverse.github.io/user-guide/api/hd_maps.html). GndNet (Paigwar et al., IROS 2020): 1 m cells about the vehicle,
made of labelled points by a conditional random field; a height counts from the ground below the vehicle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import read_json, read_npz
from autonomy_nodes.messages.formats.simulated import GROUND, read_ground

GNDNET, GNDNET_CORNER_M, GNDNET_CELL_M = 'ground_z_xy', -50.0, 1.0
COMPARED_CELL_M = 0.4  # in which heights on finer rasters are compared

Heights = Callable[[np.ndarray], np.ndarray]  # (N,) heights at (N, 2) places


@dataclass(frozen=True, eq=False)
class Raster:
    """Surveyed ground. at: gives (N,) heights [m] at (N, 2) places in base_link, NaN where not told.

    cell_m: of the cells in which heights are compared; cell [i, j] begins at corner_m + i * cell_m.
    """

    at: Callable[[np.ndarray], np.ndarray]
    cell_m: float
    corner_m: float

    def middles(self, reach_m: float) -> np.ndarray:
        """Return (N, 2) middles of the cells whose middle lies within `reach_m` of base_link."""
        count = int(np.ceil(-2.0 * self.corner_m / self.cell_m))
        along = self.corner_m + (np.arange(count) + 0.5) * self.cell_m
        xy = np.stack(np.meshgrid(along, along, indexing='ij'), axis=-1).reshape(-1, 2)
        return xy[np.hypot(*xy.T) <= reach_m]


def has_gndnet_raster(path: Path) -> bool:
    """Return whether a file of a sweep holds a raster too, or is broken so that nobody knows."""
    if path.suffix != '.npz' or not path.is_file():
        return False
    try:
        with np.load(path, allow_pickle=False) as stored:
            return GNDNET in stored.files
    except Exception:  # said where the sweep is read
        return True


def gndnet_raster(path: Path) -> Raster:
    """Return the raster beside the points of a sweep."""
    heights = read_npz(path, GNDNET)[GNDNET].astype(float)
    if heights.ndim != 2:
        raise DataError(f'{path}: {GNDNET} has shape {heights.shape}, expected two dimensions; fetch it again')

    def at(xy: np.ndarray) -> np.ndarray:
        index = np.floor((xy - GNDNET_CORNER_M) / GNDNET_CELL_M).astype(int)
        return _looked_up(heights, index)

    return Raster(at, GNDNET_CELL_M, GNDNET_CORNER_M)


def argoverse_raster(log: Path, city_from_base: np.ndarray) -> Raster | None:
    """Return the raster of a log's map about the vehicle, None where the log has none."""
    files = _argoverse_files(log)
    if files is None:
        return None
    place, how = files
    heights, similarity = _heights(place), read_json(how)
    try:
        turn = np.array(similarity['R'], float).reshape(2, 2)
        shift, scale = np.array(similarity['t'], float).reshape(2), float(similarity['s'])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f'{how}: is no similarity with R, t, s ({error}); fetch it again') from error

    def at(xy: np.ndarray) -> np.ndarray:
        u, v = (scale * (xy @ turn.T + shift)).T
        return _looked_up(heights, np.floor(np.column_stack([v, u])).astype(int))

    return Raster(in_base(at, city_from_base), COMPARED_CELL_M, -40.0)


def simulated_raster(sequence: Path, map_from_base: np.ndarray) -> Raster | None:
    """Return the true ground of a simulated drive about the vehicle, None where that is not told."""
    path = sequence / GROUND
    if not path.is_file():
        return None
    return Raster(in_base(read_ground(path).height, map_from_base), COMPARED_CELL_M, -40.0)


def in_base(height: Heights, map_from_base: np.ndarray) -> Heights:
    """Return what gives heights in base_link of what gives (N,) heights in map at (N, 2) places there."""
    base_from_map = inverse(map_from_base)

    def at(xy: np.ndarray) -> np.ndarray:
        found = np.zeros(len(xy))  # map knows its own x y: where base_link is tilted, the place shifts a little
        for _ in range(3):
            there = np.column_stack([xy, found]) @ map_from_base[:3, :3].T + map_from_base[:3, 3]
            there[:, 2] = height(there[:, :2])
            local = there @ base_from_map[2, :3] + base_from_map[2, 3]
            found = np.nan_to_num(local)
        return np.where(np.isfinite(there[:, 2]), local, np.nan)

    return at


def _argoverse_files(log: Path) -> tuple[Path, Path] | None:
    """Return the file of heights and that of the similarity: of the data set's own layout, or of a compact log."""
    own = sorted((log / 'map').glob('*_ground_height_surface____*.npy'))
    beside = sorted((log / 'map').glob('*___img_Sim2_city.json'))
    if own and beside:
        return own[0], beside[0]
    compact = log / 'ground_height.npz', log / 'img_Sim2_city.json'
    return compact if all(path.is_file() for path in compact) else None


def _heights(path: Path) -> np.ndarray:
    if path.suffix == '.npz':
        return read_npz(path, 'h')['h'].astype(float)
    try:
        return np.load(path, allow_pickle=False).astype(float)
    except Exception as error:  # whatever numpy meets in a broken file
        raise DataError(f'{path}: cannot be read ({error}); fetch it again') from error


def _looked_up(heights: np.ndarray, index: np.ndarray) -> np.ndarray:
    inside = np.all((index >= 0) & (index < np.array(heights.shape)), axis=1)
    index = np.where(inside[:, None], index, 0)
    return np.where(inside, heights[index[:, 0], index[:, 1]], np.nan)
