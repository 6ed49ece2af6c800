"""States in words: diagnostic_msgs/DiagnosticArray, heartbeats and the state of a minimal risk manoeuvre.

A status of a node is called autonomy/NODE, so that rqt_robot_monitor and Foxglove show the stack as one group.
Its keys are `stamp_ns TOPIC`, `dropped TOPIC`, `duration_ms`, `ms PART` of the step, and whatever else the node tells.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autonomy_nodes.common.status import Heartbeat, Level, Manoeuvre, Mode, Status, Words
from autonomy_nodes.common.types import DataError, Decision
from autonomy_nodes.messages.cdr import Cursor, write_header
from autonomy_nodes.messages.store import constants, decode, encode, header_of, new, stamp_of, time_of

ARRAY = 'diagnostic_msgs/msg/DiagnosticArray'
MRM_STATE = 'autoware_adapi_v1_msgs/msg/MrmState'
GROUP, DECISION = 'autonomy/', 'decision'
STAMP, DROPPED, DURATION, PART = 'stamp_ns ', 'dropped ', 'duration_ms', 'ms '
OURS = (STAMP, DROPPED, PART)
CHOSEN, RUNNER_UP = 'chosen', 'runner_up'
STATES = {
    Mode.INIT: 'UNKNOWN',
    Mode.NOMINAL: 'NORMAL',
    Mode.DEGRADED: 'NORMAL',
    Mode.MRM: 'MRM_OPERATING',
    Mode.EMERGENCY: 'MRM_OPERATING',
}


@dataclass(frozen=True)
class MrmState:
    """What a vehicle hears of a minimal risk manoeuvre: the name of the state, and the manoeuvre."""

    stamp_ns: int
    state: str
    manoeuvre: Manoeuvre


def write_status(status: Status) -> bytes:
    """Write how a step went; raises ValueError on a value whose key stands for something else."""
    if taken := [key for key in status.values if key.startswith(OURS) or key == DURATION]:
        raise ValueError(f'keys {taken} of the status of {status.node} stand for inputs, drops and time')
    values = {STAMP + topic: str(stamp_ns) for topic, stamp_ns in status.lineage.items()}
    values |= {DROPPED + topic: str(count) for topic, count in status.dropped.items()}
    if status.duration_ms is not None:
        values[DURATION] = f'{status.duration_ms:.3f}'
    values |= {PART + part: f'{spent_ms:.3f}' for part, spent_ms in status.parts_ms.items()}
    return _write(status.stamp_ns, GROUP + status.node, status.level, status.text, {**values, **status.values})


def read_status(data: bytes) -> Status:
    """Read the status of a node; of an array that others sent, the worst status, with its whole name as `node`."""
    stamp_ns, statuses = _read(data)
    ours = [status for status in statuses if status.name.startswith(GROUP)]
    status = (ours or sorted(statuses, key=lambda item: -item.level))[0]
    values = _values(status.values)
    duration = values.pop(DURATION, None)
    try:
        return Status(
            stamp_ns=stamp_ns,
            node=status.name.removeprefix(GROUP),
            level=Level(status.level),
            text=status.message,
            lineage=_numbers(values, STAMP),
            dropped=_numbers(values, DROPPED),
            values={key: value for key, value in values.items() if not key.startswith(OURS)},
            duration_ms=None if duration is None else float(duration),
            parts_ms={key.removeprefix(PART): float(each) for key, each in values.items() if key.startswith(PART)},
        )
    except ValueError as error:
        raise DataError(f'status of {status.name!r}: {error}') from error


def write_words(words: Words) -> bytes:
    """Write a named state, such as the integrity of the pose."""
    return _write(words.stamp_ns, GROUP + words.name, words.level, words.text, words.values)


def read_words(data: bytes) -> Words:
    """Read a named state."""
    stamp_ns, (status, *_) = _read(data)
    name = status.name.removeprefix(GROUP)
    return Words(stamp_ns, name, _level(status.level), status.message, _values(status.values))


def write_decision(decision: Decision) -> bytes:
    """Write why the planner chose what it chose."""
    values = {CHOSEN: decision.chosen, RUNNER_UP: decision.runner_up, **decision.values}
    return _write(decision.stamp_ns, GROUP + DECISION, Level.OK, decision.reason, values)


def read_decision(data: bytes) -> Decision:
    """Read a decision; raises DataError on a status that names nothing chosen."""
    stamp_ns, (status, *_) = _read(data)
    values = _values(status.values)
    if CHOSEN not in values:
        raise DataError(f'status {status.name!r} is no decision: nothing is chosen')
    return Decision(stamp_ns, values.pop(CHOSEN), status.message, values.pop(RUNNER_UP, ''), values)


def write_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Write a sign of life as std_msgs/Header."""
    return write_header(heartbeat.stamp_ns, heartbeat.node)


def read_heartbeat(data: bytes) -> Heartbeat:
    """Read a sign of life; raises DataError where it names no node."""
    cursor = Cursor(data)
    stamp_ns, node = cursor.header()
    cursor.end()
    if not node:
        raise DataError('heartbeat names no node')
    return Heartbeat(stamp_ns, node)


def write_mrm_state(stamp_ns: int, mode: Mode, manoeuvre: Manoeuvre) -> bytes:
    """Write the state of the minimal risk manoeuvre; outside MRM and EMERGENCY none is driven."""
    known = constants(MRM_STATE)
    state = STATES[mode]
    behaviour = manoeuvre.value if state == 'MRM_OPERATING' else Manoeuvre.NONE.value
    return encode(MRM_STATE, new(MRM_STATE, stamp=time_of(stamp_ns), state=known[state], behavior=behaviour))


def read_mrm_state(data: bytes) -> MrmState:
    """Read the state of the minimal risk manoeuvre; raises DataError on numbers without a meaning here."""
    message = decode(MRM_STATE, data)
    names = {constants(MRM_STATE)[name]: name for name in ('UNKNOWN', 'NORMAL', *_MRM_STATES)}
    if message.state not in names or message.behavior not in {item.value for item in Manoeuvre}:
        raise DataError(f'mrm state {message.state} with behaviour {message.behavior} has no meaning here')
    return MrmState(stamp_of(message.stamp), names[message.state], Manoeuvre(message.behavior))


_MRM_STATES = ('MRM_OPERATING', 'MRM_SUCCEEDED', 'MRM_FAILED')


def _write(stamp_ns: int, name: str, level: Level, text: str, values: Mapping[str, str]) -> bytes:
    pairs = [{'key': key, 'value': str(value)} for key, value in values.items()]
    status = {'level': level.value, 'name': name, 'message': text, 'values': pairs}
    return encode(ARRAY, new(ARRAY, header=header_of(stamp_ns, ''), status=[status]))


def _read(data: bytes) -> tuple[int, list[Any]]:
    """Return the stamp and the statuses, one or more."""
    message = decode(ARRAY, data)
    if not message.status:
        raise DataError('diagnostic array holds no status')
    return stamp_of(message.header.stamp), message.status


def _values(pairs: Iterable[Any]) -> dict[str, str]:
    return {pair.key: pair.value for pair in pairs}


def _numbers(values: Mapping[str, str], prefix: str) -> dict[str, int]:
    """Return {topic: number} of the keys with this prefix."""
    return {key.removeprefix(prefix): int(value) for key, value in values.items() if key.startswith(prefix)}


def _level(number: int) -> Level:
    try:
        return Level(number)
    except ValueError as error:
        raise DataError(f'level {number} is none of diagnostic_msgs') from error
