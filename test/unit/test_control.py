"""The follower: numbers worked out by hand, and loops with the kinematics."""

import dataclasses
import math

import numpy as np
import pytest
from planning_scenes import STAMP_NS, Drive, ego, match, pedestrian, pieces, road, stop_line, users

from autonomy_nodes.common.kinematics import body_of, body_of_trailer, trailer_poses
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.common.types import Command, DataError, Trajectory
from autonomy_nodes.common.vehicle import Limits, Trailer, Vehicle
from autonomy_nodes.control.follower import Follower, FollowerConfig
from autonomy_nodes.control.limits import limited
from autonomy_nodes.planning.planner import Planner, PlannerConfig

CAR = Vehicle()
TRUCK = Vehicle(
    wheelbase_m=3.8, front_m=5.2, rear_m=0.9, width_m=2.5, height_m=3.6, trailer=Trailer(present=True),
    limits=Limits(13.0, 1.0, 1.5, 4.5, 1.5, 0.6, 0.4, 0.5),
)  # fmt: skip
FOLLOWER = Follower(CAR)


def along(points, speeds, accelerations=None, stamp_ns=STAMP_NS):
    """Return a trajectory through (T, 2) points 0.1 s apart."""
    points, speeds = np.asarray(points, float), np.asarray(speeds, float)
    times = 0.1 * np.arange(len(points))
    steps = np.gradient(points, axis=0)
    headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    bend = np.gradient(headings) / np.maximum(np.linalg.norm(steps, axis=1), 1e-9)
    poses = np.column_stack([points, np.zeros(len(points)), headings])
    accelerations = np.gradient(speeds, 0.1) if accelerations is None else np.asarray(accelerations, float)
    return Trajectory(
        stamp_ns, times, poses, speeds, accelerations, speeds * bend, np.arctan(CAR.wheelbase_m * bend)
    )


def straight(speed, seconds=8.0):
    times = np.arange(0.0, seconds, 0.1)
    return along(np.column_stack([speed * times, 0.0 * times]), np.full(len(times), speed))


def later(seconds):
    return STAMP_NS + round(seconds * 1e9)


def test_on_its_path_at_its_speed_it_asks_for_nothing():
    command = FOLLOWER.follow(straight(8.0), ego(x=2.4, speed=8.0), 0.0, later(0.3))
    assert (command.speed_mps, command.acceleration_mps2, command.wheel_angle_rad) == pytest.approx((8.0, 0.0, 0.0))
    assert command.stamp_ns == later(0.3)


def test_left_of_its_path_it_steers_right_and_the_other_way_round():
    left = FOLLOWER.follow(straight(5.0), ego(y=0.3, speed=5.0), 0.0, STAMP_NS).wheel_angle_rad
    turned = FOLLOWER.follow(straight(5.0), ego(heading=0.1, speed=5.0), 0.0, STAMP_NS).wheel_angle_rad
    right = FOLLOWER.follow(straight(5.0), ego(y=-0.3, speed=5.0), 0.0, STAMP_NS).wheel_angle_rad
    assert left < 0.0
    assert turned < 0.0
    assert right == pytest.approx(-left)
    assert left == pytest.approx(math.atan(2.7 * -(0.3 / 4.0) / 4.0))  # 0.8 s at 5 m/s: a length of 4 m


def test_a_metre_per_second_too_slow_asks_for_a_metre_per_second_squared_more():
    command = FOLLOWER.follow(straight(8.0), ego(speed=7.0), 0.0, STAMP_NS)
    assert command.acceleration_mps2 == pytest.approx(1.0)


def test_acceleration_is_taken_from_the_moment_when_the_drive_answers():
    speeds = np.concatenate([np.full(3, 5.0), 5.0 - 2.0 * 0.1 * np.arange(1, 20)])
    accelerations = np.concatenate([np.zeros(3), np.full(19, -2.0)])
    points = np.column_stack([np.concatenate([[0.0], np.cumsum(speeds[:-1]) * 0.1]), np.zeros(22)])
    command = FOLLOWER.follow(along(points, speeds, accelerations), ego(speed=5.0), 0.0, STAMP_NS)
    assert command.acceleration_mps2 == pytest.approx(-2.0)  # 0.3 s ahead of when it is wanted


