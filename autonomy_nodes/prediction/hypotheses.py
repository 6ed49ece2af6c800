"""What each road user may do: every way to steer with every way to change speed, weighed by its last second."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.prediction.baselines import (
    STANDING_MPS,
    TURN_FADES_S,
    along_lanes,
    constant_turn,
    constant_velocity,
    distances,
    speeds_over,
)
from autonomy_nodes.prediction.lane_loops import travelled
from autonomy_nodes.prediction.lane_paths import ALTERNATIVES, LanePaths
from autonomy_nodes.prediction.movers import Movers

FREE = ('straight', 'turn', 'left', 'right')
PACES = ('keep', 'brake', 'faster')
LASTING = (False, True, False)  # who brakes does so until it stands
SLOW_MPS = 3.0  # below this a vehicle does not turn faster
MOST_SQUARES = 9.0  # nobody is ruled out by one bad second
LINE_NEAR_S = 6.0
LANE_SLACK = 2.0  # lanes are drawn, drivers cut corners


@dataclass(frozen=True)
class HypothesesConfig:
    """Priors, and how far a hypothesis may have been off in the last second.

    straight, turn, veer, lane: prior of each way to steer, veer for each side. keep, brake, faster: of each pace.
    veer_mps2: lateral acceleration of a vehicle that turns off, veer_on_foot_rad: turn of a pedestrian. hasten_mps2:
    acceleration of who hastens, which stands beside the futures of a network.
    """

    straight: float = 0.25
    turn: float = 0.25
    veer: float = 0.06
    lane: float = 1.0
    keep: float = 0.6
    brake: float = 0.2
    faster: float = 0.2
    brake_mps2: float = 1.4
    faster_mps2: float = 1.2
    hasten_mps2: float = 0.7
    veer_mps2: float = 1.0
    veer_on_foot_rad: float = 0.44
    aside_sigma_m: float = 0.4
    pace_sigma_mps2: float = 1.2
    red_light_factor: float = 3.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0.0:
                raise ValueError(f'{name}={value} must be above 0')


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """paths: (N, H, P, 3) x, y, direction of travel. weights: (N, H), 0 where there is no such hypothesis."""

    paths: np.ndarray
    weights: np.ndarray


def hypotheses(
    movers: Movers, lanes: LanePaths | None, times_s: np.ndarray, config: HypothesesConfig, red: bool = False
) -> Hypotheses:
    """Return all that each mover may do. red: whether a light is known to be red, which makes stops likelier."""
    count, steps = len(movers), len(times_s)
    paces, odds = _paces(movers, config)
    paths = np.zeros((count, len(FREE) + ALTERNATIVES, len(PACES), steps, 3))
    weights = np.zeros(paths.shape[:3])
    rates = _rates(movers, config)
    for place, (pace, lasting) in enumerate(zip(paces, LASTING)):
        gone = distances(speeds_over(movers.speeds_mps, pace, times_s, lasting), times_s)
        paths[:, : len(FREE), place] = constant_turn(movers, gone, rates, times_s)
    weights[:, : len(FREE)] = _free_odds(movers, rates, config)[..., None] * odds[:, None]
    if lanes is not None:
        slots, owners = len(FREE) + _places(lanes.owners), movers.rows(lanes.owners)
        share = config.lane * lanes.shares * _lane_odds(lanes, owners, config)
        for place, (name, lasting) in enumerate(zip(PACES, LASTING)):
            stops = lanes.stops_m if name == 'brake' else np.full(len(lanes), np.inf)
            wanted = speeds_over(owners.speeds_mps, paces[place, lanes.owners], times_s, lasting)
            if name == 'brake':  # for the line where one is near, else at once
                near = stops - lanes.starts_m < LINE_NEAR_S * owners.speeds_mps
                wanted = np.where(near[:, None], owners.speeds_mps[:, None], wanted)
            gone = travelled(lanes.along_m, lanes.caps_mps, lanes.starts_m, stops, wanted, times_s)
            paths[lanes.owners, slots, place] = along_lanes(lanes, owners, gone, times_s)
            held = config.red_light_factor if red and name == 'brake' else 1.0
            likelier = np.where(np.isfinite(lanes.stops_m), held, 1.0)
            weights[lanes.owners, slots, place] = share * likelier * odds[lanes.owners, place]
    options = paths.shape[1] * paths.shape[2]
    return Hypotheses(paths.reshape(count, options, steps, 3), weights.reshape(count, options))


def hastening(
    movers: Movers, lanes: LanePaths | None, times_s: np.ndarray, config: HypothesesConfig
) -> np.ndarray:
    """Return (N, P, 3) where each goes at an acceleration that lasts, along its likeliest lane, straight on without."""
    wanted = speeds_over(movers.speeds_mps, np.full(len(movers), config.hasten_mps2), times_s, lasting=True)
    paths = constant_velocity(movers, distances(wanted, times_s))
    if lanes is not None and len(lanes):
        order = np.lexsort((-lanes.shares, lanes.owners))
        ways = lanes.rows(order[np.unique(lanes.owners[order], return_index=True)[1]])
        nowhere = np.full(len(ways), np.inf)
        gone = travelled(ways.along_m, ways.caps_mps, ways.starts_m, nowhere, wanted[ways.owners], times_s)
        paths[ways.owners] = along_lanes(ways, movers.rows(ways.owners), gone, times_s)
    return paths


def _paces(movers: Movers, config: HypothesesConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return (3, N) accelerations of each pace and (N, 3) odds by the acceleration of the last second."""
    shape = len(movers)
    fixed = [np.full(shape, -config.brake_mps2), np.full(shape, config.faster_mps2)]
    paces = np.stack([movers.accelerations_mps2, *fixed])
    priors = np.array([config.keep, config.brake, config.faster])
    misses = np.clip((paces - movers.accelerations_mps2) / config.pace_sigma_mps2, -3.0, 3.0)
    odds = priors[:, None] * np.exp(-0.5 * misses**2)
    standing = movers.speeds_mps < STANDING_MPS
    paces[:2, standing] = 0.0
    odds[:, standing] = priors[:, None] * np.array([[1.0], [1e-6], [0.5]])  # who stands cannot brake
    return paces, (odds / odds.sum(axis=0)).T


