"""How things stand: the status of a step, the mode of the stack, the environment."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from autonomy_nodes.common.types import DataError

FAULTS = {  # what nodes say under the key `fault`, as docs/interface.md lists it
    'F01': 'a camera is silent',
    'F02': 'a LiDAR is silent',
    'F04': 'a sensor repeats itself: new stamps, the same content',
    'F05': 'a stamp came twice',
    'F06': 'a message is older than the one before',
    'F07': 'a stamp is zero or in the future',
    'F09': 'time jumped',
    'F11': 'a message is in another frame than that of its sensor',
    'F12': 'a cloud cannot be read',
    'F13': 'a picture cannot be read',
    'F14': 'the calibration of a camera is missing, unusable or another than before',
    'F15': 'the mounting of a sensor is not known',
    'F17': 'odometry is missing',
    'F22': 'a node is lost',
    'F27': 'a planned trajectory was refused',
}


RUNG, SPEED_CAP = 'rung', 'speed_cap_mps'  # keys of the environment

Lap = Callable[[str], None]  # hears the name of a part of a step when it is over, to tell how long it took


def untimed(part: str) -> None:
    """A `Lap` of which nobody asks how long it took."""


class Level(Enum):
    """How good a status is, in the words of diagnostic_msgs."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Mode(Enum):
    """The stack's mode, set by safety alone."""

    INIT = 'INIT'
    NOMINAL = 'NOMINAL'
    DEGRADED = 'DEGRADED'
    MRM = 'MRM'  # a minimal risk manoeuvre: the contingency stop is driven
    EMERGENCY = 'EMERGENCY'


class Manoeuvre(Enum):
    """What mrm_state says: the behaviours of autoware_adapi_v1_msgs/MrmState."""

    NONE = 1
    EMERGENCY_STOP = 2
    COMFORTABLE_STOP = 3


@dataclass(frozen=True)
class Status:
    """How one step of a node went.

    lineage: the stamp of each input that the step really read. dropped: messages dropped since activation, by topic.
    values: what else the node tells. duration_ms: wall time of the step, None where no clock runs (lockstep).
    parts_ms: wall time of its parts, by name, of a node that tells them; empty where no clock runs.
    """

    stamp_ns: int
    node: str
    level: Level
    text: str
    lineage: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    duration_ms: float | None = None
    parts_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Words:
    """States in words for one topic: several named statuses of one stamp (integrity, map health, environment)."""

    stamp_ns: int
    name: str
    level: Level
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


def capped(words: Words, rung: str, cap_mps: float) -> Words:
    """Return the environment with what perception works by, and how fast one may drive by that [m/s], inf: no limit."""
    if not math.isfinite(cap_mps):
        return replace(words, values={**words.values, RUNG: rung})
    level = max(words.level, Level.WARN, key=lambda level: level.value)
    text = f'{words.text}; perception by {rung}: no faster than {cap_mps:.1f} m/s'
    return replace(words, level=level, text=text, values={**words.values, RUNG: rung, SPEED_CAP: f'{cap_mps:.2f}'})


def cap_of(environment: Words | None) -> float:
    """Return how fast one may drive by what an environment tells [m/s], inf where it tells no limit."""
    told = '' if environment is None else environment.values.get(SPEED_CAP, '')
    try:
        return float(told) if told else math.inf
    except ValueError as error:
        raise DataError(f'{SPEED_CAP}={told!r} of the environment is no number') from error


@dataclass(frozen=True)
class Heartbeat:
    """A sign of life of a node."""

    stamp_ns: int
    node: str
