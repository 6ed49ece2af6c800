"""Which futures of several belong together: nobody runs through anybody where that can be had; each keeps his own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.prediction.joint import may_meet, touch
from autonomy_nodes.prediction.pairing import paired

SIZES = np.array([[4.5, 1.8], [4.5, 1.8]])
TIMES = 0.5 * np.arange(17)


def along(x, y, heading, speed):
    gone = speed * TIMES
    return np.column_stack([x + gone * np.cos(heading), y + gone * np.sin(heading), np.full(17, heading)])


def crossing(waits=0.3):
    """Two who would be at a crossing after 3 s; each goes on or stays; the second is likelier to let the first pass."""
    first = [along(-30.0, 0.0, 0.0, 10.0), along(-30.0, 0.0, 0.0, 0.0)]
    second = [along(0.0, -30.0, np.pi / 2.0, 10.0), along(0.0, -30.0, np.pi / 2.0, 0.0)]
    return np.array([first, second]), np.array([[0.9, 0.1], [1.0 - waits, waits]])


def test_the_likeliest_joint_mode_lets_one_of_two_wait():
    paths, odds = crossing()
    order, scene = paired(paths, odds, SIZES)
    assert order.tolist() == [[0, 1], [1, 0]]  # the first goes on and the second waits, or the other way round
    assert scene[0] > scene[1] and scene.sum() == pytest.approx(1.0)


def test_who_surely_goes_on_is_not_made_to_wait():
    order, _ = paired(*crossing(waits=1e-3), SIZES)
    assert order[1, 0] == 0 and order[0, 0] == 1  # a tenth is likelier than a thousandth


def test_where_nobody_meets_modes_stand_as_each_has_them():
    paths, odds = crossing()
    paths[1, ..., 0] += 100.0
    order, scene = paired(paths, odds, SIZES)
    assert order.tolist() == [[0, 1], [0, 1]] and scene[0] > scene[1]


def test_who_touch_already_are_not_kept_apart():
    paths = np.array([[along(0.0, 0.0, 0.0, 5.0), along(0.0, 0.0, 0.0, 0.0)], [along(1.0, 0.5, 0.0, 5.0)] * 2])
    assert paired(paths, np.array([[0.6, 0.4], [0.6, 0.4]]), SIZES)[0].tolist() == [[0, 1], [0, 1]]


def test_a_contact_between_two_steps_is_seen():
    """At 20 m/s each they stand 10 m apart at every step and pass through one another between."""
    one, other = along(-5.0, 0.0, 0.0, 20.0), along(15.0, 0.0, np.pi, 20.0)
    assert touch(one, other, *SIZES) and not touch(one, other + np.array([0.0, 4.0, 0.0]), *SIZES)


def test_nobody_at_all_is_a_scene_too():
    order, scene = paired(np.zeros((0, 6, 17, 3)), np.zeros((0, 6)), np.zeros((0, 2)))
    assert order.shape == (0, 6) and scene.tolist() == pytest.approx([1.0 / 6.0] * 6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_every_future_is_used_once_and_the_first_mode_never_clashes_more_than_the_likeliest_of_each(seed, count):
    rng = np.random.default_rng(seed)
    places = np.column_stack([rng.uniform(-25.0, 25.0, (count, 2)), rng.uniform(-np.pi, np.pi, count)])
    paths = np.array([[along(*place, rng.uniform(0.0, 12.0)) for _ in range(4)] for place in places])
    odds = rng.dirichlet(np.ones(4), count)
    sizes = np.tile([4.5, 1.8], (count, 1))
    order, scene = paired(paths, odds, sizes)
    assert (np.sort(order, axis=1) == np.arange(4)).all() and scene.sum() == pytest.approx(1.0)
    rows = np.arange(count)
    first, likeliest = (_clashes(paths[rows, which], sizes) for which in (order[:, 0], odds.argmax(axis=1)))
    assert first <= likeliest


def _clashes(paths, sizes):
    meet = may_meet(np.ascontiguousarray(paths[:, None]), sizes)
    return sum(
        touch(paths[one], paths[two], sizes[one], sizes[two])
        for one in range(len(paths)) for two in range(one) if meet[one, two]
    )  # fmt: skip
