"""Choose one drive: propose many, simulate what the vehicle would do with each, score them, choose, and say why."""

from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.footing import BlindZones
from autonomy_nodes.common.kinematics import body_of
from autonomy_nodes.common.types import Decision, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.answer import best_candidates, table_of_marks, trajectory_of
from autonomy_nodes.planning.arrival import arriving_speeds
from autonomy_nodes.planning.contingency import choose_stop, least_bad_stop, without_margin
from autonomy_nodes.planning.course import Course, CourseSettings, choose_course
from autonomy_nodes.planning.gates import GateSettings, Vetoes, View, judge, view
from autonomy_nodes.planning.ground import Ground, GroundSettings
from autonomy_nodes.planning.paths import Paths
from autonomy_nodes.planning.proposals import KINDS, Proposals, ProposalSettings, propose, propose_paths, shifted_last
from autonomy_nodes.planning.rollout import Drives, Start, roll_out
from autonomy_nodes.planning.situation import Plan, Situation
from autonomy_nodes.planning.speeds import caps_along, lead_on
from autonomy_nodes.planning.start import JointModel, start_of
from autonomy_nodes.planning.stops import StopWatch, untold_lights
from autonomy_nodes.planning.surroundings import TerrainMemory, ground_of, missing_words, traffic_of
from autonomy_nodes.planning.terms import Scores, Weights, best, mark
from autonomy_nodes.planning.traffic import Traffic, TrafficSettings
from autonomy_nodes.planning.way import Way
from autonomy_nodes.planning.words import Reason, explain

SHOWN = 16
DRIVING_SHARE = 1.1  # of the acceleration that is asked of the vehicle, at the peak of a smooth one
NEAR_M = 12.0  # from where any drive comes: half a truck, our own front, and room
DRAWN_OUT = 5  # of the moments of a drive one of so many tells where it goes


@dataclass(frozen=True)
class PlannerConfig:
    """Settings of the planner. worst_mode: share of a mark that the worst joint mode has, beside the expectation."""

    vehicle: Vehicle = field(default_factory=Vehicle)
    course: CourseSettings = field(default_factory=CourseSettings)
    ground: GroundSettings = field(default_factory=GroundSettings)
    traffic: TrafficSettings = field(default_factory=TrafficSettings)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    gates: GateSettings = field(default_factory=GateSettings)
    weights: Weights = field(default_factory=Weights)
    worst_mode: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 <= self.worst_mode <= 1.0:
            raise ValueError(f'worst_mode={self.worst_mode} must lie in 0 to 1')


@dataclass(frozen=True, eq=False)
class Around:
    """What a step begins with, in odom. last, kept: what is left of the last plan, and of the stop beside it."""

    situation: Situation
    last: Trajectory | None
    kept: Trajectory | None
    start: Start
    ground: Ground
    course: Course
    traffic: Traffic


