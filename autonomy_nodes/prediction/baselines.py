"""Physics and lanes: where a road user goes if it does the simplest thing. Each gives poses (..., P, 3) x, y, heading.

The third value is the direction of travel, which is the heading unless the vehicle reverses. The first pose is now.
"""

import numpy as np

from autonomy_nodes.prediction.lane_loops import drawn_along
from autonomy_nodes.prediction.lane_paths import LanePaths
from autonomy_nodes.prediction.movers import Movers

ACCELERATION_FADES_S = 1.5
TURN_FADES_S = 3.0
OFFSET_FADES_S = 2.5
ROLLING_MPS = 2.0  # who is slower comes aside by metres, not by seconds
AXLES_SHARE = 0.6  # of the length of a vehicle, between its axles
STANDING_MPS = 0.3  # a track this slow stands; what is left is noise of the tracker


def speeds_over(
    speeds_mps: np.ndarray, accelerations_mps2: np.ndarray, times_s: np.ndarray, lasting: bool
) -> np.ndarray:
    """Return (N, P) speeds at `times_s` (P,); nobody runs backwards.

    An acceleration fades with time, or, where it is `lasting`, holds until the vehicle stands.
    """
    fading = ACCELERATION_FADES_S * (1.0 - np.exp(-times_s / ACCELERATION_FADES_S))
    return np.maximum(speeds_mps[:, None] + accelerations_mps2[:, None] * (times_s if lasting else fading), 0.0)


def distances(speeds_mps: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return (N, P) metres travelled at (N, P) speeds."""
    steps = (speeds_mps[:, 1:] + speeds_mps[:, :-1]) / 2.0 * np.diff(times_s)
    return np.concatenate([np.zeros((len(speeds_mps), 1)), np.cumsum(steps, axis=1)], axis=1)


def constant_velocity(movers: Movers, travelled_m: np.ndarray) -> np.ndarray:
    """Return (N, P, 3) straight paths along the direction of travel; travelled_m: (N, P)."""
    return constant_turn(movers, travelled_m, np.zeros((1, len(movers))), np.zeros(travelled_m.shape[1]))[:, 0]


def constant_turn(movers: Movers, travelled_m: np.ndarray, rates_rps: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return (N, W, P, 3) paths that turn at each of `rates_rps` (W, N).

    The rates fade with time, as drivers straighten up after a bend. travelled_m: (N, P).
    """
    turned = rates_rps.T[..., None] * TURN_FADES_S * (1.0 - np.exp(-times_s / TURN_FADES_S))  # (N, W, P)
    return steered(movers, travelled_m, turned)


def steered(movers: Movers, travelled_m: np.ndarray, turned_rad: np.ndarray) -> np.ndarray:
    """Return (N, W, P, 3) paths whose direction has turned by (N, W, P) after (N, P) `travelled_m`."""
    headings = movers.directions_rad[:, None, None] + turned_rad
    between = (headings[..., 1:] + headings[..., :-1]) / 2.0
    steps = np.diff(travelled_m, axis=1)[:, None]
    paths = np.empty((*headings.shape, 3))
    paths[..., 0, :2] = movers.xy[:, None]
    paths[..., 1:, 0] = movers.xy[:, 0, None, None] + np.cumsum(steps * np.cos(between), axis=2)
    paths[..., 1:, 1] = movers.xy[:, 1, None, None] + np.cumsum(steps * np.sin(between), axis=2)
    paths[..., 2] = headings
    return paths


def along_lanes(lanes: LanePaths, owners: Movers, travelled_m: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return (Q, P, 3) along each lane path, the distance from its middle fading away; nobody slides on the spot.

    owners: what moves along each, Q rows. travelled_m: (Q, P).
    """
    points, headings = lanes.at(lanes.starts_m[:, None] + travelled_m)
    offsets = lanes.offsets_m[:, None] * np.exp(-np.minimum(times_s, travelled_m / ROLLING_MPS) / OFFSET_FADES_S)
    paths = np.empty((*travelled_m.shape, 3))
    paths[..., 0] = points[..., 0] - offsets * np.sin(headings)
    paths[..., 1] = points[..., 1] + offsets * np.cos(headings)
    aside = np.arctan2(offsets / OFFSET_FADES_S, np.maximum(owners.speeds_mps, ROLLING_MPS)[:, None])
    axles_m = AXLES_SHARE * owners.sizes_m[:, 0]
    paths[..., 2] = drawn_along(headings - aside, owners.directions_rad, travelled_m, axles_m)
    paths[:, 0, :2] = owners.xy
    return paths


def stopped(movers: Movers, steps: int) -> np.ndarray:
    """Return paths that stay."""
    pose = np.column_stack([movers.xy, movers.directions_rad])
    return np.repeat(pose[:, None], steps, axis=1)
