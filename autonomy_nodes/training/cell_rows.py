"""What both channels tell of cells of simulated places, beside whether a vehicle may enter them."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.perception.bev import middles
from autonomy_nodes.perception.cell_judge import FEATURES, SHAPES, features
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.learned import Learned
from autonomy_nodes.perception.semantics import met_of
from autonomy_nodes.perception.terrain import Terrain, TerrainConfig
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.targets import targets_of

REACH_M, EACH = 30.0, 800  # from base_link; cells of one sweep
AT_REST = EgoState(1, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))
_MIDDLES = middles()


@dataclass(frozen=True, eq=False)
class CellRows:
    """N cells. place: (N,) seed. features: (N, len(FEATURES)) float32. barred: (N,) whether no vehicle may enter."""

    place: np.ndarray
    features: np.ndarray
    barred: np.ndarray

    def kept(self, which: np.ndarray) -> 'CellRows':
        """Return some of them."""
        return CellRows(self.place[which], self.features[which], self.barred[which])


def cells_told(
    example: Example, cloud: PointCloud, ground: Ground, passed: np.ndarray, sensor_m: np.ndarray, learned: Learned,
    place: int, rng: np.random.Generator,
) -> CellRows:  # fmt: skip
    """Return what both channels tell of some cells of one sweep, drawn of those it is believed of on board."""
    vehicle = Vehicle()
    body_m = np.array([vehicle.rear_m, vehicle.front_m, vehicle.width_m / 2.0])
    grid = Terrain(TerrainConfig()).update(cloud.xyz, ground, passed, sensor_m, body_m, AT_REST)
    wanted = targets_of(example, learned.prior)
    asked = (wanted['seen'][0] > 0.0) & met_of(learned.prior) & (np.hypot(*_MIDDLES.T).T < REACH_M)
    a, b = np.nonzero(asked)
    some = rng.permutation(len(a))[:EACH]
    (i, j), inside = (part.T for part in grid.cells(_MIDDLES[a[some], b[some]]))
    a, b, i, j = (index[inside] for index in (a[some], b[some], i, j))
    outputs = learned.outputs
    shapes, rows = np.stack([grid.layers[name] for name in SHAPES]), np.empty((len(a), len(FEATURES)), np.float32)
    shifts = np.logaddexp.reduce(outputs['terrain'][:, a, b], axis=0)
    told = (outputs['terrain'], outputs['blocked'][0], outputs['top'][0], learned.prior)
    for n, row in enumerate(rows):
        features(*told, a[n], b[n], shifts[n], shapes, i[n], j[n], row)
    return CellRows(np.full(len(a), place), rows, wanted['blocked'][0, a, b] > 0.5)
