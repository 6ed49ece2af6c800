"""A road of two lanes along x, each 3.5 m wide and 150 m long; we begin on the right one, at x = 10 m, with 10 m/s.

test/data/commonroad/ZAM_Hand-1_1_T-1.xml tells the same in CommonRoad's words.
"""

from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.evaluation.commonroad.bench import python
from autonomy_nodes.evaluation.commonroad.scenario import Lane, RoadUser, Scenario, Start, Target

HAND = Path(__file__).parent / 'data' / 'commonroad'


def needs_bench():
    """Skips a test of the tools of CommonRoad where these are not."""
    if python() is None:
        pytest.skip('.venv-benchmark is missing: make benchmark')


def lane(id_, low, start, end, successors=(), left_lane=None, left_line='unknown', right_line='unknown', limit=None):
    xs = np.linspace(start, end, 3)
    left, right = (np.column_stack([xs, np.full(3, y)]) for y in (low + 3.5, low))
    return Lane(id_, left, right, tuple(successors), left_lane, left_line, right_line, limit)


def box(x, y, length, width):
    return np.array([[x - length / 2, y - width / 2], [x - length / 2, y + width / 2],
                     [x + length / 2, y + width / 2], [x + length / 2, y - width / 2]])  # fmt: skip


def moving(id_, x, y, speed, steps=31, heading=0.0):
    boxes = np.array([[x + 0.1 * speed * n, y, heading, 4.0, 2.0] for n in range(steps)])
    return RoadUser(id_, 'car', False, np.arange(steps), boxes, np.full(steps, float(speed)))


def standing(id_, x, y):
    return RoadUser(id_, 'parkedVehicle', True, np.zeros(1, int), np.array([[x, y, 0.0, 4.0, 2.0]]), np.zeros(1))


def goal(x=30.0, y=1.75, steps=(15, 25), speeds=(8.0, 12.0)):
    return Target(steps, (box(x, y, 6.0, 2.0),), (-0.1, 0.1), speeds)


def road(lanes=None, users=None, targets=None, speed=10.0):
    lanes = lanes or [lane(1, 0.0, 0.0, 100.0, (3,), 2), lane(2, 3.5, 0.0, 100.0, (4,)),
                      lane(3, 0.0, 100.0, 150.0, (), 4), lane(4, 3.5, 100.0, 150.0)]  # fmt: skip
    users = (standing(5, 40.0, 5.25), moving(6, 60.0, 1.75, 10.0)) if users is None else tuple(users)
    start = Start(0, np.array([10.0, 1.75]), 0.0, speed, 0.0)
    return Scenario('ZAM_Hand-1_1_T-1', 0.1, start, tuple(targets or [goal()]), tuple(lanes), users)
