"""Compile the loops of prediction before the first tracks come: seconds once a machine, a moment from then on."""

from dataclasses import replace

import numpy as np

from autonomy_nodes.common.grid import TERRAIN_LAYERS, Grid
from autonomy_nodes.common.lanes import PIECE_POINTS, LanePieces, Line
from autonomy_nodes.common.objects import Label, no_objects
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.prediction.learned import LearnedPrediction
from autonomy_nodes.prediction.predictor import Predictor, PredictorConfig


def warm(config: PredictorConfig, backend: Backend | None = None) -> None:
    """Predict two made-up cars in a lane once, by a network too where one is given, and forget them."""
    points = np.zeros((2, PIECE_POINTS, 3), np.float32)
    points[0, :, 0], points[1, :, 1] = np.arange(PIECE_POINTS), np.linspace(-1.0, 1.0, PIECE_POINTS)
    points[1, :, 0] = 15.0
    classes = np.array([Line.CENTERLINE, Line.STOP_LINE], np.uint8)
    pieces = LanePieces(0, 'base_link', points, classes, np.arange(2), np.ones(2), np.array([19.0, 2.0]))
    nobody, chances = no_objects(0, 'odom', tracked=True), np.zeros((2, len(Label)))
    chances[:, Label.CAR] = 1.0
    cars = replace(
        nobody,
        positions_m=np.array([[2.0, 0.0, 1.0], [6.0, 0.0, 1.0]]),
        headings_rad=np.zeros(2),
        dimensions_m=np.full((2, 3), 2.0),
        existence=np.ones(2),
        class_probabilities=chances,
        velocities_mps=np.full((2, 2), 2.0),
        heading_rates_rps=np.zeros(2),
        pose_covariances=np.zeros((2, 3, 3)),
        velocity_covariances=np.zeros((2, 2, 2)),
        ids=np.arange(1, 33, dtype=np.uint8).reshape(2, 16),
    )
    ego = EgoState(0, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))
    layers = {name: np.zeros((10, 10), np.float32) for name in TERRAIN_LAYERS}
    learned = None if backend is None else LearnedPrediction(backend, config.vehicle)
    Predictor(config, learned).predict(cars, ego, pieces, Grid(0, 'odom', 1.0, np.zeros(2), layers))
