"""What the network of lanes sees: the same in training and on board."""

import numpy as np

from autonomy_nodes.perception.bev import lane_part
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.raster import rasterised

_NOTHING = np.zeros((0, 4), np.float32)


def lane_rasterised(
    rows: np.ndarray, ground: Ground, rays: np.ndarray | None = None, sensor_m: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the tensors of bev.LANE_INPUTS of a sweep (N, 4) x y z intensity (0 to 1) in base_link; see raster.py."""
    inputs = rasterised(rows, _NOTHING, ground, rays, sensor_m)
    points, prior = lane_part(inputs['points'], inputs['prior'])
    return {'points': np.ascontiguousarray(points), 'prior': np.ascontiguousarray(prior)}
