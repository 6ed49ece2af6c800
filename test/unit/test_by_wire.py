"""The reference drive by wire: watchdogs, delay, dead band, who drives; times worked out by hand."""

from dataclasses import replace

import pytest

from autonomy_nodes.common.types import SECOND_NS, Command
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.nodes.operator_node import OperatorConfig
from autonomy_nodes.sim.by_wire import ByWire, ByWireSettings, FaultSettings, Plant

CAR, STEP_S, START_NS = Vehicle(), 0.02, 100 * SECOND_NS
ASKED = Command(0, 2.0, 1.0, 0.1)


class Bench:
    """A drive by wire and a stack that sends each step what a test wants: commands, heartbeats of safety."""

    def __init__(self, **settings):
        self.wires, self.now_ns = ByWire(CAR, ByWireSettings(**settings)), START_NS
        self.command, self.heartbeat, self.age_s = ASKED, 'safety', 0.0

    def engaged(self):
        self.run(0.1)
        assert self.wires.engage(True, self.now_ns)[0]
        self.run(0.2)
        self.wires.shift('DRIVE', 0.0)
        self.run(0.5)
        return self

    def run(self, seconds):
        """Return what the actuators do each step."""
        done = []
        for _ in range(round(seconds / STEP_S)):
            self.now_ns += round(STEP_S * SECOND_NS)
            if self.heartbeat:
                self.wires.hear(self.heartbeat, self.now_ns)
            if self.command:
                stamp_ns = self.now_ns - round(self.age_s * SECOND_NS)
                self.wires.take(replace(self.command, stamp_ns=stamp_ns), self.now_ns)
            done.append(self.wires.step(self.now_ns, STEP_S))
        return done


def until_braking_s(actuations):
    """Return when it first brakes as its watchdogs do."""
    return next(k for k, done in enumerate(actuations) if done.acceleration_mps2 == -2.5) * STEP_S


def test_before_it_is_asked_it_follows_nobody():
    bench = Bench()
    assert {done.acceleration_mps2 for done in bench.run(1.0)} == {-2.0}  # the driver's foot
    assert bench.wires.mode == 'MANUAL'


def test_it_engages_only_while_safety_is_heard_and_no_driver_has_taken_over():
    bench = Bench()
    assert 'heartbeat of safety' in bench.wires.engage(True, bench.now_ns)[1]
    bench.heartbeat = 'planning'
    bench.run(0.5)
    assert not bench.wires.engage(True, bench.now_ns)[0]
    bench.heartbeat = 'safety'
    bench.run(0.1)
    bench.wires.inject('driver', True)
    assert 'driver' in bench.wires.engage(True, bench.now_ns)[1]
    bench.wires.inject('driver', False)
    assert bench.wires.engage(True, bench.now_ns)[0]


def test_engaged_it_holds_its_brakes_until_a_command_comes_and_then_follows_it():
    bench = Bench()
    bench.command = None
    bench.run(0.1)
    bench.wires.engage(True, bench.now_ns)
    assert bench.run(0.1)[-1].acceleration_mps2 == -2.5
    bench.command = ASKED
    bench.wires.shift('DRIVE', 0.0)
    assert bench.run(0.5)[-1] == replace(ASKED, stamp_ns=bench.now_ns)


@pytest.mark.parametrize('delay_s', [0.0, 0.06, 0.2])
def test_a_command_reaches_the_actuators_after_the_delay(delay_s):
    bench = Bench(delay_s=delay_s).engaged()
    bench.command = replace(ASKED, acceleration_mps2=0.5)
    done = [each.acceleration_mps2 for each in bench.run(0.4)]
    assert done.index(0.5) == pytest.approx(delay_s / STEP_S)


def test_without_commands_it_brakes_half_a_second_after_the_last_stamp():
    bench = Bench().engaged()
    bench.command = None
    assert until_braking_s(bench.run(1.0)) == pytest.approx(0.5)


