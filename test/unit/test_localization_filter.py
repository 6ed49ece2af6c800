import math
from dataclasses import replace

import numpy as np
import pytest

from autonomy_nodes.common.sensing import WheelSpeed
from autonomy_nodes.localization.filter import Filter
from autonomy_nodes.localization.motion import MotionConfig, displacement
from autonomy_nodes.localization.odometry import Registration
from autonomy_nodes.localization.state import COURSE, FORCE, GYRO, IN_MAP, PLACE, POSE, SCALE, TWIST, VOXELS, WANDER

REST = np.array([0.0, 0.0, 9.81])
FLAT = np.diag([1e6] * 6)  # information: 1 mm, 1 mrad


def seen(pose, information=FLAT):
    return Registration(pose, pose, information, 1.0, 500, np.full(3, 0.01), 0, 0.0, 1.0, '')


def driving(speed=10.0):
    """A filter whose speed is known to 0.1 m/s."""
    state = Filter(MotionConfig())
    state.state = replace(state.state, twist=np.array([speed, 0, 0, 0, 0, 0]))
    state.covariance = state.covariance.copy()
    state.covariance[TWIST, TWIST] = np.eye(6) * 0.01
    return state


def test_an_error_of_speed_becomes_one_of_place_and_the_surroundings_mend_both():
    """0.1 m/s over 0.1 s is 1 cm; a pose seen 1 cm further on says that the speed was 0.1 m/s higher."""
    state = driving()
    state.move(0.1)
    assert math.sqrt(state.covariance[0, 0] - 1e-6) == pytest.approx(0.01)
    state.lidar(seen(displacement(np.array([10.1, 0, 0, 0, 0, 0]), 0.1)))
    assert state.state.pose[0, 3] == pytest.approx(1.01)
    assert state.state.twist[0] == pytest.approx(10.1, abs=0.005)
    assert state.covariance[12, 12] < 0.003


def test_what_the_surroundings_do_not_tell_stays_as_predicted():
    state, sideways = driving(), FLAT.copy()
    sideways[0, 0] = 0.0
    state.move(0.1)
    pose = displacement(np.array([10.0, 0.2, 0, 0, 0, 0]), 0.1)
    state.lidar(seen(pose, sideways))
    assert state.state.twist[:2] == pytest.approx([10.0, 0.2], abs=0.01)
    assert state.covariance[0, 0] == pytest.approx(1e-4, rel=0.05)


def test_the_map_of_voxels_takes_over_an_error_of_which_it_can_tell_nothing():
    """After a tunnel the walls ahead are laid where the vehicle is thought to be: seeing them again proves nothing."""
    blind_ahead = np.diag([0.0, 1e4, 1e4, 1e6, 1e6, 1e6])
    for told, left_m in ((blind_ahead, 1.0), (np.diag([1e4] * 3 + [1e6] * 3), 0.0032)):
        state = driving()
        state.covariance[0, 0] = 1.0
        for _ in range(10):
            state.joined(told, np.zeros(6))
            state.lidar(seen(state.among_voxels(), np.diag([1e4] * 3 + [1e6] * 3)))
        assert math.sqrt(state.covariance[0, 0]) == pytest.approx(left_m, rel=0.1)


def test_an_accelerometer_at_rest_learns_its_own_error_upwards():
    state = Filter(MotionConfig())
    state.begin(np.eye(4), levelled=True)
    for _ in range(200):
        state.pass_time(0.02, REST + [0.0, 0.0, 0.05])
        state.rest()
    assert state.state.force_bias_mps2[2] == pytest.approx(0.05, abs=0.01)
    assert np.sqrt(np.diag(state.covariance)[FORCE])[2] < 0.05


def test_the_bias_of_a_gyro_is_learnt_at_rest_and_stays_known_when_odom_begins_anew():
    state = Filter(MotionConfig())
    for _ in range(200):
        state.pass_time(0.02, None)
        state.gyro(np.array([0.0, 0.0, 0.004]))
        state.rest()
    state.begin(np.eye(4), levelled=False)
    assert state.state.gyro_bias_rps[2] == pytest.approx(0.004, abs=1e-4)
    assert np.sqrt(np.diag(state.covariance)[GYRO])[2] < 1e-3


def test_at_rest_the_pose_keeps_every_bit():
    state = driving(0.0)
    state.move(0.1)
    pose, spread = state.state.pose.tobytes(), state.covariance[POSE, POSE].tobytes()
    for _ in range(5):
        state.pass_time(0.02, REST)
        state.gyro(np.array([0.01, 0.0, 0.0]), still=True)
        state.rest()
    assert (state.state.pose.tobytes(), state.covariance[POSE, POSE].tobytes()) == (pose, spread)


