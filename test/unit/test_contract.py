"""The contract of docs/interface.md: the reference node keeps it; each planted breach is found, it and no other."""

import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from autonomy_nodes.common.types import SECOND_NS, Command
from autonomy_nodes.common.vehicle import Trailer, Vehicle
from autonomy_nodes.evaluation.contract.clauses import CLAUSES, Outcome, judge
from autonomy_nodes.evaluation.contract.examiner import PROMPT, Examiner, ExaminerConfig
from autonomy_nodes.evaluation.contract.script import SCRIPT, command_of
from autonomy_nodes.evaluation.lockstep import Lockstep
from autonomy_nodes.messages import driving, topics
from autonomy_nodes.messages.store import decode, stamp_of
from autonomy_nodes.nodes.drive_by_wire_node import DriveByWire, DriveByWireConfig
from autonomy_nodes.sim.by_wire import AUTONOMOUS, ByWire, ByWireSettings

CAR = Vehicle()
ROOT = Path(__file__).parents[2]
TRUCK = Vehicle(wheelbase_m=3.8, front_m=5.2, rear_m=0.9, width_m=2.5, trailer=Trailer(present=True))


class Quiet:
    """Takes what is sent and forgets it."""

    def message(self, topic, now_ns, data):
        """Nobody asks."""

    def status(self, status):
        """Nor for this."""


class Tampered:
    """A port on which what is published on one topic passes through `change(data, count)`; None: it is not sent."""

    def __init__(self, port, topic, change):
        self.port, self.topic, self.change, self.count = port, topic, change, 0

    def __getattr__(self, name):
        return getattr(self.port, name)

    def publisher(self, topic):
        made = self.port.publisher(topic)
        if topic == self.topic:
            publish = made.publish

            def changed(data):
                self.count += 1
                data = self.change(data, self.count)
                if data is not None:
                    publish(data)

            made.publish = changed
        return made


def reference(wires=ByWire, tamper=None):
    """Return a reference node with other wires inside, or with one topic tampered with."""

    class Made(DriveByWire):
        def build(self, port, config):
            super().build(Tampered(port, *tamper) if tamper else port, config)
            self.wires = wires(config.vehicle, config.by_wire)

    return Made()


def examined(node, vehicle=CAR, **settings):
    """Return the results by number of the clause."""
    examiner = Examiner(vehicle)
    config = DriveByWireConfig(vehicle=vehicle, by_wire=ByWireSettings(**settings))
    player = Lockstep([node, examiner], {'drive_by_wire': config, 'examiner': ExaminerConfig(patience_s=2.0)}, Quiet())
    player.start(100 * SECOND_NS)
    player.run_to(300 * SECOND_NS)
    assert player.finished
    return {result.number: result for result in judge(examiner.history, vehicle)}


@cache
def kept(trailer):
    return examined(reference(), TRUCK if trailer else CAR)


@pytest.mark.parametrize('clause', CLAUSES, ids=lambda clause: clause.number)
@pytest.mark.parametrize('trailer', [False, True], ids=['car', 'truck'])
def test_the_reference_node_keeps_every_clause(clause, trailer):
    result = kept(trailer)[clause.number]
    right = Outcome.NOT_APPLICABLE if clause.number == 'V17' and not trailer else Outcome.PASS
    assert result.outcome is right, result.measured


class Eager(ByWire):
    """Engaged from the start."""

    def __init__(self, *given):
        super().__init__(*given)
        self.mode = AUTONOMOUS


class Loose(ByWire):
    """Tells MANUAL and follows commands all the same, until it is asked to engage for the first time."""

    def __init__(self, *given):
        super().__init__(*given)
        self.asked = False

    def engage(self, wanted, now_ns):
        self.asked = True
        return super().engage(wanted, now_ns)

    def take(self, command, now_ns):
        self.mode, told = AUTONOMOUS if not self.asked else self.mode, self.mode
        super().take(command, now_ns)
        self.mode = told

    def step(self, now_ns, step_s):
        self.mode, told = AUTONOMOUS if not self.asked else self.mode, self.mode
        done = super().step(now_ns, step_s)
        self.mode = told
        return done

    def shift(self, gear, speed_mps):
        self.gear = gear


class Stubborn(ByWire):
    """Never engages."""

    def engage(self, wanted, now_ns):
        return (False, 'no') if wanted else super().engage(wanted, now_ns)


class Boastful(ByWire):
    """Answers that it has engaged, and has not."""

    def engage(self, wanted, now_ns):
        return (True, 'yes') if wanted else super().engage(wanted, now_ns)


class Lame(ByWire):
    """Steers, but never drives off."""

    def step(self, now_ns, step_s):
        return replace(super().step(now_ns, step_s), acceleration_mps2=-1.0)


class Unsteered(ByWire):
    """Drives, but never steers."""

    def step(self, now_ns, step_s):
        return replace(super().step(now_ns, step_s), wheel_angle_rad=0.0)


