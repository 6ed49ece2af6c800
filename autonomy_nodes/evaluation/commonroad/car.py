"""The vehicles that drive: types 2 and 4 of CommonRoad, a BMW 320i by its model KS, a truck with a semitrailer by KST.

Parameters and models: Althoff, Koschi, Manzinger, CommonRoad: Composable benchmarks for motion planning on roads
(2017), and its vehicle models, 2020a. Both move the middle of the rear axle; states of a KS solution are of the box's
middle, those of a KST solution of the drive axle, on which the trailer's hitch sits.
"""

from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.kinematics import Body, articulation_rate, body_of, body_of_trailer, trailer_poses
from autonomy_nodes.common.types import Trajectory
from autonomy_nodes.common.vehicle import Limits, Trailer, Vehicle

LENGTH_M, WIDTH_M = 4.508, 1.610
AXLE_M = 1.4227170936  # the middle of the box lies so far ahead of the rear axle
WHEELBASE_M = 1.1561957064 + AXLE_M
FRICTION = 0.999  # of the circle of forces, so that rounding does not leave it
SUBSTEPS = 4


@dataclass(frozen=True)
class Model:
    """A vehicle of CommonRoad. vehicle: as the stack knows it. axle_m: how far ahead of it a solution's place lies.

    acceleration_mps2: the circle of forces; above switch_mps the engine's power is all there is.
    """

    name: str
    vehicle: Vehicle
    axle_m: float
    acceleration_mps2: float
    switch_mps: float
    fastest_mps: float


CAR = Model(
    'KS',
    Vehicle(
        wheelbase_m=WHEELBASE_M, front_m=LENGTH_M / 2.0 + AXLE_M, rear_m=LENGTH_M / 2.0 - AXLE_M, width_m=WIDTH_M,
        height_m=1.4,
        limits=Limits(
            speed_mps=36.0, acceleration_mps2=2.4, comfort_braking_mps2=2.5, hardest_braking_mps2=8.0,
            lateral_mps2=4.0, wheel_angle_rad=1.066, wheel_rate_rps=0.4, brake_lag_s=0.3,
        ),
    ),
    AXLE_M, 11.5, 7.319, 50.8,
)  # fmt: skip
# 16.5 m in all, 12.0 m of them behind the hitch; what is asked of it is that of config/vehicles/truck.yaml
TRUCK = Model(
    'KST',
    Vehicle(
        wheelbase_m=3.6, front_m=4.5, rear_m=0.6, width_m=2.55, height_m=3.6,
        trailer=Trailer(present=True, length_m=8.1, hitch_ahead_m=0.0, behind_axle_m=3.9, ahead_of_hitch_m=1.6),
        limits=Limits(
            speed_mps=22.0, acceleration_mps2=1.0, comfort_braking_mps2=1.5, hardest_braking_mps2=4.5,
            lateral_mps2=1.5, wheel_angle_rad=0.55, wheel_rate_rps=0.71, brake_lag_s=0.5,
        ),
    ),
    0.0, 11.5, 7.824, 22.22,
)  # fmt: skip
MODELS = {'car': CAR, 'truck': TRUCK}
VEHICLE = CAR.vehicle


@dataclass(frozen=True)
class State:
    """Of the middle of the rear axle: place [m], angle of the front wheels, speed, heading.

    hitch_rad: heading of the trailer minus that of the tractor.
    """

    x_m: float
    y_m: float
    wheel_rad: float
    speed_mps: float
    heading_rad: float
    hitch_rad: float = 0.0
    of: Model = CAR

    @property
    def middle(self) -> np.ndarray:
        """(2,) the place that a solution tells: of a car the middle of the box."""
        ahead = self.of.axle_m
        return np.array([self.x_m + ahead * np.cos(self.heading_rad), self.y_m + ahead * np.sin(self.heading_rad)])

    @property
    def turn_rate_rps(self) -> float:
        """How fast the heading changes."""
        return float(self.speed_mps * np.tan(self.wheel_rad) / self.of.vehicle.wheelbase_m)

    @property
    def trailer_pose(self) -> np.ndarray:
        """(3,) x y heading of the trailer's axle."""
        pose = np.array([self.x_m, self.y_m, self.heading_rad])
        return trailer_poses(pose, np.array(self.hitch_rad), self.of.vehicle.trailer)

    @property
    def boxes(self) -> list[np.ndarray]:
        """(5,) x y heading length width of each body: the car, or the tractor and then the trailer."""
        vehicle = self.of.vehicle
        found = [_box(np.array([self.x_m, self.y_m, self.heading_rad]), body_of(vehicle))]
        if vehicle.trailer.present:
            found.append(_box(self.trailer_pose, body_of_trailer(vehicle.trailer)))
        return found


