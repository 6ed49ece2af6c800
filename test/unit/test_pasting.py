"""Who is set down in another example is there in truth: seen as there, hiding what lies behind, on nobody's feet."""

from dataclasses import replace

import numpy as np
import pytest
from flat_examples import example_of

from autonomy_nodes.perception import bev
from autonomy_nodes.training import pasting
from autonomy_nodes.training.augmentation import AugmentationSettings, augmented
from autonomy_nodes.training.pasting import pasted

CAR = [12.0, 0.0, 0.8, 4.4, 1.8, 1.6, 0.0, 0.0, 0.0]
MAN = [12.0, 3.0, 0.9, 0.6, 0.6, 1.8, 0.0, 1.0, 0.0]
EMPTY = np.zeros((0, 9))


def example(boxes=EMPTY, kinds=(), seed=0):
    made = example_of(boxes, list(kinds), np.random.default_rng(seed))
    return replace(
        made, boxes=made.boxes.astype(np.float32), hits=made.hits.astype(np.int32),
        shares=made.shares.astype(np.float32), kinds=made.kinds.astype(np.int64),
    )  # fmt: skip


def cell(x, y):
    return tuple(np.floor((np.array([x, y]) - bev.ORIGIN_M) / bev.CELL_M).astype(int))


def set_down(into, donor, seed=0, guests=1):
    return pasted(into, [donor], np.random.default_rng(seed), guests)


def test_a_guest_comes_with_points_box_kind_and_cells():
    new = set_down(example(), example([CAR], [0]))
    assert len(new.boxes) == 1 and new.kinds.tolist() == [0] and new.shares.tolist() == [1.0]
    assert new.hits.tolist() == [150] == [(new.bodies == 0).sum()]
    away = new.points[new.bodies == 0, :2] - new.boxes[0, :2]
    assert np.abs(away).max() < 2.5
    assert np.hypot(*new.boxes[0, :2]) == pytest.approx(12.0, abs=1e-4)  # as far as he was
    here = cell(*new.boxes[0, :2])
    assert new.blocked[here] and new.terrain[here] == bev.TERRAIN.index('obstacle')
    assert new.top_m[here] == pytest.approx(1.6, abs=1e-3)
    assert 40 <= new.blocked.sum() <= 70  # 4.4 m by 1.8 m are 49.5 cells
    assert len(new.points) == len(new.bodies) == len(new.semantics)


def test_who_turns_with_his_bearing_moves_the_same_way_seen_from_the_lidar():
    new = set_down(example(), example([MAN], [2]))
    turn = np.arctan2(new.boxes[0, 1], new.boxes[0, 0]) - np.arctan2(3.0, 12.0)
    assert abs(turn) > 0.01
    assert new.boxes[0, 7:9] == pytest.approx([np.cos(turn), np.sin(turn)], abs=1e-5)
    assert new.boxes[0, 6] == pytest.approx(turn, abs=1e-5)


def test_what_he_hides_is_gone_and_counts_as_hidden():
    behind = [20.0, 0.0, 0.8, 4.4, 30.0, 1.6, 0.0, 0.0, 0.0]
    into = example([behind], [1])
    new = set_down(into, example([CAR], [0]), seed=3)
    assert len(new.boxes) == 2
    turn = np.arctan2(new.points[:, 1], new.points[:, 0]) - np.arctan2(new.boxes[1, 1], new.boxes[1, 0])
    range_m = np.hypot(*new.points[:, :2].T)
    rises = (new.points[:, 2] - 1.8) / range_m
    # the car is seen from 0.02 to 0.18 a metre below the LiDAR: what lies behind in between is hidden
    shade = (np.abs(turn) < 0.03) & (rises < -0.06) & (rises > -0.11) & (range_m > 14.5)
    assert not shade.any()
    assert new.hits[0] == (new.bodies == 0).sum() < 150
    assert new.shares[0] == pytest.approx(new.hits[0] / 150.0)