def test_in_a_curve_the_wheels_stand_as_the_circle_needs():
    angles = np.arange(80) * 0.05
    circle = along(np.column_stack([10.0 * np.sin(angles), 10.0 - 10.0 * np.cos(angles)]), np.full(80, 5.0))
    on = ego(x=10.0 * math.sin(1.0), y=10.0 - 10.0 * math.cos(1.0), heading=1.0, speed=5.0)
    command = FOLLOWER.follow(circle, on, 0.26, later(0.4))
    assert command.wheel_angle_rad == pytest.approx(math.atan(2.7 / 10.0), abs=0.01)


@pytest.mark.parametrize(('age_s', 'braking'), [(0.6, 2.5), (1.1, 4.0)])
def test_a_trajectory_that_is_too_old_is_braked_softly_then_firmly(age_s, braking):
    command = FOLLOWER.follow(straight(8.0), ego(x=8.0 * age_s, speed=8.0), 0.0, later(age_s))
    assert command.speed_mps == 0.0
    assert command.acceleration_mps2 == -braking


def test_half_a_second_is_just_not_too_old():
    assert FOLLOWER.follow(straight(8.0), ego(x=4.0, speed=8.0), 0.0, later(0.5)).speed_mps == 8.0


def test_an_old_trajectory_is_still_steered_along():
    old = FOLLOWER.follow(straight(8.0), ego(x=8.0, y=0.4, speed=8.0), 0.0, later(1.0))
    assert old.wheel_angle_rad < 0.0


def test_standing_where_it_shall_stand_it_holds_the_brake():
    still = along(np.zeros((20, 2)), np.zeros(20))
    command = FOLLOWER.follow(still, ego(), 0.1, later(0.1))
    assert command.speed_mps == 0.0
    assert command.acceleration_mps2 < 0.0


def test_it_asks_for_no_more_than_the_vehicle_can():
    command = FOLLOWER.follow(straight(12.0), ego(y=-4.0, heading=-1.0, speed=1.0), 0.0, STAMP_NS)
    assert command.acceleration_mps2 == CAR.limits.acceleration_mps2
    assert command.wheel_angle_rad == pytest.approx(CAR.limits.wheel_angle_rad)
    assert command.wheel_rate_rps == CAR.limits.wheel_rate_rps


def test_a_trajectory_that_goes_backwards_is_refused():
    back = along(np.column_stack([-np.arange(20) * 0.3, np.zeros(20)]), np.full(20, -3.0))
    with pytest.raises(DataError, match='backwards'):
        FOLLOWER.follow(back, ego(speed=-3.0), 0.0, STAMP_NS)


def test_settings_that_make_no_sense_are_refused_by_name():
    with pytest.raises(ValueError, match='valid_s=0.0'):
        FollowerConfig(valid_s=0.0)
    with pytest.raises(ValueError, match='late_s=0.1'):
        FollowerConfig(late_s=0.1)


def followed(points, speed, state, vehicle=CAR):
    """Drive along (T, 2) points 0.1 s apart with one trajectory that is never renewed; return what was driven."""
    trajectory = along(points, np.full(len(points), speed))
    drive = Drive(None, vehicle, state)
    drive.follower = Follower(vehicle, FollowerConfig(vehicle=vehicle, valid_s=60.0, late_s=60.0))
    for _ in range(2 * (len(points) - 10)):
        drive.move(trajectory, 0.05)
    return drive.path


def test_a_winding_road_is_followed_within_30_cm():
    x = np.arange(0.0, 120.0, 0.8)
    y = 4.0 * np.sin(x / 12.0) * np.minimum(x / 20.0, 1.0)  # radii down to 36 m at 8 m/s: 1.8 m/s2
    path = followed(np.column_stack([x, y]), 8.0, ego(speed=8.0))
    fine = np.arange(0.0, 120.0, 0.05)
    line = np.column_stack([fine, 4.0 * np.sin(fine / 12.0) * np.minimum(fine / 20.0, 1.0)])
    off = np.linalg.norm(path[:, None, :2] - line, axis=-1).min(axis=1)
    assert off.max() < 0.3
    assert path[-1, 0] > 95.0


