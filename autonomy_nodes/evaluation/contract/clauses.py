"""The clauses of docs/interface.md, each judged by what was said and heard: pure functions of a history.

A clause that rests on another one is not judged where that one is not kept: the table names the cause, not its echo.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.contract import following, reporting, stopping
from autonomy_nodes.evaluation.contract.finding import BreachError, NotJudgedError
from autonomy_nodes.evaluation.contract.history import History


class Outcome(Enum):
    """How a clause fared."""

    PASS = 'pass'
    FAIL = 'FAIL'
    NOT_JUDGED = 'not judged'
    NOT_APPLICABLE = 'not applicable'


@dataclass(frozen=True)
class Clause:
    """One clause. judge: gives what was measured, in words; raises BreachError or NotJudgedError.

    needs: the clauses that it rests on.
    """

    number: str
    title: str
    judge: Callable[[History, Vehicle], str]
    remedy: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """How one clause fared. measured: in words, of a clause that failed what is wrong."""

    number: str
    title: str
    outcome: Outcome
    measured: str
    remedy: str = ''


DRIVES = ('V1', 'V6', 'V7')
CLAUSES = (
    Clause('V1', 'status topics come at 10 Hz or more and can be read', reporting.rates,
           'publish vehicle/status/... from a timer of 10 to 50 Hz, with the types of docs/interface.md'),
    Clause('V2', 'stamps are those of the measurement, by the clock of the stack', reporting.stamps,
           'stamp each report when it is measured, by the node clock; synchronise clocks (chrony, PTP)'),
    Clause('V3', 'velocity is that of base_link', reporting.frames,
           'set header.frame_id of velocity_status to base_link, and report the speed of the rear axle'),
    Clause('V4', 'speeds in m/s, wheel angles in rad, left positive', reporting.units,
           'report m/s (not km/h) and the angle of the front wheels in rad (not of the steering wheel, not degrees)',
           ('V1',)),
    Clause('V5', 'it is not engaged and follows nothing unless asked', following.unasked,
           'start in MANUAL, and let commands pass only while vehicle/engage was answered with success', ('V1',)),
    Clause('V6', 'it engages within 1 s when asked', following.engages,
           'offer vehicle/engage (std_srvs/SetBool); answer true once control_mode is AUTONOMOUS, else false and why',
           ('V1',)),
    Clause('V7', 'it follows a valid command', following.follows,
           'pass acceleration and wheel angle of control/command/control_cmd to the actuators while engaged',
           ('V1', 'V6')),
    Clause('V8', 'it answers a command in time', following.delay,
           'find where commands wait (queues, bus cycles), or put the truth into limits.brake_lag_s of its yaml',
           DRIVES),
    Clause('V9', 'it brakes when no command comes', stopping.silent,
           'brake once the stamp of the newest command is 0.5 s old', DRIVES),
    Clause('V10', 'a command with an old stamp is none', stopping.old,
           'judge a command by header stamp, not by its arrival', DRIVES),
    Clause('V11', 'a command that is not finite is none', stopping.not_finite,
           'refuse NaN and infinity before anything is computed of them, and let the watchdog of V9 brake', DRIVES),
    Clause('V12', 'it brakes when the heartbeat of safety is lost', stopping.no_heartbeat,
           "brake once system/heartbeat with frame_id 'safety' was not heard for 0.5 s; others do not count", DRIVES),
    Clause('V13', 'it follows a driver who takes over, and tells so', following.driver,
           'leave AUTONOMOUS within 0.5 s of the takeover, and pass no command on from then', DRIVES),
    Clause('V14', 'a driver who took over stays in charge until asked anew', following.driver_gone,
           'stay in MANUAL when the driver lets go; only vehicle/engage leads back', (*DRIVES, 'V13')),
    Clause('V15', 'it disengages within 1 s when asked', following.disengages,
           'answer vehicle/engage false by leaving AUTONOMOUS, and pass no command on from then', DRIVES),
    Clause('V16', 'it reports the gear that is in', following.gear,
           'report the gear of the gearbox on gear_status; put in what gear_cmd asks for while it stands', DRIVES),
    Clause('V17', 'it reports the angle of the trailer', reporting.articulation,
           'tell heading of the trailer less that of the tractor [rad] on vehicle/status/articulation, left positive',
           ('V1', 'V4', 'V7')),
)  # fmt: skip


def judge(history: History, vehicle: Vehicle) -> list[Result]:
    """Return how each clause fared, in order."""
    results: list[Result] = []
    for clause in CLAUSES:
        results.append(_judged(clause, history, vehicle, results))
    return results


def _judged(clause: Clause, history: History, vehicle: Vehicle, before: Sequence[Result]) -> Result:
    if clause.number == 'V17' and not vehicle.trailer.present:
        return Result(clause.number, clause.title, Outcome.NOT_APPLICABLE, 'no trailer')
    kept = {result.number for result in before if result.outcome is Outcome.PASS}
    if broken := [number for number in clause.needs if number not in kept]:
        return Result(clause.number, clause.title, Outcome.NOT_JUDGED, f'rests on {", ".join(broken)}')
    try:
        return Result(clause.number, clause.title, Outcome.PASS, clause.judge(history, vehicle))
    except BreachError as found:
        return Result(clause.number, clause.title, Outcome.FAIL, str(found), clause.remedy)
    except NotJudgedError as found:
        return Result(clause.number, clause.title, Outcome.NOT_JUDGED, str(found))
