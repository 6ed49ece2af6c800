"""The last gate of a command: whatever comes in, what goes out is within the vehicle's limits, or nothing goes out."""

import math
from dataclasses import astuple

from autonomy_nodes.common.types import SECOND_NS, Command, DataError
from autonomy_nodes.common.vehicle import Vehicle

LONGEST_STEP_S = 0.1  # after a longer pause the limits of change begin anew
STANDING_MPS = 0.1


def limited(wanted: Command, before: Command | None, speed_mps: float, wheel_rad: float, vehicle: Vehicle) -> Command:
    """Return the command as the vehicle's limits of speed, acceleration, jerk, wheel angle and its rate allow.

    before: the command sent last, None if none was. speed_mps: of the vehicle now, signed. wheel_rad: the angle of the
    wheels now, from which the rate counts where no command was sent just before. Brakes may bite faster than the drive
    may pull. A command that is not finite is refused (DataError): it must not be sent.
    """
    if not all(map(math.isfinite, (*astuple(wanted), speed_mps, wheel_rad))):
        raise DataError(f'the command is not finite and is not sent: {wanted}; speed {speed_mps}, wheel {wheel_rad}')
    limits = vehicle.limits
    step_s = 0.0 if before is None else (wanted.stamp_ns - before.stamp_ns) / SECOND_NS
    fresh = before is None or not 0.0 <= step_s <= LONGEST_STEP_S
    last_rad = wheel_rad if before is None or fresh else before.wheel_angle_rad
    last_mps2 = 0.0 if before is None or fresh else before.acceleration_mps2
    step_s = LONGEST_STEP_S if fresh else step_s

    speed = _within(wanted.speed_mps, limits.speed_mps, limits.speed_mps)
    acceleration = _within(wanted.acceleration_mps2, limits.hardest_braking_mps2, limits.acceleration_mps2)
    down, up = limits.braking_jerk_mps3, limits.jerk_mps3
    if speed_mps < -STANDING_MPS:  # backwards, to brake is to accelerate forwards
        down, up = up, down
    acceleration = min(max(acceleration, last_mps2 - down * step_s), last_mps2 + up * step_s)
    rate = limits.wheel_rate_rps
    wheel = _within(wanted.wheel_angle_rad, limits.wheel_angle_rad, limits.wheel_angle_rad)
    wheel = min(max(wheel, last_rad - rate * step_s), last_rad + rate * step_s)
    wheel = _within(wheel, limits.wheel_angle_rad, limits.wheel_angle_rad)
    return Command(wanted.stamp_ns, speed, acceleration, wheel, _within(wanted.wheel_rate_rps, rate, rate))


def _within(value: float, below: float, above: float) -> float:
    return min(max(value, -below), above)