def test_a_vehicle_beside_its_path_comes_back_onto_it():
    x = np.arange(0.0, 80.0, 0.6)
    path = followed(np.column_stack([x, 0.0 * x]), 6.0, ego(y=1.0, speed=6.0))
    assert abs(path[-1, 1]) < 0.05
    assert path[:, 1].min() > -0.15


BEND = np.array(
    [[x, 0.0] for x in np.arange(-40.0, 20.0)]
    + [[20.0 + 20.0 * math.sin(a), 20.0 - 20.0 * math.cos(a)] for a in np.linspace(0.0, math.pi / 2.0, 40)]
    + [[40.0, y] for y in np.arange(21.0, 110.0)]
)


def beside(line, offset):
    headings = np.arctan2(np.gradient(line[:, 1]), np.gradient(line[:, 0]))
    return line + offset * np.column_stack([-np.sin(headings), np.cos(headings)])


def test_planner_and_follower_keep_a_bend_within_30_cm_of_the_lane():
    def world(state):
        return {'pieces': pieces([(Line.CENTERLINE, 7, BEND)], state), 'lane': match(7, stamp_ns=state.stamp_ns)}

    drive = Drive(Planner(PlannerConfig()), CAR, ego(speed=7.0)).run(9.0, world)
    line = np.concatenate([np.linspace(a, b, 20, endpoint=False) for a, b in zip(BEND[:-1], BEND[1:])])
    off = np.linalg.norm(drive.path[:, None, :2] - line, axis=-1).min(axis=1)
    assert off.max() < 0.3
    assert drive.motion.y_m > 25.0


def test_planner_and_follower_stop_before_a_red_light_and_stand():
    drive = Drive(Planner(PlannerConfig()), CAR, ego(speed=8.0)).run(
        9.0, lambda state: road(state, stop_line(45.0), left=1.75)
    )
    assert 45.0 - 2.5 < drive.motion.x_m + CAR.front_m < 45.0
    assert drive.motion.speed_mps == 0.0
    assert drive.path[:, 3].min() >= 0.0


def test_planner_and_follower_let_a_pedestrian_cross():
    def walker(state):
        return -6.0 + 1.4 * (state.stamp_ns - STAMP_NS) / 1e9

    def world(state):
        others = users(pedestrian(26.0, walker(state), math.pi / 2.0), stamp_ns=state.stamp_ns)
        return {'predictions': others, **road(state, left=1.75)}

    drive = Drive(Planner(PlannerConfig()), CAR, ego(speed=8.0)).run(7.0, world)
    y = -6.0 + 1.4 * 0.05 * np.arange(len(drive.path))
    corners = body_of(CAR).corners(drive.path[:, :3])
    over = (corners[..., 0].min(axis=1) < 26.3) & (corners[..., 0].max(axis=1) > 25.7)
    gap = np.maximum(corners[..., 1].min(axis=1) - (y + 0.3), (y - 0.3) - corners[..., 1].max(axis=1))
    assert gap[over].min() > 0.3
    assert drive.motion.x_m > 30.0


def test_a_truck_takes_a_tight_turn_wide_enough_for_its_trailer():
    line = np.array(
        [[x, 0.0] for x in np.arange(-40.0, 25.0)]
        + [[25.0 + 15.0 * math.sin(a), 15.0 - 15.0 * math.cos(a)] for a in np.linspace(0.0, math.pi / 2.0, 40)]
        + [[40.0, y] for y in np.arange(16.0, 90.0)]
    )
    inner, outer = beside(line, 2.6), beside(line, -3.8)

    def world(state):
        lines = [(Line.CENTERLINE, 7, line), (Line.BOUNDARY, 71, inner), (Line.BOUNDARY, 72, outer)]
        return {'pieces': pieces(lines, state), 'lane': match(7, stamp_ns=state.stamp_ns)}

    def worst(states):
        """Return how far the trailer's inner side comes over the inner kerb, at the arc about (25, 15)."""
        poses = np.array([[s.x_m, s.y_m, s.heading_rad] for s in states])
        joints = np.array([s.articulation_rad for s in states])
        corners = body_of_trailer(TRUCK.trailer).corners(trailer_poses(poses, joints, TRUCK.trailer))
        sides = np.concatenate([corners[:, 0] * (1 - t) + corners[:, 3] * t for t in np.linspace(0.0, 1.0, 15)])
        on_arc = (sides[:, 0] > 25.0) & (sides[:, 1] < 15.0)
        return (15.0 - 2.6) - np.hypot(sides[on_arc, 0] - 25.0, sides[on_arc, 1] - 15.0).min()

    drive = Drive(Planner(PlannerConfig(vehicle=TRUCK)), TRUCK, ego(x=8.0, speed=5.0)).run(9.5, world)
    assert worst(drive.states) < 0.1
    assert drive.motion.y_m > 20.0
    middle = followed_middle(line)
    assert worst(middle) > 0.3  # on the middle of the lane the trailer would cut the kerb


