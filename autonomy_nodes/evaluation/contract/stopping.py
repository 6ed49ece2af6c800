"""Clauses about the watchdogs: the vehicle brakes by itself when what it may follow has run out."""

import numpy as np

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.contract.finding import BreachError, NotJudgedError
from autonomy_nodes.evaluation.contract.history import History
from autonomy_nodes.evaluation.contract.script import (
    NO_HEARTBEAT,
    NOT_FINITE,
    OLD,
    SCRIPT,
    SILENT,
    SPEED_MPS,
    VALID_S,
    Kind,
)
from autonomy_nodes.messages import topics

BEFORE_S = 0.3
DRIVEN = 0.4  # of SPEED_MPS: who was slower had nothing to brake
SHED = 0.1  # of its speed: so much less, and it brakes
STANDS = 0.1
REPORT_S = 0.1  # a period of the slowest report


def silent(history: History, vehicle: Vehicle) -> str:
    """V9."""
    return _braked(history, vehicle, SILENT, _last_command_ns(history, SILENT), 'the last command')


def old(history: History, vehicle: Vehicle) -> str:
    """V10."""
    return _braked(history, vehicle, OLD, _last_command_ns(history, OLD), 'the last valid command')


def not_finite(history: History, vehicle: Vehicle) -> str:
    """V11."""
    for topic in (topics.VELOCITY, topics.STEERING):
        told = [one.number for one in history.samples[topic] if one.receive_ns >= history.begun_ns[NOT_FINITE]]
        if not np.isfinite(told).all():
            raise BreachError(f'{topic.name} became as little finite as the command')
    return _braked(history, vehicle, NOT_FINITE, _last_command_ns(history, NOT_FINITE), 'the last valid command')


def no_heartbeat(history: History, vehicle: Vehicle) -> str:
    """V12."""
    last_ns = max(sent_ns for sent_ns in history.safety_ns if sent_ns < history.begun_ns[NO_HEARTBEAT])
    return _braked(history, vehicle, NO_HEARTBEAT, last_ns, 'the last heartbeat of safety')


def limit_s(vehicle: Vehicle) -> float:
    """Return how long after the last that was valid the speed must have begun to fall."""
    return VALID_S + vehicle.limits.brake_lag_s + REPORT_S


def speed_before(history: History, phase: str) -> float:
    """Return the speed with which the vehicle came into a phase; raises NotJudgedError where it hardly moved."""
    begun_ns = history.begun_ns[phase]
    told = history.within(topics.VELOCITY, begun_ns - round(BEFORE_S * SECOND_NS), begun_ns)
    speed = float(np.median([sample.number for sample in told])) if told else 0.0
    if speed < DRIVEN * SPEED_MPS:
        raise NotJudgedError(f'it drove no faster than {speed:.2f} m/s before')
    return speed


def _braked(history: History, vehicle: Vehicle, phase: str, last_ns: int, since: str) -> str:
    """Return how soon the vehicle braked after `last_ns`, and stood; raises BreachError where that was late."""
    before = speed_before(history, phase)
    told = history.of_phase(topics.VELOCITY, phase)
    speeds = np.array([sample.number for sample in told])
    after_s = np.array([sample.receive_ns - last_ns for sample in told]) / SECOND_NS
    slower = speeds < (1.0 - SHED) * before
    if not slower.any():
        raise BreachError(f'still {speeds[-1]:.2f} m/s {after_s[-1]:.1f} s after {since}')
    onset_s = float(after_s[np.argmax(slower)])
    if onset_s > limit_s(vehicle):
        raise BreachError(f'begins to brake {onset_s:.2f} s after {since}, the limit is {limit_s(vehicle):.2f} s')
    if not speeds[-1] <= STANDS * before:
        raise BreachError(f'brakes from {onset_s:.2f} s on, but still {speeds[-1]:.2f} m/s after {after_s[-1]:.1f} s')
    stood_s = float(after_s[np.argmax(speeds <= STANDS * before)])
    return f'slower {onset_s:.2f} s after {since} (limit {limit_s(vehicle):.2f}), stands after {stood_s:.2f} s'


def _last_command_ns(history: History, phase: str) -> int:
    """Return the stamp of the last valid command before a phase."""
    valid = {phase.name for phase in SCRIPT if phase.kind is Kind.VALID}
    begun_ns = history.begun_ns[phase]
    return max(one.stamp_ns for name, sent_ns, one in history.commands if name in valid and sent_ns < begun_ns)
