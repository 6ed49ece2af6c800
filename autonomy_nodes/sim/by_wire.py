"""A simulated drive by wire: what the vehicle's side of docs/interface.md has to do, to be read and copied.

Commands come in, watchdogs look at them, and what the actuators shall do comes out. The numbers V1, V2, ... are those
of the clauses in docs/interface.md. Pure: the clock is an argument.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from autonomy_nodes.common.kinematics import Motion, moved, steered
from autonomy_nodes.common.types import SECOND_NS, Command
from autonomy_nodes.common.vehicle import Vehicle

AUTONOMOUS, MANUAL = 'AUTONOMOUS', 'MANUAL'
SAFETY = 'safety'  # whose heartbeat counts
FUTURE_S = 0.1  # clocks may differ by so much
STANDING_MPS = 0.1
HOLD_MPS2 = 1.0  # brakes of a vehicle that stands
FAULTS = {
    'dead_band': 'wheels and drive do not answer to small commands',
    'delay': 'commands reach the actuators late',
    'lost_heartbeat': 'the heartbeat of safety is not heard',
    'driver': 'a driver takes over, and brakes',
}


@dataclass(frozen=True)
class FaultSettings:
    """How bad the faults are that can be injected."""

    delay_s: float = 0.2
    dead_band_rad: float = 0.02
    dead_band_mps2: float = 0.2


@dataclass(frozen=True)
class ByWireSettings:
    """How the drive by wire answers.

    command_valid_s, heartbeat_valid_s: the watchdogs: without a command, a heartbeat of safety so young it brakes.
    delay_s: from a command to the actuators. dead_band_rad, dead_band_mps2: smaller changes of the wheel angle and
    smaller accelerations have no effect. braking_mps2: of the watchdogs; 0: the vehicle's comfort_braking_mps2.
    driver_mps2: how the simulated driver brakes, wheels held. fault: of the faults that are injected.
    """

    command_valid_s: float = 0.5
    heartbeat_valid_s: float = 0.5
    delay_s: float = 0.05
    dead_band_rad: float = 0.0
    dead_band_mps2: float = 0.0
    braking_mps2: float = 0.0
    driver_mps2: float = 2.0
    fault: FaultSettings = field(default_factory=FaultSettings)

    def __post_init__(self) -> None:
        for name in ('command_valid_s', 'heartbeat_valid_s', 'driver_mps2'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'by_wire.{name}={getattr(self, name)} must be above 0')
        for name in ('delay_s', 'dead_band_rad', 'dead_band_mps2', 'braking_mps2'):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f'by_wire.{name}={getattr(self, name)} must not be below 0')


class ByWire:
    """The computer between the stack and the actuators. `why` tells in words whom it obeys."""

    def __init__(self, vehicle: Vehicle, settings: ByWireSettings) -> None:
        self.vehicle, self.settings = vehicle, settings
        self.mode, self.gear, self.why = MANUAL, 'PARK', 'the driver drives'
        self.faults: set[str] = set()
        self._command_ns: int | None = None  # stamp of the newest valid command
        self._heartbeat_ns: int | None = None  # when safety was last heard
        self._line: deque[tuple[int, Command]] = deque()  # (due_ns, command): on their way to the actuators
        self._held: Command | None = None  # the command that has got there
        self._wheel_rad = 0.0  # where the wheels were last told to be

    def take(self, command: Command, now_ns: int) -> None:
        """Take a command of the stack; one with an old stamp, or one of the future, is none (V10)."""
        age_s = (now_ns - command.stamp_ns) / SECOND_NS
        if self.mode == AUTONOMOUS and -FUTURE_S <= age_s <= self.settings.command_valid_s:
            self._command_ns = command.stamp_ns
            self._line.append((now_ns + round(self._delay_s() * SECOND_NS), command))

    def hear(self, node: str, now_ns: int) -> None:
        """Take a heartbeat; only that of safety counts (V12)."""
        if node == SAFETY and 'lost_heartbeat' not in self.faults:
            self._heartbeat_ns = now_ns

    def shift(self, gear: str, speed_mps: float) -> None:
        """Put a gear in as the stack asks, while it drives and the vehicle stands (V16)."""
        if self.mode == AUTONOMOUS and abs(speed_mps) < STANDING_MPS:
            self.gear = gear

    def engage(self, wanted: bool, now_ns: int) -> tuple[bool, str]:
        """Hand over to the stack (V6) or back to the driver (V15); return whether that was done, and why not."""
        if not wanted:
            self._hand_back()
            return True, 'disengaged: the driver drives'
        if 'driver' in self.faults:
            return False, 'cannot engage: the driver is at the controls'
        if self._silent_s(self._heartbeat_ns, now_ns) > self.settings.heartbeat_valid_s:
            return False, 'cannot engage: the heartbeat of safety is not heard; start the stack'
        self.mode = AUTONOMOUS
        return True, 'engaged: brakes are held until a valid command comes'

    def inject(self, fault: str, wanted: bool) -> tuple[bool, str]:
        """Let one of FAULTS begin or end; a driver who takes over stays in charge until asked anew (V13, V14)."""
        if fault == 'driver' and wanted:
            self._hand_back()
        self.faults = self.faults | {fault} if wanted else self.faults - {fault}
        return True, FAULTS[fault] if wanted else f'{fault} is over'

    def step(self, now_ns: int, step_s: float) -> Command:
        """Return what the actuators shall do for the next `step_s`."""
        while self._line and self._line[0][0] <= now_ns:
            self._held = self._line.popleft()[1]
        if self.mode != AUTONOMOUS:
            self.why = 'the driver drives'
            return self._actuated(now_ns, 0.0, -self.settings.driver_mps2, self._wheel_rad, step_s)
        command, braking = self._held, self.settings.braking_mps2 or self.vehicle.limits.comfort_braking_mps2
        if self._silent_s(self._command_ns, now_ns) > self.settings.command_valid_s:
            self.why = 'brakes: no valid command'  # V9, V10, V11: nobody tells where the road goes
            return self._actuated(now_ns, 0.0, -braking, self._wheel_rad, step_s)
        if self._silent_s(self._heartbeat_ns, now_ns) > self.settings.heartbeat_valid_s:
            self.why = 'brakes: the heartbeat of safety is lost'  # V12: but commands still tell where the road goes
            wheel = self._wheel_rad if command is None else command.wheel_angle_rad
            return self._actuated(now_ns, 0.0, -braking, wheel, step_s)
        if command is None or self.gear == 'PARK':
            self.why = 'stands: the gear is PARK' if self.gear == 'PARK' else 'stands: the first command is on its way'
            return self._actuated(now_ns, 0.0, -HOLD_MPS2, self._wheel_rad, step_s)
        self.why = 'the stack drives'  # V7
        faulty = 'dead_band' in self.faults
        band_rad = self.settings.fault.dead_band_rad if faulty else self.settings.dead_band_rad
        band_mps2 = self.settings.fault.dead_band_mps2 if faulty else self.settings.dead_band_mps2
        still = abs(command.wheel_angle_rad - self._wheel_rad) < band_rad
        wheel = self._wheel_rad if still else command.wheel_angle_rad
        acceleration = 0.0 if abs(command.acceleration_mps2) < band_mps2 else command.acceleration_mps2
        return self._actuated(now_ns, command.speed_mps, acceleration, wheel, step_s)

    def _actuated(self, now_ns: int, speed: float, acceleration: float, wheel: float, step_s: float) -> Command:
        """Return a command within what the actuators can do: limits of acceleration, wheel angle and its rate."""
        limits = self.vehicle.limits
        most = limits.wheel_rate_rps * step_s
        wheel = min(max(wheel, self._wheel_rad - most), self._wheel_rad + most)
        self._wheel_rad = min(max(wheel, -limits.wheel_angle_rad), limits.wheel_angle_rad)
        acceleration = min(max(acceleration, -limits.hardest_braking_mps2), limits.acceleration_mps2)
        return Command(now_ns, speed, acceleration, self._wheel_rad)

    def _hand_back(self) -> None:
        self.mode = MANUAL
        self._line.clear()
        self._command_ns = self._held = None

    def _delay_s(self) -> float:
        return self.settings.fault.delay_s if 'delay' in self.faults else self.settings.delay_s

    @staticmethod
    def _silent_s(last_ns: int | None, now_ns: int) -> float:
        return math.inf if last_ns is None else (now_ns - last_ns) / SECOND_NS


class Plant:
    """A vehicle on flat ground, forwards only, for a drive by wire that no simulator stands behind."""

    DRIVE_LAG_S = 0.15

    def __init__(self, vehicle: Vehicle) -> None:
        self.vehicle, self.motion, self.acceleration_mps2 = vehicle, Motion(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0

    def step(self, command: Command, step_s: float) -> Motion:
        """Return the motion `step_s` later: first-order lags of drive and steering; brakes never drive backwards."""
        share = 1.0 - math.exp(-step_s / self.DRIVE_LAG_S)
        self.acceleration_mps2 += (command.acceleration_mps2 - self.acceleration_mps2) * share
        self.acceleration_mps2 = max(self.acceleration_mps2, -float(self.motion.speed_mps) / step_s)
        wheel = steered(self.motion.wheel_rad, command.wheel_angle_rad, self.vehicle, step_s)
        self.motion = moved(self.motion, wheel, self.acceleration_mps2, self.vehicle, step_s)
        return self.motion