def test_nobody_is_set_down_on_another_or_behind_a_wall():
    ring = [[12.0 * np.cos(a), 12.0 * np.sin(a), 0.8, 4.4, 4.0, 1.6, a, 0.0, 0.0] for a in np.arange(-1.2, 1.3, 0.3)]
    crowd = example(ring, [0] * len(ring))
    walls = [[6.0 * np.cos(a), 6.0 * np.sin(a), 1.5, 0.4, 2.2, 3.0, a, 0.0, 0.0] for a in np.arange(-1.4, 1.5, 0.2)]
    for seed in range(5):
        assert len(set_down(crowd, example([CAR], [0]), seed).boxes) == len(ring)
        assert len(set_down(example(walls, [4] * len(walls)), example([CAR], [0]), seed).boxes) == len(walls)


def test_boxes_never_overlap_and_nobody_stands_where_nothing_is_looked_at():
    donor = example([CAR, MAN], [0, 2])
    for seed in range(20):
        new = set_down(example([[10.0, 4.0, 0.8, 4.4, 1.8, 1.6, 0.5, 0.0, 0.0]], [0]), donor, seed, guests=3)
        flat = new.boxes[:, [0, 1, 3, 4, 6]].astype(float)
        shared = pasting.shared_areas(flat, flat)
        assert (shared - np.diag(np.diag(shared))).max() < 1e-6
    ahead = example()
    half = replace(ahead, **{
        name: getattr(ahead, name)[np.arctan2(ahead.points[:, 1], ahead.points[:, 0]) > 0.6]
        for name in ('points', 'bodies', 'semantics')
    })  # fmt: skip
    assert all(len(set_down(half, example([CAR], [0]), seed).boxes) == 0 for seed in range(10))


def test_who_is_hidden_or_seen_by_another_kind_of_lidar_is_not_lent():
    donor = example([CAR], [0])
    into = example()
    assert len(set_down(into, replace(donor, shares=np.array([0.4], np.float32))).boxes) == 0
    assert len(set_down(into, replace(donor, sensor_m=np.array([0.0, 0.0, 2.4]))).boxes) == 0
    thin = np.arange(len(donor.points)) % 4 == 0
    sparse = replace(donor, points=donor.points[thin], bodies=donor.bodies[thin], semantics=donor.semantics[thin])
    assert len(set_down(into, sparse).boxes) == 0
    still = replace(donor, before=donor.before[:0])
    assert len(set_down(into, still).boxes) == 0  # his motion is not known, that of the others is


def test_a_share_of_the_examples_gets_guests_the_same_for_the_same_seed():
    none_else = AugmentationSettings(
        paste=0.5, flip=0.0, turn=0.0, jitter=0.0, beams=0.0, thin=0.0, weather=0.0, crop=0.0, light=0.0
    )
    donor, counts = [example([CAR], [0])], []
    for seed in range(40):
        one, two = (augmented(example(), np.random.default_rng(seed), donor, none_else) for _ in range(2))
        np.testing.assert_array_equal(one.points, two.points)
        counts.append(len(one.boxes))
    assert 8 <= sum(count > 0 for count in counts) <= 32 and max(counts) > 1
    assert len(augmented(example(), np.random.default_rng(0), [], none_else).boxes) == 0


def test_nobody_is_set_down_on_the_vehicle_itself():
    beside = [0.0, 6.3, 1.6, 10.0, 2.5, 3.2, np.pi / 2, 0.0, 0.0]  # to 1.3 m from the middle of the vehicle
    assert all(len(set_down(example(), example([beside], [1]), seed).boxes) == 0 for seed in range(4))
    farther = [0.0, 8.0, 1.6, 10.0, 2.5, 3.2, np.pi / 2, 0.0, 0.0]
    assert any(len(set_down(example(), example([farther], [1]), seed).boxes) == 1 for seed in range(4))
