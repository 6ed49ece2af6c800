"""Frames as a channel saw them, made by hand."""

import numpy as np

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.evaluation.measures.detected import Found, Labels, Seen


def objects(*rows, label=Label.CAR):
    """Each row is x, existence, chance of the class."""
    xs, existence, chances = (np.array(column, float) for column in zip(*rows)) if rows else (np.zeros(0),) * 3
    count = len(xs)
    classes = np.zeros((count, len(Label)))
    classes[:, label], classes[:, Label.UNKNOWN] = chances, 1.0 - chances
    return Objects(
        stamp_ns=0, frame='base_link', positions_m=np.column_stack([xs, np.zeros(count), np.full(count, 0.8)]),
        headings_rad=np.zeros(count), dimensions_m=np.tile([4.0, 2.0, 1.6], (count, 1)), existence=existence,
        class_probabilities=classes, velocities_mps=np.full((count, 2), np.nan),
        heading_rates_rps=np.full(count, np.nan), pose_covariances=np.tile(np.eye(3), (count, 1, 1)),
        velocity_covariances=np.tile(np.eye(2), (count, 1, 1)),
    )  # fmt: skip


def seen(labels, every, shipped=None, label=Label.CAR, **conditions):
    """Labels are x and how many points lie on each."""
    xs, points = (np.array(column) for column in zip(*labels)) if labels else (np.zeros(0), np.zeros(0, int))
    boxes = np.array([[x, 0.0, 4.0, 2.0, 0.0] for x in xs]).reshape(-1, 5)
    found = [Found(each, np.zeros(len(each), bool), np.zeros(len(each), bool)) for each in (every, shipped or every)]
    mine = Labels(boxes, np.full(len(xs), label), points, np.zeros(len(xs), bool))
    return Seen('a', mine, found[0], found[1], np.zeros(2), [], 0.01, conditions)
