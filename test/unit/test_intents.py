"""What a road user is about to do, in a word: futures made by hand, and chances that add up."""

import numpy as np
import pytest

from autonomy_nodes.common.lanes import LanePieces, Line
from autonomy_nodes.common.objects import INTENTS
from autonomy_nodes.prediction.intents import chances_of, intents_of, middles_of

STEP_S = 0.5
NOW = np.arange(13) * STEP_S


def path(distances, turned=0.0, aside=0.0, heading=0.3):
    """Return (13, 3): along a circle that turns by `turned` over all of it, and evenly aside, seen from `heading`."""
    far = np.asarray(distances, float)
    share = far / max(far[-1], 1e-9)
    angles = turned * share
    x = far * np.sinc(angles / np.pi)
    y = np.where(np.abs(angles) > 1e-9, far * (1.0 - np.cos(angles)) / np.where(angles == 0.0, 1.0, angles), 0.0)
    y = y + aside * share
    cos, sin = np.cos(heading), np.sin(heading)
    return np.column_stack([5.0 + x * cos - y * sin, -3.0 + x * sin + y * cos, np.full(13, heading)])


def named(future, speed, slow=False, lanes=None, told=13):
    known = np.arange(13)[None, None] < told
    found = intents_of(future[None, None], known, STEP_S, np.array([speed]), np.array([slow]), lanes)
    return INTENTS[int(found[0, 0])]


def slowing(start, end, over=6.0):
    speeds = np.interp(NOW, [0.0, over], [start, end])
    return np.concatenate([[0.0], np.cumsum(speeds[1:] * STEP_S)])


@pytest.mark.parametrize(
    'word, future, speed',
    [
        ('keep', path(10.0 * NOW), 10.0),
        ('keep', path(10.0 * NOW, aside=2.0), 10.0),
        ('left', path(10.0 * NOW, aside=3.5), 10.0),
        ('right', path(10.0 * NOW, aside=-3.5), 10.0),
        ('turn', path(6.0 * NOW, turned=1.5), 6.0),
        ('turn', path(6.0 * NOW, turned=-1.5), 6.0),
        ('stop', path(slowing(10.0, 0.0, 4.0)), 10.0),
        ('yield', path(slowing(10.0, 4.0)), 10.0),
        ('keep', path(slowing(10.0, 8.0)), 10.0),
        ('keep', path(0.0 * NOW), 0.0),  # who stands goes on standing
    ],
)
def test_a_future_has_one_word(word, future, speed):
    assert named(future, speed) == word


def test_who_walks_into_a_lane_crosses_it_and_who_drives_in_it_does_not():
    future = path(1.4 * NOW, heading=np.pi / 2.0)  # from (5, -3) to (5, 5.4)
    lane = np.column_stack([np.arange(-20.0, 30.0), np.full(50, 2.0)])
    assert named(future, 1.4, slow=True, lanes=lane) == 'cross'
    assert named(future, 1.4, slow=False, lanes=lane) == 'keep'
    assert named(future, 1.4, slow=True, lanes=lane + [0.0, 10.0]) == 'keep'
    assert named(future, 1.4, slow=True, lanes=None) == 'keep'  # no map: nobody knows
    along = np.column_stack([np.full(50, 5.0), np.arange(-20.0, 30.0)])
    assert named(future, 1.4, slow=True, lanes=along) == 'keep'  # is in it already


def test_beyond_what_is_known_nothing_counts():
    future = path(10.0 * NOW)
    future[8:, :2] = np.nan
    assert named(np.nan_to_num(future), 10.0, told=8) == 'keep'
    assert named(path(10.0 * NOW, aside=3.5), 10.0, told=1) == 'keep'


def test_chances_are_those_of_the_futures_that_lead_to_it():
    intents = np.array([[0, 3, 3, 5, 0, 0]])
    odds = np.array([[0.4, 0.2, 0.1, 0.1, 0.15, 0.05]])
    assert chances_of(intents, odds)[0] == pytest.approx([0.6, 0, 0, 0.3, 0, 0.1, 0])


def test_lanes_are_middles_alone_in_odom():
    points = np.full((2, 20, 3), np.nan, np.float32)
    points[:, :2] = [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]
    classes = np.array([Line.CENTERLINE, Line.BOUNDARY], np.uint8)
    pieces = LanePieces(1, 'base_link', points, classes, np.array([1, 2]), np.ones(2), np.ones(2))
    odom_from_base = np.eye(4)
    odom_from_base[:3, 3] = [10.0, 20.0, 0.0]
    assert middles_of(pieces, odom_from_base) == pytest.approx(np.array([[11.0, 20.0], [12.0, 20.0]]))
    assert middles_of(None, odom_from_base) is None
