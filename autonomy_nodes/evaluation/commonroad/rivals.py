"""Planners of others on a scenario, in the Python of .venv-benchmark: lines of JSON as with clerk.py.

{"do": "reactive_planner", "path": ..., "seconds": ...} gives `states` (step, x, y, wheel, speed, heading of the box's
middle, as far as it came), `planning_s` (CPU time, of the plan that begins at that state, 0 where it goes on with the
last one) and `why` it ended early, '' for none; {"do": "frenetix", ...} likewise. Both are told the recorded future of
all others, as the examples of the former do: no prediction is theirs.
"""

import logging
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from clerk import answering, opened
from commonroad_rp.reactive_planner import ReactivePlanner
from commonroad_rp.state import ReactivePlannerState
from commonroad_rp.utility.config import ReactivePlannerConfiguration
from commonroad_rp.utility.utils_coordinate_system import create_coordinate_system, create_initial_ref_path
from sampler import driven_states

REAR_M = 1.4227170936  # from the rear axle to the middle of the box
AXLES_M = 1.1561957064 + REAR_M
BEFORE_M, ON_M = 20.0, 150.0
STATES = Iterator[tuple[ReactivePlannerState, float]]


def reactive_planner(path: str, seconds: float) -> dict:
    """Drive as commonroad-reactive-planner does, with its defaults, one process; `seconds` of CPU time at most."""
    return driven(path, seconds, _reactive)


def _reactive(scenario: Any, problem: Any) -> STATES:
    """Yield the states of the middle of the rear axle, and the CPU time of the plan that leads on from each.

    The loop is that of its documentation: a plan each third step, whose states are driven exactly.
    """
    config = ReactivePlannerConfiguration()
    config.debug.multiproc = False
    config.debug.logging_level = 'ERROR'
    config.planning.dt = scenario.dt
    config.update(scenario=scenario, planning_problem=problem)
    line = on_both_ends(create_initial_ref_path(scenario.lanelet_network, problem))
    planner = ReactivePlanner(config)
    planner.set_reference_path(coordinate_system=create_coordinate_system(line))
    planner.record_state_and_input(planner.x_0)
    every, plan, at = config.planning.replanning_frequency, None, 0
    while True:
        took_s = 0.0
        if plan is None or at == every:
            began = time.process_time()
            planner.set_desired_velocity(current_speed=planner.x_0.velocity)
            plan, at = planner.plan(), 0
            took_s = time.process_time() - began
        yield planner.x_0, took_s
        if plan is None:
            raise ValueError('no plan')
        at += 1
        planner.record_state_and_input(plan[0].state_list[at])
        planner.reset(
            initial_state_cart=planner.record_state_list[-1], initial_state_curv=(plan[1][at], plan[2][at]),
            collision_checker=planner.collision_checker, coordinate_system=planner.coordinate_system,
        )  # fmt: skip


def frenetix(path: str, seconds: float) -> dict:
    """Drive as the sampler Frenetix with a short driver about it does, one thread; `seconds` of CPU time at most."""
    return driven(path, seconds, _sampled)


def _sampled(scenario: Any, problem: Any) -> STATES:
    line = on_both_ends(create_initial_ref_path(scenario.lanelet_network, problem))
    smooth = np.ascontiguousarray(create_coordinate_system(line).reference)
    first = ReactivePlannerState.create_from_initial_state(problem.initial_state, AXLES_M, REAR_M)
    yield from driven_states(scenario, first, problem, smooth)


def on_both_ends(line: np.ndarray) -> np.ndarray:
    """Return a line (N, 2) that goes straight on at its ends: our rear axle may stand before it, plans go on behind."""
    ahead, behind = line[-1] - line[-2], line[0] - line[1]
    first, last = (np.outer(np.linspace(1.0, 0.0, 20, endpoint=False) * far, step / np.hypot(*step))
                   for far, step in ((BEFORE_M, behind), (ON_M, ahead)))  # fmt: skip
    return np.concatenate([line[0] + first, line, line[-1] + last[::-1]])


def driven(path: str, seconds: float, drive: Any) -> dict:
    """Return the states of who drives until the goal, the last step, or the end of time; why where it ended so."""
    scenario, _, problem = opened(path)
    problem = deepcopy(problem)  # they change its first state
    start, states, plans = problem.initial_state, [], []
    last = max(getattr(goal.time_step, 'end', goal.time_step) for goal in problem.goal.state_list)
    turn = float(getattr(start, 'yaw_rate', 0.0) or 0.0)
    wheel = np.arctan2(AXLES_M * turn, start.velocity) if start.velocity > 0.5 else 0.0
    first = [start.time_step, *start.position.tolist(), float(wheel), float(start.velocity), float(start.orientation)]
    error, began = '', time.process_time()
    try:
        for state, took_s in drive(scenario, problem):
            middle = ReactivePlannerState.shift_state_to_center(state, REAR_M)
            states.append([int(middle.time_step), *map(float, middle.position), float(middle.steering_angle),
                           float(middle.velocity), float(middle.orientation)])  # fmt: skip
            plans.append(took_s)
            if problem.goal.is_reached(middle) and len(states) > 1 or middle.time_step >= last:
                break
            if time.process_time() - began > seconds:
                raise TimeoutError(f'more than {seconds:.0f} s')
    except Exception as why:  # who fails is scored as failed, whatever it was
        error = f'{type(why).__name__}: {why}'
    return {'states': states or [first], 'planning_s': plans[: len(states)], 'why': error}


if __name__ == '__main__':
    logging.disable(logging.CRITICAL)
    answering({'reactive_planner': reactive_planner, 'frenetix': frenetix})
