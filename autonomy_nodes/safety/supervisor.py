"""The stage that owns the mode: it lets a trajectory pass, or drives the contingency, or stops by itself."""

from dataclasses import dataclass, field, replace
from typing import TypeGuard

from autonomy_nodes.common.footing import BlindZones, bodies_at, swept_boxes
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import ControlMode, PointCloud
from autonomy_nodes.common.status import SPEED_CAP, Level, Manoeuvre, Mode, Words, cap_of
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.safety.gate import DangerError, GateSettings, check, check_cap, check_clear, check_ground
from autonomy_nodes.safety.health import Health, HealthSettings
from autonomy_nodes.safety.stopping import emergency_stop, resumed

TRACKS_AGE_NS = 3 * SECOND_NS // 10  # road users are taken out of a grid that is not older or newer than this


@dataclass(frozen=True)
class SafetySettings:
    """Settings of safety; every field is also a ROS parameter of its node.

    valid_s: how long a trajectory may be driven after its stamp.
    good_plans: valid plans in a row that end a minimal risk manoeuvre.
    engaged_at_start: false on a vehicle: /system/engage lets trajectories out. A simulation or replay sets it.
    """

    valid_s: float = 0.5
    good_plans: int = 5
    emergency_braking_mps2: float = 4.0
    engaged_at_start: bool = False
    health: HealthSettings = field(default_factory=HealthSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    vehicle: Vehicle = field(default_factory=Vehicle)

    def __post_init__(self) -> None:
        if not self.valid_s > 0.0 or self.good_plans < 1 or not self.emergency_braking_mps2 > 0.0:
            raise ValueError(
                f'valid_s={self.valid_s}, emergency_braking_mps2={self.emergency_braking_mps2} must be above 0, '
                f'good_plans={self.good_plans} at least 1'
            )


@dataclass(frozen=True)
class Surroundings:
    """What safety sees besides the plan; None where it was never heard."""

    ego: EgoState | None
    obstacles: PointCloud | None = None
    terrain: Grid | None = None
    integrity: Words | None = None
    map_health: Words | None = None
    tracks: Objects | None = None
    control_mode: ControlMode | None = None
    environment: Words | None = None


@dataclass(frozen=True)
class Verdict:
    """What is driven now: `trajectory` (None: nothing), and the mode with its reasons.

    faults: codes of `status.FAULTS` of what safety itself has found.
    """

    mode: Mode
    manoeuvre: Manoeuvre
    reasons: tuple[str, ...]
    trajectory: Trajectory | None
    faults: tuple[str, ...] = ()


class Supervisor:
    """Judges each plan when it comes, and the silence between plans at each tick."""

    def __init__(self, settings: SafetySettings) -> None:
        self.settings = settings
        self.health = Health(settings.health)
        self._blind = BlindZones(settings.vehicle.blind_m)
        self.engaged = settings.engaged_at_start
        self.mode = Mode.INIT
        self._last_ns: int | None = None  # stamp of the newest valid plan
        self._contingency: Trajectory | None = None  # its stop
        self._stop: Trajectory | None = None  # what a manoeuvre drives
        self._good = 0

    def engage(self, wanted: bool) -> tuple[bool, str]:
        """Let trajectories out, or no more; refused before the first valid plan and during a manoeuvre."""
        if wanted and self.mode not in (Mode.NOMINAL, Mode.DEGRADED):
            return False, f'cannot engage in mode {self.mode.value}: wait for NOMINAL'
        self.engaged = wanted
        return True, 'engaged' if wanted else 'disengaged'

    def consider(self, plan: Trajectory, contingency: Trajectory | None, around: Surroundings, now_ns: int) -> Verdict:
        """Judge a new plan; one that fails is not driven.

        The last good one stays valid for `valid_s`, unless the failed one would do harm: then its stop is driven.
        """
        if self._last_ns is not None and plan.stamp_ns < self._last_ns - SECOND_NS:
            self._forget()
        try:
            self._check(plan, contingency, around)
        except DangerError as error:
            self._good = 0
            return self._verdict(around, now_ns, harm=str(error))
        except DataError as error:
            self._good = 0
            return self._verdict(around, now_ns, fault=str(error))
        self._good += 1
        self._last_ns, self._contingency = plan.stamp_ns, contingency
        return self._verdict(around, now_ns, plan=plan)

    def watch(self, around: Surroundings, now_ns: int) -> Verdict:
        """Judge the silence: nodes that are lost, a plan that has run out."""
        return self._verdict(around, now_ns)

    def _check(self, plan: Trajectory, contingency: Trajectory | None, around: Surroundings) -> None:
        settings = self.settings
        if around.ego is None:
            raise DataError('the state of the vehicle is not known')
        if contingency is None:
            raise DataError('no contingency stop came with the trajectory')
        if around.obstacles is None or around.terrain is None:
            raise DataError('nothing is known of obstacles and ground')
        if abs(plan.stamp_ns - around.obstacles.stamp_ns) > settings.valid_s * SECOND_NS:
            raise DataError('obstacle points are stale')
        for trajectory in (plan, contingency):
            check(trajectory, around.ego, settings.vehicle, settings.gate)
        if around.environment is not None and plan.stamp_ns >= around.environment.stamp_ns:  # an older one knew no cap
            check_cap(plan, around.ego, cap_of(around.environment), settings.gate)
        if plan.stamp_ns == around.obstacles.stamp_ns and plan.speeds_mps.max() > 0.3:
            check_clear(plan, around.obstacles, settings.vehicle, settings.gate)
        here = plan.poses[0, [0, 1, 3]]
        blind = self._blind.about(bodies_at(here, settings.vehicle), plan.stamp_ns, around.control_mode)
        moving = swept_boxes(around.tracks, here[:2]) if _is_of(around.tracks, around.terrain) else []
        check_ground(plan, around.terrain, blind, moving, settings.vehicle, settings.gate)

    def _verdict(
        self, around: Surroundings, now_ns: int, plan: Trajectory | None = None, harm: str = '', fault: str = ''
    ) -> Verdict:
        lost = any(self.health.lost(now_ns))
        found = ('F22',) * lost + ('F27',) * bool(harm or fault)
        return replace(self._judged(around, now_ns, plan, harm, fault), faults=found)

    def _judged(
        self, around: Surroundings, now_ns: int, plan: Trajectory | None, harm: str, fault: str
    ) -> Verdict:
        fatal = self._fatal(now_ns, harm)
        lost_others = [f'{node} lost' for node in self.health.lost(now_ns)[1]]
        minor = [*filter(None, [fault]), *lost_others, *self.health.troubles(), *_complaints(around)]
        if self.mode is Mode.INIT and (self.health.awaited() or self._last_ns is None):
            missing = self.health.awaited()
            reason = f'waits for {", ".join(missing)}' if missing else harm or fault or 'waits for a valid trajectory'
            return Verdict(Mode.INIT, Manoeuvre.NONE, (reason,), None)
        stopping = self.mode in (Mode.MRM, Mode.EMERGENCY)
        if fatal or (stopping and self._good < self.settings.good_plans):
            return self._manoeuvre(around, now_ns, fatal or ['returns to normal'], fresh=not stopping)
        self._stop = None
        self.mode = Mode.DEGRADED if minor else Mode.NOMINAL
        return Verdict(self.mode, Manoeuvre.NONE, tuple(minor), plan if self.engaged else None)

    def _fatal(self, now_ns: int, harm: str) -> list[str]:
        """Return why neither the plan nor the last good one can be driven on."""
        reasons = [f'{node} lost' for node in self.health.lost(now_ns)[0]]
        if self._last_ns is not None and (now_ns - self._last_ns) / SECOND_NS > self.settings.valid_s:
            reasons.append(f'no valid trajectory for {(now_ns - self._last_ns) / SECOND_NS:.2f} s')
            self._good = 0
        return [harm, *reasons] if harm else reasons

    def _manoeuvre(self, around: Surroundings, now_ns: int, reasons: list[str], fresh: bool) -> Verdict:
        """Drive the contingency on; where it is too old when the trouble starts, brake from the present state."""
        if fresh or self._stop is None:
            stop = self._contingency
            young = stop is not None and (now_ns - stop.stamp_ns) / SECOND_NS <= self.settings.valid_s + 0.1
            self.mode = Mode.MRM if young else Mode.EMERGENCY
            self._stop = stop if young else self._own_stop(around)
        behaviour = Manoeuvre.COMFORTABLE_STOP if self.mode is Mode.MRM else Manoeuvre.EMERGENCY_STOP
        drive = None if self._stop is None or not self.engaged else resumed(self._stop, now_ns)
        return Verdict(self.mode, behaviour, tuple(reasons), drive)

    def _own_stop(self, around: Surroundings) -> Trajectory | None:
        """Return a stop from the present state; None where even that is not known: the vehicle's watchdog stops."""
        if around.ego is None:
            return None
        return emergency_stop(around.ego, self.settings.vehicle, self.settings.emergency_braking_mps2)

    def _forget(self) -> None:
        """Start anew: time jumped back."""
        self.health.forget()
        self.mode, self._last_ns, self._contingency, self._stop, self._good = Mode.INIT, None, None, None, 0


def _is_of(tracks: Objects | None, terrain: Grid) -> TypeGuard[Objects]:
    """Return whether the road users are those that a grid shows."""
    return tracks is not None and abs(tracks.stamp_ns - terrain.stamp_ns) <= TRACKS_AGE_NS


def _complaints(around: Surroundings) -> list[str]:
    """Return what localization and map say of themselves where it is not good, and what perception lacks."""
    words = (around.integrity, around.map_health)
    told = [f'{word.name}: {word.text}' for word in words if word is not None and word.level is not Level.OK]
    if around.environment is not None and SPEED_CAP in around.environment.values:
        told.append(f'{around.environment.name}: {around.environment.text}')
    return told
