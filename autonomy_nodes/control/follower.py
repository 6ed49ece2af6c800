"""Follow a trajectory: wheels by where its path lies, acceleration by what it wants now; without a fresh one, stop."""

import math
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.kinematics import STEERING_LAG_S, tracking_curvature
from autonomy_nodes.common.types import SECOND_NS, Command, DataError, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle


@dataclass(frozen=True)
class FollowerConfig:
    """Settings of the follower.

    valid_s: a trajectory older than this is not driven on but braked, comfortably; from late_s on firmly.
    settle_s, shortest_m: the vehicle comes back onto its path over this time, and over no less than this distance.
    speed_gain: acceleration asked for a metre per second too little; place_gain: for a metre behind.
    """

    vehicle: Vehicle = field(default_factory=Vehicle)
    valid_s: float = 0.5
    late_s: float = 1.0
    firm_mps2: float = 4.0
    settle_s: float = 0.8
    shortest_m: float = 2.5
    speed_gain: float = 1.0
    place_gain: float = 0.3
    hold_mps2: float = 1.0

    def __post_init__(self) -> None:
        for name in ('valid_s', 'firm_mps2', 'settle_s', 'shortest_m', 'speed_gain', 'hold_mps2'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')
        if not self.late_s >= self.valid_s:
            raise ValueError(f'late_s={self.late_s} must not be below valid_s={self.valid_s}')


class Follower:
    """Turns a trajectory and the vehicle's state into a command. It keeps nothing from step to step."""

    def __init__(self, vehicle: Vehicle, config: FollowerConfig | None = None) -> None:
        self.vehicle, self.config = vehicle, config or FollowerConfig()

    def follow(self, trajectory: Trajectory, ego: EgoState, wheel_rad: float, now_ns: int) -> Command:
        """Return the command at `now_ns`.

        ego: now, in the frame of the trajectory. wheel_rad: the angle of the front wheels now. A trajectory that goes
        backwards is refused (DataError): the stack plans none.
        """
        if trajectory.speeds_mps.min() < -0.5:
            raise DataError('the trajectory goes backwards')
        age_s = (now_ns - trajectory.stamp_ns) / SECOND_NS
        wheel = self._wheel(trajectory, ego, age_s)
        if age_s > self.config.valid_s:
            firm = age_s > self.config.late_s
            return self.stop(ego, wheel, wheel_rad, now_ns, firm)
        speed, acceleration = self._pace(trajectory, ego, age_s)
        return self._command(now_ns, speed, acceleration, wheel, wheel_rad)

    def stop(self, ego: EgoState, wheel: float, wheel_rad: float, now_ns: int, firm: bool) -> Command:
        """Return a command that brakes to a stop and holds."""
        braking = self.config.firm_mps2 if firm else self.vehicle.limits.comfort_braking_mps2
        return self._command(now_ns, 0.0, -braking if ego.speed_mps > 0.1 else -self.config.hold_mps2, wheel, wheel_rad)

    def _wheel(self, trajectory: Trajectory, ego: EgoState, age_s: float) -> float:
        """Return the wheel angle that leads back onto the path, by its curvature where the wheels will have turned."""
        place, offset, error = _beside(trajectory, ego)
        gone = _gone(trajectory.poses)
        if gone[-1] < 0.5:  # it stands: wheels as it wants them
            return float(np.interp(age_s, trajectory.times_s, trajectory.wheel_angles_rad))
        speed = max(ego.speed_mps, 0.0)
        wheels = float(np.interp(place + speed * STEERING_LAG_S, gone, trajectory.wheel_angles_rad))
        bend = math.tan(wheels) / self.vehicle.wheelbase_m
        length = max(self.config.settle_s * speed, self.config.shortest_m)
        curvature = float(tracking_curvature(bend, offset, error, length))
        most = self.vehicle.limits.wheel_angle_rad
        return min(max(math.atan(self.vehicle.wheelbase_m * curvature), -most), most)

    def _pace(self, trajectory: Trajectory, ego: EgoState, age_s: float) -> tuple[float, float]:
        """Return speed and acceleration: what the trajectory wants when the drive answers, and what is lacking now."""
        limits, config = self.vehicle.limits, self.config
        then_s = age_s + limits.brake_lag_s
        speed = float(np.interp(then_s, trajectory.times_s, trajectory.speeds_mps))
        wanted = float(np.interp(then_s, trajectory.times_s, trajectory.accelerations_mps2))
        now = float(np.interp(age_s, trajectory.times_s, trajectory.speeds_mps))
        if abs(speed) < 0.05 and abs(now) < 0.3 and abs(ego.speed_mps) < 0.3:
            return 0.0, -config.hold_mps2
        place, _, _ = _beside(trajectory, ego)
        planned = float(np.interp(age_s, trajectory.times_s, _gone(trajectory.poses)))
        behind = min(max(planned - place, -1.0), 1.0)
        acceleration = wanted + config.speed_gain * (now - ego.speed_mps) + config.place_gain * behind
        return speed, min(max(acceleration, -limits.hardest_braking_mps2), limits.acceleration_mps2)

    def _command(self, now_ns: int, speed: float, acceleration: float, wheel: float, wheel_rad: float) -> Command:
        most = self.vehicle.limits.wheel_rate_rps
        rate = min(max((wheel - wheel_rad) / STEERING_LAG_S, -most), most)
        return Command(now_ns, speed, acceleration, wheel, rate)


def _gone(poses: np.ndarray) -> np.ndarray:
    """Return (T,) metres along the path, strictly rising so that it can be looked up."""
    steps = np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(np.maximum(steps, 1e-9))])


def _beside(trajectory: Trajectory, ego: EgoState) -> tuple[float, float, float]:
    """Return how far along the path the vehicle is, how far left of it, and its heading less that of the path."""
    xy, place = trajectory.poses[:, :2], ego.position_m[:2]
    nearest = int(np.argmin(((xy - place) ** 2).sum(axis=1)))
    heading = float(trajectory.poses[nearest, 3])
    gap = place - xy[nearest]
    along = float(gap[0] * math.cos(heading) + gap[1] * math.sin(heading))
    left = float(gap[1] * math.cos(heading) - gap[0] * math.sin(heading))
    speed = float(trajectory.speeds_mps[nearest])
    bend = float(trajectory.heading_rates_rps[nearest]) / speed if speed > 0.5 else 0.0
    left -= 0.5 * bend * along**2
    gone = float(_gone(trajectory.poses)[nearest])
    return gone + along, left, float(wrapped(ego.heading_rad - heading - bend * along))
