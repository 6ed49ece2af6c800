"""Planning node: each set of predictions becomes a trajectory, a stop beside it, and why."""

from typing import Any

import numpy as np

from autonomy_nodes.common.objects import Predictions
from autonomy_nodes.common.status import Level, Words, cap_of
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.driving import read_articulation, read_control_mode, read_steering
from autonomy_nodes.messages.grids import read_grid
from autonomy_nodes.messages.markers import Mark, write_markers
from autonomy_nodes.messages.motion import read_ego, read_goal, read_pose
from autonomy_nodes.messages.objects import read_predictions
from autonomy_nodes.messages.roads import read_route, read_traffic_lights
from autonomy_nodes.messages.tables import (
    read_ego_proposals,
    read_lane_match,
    read_lane_pieces,
    read_scene_modes,
    write_marks,
)
from autonomy_nodes.messages.trajectory import write_trajectory
from autonomy_nodes.messages.words import read_words, write_decision
from autonomy_nodes.nodes.port import Join, Port, Stage
from autonomy_nodes.planning.goal import GoalPlace, route_to
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.situation import Plan, Situation
from autonomy_nodes.planning.warmup import warm

JOINS = (
    Join(topics.ODOMETRY, read_ego, must=True),
    Join(topics.POSE, read_pose),
    Join(topics.SCENE_MODES, read_scene_modes),
    Join(topics.EGO_PROPOSALS, read_ego_proposals),
    Join(topics.TERRAIN, read_grid),
    Join(topics.TERRAIN_FAR, read_grid),
    Join(topics.LOCAL_VECTORS, read_lane_pieces),
    Join(topics.LANE_MATCH, read_lane_match),
    Join(topics.ENVIRONMENT, read_words),
)
DRAWN = 5  # of the points of a candidate one of so many: a marker's points are costly to write


class Planning(Stage):
    """What did not come in time is None for the planner; odometry must come."""

    name = 'planning'
    config_type = PlannerConfig

    def build(self, port: Port, config: PlannerConfig) -> None:
        """Create the planner and connect it."""
        warm(config)
        self.port, self.planner, self.goal_place = port, Planner(config), GoalPlace()
        self.contingency_out, self.marks_out = port.publisher(topics.CONTINGENCY), port.publisher(topics.MARKS)
        self.decision_out, self.candidates_out = port.publisher(topics.DECISION), port.publisher(topics.CANDIDATES)
        self.planned_out = port.publisher(topics.PLANNED)
        self.steering = port.latest(topics.STEERING, read_steering)
        self.articulation = port.latest(topics.ARTICULATION, read_articulation)
        self.lights = port.latest(topics.TRAFFIC_LIGHTS, read_traffic_lights)
        self.route = port.latest(topics.ROUTE, read_route)
        self.mode = port.latest(topics.CONTROL_MODE, read_control_mode)
        self.goal_pose = port.latest(topics.GOAL, read_goal)
        port.trigger(topics.PREDICTIONS, read_predictions, self.plan, join=JOINS)

    def plan(self, predictions: Predictions, ego: EgoState, *partners: Any) -> None:
        """Plan one step; the plan goes last, since it starts safety."""
        pose, modes, proposals, terrain, far, pieces, lane, environment = partners
        asked = self.goal_pose()
        goal, why_not = self.goal_place.in_odom(asked, ego, pose)
        if why_not:
            self.port.say(Level.WARN, why_not)
        situation = Situation(
            ego, predictions, modes, proposals, terrain, far, pieces, lane, route_to(asked, self.route()), goal,
            self.lights(),
            _visibility(environment), self.steering(), self.articulation(), self.mode(),
            cap_mps=cap_of(environment),
        )  # fmt: skip
        plan = self.planner.plan(situation)
        for text in plan.words:
            self.port.say(Level.WARN, text)
        self.port.say(Level.OK, '', goal=plan.decision.values.get('goal', why_not or 'none'))
        self.publish(plan)

    def publish(self, plan: Plan) -> None:
        """Send all of it."""
        stamp_ns, marks = plan.trajectory.stamp_ns, plan.marks
        fixed = {'candidate': np.arange(len(marks.scores)), 'kind': marks.kinds, 'score': marks.scores}
        fixed |= dict(zip('xyz', marks.ends.T))
        self.contingency_out.publish(write_trajectory(plan.contingency))
        self.marks_out.publish(write_marks(stamp_ns, fixed | marks.columns))
        self.decision_out.publish(write_decision(plan.decision))
        if self.candidates_out.wanted():
            self.candidates_out.publish(write_markers(stamp_ns, 'odom', _drawn(plan), 'candidates'))
        self.planned_out.publish(write_trajectory(plan.trajectory))


def _drawn(plan: Plan) -> list[Mark]:
    """Return the best candidates as lines, the chosen one in green, a worse one the paler."""
    best = max(float(plan.candidate_scores.max()), 0.01)
    shades = 0.2 + 0.6 * plan.candidate_scores / best
    drawn = plan.candidates[:, ::DRAWN, :3]
    lines = [Mark(drive, color=(0.5, 0.5, 1.0, shade)) for drive, shade in zip(drawn, shades.tolist())]
    return [*lines[1:], Mark(drawn[0], color=(0.1, 0.9, 0.2, 1.0), size_m=0.3)]


def _visibility(environment: Words | None) -> float | None:
    """Return how far the sensors see, where that is said to be less than good; walls also end a view."""
    if environment is None or environment.values.get('visibility', 'good') == 'good':
        return None
    try:
        return float(environment.values['visibility_m'])
    except (KeyError, ValueError):
        return None
