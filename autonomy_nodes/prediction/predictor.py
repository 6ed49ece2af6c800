"""What everyone will probably do: many hypotheses of each, the best six kept apart, weighed as one scene."""

from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LanePieces, Light, Route, TrafficLights
from autonomy_nodes.common.objects import SIGMA_TIMES_S, EgoProposals, Intents, Label, Objects, Predictions, SceneModes
from autonomy_nodes.common.scene import Surroundings
from autonomy_nodes.common.types import DataError, EgoState, Goal
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.inference.settings import EngineSettings
from autonomy_nodes.prediction.baselines import constant_velocity
from autonomy_nodes.prediction.guard import GuardConfig, broken
from autonomy_nodes.prediction.hypotheses import Hypotheses, HypothesesConfig, hastening, hypotheses
from autonomy_nodes.prediction.intents import HORIZON_S, chances_of, intents_of, middles_of
from autonomy_nodes.prediction.joint import overlaps, weighed
from autonomy_nodes.prediction.lane_paths import LaneField, LanePaths
from autonomy_nodes.prediction.learned import Foretold, LearnedPrediction
from autonomy_nodes.prediction.modes import least_missed, picked, runs_into, told_anew
from autonomy_nodes.prediction.movers import History, Movers, joined
from autonomy_nodes.prediction.pairing import paired
from autonomy_nodes.prediction.proposals import ProposalsConfig, mover_of, proposals

STEPS, STEP_S, MODES = 17, 0.5, 6
TIMES_S = STEP_S * np.arange(STEPS)
MARKS = np.array([2, 6, 10, 16])  # steps by which paths are compared
CLEAR = np.arange(4, STEPS, 2)  # steps at which the way must be clear; nearer ones touch the object's own cells
TALL_M = 0.5
AHEAD = round(HORIZON_S / STEP_S) + 1
NEW = 2.0  # times as far from all other futures as the one that is given up
SIGMAS_AT = [round(time / STEP_S) - 1 for time in SIGMA_TIMES_S]  # knots of the network
SLOW = (Label.PEDESTRIAN, Label.BICYCLE)


