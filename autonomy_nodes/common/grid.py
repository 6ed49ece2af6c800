"""A grid of cells seen from above, with named layers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.types import DataError, check_array

TERRAIN_LAYERS = (
    'elevation', 'variance', 'slope', 'step', 'roughness', 'traversability',
    'class', 'obstacle_height', 'ceiling', 'occupancy', 'observed',
)  # fmt: skip
SEMANTIC_LAYERS = ('semantic', 'certainty', 'forbidden')  # beside those of the terrain, where a network tells them
SEMANTICS = (
    'unknown', 'paved', 'loose', 'low_vegetation', 'high_vegetation', 'wet', 'rubble', 'obstacle',
)  # fmt: skip
FAR_LAYERS = ('elevation', 'obstacle_height', 'occupancy', 'observed')
RING_LAYERS = ('elevation', 'variance', 'obstacle', 'free')  # of the network's far ring; the last two are chances
PRIOR_LAYERS = ('drivable', 'divider', 'boundary', 'stop_line', 'crosswalk', 'direction_sin', 'direction_cos')
PRIOR_CONFIDENCE = 'confidence'  # beside those: how surely the map lies where it is drawn, 0 to 1


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells of `resolution_m`, axes along those of `frame`; unknown cells are NaN, never zero.

    origin_m: (2,) x y of the corner with the smallest coordinates.
    layers: name to (X, Y) float32; cell [i, j] covers x from origin + i * resolution, y from origin + j * resolution.
    Terrain layers: elevation [m, z in `frame`], variance [m^2], slope [rad], step [m], roughness [m],
    traversability 0 (never) to 1 (easy), class (0 unknown, 1 ground, 2 rough, 3 obstacle, 4 hole),
    obstacle_height [m above ground], ceiling [m above ground, inf where there is none seen],
    occupancy 0 to 1, observed 1 where this or an earlier sweep saw the ground, 0.5 where filled in, 0 never seen.
    Where a network tells them: semantic, place in SEMANTICS, certainty, chance that it is this, forbidden, chance that
    no vehicle may enter.
    """

    stamp_ns: int
    frame: str
    resolution_m: float
    origin_m: np.ndarray
    layers: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        check_array('origin_m', self.origin_m, 2)
        shapes = {layer.shape for layer in self.layers.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise DataError(f'layers have shapes {sorted(shapes)}, expected one of two dimensions')

    @property
    def shape(self) -> tuple[int, int]:
        """Cells along x and along y."""
        return next(iter(self.layers.values())).shape  # type: ignore[return-value]

    def cells(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (..., 2) cell indices of (..., 2) places and (...) whether they lie inside; outside ones are 0, 0."""
        index = np.floor((xy - self.origin_m) / self.resolution_m).astype(np.int64)
        inside = ((index >= 0) & (index < np.array(self.shape))).all(axis=-1)
        index[~inside] = 0
        return index, inside

    def at(self, layer: str, xy: np.ndarray) -> np.ndarray:
        """Return (...) values of the cells at (..., 2) places; NaN outside the grid."""
        index, inside = self.cells(np.asarray(xy, float))
        values = self.layers[layer][index[..., 0], index[..., 1]].astype(float)
        return np.where(inside, values, np.nan)


# What a cell of the terrain shows in pictures, worst last.
KINDS = ('unknown', 'filled', 'easy', 'fair', 'hard', 'rough', 'hole', 'obstacle')
CLASS_KINDS = {2: 'rough', 3: 'obstacle', 4: 'hole'}  # of the terrain's layer `class`
EASY, FAIR = 0.7, 0.4  # traversability from which ground counts as such


def kinds(grid: Grid) -> np.ndarray:
    """Return (X, Y) uint8, the place in KINDS of each cell of the terrain; what was not seen or judged is unknown."""
    shown = np.full(grid.shape, KINDS.index('unknown'), np.uint8)
    observed, ease = np.nan_to_num(grid.layers['observed']), grid.layers['traversability']
    for name, where in (('hard', ease < FAIR), ('fair', ease >= FAIR), ('easy', ease >= EASY)):
        shown[(observed > 0.0) & where] = KINDS.index(name)  # a comparison with NaN is false
    shown[(shown != KINDS.index('unknown')) & (observed < 1.0)] = KINDS.index('filled')
    for number, name in CLASS_KINDS.items():
        shown[grid.layers['class'] == number] = KINDS.index(name)
    return shown
