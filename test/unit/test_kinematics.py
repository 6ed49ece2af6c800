import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomy_nodes.common.kinematics import (
    Body,
    Motion,
    articulation_rate,
    moved,
    steady_articulation,
    steady_trailer_radius,
    steered,
    tracking_curvature,
    trailer_poses,
)
from autonomy_nodes.common.vehicle import Trailer, Vehicle

CAR = Vehicle()
EU = Vehicle(wheelbase_m=3.7, front_m=5.1, rear_m=0.9, width_m=2.55, trailer=Trailer(present=True))
US = Vehicle(
    wheelbase_m=5.9,
    front_m=7.1,
    rear_m=0.9,
    width_m=2.6,
    trailer=Trailer(
        present=True, length_m=12.4, hitch_ahead_m=0.3, behind_axle_m=2.9, ahead_of_hitch_m=0.9, width_m=2.6
    ),
)


def at_rest(speed=0.0, wheel=0.0, joint=0.0):
    return Motion(0.0, 0.0, 0.0, speed, wheel, joint)


def off_tracking(vehicle, radius_m):
    """Drive a left turn of 90 degrees about (0, R), then straight; how far inside the path the trailer axle comes."""
    step_s, wheel = 0.02, math.atan(vehicle.wheelbase_m / radius_m)
    turning = round(radius_m * math.pi / 2.0 / step_s)
    motion, farthest = at_rest(speed=1.0, wheel=wheel), 0.0
    for step in range(turning + round(20.0 / step_s)):
        now = wheel if step < turning else 0.0
        motion = Motion(motion.x_m, motion.y_m, motion.heading_rad, 1.0, now, motion.articulation_rad)
        motion = moved(motion, now, 0.0, vehicle, step_s)
        tractor = np.array([motion.x_m, motion.y_m, motion.heading_rad])
        x, y, _ = trailer_poses(tractor, np.array(motion.articulation_rad), vehicle.trailer)
        straight_inside = y if x <= 0.0 else radius_m - x
        inside = radius_m - math.hypot(x, y - radius_m) if x > 0.0 and y < radius_m else straight_inside
        farthest = max(farthest, inside)
    return farthest


@pytest.mark.parametrize(
    ('vehicle', 'radius_m', 'table_m'),
    [(EU, 12.5, 2.17), (EU, 20.0, 1.47), (EU, 50.0, 0.59), (EU, 100.0, 0.29)]
    + [(US, 12.5, 4.72), (US, 20.0, 3.54), (US, 50.0, 1.55), (US, 100.0, 0.77)],
)
def test_a_trailer_cuts_a_right_angle_by_what_the_design_table_says(vehicle, radius_m, table_m):
    assert off_tracking(vehicle, radius_m) == pytest.approx(table_m, abs=0.03)


def test_the_european_semitrailer_leaves_5_35_m_inside_a_circle_of_12_5_m():
    outer_front_corner = 12.5  # runs on the circle of the law
    radius_m = math.sqrt(outer_front_corner**2 - EU.front_m**2) - EU.width_m / 2.0
    inside_m = steady_trailer_radius(radius_m, EU) - EU.trailer.width_m / 2.0
    assert inside_m == pytest.approx(5.35, abs=0.01)
    assert inside_m > 5.3


def test_a_turn_settles_at_the_joint_angle_of_the_closed_form():
    wheel, joint = math.atan(EU.wheelbase_m / 20.0), 0.0
    for _ in range(4000):
        joint += 0.02 * articulation_rate(joint, wheel, 2.0, EU)
    assert joint == pytest.approx(steady_articulation(20.0, EU), abs=1e-4)
    assert joint < 0.0  # in a left turn the trailer's heading lags behind: it is right of the tractor's


def test_a_turn_tighter_than_the_trailer_is_refused_as_it_never_settles():
    with pytest.raises(ValueError, match='radius_m=5.0 is too tight'):
        steady_articulation(5.0, EU)


