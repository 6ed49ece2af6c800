from dataclasses import fields, replace

import numpy as np
import pytest

from autonomy_nodes.perception import bev
from autonomy_nodes.training import augmentation as aug
from autonomy_nodes.training.examples import Example


def made():
    """One car 10 m ahead and 4 m to the left, heading left, with two points; a wall cell at x 10.2, y 4.2."""
    points = np.array([[10.0, 4.0, 1.0, 0.5], [10.0, 5.0, 1.0, 0.5], [-5.0, 1.0, 0.0, 0.2]], np.float32)
    boxes = np.array([[10.0, 4.0, 0.8, 4.0, 1.8, 1.6, np.pi / 2, 0.0, 3.0]], np.float32)
    ground = np.broadcast_to(0.01 * bev.middles()[..., 0], bev.CELLS).astype(np.float32).copy()
    top, terrain = np.zeros(bev.CELLS, np.float32), np.zeros(bev.CELLS, np.uint8)
    i, j = np.floor((np.array([10.2, 4.2]) - bev.ORIGIN_M) / bev.CELL_M).astype(int)
    top[i, j], terrain[i, j] = 1.6, 6
    return Example(
        points, points[:2] - np.float32([0, 0.3, 0, 0]), np.array([1.0, 0.1, 1.7], np.float32), boxes, np.array([0]),
        np.array([2], np.int32), np.array([0.8], np.float32), np.array([11, 11, 1], np.uint8),
        np.array([0, 0, -1], np.int32), ground, terrain, top, top > 0.25,
    )  # fmt: skip


def cell(x, y):
    return tuple(np.floor((np.array([x, y]) - bev.ORIGIN_M) / bev.CELL_M).astype(int))


def test_flipped_changes_left_and_right_of_points_boxes_and_cells():
    found = aug.flipped(made())
    assert found.points[0].tolist() == [10.0, -4.0, 1.0, 0.5]
    assert found.boxes[0] == pytest.approx([10.0, -4.0, 0.8, 4.0, 1.8, 1.6, -np.pi / 2, 0.0, -3.0])
    assert found.top_m[cell(10.2, -4.2)] == pytest.approx(1.6) and found.top_m.astype(bool).sum() == 1
    assert found.sensor_m == pytest.approx([1.0, -0.1, 1.7])


def test_flipping_twice_changes_nothing():
    first, again = made(), aug.flipped(aug.flipped(made()))
    for field in fields(Example):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))


def test_a_quarter_turn_moves_points_boxes_and_cells_alike():
    found = aug.turned(made(), np.pi / 2)
    assert found.points[0] == pytest.approx([-4.0, 10.0, 1.0, 0.5], abs=1e-5)
    assert found.boxes[0] == pytest.approx([-4.0, 10.0, 0.8, 4.0, 1.8, 1.6, -np.pi, -3.0, 0.0], abs=1e-5)
    assert found.top_m[cell(-4.2, 10.2)] == pytest.approx(1.6) and found.blocked.sum() == 1
    assert found.terrain[cell(-4.2, 10.2)] == 6
    assert found.ground_m[cell(-4.2, 10.2)] == pytest.approx(0.102, abs=0.003)  # that of x = 10.2


def test_cells_that_nobody_knew_are_unknown_after_a_turn():
    found = aug.turned(made(), np.pi / 4)
    assert np.isnan(found.ground_m[0, 0]) and found.terrain[0, 0] == 255 and not found.blocked[0, 0]
    assert np.isfinite(found.ground_m[cell(0.2, 0.2)])


def test_scaling_scales_lengths_heights_and_speeds():
    found = aug.turned(made(), 0.0, 1.05)
    assert found.boxes[0] == pytest.approx([10.5, 4.2, 0.84, 4.2, 1.89, 1.68, np.pi / 2, 0.0, 3.15], abs=1e-5)
    assert found.ground_m[cell(21.0, 0.2)] == pytest.approx(0.21, abs=0.003)
    assert found.top_m.max() == pytest.approx(1.68)


