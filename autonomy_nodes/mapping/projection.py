"""How places on the earth become places in map, by pyproj."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projection:
    """Transverse Mercator of scale 1 around an origin: x east, y north of it; 1e-6 too long at 9 km.

    Without an origin the map gave metres itself ('local', Autoware's local_x and local_y): the earth is not known.
    """

    latitude_deg: float | None = None
    longitude_deg: float | None = None

    def __post_init__(self) -> None:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            raise ValueError('an origin needs both latitude_deg and longitude_deg')
        if self.latitude_deg is not None and not abs(self.latitude_deg) <= 84.0:
            raise ValueError(f'latitude_deg={self.latitude_deg} must lie between -84 and 84')
        if self.longitude_deg is not None and not abs(self.longitude_deg) <= 180.0:
            raise ValueError(f'longitude_deg={self.longitude_deg} must lie between -180 and 180')

    @property
    def name(self) -> str:
        """Words for people: 'local' or 'tmerc LAT LON'."""
        return 'local' if self.latitude_deg is None else f'tmerc {self.latitude_deg:.8f} {self.longitude_deg:.8f}'

    def forward(self, latlon: np.ndarray) -> np.ndarray:
        """Return (N, 2) x y [m] of (N, 2) latitude, longitude [deg]."""
        return np.column_stack(self._crs()(latlon[:, 1], latlon[:, 0]))

    def inverse(self, xy: np.ndarray) -> np.ndarray:
        """Return (N, 2) latitude, longitude [deg] of (N, 2) x y [m]."""
        return np.column_stack(self._crs()(xy[:, 0], xy[:, 1], inverse=True))[:, ::-1]

    def _crs(self):  # type: ignore[no-untyped-def]
        if self.latitude_deg is None:
            raise ValueError('this map has no origin on the earth')
        from pyproj import Proj  # noqa: PLC0415  only maps of latitude and longitude need it

        return Proj(proj='tmerc', lat_0=self.latitude_deg, lon_0=self.longitude_deg, k=1, ellps='WGS84')
