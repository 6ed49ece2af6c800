"""Clauses about what the vehicle reports: rates, stamps, frames, units, the angle of its trailer."""

import math

import numpy as np

from autonomy_nodes.common.kinematics import articulation_rate
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.contract.finding import BreachError
from autonomy_nodes.evaluation.contract.history import History, Sample
from autonomy_nodes.evaluation.contract.script import DRIVE, NOT_FINITE, WHEEL_RAD
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.topics import Topic

LEAST_HZ, LONGEST_GAP_S = 9.0, 0.5  # of 10 Hz, with what a loaded machine loses
OLDEST_S, FUTURE_S = 0.1, 0.05  # of stamps, in the median
SETTLED_S = 0.5
RIGHT = (0.5, 1.6)  # a share of what was asked that no wrong unit gives: km/h is 3.6, a degree 57
JOINT_RAD = 0.05
NUMBERS = (topics.VELOCITY, topics.STEERING)


def required(vehicle: Vehicle) -> list[Topic]:
    """Return the topics that the vehicle must report on."""
    told = [topics.VELOCITY, topics.STEERING, topics.CONTROL_MODE, topics.GEAR]
    return [*told, topics.ARTICULATION] if vehicle.trailer.present else told


def rates(history: History, vehicle: Vehicle) -> str:
    """V1: each topic comes at 10 Hz or more, without gaps; numbers are, before V11 is tried."""
    start_ns, end_ns = min(history.begun_ns.values()), max(history.ended_ns.values())
    seconds, told = (end_ns - start_ns) / SECOND_NS, []
    for topic in required(vehicle):
        for why, count in history.refused[topic].items():
            raise BreachError(f'{topic.name} cannot be read: {why} ({count} times)')
        moments = np.array([sample.receive_ns for sample in history.within(topic, start_ns, end_ns)])
        if not len(moments):
            raise BreachError(f'nothing on {topic.name}')
        if topic in NUMBERS and not np.isfinite(_told_before(history, topic, NOT_FINITE)).all():
            raise BreachError(f'{topic.name} is not finite')
        rate = len(moments) / seconds
        gap_s = float(np.diff(np.array([start_ns, *moments, end_ns])).max()) / SECOND_NS
        if rate < LEAST_HZ or gap_s > LONGEST_GAP_S:
            raise BreachError(f'{topic.name} at {rate:.1f} Hz, longest gap {gap_s:.2f} s')
        told.append(f'{topic.name.rpartition("/")[2]} {rate:.0f} Hz')
    return ', '.join(told)


def stamps(history: History, vehicle: Vehicle) -> str:
    """V2: stamps rise, and are those of the moment."""
    worst_s = 0.0
    for topic in required(vehicle):
        told = np.array([sample.stamp_ns for sample in history.samples[topic]])
        if not len(told):
            continue
        ages_s = (np.array([sample.receive_ns for sample in history.samples[topic]]) - told) / SECOND_NS
        age_s = float(np.median(ages_s))
        if (told == 0).any():
            raise BreachError(f'{topic.name} has stamps of zero')
        if (np.diff(told) <= 0).any():
            raise BreachError(f'{topic.name} repeats a stamp or steps back')
        if not -FUTURE_S <= age_s <= OLDEST_S:
            raise BreachError(f'{topic.name} is {age_s:+.2f} s old when it arrives, at most {OLDEST_S} s is right')
        worst_s = max(worst_s, age_s)
    return f'{1e3 * worst_s:.0f} ms old at most when they arrive'


def frames(history: History, vehicle: Vehicle) -> str:
    """V3: the frame of the speed."""
    found = {sample.frame for sample in history.samples[topics.VELOCITY]}
    if wrong := found - {'base_link'}:
        raise BreachError(f'velocity_status has frame_id {sorted(wrong)[0]!r}')
    return ', '.join(found)


def units(history: History, vehicle: Vehicle) -> str:
    """V4: what is reported is what was driven, in m/s and rad; judged where it follows commands at all."""
    driven = [(sent_ns, command) for phase, sent_ns, command in history.commands if phase == DRIVE]
    moments = [sent_ns for sent_ns, _ in driven] + [history.ended_ns[DRIVE]]
    asked = float(sum(np.diff(moments) / SECOND_NS * np.array([command.acceleration_mps2 for _, command in driven])))
    speed = float(np.median(history.last_s(topics.VELOCITY, DRIVE, SETTLED_S)))
    wheel = float(np.median(history.last_s(topics.STEERING, DRIVE, SETTLED_S)))
    moved, steered = abs(speed) > 0.3 * asked, abs(wheel) > 0.3 * WHEEL_RAD
    if moved and not RIGHT[0] <= speed / asked <= RIGHT[1]:
        raise BreachError(f'{speed:.2f} reported where {asked:.2f} m/s were driven: {speed / asked:.1f} times as much')
    if steered and not RIGHT[0] <= wheel / WHEEL_RAD <= RIGHT[1]:
        raise BreachError(f'{wheel:.3f} reported where the wheels were told {WHEEL_RAD} rad, left positive')
    return f'{speed:.2f} m/s of {asked:.2f}, {wheel:.3f} rad of {WHEEL_RAD}'


def articulation(history: History, vehicle: Vehicle) -> str:
    """V17: the angle is the one to which speed and wheel angle as reported pull the trailer (`articulation_rate`)."""
    joints = history.samples[topics.ARTICULATION]
    if any(len(_angles(joint)) != 1 or not math.isfinite(_angles(joint)[0]) for joint in joints):
        raise BreachError('articulation needs one finite position, that of the only joint')
    moments = np.array([joint.receive_ns for joint in joints])
    speeds, wheels = (
        np.interp(moments, *np.array([(sample.receive_ns, sample.number) for sample in history.samples[topic]]).T)
        for topic in NUMBERS
    )
    expected = [_angles(joints[0])[0]]
    for step_s, speed, wheel in zip(np.diff(moments) / SECOND_NS, speeds, wheels):
        expected.append(expected[-1] + float(articulation_rate(expected[-1], wheel, speed, vehicle)) * step_s)
    off = np.array([_angles(joint)[0] for joint in joints]) - np.array(expected)
    furthest = int(np.argmax(np.abs(expected)))
    told = f'{_angles(joints[furthest])[0]:+.3f} rad where the wheels make {expected[furthest]:+.3f}'
    if np.abs(off).max() > JOINT_RAD:
        raise BreachError(f'{told}; off by up to {np.abs(off).max():.2f} rad')
    return told


def _told_before(history: History, topic: Topic, phase: str) -> list[float]:
    """Return all numbers told before a phase."""
    return [sample.number for sample in history.samples[topic] if sample.receive_ns < history.begun_ns[phase]]


def _angles(sample: Sample) -> tuple[float, ...]:
    assert isinstance(sample.value, tuple)
    return sample.value
