"""What each method foretells at one moment of a recorded scene: the node's own predictor, and simple ones beside it.

All hear the same two seconds, step by step, as tracked objects. Baselines take the paths of prediction/baselines.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.vehicle import Limits
from autonomy_nodes.evaluation.measures.task import timed
from autonomy_nodes.evaluation.recorded import RecordedMap, objects_at, standing
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.messages.formats.trajectories import STEP_S, RecordedScene
from autonomy_nodes.prediction.baselines import (
    along_lanes,
    constant_turn,
    constant_velocity,
    distances,
    speeds_over,
    steered,
)
from autonomy_nodes.prediction.lane_loops import projected, travelled
from autonomy_nodes.prediction.lane_paths import LaneField, LanePaths
from autonomy_nodes.prediction.learned import LearnedPrediction
from autonomy_nodes.prediction.movers import History, Movers
from autonomy_nodes.prediction.predictor import Predictor, PredictorConfig
from autonomy_nodes.sim.traffic import intelligent_driver

PAST, FUTURE, LONGEST = 20, 60, 80  # steps
TIMES_S = STEP_S * np.arange(LONGEST + 1)
REACH_M = 150.0  # of the map about each who is to be foretold
PACES_MPS2 = {'keep': 0.0, 'brake': -1.4, 'faster': 1.0}  # chosen on folds 2, 3 and 4
VEER_MPS2, SLOW_MPS = 1.0, 3.0
PHYSICS_ODDS = np.array([0.3, 0.15, 0.25, 0.15, 0.075, 0.075])  # in the order of `_physics`
LANE_ODDS = np.array([0.35, 0.2, 0.15, 0.1, 0.1, 0.1])
HEADWAY_S = 1.5  # of the intelligent driver
IN_LANE_M = 1.75  # a leader is no further from the middle of the way


@dataclass(frozen=True, eq=False)
class Futures:
    """Of N targets: paths (N, K, 80, 2) x y after 0.1 ... 8 s in the scene, odds (N, K), the likeliest first.

    scene: (K,) odds of the joint modes, of which path k of every target is one; None where the method knows none.
    intents: (N, len(INTENTS)) chances; None where the method tells none.
    """

    paths: np.ndarray
    odds: np.ndarray
    scene: np.ndarray | None = None
    intents: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known at the moment. everyone: all movers. targets: (N,) rows of them. ways: lanes of the targets."""

    everyone: Movers
    targets: np.ndarray
    ways: LanePaths | None

    @property
    def movers(self) -> Movers:
        """The targets."""
        return self.everyone.rows(self.targets)


def stack(
    scene: RecordedScene, road: RecordedMap, now: int, agents: np.ndarray, backend: Backend | None = None
) -> tuple[Futures, float]:
    """Return what the node's predictor says of these (N,) agents, and the CPU time of its last step [s].

    backend: of a network, which then is told beside the rest.
    """
    config = PredictorConfig()
    predictor = Predictor(config, LearnedPrediction(backend, config.vehicle) if backend is not None else None)
    for step in range(now - PAST, now):
        predictor.hear(objects_at(scene, step)[0])
    objects, rows = objects_at(scene, now)
    pieces, lights = road.pieces(now, scene.states[agents, now, :2], REACH_M), road.lights(now)
    found, spent_s = timed(lambda: predictor.predict(objects, standing(now), pieces, None, lights, us=False))
    order = np.argsort(-found.scene_modes.probabilities, kind='stable')
    places = np.searchsorted(rows, agents)
    paths, odds = found.predictions.paths[places][:, order], found.predictions.probabilities[places][:, order]
    paths = dense(paths[..., :2], found.predictions.step_s, TIMES_S[1:])
    return Futures(paths, odds, found.scene_modes.probabilities[order], found.intents.chances[places]), spent_s


