"""The car that drives: a BMW 320i (vehicle type 2 of CommonRoad) by the kinematic single-track model KS.

Parameters and model: Althoff, Koschi, Manzinger, CommonRoad: Composable benchmarks for motion planning on roads (2017),
and its vehicle models, 2020a. The model moves the middle of the rear axle; states of solutions are of the box's middle.
"""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.types import Trajectory
from autonomy_nodes.common.vehicle import Limits, Vehicle

LENGTH_M, WIDTH_M = 4.508, 1.610
AXLE_M = 1.4227170936  # the middle of the box lies so far ahead of the rear axle
WHEELBASE_M = 1.1561957064 + AXLE_M
WHEEL_RAD, WHEEL_RPS = 1.066, 0.4
ACCELERATION_MPS2, SWITCH_MPS, FASTEST_MPS = 11.5, 7.319, 50.8
FRICTION = 0.999  # of the circle of forces, so that rounding does not leave it
SUBSTEPS = 4

VEHICLE = Vehicle(
    wheelbase_m=WHEELBASE_M, front_m=LENGTH_M / 2.0 + AXLE_M, rear_m=LENGTH_M / 2.0 - AXLE_M, width_m=WIDTH_M,
    height_m=1.4,
    limits=Limits(
        speed_mps=36.0, acceleration_mps2=2.4, comfort_braking_mps2=2.5, hardest_braking_mps2=8.0, lateral_mps2=4.0,
        wheel_angle_rad=WHEEL_RAD, wheel_rate_rps=WHEEL_RPS, brake_lag_s=0.3,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """Of the middle of the rear axle: place [m], angle of the front wheels, speed, heading."""

    x_m: float
    y_m: float
    wheel_rad: float
    speed_mps: float
    heading_rad: float

    @property
    def middle(self) -> np.ndarray:
        """(2,) the middle of the box."""
        return np.array([self.x_m + AXLE_M * np.cos(self.heading_rad), self.y_m + AXLE_M * np.sin(self.heading_rad)])

    @property
    def turn_rate_rps(self) -> float:
        """How fast the heading changes."""
        return float(self.speed_mps * np.tan(self.wheel_rad) / WHEELBASE_M)


def state_at(middle: np.ndarray, heading_rad: float, speed_mps: float, turn_rate_rps: float) -> State:
    """Return the state of which the middle of the box is told; the wheels stand as the turn asks, straight at rest."""
    wheel = np.arctan(turn_rate_rps * WHEELBASE_M / speed_mps) if speed_mps > 0.5 else 0.0
    x, y = middle - AXLE_M * np.array([np.cos(heading_rad), np.sin(heading_rad)])
    return State(float(x), float(y), float(np.clip(wheel, -WHEEL_RAD, WHEEL_RAD)), speed_mps, heading_rad)


def within(state: State, wheel_rps: float, acceleration: float, step_s: float) -> tuple[float, float]:
    """Return steering rate and acceleration as near to those wanted as the car can do; it does not roll backwards."""
    low, high = (side * WHEEL_RAD - state.wheel_rad for side in (-1.0, 1.0))
    wheel_rps = min(max(wheel_rps, low / step_s, -WHEEL_RPS), high / step_s, WHEEL_RPS)
    turning = min(abs(state.speed_mps * state.turn_rate_rps), FRICTION * ACCELERATION_MPS2)
    most = float(np.sqrt((FRICTION * ACCELERATION_MPS2) ** 2 - turning**2))
    engine = most if state.speed_mps <= SWITCH_MPS else ACCELERATION_MPS2 * SWITCH_MPS / state.speed_mps
    upper = min(most, engine, (FASTEST_MPS - state.speed_mps) / step_s)
    return wheel_rps, max(min(acceleration, upper), -most, -max(state.speed_mps, 0.0) / step_s)


def moved(state: State, wheel_rps: float, acceleration: float, step_s: float) -> State:
    """Return the state after a step of constant inputs (Runge-Kutta of fourth order)."""

    def rates(values: np.ndarray) -> np.ndarray:
        _, _, wheel, speed, heading = values
        return np.array([
            speed * np.cos(heading), speed * np.sin(heading), wheel_rps, acceleration,
            speed * np.tan(wheel) / WHEELBASE_M,
        ])  # fmt: skip

    at = np.array([state.x_m, state.y_m, state.wheel_rad, state.speed_mps, state.heading_rad])
    part = step_s / SUBSTEPS
    for _ in range(SUBSTEPS):
        first = rates(at)
        second = rates(at + 0.5 * part * first)
        third = rates(at + 0.5 * part * second)
        last = rates(at + part * third)
        at = at + part / 6.0 * (first + 2.0 * second + 2.0 * third + last)
    x, y, wheel, speed, heading = at.tolist()
    return State(x, y, wheel, max(speed, 0.0) if acceleration < 0.0 else speed, heading)


def followed(state: State, plan: Trajectory, at_s: float, step_s: float) -> tuple[State, float]:
    """Return the state a step later, and the acceleration, of who follows a plan that is `at_s` old.

    Wheels and speed come to those of the plan at the end of the step, as far as the car can do that.
    """
    end_s = at_s + step_s
    wheel = float(np.interp(end_s, plan.times_s, plan.wheel_angles_rad))
    speed = float(np.interp(end_s, plan.times_s, plan.speeds_mps))
    inputs = within(state, (wheel - state.wheel_rad) / step_s, (speed - state.speed_mps) / step_s, step_s)
    return moved(state, *inputs, step_s), inputs[1]
