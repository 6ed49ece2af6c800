"""A driver about Frenetix, the C++ sampler of TUM (Werling et al. 2010), in the Python of .venv-benchmark.

The package samples, checks what the car can do, and weighs; what its motion planner has about it is done here in short:
densities, weights and horizon of its configuration (3 s, 9 speeds, 9 offsets of -3 to 3 m, weights of cost.yaml), a
speed that arrives in the middle of the goal's window, contact asked of one sample after another, the cheapest first.
"""

import itertools
import time
from typing import Any

import frenetix
import frenetix.trajectory_functions as functions
import frenetix.trajectory_functions.cost_functions as costs
import frenetix.trajectory_functions.feasability_functions as limits
import numpy as np
from commonroad_dc.boundary.boundary import create_road_boundary_obstacle
from commonroad_dc.collision.collision_detection.pycrcc_collision_dispatch import create_collision_checker
from commonroad_dc.pycrcc import RectOBB, TimeVariantCollisionObject
from commonroad_rp.state import ReactivePlannerState
from commonroad_rp.utility.config import VehicleConfiguration

HORIZON_S, SOONEST_S, ASIDE_M, COUNT = 3.0, 1.1, 3.0, 9
EVERY = 3  # steps from plan to plan, as of the other planner
CRAWL_MPS, STANDS_MPS = 2.0, 0.05
SIGMA_M = 0.1  # of the others' futures, which are told
CAR = VehicleConfiguration()