class Credulous(ByWire):
    """Judges a command by its arrival."""

    def take(self, command, now_ns):
        super().take(replace(command, stamp_ns=now_ns), now_ns)


class Careless(ByWire):
    """Counts any heartbeat."""

    def hear(self, node, now_ns):
        super().hear('safety', now_ns)


class Deaf(ByWire):
    """Does not notice a driver."""

    def inject(self, fault, wanted):
        return (True, '') if fault == 'driver' else super().inject(fault, wanted)


class Returning(ByWire):
    """Engages by itself when the driver lets go."""

    def inject(self, fault, wanted):
        done = super().inject(fault, wanted)
        if fault == 'driver' and not wanted:
            self.mode = AUTONOMOUS
        return done


class Clinging(ByWire):
    """Does not disengage."""

    def engage(self, wanted, now_ns):
        return super().engage(wanted, now_ns) if wanted else (True, 'yes')


class Patient(ByWire):
    """Brakes at a command that is wrong, but never for want of one."""

    def take(self, command, now_ns):
        if math.isnan(command.speed_mps) or now_ns - command.stamp_ns > 0.5 * SECOND_NS:
            self._command_ns = None
        else:
            super().take(command, now_ns)


class Numb(ByWire):
    """Where a command is not finite it takes the one before."""

    last = Command(0, 0.0, 0.0, 0.0)

    def take(self, command, now_ns):
        self.last = replace(self.last if math.isnan(command.speed_mps) else command, stamp_ns=command.stamp_ns)
        super().take(self.last, now_ns)


def unread(data):
    """Read a command as one who does not ask whether it is finite."""
    message = decode(driving.CONTROL, data)
    along, across = message.longitudinal, message.lateral
    return Command(stamp_of(message.stamp), along.velocity, along.acceleration, across.steering_tire_angle)


def gullible(wires):
    """Return a reference node that takes commands that are not finite."""

    class Open(Tampered):
        def each(self, topic, read, take):
            self.port.each(topic, unread if topic == topics.CONTROL else read, take)

    made = reference(wires)
    build = made.build
    made.build = lambda port, config: build(Open(port, None, None), config)
    return made


def pretending(when):
    """Return a reference node that tells MANUAL while `when(wires)`, and follows commands on."""

    class Pretender(ByWire):
        driven = disengaged = False

        def inject(self, fault, wanted):
            self.driven = wanted
            return (True, '') if when(self) else super().inject(fault, wanted)

        def engage(self, wanted, now_ns):
            self.disengaged = not wanted
            return super().engage(wanted, now_ns) if wanted or not when(self) else (True, '')

    def told(data, count):
        return driving.write_control_mode(replace(driving.read_control_mode(data), mode='MANUAL')) if when(
            made.wires) else data  # fmt: skip

    made = reference(Pretender, (topics.CONTROL_MODE, told))
    return made


def velocity(**changed):
    return lambda data, count: driving.write_velocity(
        replace(speed := driving.read_velocity(data), **{key: change(speed) for key, change in changed.items()})
    )


def steering(change):
    def changed(data, count):
        told = driving.read_steering(data)
        return driving.write_steering(replace(told, wheel_angle_rad=change(told.wheel_angle_rad)))

    return changed


def renamed(data, count):
    return data.replace(b'base_link\x00', b'rear_axle\x00')


def joints(change):
    def changed(data, count):
        told = driving.read_articulation(data)
        return driving.write_articulation(replace(told, angles_rad=change(told.angles_rad)))

    return changed


def angled(change):
    return reference(tamper=(topics.ARTICULATION, joints(change)))


def reported(**changed):
    return reference(tamper=(topics.VELOCITY, velocity(**changed)))


