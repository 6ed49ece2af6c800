"""What the stack's side does in the contract test, phase by phase, and which commands it sends meanwhile."""

import math
from dataclasses import dataclass
from enum import Enum

from autonomy_nodes.common.types import SECOND_NS, Command
from autonomy_nodes.common.vehicle import Vehicle

SPEED_MPS = 1.5
ACCELERATION_MPS2 = 1.0
WHEEL_RAD = 0.1
OLD_S = 2.0
VALID_S = 0.5  # of commands and of heartbeats, as docs/interface.md tells


class Kind(Enum):
    """Which commands are sent."""

    NONE = 'none'
    VALID = 'valid'
    OLD = 'with stamps of two seconds ago'
    NOT_FINITE = 'not finite'


class Ask(Enum):
    """What is asked for at the start of a phase; ENGAGED: only where the vehicle is not engaged any more."""

    NOTHING = ''
    ENGAGE = 'engage'
    ENGAGED = 'engaged'
    DISENGAGE = 'disengage'
    DRIVER = 'driver'
    NO_DRIVER = 'no driver'


@dataclass(frozen=True)
class Phase:
    """A part of the test. drives: commands ask to speed up to SPEED_MPS, else to stand. heartbeat: that of safety.

    wheel_rad: the wheel angle that commands ask for.
    """

    name: str
    seconds: float
    kind: Kind = Kind.VALID
    drives: bool = True
    ask: Ask = Ask.NOTHING
    heartbeat: bool = True
    wheel_rad: float = WHEEL_RAD
    gear: str = 'DRIVE'


QUIET, UNASKED, ENGAGE, DRIVE = 'quiet', 'unasked', 'engage', 'drive'
SILENT, OLD, NOT_FINITE, NO_HEARTBEAT = 'silent', 'old stamps', 'not finite', 'no heartbeat'
DRIVER, DRIVER_GONE, DISENGAGE, PARK = 'driver', 'driver gone', 'disengage', 'park'
SCRIPT = (
    Phase(QUIET, 1.0, Kind.NONE, drives=False),
    Phase(UNASKED, 1.5),
    Phase(ENGAGE, 1.5, drives=False, ask=Ask.ENGAGE, wheel_rad=0.0),
    Phase(DRIVE, 3.0),
    Phase(SILENT, 2.5, Kind.NONE),
    Phase('drive 2', 2.5, ask=Ask.ENGAGED),
    Phase(OLD, 2.5, Kind.OLD),
    Phase('drive 3', 2.5, ask=Ask.ENGAGED),
    Phase(NOT_FINITE, 2.5, Kind.NOT_FINITE),
    Phase('drive 4', 2.5, ask=Ask.ENGAGED),
    Phase(NO_HEARTBEAT, 2.5, heartbeat=False),
    Phase('drive 5', 2.5, ask=Ask.ENGAGED),
    Phase(DRIVER, 2.0, ask=Ask.DRIVER, wheel_rad=-WHEEL_RAD),
    Phase(DRIVER_GONE, 1.5, ask=Ask.NO_DRIVER, wheel_rad=-WHEEL_RAD),
    Phase('engage 2', 1.0, drives=False, ask=Ask.ENGAGE),
    Phase('drive 6', 2.5),
    Phase(DISENGAGE, 2.0, ask=Ask.DISENGAGE, wheel_rad=-WHEEL_RAD),
    Phase('engage 3', 1.0, drives=False, ask=Ask.ENGAGE),
    Phase(PARK, 2.0, drives=False, gear='PARK'),
    Phase('end', 0.5, Kind.NONE, drives=False, ask=Ask.DISENGAGE),
)


def command_of(phase: Phase, since_s: float, speed_mps: float, vehicle: Vehicle, now_ns: int) -> Command | None:
    """Return the command that a phase sends `since_s` after its start; None where it sends none.

    speed_mps: as the vehicle reports it. It is never asked to speed up for longer than SPEED_MPS takes: where the
    report is wrong the vehicle is no faster for it.
    """
    if phase.kind is Kind.NONE:
        return None
    if phase.kind is Kind.NOT_FINITE:
        return Command(now_ns, math.nan, math.nan, math.nan, math.nan)
    stamp_ns = now_ns - round(OLD_S * SECOND_NS) if phase.kind is Kind.OLD else now_ns
    if not phase.drives:
        return Command(stamp_ns, 0.0, -vehicle.limits.comfort_braking_mps2, phase.wheel_rad)
    asked = min(ACCELERATION_MPS2, vehicle.limits.acceleration_mps2)
    slow = speed_mps < SPEED_MPS and since_s < SPEED_MPS / asked
    return Command(stamp_ns, SPEED_MPS, asked if slow else 0.0, phase.wheel_rad)