class Frenetix:
    """Plans on one scenario along a line (N, 2)."""

    def __init__(self, scenario: Any, problem: Any, line: np.ndarray) -> None:
        self._scenario, self._goal, self._line = scenario, problem.goal.state_list[0], line
        self._lines = frenetix.CoordinateSystemWrapper(line)
        self._checker = create_collision_checker(scenario)
        self._checker.add_collision_object(create_road_boundary_obstacle(scenario)[1])

    def plan(self, state: ReactivePlannerState) -> list[ReactivePlannerState] | None:
        """Return states from the next step on, the cheapest that touches nothing; None where there is none."""
        slow = bool(state.velocity < CRAWL_MPS)
        at = frenetix.TrajectorySample(
            x0=float(state.position[0]), y0=float(state.position[1]), orientation0=float(state.orientation),
            acceleration0=float(state.acceleration), velocity0=float(state.velocity),
        )  # fmt: skip
        functions.ComputeInitialState(
            coordinateSystem=self._lines, wheelBase=CAR.wheelbase, steeringAngle=float(state.steering_angle),
            lowVelocityMode=slow,
        ).evaluate_trajectory(at)  # fmt: skip
        here = at.curvilinear
        along, aside = ([float(np.ravel(getattr(here, f'{axis}{order}'))[0]) for order in ('', '_dot', '_ddot')]
                        for axis in 'sd')  # fmt: skip
        handler = self._handler(state, along[0], slow)
        least = max(0.001, state.velocity - CAR.a_max * HORIZON_S)
        speeds = {*np.linspace(least, state.velocity + CAR.a_max / 6.0 * HORIZON_S, COUNT), along[1]}
        offsets = {*np.linspace(-ASIDE_M, ASIDE_M, COUNT), aside[0]}
        times = {*np.round(np.arange(SOONEST_S, HORIZON_S, 0.3), 2), HORIZON_S}
        values = itertools.product(
            [0.0], sorted(times), *([value] for value in along), sorted(speeds), [0.0],
            *([value] for value in aside), sorted(offsets), [0.0], [0.0],
        )  # fmt: skip
        handler.generate_trajectories(np.array(list(values)), slow)
        handler.evaluate_all_current_functions(True)
        for sample in handler.get_sorted_trajectories():
            if sample.feasible and not self._touches(sample.cartesian, state.time_step):
                return self._states(sample.cartesian, state.time_step)
        return None

    def _handler(self, state: ReactivePlannerState, station_m: float, slow: bool) -> Any:
        handler = frenetix.TrajectoryHandler(dt=self._scenario.dt)
        handler.add_feasability_function(limits.CheckYawRateConstraint(CAR.delta_max, CAR.wheelbase, False))
        handler.add_feasability_function(limits.CheckAccelerationConstraint(CAR.v_switch, CAR.a_max, False))
        handler.add_feasability_function(limits.CheckCurvatureConstraint(CAR.delta_max, CAR.wheelbase, False))
        handler.add_feasability_function(limits.CheckCurvatureRateConstraint(CAR.wheelbase, CAR.v_delta_max, False))
        handler.add_function(functions.FillCoordinates(slow, float(state.orientation), self._lines, HORIZON_S))
        handler.add_cost_function(costs.CalculateLateralJerkCost('lateral_jerk', 1.0))
        handler.add_cost_function(costs.CalculateLongitudinalJerkCost('longitudinal_jerk', 1.0))
        handler.add_cost_function(costs.CalculateDistanceToReferencePathCost('distance_to_reference_path', 3.0))
        handler.add_cost_function(costs.CalculateVelocityOffsetCost(
            'velocity_offset', 1.0, self._wanted(state, station_m), self._scenario.dt, SOONEST_S, False, 2
        ))  # fmt: skip
        handler.add_cost_function(costs.CalculateCollisionProbabilityFast(
            'prediction', 200.0, self._futures(state.time_step), CAR.length, CAR.width, CAR.wb_rear_axle
        ))  # fmt: skip
        return handler

    def _wanted(self, state: ReactivePlannerState, station_m: float) -> float:
        """Return the speed that comes to the middle of the goal in the middle of its time, within 5 m/s of ours."""
        place, steps = getattr(self._goal, 'position', None), self._goal.time_step
        left_s = (0.5 * (steps.start + steps.end) - state.time_step) * self._scenario.dt
        if place is None or left_s <= 0.0 or not hasattr(place, 'shapely_object'):
            return float(state.velocity)
        middle = np.array(place.shapely_object.centroid.coords[0])
        gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(self._line, axis=0).T))])
        far = gone[int(np.argmin(np.hypot(*(self._line - middle).T)))] - station_m - CAR.wb_rear_axle
        return float(np.clip(far / left_s, max(state.velocity - 5.0, 0.0), state.velocity + 5.0))

    def _futures(self, step: int) -> dict[int, Any]:
        """Return where the others will be, as recorded."""
        found = {}
        spread = np.asfortranarray(np.diag([SIGMA_M**2, SIGMA_M**2, 0.0, 0.0, 0.0, 0.0]))
        for user in self._scenario.obstacles:
            states = [user.state_at_time(step + n) for n in range(1, round(HORIZON_S / self._scenario.dt) + 1)]
            states = list(itertools.takewhile(lambda state: state is not None, states))
            if not states or not hasattr(user.obstacle_shape, 'length'):
                continue
            path = []
            for state in states:
                turn = 0.5 * float(state.orientation)
                place = np.array([*state.position, 0.0], float)
                facing = np.array([0.0, 0.0, np.sin(turn), np.cos(turn)])
                path.append(frenetix.PoseWithCovariance(place, facing, spread))
            shape = user.obstacle_shape
            found[user.obstacle_id] = frenetix.PredictedObject(user.obstacle_id, path, shape.length, shape.width)
        return found

    def _touches(self, drive: Any, step: int) -> bool:
        body = TimeVariantCollisionObject(step)
        for x, y, turn in zip(drive.x, drive.y, drive.theta):
            middle = x + CAR.wb_rear_axle * np.cos(turn), y + CAR.wb_rear_axle * np.sin(turn)
            body.append_obstacle(RectOBB(CAR.length / 2.0, CAR.width / 2.0, turn, *middle))
        return bool(self._checker.collide(body))

    def _states(self, drive: Any, step: int) -> list[ReactivePlannerState]:
        return [
            ReactivePlannerState(
                time_step=step + n, position=np.array([x, y]), orientation=float(turn), velocity=max(float(v), 0.0),
                acceleration=float(a), steering_angle=float(np.arctan(CAR.wheelbase * bend)), yaw_rate=float(v * bend),
            )
            for n, (x, y, turn, v, a, bend) in enumerate(
                zip(drive.x, drive.y, drive.theta, drive.v, drive.a, drive.kappa)
            )
        ][1:]  # fmt: skip


def driven_states(scenario: Any, first: ReactivePlannerState, problem: Any, line: np.ndarray) -> Any:
    """Yield states and the CPU time of the plan that leads on; who finds none goes on with the last, or stands."""
    planner, state = Frenetix(scenario, problem, line), first
    plan: list[ReactivePlannerState] = []
    since = EVERY
    while True:
        took_s = 0.0
        if since >= EVERY:
            began = time.process_time()
            found = planner.plan(state)
            took_s = time.process_time() - began
            plan, since = (found, 0) if found else (plan, since)
        yield state, took_s
        if plan:
            state, plan, since = plan[0], plan[1:], since + 1
        elif state.velocity <= STANDS_MPS:
            state = ReactivePlannerState(**{name: getattr(state, name) for name in state.attributes})
            state.time_step, state.velocity, state.acceleration = state.time_step + 1, 0.0, 0.0
        else:
            raise ValueError('no plan')