def test_commands_with_old_stamps_are_none():
    bench = Bench().engaged()
    bench.age_s = 0.6
    assert until_braking_s(bench.run(1.0)) == pytest.approx(0.5)
    bench.age_s = -0.2  # of the future
    assert bench.run(0.5)[-1].acceleration_mps2 == -2.5


def test_without_the_heartbeat_of_safety_it_brakes_and_still_steers_as_commands_tell():
    bench = Bench().engaged()
    bench.heartbeat = 'planning'
    bench.command = replace(ASKED, wheel_angle_rad=0.2)
    done = bench.run(1.0)
    assert until_braking_s(done) == pytest.approx(0.5)
    assert done[-1].wheel_angle_rad == pytest.approx(0.2)


def test_who_takes_over_stays_in_charge_until_asked_anew():
    bench = Bench().engaged()
    bench.wires.inject('driver', True)
    assert bench.run(0.1)[0].acceleration_mps2 == -2.0
    bench.wires.inject('driver', False)
    bench.run(0.5)
    assert bench.wires.mode == 'MANUAL'


def test_disengaged_it_forgets_what_was_on_its_way():
    bench = Bench(delay_s=0.2).engaged()
    assert bench.wires.engage(False, bench.now_ns)[0]
    bench.wires.engage(True, bench.now_ns)
    bench.command = None
    assert {done.acceleration_mps2 for done in bench.run(0.4)} == {-2.5}


def test_a_dead_band_swallows_small_commands():
    bench = Bench(fault=FaultSettings(dead_band_rad=0.05, dead_band_mps2=0.3)).engaged()
    bench.wires.inject('dead_band', True)
    bench.command = replace(ASKED, wheel_angle_rad=0.14, acceleration_mps2=0.2)
    assert bench.run(0.5)[-1] == Command(bench.now_ns, 2.0, 0.0, 0.1)
    bench.command = replace(ASKED, wheel_angle_rad=0.16, acceleration_mps2=0.4)
    done = bench.run(0.5)[-1]
    assert done.acceleration_mps2 == 0.4
    assert done.wheel_angle_rad == pytest.approx(0.12)  # at 0.01 a step the wheels stop within 0.05 of 0.16


def test_the_actuators_keep_the_limits_of_the_vehicle():
    bench = Bench(delay_s=0.0).engaged()
    bench.command = Command(0, 5.0, 9.0, 3.0)
    done = bench.run(2.0)
    assert done[0].wheel_angle_rad == pytest.approx(0.1 + 0.5 * STEP_S)  # 0.5 rad/s
    assert (done[-1].wheel_angle_rad, done[-1].acceleration_mps2) == (pytest.approx(0.55), 2.0)


def test_a_gear_goes_in_only_while_it_stands_and_the_stack_drives():
    wires = Bench().wires
    wires.shift('DRIVE', 0.0)
    assert wires.gear == 'PARK'
    wires = Bench().engaged().wires
    wires.shift('PARK', 1.0)
    assert wires.gear == 'DRIVE'
    wires.shift('PARK', 0.0)
    assert wires.gear == 'PARK'


def test_the_plant_speeds_up_as_asked_and_never_rolls_back():
    plant = Plant(CAR)
    for _ in range(100):
        plant.step(ASKED, STEP_S)
    assert plant.motion.speed_mps == pytest.approx(2.0 - 0.15, abs=0.01)  # 2 s of 1 m/s2, less the lag of 0.15 s
    for _ in range(100):
        plant.step(Command(0, 0.0, -2.5, 0.0), STEP_S)
    assert plant.motion.speed_mps == 0.0


@pytest.mark.parametrize('setting', [{'command_valid_s': 0.0}, {'delay_s': -0.1}])
def test_settings_that_make_no_sense_are_refused_by_name(setting):
    with pytest.raises(ValueError, match=f'by_wire.{next(iter(setting))}'):
        ByWireSettings(**setting)


@pytest.mark.parametrize('step', ['engage', 'fly 3', 'mend engage 3', 'delay soon'])
def test_a_step_of_the_operator_that_means_nothing_is_refused(step):
    with pytest.raises(ValueError, match='is none of engage, disengage, dead_band'):
        OperatorConfig((step,))