def test_worn_wheels_are_learnt_from_the_surroundings():
    """Wheels that say 1 % more than the walls."""
    state = driving()
    for number in range(1, 60):
        state.pass_time(0.1, None)
        state.wheels(WheelSpeed(number, 10.1, 0.0, 0.0), checked=True)
        state.move(0.1)
        state.lidar(seen(displacement(np.array([10.0, 0, 0, 0, 0, 0]), 0.1 * number)))
    assert state.state.scale == pytest.approx(0.01, abs=0.002)


def test_wheels_that_contradict_what_was_checked_are_left_out_aloud():
    state = driving(8.0)
    assert state.wheels(WheelSpeed(1, 0.0, 0.0, 0.0), checked=True) == 'wheels say 0.00 m/s, LiDAR 8.00 m/s'
    assert state.state.twist[0] == 8.0
    assert state.wheels(WheelSpeed(1, 0.0, 0.0, 0.0), checked=False) == ''
    assert state.state.twist[0] < 4.0


def located(sigma_m=0.5, lasting_m=0.0):
    state = driving()
    state.locate(np.eye(4), (sigma_m, sigma_m, 0.1), np.full(3, lasting_m))
    return state


def test_satellites_correct_the_place_in_map_and_never_odom():
    state = located()
    state.covariance[0, 0], state.covariance[0, 27], state.covariance[27, 0] = 0.25, 0.2, 0.2  # an error of both
    pose = state.state.pose.copy()
    assert state.satellite(np.array([1.0, 0.0, 0.0]), np.zeros(3), np.full(3, 0.1), white=1.0)
    assert np.array_equal(state.state.pose, pose)
    assert state.covariance[0, 0] == 0.25
    assert (state.state.map_from_odom @ pose)[0, 3] == pytest.approx(0.25 / 0.26)


def test_a_wild_satellite_position_is_not_believed():
    state = located(sigma_m=0.2)
    before = state.covariance
    assert not state.satellite(np.array([5.0, 0.0, 0.0]), np.zeros(3), np.full(3, 0.2), white=1.0)
    assert state.covariance is before


def test_errors_of_satellites_that_last_are_not_averaged_away():
    """A hundred positions in 20 s, each off by the same 0.5 m for minutes: the place is no better known than that."""
    state = located(sigma_m=0.1, lasting_m=0.5)
    for _ in range(100):
        state.wander(0.2, np.full(3, 0.5), 60.0)
        state.satellite(np.zeros(3), np.zeros(3), np.full(3, 0.5), white=0.3)
    assert 0.45 < math.sqrt(state.covariance[IN_MAP, IN_MAP][0, 0]) < 0.55
    assert math.sqrt(state.covariance[WANDER, WANDER][0, 0]) == pytest.approx(0.5, abs=0.2)


def test_a_heading_that_is_off_bends_the_way_in_map():
    """0.1 rad over 1 m of way is 0.1 m to the side."""
    state = located(sigma_m=1e-3)
    state.move(0.1)
    assert math.sqrt(state.covariance[IN_MAP, IN_MAP][1, 1]) == pytest.approx(math.hypot(0.1, 0.01), rel=0.02)
    state.compass(0.05, 1e-4)
    assert state.state.map_from_odom[1, 0] == pytest.approx(math.sin(0.05), abs=1e-3)
    assert math.sqrt(state.covariance[COURSE, COURSE]) < 1e-3


def test_drift_is_common_to_pose_and_map_of_voxels():
    state = driving()
    near = state.against_voxels()
    state.joined(1e12 * np.eye(6), np.full(6, 0.1))
    assert state.against_voxels() == pytest.approx(near)
    assert state.covariance[PLACE, PLACE][0, 0] == pytest.approx(0.01, rel=0.01)
    assert state.covariance[VOXELS, VOXELS][0, 0] == pytest.approx(0.01)
    assert state.covariance[SCALE, SCALE] == MotionConfig().wheel_scale ** 2


def test_covariances_stay_what_covariances_are():
    rng, state = np.random.default_rng(3), located()
    for number in range(200):
        state.pass_time(0.05, REST + rng.normal(0, 0.3, 3))
        state.gyro(rng.normal(0, 0.1, 3))
        state.wheels(WheelSpeed(number, 10.0 + rng.normal(0, 0.1), 0.0, 0.0), checked=False)
        state.move(0.05)
        pose = state.among_voxels() @ displacement(rng.normal(0, 0.01, 6), 1.0)
        state.lidar(seen(pose, np.diag(rng.uniform(0, 1e4, 6))))
        state.joined(np.diag(rng.uniform(0, 1e4, 6)), np.full(6, 1e-3))
        state.wander(0.05, np.full(3, 0.2), 60.0)
        state.satellite(rng.normal(0, 0.2, 3), np.array([0.5, 0, 1]), np.full(3, 0.2), 0.3)
    assert np.array_equal(state.covariance, state.covariance.T)
    assert np.linalg.eigvalsh(state.covariance)[0] > -1e-9
