import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomy_nodes.common.sensing import Imu, WheelSpeed
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.localization.motion import MotionConfig, Senses, displacement, twist_of
from autonomy_nodes.localization.uncertainty import grown

START = 1_000 * SECOND_NS
TENTH = SECOND_NS // 10


def wheels(*speeds_mps, rate=0.0, step_ns=TENTH // 5, first_ns=START + TENTH // 5):
    return [WheelSpeed(first_ns + number * step_ns, speed, 0.0, rate) for number, speed in enumerate(speeds_mps)]


def imu(stamp_ns, rates=(0.0, 0.0, 0.0), acceleration=(0.0, 0.0, 9.81)):
    return Imu(stamp_ns, 'base_link', np.array(rates), np.array(acceleration))


def test_a_quarter_circle_ends_one_radius_ahead_and_one_radius_to_the_left():
    """5 m/s at 0.5 rad/s is a radius of 10 m; a quarter takes pi seconds."""
    end = displacement(np.array([5.0, 0, 0, 0, 0, 0.5]), math.pi)
    assert end[:3, 3] == pytest.approx([10.0, 10.0, 0.0])
    assert end[:3, 0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-12)


@given(st.tuples(*[st.floats(-5, 5)] * 3, *[st.floats(-1, 1)] * 3), st.floats(0.01, 1.5))
def test_a_displacement_gives_back_its_twist(twist, seconds):
    assert twist_of(displacement(np.array(twist), seconds), seconds) == pytest.approx(np.array(twist), abs=1e-6)


def test_what_is_said_is_averaged_in_short_steps():
    senses = Senses(MotionConfig())
    senses.hear(wheels(1.0, 2.0, 3.0, 4.0, 5.0, 99.0, rate=0.2), [])  # the sixth is later than the sweep
    said = senses.between(START, START + TENTH, 0.5)
    assert [step.seconds for step in said.steps] == [0.025] * 4
    assert [step.wheels.longitudinal_mps for step in said.steps] == [1.0, 2.0, 3.0, 4.5]
    assert (said.measured, said.standing, said.silent) == (True, False, False)
    assert said.steps[0].rates_rps is None


def test_wheels_at_rest_are_standing_and_one_that_turns_is_not():
    for speed, standing in ((0.01, True), (0.03, False)):
        senses = Senses(MotionConfig())
        senses.hear(wheels(0.0, speed, 0.0, -0.01), [])
        assert senses.between(START, START + TENTH, 0.5).standing is standing


def test_a_hole_in_what_was_said_is_noticed_and_one_sweep_without_sensors_is_none():
    senses = Senses(MotionConfig())
    assert not senses.between(START, START + SECOND_NS, 0.5).silent  # nobody ever said anything
    senses.hear(wheels(1.0), [imu(START + 4 * TENTH)])
    assert senses.between(START, START + 5 * TENTH, 0.5).silent
    assert not senses.between(START + 3 * TENTH, START + 5 * TENTH, 0.5).silent


def test_an_imu_at_rest_levels_the_start_and_a_shaken_one_does_not():
    """Nose up by 0.1 rad: what holds the vehicle up pushes along its x axis by sin 0.1."""
    senses = Senses(MotionConfig())
    senses.hear([], [imu(START, acceleration=9.81 * np.array([math.sin(0.1), 0.0, math.cos(0.1)]))])
    turn = senses.level(START)
    assert turn @ [math.sin(0.1), 0.0, math.cos(0.1)] == pytest.approx([0.0, 0.0, 1.0])
    assert turn @ [1.0, 0.0, 0.0] == pytest.approx([math.cos(0.1), 0.0, math.sin(0.1)])  # x points uphill
    senses.restart()
    senses.hear([], [imu(START, acceleration=(3.0, 0.0, 12.0))])
    assert senses.level(START) is None
    assert senses.level(START + SECOND_NS) is None


def test_an_error_of_heading_grows_into_an_error_of_place():
    """A heading known to 0.01 rad puts 20 m of way off by 0.2 m to the side."""
    before, after = np.eye(4), np.eye(4)
    after[0, 3] = 20.0
    covariance = np.zeros((6, 6))
    covariance[5, 5] = 0.01**2
    result = grown(covariance, before, after, np.zeros((6, 6)))
    assert np.sqrt(np.diag(result)) == pytest.approx([0.0, 0.2, 0.0, 0.0, 0.0, 0.01])


def test_the_uncertainty_of_a_step_lies_along_the_vehicle():
    """Facing left, one that is unsure of its way ahead is unsure in y."""
    facing_left = displacement(np.array([0, 0, 0, 0, 0, 1.0]), math.pi / 2)
    step = np.diag([0.25, 0, 0, 0, 0, 0])
    assert grown(np.zeros((6, 6)), facing_left, facing_left, step)[1, 1] == pytest.approx(0.25)


def test_nonsense_settings_are_refused():
    with pytest.raises(ValueError, match='gyro_rps=0.0'):
        MotionConfig(gyro_rps=0.0)