def test_who_leaves_the_grid_leaves_the_boxes_and_his_points_lie_on_nobody():
    found = aug.turned(made(), np.pi / 2, 1.0)
    assert len(found.boxes) == 1
    far = made()
    far.boxes[0, 0] = 55.0
    gone = aug.turned(far, np.pi / 2)
    assert len(gone.boxes) == len(gone.kinds) == len(gone.hits) == len(gone.shares) == 0
    assert gone.bodies.tolist() == [-1, -1, -1]


def test_cropping_counts_hits_anew_and_hides():
    # from the sensor at (1, 0.1) the two points lie at 23.4 and 28.6 degrees
    found = aug.cropped(made(), 0.0, np.radians(26.0))
    assert len(found.points) == 1 and found.hits.tolist() == [1]
    assert found.shares[0] == pytest.approx(0.4)


def test_thinning_keeps_points_and_their_truth_together():
    found = aug.thinned(made(), np.random.default_rng(1), 0.5)
    assert len(found.points) == len(found.semantics) == len(found.bodies) < 3
    assert found.hits[0] == (found.bodies == 0).sum()


def test_fog_takes_far_points_and_adds_false_ones_near_the_sensor():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    points = np.concatenate([5.0 * ring, 35.0 * ring])
    base = made()
    example = Example(
        np.column_stack([points, np.full(8000, 0.3)]).astype(np.float32), base.before, base.sensor_m,
        base.boxes, base.kinds, np.array([0], np.int32), base.shares, np.ones(8000, np.uint8),
        np.full(8000, -1, np.int32), base.ground_m, base.terrain, base.top_m, base.blocked,
    )  # fmt: skip
    found = aug.clouded(example, rng, 30.0)
    true = found.semantics == 1
    away = np.linalg.norm(found.points[:, :2], axis=1)
    assert (true & (away < 6)).sum() > 3500 and (true & (away > 30)).sum() < 1500
    assert (~true).sum() > 50 and np.median(away[~true]) < 12.0
    assert len(found.points) == len(found.semantics) == len(found.bodies)


def test_a_jitter_moves_points_less_than_boxes_would_notice():
    found = aug.jittered(made(), np.random.default_rng(3), 0.006, 0.02)
    shift = np.abs(found.points - made().points)[:, :3].max()
    assert 0.0 < shift < 0.4
    np.testing.assert_array_equal(found.boxes, made().boxes)


def test_what_an_example_does_not_know_moves_with_it_and_beyond_its_grid_nothing_is_known():
    given = replace(made(), objects_asked=np.ones(bev.CELLS, bool), stands_asked=np.zeros(bev.CELLS, bool))
    given.objects_asked[150, 20] = False
    flip = aug.flipped(given)
    assert not flip.objects_asked[150, bev.CELLS[1] - 21] and flip.objects_asked.sum() == given.objects_asked.size - 1
    turn = aug.turned(given, np.pi / 2.0)
    there = np.floor((np.array([[0, -1], [1, 0]]) @ bev.middles()[150, 20] - bev.ORIGIN_M) / bev.CELL_M).astype(int)
    assert not turn.objects_asked[tuple(there)] and not turn.stands_asked.any()
    assert not turn.objects_asked[200:].any()  # what lies ahead was beyond the side


def test_augmenting_is_the_same_for_the_same_seed_and_keeps_shapes():
    for seed in range(30):
        one = aug.augmented(made(), np.random.default_rng(seed))
        two = aug.augmented(made(), np.random.default_rng(seed))
        assert not one.photos and one.air is None  # of examples that cameras took no part in
        for field in fields(Example):
            if field.name == 'photos':
                continue
            first, second = getattr(one, field.name), getattr(two, field.name)
            np.testing.assert_array_equal(first, second)
            assert first is None or first.dtype == getattr(made(), field.name).dtype, field.name
        assert len(one.points) == len(one.bodies) and one.ground_m.shape == bev.CELLS


@pytest.mark.parametrize(('key', 'value'), [('flip', 1.5), ('scale', 0.9), ('tilt_rad', -1.0)])
def test_nonsense_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        aug.AugmentationSettings(**{key: value})
