"""The tools of CommonRoad behind lines of JSON: read a scenario, write a solution and judge it.

A script for the Python of .venv-benchmark (make benchmark), which has nothing of the stack. A line of standard input
asks, a line of standard output answers: {"do": "read", ...}, "judge", "bodies"; what fails gives {"error": why}.
Positions are those of the scenario, of the middle of a box, of a truck of its drive axle [m]; angles in radians;
steps count from its first step.
"""

import json
import lzma
import os
import sys
import tempfile
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from commonroad.common.file_reader import CommonRoadFileReader
from commonroad.common.solution import (
    CommonRoadSolutionReader,
    CommonRoadSolutionWriter,
    CostFunction,
    PlanningProblemSolution,
    Solution,
    StateType,
    VehicleModel,
    VehicleType,
)
from commonroad.geometry.shape import Circle, Rectangle, ShapeGroup
from commonroad.scenario.state import KSState, KSTState
from commonroad.scenario.traffic_sign import SupportedTrafficSignCountry
from commonroad.scenario.traffic_sign_interpreter import TrafficSignInterpreter
from commonroad.scenario.trajectory import Trajectory
from commonroad_dc.collision.collision_detection.pycrcc_collision_dispatch import create_collision_object
from commonroad_dc.feasibility import solution_checker as official
from commonroad_dc.feasibility.vehicle_dynamics import VehicleDynamics
from commonroad_dc.pycrcc import RectOBB, TimeVariantCollisionObject
from shapely.geometry import Polygon
from shapely.ops import unary_union

VEHICLES = {'KS': VehicleType.BMW_320i, 'KST': VehicleType.TRUCK}
SLACK_M = 0.05  # by which a body may reach beyond the lanes: bounds of neighbours leave gaps
WRITTEN = datetime(2000, 1, 1)  # of every solution: the same answer is the same bytes


@lru_cache(maxsize=1)
def opened(path: str) -> tuple[Any, Any, Any]:
    """Return scenario, problem set and the first planning problem of an .xml or .xml.xz."""
    packed = Path(path).read_bytes()
    told = lzma.decompress(packed) if path.endswith('.xz') else packed
    with tempfile.NamedTemporaryFile(suffix='.xml') as plain:
        plain.write(told)
        plain.flush()
        scenario, problems = CommonRoadFileReader(plain.name).open()
    return scenario, problems, min(problems.planning_problem_dict.values(), key=lambda p: p.planning_problem_id)


def read(path: str) -> dict:
    """Return a scenario and its first planning problem as plain values."""
    scenario, _, problem = opened(path)
    start = problem.initial_state
    goals = [goal_of(problem.goal, number) for number in range(len(problem.goal.state_list))]
    return {
        'id': str(scenario.scenario_id), 'dt_s': float(scenario.dt), 'problem': problem.planning_problem_id,
        'start': {
            'step': start.time_step, 'xy': start.position.tolist(), 'heading': float(start.orientation),
            'speed': float(start.velocity), 'turn_rate': float(getattr(start, 'yaw_rate', 0.0) or 0.0),
        },
        'goals': goals, 'lanelets': lanelets_of(scenario),
        'obstacles': [obstacle_of(each, start.time_step) for each in
                      sorted(scenario.obstacles, key=lambda obstacle: obstacle.obstacle_id)],
    }  # fmt: skip


def goal_of(goal: Any, number: int) -> dict:
    """Return one goal: steps, and where they are told places (outlines), headings, speeds: each as [low, high]."""
    state = goal.state_list[number]
    place = getattr(state, 'position', None)
    shapes = place.shapes if isinstance(place, ShapeGroup) else [place] if place is not None else []
    if isinstance(state.time_step, int):
        steps = [state.time_step, state.time_step]
    else:
        steps = [int(state.time_step.start), int(state.time_step.end)]
    return {
        'steps': steps, 'places': [outline(shape).tolist() for shape in shapes],
        'headings': between(getattr(state, 'orientation', None)), 'speeds': between(getattr(state, 'velocity', None)),
        'lanelets': [int(id_) for id_ in (goal.lanelets_of_goal_position or {}).get(number, [])],
    }  # fmt: skip


def between(interval: Any) -> list[float] | None:
    """Return both ends of an interval."""
    return None if interval is None else [float(interval.start), float(interval.end)]