BREACHES = {
    'V1 a topic at 5 Hz': lambda: reference(tamper=(topics.CONTROL_MODE, lambda data, n: data if n % 2 else None)),
    'V1 no gear': lambda: reference(tamper=(topics.GEAR, lambda data, n: None)),
    'V1 rubbish': lambda: reference(tamper=(topics.STEERING, lambda data, n: b'\0\1\0\0')),
    'V2 zero': lambda: reported(stamp_ns=lambda speed: 0),
    'V2 another clock': lambda: reported(stamp_ns=lambda speed: speed.stamp_ns - SECOND_NS),
    'V2 one stamp for ever': lambda: reported(stamp_ns=lambda speed: 100 * SECOND_NS),
    'V3 another frame': lambda: reference(tamper=(topics.VELOCITY, renamed)),
    'V4 km/h': lambda: reported(longitudinal_mps=lambda speed: 3.6 * speed.longitudinal_mps),
    'V4 degrees': lambda: reference(tamper=(topics.STEERING, steering(math.degrees))),
    'V1 not a number': lambda: reported(longitudinal_mps=lambda speed: math.nan),
    'V4 right positive': lambda: reference(tamper=(topics.STEERING, steering(lambda angle: -angle))),
    'V5 engaged from the start': lambda: reference(Eager),
    'V5 follows unasked': lambda: reference(Loose),
    'V6 refuses': lambda: reference(Stubborn),
    'V6 says yes and does not': lambda: reference(Boastful),
    'V7 does not drive': lambda: reference(Lame),
    'V7 does not steer': lambda: reference(Unsteered),
    'V8 late': lambda: (reference(), {'delay_s': 0.8}),
    'V9 no watchdog of silence': lambda: (gullible(Patient), {'command_valid_s': 60.0}),
    'V10 by arrival': lambda: reference(Credulous),
    'V11 takes the one before': lambda: gullible(Numb),
    'V12 no watchdog of heartbeats': lambda: (reference(), {'heartbeat_valid_s': 60.0}),
    'V12 any heartbeat': lambda: reference(Careless),
    'V13 does not notice': lambda: reference(Deaf),
    'V13 tells so and follows on': lambda: pretending(lambda wires: wires.driven),
    'V14 comes back': lambda: reference(Returning),
    'V15 clings': lambda: reference(Clinging),
    'V15 tells so and follows on': lambda: pretending(lambda wires: wires.disengaged),
    'V16 wrong gear': lambda: reference(tamper=(topics.GEAR, lambda data, n: driving.write_gear(
        replace(driving.read_gear(data), gear='NEUTRAL')))),
    'V17 degrees': lambda: (angled(lambda angles: tuple(map(math.degrees, angles))), {}),
    'V17 the other way round': lambda: (angled(lambda angles: (-angles[0],)), {}),
    'V17 always straight': lambda: (angled(lambda angles: (0.0,)), {}),
    'V17 two joints': lambda: (angled(lambda angles: angles * 2), {}),
}  # fmt: skip


@pytest.mark.parametrize('name', BREACHES)
def test_a_planted_breach_is_found_and_no_other_clause_blamed(name):
    number = name.split()[0]
    made = BREACHES[name]()
    node, settings = made if isinstance(made, tuple) else (made, {})
    found = examined(node, TRUCK if number == 'V17' else CAR, **settings)
    assert [result.number for result in found.values() if result.outcome is Outcome.FAIL] == [number]
    assert found[number].remedy


def test_a_breach_is_planted_for_every_clause():
    assert {name.split()[0] for name in BREACHES} == {clause.number for clause in CLAUSES}


def test_without_a_vehicle_nothing_is_judged_but_that_it_is_missing():
    examiner = Examiner(CAR)
    player = Lockstep([examiner], {'examiner': ExaminerConfig(patience_s=2.0)}, Quiet())
    player.start(0)
    player.run_to(200 * SECOND_NS)
    found = judge(examiner.history, CAR)
    assert [result.number for result in found if result.outcome is Outcome.FAIL] == ['V1']
    assert found[0].measured == 'nothing on vehicle/status/velocity_status'


def test_the_response_delay_is_measured():
    slower = examined(reference(), CAR, delay_s=0.15)['V8'].measured
    seconds = [float(re.search(r'drive (\S+) s', told)[1]) for told in (kept(False)['V8'].measured, slower)]
    assert seconds[1] - seconds[0] == pytest.approx(0.1, abs=0.03)  # 0.15 s less the 0.05 s of before


def test_where_nobody_switches_the_driver_a_person_is_asked_to_take_over():
    told, node = [], reference()
    examiner = Examiner(CAR, told.append)
    player = Lockstep([node, examiner], {'drive_by_wire': DriveByWireConfig(), 'examiner': ExaminerConfig()}, Quiet())
    del player.switches['vehicle/fault/driver']
    player.start(100 * SECOND_NS)
    moment_ns = 100 * SECOND_NS
    while not player.finished and moment_ns < 300 * SECOND_NS:
        moment_ns += SECOND_NS // 2
        player.run_to(moment_ns)
        if PROMPT in told and len(told) - told.index(PROMPT) == 1:
            node.wires.inject('driver', True)  # a foot on the brake
        else:
            node.wires.inject('driver', False)
    found = {result.number: result for result in judge(examiner.history, CAR)}
    assert found['V13'].outcome is found['V14'].outcome is Outcome.PASS, found['V13'].measured


def test_no_command_asks_to_speed_up_for_longer_than_the_speed_takes():
    """1.5 m/s at 1 m/s2 take 1.5 s, though the vehicle reports that it stands."""
    drive = next(phase for phase in SCRIPT if phase.name == 'drive')
    asked = [command_of(drive, seconds, 0.0, CAR, 0).acceleration_mps2 for seconds in (0.0, 1.4, 1.5, 2.9)]
    assert asked == [1.0, 1.0, 0.0, 0.0]


def test_the_clauses_of_the_document_are_those_of_the_test():
    rows = re.findall(r'^\| (V\d+) \| (.+?) \|', (ROOT / 'docs' / 'interface.md').read_text(), re.MULTILINE)
    assert rows == [(clause.number, clause.title) for clause in CLAUSES]