class Planner:
    """Plans in odom; holds no ROS and reads no clock. It remembers its last plan, the last terrain, the trailer."""

    def __init__(self, config: PlannerConfig) -> None:
        self.config = config
        self._joint, self._way = JointModel(config.vehicle), Way()
        self._stops = StopWatch(config.course.stop_line_wait_s, config.vehicle.front_m)
        self._terrain, self._blind = TerrainMemory(config.ground.max_age_s), BlindZones(config.vehicle.blind_m)
        self._last: Trajectory | None = None
        self._kept: Trajectory | None = None  # the stop beside it
        self._name = ''

    def plan(self, situation: Situation) -> Plan:
        """Return what to drive, a stop beside it, and why."""
        around = self.look_around(situation)
        paths, proposals = self.generate(around)
        drives = self.simulate(around, paths, proposals)
        seen, vetoes = self.judge(around, drives)
        marks = self.mark(around, seen)
        return self.choose(around, proposals, seen, vetoes, marks)

    def look_around(self, situation: Situation) -> Around:
        """Return where we are, what we may follow, on which ground, among whom."""
        config, vehicle = self.config, self.config.vehicle
        last, kept = (shifted_last(old, situation.stamp_ns, config.proposals) for old in (self._last, self._kept))
        start = start_of(situation, last, self._joint, vehicle)
        ground = ground_of(situation, start, self._terrain, self._blind, vehicle, config.ground)
        course = choose_course(situation, ground, self._way, self._joint, vehicle, config.course)
        course = self._stops.without_released(course, situation)
        traffic = traffic_of(situation, start, course, vehicle, config.traffic)
        return Around(situation, last, kept, start, ground, course, traffic)

    def generate(self, around: Around) -> tuple[Paths, Proposals]:
        """Return paths, and ways to drive them."""
        settings, vehicle = self.config.proposals, self.config.vehicle
        course, start, last = around.course, around.start, around.last
        learned, kept = around.situation.proposals, around.kept
        paths, given = propose_paths(course, start, learned, last, self._name, kept, vehicle, settings)
        caps = caps_along(paths, course, around.ground, self.config.ground.margin_m, start.speed_mps, vehicle)
        leads = lead_on(paths, course, around.traffic, vehicle)
        arriving = self._arriving(course, start)
        return paths, propose(paths, given, caps, leads, course, start.speed_mps, vehicle, settings, arriving)

    def simulate(self, around: Around, paths: Paths, proposals: Proposals) -> Drives:
        """Return what the vehicle would do with each."""
        return roll_out(around.start, paths, proposals.wishes, self.config.vehicle)

    def judge(self, around: Around, drives: Drives) -> tuple[View, Vetoes]:
        """Return the drives as all judges see them, and what rules them out."""
        config = self.config
        traffic = around.traffic.near(drives.poses[:, ::DRAWN_OUT, :2].reshape(-1, 2), NEAR_M)
        seen = view(drives, around.course, around.ground, traffic, config.vehicle)
        return seen, judge(seen, config.ground.margin_m, config.gates, config.traffic)

    def mark(self, around: Around, seen: View) -> Scores:
        """Return how good the drives are."""
        return mark(seen, around.last, self.config.weights, self.config.worst_mode)

    def choose(self, around: Around, proposals: Proposals, seen: View, vetoes: Vetoes, marks: Scores) -> Plan:
        """Return the best drive, and why it is that."""
        situation, course, vehicle = around.situation, around.course, self.config.vehicle
        ego, drives, of = situation.ego, seen.drives, proposals.of
        vetoes, marks = without_margin(vetoes, proposals, seen).each(of), marks.each(of)
        clean = vetoes.clean()
        scores = marks.totals(clean) * clean
        chosen = best(scores, clean)
        if chosen is None or course.reached:
            chosen = least_bad_stop(proposals, vetoes)
        reason = explain(chosen, proposals, seen, vetoes, marks)
        stop = choose_stop(chosen, proposals, vetoes)

        trajectory, contingency = (trajectory_of(drives, of[n], ego, around.ground, vehicle) for n in (chosen, stop))
        self._last, self._kept = trajectory, contingency
        if proposals.kinds[chosen] != KINDS.index('last'):
            self._name = proposals.names[chosen]
        decision = _decision(situation, course, proposals.names, chosen, stop, reason, scores)
        table = table_of_marks(drives, proposals, vetoes, marks.terms, scores, ego)
        words = (*missing_words(around.ground, situation, around.start, vehicle), *course.words)
        words = (*words, *untold_lights(course, vehicle.front_m))
        shown = best_candidates(drives, of, scores, chosen, SHOWN, ego)
        return Plan(trajectory, contingency, decision, table, *shown, words)

    def _arriving(self, course: Course, start: Start) -> np.ndarray:
        """Return (K, T) speeds over time that meet a window of time."""
        settings, vehicle = self.config.proposals, self.config.vehicle
        fastest = max(course.speed_mps, start.speed_mps)
        most = (settings.firm_mps2, DRIVING_SHARE * vehicle.limits.acceleration_mps2)
        station = course.station_m + body_of(vehicle).middle_m
        return arriving_speeds(
            course.arrivals, station, start.speed_mps, start.acceleration_mps2, fastest, *most, settings.arrivals
        )


def _decision(
    situation: Situation, course: Course, names: tuple[str, ...], chosen: int, stop: int, reason: Reason,
    scores: np.ndarray,
) -> Decision:
    """Return the choice in words and in values."""
    values = {
        'course': course.reference.kind,
        'score': f'{scores[chosen]:.4f}',
        'speed_limit_mps': f'{course.speed_mps:.2f}',
        'contingency': names[stop],
        'candidates': str(len(names)),
        'candidate': str(chosen),
        **reason.values,
    }
    if course.refused:
        values['goal'] = f'refused: {course.refused}'
    elif course.end:
        values['goal'] = 'reached' if course.reached else f'{max(course.end_m - course.station_m, 0.0):.1f} m ahead'
    runner_up = names[reason.runner_up] if reason.runner_up != chosen else ''
    text = f'{course.end} reached' if course.reached else reason.text
    text = f'goal refused: {course.refused}' if course.refused and course.reached else text
    return Decision(situation.stamp_ns, names[chosen], text, runner_up, values)