def outline(shape: Any) -> np.ndarray:
    """Return (N, 2) corners of a shape."""
    return np.array(shape.shapely_object.exterior.coords)[:-1]


def lanelets_of(scenario: Any) -> list[dict]:
    """Return the lanelets: bounds in the direction of travel, what follows, what lies beside."""
    network = scenario.lanelet_network
    try:
        country = SupportedTrafficSignCountry(scenario.scenario_id.country_id)
        signs = TrafficSignInterpreter(country, network)
    except ValueError:
        signs = None
    found = []
    for lanelet in sorted(network.lanelets, key=lambda each: each.lanelet_id):
        limit = None if signs is None else signs.speed_limit(frozenset({lanelet.lanelet_id}))
        found.append({
            'id': lanelet.lanelet_id, 'left': lanelet.left_vertices.tolist(), 'right': lanelet.right_vertices.tolist(),
            'successors': list(lanelet.successor), 'speed_limit': limit,
            'left_lane': lanelet.adj_left if lanelet.adj_left_same_direction else None,
            'left_line': lanelet.line_marking_left_vertices.value,
            'right_line': lanelet.line_marking_right_vertices.value,
        })  # fmt: skip
    return found


def obstacle_of(obstacle: Any, first_step: int) -> dict:
    """Return an obstacle: boxes at the steps at which it is there, [step, x, y, heading, length, width, speed].

    One that stands for all time has one box. What is no rectangle is told by the smallest one about it.
    """
    moves = getattr(obstacle, 'prediction', None) is not None
    steps = range(first_step, obstacle.prediction.final_time_step + 1) if moves else [first_step]
    boxes = []
    for step in steps:
        occupied = obstacle.occupancy_at_time(step)
        if occupied is not None:
            state = obstacle.state_at_time(step)
            heading, speed = (number(getattr(state, name, None)) for name in ('orientation', 'velocity'))
            boxes.append([step, *box_of(occupied.shape, heading), speed])
    always = type(obstacle).__name__ == 'StaticObstacle'
    return {'id': obstacle.obstacle_id, 'kind': obstacle.obstacle_type.value, 'always': always, 'boxes': boxes}


def number(value: Any) -> float | None:
    """Return a value that is told exactly, None for an interval or none."""
    return float(value) if isinstance(value, (int, float, np.number)) else None


def box_of(shape: Any, heading: float | None) -> list[float]:
    """Return x y heading length width of a rectangle, else of the smallest one about a shape, along its heading."""
    if isinstance(shape, Rectangle):
        return [*map(float, shape.center), float(shape.orientation), float(shape.length), float(shape.width)]
    if isinstance(shape, Circle):
        return [*map(float, shape.center), float(heading or 0.0), 2.0 * shape.radius, 2.0 * shape.radius]
    shapes = shape.shapes if isinstance(shape, ShapeGroup) else [shape]
    corners = np.concatenate([outline(each) for each in shapes])
    turn = float(heading or 0.0)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    there = corners @ axes.T
    low, high = there.min(axis=0), there.max(axis=0)
    middle = 0.5 * (low + high) @ axes
    return [*middle.tolist(), turn, *(high - low).tolist()]


def judge(path: str, states: list[list[float]], solution: str, model: str = 'KS') -> dict:
    """Write (step, x, y, wheel, speed, heading) states as a solution, for KST hitch too; tell what it is worth."""
    scenario, problems, problem = opened(path)
    drive = [state_of(*values) for values in states]
    trajectory = Trajectory(drive[0].time_step, drive)
    told = PlanningProblemSolution(
        problem.planning_problem_id, VehicleModel[model], VEHICLES[model], CostFunction.TR1, trajectory
    )
    Path(solution).write_text(CommonRoadSolutionWriter(Solution(scenario.scenario_id, [told], WRITTEN)).dump())
    answer = Reader.open(solution)  # what anyone will read is judged
    found = verdict(scenario, problems, answer)
    size = VehicleDynamics.from_model(VehicleModel[model], VEHICLES[model]).shape
    road, obstacles = solids(path)
    hits, off_road, goal = {}, None, None
    for state in answer.planning_problem_solutions[0].trajectory.state_list:
        step, body = state.time_step, TimeVariantCollisionObject(state.time_step)
        body.append_obstacle(RectOBB(size.length / 2, size.width / 2, state.orientation, *map(float, state.position)))
        for id_, obstacle in obstacles:
            if id_ not in hits and obstacle.collide(body):
                hits[id_] = step
        off_road = step if off_road is None and road.collide(body) else off_road
        goal = step if goal is None and problem.goal.is_reached(state) else goal
    return found | {'contacts': [[step, id_] for id_, step in hits.items()], 'off_road': off_road, 'goal': goal}