def _box(pose: np.ndarray, body: Body) -> np.ndarray:
    ahead = body.middle_m * np.array([np.cos(pose[2]), np.sin(pose[2])])
    return np.array([*(pose[:2] + ahead), pose[2], body.front_m + body.rear_m, body.width_m])


def state_at(middle: np.ndarray, heading_rad: float, speed_mps: float, turn_rate_rps: float, of: Model = CAR) -> State:
    """Return the state at a place of a solution; wheels as the turn asks, straight at rest; the trailer is behind."""
    most = of.vehicle.limits.wheel_angle_rad
    wheel = np.arctan(turn_rate_rps * of.vehicle.wheelbase_m / speed_mps) if speed_mps > 0.5 else 0.0
    x, y = middle - of.axle_m * np.array([np.cos(heading_rad), np.sin(heading_rad)])
    return State(float(x), float(y), float(np.clip(wheel, -most, most)), speed_mps, heading_rad, of=of)


def seen(middle: np.ndarray, wheel_rad: float, speed_mps: float, heading_rad: float) -> State:
    """Return the state of a car of which a solution tells the middle of its box."""
    x, y = middle - AXLE_M * np.array([np.cos(heading_rad), np.sin(heading_rad)])
    return State(float(x), float(y), wheel_rad, speed_mps, heading_rad)


def within(state: State, wheel_rps: float, acceleration: float, step_s: float) -> tuple[float, float]:
    """Return steering rate and acceleration as near to those wanted as the model can do; it does not roll backwards."""
    of, limits = state.of, state.of.vehicle.limits
    low, high = (side * limits.wheel_angle_rad - state.wheel_rad for side in (-1.0, 1.0))
    wheel_rps = min(max(wheel_rps, low / step_s, -limits.wheel_rate_rps), high / step_s, limits.wheel_rate_rps)
    turning = min(abs(state.speed_mps * state.turn_rate_rps), FRICTION * of.acceleration_mps2)
    most = float(np.sqrt((FRICTION * of.acceleration_mps2) ** 2 - turning**2))
    engine = most if state.speed_mps <= of.switch_mps else of.acceleration_mps2 * of.switch_mps / state.speed_mps
    upper = min(most, engine, (of.fastest_mps - state.speed_mps) / step_s)
    return wheel_rps, max(min(acceleration, upper), -most, -max(state.speed_mps, 0.0) / step_s)


def moved(state: State, wheel_rps: float, acceleration: float, step_s: float) -> State:
    """Return the state after a step of constant inputs (Runge-Kutta of fourth order)."""
    vehicle = state.of.vehicle
    towing = vehicle.trailer.present

    def rates(values: np.ndarray) -> np.ndarray:
        _, _, wheel, speed, heading, hitch = values
        return np.array([
            speed * np.cos(heading), speed * np.sin(heading), wheel_rps, acceleration,
            speed * np.tan(wheel) / vehicle.wheelbase_m,
            articulation_rate(hitch, wheel, speed, vehicle) if towing else 0.0,
        ])  # fmt: skip

    at = np.array([state.x_m, state.y_m, state.wheel_rad, state.speed_mps, state.heading_rad, state.hitch_rad])
    part = step_s / SUBSTEPS
    for _ in range(SUBSTEPS):
        first = rates(at)
        second = rates(at + 0.5 * part * first)
        third = rates(at + 0.5 * part * second)
        last = rates(at + part * third)
        at = at + part / 6.0 * (first + 2.0 * second + 2.0 * third + last)
    x, y, wheel, speed, heading, hitch = at.tolist()
    speed = max(speed, 0.0) if acceleration < 0.0 else speed
    return replace(state, x_m=x, y_m=y, wheel_rad=wheel, speed_mps=speed, heading_rad=heading, hitch_rad=hitch)


def followed(state: State, plan: Trajectory, at_s: float, step_s: float) -> tuple[State, float]:
    """Return the state a step later, and the acceleration, of who follows a plan that is `at_s` old.

    Wheels and speed come to those of the plan at the end of the step, as far as the car can do that.
    """
    end_s = at_s + step_s
    wheel = float(np.interp(end_s, plan.times_s, plan.wheel_angles_rad))
    speed = float(np.interp(end_s, plan.times_s, plan.speeds_mps))
    inputs = within(state, (wheel - state.wheel_rad) / step_s, (speed - state.speed_mps) / step_s, step_s)
    return moved(state, *inputs, step_s), inputs[1]