def dense(knots: np.ndarray, step_s: float, times_s: np.ndarray) -> np.ndarray:
    """Return (..., T, C) at (T,) `times_s` of (..., P, C) knots at 0, step_s, 2 step_s, ..., by straight lines."""
    moments = step_s * np.arange(knots.shape[-2])
    after = np.clip(np.searchsorted(moments, times_s - 1e-9), 1, len(moments) - 1)
    part = ((times_s - moments[after - 1]) / step_s)[:, None]
    return np.asarray(knots[..., after - 1, :] * (1.0 - part) + knots[..., after, :] * part)


def moment(scene: RecordedScene, road: RecordedMap, now: int, agents: np.ndarray) -> Moment:
    """Return what baselines know of these (N,) agents."""
    history = History()
    for step in range(now - PAST, now):
        history.movers(objects_at(scene, step)[0])
    objects, rows = objects_at(scene, now)
    everyone = history.movers(objects)
    targets = np.searchsorted(rows, agents)
    pieces = road.pieces(now, scene.states[agents, now, :2], REACH_M)
    lanes = LaneField(pieces, standing(now).odom_from_base) if pieces is not None else None
    ways = lanes.paths(everyone.rows(targets), float(TIMES_S[-1])) if lanes is not None else None
    return Moment(everyone, targets, ways)


def constant_velocity_of(now: Moment) -> Futures:
    """Straight on, as fast as now."""
    movers = now.movers
    return _one(constant_velocity(movers, movers.speeds_mps[:, None] * TIMES_S))


def constant_turn_of(now: Moment) -> Futures:
    """As fast as now, turning as now for all time (CTRV)."""
    movers = now.movers
    turned = movers.turn_rates_rps[:, None, None] * TIMES_S
    return _one(steered(movers, movers.speeds_mps[:, None] * TIMES_S, turned)[:, 0])


def follow_lane_of(now: Moment) -> Futures:
    """Along the likeliest lane as fast as now, but slower in bends; straight on where there is none."""
    paths = constant_velocity_of(now).paths[:, 0]
    for target, rows in enumerate(_ways(now)):
        if rows:
            paths[target] = _along(now, np.array(rows[:1]), 'keep')[0]
    return Futures(paths[:, None], np.ones((len(paths), 1)))


def idm_of(now: Moment) -> Futures:
    """Along the likeliest lane as the intelligent driver model goes (Treiber et al. 2000) behind who is there now.

    Its wished speed is that of now; its leader goes on as it does. Straight on where there is no lane.
    """
    paths = constant_velocity_of(now).paths[:, 0]
    for target, rows in enumerate(_ways(now)):
        if rows:
            way = now.ways.rows(np.array(rows[:1]))  # type: ignore[union-attr]
            owner = now.movers.rows(np.array([target]))
            paths[target] = along_lanes(way, owner, _driven(now, way, target), TIMES_S)[0, 1:, :2]
    return Futures(paths[:, None], np.ones((len(paths), 1)))


def physics_fan_of(now: Moment) -> Futures:
    """Six ways without a map: straight on, braking, turning as now, faster, veering to either side."""
    paths = _physics(now)
    return Futures(paths, np.tile(PHYSICS_ODDS, (len(paths), 1)))


def lane_fan_of(now: Moment) -> Futures:
    """Along the likeliest lane at three paces, along others as fast as now, filled up to six with physics."""
    physics, ways = _physics(now), _ways(now)
    paths = np.empty_like(physics)
    for target, rows in enumerate(ways):
        options = [_along(now, np.array(rows[:1]), pace)[0] for pace in ('keep', 'brake', 'faster') if rows]
        options += [_along(now, np.array([row]), 'keep')[0] for row in rows[1:]]
        paths[target] = np.array([*options, *physics[target]])[: paths.shape[1]]
    return Futures(paths, np.tile(LANE_ODDS, (len(paths), 1)))


BASELINES: dict[str, Callable[[Moment], Futures]] = {
    'constant_velocity': constant_velocity_of, 'constant_turn': constant_turn_of, 'follow_lane': follow_lane_of,
    'idm_lane': idm_of, 'physics_fan': physics_fan_of, 'lane_fan': lane_fan_of,
}  # fmt: skip


