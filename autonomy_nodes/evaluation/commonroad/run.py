"""One scenario driven from its start to the goal or to its last step, and what it was like."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autonomy_nodes.evaluation.commonroad import car
from autonomy_nodes.evaluation.commonroad.blame import is_own
from autonomy_nodes.evaluation.commonroad.drivers import Answer, Driver
from autonomy_nodes.evaluation.commonroad.scenario import Scenario, Target

WALL_S = 120.0
BRAKING_MPS2, ACCELERATION_MPS2, SIDEWAYS_MPS2 = -4.05, 2.40, 4.89  # bounds of comfort, docs of nuPlan's metrics
HALF = 0.5  # of them for a truck
BODIES = ('', ' by the trailer')


@dataclass(eq=False)
class Run:
    """What was driven. states: one a step from the first on. answers: one a step but the last. error: why it ended."""

    first_step: int
    states: list[car.State]
    answers: list[Answer] = field(default_factory=list)
    error: str = ''

    def rows(self) -> list[list[float]]:
        """Return step, x, y, wheel, speed, heading, and hitch of who tows, as a solution has them."""
        return [
            [self.first_step + n, *state.middle.tolist(), state.wheel_rad, state.speed_mps, state.heading_rad,
             *([state.hitch_rad] if state.of.vehicle.trailer.present else [])]
            for n, state in enumerate(self.states)
        ]  # fmt: skip

    def box(self, step: int, body: int = 0) -> np.ndarray:
        """Return our (5,) box at a step; body 1 is the trailer."""
        return self.states[step - self.first_step].boxes[body]


def driven(scenario: Scenario, driver: Driver, model: car.Model = car.CAR) -> Run:
    """Drive until the goal is reached or can no longer be; a driver that fails or takes too long ends it."""
    start, began = scenario.start, time.monotonic()
    run = Run(start.step, [car.state_at(start.xy, start.heading_rad, start.speed_mps, start.turn_rate_rps, model)])
    for step in range(start.step, scenario.last_step + 1):
        state = run.states[-1]
        if step > start.step and scenario.reached(step, state.middle, state.heading_rad, state.speed_mps):
            break
        if step == scenario.last_step:
            break
        if time.monotonic() - began > WALL_S:
            run.error = f'more than {WALL_S:.0f} s'
            break
        try:
            answer = driver.drive(state, step)
        except Exception as error:  # a driver that fails is scored as failed, whoever it is
            run.error = f'{type(error).__name__}: {error}'
            break
        run.answers.append(answer)
        run.states.append(answer.state)
    return run


def run_of(told: dict[str, Any]) -> Run:
    """Return what another planner drove, as rivals.py tells it."""
    states = [car.seen(np.array([x, y]), wheel, speed, heading) for _, x, y, wheel, speed, heading in told['states']]
    answers = [Answer(state, planning_s=took_s) for state, took_s in zip(states, told['planning_s'])]
    return Run(int(told['states'][0][0]), states, answers, told['why'])


def own_contacts(scenario: Scenario, run: Run, contacts: Sequence[Sequence[int]]) -> int:
    """Return how many of the (step, obstacle) that the checker tells are our own fault.

    Of a truck (step, obstacle, body): whom it touches as it is put on the road is nobody's fault.
    """
    users = {user.id: user for user in scenario.users}
    own = 0
    for step, id_, *body in contacts:
        told = users[id_].at(step) if id_ in users else None
        if body and step == run.first_step:
            continue
        speed = run.states[step - run.first_step].speed_mps
        own += told is not None and is_own(run.box(step, *body), speed, told[0], told[1], scenario.lanes)
    return own


def comfort(run: Run, dt_s: float) -> dict[str, float]:
    """Return accelerations and jerk as driven: along and across the heading, a value a step."""
    speeds = np.array([state.speed_mps for state in run.states])
    turns = np.array([state.turn_rate_rps for state in run.states])
    along = np.diff(speeds) / dt_s if len(speeds) > 1 else np.zeros(1)
    across = np.abs(speeds * turns)
    jerk = np.diff(along) / dt_s
    part = HALF if run.states[0].of.vehicle.trailer.present else 1.0
    bounds = part * BRAKING_MPS2, part * ACCELERATION_MPS2, part * SIDEWAYS_MPS2
    held = along.min() >= bounds[0] and along.max() <= bounds[1] and across.max() <= bounds[2]
    return {
        'jerk_rms_mps3': float(np.sqrt((jerk**2).mean())) if len(jerk) else 0.0, 'lateral_mps2': float(across.max()),
        'braking_mps2': float(along.min()), 'acceleration_mps2': float(along.max()), 'bounds_held': float(held),
    }  # fmt: skip


def reason(scenario: Scenario, run: Run, has_way: bool, told: dict[str, Any], own: int) -> str:
    """Return the class of what went wrong first, '' for nothing: the first that applies, in this order."""
    if run.error:
        return f'driver failed: {run.error[:60]}'
    who = 'own fault' if own else 'hit by others'
    events = [(step, who + ''.join(BODIES[n] for n in body)) for step, _, *body in told['contacts'][:1]]
    events += [(told['off_road'], 'off road' + BODIES[told.get('off_body', 0)])] if told['off_road'] is not None else []
    if events:
        step, words = min(events)
        at_start = ' at the start' if 'off_body' in told and step == run.first_step else ''
        return ('' if has_way else 'no way, ') + words + at_start
    if told['goal'] is None:
        return missed(scenario, run) if has_way else 'no way'
    if told['feasible'] is False:
        return 'not feasible'
    return '' if told['valid'] else f'not valid: {told["why"][:60]}'


def missed(scenario: Scenario, run: Run) -> str:
    """Return what of the goal was not as wanted at the state that came nearest to all of it.

    A place passed at another time is told as time, where all else was right; who was not there was short of it, past
    it or beside it.
    """
    best: tuple[int, bool, str] = (9, True, '')
    for n, state in enumerate(run.states):
        for target in scenario.targets:
            misses = target.misses(run.first_step + n, state.middle, state.heading_rad, state.speed_mps)
            if misses == ('time',) or 'time' not in misses:
                words = ' and '.join(_where(state, target) if what == 'place' else what for what in misses)
                best = min(best, (len(misses), misses != ('time',), words), key=lambda told: told[:2])
    return f'missed the goal: {best[2]}'


def _where(state: car.State, target: Target) -> str:
    """Return on which side of the nearest place of a goal the car is."""
    middles = [place.mean(axis=0) - state.middle for place in target.places]
    gap = min(middles, key=lambda middle: float(np.hypot(*middle)))
    along, across = (float(gap @ axis) for axis in _axes(state.heading_rad))
    if abs(across) > abs(along):
        return 'beside the place'
    return 'short of the place' if along > 0.0 else 'past the place'


def _axes(heading_rad: float) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return np.array([cos, sin]), np.array([-sin, cos])