@dataclass(frozen=True)
class PredictorConfig:
    """Settings of the predictor and its parts.

    same_m: paths nearer to one another than this, on the mean, are one mode; it grows with the speed.
    blocked_factor: what remains of the weight of a path into an obstacle of the terrain. model: a folder of models/
    with a network of prediction, empty for none; backend, require_backend, threads: of its engine. engines: of those
    that are built on the vehicle.
    """

    hypotheses: HypothesesConfig = field(default_factory=HypothesesConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    proposals: ProposalsConfig = field(default_factory=ProposalsConfig)
    vehicle: Vehicle = field(default_factory=Vehicle)
    same_m: float = 2.0
    same_s: float = 0.25
    blocked_factor: float = 0.3
    model: str = ''
    backend: str = 'auto'
    require_backend: str = ''
    threads: int = 1
    engines: EngineSettings = field(default_factory=EngineSettings)

    def __post_init__(self) -> None:
        if not self.same_m > 0.0:
            raise ValueError(f'same_m={self.same_m} must be above 0')
        if not 0.0 < self.blocked_factor <= 1.0:
            raise ValueError(f'blocked_factor={self.blocked_factor} must lie above 0 and not above 1')


@dataclass(frozen=True, eq=False)
class Predicted:
    """What one step gives. guarded: how many paths were impossible and replaced. trouble: why the network told nothing.

    learned: of how many road users the network told.
    """

    predictions: Predictions
    scene_modes: SceneModes
    proposals: EgoProposals
    intents: Intents
    guarded: int
    learned: int = 0
    trouble: str = ''


class Predictor:
    """Remembers the last second of each track, and with a network two; nothing else."""

    def __init__(self, config: PredictorConfig, learned: LearnedPrediction | None = None) -> None:
        self.config, self._learned = config, learned
        self._history = History()

    def hear(self, tracks: Objects, ego: EgoState | None = None) -> None:
        """Remember tracks without telling what they will do; `predict` hears for itself."""
        self._history.movers(tracks)
        if self._learned is not None:
            self._learned.hear(tracks, ego)

    def predict(
        self,
        tracks: Objects,
        ego: EgoState,
        pieces: LanePieces | None = None,
        terrain: Grid | None = None,
        lights: TrafficLights | None = None,
        route: Route | None = None,
        goal: Goal | None = None,
        us: bool = True,
    ) -> Predicted:
        """Return futures of all tracks, and what a driver like ours would do; all in odom.

        us: whether the network is told of our own vehicle; not where that is no road user, as in recordings of others.
        """
        movers = self._history.movers(tracks)
        if self._learned is not None:
            self._learned.hear(tracks, ego if us else None)
        on_route = frozenset(route.lanelet_ids) if route is not None else frozenset()
        lanes = LaneField(pieces, ego.odom_from_base, on_route) if pieces is not None else None
        own = mover_of(ego)
        others, ours = _parted(None if lanes is None else lanes.paths(joined(movers, own), TIMES_S[-1]), len(movers))
        red = lights is not None and Light.RED in lights.states.values()
        options = hypotheses(movers, others, TIMES_S, self.config.hypotheses, red)
        if terrain is not None:
            options = self._clear(options, terrain)
        paths, alone = self._apart(options, movers)
        paths, guarded = self._possible(paths, movers)
        ground = Surroundings(ego.odom_from_base, pieces, terrain, lights, route)
        sigmas = np.full((len(tracks), len(SIGMA_TIMES_S), 2), np.nan)
        told, trouble = self._foretold(tracks, ground) if self._learned is not None and len(tracks) else (None, '')
        if told is None:
            scene, marginal = weighed(alone, overlaps(movers, paths), movers.speeds_mps > 1.0)
        else:
            paths, alone, more = self._with_learned(paths, alone, others, told, movers, sigmas)
            order, scene = paired(paths, alone, movers.sizes_m)
            paths = np.take_along_axis(paths, order[..., None, None], axis=1)
            marginal = np.take_along_axis(alone, order, axis=1)
            guarded += more
        chances = self._intents(paths, marginal, movers, tracks, middles_of(pieces, ego.odom_from_base))
        paths[..., 2] += np.where(movers.reversing, np.pi, 0.0)[:, None, None]
        return Predicted(
            Predictions(tracks, paths, marginal, STEP_S),
            SceneModes(tracks.stamp_ns, scene),
            proposals(ego, own, ours, terrain, goal, TIMES_S, self.config.proposals, self.config.vehicle.limits),
            Intents(tracks.stamp_ns, chances, sigmas),
            guarded,
            0 if told is None else len(told.rows),
            trouble,
        )

    def _foretold(self, tracks: Objects, ground: Surroundings) -> tuple[Foretold | None, str]:
        """Return what the network says, or why it says nothing."""
        assert self._learned is not None
        try:
            return self._learned.foretell(tracks, ground), ''
        except DataError as error:
            return None, str(error)

    def _with_learned(
        self, paths: np.ndarray, odds: np.ndarray, lanes: LanePaths | None, told: Foretold, movers: Movers,
        sigmas: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, int]:  # fmt: skip
        """Return paths and odds with the network's where these are possible, and how many were not; fill sigmas.

        Who reverses is left to physics: the network was never shown anybody who does. Where all of its futures are
        possible, what physics and lanes hold for likeliest stands in place of the one that is missed least, and then
        who hastens along his lane in place of another where that is NEW: simulated traffic hardly ever hastens for
        long. Nobody on foot does.
        """
        kept = ~movers.reversing[told.rows]
        rows, theirs = told.rows[kept], told.paths[kept]
        bad = broken(theirs, movers.xy[rows], movers.speeds_mps[rows], STEP_S, self.config.guard)
        whole = np.flatnonzero(~bad.any(axis=1))
        far = np.where(movers.on_foot[rows], np.inf, NEW)
        hasty = hastening(movers, lanes, TIMES_S, self.config.hypotheses)[rows]
        for other, new in ((paths[rows, 0], np.zeros(len(rows))), (hasty, far)):
            ends = np.ascontiguousarray(theirs[:, :, AHEAD - 1, :2])
            least = least_missed(ends, told.odds[kept])
            put = whole[(told_anew(ends, least, other[:, AHEAD - 1, :2]) >= new)[whole]]
            theirs[put, least[put]] = other[put]
        paths, odds = paths.copy(), odds.copy()
        paths[rows] = np.where(bad[..., None, None], paths[rows], theirs)
        odds[rows] = told.odds[kept]
        best, every = np.argmax(odds[rows], axis=1), np.arange(len(rows))
        about = told.sigmas_m[kept][every, best][:, SIGMAS_AT]
        sigmas[rows] = np.where(bad[every, best][:, None, None], np.nan, about)
        return paths, odds, int(bad.sum())

    def _intents(
        self, paths: np.ndarray, odds: np.ndarray, movers: Movers, tracks: Objects, lanes: np.ndarray | None
    ) -> np.ndarray:
        """Return (N, len(INTENTS)) chances, by where the futures lead, whoever foretold them.

        The network's own word for it was right less often (docs/benchmarks.md), and can contradict its futures.
        """
        near = paths[:, :, :AHEAD]
        known = np.ones(near.shape[:3], bool)
        slow = np.isin(tracks.labels, SLOW)
        return chances_of(intents_of(near, known, STEP_S, movers.speeds_mps, slow, lanes), odds)

    def _clear(self, options: Hypotheses, terrain: Grid) -> Hypotheses:
        """Return the options with less weight where a path runs into what stands."""
        layer, corner = np.ascontiguousarray(terrain.layers['obstacle_height']), terrain.origin_m
        blocked = runs_into(options.paths, CLEAR, layer, corner, terrain.resolution_m, TALL_M)
        return replace(options, weights=options.weights * np.where(blocked, self.config.blocked_factor, 1.0))

    def _apart(self, options: Hypotheses, movers: Movers) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, K, P, 3) paths and (N, K) probabilities: the likeliest that differ, the likeliest first."""
        same_m = self.config.same_m + self.config.same_s * movers.speeds_mps
        chosen, odds = picked(options.paths, options.weights, MARKS, same_m, MODES)
        return options.paths[np.arange(len(movers))[:, None], chosen], odds

    def _possible(self, paths: np.ndarray, movers: Movers) -> tuple[np.ndarray, int]:
        """Return the paths with constant velocity in place of the impossible, and how many those were."""
        bad = broken(paths, movers.xy, movers.speeds_mps, STEP_S, self.config.guard)
        plain = constant_velocity(movers, movers.speeds_mps[:, None] * TIMES_S)
        return np.where(bad[..., None, None], plain[:, None], paths), int(bad.sum())


def _parted(ways: LanePaths | None, count: int) -> tuple[LanePaths | None, LanePaths | None]:
    """Return the ways of the first `count` movers, None where they have none, and those of the one after."""
    if ways is None:
        return None, None
    own = ways.owners == count
    return (ways.rows(~own) if (~own).any() else None), ways.rows(own)