def test_a_car_with_steady_wheels_closes_a_circle_of_the_wheelbase_over_the_tangent():
    radius_m, speed, steps = 10.0, 5.0, 400
    wheel = math.atan(CAR.wheelbase_m / radius_m)
    motion = at_rest(speed=speed, wheel=wheel)
    for _ in range(steps):
        motion = moved(motion, wheel, 0.0, CAR, 2.0 * math.pi * radius_m / speed / steps)
    assert (motion.x_m, motion.y_m) == pytest.approx((0.0, 0.0), abs=0.01)
    assert motion.heading_rad == pytest.approx(2.0 * math.pi)


def test_braking_ends_at_rest_after_v_squared_over_2a_within_a_step():
    motion = moved(at_rest(speed=1.0), 0.0, -4.0, CAR, 1.0)
    assert motion.speed_mps == 0.0
    assert motion.x_m == pytest.approx(0.125)
    rolling_back = moved(at_rest(speed=-1.0), 0.0, 4.0, CAR, 1.0)
    assert (float(rolling_back.speed_mps), float(rolling_back.x_m)) == pytest.approx((0.0, -0.125))


@given(st.floats(-2.0, 2.0), st.floats(-0.5, 0.5), st.floats(0.01, 0.5))
def test_wheels_never_turn_faster_or_further_than_the_vehicle_can(wanted, start, step_s):
    angle = float(steered(start, wanted, CAR, step_s))
    assert abs(angle - start) <= CAR.limits.wheel_rate_rps * step_s + 1e-12
    assert abs(angle) <= CAR.limits.wheel_angle_rad


def test_wheels_reach_63_percent_of_a_small_step_after_the_lag():
    assert float(steered(0.0, 0.01, CAR, 0.2)) == pytest.approx(0.01 * (1.0 - math.exp(-1.0)))


@given(st.floats(-3.1, 3.1), st.floats(-20.0, 20.0))
def test_circles_cover_the_whole_body_and_stand_out_by_little(heading, x):
    body = Body(front_m=3.6, rear_m=0.9, width_m=1.8)
    offsets, radius_m = body.circles()
    pose = np.array([x, -x, heading])
    centres = pose[:2] + offsets[:, None] * np.array([math.cos(heading), math.sin(heading)])
    distance = np.linalg.norm(body.corners(pose)[:, None] - centres, axis=-1).min(axis=1)
    assert distance == pytest.approx(radius_m)
    assert radius_m - body.width_m / 2.0 < 0.06


def test_corners_stand_front_left_first_and_clockwise():
    corners = Body(front_m=3.0, rear_m=1.0, width_m=2.0).corners(np.array([[10.0, 0.0, math.pi / 2.0]]))
    assert corners[0] == pytest.approx(np.array([[9.0, 3.0], [11.0, 3.0], [11.0, -1.0], [9.0, -1.0]]))


def test_a_vehicle_off_its_path_returns_without_swinging_past_it():
    offset, heading, length = 1.0, 0.0, 4.0
    seen = []
    for _ in range(600):
        curvature = float(tracking_curvature(0.0, offset, heading, length))
        offset += 0.1 * math.sin(heading)
        heading += 0.1 * curvature
        seen.append(offset)
    assert abs(seen[-1]) < 0.01
    assert min(seen) > -0.05


def test_many_vehicles_move_as_each_would_alone():
    speeds, wheels, joints = np.array([1.0, 5.0, 0.0]), np.array([0.1, -0.2, 0.3]), np.array([0.0, 0.1, -0.2])
    zeros = np.zeros(3)
    together = moved(Motion(zeros, zeros, zeros, speeds, wheels, joints), wheels, np.array([1.0, -2.0, 0.5]), EU, 0.2)
    for row, acceleration in enumerate([1.0, -2.0, 0.5]):
        alone = moved(at_rest(speeds[row], wheels[row], joints[row]), wheels[row], acceleration, EU, 0.2)
        for name in ('x_m', 'y_m', 'heading_rad', 'speed_mps', 'articulation_rad'):
            assert getattr(together, name)[row] == pytest.approx(float(getattr(alone, name)))
