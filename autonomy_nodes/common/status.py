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


REMEDIES = {  # what to do about each, said under the key `remedy` of every ERROR, as docs/troubleshooting.md lists it
    'F01': 'look at the cable, the driver and the name of the camera: `autonomy doctor live`',
    'F02': 'look at the cable, the power and the driver of the LiDAR: `autonomy doctor live`',
    'F04': 'start the driver of that sensor again: it sends the same content over and over',
    'F05': 'see to it that one driver alone publishes the topic, and stamps each message anew',
    'F06': 'see to it that one driver alone publishes the topic, in the order of its stamps',
    'F07': 'synchronise the clocks of sensor and computer (PTP, chrony); a recording needs use_sim_time:=true',
    'F09': 'set the clock before the start; where a recording begins anew nothing is to be done',
    'F11': 'correct frame_id in the driver, or the frame in vehicle.mounts; two sensors may be swapped',
    'F12': 'have the driver publish float x, y, z; the reason tells what is wrong: `autonomy doctor`',
    'F13': 'have the driver publish a known encoding, or JPEG, or PNG; the reason tells what is wrong',
    'F14': 'publish camera_info of the pictures as they are, then start again: `autonomy calibrate check`',
    'F15': 'publish the mounting on /tf_static, or write it into vehicle.mounts',
    'F17': 'look at the diagnostics of localization: without odometry nothing is perceived or planned',
    'F22': 'read the log of that node; it is started again by itself unless respawn:=false',
    'F27': 'look at planning/planner/decision and marks of that stamp; `autonomy clip` and `autonomy report` show why',
}


def remedy_of(faults: str, otherwise: str) -> str:
    """Return what to do about faults, their codes with commas between them; `otherwise` where there is none."""
    known = [REMEDIES[fault] for fault in faults.split(',') if fault in REMEDIES]
    return '; '.join(known) or otherwise


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
