"""The parts of the planner, with numbers worked out by hand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_scenes import (
    STAMP_NS,
    block,
    car,
    ego,
    forget,
    ground,
    match,
    pedestrian,
    pieces,
    situation,
    stop_line,
    straight,
    users,
)

from autonomy_nodes.common.footing import Box, Zone
from autonomy_nodes.common.grid import FAR_LAYERS
from autonomy_nodes.common.kinematics import Body
from autonomy_nodes.common.lanes import Line, Route
from autonomy_nodes.common.types import Articulation, Goal
from autonomy_nodes.common.vehicle import Limits, Trailer, Vehicle
from autonomy_nodes.planning.contact_loops import rectangles_overlap
from autonomy_nodes.planning.contacts import contacts
from autonomy_nodes.planning.course import CourseSettings, choose_course, speed_for_sight
from autonomy_nodes.planning.ground import GroundSettings, clearance_of, read_ground
from autonomy_nodes.planning.paths import arcs, shifted, through
from autonomy_nodes.planning.reference import reference_through
from autonomy_nodes.planning.road import road_along
from autonomy_nodes.planning.rollout import STEP_S, STEPS, TIMES_S, Start, Wishes, roll_out
from autonomy_nodes.planning.rollout_loops import JERK_MPS3
from autonomy_nodes.planning.speeds import blocked, braked
from autonomy_nodes.planning.start import JointModel
from autonomy_nodes.planning.traffic import TrafficSettings, axes_of, read_traffic
from autonomy_nodes.planning.way import Shape, Way, costs_to, distance_to_go, passed

CAR = Vehicle()
BODY = Body(3.6, 0.9, 1.8)
NONE = np.zeros(0, bool)


def circle(radius, degrees=90.0):
    angles = np.radians(np.arange(0.0, degrees, 1.0))
    return np.column_stack([radius * np.sin(angles), radius - radius * np.cos(angles)])


# the reference


def test_a_place_beside_a_straight_reference_has_its_station_and_offset():
    reference = reference_through('lane', straight(2.0, start=0.0, end=50.0))
    station, offset, heading = reference.project(np.array([[12.3, 3.5], [-4.0, 2.0], [60.0, 1.0]]))
    assert station == pytest.approx([12.3, -4.0, 60.0])
    assert offset == pytest.approx([1.5, 0.0, -1.0])
    assert heading == pytest.approx([0.0, 0.0, 0.0])


def test_a_circle_has_its_curvature_and_a_place_inside_its_offset():
    reference = reference_through('lane', circle(20.0))
    assert reference.curvatures[8:-8] == pytest.approx(np.full(len(reference.curvatures) - 16, 0.05), abs=0.002)
    inside = np.array([[18.0 * math.sin(0.8), 20.0 - 18.0 * math.cos(0.8)]])
    station, offset, heading = reference.project(inside)
    assert offset == pytest.approx([2.0], abs=0.1)
    assert heading == pytest.approx([0.8], abs=0.02)
    assert station == pytest.approx([16.0], abs=0.15)


@given(st.floats(1.0, 25.0), st.floats(-4.0, 4.0), st.floats(12.0, 200.0))
@settings(max_examples=40, deadline=None)
def test_what_is_placed_by_station_and_offset_is_found_there(station, offset, radius):
    reference = reference_through('lane', circle(radius, degrees=min(30.0 / radius * 57.3 + 2.0, 150.0)))
    point, heading, _ = reference.at(np.array([station]))
    place = point + offset * np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    found, beside, _ = reference.project(place)
    assert found == pytest.approx([station], abs=0.15)
    assert beside == pytest.approx([offset], abs=0.05)


def test_a_kink_of_the_map_is_spread_so_that_it_can_be_driven():
    kink = np.array([[0.0, 0.0], [30.0, 0.0], [60.0, 30.0 * math.tan(0.2)]])
    reference = reference_through('lane', kink)
    assert np.abs(reference.curvatures).max() < 0.06  # 0.2 rad over some 4 m; unsmoothed it would be 0.2 in one
    assert reference.headings[-1] == pytest.approx(0.2, abs=0.02)


# paths


def test_a_shift_begins_with_our_heading_and_ends_beside_the_reference():
    reference = reference_through('lane', straight(start=-10.0, end=120.0))
    found = shifted(reference, (10.0, 0.5, 0.1), 0.0, [('left', 2.0, 30.0)], 60)
    assert found.points[0, 0] == pytest.approx([0.0, 0.5])
    assert found.headings[0, 0] == pytest.approx(0.1, abs=0.01)
    assert found.points[0, 30:, 1] == pytest.approx(np.full(30, 2.0))
    assert found.headings[0, 31:] == pytest.approx(np.zeros(29), abs=1e-3)


def test_an_arc_reaches_its_curvature_gradually_and_turns_by_its_integral():
    found = arcs(np.array([1.0, 2.0, 0.0]), 0.0, [(0.1, 0.1), (0.1, -0.1)], 10.0, 40)
    assert found.curvatures[0, :4] == pytest.approx([0.0, 0.05, 0.1, 0.1])
    assert found.headings[0, 20] == pytest.approx(0.1 * 20.0 - 0.1)  # the first 2 m bring half
    assert found.curvatures[1, 30] == pytest.approx(-0.1)
    assert found.points[:, 0] == pytest.approx(np.array([[1.0, 2.0], [1.0, 2.0]]))


def test_a_drive_that_stands_gives_a_straight_path_in_its_heading():
    still = np.tile([3.0, 4.0, 0.5], (1, 10, 1))
    found = through(('still',), still, 20)
    assert np.isfinite(found.points).all()
    assert found.headings[0] == pytest.approx(np.full(20, 0.5))


# speeds


def test_caps_fall_towards_a_stop_as_braking_does():
    gone = np.arange(0.0, 30.0)[None]
    caps = np.where(gone >= 20.0, 0.0, 400.0)
    assert np.sqrt(braked(caps, gone, 2.5)[0, [0, 10, 19]]) == pytest.approx([10.0, math.sqrt(50.0), math.sqrt(5.0)])


def test_the_speed_for_sight_stops_within_it_after_the_lag():
    speed = speed_for_sight(33.6, CAR)
    assert speed * CAR.limits.brake_lag_s + speed**2 / (2.0 * 2.5) == pytest.approx(33.6 - CAR.front_m)
    assert speed_for_sight(None, CAR) == math.inf
    assert speed_for_sight(1.0, CAR) == 0.0


# the simulation


def rolled(path, speeds, start=None, caps=1e3, lead_u=np.inf, lead=0.0, vehicle=CAR, braking=6.0):
    start = start or Start(np.zeros(3), 8.0, 0.0, 0.0, 0.0)
    width = path.points.shape[1]
    speeds = np.broadcast_to(np.asarray(speeds, float), (1, STEPS))
    full = np.ones((1, STEPS))
    wishes = Wishes(
        np.zeros(1, int), speeds, 0.0 * full, np.full(1, braking), np.broadcast_to(caps, (1, width)), lead_u * full,
        lead * full,
    )  # fmt: skip
    return roll_out(start, path, wishes, vehicle)


@pytest.mark.parametrize('speed', [0.0, -1e-3, -0.05])
@pytest.mark.parametrize('before', [0.0, -3.0])
def test_brakes_hold_what_stands_and_what_rolls_back_by_a_hair(speed, before):
    start = Start(np.zeros(3), speed, before, 0.0, 0.0)
    drives = rolled(line_path(), 0.0, start)
    assert drives.speeds_mps.min() >= speed and np.abs(drives.poses[:, -1, 0]).max() < 0.5


def line_path(count=150):
    return shifted(reference_through('lane', straight(end=200.0)), (30.0, 0.0, 0.0), 0.0, [('x', 0.0, 10.0)], count)


def test_a_simulated_stop_takes_the_braking_distance_and_the_time_in_which_braking_rises():
    found = rolled(line_path(), 0.0, braking=2.5)
    rise_s = 2.5 / JERK_MPS3
    ideal = 8.0**2 / (2.0 * 2.5) + 8.0 * rise_s / 2.0 - 2.5 * rise_s**2 / 24.0
    assert found.poses[0, -1, 0] == pytest.approx(ideal, abs=0.8)
    assert found.speeds_mps[0, -1] == 0.0
    assert found.speeds_mps.min() >= 0.0
    assert found.accelerations_mps2.min() >= -2.5 - 1e-9


def test_acceleration_changes_evenly_and_only_who_must_brake_hard_brakes_at_once():
    soft, hard = (rolled(line_path(), 0.0, braking=braking) for braking in (2.5, 6.0))
    jerks = [np.diff(found.accelerations_mps2[0, :6]) / STEP_S for found in (soft, hard)]
    assert np.abs(jerks[0]).max() <= JERK_MPS3 + 1e-9
    assert jerks[1].min() < -3.0 * JERK_MPS3
    assert hard.poses[0, -1, 0] < 8.0**2 / (2.0 * 6.0) + 8.0 * 0.5


def test_a_plan_goes_on_with_the_acceleration_that_it_finds():
    start = Start(np.zeros(3), 8.0, -1.0, 0.0, 0.0)
    found = rolled(line_path(), 13.0, start=start)
    assert found.accelerations_mps2[0, :2] == pytest.approx([-1.0, -1.0 + max(JERK_MPS3, 2.0) * STEP_S])
    assert found.speeds_mps[0, 1] == pytest.approx(8.0 + 0.5 * STEP_S * found.accelerations_mps2[0, :2].sum())


def test_a_cap_that_falls_to_a_stop_is_kept_to_a_few_centimetres():
    path = line_path()
    stop_m = 40.0
    found = rolled(path, 13.0, caps=2.0 * 2.5 * (stop_m - path.gone_m))
    assert found.poses[0, -1, 0] == pytest.approx(stop_m, abs=0.3)
    assert found.poses[0, :, 0].max() <= stop_m + 0.05
    assert found.speeds_mps[0, -1] < 0.1


def test_a_leader_is_followed_at_its_speed():
    found = rolled(line_path(), 13.0, lead_u=30.0 + 5.0 * TIMES_S[1:], lead=5.0)
    assert found.speeds_mps[0, -1] == pytest.approx(5.0, abs=0.6)
    gap = 30.0 + 5.0 * TIMES_S - found.poses[0, :, 0] - CAR.front_m
    assert gap.min() > 2.0


def test_the_simulation_keeps_the_limits_of_wheel_and_acceleration():
    path = arcs(np.zeros(3), 0.0, [(0.5, -0.5)], 8.0, 100)  # tighter than the wheels can turn
    found = rolled(path, 6.0, Start(np.zeros(3), 4.0, 0.0, 0.0, 0.0))
    steps = np.abs(np.diff(found.wheels_rad[0]))
    assert steps.max() <= CAR.limits.wheel_rate_rps * 0.2 + 1e-9
    assert np.abs(found.wheels_rad).max() <= CAR.limits.wheel_angle_rad
    assert found.accelerations_mps2.max() <= CAR.limits.acceleration_mps2 + 1e-9
    assert found.gaps_m[0] > 0.5


def test_candidates_are_simulated_as_each_would_be_alone():
    path = arcs(np.zeros(3), 0.0, [(0.1, -0.1), (-0.05, -0.05)], 10.0, 100)
    start = Start(np.zeros(3), 5.0, 0.0, 0.05, 0.0)
    speeds = np.array([[6.0], [3.0], [0.0]]) * np.ones(STEPS)
    many = Wishes(
        np.array([0, 1, 0]), speeds, 0.0 * speeds, np.full(3, 4.0), np.full((3, 100), 100.0),
        np.full((3, STEPS), np.inf), np.zeros((3, STEPS)),
    )  # fmt: skip
    together = roll_out(start, path, many, CAR)
    for row in range(3):
        one = Wishes(*(np.asarray(getattr(many, name))[row : row + 1] for name in many.__dataclass_fields__))
        alone = roll_out(start, path, one, CAR)
        assert together.poses[row] == pytest.approx(alone.poses[0])


# the ground


def test_clearance_is_the_distance_to_the_nearest_blocked_cell():
    grid = np.zeros((20, 20), bool)
    grid[5, 5] = True
    clear = clearance_of(grid, 0.4, 2.4)
    assert clear[5, 5] == pytest.approx(-0.2)
    assert clear[8, 9] == pytest.approx(0.4 * 5.0 - 0.2)
    assert clear[5, 7] == pytest.approx(0.6)
    assert clear[19, 19] == pytest.approx(2.2)


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None)
def test_clearance_agrees_with_trying_every_cell(seed):
    grid = np.random.default_rng(seed).random((18, 14)) < 0.03
    clear = clearance_of(grid, 0.5, 2.0)
    places = np.argwhere(grid)
    for i in range(0, 18, 5):
        for j in range(0, 14, 4):
            far = min((math.hypot(*(place - (i, j))) for place in places), default=99.0)
            assert clear[i, j] == pytest.approx(min(0.5 * far, 2.0) - 0.25, abs=1e-6)


def read(grid, far=None, moving=(), stands=()):
    zones = [Zone(box, 4.0) for box in stands]
    return read_ground((grid, far), list(stands), zones, list(moving), 1.6, GroundSettings())


def test_unknown_ground_is_blocked_but_not_where_we_stand():
    grid = forget(ground(cells=100), (-5.0, 5.0), (-5.0, 5.0))
    here = np.array([[0.0, 0.0]])
    assert read(grid).clearance(here)[0] < 0.0
    stands = Box(np.zeros(3), np.array([2.25, 0.9]))
    assert read(grid, stands=[stands]).clearance(here)[0] > 0.0
    assert read(grid).why_blocked(here[0], 1.0) == 'unknown ground'


def test_an_obstacle_beside_us_is_blocked_but_none_can_be_where_our_body_is():
    stands = [Box(np.zeros(3), np.array([2.25, 0.9]))]
    told = read(block(ground(cells=100), (1.0, 4.0), (-1.0, 1.0)), stands=stands)
    assert told.clearance(np.array([[1.5, 0.0]]))[0] > 0.0
    assert told.clearance(np.array([[2.7, 0.0]]))[0] < 0.0
    assert told.why_blocked(np.array([2.5, 0.0]), 1.0) == 'ground that cannot be driven'


def test_where_the_near_grid_ends_the_far_one_answers_and_then_nobody_knows():
    near, coarse = ground(cells=50), ground(cells=100, resolution_m=0.8)
    far = dataclasses.replace(coarse, layers={name: coarse.layers[name] for name in FAR_LAYERS})
    told = read(near, far)
    assert (told.clearance(np.array([[0.0, 0.0], [30.0, 0.0]])) > 1.9).all()
    assert told.clearance(np.array([[50.0, 0.0]]))[0] <= 0.0
    assert told.why_blocked(np.array([50.0, 0.0]), 1.0) == 'unknown ground'
    assert told.cost(np.array([[0.0, 0.0], [30.0, 0.0], [50.0, 0.0]])) == pytest.approx([0.0, 0.3, 1.0])


def test_height_is_carried_on_where_it_is_not_known():
    grid = forget(ground(cells=100, height=2.0), (3.0, 30.0), (-5.0, 5.0))
    xy = np.column_stack([np.arange(-25.0, 15.0, 5.0), np.zeros(8)])
    assert read(grid).height(xy, 7.0) == pytest.approx([7.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])


def test_a_low_ceiling_blocks_a_high_vehicle_only():
    grid = ground(cells=50)
    grid.layers['ceiling'][:] = 3.0
    low, high = (
        read_ground((grid, None), [], [], [], height, GroundSettings()).clearance(np.zeros((1, 2)))
        for height in (1.6, 3.6)
    )
    assert low[0] > 0.0
    assert high[0] < 0.0


def test_a_body_may_leave_a_wall_it_stands_at_but_not_come_nearer():
    told = read(block(ground(cells=150), (-20.0, 20.0), (1.0, 2.0)))
    x = np.linspace(0.0, 10.0, 11)

    def hit(y):
        return blocked(np.column_stack([x, y, 0.0 * x])[None], told, 0.1, BODY)[0]

    assert not hit(0.0 * x).any()  # along the wall, 0.1 m beside it
    assert not hit(-0.1 * x).any()
    assert hit(0.1 * x).any()
    touched = read(block(ground(cells=150), (-20.0, 20.0), (0.8, 2.0)))  # 0.1 m inside the side of the body
    assert not blocked(np.column_stack([x, 0.0 * x, 0.0 * x])[None], touched, 0.1, BODY).any()
    assert blocked(np.column_stack([x, 0.01 * x, 0.0 * x])[None], touched, 0.1, BODY).any()


# other road users


def drive_at(speed, y=0.0, heading=0.0):
    x = speed * TIMES_S
    poses = np.stack([x * np.cos(heading), y + x * np.sin(heading), np.full_like(x, heading)], axis=-1)[None]
    return poses, np.full((1, len(x)), speed)


def first_contact(speed, *others, in_lane=False, y=0.0):
    traffic = read_traffic(users(*others), None, np.ones(len(others), bool), TrafficSettings())
    poses, speeds = drive_at(speed, y)
    found = contacts(poses, axes_of(poses), speeds, BODY, np.full(speeds.shape, in_lane), traffic, TrafficSettings())
    return found.times_s[0]


def test_a_standing_car_is_hit_when_the_front_with_its_room_reaches_it():
    # 3.6 m front + 0.5 m room + 10 t = 30 - 2.25: t = 2.365, found at the next 0.2 s
    assert first_contact(10.0, car(30.0, 0.0)) == pytest.approx([2.4])


def test_what_stands_is_seen_for_eight_seconds_and_what_moves_for_four():
    assert np.isfinite(first_contact(5.0, car(38.0, 0.0))).all()  # after 6.3 s
    assert np.isinf(first_contact(5.0, car(38.0, 0.0, 0.0, 0.6))).all()


def test_it_is_passed_with_20_cm_and_3_cm_for_each_metre_per_second():
    room = 0.9 + 0.9 + 0.2 + 0.03 * 10.0
    assert np.isinf(first_contact(10.0, car(30.0, room + 0.02))).all()
    assert np.isfinite(first_contact(10.0, car(30.0, room - 0.02))).all()


def test_who_hits_us_from_behind_or_while_we_stand_is_at_fault_himself():
    assert np.isinf(first_contact(3.0, car(-10.0, 0.0, 0.0, 9.0))).all()
    assert np.isinf(first_contact(0.0, car(15.0, 0.0, math.pi, 9.0))).all()
    assert np.isfinite(first_contact(3.0, car(25.0, 0.0, math.pi, 9.0))).all()


def test_being_hit_at_the_side_is_our_fault_unless_we_are_in_our_lane():
    into_our_side = car(9.0, -12.0, math.pi / 2.0, 6.0)
    assert np.isfinite(first_contact(5.0, into_our_side, in_lane=False)).all()
    assert np.isinf(first_contact(5.0, into_our_side, in_lane=True)).all()


def test_beside_whom_we_stand_we_may_go_on_but_come_no_nearer():
    """Its side is 0.1 m from ours, its middle 4 m ahead; we go straight on, or by 0.05 rad towards it or away."""
    near = car(4.0, 1.9)
    assert np.isinf(first_contact(2.0, near)).all()
    for heading, free in ((0.05, False), (-0.05, True)):
        traffic = read_traffic(users(near), None, np.ones(1, bool), TrafficSettings())
        poses, speeds = drive_at(2.0)
        poses[..., 1] += np.maximum(poses[..., 0] - 0.5, 0.0) * math.tan(heading)
        lane = np.zeros(speeds.shape, bool)
        found = contacts(poses, axes_of(poses), speeds, BODY, lane, traffic, TrafficSettings()).times_s
        assert bool(np.isinf(found).all()) == free


def test_a_box_that_reaches_into_us_is_taken_smaller_and_is_not_run_into():
    inside = car(5.7, 0.5)  # its rear lies 0.15 m behind our front: three tenths less of it lie 0.5 m before that
    assert first_contact(1.0, inside) == pytest.approx([0.6])
    assert np.isinf(first_contact(0.0, inside)).all()


def test_who_waits_until_somebody_stands_in_his_way_does_not_go_on_through_him():
    """The other comes to stand before us while we stand; then we would move."""
    traffic = read_traffic(users(car(12.0, 0.0, math.pi, 2.0)), None, np.ones(1, bool), TrafficSettings())
    poses, speeds = drive_at(0.0)
    after = np.maximum(TIMES_S - 3.0, 0.0)
    poses[..., 0], speeds[:] = after, (after > 0.0).astype(float)
    lane = np.zeros(speeds.shape, bool)
    found = contacts(poses, axes_of(poses), speeds, BODY, lane, traffic, TrafficSettings()).times_s
    assert found[0] == pytest.approx([3.2])


def test_a_pedestrian_owns_the_way_of_the_next_second():
    before = first_contact(8.0, pedestrian(20.0, -2.9, math.pi / 2.0, 1.0))  # at our side after 1.7 s, we after 2 s
    car_like = first_contact(8.0, (1, 20.0, -2.9, math.pi / 2.0, 1.0, 0.6, 0.6))
    assert np.isfinite(before).all()
    assert before[0] <= car_like[0]
    crossing_behind = pedestrian(20.0, -4.6, math.pi / 2.0, 1.0)  # 2 s on it is 1.5 m from our side
    assert np.isinf(first_contact(8.0, (1, *crossing_behind[1:]))).all()


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(-3.2, 3.2), st.floats(-3.2, 3.2))
@settings(max_examples=60, deadline=None)
def test_boxes_overlap_when_a_point_lies_in_both(x, y, one, two):
    half = np.array([1.5, 0.7])
    headings = math.cos(one), math.sin(one), math.cos(two), math.sin(two)

    def overlapping(half):
        return rectangles_overlap(x, y, *headings[:2], tuple(half), *headings[2:], tuple(half))

    u = np.linspace(-1.0, 1.0, 41)
    grid = np.stack(np.meshgrid(u * 1.5, u * 0.7), axis=-1).reshape(-1, 2)
    turn = np.array([[math.cos(one), -math.sin(one)], [math.sin(one), math.cos(one)]])
    back = np.array([[math.cos(two), math.sin(two)], [-math.sin(two), math.cos(two)]])
    inside = (np.abs((grid @ turn.T - (x, y)) @ back.T) <= half).all(axis=1).any()
    assert overlapping(half) or not inside
    assert inside or not overlapping(half - 0.1)


# the road and the course


def test_lines_that_may_not_be_crossed_stand_left_and_right_of_the_reference():
    state = ego(3.0, 1.0, 0.3)
    lines = [(Line.SOLID, 1, straight(2.0)), (Line.BOUNDARY, 2, straight(-3.0)), (Line.DIVIDER, 3, straight(1.0))]
    reference = reference_through('lane', straight(start=0.0, end=60.0))
    found = road_along(reference, 5.0, situation(state, pieces=pieces(lines, state)), (7,))
    left, right = found.sides(np.array([10.0, 40.0, 70.0]))
    assert left == pytest.approx([2.0, 2.0, np.inf], abs=1e-3)
    assert right == pytest.approx([-3.0, -3.0, -np.inf], abs=1e-3)


def test_a_stop_line_of_the_lane_beside_is_not_ours():
    state = ego()
    other = (Line.STOP_LINE, 901, np.array([[20.0, 2.0], [20.0, 5.0]]))
    lines = [stop_line(30.0), other]
    reference = reference_through('lane', straight(start=-10.0, end=60.0))
    found = road_along(reference, 10.0, situation(state, pieces=pieces(lines, state)), (7,))
    assert [(stop.id, round(stop.station_m)) for stop in found.stop_lines] == [(900, 40)]


def course(told, vehicle=CAR):
    joint = JointModel(vehicle)
    joint.take(told.articulation, told.ego, 0.0)
    return choose_course(told, read(told.terrain), Way(), joint, vehicle, CourseSettings())


def test_without_a_route_the_straightest_lanelet_is_followed():
    state = ego()
    bent = np.array([[20.0 + 10.0 * math.sin(a), 10.0 - 10.0 * math.cos(a)] for a in np.linspace(0.0, 1.5, 20)])
    lanes = {1: straight(end=20.0), 2: bent, 3: straight(start=20.0)}
    lines = [(Line.CENTERLINE, id_, line) for id_, line in lanes.items()]
    found = course(situation(state, pieces=pieces(lines, state), lane=match(1)))
    assert found.reference.kind == 'lane'
    assert np.abs(found.reference.points[:, 1]).max() < 0.1
    assert found.end_m == np.inf


def test_a_route_that_changes_lanes_leads_over_gradually():
    state = ego()
    lines = [(Line.CENTERLINE, 1, straight(end=60.0)), (Line.CENTERLINE, 2, straight(3.5, start=0.0, end=140.0))]
    route = Route(STAMP_NS, (0.0,) * 4, (0.0,) * 4, (1, 2))
    found = course(situation(state, pieces=pieces(lines, state), lane=match(1), route=route))
    assert found.reference.points[-1, 1] == pytest.approx(3.5, abs=0.05)
    assert np.abs(found.reference.headings).max() < 0.25
    assert found.end == 'end of the route'


ROUTES = [
    ((1, 2), 100.0, 'goal', 130.0),
    ((1, 2, 9), 100.0, '', math.inf),  # the lanelet of the goal is not yet in sight: another one passes by
    ((1, 2), -25.0, 'end of the route', None),  # behind us: the route goes round to it
    ((1, 2), 300.0, 'end of the route', None),
]


@pytest.mark.parametrize('ids, goal_x, end, end_m', ROUTES)
def test_a_route_ends_at_the_goal_on_its_last_lanelet(ids, goal_x, end, end_m):
    state, goal = ego(), Goal(STAMP_NS, 'odom', (goal_x, 2.0, 0.0), 0.0)
    lines = [(Line.CENTERLINE, 1, straight(end=60.0)), (Line.CENTERLINE, 2, straight(start=60.0, end=140.0))]
    route = Route(STAMP_NS, (0.0,) * 4, (0.0,) * 4, ids)
    found = course(situation(state, pieces=pieces(lines, state), lane=match(1), route=route, goal=goal))
    assert found.end == end
    assert end_m is None or found.end_m - found.station_m == pytest.approx(end_m - 30.0, abs=0.1)


def test_far_beside_or_against_every_lane_there_is_no_lane():
    for state in (ego(y=9.0), ego(heading=3.0)):
        lines = [(Line.CENTERLINE, 1, straight())]
        assert course(situation(state, pieces=pieces(lines, state), lane=match(1))).reference.kind == 'ahead'


def test_the_trailer_counts_as_unknown_until_it_is_measured_or_pulled_straight():
    truck = Vehicle(trailer=Trailer(present=True), limits=Limits(13.0, 1.0, 1.5))
    model = JointModel(truck)
    told = situation(ego(speed=2.0))
    crawling = choose_course(told, read(told.terrain), Way(), model, truck, CourseSettings())
    assert crawling.speed_mps == 1.5
    assert 'crawling' in crawling.words[0]
    for step in range(125):  # 2 m/s for 12.4 s: 24.8 m, more than three lengths of 7.7 m
        model.take(None, ego(speed=2.0, stamp_ns=STAMP_NS + step * 100_000_000), 0.0)
    assert model.settled
    assert choose_course(told, read(told.terrain), Way(), model, truck, CourseSettings()).speed_mps > 5.0
    model.take(Articulation(STAMP_NS, (0.2,)), ego(), 0.0)
    assert model.told
    assert model.angle_rad == 0.2


def test_an_unmeasured_trailer_is_pulled_straight_by_the_model():
    truck = Vehicle(trailer=Trailer(present=True))
    model = JointModel(truck)
    model.take(Articulation(STAMP_NS, (0.4,)), ego(), 0.0)
    for step in range(1, 90):
        model.take(None, ego(speed=2.0, stamp_ns=STAMP_NS + step * 100_000_000), 0.0)
    rolled_m = 89 * 0.2
    assert model.angle_rad == pytest.approx(2.0 * math.atan(math.tan(0.2) * math.exp(-rolled_m / 7.7)), rel=0.01)


# the way over open ground


def test_costs_rise_with_the_distance_over_eight_neighbours_and_go_round_walls():
    cost = np.ones((12, 12))
    cost[5, :9] = 1e3
    costs = costs_to((0, 0), cost)
    assert costs[0, 0] == 0.0
    assert costs[4, 4] == pytest.approx(4 * 1.414)
    assert costs[4, 8] == pytest.approx(4 * 1.414 + 4.0)
    assert costs[6, 0] == pytest.approx(1.414 * 6 + 3.0 + 1.414 * 2 + 7.0, abs=1.7)  # round the end of the wall
    assert costs[6, 0] < 30.0


def test_distance_to_go_is_measured_over_the_corners_not_yet_passed():
    way = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    places = np.array([[0.0, 0.0], [9.0, 0.0], [10.0, 4.0], [9.0, 12.0]])
    assert passed(places, way).tolist() == [0, 0, 1, 1]
    assert distance_to_go(places, way) == pytest.approx([20.0, 11.0, 6.0, math.hypot(1.0, 2.0)])


def test_a_free_straight_line_has_no_corners_and_unseen_ground_is_no_wall_for_the_way():
    goal = np.array([20.0, 0.0])
    unseen = read(forget(ground(cells=200), (5.0, 8.0), (-9.0, 9.0)))
    free = Way().around(np.zeros(3), goal, unseen, Shape(1.4), STAMP_NS)
    assert free.tolist() == [[20.0, 0.0]]
    walled = read(block(ground(cells=200), (9.0, 11.0), (-3.0, 8.0)))
    corners = Way().around(np.zeros(3), goal, walled, Shape(1.4), STAMP_NS)
    assert len(corners) > 1
    assert corners[:-1, 1].max() < -3.0 - 1.0


def test_where_there_is_room_a_way_keeps_away_from_obstacles_and_where_there_is_none_it_goes_between():
    goal = np.array([40.0, 0.0])
    beside = read(block(ground(cells=300), (18.0, 20.0), (-2.0, 40.0)))
    corners = Way().around(np.zeros(3), goal, beside, Shape(1.4), STAMP_NS)
    line = np.concatenate([np.linspace(a, b, 40) for a, b in zip([np.zeros(2), *corners[:-1]], corners)])
    away = np.hypot(np.maximum(np.abs(line[:, 0] - 19.0) - 1.0, 0.0), np.maximum(-2.0 - line[:, 1], 0.0))
    assert 2.2 < away.min() < 8.0  # where it must be 1.4 at least
    gap = block(block(ground(cells=300), (18.0, 20.0), (2.4, 60.0)), (18.0, 20.0), (-60.0, -2.4))
    through = Way().around(np.zeros(3), goal, read(block(gap, (8.0, 9.0), (-3.0, 3.0))), Shape(1.4), STAMP_NS)
    at = np.interp(19.0, [0.0, *through[:, 0]], [0.0, *through[:, 1]])
    assert abs(at) < 1.0


def test_a_way_to_a_goal_behind_begins_with_a_bend_that_can_be_driven_on_the_side_where_there_is_room():
    goal, shape = np.array([-30.0, 0.0]), Shape(1.4, 3.6, 6.0)
    wall = read(block(ground(cells=300), (-20.0, 30.0), (3.0, 5.0)))
    first = Way().around(np.zeros(3), goal, wall, shape, STAMP_NS)[0]
    assert first[0] > 2.0 and -5.0 < first[1] < -2.0  # to the right, 7.8 m along a circle of 6 m


@pytest.mark.parametrize('length_m, end', [(114.0, ''), (110.0, 'end of the route'), (76.0, 'end of the route')])
def test_the_edge_of_what_the_map_tells_is_no_end_of_the_route(length_m, end):
    """114 m are six full pieces of 19 m, and their end lies beyond what is told; 110 m end within a piece."""
    state = ego()
    lines = [(Line.CENTERLINE, 1, straight(start=state.position_m[0], end=state.position_m[0] + length_m))]
    route = Route(STAMP_NS, (0.0,) * 4, (0.0,) * 4, (1,))
    found = course(situation(state, pieces=pieces(lines, state), lane=match(1), route=route))
    assert found.end == end
