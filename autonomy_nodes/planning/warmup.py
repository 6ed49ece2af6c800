"""Compile the loops of planning before the first predictions come: seconds once a machine, a moment from then on."""

from dataclasses import replace

import numpy as np

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS, Grid
from autonomy_nodes.common.lanes import PIECE_POINTS, LaneMatch, LanePieces, Line
from autonomy_nodes.common.objects import Label, Predictions, no_objects
from autonomy_nodes.common.types import SECOND_NS, EgoState, Goal
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.situation import Situation

CELLS, CELL_M = 100, 0.4
PREDICTED, STEP_S = 17, 0.5


def warm(config: PlannerConfig) -> None:
    """Plan with a made-up car ahead and forget it: on flat ground, to a goal behind, in a lane without much room."""
    planner = Planner(config)
    for step in range(3):
        stamp_ns = SECOND_NS + step * SECOND_NS // 10
        ego = EgoState(stamp_ns, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.array([5.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
        near, far = _flat(stamp_ns, TERRAIN_LAYERS), _flat(stamp_ns, FAR_LAYERS)
        situation = Situation(ego, _car_ahead(stamp_ns), None, None, near, far)
        if step == 1:
            situation = replace(situation, goal=Goal(stamp_ns, 'odom', (-15.0, 0.0, 0.0), 0.0))
        if step == 2:
            beside = slice(CELLS // 2 + int(config.vehicle.width_m / 2.0 / CELL_M) + 1, None)
            near.layers['traversability'][:, beside] = 0.0
            situation = replace(situation, pieces=_lane(stamp_ns), lane=_match(stamp_ns))
        planner.plan(situation)


def _lane(stamp_ns: int) -> LanePieces:
    """Return a lane straight ahead, id 1, and a line beside it that may not be crossed."""
    points = np.zeros((2, PIECE_POINTS, 3), np.float32)
    points[:, :, 0] = np.arange(PIECE_POINTS)
    points[1, :, 1] = 2.0
    classes = np.array([Line.CENTERLINE, Line.SOLID], np.uint8)
    return LanePieces(
        stamp_ns, 'base_link', points, classes, np.arange(1, 3), np.ones(2), np.full(2, PIECE_POINTS - 1.0)
    )


def _match(stamp_ns: int) -> LaneMatch:
    one = np.ones(1)
    return LaneMatch(stamp_ns, np.ones(1, np.int64), 0.0 * one, 0.0 * one, 0.0 * one, one, 0.2 * one, 10.0 * one)


def _flat(stamp_ns: int, names: tuple[str, ...]) -> Grid:
    """Return ground that can be driven everywhere."""
    values = dict.fromkeys(names, 0.0) | {'traversability': 1.0, 'observed': 1.0, 'ceiling': np.inf, 'class': 1.0}
    layers = {name: np.full((CELLS, CELLS), values[name], np.float32) for name in names}
    return Grid(stamp_ns, 'odom', CELL_M, np.full(2, -0.5 * CELLS * CELL_M), layers)


def _car_ahead(stamp_ns: int) -> Predictions:
    """Return one car that goes on or stops."""
    chances = np.zeros((1, len(Label)))
    chances[:, Label.CAR] = 1.0
    car = replace(
        no_objects(stamp_ns, 'odom', tracked=True),
        positions_m=np.array([[15.0, 0.0, 1.0]]),
        headings_rad=np.zeros(1),
        dimensions_m=np.array([[4.5, 1.8, 1.5]]),
        existence=np.ones(1),
        class_probabilities=chances,
        velocities_mps=np.array([[3.0, 0.0]]),
        heading_rates_rps=np.zeros(1),
        pose_covariances=np.zeros((1, 3, 3)),
        velocity_covariances=np.zeros((1, 2, 2)),
        ids=np.zeros((1, 16), np.uint8),
    )
    paths = np.zeros((1, 2, PREDICTED, 3))
    paths[..., 0] = 15.0
    paths[:, 0, :, 0] += 3.0 * STEP_S * np.arange(PREDICTED)
    return Predictions(car, paths, np.full((1, 2), 0.5), STEP_S)