def _rates(movers: Movers, config: HypothesesConfig) -> np.ndarray:
    """Return (4, N) turn rates of the free ways to steer."""
    veer = config.veer_mps2 / np.maximum(movers.speeds_mps, SLOW_MPS)
    veer = np.where(movers.on_foot, config.veer_on_foot_rad / TURN_FADES_S, veer)
    veer = np.where(movers.speeds_mps < STANDING_MPS, 0.0, veer)
    turn = movers.turn_rates_rps
    return np.stack([np.zeros_like(turn), turn, turn + veer, turn - veer])


def _free_odds(movers: Movers, rates: np.ndarray, config: HypothesesConfig) -> np.ndarray:
    """Return (N, 4) odds of the free ways to steer, by how far aside each would have come out in the last second."""
    then, age_s = movers.before, movers.age_s
    moved = movers.xy - then[:, :2]
    aside = np.cos(then[:, 2]) * moved[:, 1] - np.sin(then[:, 2]) * moved[:, 0]  # left of the old direction
    turned = np.stack([np.zeros_like(age_s), then[:, 4]])  # going straight on, turning as it did
    expected = then[:, 3] * age_s * turned * age_s / 2.0  # (2, N)
    misses = np.nan_to_num((aside - expected) / config.aside_sigma_m)
    fits = np.exp(-0.5 * np.minimum(misses**2, MOST_SQUARES)).T  # (N, 2)
    return np.column_stack(
        [config.straight * fits[:, 0], config.turn * fits[:, 1], *[config.veer * fits.max(axis=1)] * 2]
    )


def _lane_odds(lanes: LanePaths, owners: Movers, config: HypothesesConfig) -> np.ndarray:
    """Return (Q,) odds of lanes by how steadily their owners kept their distance from the middle."""
    before = lanes.offsets_of(np.nan_to_num(owners.before[:, :2]))
    misses = np.where(np.isfinite(owners.age_s), (lanes.offsets_m - before) / (LANE_SLACK * config.aside_sigma_m), 0.0)
    return np.exp(-0.5 * np.minimum(misses**2, MOST_SQUARES))


def _places(owners: np.ndarray) -> np.ndarray:
    """Return (Q,) the how-manieth way of its owner each is; `owners` stand in groups."""
    return np.arange(len(owners)) - np.searchsorted(owners, owners, side='left')