class Reader(CommonRoadSolutionReader):
    """The reader of solutions, which in its 2024.3 writes states of a truck and does not know them again."""

    @classmethod
    def _parse_state(cls, state_type: StateType, state_node: Any) -> Any:
        if state_type is not StateType.KST:
            return super()._parse_state(state_type, state_node)
        names = ('time', 'x', 'y', 'steeringAngle', 'velocity', 'orientation', 'hitch_angle')
        return state_of(*(cls._parse_sub_element(state_node, name) for name in names))


def state_of(
    step: float, x: float, y: float, wheel: float, speed: float, heading: float, hitch: float | None = None
) -> KSState | KSTState:
    """Return a state of a solution, of a truck where its hitch is told."""
    told = {'position': np.array([x, y]), 'steering_angle': wheel, 'velocity': speed, 'orientation': heading}
    if hitch is None:
        return KSState(time_step=int(step), **told)
    return KSTState(time_step=int(step), hitch_angle=hitch, **told)


def bodies(path: str, first: int, boxes: list[list[list[float]]], lanes: list[list[list[float]]]) -> dict:
    """Tell what the checker leaves out: whom the bodies of a truck touch, and when they leave the lanes.

    boxes: (T, B, 5) x y heading length width from step `first` on. lanes: outlines, on where the map ends. Returns
    contacts [step, id, number of the body], the first of each obstacle; off_road: [step, number] of the first, or None.
    """
    _, obstacles = solids(path)
    ground = unary_union([Polygon(lane).buffer(SLACK_M) for lane in lanes])
    hits: dict[int, tuple[int, int]] = {}
    off_road, beyond = None, 0.0
    for step, there in enumerate(boxes, first):
        for number, (x, y, heading, length, width) in enumerate(there):
            rectangle = Rectangle(length, width, np.array([x, y]), heading).shapely_object
            if not ground.covers(rectangle):
                off_road = off_road or [step, number]
                beyond = max(beyond, rectangle.hausdorff_distance(rectangle.intersection(ground)))
            body = TimeVariantCollisionObject(step)
            body.append_obstacle(RectOBB(length / 2, width / 2, heading, x, y))
            for id_, obstacle in obstacles:
                if id_ not in hits and obstacle.collide(body):
                    hits[id_] = (step, number)
    return {'contacts': [[step, id_, number] for id_, (step, number) in hits.items()], 'off_road': off_road,
            'beyond_m': beyond}  # fmt: skip


@lru_cache(maxsize=1)
def solids(path: str) -> tuple[Any, list[tuple[int, Any]]]:
    """Return what the checker holds against a body: the road's edge, and each obstacle."""
    scenario, _, _ = opened(path)
    users = sorted(scenario.obstacles, key=lambda each: each.obstacle_id)
    found = [(each.obstacle_id, create_collision_object(each)) for each in users]
    return official._construct_boundary_checker(scenario), found


def verdict(scenario: Any, problems: Any, answer: Any) -> dict:
    """Return what `valid_solution` says and why; whether the car can drive so it asks only where the rest is right.

    broken: the step at whose end the car could not be where it is told to be.
    """
    try:
        valid, results = official.valid_solution(scenario, problems, answer)
    except official.SolutionCheckerException as error:
        return {'valid': False, 'why': str(error).splitlines()[0], 'feasible': None, 'broken': None}
    feasible, inputs, _ = next(iter(results.values()))
    broken = None if feasible else inputs.state_list[-1].time_step
    why = '' if valid else 'not feasible'
    return {'valid': bool(valid), 'why': why, 'feasible': bool(feasible), 'broken': broken}


def answering(tasks: dict[str, Any]) -> None:
    """Answer until nobody asks; what the tools print goes to standard error."""
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            found = tasks[asked.pop('do')](**asked)
        except Exception as error:  # the stack's side tells of which scenario
            found = {'error': f'{type(error).__name__}: {error}'}
        out.write(json.dumps(found) + '\n')
        out.flush()


if __name__ == '__main__':
    answering({'read': read, 'judge': judge, 'bodies': bodies})
