"""What hindsight tells of ground, of what stands, and of who was where: by hand, on a flat world and straight paths."""

from dataclasses import replace

import numpy as np
import pytest

from autonomy_nodes.common.objects import Label, Objects, no_objects
from autonomy_nodes.common.types import SECOND_NS, EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.perception.bev import CELL_M, CELLS, ORIGIN_M
from autonomy_nodes.perception.tracking import TrackingConfig
from autonomy_nodes.training.pseudo.hindsight import HindsightSettings, covered, standing_still, surroundings
from autonomy_nodes.training.pseudo.played import Sweep
from autonomy_nodes.training.pseudo.smoother import quantile, smoothed
from autonomy_nodes.training.pseudo.tracks import Track, TrackSettings, tracks_of

STEP_NS = SECOND_NS // 10
SETTINGS = HindsightSettings(looks=2)
NOTHING = np.zeros((0, 4), np.float32)
VEHICLE = Vehicle(front_m=3.8, rear_m=1.0, width_m=2.0)


def ego_at(x, number):
    return EgoState(
        SECOND_NS + number * STEP_NS, np.array([x, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6)
    )


def sweep_of(number, x=0.0, ground=NOTHING, standing=NOTHING, objects=None, leg=0):
    ego = ego_at(x, number)
    found = objects or no_objects(ego.stamp_ns, 'base_link', tracked=False)
    table = [np.asarray(part, np.float32).reshape(-1, 4) for part in (ground, standing)]
    return Sweep(ego.stamp_ns, leg, ego, found, *table, None, False)


def cell(x, y):
    return tuple(np.floor((np.array([x, y]) - ORIGIN_M) / CELL_M).astype(int).tolist())


def about(sweeps, place=0, settings=SETTINGS):
    return surroundings(place, sweeps, [sweep.standing for sweep in sweeps], VEHICLE, settings)


def seen_as(number, x, y, size=(4.4, 1.8, 1.5), label=Label.CAR, sigma_m=0.2, heading=0.0):
    classes = np.zeros((1, len(Label)))
    classes[0, label] = 1.0
    return Objects(
        ego_at(0.0, number).stamp_ns, 'base_link', np.array([[x, y, size[2] / 2.0]]), np.array([heading]),
        np.array([size]), np.array([0.9]), classes, np.full((1, 2), np.nan), np.full(1, np.nan),
        np.diag([sigma_m**2, sigma_m**2, 0.05**2])[None], np.zeros((1, 2, 2)),
    )  # fmt: skip


def test_a_straight_path_is_told_as_it_is_and_what_was_missed_lies_on_it():
    times_s = np.arange(11) * 0.1
    measured = np.column_stack([3.0 * times_s, 1.0 - 2.0 * times_s])
    measured[3:6] = np.nan
    found = smoothed(times_s, measured, np.tile(0.01 * np.eye(2), (11, 1, 1)), push=1.0, rate_sigma=100.0)
    np.testing.assert_allclose(found.values, np.column_stack([3.0 * times_s, 1.0 - 2.0 * times_s]), atol=0.01)
    np.testing.assert_allclose(found.rates[2:9], np.tile([3.0, -2.0], (7, 1)), atol=0.05)
    every = smoothed(times_s, np.zeros((11, 2)), np.tile(0.01 * np.eye(2), (11, 1, 1)), push=1.0, rate_sigma=100.0)
    assert found.covariances[4, 0, 0] > 1.1 * every.covariances[4, 0, 0]


def test_what_comes_after_tells_more_of_a_path_than_what_came_before_alone():
    rng = np.random.default_rng(1)
    times_s = np.arange(40) * 0.1
    true = np.column_stack([np.cumsum(np.cumsum(rng.normal(0.0, 0.1, 40)) * 0.1), np.zeros(40)])
    measured = true + rng.normal(0.0, 0.3, true.shape)
    found = smoothed(times_s, measured, np.tile(0.09 * np.eye(2), (40, 1, 1)), push=1.0, rate_sigma=3.0)
    alone = [
        smoothed(times_s[: k + 1], measured[: k + 1], np.tile(0.09 * np.eye(2), (k + 1, 1, 1)), 1.0, 3.0).values[-1]
        for k in range(40)
    ]
    ways = (found.values, np.array(alone), measured)
    off, off_alone, off_measured = (np.abs(each - true)[5:-5].mean() for each in ways)
    assert off < 0.8 * off_alone < 0.8 * off_measured


def test_a_path_that_was_never_measured_is_refused():
    with pytest.raises(ValueError, match='nothing was measured'):
        smoothed(np.arange(2.0), np.full((2, 1), np.nan), np.ones((2, 1, 1)), 1.0, 1.0)


def test_a_weighted_quantile_by_hand():
    values, weights = np.array([5.0, 1.0, 3.0]), np.array([1.0, 1.0, 2.0])
    assert [quantile(values, weights, share) for share in (0.2, 0.5, 0.75, 0.8)] == [1.0, 3.0, 3.0, 5.0]


def test_heights_of_all_sweeps_are_carried_to_the_moment_and_one_that_is_wrong_changes_nothing():
    heights = (0.30, 0.31, 2.0, 0.29, 0.30)
    sweeps = [sweep_of(k, 1.0 * k, ground=[[20.1 - 1.0 * k, 0.1, z, 4]]) for k, z in enumerate(heights)]
    found = about(sweeps)
    assert found.ground_m[cell(20.1, 0.1)] == pytest.approx(0.30, abs=0.011)
    assert np.isnan(found.ground_m[cell(20.1, 5.0)]) and np.isnan(found.ground_m[cell(-20.0, 0.0)])
    assert about(sweeps, place=4).ground_m[cell(16.1, 0.1)] == pytest.approx(0.30, abs=0.011)


def test_of_another_leg_and_of_too_long_ago_nothing_is_known():
    seen = [[12.1, 4.1, 0.5, 4]]
    for other in (sweep_of(1, ground=seen, leg=1), sweep_of(41, ground=seen)):
        assert np.isnan(about([sweep_of(0), other]).ground_m[cell(12.1, 4.1)])
    assert about([sweep_of(0), sweep_of(39, ground=seen)]).ground_m[cell(12.1, 4.1)] == pytest.approx(0.5)


def test_where_the_vehicle_drives_is_free_ground_at_the_height_of_its_wheels():
    sweeps = [sweep_of(k, 1.0 * k, standing=[[8.1 - k, 0.1, 2.0, 9]]) for k in range(12)]
    found = about(sweeps)
    path = [cell(x, y) for x in np.arange(-0.9, 14.0, 0.4) for y in (-0.6, 0.0, 0.6)]
    assert all(found.driven[each] for each in path) and not found.driven[cell(16.0, 0.0)]
    assert not found.driven[cell(5.0, 1.5)] and not found.blocked.any()
    assert found.free[cell(9.0, 0.1)] and found.ground_m[cell(9.0, 0.1)] == pytest.approx(0.0)
    assert found.under[cell(2.0, 0.0)] and not found.under[cell(6.0, 0.0)]


def test_what_nearly_all_saw_stand_is_blocked_and_what_one_saw_is_neither_blocked_nor_free():
    floor = [[x + 0.2, y + 0.2, 0.0, 4] for x in np.arange(8.0, 14.0, 0.4) for y in np.arange(4.0, 10.0, 0.4)]
    wall, once, bush = [10.1, 6.1, 1.7, 9], [12.1, 8.1, 2.0, 9], [9.1, 9.1, 0.7, 9]
    sweeps = [sweep_of(k, ground=floor, standing=[wall, bush] + [once] * (k == 1)) for k in range(5)]
    found = about(sweeps)
    assert found.blocked[cell(10.1, 6.1)] and found.top_m[cell(10.1, 6.1)] == pytest.approx(1.7)
    assert not found.free[cell(10.1, 6.1)]
    for x, y in ((12.1, 8.1), (9.1, 9.1)):  # seen once; as high as low plants
        assert not found.blocked[cell(x, y)] and not found.free[cell(x, y)]
    assert found.free[cell(11.0, 5.0)] and not found.free[cell(11.0, 3.0)]
    assert not about(sweeps[:1]).free[cell(11.0, 5.0)]  # one look is too few


def test_the_edge_of_a_drop_is_not_called_free():
    places = [(x + 0.2, y + 0.2) for x in np.arange(8.0, 14.0, 0.4) for y in np.arange(4.0, 6.0, 0.4)]
    drop = [[x, y, -0.6 * (x > 11.1), 4] for x, y in places]
    found = about([sweep_of(k, ground=drop) for k in range(3)])
    assert found.free[cell(9.0, 5.0)] and not found.free[cell(10.9, 5.0)]


def test_who_moves_does_not_count_as_what_stands_and_who_stands_does():
    sweeps = [sweep_of(k, standing=[[10.0 + k, 5.0, 1.5, 9], [10.0, -5.0, 1.5, 9]]) for k in range(3)]
    boxes = np.array([[10.0 + k, 5.0, 0.7, 4.0, 1.8, 1.5, 0.0, 10.0, 0.0] for k in range(3)])
    parked = np.tile([10.0, -5.0, 0.7, 4.0, 1.8, 1.5, 0.0, 0.0, 0.0], (3, 1))
    seen = np.ones(3, bool)
    tracks = [Track(0, boxes, seen, 0, False, True), Track(0, parked, seen, 0, True, False)]
    for left in standing_still(sweeps, tracks, 0.3):
        assert left[:, 1].tolist() == [-5.0]


def test_the_cells_below_a_box_are_those_whose_middles_it_holds():
    assert len(covered(np.array([0.2, 0.2, 1.0, 0.5, 0.0]))) == 3
    assert len(covered(np.array([0.2, 0.2, 1.0, 0.5, np.pi / 2.0]), margin_m=0.2)) == 9
    assert len(covered(np.array([-39.9, 0.2, 1.6, 0.5, 0.0]))) == 2  # the rest lies beyond the grid
    assert len(covered(np.array([500.0, 0.0, 4.0, 2.0, 0.0]))) == 0


def driven_by(places, y=4.0, **more):
    """Sweeps of a vehicle that stands, and sees a thing at places along x, None where it does not."""
    return [sweep_of(k, objects=None if x is None else seen_as(k, x, y, **more)) for k, x in enumerate(places)]


def test_a_car_that_was_missed_for_a_while_is_told_there_too_and_points_where_it_goes():
    rng = np.random.default_rng(2)
    places = [8.0 + 0.8 * k + rng.normal(0.0, 0.1) for k in range(20)]
    places[9] = places[10] = None
    (track,) = tracks_of(driven_by(places, heading=np.pi), TrackingConfig(), TrackSettings())
    assert track.sure and track.moving and track.kind == 0 and track.seen.sum() == 18 and len(track.boxes) == 20
    np.testing.assert_allclose(track.boxes[9:11, 0], [8.0 + 0.8 * 9, 8.0 + 0.8 * 10], atol=0.15)
    np.testing.assert_allclose(track.boxes[:, 6], 0.0, atol=0.05)
    np.testing.assert_allclose(track.boxes[5:15, 7], 8.0, atol=0.6)
    off = np.abs(track.boxes[:, 0] - [8.0 + 0.8 * k for k in range(20)])
    raw = [abs(x - 8.0 - 0.8 * k) for k, x in enumerate(places) if x is not None]
    assert off.mean() < np.mean(raw)


def test_who_stands_is_told_at_one_place_with_the_size_of_his_best_sightings():
    sweeps = driven_by([10.0 + 0.05 * (-1) ** k for k in range(12)])
    small = [replace(each, objects=seen_as(k, 9.0, 4.0, (2.4, 1.8, 1.5))) for k, each in enumerate(sweeps[:4])]
    (track,) = tracks_of([*small, *sweeps[4:]], TrackingConfig(), TrackSettings())
    assert not track.moving and track.sure
    assert np.ptp(track.boxes, axis=0).max() == 0.0 and track.boxes[0, 7:].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(track.boxes[0, [0, 1, 3, 4, 5]], [10.0, 4.0, 4.4, 1.8, 1.5], atol=0.06)


def test_few_sightings_tell_of_nobody_and_what_only_looks_like_people_is_not_sure():
    assert tracks_of(driven_by([8.0 + 0.8 * k for k in range(5)]), TrackingConfig(), TrackSettings()) == []
    person = {'size': (0.6, 0.6, 1.7), 'label': Label.PEDESTRIAN}
    for settings, sure in ((TrackSettings(), False), (TrackSettings(still_people=True), True)):
        (track,) = tracks_of(driven_by([8.0] * 12, **person), TrackingConfig(), settings)
        assert track.kind == 2 and track.sure is sure
    (walker,) = tracks_of(driven_by([8.0 + 0.15 * k for k in range(15)], **person), TrackingConfig(), TrackSettings())
    assert walker.sure and walker.moving


@pytest.mark.parametrize(
    ('size', 'label', 'x'),
    [((4.4, 1.8, 1.5), Label.CAR, 38.0), ((1.5, 0.4, 1.2), Label.CAR, 9.0), ((2.0, 2.0, 2.0), Label.UNKNOWN, 9.0)],
)
def test_what_stands_far_away_or_never_had_its_size_or_has_no_name_is_not_sure(size, label, x):
    (track,) = tracks_of(driven_by([x] * 12, size=size, label=label), TrackingConfig(), TrackSettings())
    assert not track.sure


@pytest.mark.parametrize(
    ('make', 'key'),
    [
        (lambda: TrackSettings(hits=1), 'hits'), (lambda: TrackSettings(size=0.0), 'size'),
        (lambda: HindsightSettings(standing=0.4), 'standing'), (lambda: HindsightSettings(reach_s=0.0), 'reach_s'),
    ],
)  # fmt: skip
def test_nonsense_is_refused(make, key):
    with pytest.raises(ValueError, match=key):
        make()


def test_the_grid_is_that_of_the_network():
    assert about([sweep_of(0)]).ground_m.shape == CELLS