def followed_middle(line):
    """Return the states of the truck that keeps its drive axle on the line at 4 m/s."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(40.0, 115.0, 0.4)
    points = np.column_stack([np.interp(at, gone, line[:, axis]) for axis in range(2)])
    trajectory = along(points, np.full(len(points), 4.0))
    wheels = np.arctan(np.tan(trajectory.wheel_angles_rad) * TRUCK.wheelbase_m / CAR.wheelbase_m)
    trajectory = dataclasses.replace(trajectory, wheel_angles_rad=wheels)
    drive = Drive(None, TRUCK, ego(x=0.0, speed=4.0))
    drive.follower = Follower(TRUCK, FollowerConfig(vehicle=TRUCK, valid_s=60.0, late_s=60.0))
    for _ in range(2 * (len(points) - 5)):
        drive.move(trajectory, 0.05)
    return drive.states


def test_what_goes_out_is_within_every_limit_of_the_vehicle_whatever_comes_in():
    limits, step_s, random = CAR.limits, 0.05, np.random.default_rng(0)
    before, was = None, None
    for tick in range(400):
        speed, acceleration, wheel, rate = random.uniform(-50.0, 50.0, 4) * random.choice([0.01, 0.1, 1.0], 4)
        wanted = Command(STAMP_NS + tick * 50_000_000, speed, acceleration, wheel, rate)
        before, was = limited(wanted, before, 5.0, 0.2, CAR), before
        assert abs(before.speed_mps) <= limits.speed_mps and abs(before.wheel_rate_rps) <= limits.wheel_rate_rps
        assert -limits.hardest_braking_mps2 <= before.acceleration_mps2 <= limits.acceleration_mps2
        assert abs(before.wheel_angle_rad) <= limits.wheel_angle_rad
        if was is not None:
            change = before.acceleration_mps2 - was.acceleration_mps2
            assert -limits.braking_jerk_mps3 * step_s - 1e-9 <= change <= limits.jerk_mps3 * step_s + 1e-9
            assert abs(before.wheel_angle_rad - was.wheel_angle_rad) <= limits.wheel_rate_rps * step_s + 1e-9


def test_the_first_command_begins_at_the_wheels_as_they_stand():
    wanted = Command(STAMP_NS, 5.0, 2.0, 0.5)
    first = limited(wanted, None, 0.0, 0.1, CAR)
    assert first.wheel_angle_rad == pytest.approx(0.1 + 0.5 * 0.1)  # 0.5 rad/s for 0.1 s
    assert first.acceleration_mps2 == pytest.approx(1.0)  # 10 m/s3 for 0.1 s
    pause = limited(dataclasses.replace(wanted, stamp_ns=later(0.2)), first, 0.0, -0.1, CAR)
    assert pause.wheel_angle_rad == pytest.approx(-0.1 + 0.5 * 0.1)


@pytest.mark.parametrize(('speed', 'asked', 'given'), [(5.0, -6.0, -2.0), (5.0, 2.0, 0.5), (-5.0, 6.0, 2.0)])
def test_brakes_bite_faster_than_the_drive_pulls_either_way(speed, asked, given):
    before = Command(STAMP_NS, 0.0, 0.0, 0.0)
    assert limited(Command(later(0.05), 0.0, asked, 0.0), before, speed, 0.0, CAR).acceleration_mps2 == given


@pytest.mark.parametrize('name', ['speed_mps', 'acceleration_mps2', 'wheel_angle_rad', 'wheel_rate_rps'])
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_command_that_is_not_finite_is_never_sent(name, value):
    with pytest.raises(DataError, match='not finite'):
        limited(dataclasses.replace(Command(STAMP_NS, 1.0, 0.0, 0.0), **{name: value}), None, 0.0, 0.0, CAR)
