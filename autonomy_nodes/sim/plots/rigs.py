"""LiDARs of many makes, as they are mounted on many vehicles: drawn for each view of a plot."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.sim.beams import ELEVATIONS_DEG
from autonomy_nodes.sim.materials import Material

_DEGREE = np.pi / 180.0
# name: columns, and how often it is drawn
DRAWN: dict[str, tuple[tuple[int, int], float]] = {
    'hdl64': ((1700, 2100), 0.26), 'hdl32': ((1000, 2000), 0.14), 'vlp32': ((900, 1800), 0.08),
    'two32': ((900, 1800), 0.10), 'vlp16': ((900, 1800), 0.06), 'pandar64': ((900, 1800), 0.10),
    'os16': ((1024, 2048), 0.02), 'os32': ((1024, 2048), 0.04), 'os64': ((1024, 1024), 0.08),
    'os64_flat': ((1024, 1024), 0.06), 'os128': ((1024, 1024), 0.06),
}  # fmt: skip
TRUCKS, TRUCK_HEIGHT_M = 0.25, (2.0, 4.2)  # share of rigs, and how high the LiDAR of a cab sits
TWO_32 = np.concatenate([ELEVATIONS_DEG['vlp32'], -ELEVATIONS_DEG['vlp32']])  # one above the other, upside down


@dataclass(frozen=True, eq=False)
class Rig:
    """One LiDAR on one vehicle.

    directions: (C * B, 3) float32 unit rays in base_link, column after column; shape: (C, B). at_m: (3,) in base_link.
    turned: (C,) direction of each column [rad], raised: (B,) of each ring, both before the small tilt of the mounting;
    the columns may be a part of a turn only.
    half_lost_m: range at which half the returns of a tenth of the light are lost. dropout: share lost at random.
    fall: exponent with which intensity falls with range; makers mend that, some more than others.
    mixed: how often an edge gives a point between. gain, gamma: intensity of what returns; tastes: (M,) factor of each
    `Material`; blind: share of points whose intensity is 0. own: share of rays
    onto the vehicle itself that give a point. body: front, rear, half
    width, height of what of the vehicle itself stands in the way of rays, in base_link.
    """

    name: str
    directions: np.ndarray
    shape: tuple[int, int]
    turned: np.ndarray
    raised: np.ndarray
    at_m: np.ndarray
    farthest_m: float
    range_noise_m: float
    dropout: float
    half_lost_m: float
    mixed: float
    gain: float
    gamma: float
    fall: float
    tastes: np.ndarray
    blind: float
    own: float
    body: tuple[float, float, float, float]


def drawn_rig(rng: np.random.Generator) -> Rig:
    """Return a LiDAR of DRAWN with a mounting, noise and losses."""
    names, shares = list(DRAWN), np.array([share for _, share in DRAWN.values()])
    name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    table, (low, high) = TWO_32 if name == 'two32' else ELEVATIONS_DEG[name], DRAWN[name][0]
    columns = int(rng.integers(low, high + 1))
    elevation = (table + rng.normal(size=len(table)) * 0.03) * _DEGREE
    elevation = elevation[rng.random(len(elevation)) >= (0.04 if rng.random() < 0.2 else 0.0)]  # beams that are gone
    front = rng.random() < 0.08
    half = rng.uniform(40.0, 60.0) * _DEGREE if front else np.pi
    azimuth = half - np.arange(columns) * 2.0 * np.pi / columns
    azimuth = azimuth[azimuth > -half]
    skew = rng.normal(size=len(elevation)) * (0.0 if rng.random() < 0.4 else 1.5) * _DEGREE / 5.0
    (cos, sin), (cos_skew, sin_skew) = (
        (np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)) for angle in (azimuth[:, None], skew)
    )
    flat = np.cos(elevation).astype(np.float32)
    rays = np.empty((len(azimuth), len(elevation), 3), np.float32)
    rays[..., 0] = (cos * cos_skew - sin * sin_skew) * flat
    rays[..., 1] = (sin * cos_skew + cos * sin_skew) * flat
    rays[..., 2] = np.sin(elevation)
    tilt = np.clip(rng.normal(size=2) * 0.6, -3.0, 3.0) * _DEGREE if rng.random() < 0.7 else np.zeros(2)
    directions = rays.reshape(-1, 3) @ _tilted(*tilt).astype(np.float32).T
    at, body = _mounted(rng)
    return Rig(
        name=name, directions=directions, shape=(len(azimuth), len(elevation)), turned=azimuth, raised=elevation,
        at_m=at, farthest_m=rng.uniform(75.0, 120.0), range_noise_m=rng.uniform(0.01, 0.04),
        dropout=rng.choice([0.0, rng.uniform(0.0, 0.1)]), half_lost_m=rng.uniform(70.0, 220.0),
        mixed=rng.choice([0.0, rng.uniform(0.02, 0.3)]), gain=float(np.exp(rng.uniform(-2.0, 0.7))),
        gamma=rng.uniform(0.7, 1.2), fall=rng.choice([0.0, rng.uniform(0.0, 0.8)]),
        tastes=np.exp(0.18 * rng.normal(size=len(Material))).astype(np.float32),
        blind=rng.choice([0.0, rng.uniform(0.0, 0.1), 1.0], p=[0.5, 0.3, 0.2]),
        own=rng.choice([0.0, rng.uniform(0.0, 0.05), rng.uniform(0.2, 1.0)], p=[0.45, 0.4, 0.15]), body=body,
    )  # fmt: skip


def _mounted(rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Return where the LiDAR sits (3,), and `Rig.body`: on a car, or on the cab of a truck, some with a load behind."""
    truck = rng.random() < TRUCKS
    height = rng.uniform(*TRUCK_HEIGHT_M) if truck else rng.uniform(1.5, 2.4)
    at = np.array([rng.uniform(2.5, 4.8) if truck else rng.uniform(0.2, 1.6), rng.normal() * 0.08, height])
    roof, loaded = height - rng.uniform(0.35, 0.9), truck and rng.random() < 0.5
    rear = at[0] - (rng.uniform(4.0, 14.0) if loaded else rng.uniform(0.4, 1.5))
    return at, (at[0] + rng.uniform(0.3, 1.1), rear, rng.uniform(0.9, 1.3) if loaded else rng.uniform(0.4, 0.8), roof)


def _tilted(roll: float, pitch: float) -> np.ndarray:
    (cr, cp), (sr, sp) = np.cos([roll, pitch]), np.sin([roll, pitch])
    return np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]]) @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])


def behind_body(rig: Rig) -> np.ndarray:
    """Return (N,) whether rays meet the roof of the vehicle itself."""
    front, rear, half, roof = rig.body
    down = np.minimum(rig.directions[:, 2], -1e-6)
    reach = (roof - rig.at_m[2]) / down
    x, y = rig.at_m[0] + reach * rig.directions[:, 0], rig.at_m[1] + reach * rig.directions[:, 1]
    return np.asarray((x < front) & (x > rear) & (np.abs(y) < half))
