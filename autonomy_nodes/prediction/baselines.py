"""Physics and lanes: where a road user goes if it does the simplest thing. Each gives (N, P, 3) x, y, heading.

The third value is the direction of travel, which is the heading unless the vehicle reverses. The first pose is now.
"""

import numpy as np

from autonomy_nodes.prediction.lane_paths import LanePaths
from autonomy_nodes.prediction.movers import Movers

ACCELERATION_FADES_S = 1.5
TURN_FADES_S = 3.0
OFFSET_FADES_S = 2.5
STOP_SHORT_M = 2.0  # centres of vehicles stand this far before a line, and more
STOP_BRAKING_MPS2, HARDEST_MPS2 = 2.0, 4.0
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
    """Return straight paths along the direction of travel; travelled_m: (N, P)."""
    return constant_turn(movers, travelled_m, np.zeros(len(movers)), np.zeros(travelled_m.shape[1]))


def constant_turn(movers: Movers, travelled_m: np.ndarray, rates_rps: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return paths that turn at `rates_rps` (N,), which fade with time as drivers straighten up after a bend."""
    turned = rates_rps[:, None] * TURN_FADES_S * (1.0 - np.exp(-times_s / TURN_FADES_S))
    headings = movers.directions_rad[:, None] + turned  # (N, P)
    between = (headings[:, 1:] + headings[:, :-1]) / 2.0
    steps = np.diff(travelled_m, axis=1)
    paths = np.empty((*travelled_m.shape, 3))
    paths[:, 0, :2] = movers.xy
    paths[:, 1:, 0] = movers.xy[:, :1] + np.cumsum(steps * np.cos(between), axis=1)
    paths[:, 1:, 1] = movers.xy[:, 1:] + np.cumsum(steps * np.sin(between), axis=1)
    paths[..., 2] = headings
    return paths


def lane_distances(lanes: LanePaths, wanted_mps: np.ndarray, times_s: np.ndarray, stops_m: np.ndarray) -> np.ndarray:
    """Return (Q, P) metres along lanes at (Q, P) speeds, but slower in bends, and standing before `stops_m` (Q,)."""
    travelled = np.zeros_like(wanted_mps)
    speed = wanted_mps[:, 0]
    for step, length_s in enumerate(np.diff(times_s)):
        place = lanes.starts_m + travelled[:, step]
        to_stop = np.maximum(stops_m - place - STOP_SHORT_M, 0.0)
        allowed = np.minimum(lanes.capped(place + speed * length_s), np.sqrt(2.0 * STOP_BRAKING_MPS2 * to_stop))
        after = np.minimum(wanted_mps[:, step + 1], np.maximum(allowed, speed - HARDEST_MPS2 * length_s))
        after = np.maximum(after, 0.0)
        travelled[:, step + 1] = travelled[:, step] + (speed + after) / 2.0 * length_s
        speed = after
    return travelled


def along_lanes(lanes: LanePaths, owners: Movers, travelled_m: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return (Q, P, 3) along each lane path, the distance from its middle fading away.

    owners: what moves along each, Q rows. travelled_m: (Q, P).
    """
    points, headings = lanes.at(lanes.starts_m[:, None] + travelled_m)
    offsets = lanes.offsets_m[:, None] * np.exp(-times_s / OFFSET_FADES_S)
    paths = np.empty((*travelled_m.shape, 3))
    paths[..., 0] = points[..., 0] - offsets * np.sin(headings)
    paths[..., 1] = points[..., 1] + offsets * np.cos(headings)
    paths[..., 2] = headings - np.arctan2(offsets / OFFSET_FADES_S, np.maximum(owners.speeds_mps, 2.0)[:, None])
    paths[:, 0, :2], paths[:, 0, 2] = owners.xy, owners.directions_rad
    return paths


def stopped(movers: Movers, steps: int) -> np.ndarray:
    """Return paths that stay."""
    pose = np.column_stack([movers.xy, movers.directions_rad])
    return np.repeat(pose[:, None], steps, axis=1)