def _one(paths: np.ndarray) -> Futures:
    return Futures(paths[:, None, 1:, :2], np.ones((len(paths), 1)))


def _ways(now: Moment) -> list[list[int]]:
    """Return the rows of the ways of each target, the likeliest first."""
    found: list[list[int]] = [[] for _ in now.targets]
    if now.ways is not None:
        for row in np.argsort(-now.ways.shares, kind='stable').tolist():
            found[now.ways.owners[row]].append(row)
    return found


def _speeds(movers: Movers, pace: str) -> np.ndarray:
    """Return (N, P) speeds; nobody runs backwards."""
    change = np.full(len(movers), PACES_MPS2[pace])
    return speeds_over(movers.speeds_mps, change, TIMES_S, lasting=True)


def _along(now: Moment, rows: np.ndarray, pace: str) -> np.ndarray:
    """Return (R, 80, 2) along these ways."""
    ways = now.ways.rows(rows)  # type: ignore[union-attr]
    owners = now.movers.rows(ways.owners)
    nowhere = np.full(len(ways), np.inf)
    gone = travelled(ways.along_m, ways.caps_mps, ways.starts_m, nowhere, _speeds(owners, pace), TIMES_S)
    return along_lanes(ways, owners, gone, TIMES_S)[:, 1:, :2]


def _physics(now: Moment) -> np.ndarray:
    """Return (N, 6, 80, 2)."""
    movers = now.movers
    keep, brake, faster = (distances(_speeds(movers, pace), TIMES_S) for pace in ('keep', 'brake', 'faster'))
    veer = VEER_MPS2 / np.maximum(movers.speeds_mps, SLOW_MPS)
    straight, turn = np.zeros(len(movers)), movers.turn_rates_rps
    steer = constant_turn(movers, keep, np.stack([straight, turn, turn + veer, turn - veer]), TIMES_S)
    slower, sooner = (constant_velocity(movers, gone) for gone in (brake, faster))
    six = [steer[:, 0], slower, steer[:, 1], sooner, steer[:, 2], steer[:, 3]]
    return np.stack(six, axis=1)[:, :, 1:, :2]


def _driven(now: Moment, way: LanePaths, target: int) -> np.ndarray:
    """Return (1, P) metres that the intelligent driver goes along its way."""
    row, limits = now.targets[target], Limits()
    gap, lead = _leader(now, way, target)
    speed = wish = float(now.everyone.speeds_mps[row])
    gone = np.zeros((1, len(TIMES_S)))
    for step in range(len(TIMES_S) - 1):
        left = gap + lead * TIMES_S[step] - gone[0, step]
        push = intelligent_driver(
            speed, wish, left, speed - lead, HEADWAY_S, limits.acceleration_mps2, limits.comfort_braking_mps2
        )
        after = max(speed + push * STEP_S, 0.0)
        gone[0, step + 1] = gone[0, step] + (speed + after) / 2.0 * STEP_S
        speed = after
    return gone


def _leader(now: Moment, way: LanePaths, target: int) -> tuple[float, float]:
    """Return the free metres to the next one ahead in the way and its speed along it; infinite where there is none."""
    everyone, count = now.everyone, len(now.everyone)
    line = np.ascontiguousarray(np.broadcast_to(way.points, (count, *way.points.shape[1:])))
    along, aside, direction, _ = projected(line, np.ascontiguousarray(everyone.xy))
    ahead = along - way.starts_m[0]
    ahead[now.targets[target]] = -1.0
    in_way = (np.abs(aside) < IN_LANE_M) & (ahead > 0.0) & ~everyone.on_foot
    if not in_way.any():
        return np.inf, 0.0
    first = int(np.argmin(np.where(in_way, ahead, np.inf)))
    own = everyone.sizes_m[now.targets[target], 0]
    speed = everyone.speeds_mps[first] * np.cos(everyone.directions_rad[first] - direction[first])
    return float(ahead[first] - (everyone.sizes_m[first, 0] + own) / 2.0), max(float(speed), 0.0)
