"""The planning and the control node in lockstep: what they wait for, what they publish and when they are silent."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_scenes import STAMP_NS, ego, ground, narrow_lane, pedestrian, users

from autonomy_nodes.common.geometry import matrix_of, moved, quaternion_of, quaternion_of_heading, wrapped
from autonomy_nodes.common.lanes import Route
from autonomy_nodes.common.sensing import ControlMode, Steering
from autonomy_nodes.common.status import Level, Words
from autonomy_nodes.common.types import Goal, Pose
from autonomy_nodes.control.follower import Follower, FollowerConfig
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.driving import read_command, read_gear_command, write_control_mode, write_steering
from autonomy_nodes.messages.grids import write_grid
from autonomy_nodes.messages.motion import read_goal, write_ego, write_goal, write_pose
from autonomy_nodes.messages.objects import write_predictions
from autonomy_nodes.messages.roads import write_route
from autonomy_nodes.messages.tables import read_marks, write_lane_match, write_lane_pieces
from autonomy_nodes.messages.trajectory import read_trajectory, write_trajectory
from autonomy_nodes.messages.words import read_decision, write_words
from autonomy_nodes.nodes.control_node import Control
from autonomy_nodes.nodes.planning_node import Planning
from autonomy_nodes.planning.goal import GoalPlace, route_to
from autonomy_nodes.planning.planner import PlannerConfig
from autonomy_nodes.safety.gate import GateSettings, check

PLANS = [topics.CONTINGENCY, topics.MARKS, topics.DECISION, topics.PLANNED]
COMMANDS = [topics.GEAR_COMMAND, topics.TWIST, topics.ACKERMANN, topics.CONTROL]
STATE = ego(speed=8.0)


class Sink:
    """Keeps what the stage gives, in order."""

    def __init__(self):
        self.messages, self.statuses = [], []

    def message(self, topic, now_ns, data):
        if topic in PLANS + COMMANDS:
            self.messages.append((topic, data))

    def status(self, status):
        self.statuses.append(status)

    def of(self, topic, read):
        return [read(data) for given, data in self.messages if given == topic]


def played(stage, config, events, seconds=0.2):
    sink = Sink()
    lockstep = Lockstep([stage], {stage.name: config}, sink)
    lockstep.start(STAMP_NS - 1)
    lockstep.play([Event(topic.name, stamp_ns, data) for topic, stamp_ns, data in events])
    lockstep.run_to(STAMP_NS + round(seconds * 1e9))
    lockstep.close()
    return sink


def planned(*more, others=(), terrain=True, state=STATE, lanes=True):
    lane = narrow_lane(state)
    roads = [
        (topics.LOCAL_VECTORS, write_lane_pieces(lane['pieces'])),
        (topics.LANE_MATCH, write_lane_match(lane['lane'])),
    ]
    events = [
        (topics.ODOMETRY, write_ego(state)),
        *(roads if lanes else ()),
        *([(topics.TERRAIN, write_grid(ground(cells=400)))] if terrain else []),
        *more,
        (topics.PREDICTIONS, write_predictions(users(*others))),
    ]
    return played(Planning(), PlannerConfig(), [(topic, STAMP_NS, data) for topic, data in events])


def test_the_plan_comes_last_and_everything_carries_the_stamp_of_the_sweep():
    sink = planned()
    assert [topic for topic, _ in sink.messages] == PLANS
    plan, stop = sink.of(topics.PLANNED, read_trajectory)[0], sink.of(topics.CONTINGENCY, read_trajectory)[0]
    stamps = {plan.stamp_ns, stop.stamp_ns, sink.of(topics.MARKS, read_marks)[0][0]}
    stamps.add(sink.of(topics.DECISION, read_decision)[0].stamp_ns)
    assert stamps == {STAMP_NS}
    assert plan.speeds_mps.max() > 8.0
    assert stop.speeds_mps[-1] == 0.0


def test_what_is_published_passes_the_gate_of_safety():
    sink = planned(others=[pedestrian(20.0, -3.0, 1.57)])
    for topic in (topics.PLANNED, topics.CONTINGENCY):
        check(sink.of(topic, read_trajectory)[0], STATE, PlannerConfig().vehicle, GateSettings())


def test_marks_have_a_row_a_candidate_and_a_column_a_gate():
    _, table = planned().of(topics.MARKS, read_marks)[0]
    assert {'candidate', 'kind', 'score', 'gate_contact', 'gate_ground', 'term_progress'} <= set(table)
    assert table['candidate'].tolist() == list(range(len(table['score'])))
    assert table['score'].max() > 0.5


def test_without_odometry_of_its_stamp_nothing_is_planned():
    sink = played(Planning(), PlannerConfig(), [(topics.PREDICTIONS, STAMP_NS, write_predictions(users()))])
    assert sink.messages == []


def test_without_terrain_it_says_so_and_stands():
    sink = planned(terrain=False, state=ego())
    assert any('no terrain' in status.text for status in sink.statuses)
    assert sink.of(topics.PLANNED, read_trajectory)[0].speeds_mps.max() == 0.0


MAP_FROM_ODOM = matrix_of(np.array([500.0, -200.0, 10.0]), quaternion_of_heading(2.0))


def in_map(x, y, state=STATE):
    """Return the pose of a state in map, and a goal in map that lies at (x, y) in odom."""
    map_from_base = MAP_FROM_ODOM @ state.odom_from_base
    turn = quaternion_of(map_from_base[:3, :3])
    pose = Pose(state.stamp_ns, 'map', map_from_base[:3, 3], turn, 0.01 * np.eye(6))
    place = moved(np.array([x, y, 0.0]), MAP_FROM_ODOM)
    goal = Goal(STAMP_NS, 'map', tuple(place.tolist()), 2.0)
    return (topics.POSE, write_pose(pose)), (topics.GOAL, write_goal(goal))


def test_a_goal_in_map_is_approached_where_there_is_no_lane():
    pose, goal = in_map(30.0, 12.0)
    sink = planned(pose, goal, lanes=False)
    assert sink.of(topics.DECISION, read_decision)[0].values['course'] == 'goal'
    assert sink.of(topics.PLANNED, read_trajectory)[0].poses[-1, 1] > 5.0


def test_a_goal_in_map_on_our_lane_is_its_end():
    sink = planned(*in_map(30.0, 1.0))
    assert sink.of(topics.PLANNED, read_trajectory)[0].poses[-1, 0] == pytest.approx(30.0, abs=1.0)
    assert sink.of(topics.DECISION, read_decision)[0].values['goal'] == '30.0 m ahead'


def test_a_goal_in_map_is_not_approached_without_a_pose_in_map_and_that_is_said():
    _, goal = in_map(30.0, 12.0)
    sink = planned(goal, lanes=False)
    assert any('no pose in map' in status.text for status in sink.statuses)
    assert sink.of(topics.DECISION, read_decision)[0].values['course'] == 'ahead'


def test_on_a_lane_a_goal_elsewhere_without_a_route_is_not_approached_and_that_is_said():
    sink = planned(*in_map(30.0, 40.0))
    assert any('no route leads there' in status.text for status in sink.statuses)
    assert 'goal' not in sink.of(topics.DECISION, read_decision)[0].values


@pytest.mark.parametrize(('away_m', 'course'), [(0.0, 'route'), (5.0, 'lane')])
def test_a_route_to_another_goal_is_an_old_one(away_m, course):
    pose, goal = in_map(30.0, 0.0)
    x, y, z = read_goal(goal[1]).position_m
    route = Route(STAMP_NS, (0.0,) * 4, (x + away_m, y, z, 0.0), (7,))
    sink = planned(pose, goal, (topics.ROUTE, write_route(route)))
    assert sink.of(topics.DECISION, read_decision)[0].values['course'] == course


@pytest.mark.parametrize(('later_ns', 'there'), [(-1, False), (0, True), (10**9, True)])
def test_a_route_found_before_a_goal_was_set_in_odom_leads_elsewhere(later_ns, there):
    route = Route(STAMP_NS + later_ns, (0.0,) * 4, (500.0, 7.0, 0.0, 0.0), (7,))
    assert (route_to(Goal(STAMP_NS, 'odom', (40.0, 5.0, 0.0), 0.0), route) is route) == there


def test_every_step_tells_how_the_goal_stands():
    sink = planned(*in_map(30.0, 1.0))
    assert [status.values['goal'] for status in sink.statuses if 'goal' in status.values] == ['30.0 m ahead']
    sink = planned(in_map(30.0, 1.0)[1], lanes=False)
    told = [status.values['goal'] for status in sink.statuses if 'goal' in status.values]
    assert told == ['goal in map is not approached: no pose in map']


@given(st.floats(-3.0, 3.0), st.floats(-0.2, 0.2))
def test_a_goal_does_not_move_with_the_jitter_of_the_pose_in_map(heading, off_m):
    place, state = GoalPlace(), ego(x=3.0, y=-2.0, heading=heading)
    goal = Goal(0, 'map', (40.0, 5.0, 0.0), 1.0)

    def pose(x):
        return Pose(0, 'map', np.array([x, 0.0, 0.0]), quaternion_of_heading(0.0), np.eye(6))

    first, _ = place.in_odom(goal, state, pose(10.0))
    away = np.array(first.position_m[:2]) - (3.0, -2.0)
    assert np.hypot(*away) == pytest.approx(np.hypot(30.0, 5.0))
    assert wrapped(first.heading_rad - heading - 1.0) == pytest.approx(0.0, abs=1e-9)
    assert place.in_odom(goal, state, pose(10.0 + off_m))[0] is first
    assert place.in_odom(goal, state, pose(11.0))[0] != first


def test_the_last_pose_in_map_serves_for_a_second():
    place, goal = GoalPlace(), Goal(0, 'map', (40.0, 5.0, 0.0), 1.0)
    pose = Pose(0, 'map', np.zeros(3), quaternion_of_heading(0.0), np.eye(6))
    place.in_odom(goal, ego(stamp_ns=STAMP_NS), pose)
    for after_ms, there in ((0, True), (1000, True), (1001, False), (-1, False)):
        assert (place.in_odom(goal, ego(stamp_ns=STAMP_NS + after_ms * 1_000_000), None)[0] is not None) == there


@pytest.mark.parametrize(('visibility', 'slow'), [('good', False), ('poor', True)])
def test_poor_sight_slows_down_and_a_short_good_view_does_not(visibility, slow):
    told = Words(STAMP_NS, 'environment', Level.OK, '', {'visibility': visibility, 'visibility_m': '12'})
    sink = planned((topics.ENVIRONMENT, write_words(told)), state=ego(speed=3.0))
    assert (sink.of(topics.PLANNED, read_trajectory)[0].speeds_mps.max() < 7.0) == slow


@pytest.mark.parametrize(('cap', 'slow'), [({}, False), ({'speed_cap_mps': '4.00'}, True)])
def test_what_perception_allows_by_the_sensors_that_are_left_is_kept_and_said(cap, slow):
    told = Words(STAMP_NS, 'environment', Level.WARN, '', {'visibility': 'good', 'visibility_m': '80', **cap})
    sink = planned((topics.ENVIRONMENT, write_words(told)), state=ego(speed=3.0))
    assert (sink.of(topics.PLANNED, read_trajectory)[0].speeds_mps.max() < 4.2) == slow
    assert any('no faster than 4.0 m/s' in status.text for status in sink.statuses) == slow


def driven(mode='AUTONOMOUS', seconds=0.3, trajectory=True):
    plan = planned().of(topics.PLANNED, read_trajectory)[0]
    events = [
        (topics.ODOMETRY_PREDICTED, STAMP_NS, write_ego(STATE)),
        (topics.STEERING, STAMP_NS, write_steering(Steering(STAMP_NS, 0.0))),
    ]
    if mode:
        events.append((topics.CONTROL_MODE, STAMP_NS, write_control_mode(ControlMode(STAMP_NS, mode))))
    if trajectory:
        events.append((topics.TRAJECTORY, STAMP_NS, write_trajectory(plan)))
    return played(Control(), FollowerConfig(), events, seconds)


def test_commands_come_twenty_a_second_in_all_forms_the_main_one_last():
    sink = driven(seconds=1.0)
    commands = sink.of(topics.CONTROL, read_command)
    assert 19 <= len(commands) <= 20
    assert [topic for topic, _ in sink.messages[:4]] == COMMANDS
    assert np.diff([command.stamp_ns for command in commands]) == pytest.approx(50_000_000)
    assert sink.of(topics.GEAR_COMMAND, read_gear_command)[0].gear == 'DRIVE'


def test_a_trajectory_that_is_not_renewed_is_braked():
    commands = driven(seconds=1.0).of(topics.CONTROL, read_command)
    ages = np.array([command.stamp_ns - STAMP_NS for command in commands]) / 1e9
    speeds = np.array([command.speed_mps for command in commands])
    assert (speeds[ages <= 0.5] > 7.0).all()
    assert (speeds[ages > 0.5] == 0.0).all()


@pytest.mark.parametrize('mode', ['MANUAL', None])
def test_while_a_person_drives_or_nobody_tells_it_sends_nothing_and_says_so(mode):
    sink = driven(mode)
    assert sink.messages == []
    assert any('no command' in status.text for status in sink.statuses)


def test_who_drove_more_than_a_second_ago_may_no_longer_drive():
    sink = driven(seconds=1.6)
    assert sink.of(topics.CONTROL, read_command)[-1].stamp_ns - STAMP_NS <= 1_000_000_000
    assert any('control mode is AUTONOMOUS, told 1.1 s ago' in status.text for status in sink.statuses)


def test_no_command_jumps_though_its_trajectory_does(monkeypatch):
    wild = iter([0.5, -0.5] * 20)
    follow = Follower.follow

    def jumping(self, *seen):
        return replace(follow(self, *seen), wheel_angle_rad=next(wild), acceleration_mps2=20.0)

    monkeypatch.setattr(Follower, 'follow', jumping)
    commands = driven(seconds=1.0).of(topics.CONTROL, read_command)
    wheels = np.array([command.wheel_angle_rad for command in commands])
    assert abs(wheels[0]) == pytest.approx(0.05)  # 0.5 rad/s in the 0.1 s that a first command has
    assert np.abs(np.diff(wheels)).max() == pytest.approx(0.025)
    assert max(command.acceleration_mps2 for command in commands) == 2.0


def test_a_command_that_is_not_finite_is_dropped_and_said(monkeypatch):
    follow = Follower.follow
    monkeypatch.setattr(Follower, 'follow', lambda *seen: replace(follow(*seen), wheel_angle_rad=float('nan')))
    sink = driven()
    assert sink.messages == []
    assert any('not finite' in status.text for status in sink.statuses)


def test_without_a_trajectory_it_sends_nothing_and_says_so():
    sink = driven(trajectory=False)
    assert sink.messages == []
    assert any('no trajectory yet' in status.text for status in sink.statuses)
