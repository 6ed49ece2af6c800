"""Clauses about whom the vehicle follows: nobody unasked, the stack while engaged, the driver always; and its gear."""

import numpy as np

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.contract.finding import BreachError
from autonomy_nodes.evaluation.contract.history import History
from autonomy_nodes.evaluation.contract.script import (
    ACCELERATION_MPS2,
    DISENGAGE,
    DRIVE,
    DRIVER,
    DRIVER_GONE,
    ENGAGE,
    PARK,
    QUIET,
    SPEED_MPS,
    UNASKED,
    WHEEL_RAD,
)
from autonomy_nodes.evaluation.contract.stopping import REPORT_S, speed_before
from autonomy_nodes.messages import topics

AUTONOMOUS = 'AUTONOMOUS'
ANSWER_S, TAKEN_S = 1.0, 0.5
FOLLOWED = 0.3  # share of what was asked: less is none
MOVED_MPS = 0.1
SEEN_MPS, SEEN_RAD = 0.1, 0.02  # changes by which an answer is seen


def unasked(history: History, vehicle: Vehicle) -> str:
    """V5."""
    for phase in (QUIET, UNASKED):
        if AUTONOMOUS in (sample.value for sample in history.of_phase(topics.CONTROL_MODE, phase)):
            raise BreachError(f'control_mode was {AUTONOMOUS} before anybody asked')
    speed = max(map(abs, history.numbers(topics.VELOCITY, UNASKED)))
    wheels = history.numbers(topics.STEERING, UNASKED)
    turned = wheels[-1] - wheels[0]
    if speed > MOVED_MPS or turned > FOLLOWED * WHEEL_RAD:
        raise BreachError(f'it followed commands unasked: {speed:.2f} m/s, wheels by {turned:+.3f} rad')
    return f'{speed:.2f} m/s while commands came'


def engages(history: History, vehicle: Vehicle) -> str:
    """V6."""
    answered_s = _answered(history, ENGAGE)
    mode_s = _mode_after_s(history, ENGAGE, autonomous=True)
    if mode_s is None or mode_s > ANSWER_S:
        when = 'did not become' if mode_s is None else f'took {mode_s:.2f} s to become'
        raise BreachError(f'control_mode {when} {AUTONOMOUS}')
    return f'answered after {answered_s:.2f} s, {AUTONOMOUS} after {mode_s:.2f} s'


def follows(history: History, vehicle: Vehicle) -> str:
    """V7."""
    speed = float(np.median(history.last_s(topics.VELOCITY, DRIVE, 0.5)))
    wheel = float(np.median(history.last_s(topics.STEERING, DRIVE, 0.5)))
    if abs(speed) < FOLLOWED * SPEED_MPS:
        raise BreachError(f'{speed:.2f} m/s after it was asked for {SPEED_MPS} m/s')
    if abs(wheel) < FOLLOWED * WHEEL_RAD:
        raise BreachError(f'wheels at {wheel:.3f} rad after they were told {WHEEL_RAD} rad')
    return f'{speed:.2f} m/s, wheels at {wheel:.3f} rad'


def delay(history: History, vehicle: Vehicle) -> str:
    """V8: the time to an answer that is seen, less the time in which an ideal vehicle gets so far."""
    asked = min(ACCELERATION_MPS2, vehicle.limits.acceleration_mps2)
    drive_s = _answer_s(history, topics.VELOCITY, SEEN_MPS) - SEEN_MPS / asked
    wheels_s = _answer_s(history, topics.STEERING, SEEN_RAD) - SEEN_RAD / vehicle.limits.wheel_rate_rps
    limit_s = vehicle.limits.brake_lag_s + REPORT_S
    told = f'drive {drive_s:.2f} s, wheels {wheels_s:.2f} s; limit {limit_s:.2f} s (brake_lag_s and a report)'
    if max(drive_s, wheels_s) > limit_s:
        raise BreachError(told)
    return told


