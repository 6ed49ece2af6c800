"""A tiny world for tests of training: flat ground, boxes with points on their sides."""

from itertools import count

import numpy as np

from autonomy_nodes.perception.bev import CELLS, TERRAIN, middles
from autonomy_nodes.training.examples import Example

SIZES_M = np.array([[4.4, 1.8, 1.5], [10.0, 2.5, 3.2], [0.6, 0.6, 1.75], [1.8, 0.6, 1.6], [1.0, 0.4, 0.8]])


def example_of(boxes, kinds, rng, ground_m=0.0):
    """A flat plain at a height with boxes (B, 9) on it."""
    boxes = np.asarray(boxes, float).reshape(-1, 9)
    radii = np.repeat(np.geomspace(3.0, 35.0, 28), 240)
    turns = np.tile(np.linspace(0.0, 2.0 * np.pi, 240, endpoint=False), 28)
    plain = np.stack([radii * np.cos(turns), radii * np.sin(turns), np.full(len(radii), ground_m)], axis=1)
    parts, bodies = [plain + rng.normal(0.0, 0.01, plain.shape)], [np.full(len(plain), -1)]
    for row, box in enumerate(boxes):
        local = rng.uniform(-0.5, 0.5, (150, 3))
        side = rng.integers(2, size=150)
        local[np.arange(150), side] = np.sign(local[np.arange(150), side]) * 0.5
        local *= box[3:6]
        c, s = np.cos(box[6]), np.sin(box[6])
        parts.append(local @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) + box[:3])
        bodies.append(np.full(150, row))
    xyz, bodies = np.concatenate(parts), np.concatenate(bodies)
    points = np.column_stack([xyz, np.full(len(xyz), 0.3)]).astype(np.float32)
    terrain, top = np.zeros(CELLS, np.uint8), np.zeros(CELLS, np.float32)
    for box in boxes:
        away, (c, s) = middles() - box[:2], (np.cos(box[6]), np.sin(box[6]))
        along, across = away @ [c, s], away @ [-s, c]
        on = (abs(along) < box[3] / 2.0) & (abs(across) < box[4] / 2.0)
        terrain[on], top[on] = TERRAIN.index('obstacle'), box[5]
    return Example(
        points=points, before=points.copy(), sensor_m=np.array([0.0, 0.0, ground_m + 1.8]), boxes=boxes,
        kinds=np.asarray(kinds, int), hits=np.full(len(boxes), 150), shares=np.ones(len(boxes)),
        semantics=np.zeros(len(points), np.uint8), bodies=bodies, ground_m=np.full(CELLS, ground_m, np.float32),
        terrain=terrain, top_m=top, blocked=top > 0.25,
    )  # fmt: skip


def examples(seed):
    """Endless examples with a few boxes here and there."""
    for place in count():
        rng = np.random.default_rng([seed, place])
        kinds = rng.integers(0, 3, 6)
        turns, reach = rng.uniform(-np.pi, np.pi, 6), rng.uniform(6.0, 30.0, 6)
        sizes = SIZES_M[kinds]
        middle = np.stack([reach * np.cos(turns), reach * np.sin(turns), sizes[:, 2] / 2.0], axis=1)
        boxes = np.column_stack([middle, sizes, rng.uniform(-np.pi, np.pi, 6), np.zeros((6, 2))])
        yield example_of(boxes, kinds, rng)


def as_it_is(example, rng, others=()):
    """No augmentation."""
    return example
