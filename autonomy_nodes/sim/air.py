"""What fog and rain do to the light of a LiDAR: it is dimmed, some of it comes back early, wet ground is darker.

Dimming is Beer's and Lambert's. Of fog it follows from the visibility, at which a twentieth of the contrast is left
(Koschmieder; the meteorological optical range of the WMO): extinction ln(20) / visibility. Of rain it is that of the
optical links of ITU-R P.1814: 1.076 R^0.67 dB/km, R in mm/h. Fog sends back 0.046 / visibility a metre and steradian
(Rasshofer, Spies, Spies 2011; used by Hahner and others, ICCV 2021), rain a nineteenth of its extinction (a sphere of
water). Light that shines through a wet film is thrown down again at the film's upper side, so that rough ground looks
darker when wet (Lekner, Dorf 1988); by how much is set here.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.world import Weather

KINDS = ('', 'clear', 'rain', 'fog')
_CONTRAST_LEFT = 0.05
_FOG_BACK, _RAIN_LIDAR_RATIO_SR = 0.046, 19.0
_DECIBEL = math.log(10.0) / 10.0
_PULSE_M = 0.75  # half the way that light goes within a pulse of 5 ns: the depth that echoes at once
EARLY_M = 10.0  # nearer than this a receiver is held down, as its own window would blind it else
WISPS_M = 2.0 * EARLY_M  # farther away nothing of the air is seen
_POROUS = (Material.ASPHALT, Material.CONCRETE, Material.GRAVEL, Material.DIRT, Material.SAND, Material.GRASS)
_WET = np.ones(len(Material), np.float32)
_WET[[*_POROUS, Material.BARK, Material.WOOD, Material.CLOTH]] = 0.6
_WET[[Material.PAINT_WHITE, Material.PAINT_YELLOW]] = 0.45  # its beads are under water


@dataclass(frozen=True)
class WeatherSettings:
    """What the air shall be. kind: clear, rain or fog; empty: as the world has it. visibility_m in fog, rain_mmph."""

    kind: str = ''
    visibility_m: float = 100.0
    rain_mmph: float = 10.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'kind={self.kind!r} must be empty or one of {", ".join(KINDS[1:])}')
        if not self.visibility_m > 1.0 or not 0.0 <= self.rain_mmph <= 200.0:
            raise ValueError(
                f'visibility_m={self.visibility_m} must be above 1, rain_mmph={self.rain_mmph} between 0 and 200'
            )

    def over(self, weather: Weather) -> Weather:
        """Return this weather with the sun of another; fog and rain come with clouds."""
        if not self.kind:
            return weather
        fog_m = self.visibility_m if self.kind == 'fog' else math.inf
        rain = self.rain_mmph if self.kind == 'rain' else 0.0
        clouds = weather.cloudiness if self.kind == 'clear' else max(weather.cloudiness, 0.9)
        return replace(weather, cloudiness=clouds, fog_visibility_m=fog_m, rain_mmph=rain)


def is_clear(weather: Weather) -> bool:
    """Return whether there is neither fog nor rain."""
    return weather.rain_mmph == 0.0 and math.isinf(weather.fog_visibility_m)


def extinction(weather: Weather) -> float:
    """Return which part of the light is lost a metre [1/m]."""
    return _fog(weather) + _rain(weather)


def _fog(weather: Weather) -> float:
    return -math.log(_CONTRAST_LEFT) / weather.fog_visibility_m


def _rain(weather: Weather) -> float:
    return float(1.076 * weather.rain_mmph**0.67 * _DECIBEL / 1000.0)


def dimmed(ranges_m: np.ndarray, weather: Weather) -> np.ndarray:
    """Return (N,) which part of the light is left on the way there and back."""
    return np.exp(np.float32(-2.0 * extinction(weather)) * ranges_m)


def wetted(materials: np.ndarray, weather: Weather) -> np.ndarray:
    """Return (N,) by which factor materials are darker for the weather."""
    return _WET[materials] if weather.rain_mmph > 0.0 else np.ones(len(materials), np.float32)


def shine(weather: Weather) -> float:
    """Return the part of the light that a surface which sends back as much as the air in one pulse would return."""
    backscatter = _FOG_BACK / weather.fog_visibility_m + _rain(weather) / _RAIN_LIDAR_RATIO_SR
    return math.pi * backscatter * _PULSE_M


def heard(ranges_m: np.ndarray) -> np.ndarray:
    """Return (N,) how much of an echo the receiver hears against one that is not held down."""
    return np.asarray(np.minimum(ranges_m / np.float32(EARLY_M), 1.0) ** 2)