def driver(history: History, vehicle: Vehicle) -> str:
    """V13."""
    before = speed_before(history, DRIVER)
    mode_s = _mode_after_s(history, DRIVER, autonomous=False)
    if mode_s is None:
        raise BreachError(f'control_mode stayed {AUTONOMOUS} though a driver took over')
    if mode_s > TAKEN_S and not history.prompted:
        raise BreachError(f'control_mode left {AUTONOMOUS} {mode_s:.2f} s after the takeover, the limit is {TAKEN_S} s')
    _not_followed(history, DRIVER)
    after = float(history.last_s(topics.VELOCITY, DRIVER, 0.3).min())
    if after > (1.0 - FOLLOWED) * before:
        raise BreachError(f'{after:.2f} m/s though the driver brakes')
    return f'no longer {AUTONOMOUS} after {mode_s:.2f} s; {before:.2f} m/s braked to {after:.2f}'


def driver_gone(history: History, vehicle: Vehicle) -> str:
    """V14."""
    if AUTONOMOUS in (sample.value for sample in history.of_phase(topics.CONTROL_MODE, DRIVER_GONE)):
        raise BreachError(f'control_mode was {AUTONOMOUS} again without being asked')
    return str(history.of_phase(topics.CONTROL_MODE, DRIVER_GONE)[-1].value)


def disengages(history: History, vehicle: Vehicle) -> str:
    """V15."""
    answered_s = _answered(history, DISENGAGE)
    mode_s = _mode_after_s(history, DISENGAGE, autonomous=False)
    if mode_s is None or mode_s > ANSWER_S:
        still = 'all the time' if mode_s is None else f'for {mode_s:.2f} s'
        raise BreachError(f'control_mode was {AUTONOMOUS} {still}')
    _not_followed(history, DISENGAGE)
    return f'answered after {answered_s:.2f} s, no longer {AUTONOMOUS} after {mode_s:.2f} s'


def gear(history: History, vehicle: Vehicle) -> str:
    """V16."""
    for phase, wanted in ((DRIVE, 'DRIVE'), (PARK, 'PARK')):
        told = history.of_phase(topics.GEAR, phase)[-1].value
        if told != wanted:
            raise BreachError(f'gear_status tells {told} where {wanted} was asked for')
    return 'DRIVE, then PARK'


def _answered(history: History, phase: str) -> float:
    """Return after how many seconds a request was answered with success."""
    answer = history.answers[phase]
    if not answer.offered:
        raise BreachError('nobody offers vehicle/engage')
    if answer.answered_ns is None:
        raise BreachError('vehicle/engage did not answer')
    after_s = (answer.answered_ns - answer.asked_ns) / SECOND_NS
    if not answer.success or after_s > ANSWER_S:
        raise BreachError(f'vehicle/engage answered {answer.success} after {after_s:.2f} s: {answer.text}')
    return after_s


def _mode_after_s(history: History, phase: str, autonomous: bool) -> float | None:
    """Return how long after the request the mode was as wanted, None for never."""
    asked_ns = history.answers[phase].asked_ns
    told = history.within(topics.CONTROL_MODE, asked_ns, history.ended_ns[phase])
    right = [sample.receive_ns for sample in told if (sample.value == AUTONOMOUS) == autonomous]
    return (right[0] - asked_ns) / SECOND_NS if right else None


def _not_followed(history: History, phase: str) -> None:
    """Raise BreachError where the wheels went to the other side, which only commands asked for."""
    wheels = history.numbers(topics.STEERING, phase)
    if wheels[-1] - wheels[0] < -FOLLOWED * 2.0 * WHEEL_RAD:
        raise BreachError(f'wheels still follow commands: from {wheels[0]:+.3f} to {wheels[-1]:+.3f} rad')


def _answer_s(history: History, topic: topics.Topic, change: float) -> float:
    """Return how long after the first command of the drive a report had changed by so much."""
    told = history.of_phase(topic, DRIVE)
    first_ns = next(sent_ns for phase, sent_ns, _ in history.commands if phase == DRIVE)
    seen = [sample.receive_ns for sample in told if abs(sample.number - told[0].number) >= change]
    return (seen[0] - first_ns) / SECOND_NS if seen else float('inf')
