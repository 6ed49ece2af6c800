"""How things stand: the status of a step, the mode of the stack, the environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

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


@dataclass(frozen=True)
class Heartbeat:
    """A sign of life of a node."""

    stamp_ns: int
    node: str
