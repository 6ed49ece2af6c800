"""The map of surfaces, and laying sweeps on it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.geometry import inverse, matrix_of_rpy, moved
from autonomy_nodes.localization import odometry as module
from autonomy_nodes.localization.odometry import ROUGH, LidarOdometry, OdometryConfig
from autonomy_nodes.localization.uncertainty import away, shifted
from autonomy_nodes.localization.voxels import (
    LINE,
    PLANE,
    gathered,
    kept,
    no_cells,
    shaped,
    slot_of,
    spread_along,
    summed,
    thinned,
)
from autonomy_nodes.localization.warmup import warm

TIGHT = np.diag([1e-3] * 6) ** 2
LOOSE = np.diag([1.0, 1.0, 1.0, 0.2, 0.2, 0.2]) ** 2


def held(points, remembered=1000.0, size=1.0):
    """A map of these points, its slots that hold something, and their surfaces."""
    cells, slots = no_cells(4096), np.zeros(len(points), np.int64)
    changed, added = gathered(cells, np.asarray(points, float), np.eye(4), size, remembered, 1, slots)
    shaped(cells, slots[:changed], 5.0, 0.12, 0.2)
    assert changed == added == (cells.keys >= 0).sum()
    return cells, slots[:changed]


def spots(count, x=(0.05, 0.95), y=(0.05, 0.95), z=(0.4, 0.42)):
    """Points in the cell between 0 and 1."""
    return np.random.default_rng(count).uniform(*zip(x, y, z), (count, 3))


@pytest.mark.parametrize(
    'points, kind',
    [
        (spots(30), PLANE),
        (spots(4), 0),
        (spots(30, y=(0.40, 0.42)), 0),  # a ring of the LiDAR on the ground
        (spots(30, x=(0.4, 0.42), y=(0.4, 0.42), z=(0.05, 0.95)), LINE),  # a pole
        (spots(30, z=(0.05, 0.95)), 0),  # a bush
        (spots(300, z=(0.32, 0.68)), 0),  # grass: broad, and yet no flatter than 2.5 to 1
    ],
)
def test_a_voxel_is_a_plane_a_pole_or_nothing(points, kind):
    cells, (slot,) = held(points)
    assert cells.kinds[slot] == kind
    if kind:
        assert abs(cells.directions[slot, 2]) == pytest.approx(1.0, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0.01, 0.99)] * 3), min_size=2, max_size=30))
def test_a_voxel_gathers_the_mean_and_scatter_of_its_points(points):
    cells, (slot,) = held(points)
    xyz = np.array(points)
    offset = xyz - xyz.mean(axis=0)
    scatter = offset.T @ offset
    assert cells.means[slot] == pytest.approx(xyz.mean(axis=0))
    assert cells.scatters[slot] == pytest.approx(scatter[np.triu_indices(3)], abs=1e-9)


def test_a_voxel_that_is_full_follows_what_is_new():
    points = np.concatenate([spots(300, z=(0.1, 0.12)), spots(300, z=(0.8, 0.82))])
    cells, (slot,) = held(points, remembered=30.0)
    assert cells.counts[slot] == 30.0
    assert cells.means[slot, 2] > 0.8
    assert cells.kinds[slot] == PLANE


def test_thinning_takes_the_first_point_of_each_cell_within_reach():
    xyz = np.array([[0.1, 0, 0], [0.2, 0, 0], [-0.1, 0, 0], [5, 0, 0], [0, 0, 99], [6, 8.1, 0]], np.float32)
    assert thinned(xyz, 0.5, 10.0, np.zeros(16, np.int64)).tolist() == [0, 2, 3, 4]


def test_forgetting_keeps_what_is_near_and_was_touched_lately():
    cells, slots = no_cells(64), np.zeros(4, np.int64)
    for number, x in ((1, 0.5), (2, 1.5), (3, 50.5), (3, 2.5)):
        gathered(cells, np.array([[x, 0.5, 0.5]]), np.eye(4), 1.0, 9.0, number, slots)
    new = no_cells(64)
    assert kept(cells, new, np.zeros(3), 10.0, 2) == 2
    assert sorted(new.means[new.keys >= 0][:, 0]) == [1.5, 2.5]
    assert new.keys[slot_of(new.keys, cells.keys[cells.means[:, 0] == 1.5][0])] >= 0


def test_what_stands_off_far_has_almost_no_weight():
    """Loss of Geman and McClure: at twice the tolerance a point weighs 1 / 25."""
    cells, _ = held(spots(50, z=(0.3, 0.3)))
    weights = []
    for height in (0.3, 0.7):
        information, pull = np.zeros((6, 6)), np.zeros(6)
        counts = summed(
            cells, np.array([[0.5, 0.5, height]]), np.eye(4), 1.0, 0.05, 0.2, information, pull
        )  # fmt: skip
        weights.append(information[2, 2])
        assert counts[:4] == (1, int(height < 0.5), 0, 0)
    assert weights[1] / weights[0] == pytest.approx(1 / 25)
    assert pull[2] == pytest.approx(-0.4 * weights[1])


def plain(number, z=0.0, half=20.0):
    """Flat ground, seen anew each time."""
    rng = np.random.default_rng(number)
    xy = rng.uniform(-half, half, (12000, 2))
    return np.column_stack([xy, rng.normal(z, 0.01, 12000)]).astype(np.float32)


def yard(number, pose=None):
    """Ground with four walls at 15 m, as seen from a (4, 4) pose."""
    rng = np.random.default_rng(number)
    along, height, off = rng.uniform(-15, 15, 8000), rng.uniform(0, 4, 8000), rng.normal(15, 0.01, 8000)
    side = np.where(np.arange(8000) % 2, off, -off)
    walls = [np.column_stack([side, along, height]), np.column_stack([along, side, height])]
    xyz = np.concatenate([plain(number, half=15.0), *walls])
    return moved(xyz, inverse(np.eye(4) if pose is None else pose)).astype(np.float32)


def begun(scene, **given_settings):
    odometry = LidarOdometry(OdometryConfig(**given_settings))
    odometry.begin(odometry.prepared(scene(0)), np.eye(4))
    for number in (1, 2):
        points = odometry.prepared(scene(number))
        odometry.joined(points, np.eye(4), replace(odometry.laid(points, np.eye(4), TIGHT, sure=True), met=0.0))
    return odometry


def test_a_sweep_finds_its_place_in_a_yard_to_a_centimetre():
    odometry, truth = begun(yard), matrix_of_rpy(np.array([0.6, -0.4, 0.0]), np.array([0.0, 0.0, 0.05]))
    found = odometry.laid(odometry.prepared(yard(7, truth)), np.eye(4), LOOSE, sure=True)
    assert (found.complaint, found.degenerate, found.free) == ('', 0, False)
    assert (np.abs(away(truth, found.pose)) < [0.01] * 3 + [0.001] * 3).all()
    assert found.upright > 1000


def test_open_ground_tells_height_and_tilt_and_nothing_else():
    odometry = begun(plain)
    found = odometry.laid(odometry.prepared(plain(7)), np.eye(4), LOOSE, sure=True)
    told = np.diag(found.information) / np.array([1.0, 1.0, 1.0, 100.0, 100.0, 100.0])
    known = told > 0.01 * told.max()
    assert known.tolist() == [False, False, True, True, True, False]
    assert (found.degenerate, found.upright) == (2, 0)


def test_the_prediction_and_the_surroundings_are_told_apart():
    """The guess is 0.1 m off and said to be sure to 1 mm: the pose stays there, what the walls say does not."""
    odometry = begun(yard)
    guess = shifted(np.eye(4), np.array([0.1, 0, 0, 0, 0, 0]))
    found = odometry.laid(odometry.prepared(yard(7)), guess, TIGHT, sure=True)
    assert not found.free  # so small a difference is no contradiction
    assert found.pose[0, 3] > 0.07
    assert found.alone[0, 3] == pytest.approx(0.0, abs=0.02)
    assert found.tension > 100.0


def test_a_guess_that_the_walls_contradict_has_no_part_in_the_pose():
    odometry = begun(yard)
    guess = shifted(np.eye(4), np.array([0.0, 0.5, 0, 0, 0, 0]))
    found = odometry.laid(odometry.prepared(yard(7)), guess, TIGHT, sure=True)
    assert found.free and found.complaint == ''
    assert found.pose[:3, 3] == pytest.approx([0, 0, 0], abs=0.01)


def test_points_off_their_surfaces_are_a_complaint(monkeypatch):
    """A third of the ground has risen by 0.6 m, within its voxels."""
    odometry = begun(lambda number: plain(number, z=0.2))
    xyz = plain(7, z=0.2)
    xyz[::3, 2] += 0.6
    lost = SimpleNamespace(T_target_source=np.eye(4), num_inliers=0)
    monkeypatch.setattr(module.small_gicp, 'align', lambda *_: lost)
    found = odometry.laid(odometry.prepared(xyz), np.eye(4), TIGHT, sure=True)
    assert 'of the points fit the map, at least 80% needed' in found.complaint


def test_walls_that_are_missed_are_a_complaint_that_fades():
    odometry = begun(yard)
    complaints = []
    for number in range(3, 30):
        found = odometry.laid(odometry.prepared(plain(number)), np.eye(4), TIGHT, sure=True)
        complaints.append(found.complaint)
    assert 'points fit walls and poles' in complaints[0]
    expected = [int(each.split(', ')[1].split()[0]) for each in complaints if 'expected' in each]
    assert expected == sorted(expected, reverse=True) and expected[-1] < 0.2 * expected[0]


def test_a_young_map_is_searched_sweep_on_sweep():
    odometry = LidarOdometry(OdometryConfig(few=40))  # no voxel of one sweep is a surface
    odometry.begin(odometry.prepared(yard(0)), np.eye(4))
    truth = matrix_of_rpy(np.array([1.5, 0.5, 0.0]), np.array([0.0, 0.0, 0.02]))
    found = odometry.laid(odometry.prepared(yard(1, truth)), np.eye(4), LOOSE, sure=True)
    assert (found.complaint, found.free) == ('', True)
    assert np.array_equal(found.information, ROUGH)
    assert found.pose[:3, 3] == pytest.approx([1.5, 0.5, 0.0], abs=0.1)
    assert np.array_equal(found.alone, found.pose)


def test_a_search_that_ends_far_away_is_a_complaint(monkeypatch):
    odometry = begun(yard)
    far = shifted(np.eye(4), np.array([11.0, 0, 0, 0, 0, 0]))
    monkeypatch.setattr(module.small_gicp, 'align', lambda *_: SimpleNamespace(T_target_source=far, num_inliers=9999))
    found = odometry.laid(odometry.prepared(yard(7)), np.eye(4), LOOSE, sure=False)
    assert found.complaint == 'search ended 11.0 m from where it should be'


def test_too_few_points_on_surfaces_are_a_complaint(monkeypatch):
    odometry = begun(yard, min_met=150)
    lost = SimpleNamespace(T_target_source=np.eye(4), num_inliers=0)
    monkeypatch.setattr(module.small_gicp, 'align', lambda *_: lost)
    away_from_all = shifted(np.eye(4), np.array([0, 0, 30.0, 0, 0, 0]))
    found = odometry.laid(odometry.prepared(yard(7)), away_from_all, TIGHT, sure=True)
    assert 'points on known surfaces, at least 150 needed' in found.complaint


def test_standing_adds_nothing_to_a_map_that_is_dense():
    odometry = begun(yard)
    before = odometry._number
    for number in range(10, 14):
        points = odometry.prepared(yard(number))
        odometry.joined(points, np.eye(4), odometry.laid(points, np.eye(4), TIGHT, sure=True))
    assert odometry._number == before


def test_warming_leaves_nothing_behind_and_runs():
    warm()


@given(st.lists(st.floats(-10.0, 10.0), min_size=9, max_size=9))
@settings(max_examples=100, deadline=None)
def test_the_axes_of_a_scatter_are_those_that_a_library_finds(numbers):
    root = np.array(numbers).reshape(3, 3)
    matrix = root @ root.T
    spread, axes = matrix.copy(), np.empty((3, 3))
    order = spread_along(spread, axes)
    size = 1e-12 * (1.0 + matrix.max())
    assert np.diag(spread)[list(order)] == pytest.approx(np.linalg.eigvalsh(matrix), abs=size)
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-12)
    assert axes @ np.diag(np.diag(spread)) @ axes.T == pytest.approx(matrix, abs=size)


def test_warming_compiles_what_a_drive_needs_only_later():
    warm()
    assert kept.signatures
