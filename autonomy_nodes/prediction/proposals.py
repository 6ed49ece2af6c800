"""What a driver like ours would do: simple drives that the planner looks at beside its own."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import EgoProposals
from autonomy_nodes.common.types import EgoState, Goal
from autonomy_nodes.common.vehicle import Limits
from autonomy_nodes.prediction.baselines import along_lanes, constant_turn, distances, stopped
from autonomy_nodes.prediction.lane_loops import travelled
from autonomy_nodes.prediction.lane_paths import LanePaths
from autonomy_nodes.prediction.movers import Movers

NEAREST_GOAL_M = 1.0


@dataclass(frozen=True)
class ProposalsConfig:
    """Odds of each kind of drive; lanes share theirs by how well they fit."""

    keep: float = 0.15
    turn: float = 0.15
    stop: float = 0.05
    to_goal: float = 0.2
    lane: float = 0.6
    route_factor: float = 5.0
    blocked_factor: float = 0.3
    tall_m: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0.0:
                raise ValueError(f'{name}={value} must be above 0')


def proposals(
    ego: EgoState,
    mover: Movers,
    ways: LanePaths | None,
    terrain: Grid | None,
    goal: Goal | None,
    times_s: np.ndarray,
    config: ProposalsConfig,
    limits: Limits,
) -> EgoProposals:
    """Return drives of the vehicle: on as it goes, turning as it does, to a stop, along lanes, to a goal in odom."""
    cruise = _towards(mover.speeds_mps, limits.speed_mps, limits, times_s)  # (1, P)
    keep = np.repeat(mover.speeds_mps[:, None], len(times_s), axis=1)
    stop = _towards(mover.speeds_mps, 0.0, limits, times_s)
    rates = np.stack([np.zeros(1), mover.turn_rates_rps])
    onwards = constant_turn(mover, distances(keep, times_s), rates, times_s)[0]
    halting = constant_turn(mover, distances(stop, times_s), rates[1:], times_s)[0, 0]
    drives = [(config.keep, onwards[0], keep[0]), (config.turn, onwards[1], keep[0]), (config.stop, halting, stop[0])]
    if goal is not None and goal.frame == 'odom':
        drives += [(config.to_goal, *_to_goal(mover, np.array(goal.position_m[:2]), times_s, limits))]
    if ways is not None and len(ways):
        owners = mover.rows(np.zeros(len(ways), int))
        shares = ways.shares * np.where(ways.on_route, config.route_factor, 1.0)
        shares = config.lane * shares / shares.sum()
        for wanted, part in ((cruise, 0.6), (keep, 0.4)):
            along = np.repeat(wanted, len(ways), axis=0)
            gone = travelled(ways.along_m, ways.caps_mps, ways.starts_m, np.full(len(ways), np.inf), along, times_s)
            speeds = np.gradient(gone, times_s, axis=1)
            drives += list(zip(part * shares, along_lanes(ways, owners, gone, times_s), speeds))
    return _gathered(ego, drives, terrain, float(times_s[1]), config)


def mover_of(ego: EgoState) -> Movers:
    """Return our vehicle as one mover; going backwards it has none of the drives of a road and is taken to stand."""
    speed = max(ego.speed_mps, 0.0)
    rate = float(ego.twist[5]) if speed > 0.0 else 0.0
    nothing = np.full((1, 5), np.nan)
    return Movers(
        ego.position_m[None, :2],
        np.array([ego.heading_rad]),
        np.array([speed]),
        np.array([rate]),
        np.zeros(1),
        np.zeros(1, bool),
        np.zeros(1, bool),
        np.array([[4.5, 1.8]]),
        nothing,
        np.full(1, np.nan),
    )


def _towards(speeds_mps: np.ndarray, target_mps: float, limits: Limits, times_s: np.ndarray) -> np.ndarray:
    """Return (1, P) speeds that approach a target by the vehicle's own limits."""
    up = np.minimum(speeds_mps[:, None] + limits.acceleration_mps2 * times_s, target_mps)
    down = np.maximum(speeds_mps[:, None] - limits.comfort_braking_mps2 * times_s, target_mps)
    return np.where(speeds_mps[:, None] <= target_mps, up, down)


def _to_goal(mover: Movers, goal: np.ndarray, times_s: np.ndarray, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, 3) poses and (P,) speeds of the arc that leads to a place, with a stop there."""
    away = goal - mover.xy[0]
    gap = float(np.hypot(*away))
    bearing = float(wrapped(np.arctan2(away[1], away[0]) - mover.directions_rad[0]))
    if gap < NEAREST_GOAL_M or abs(bearing) > np.pi / 2.0:
        return stopped(mover, len(times_s))[0], np.zeros(len(times_s))
    bend = 2.0 * np.sin(bearing) / gap
    length = gap if abs(bearing) < 1e-6 else gap * bearing / np.sin(bearing)
    fastest = np.sqrt(limits.lateral_mps2 / max(abs(bend), 1e-6))
    speeds = _towards(mover.speeds_mps, min(limits.speed_mps, fastest), limits, times_s)[0]
    gone = np.zeros(len(times_s))
    for step, length_s in enumerate(np.diff(times_s)):
        left = max(length - gone[step], 0.0)
        speeds[step + 1] = min(speeds[step + 1], np.sqrt(2.0 * limits.comfort_braking_mps2 * left))
        gone[step + 1] = min(gone[step] + (speeds[step] + speeds[step + 1]) / 2.0 * length_s, length)
    headings = mover.directions_rad[0] + bend * gone
    chords = gone * np.sinc(bend * gone / 2.0 / np.pi)  # of a circle, or of a line where bend is 0
    middle = mover.directions_rad[0] + bend * gone / 2.0
    xy = mover.xy[0] + chords[:, None] * np.column_stack([np.cos(middle), np.sin(middle)])
    return np.column_stack([xy, headings]), speeds


def _gathered(
    ego: EgoState,
    drives: list[tuple[float, np.ndarray, np.ndarray]],
    terrain: Grid | None,
    step_s: float,
    config: ProposalsConfig,
) -> EgoProposals:
    """Return the drives with heights, those less likely that run into what stands."""
    odds = np.array([part for part, _, _ in drives])
    poses = np.stack([path for _, path, _ in drives])  # (M, P, 3)
    heights = np.full(poses.shape[:2], float(ego.position_m[2]))
    if terrain is not None:
        ground = terrain.at('elevation', poses[..., :2])
        heights = np.where(np.isfinite(ground), ground, heights)
        blocked = (terrain.at('obstacle_height', poses[..., :2]) > config.tall_m).any(axis=1)
        odds = odds * np.where(blocked, config.blocked_factor, 1.0)
    speeds = np.stack([speed for _, _, speed in drives])
    table = np.concatenate([poses[..., :2], heights[..., None], poses[..., 2:], speeds[..., None]], axis=2)
    return EgoProposals(ego.stamp_ns, step_s, table, odds / odds.sum())
