"""From latitude and longitude to the map: a plane that touches the earth at the map's origin."""

import numpy as np
from pyproj import Transformer

from autonomy_nodes.common.types import DataError

FARTHEST_M = 100_000.0  # beyond it a plane is a poor picture of the earth


class LocalPlane:
    """East, north, up at an origin (PROJ's topocentric conversion on WGS 84, EPSG method 9837)."""

    def __init__(self, origin_llh: tuple[float, ...]) -> None:
        if len(origin_llh) != 3 or not (abs(origin_llh[0]) <= 90.0 and abs(origin_llh[1]) <= 180.0):
            raise ValueError(f'map_origin_llh={origin_llh} must be latitude, longitude [deg], height [m]')
        latitude, longitude, height = origin_llh
        self._transformer = Transformer.from_pipeline(
            '+proj=pipeline +step +proj=cart +ellps=WGS84 '
            f'+step +proj=topocentric +ellps=WGS84 +lon_0={longitude!r} +lat_0={latitude!r} +h_0={height!r}'
        )

    def place(self, llh: np.ndarray) -> np.ndarray:
        """Return (3,) east, north, up [m] of latitude, longitude [deg] and height; refused beyond 100 km."""
        latitude, longitude, height = llh
        place = np.array(self._transformer.transform(longitude, latitude, height))
        if not np.isfinite(place).all() or np.hypot(*place[:2]) > FARTHEST_M:
            raise DataError(f'position {latitude:.6f}, {longitude:.6f} is not near map_origin_llh: correct the setting')
        return place
