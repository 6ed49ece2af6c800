"""The far ring: what it sees, worked out by hand, and what is made of its answer."""

from types import SimpleNamespace

import numpy as np
import pytest

from autonomy_nodes.common.grid import RING_LAYERS
from autonomy_nodes.evaluation.measures.far import truth_of
from autonomy_nodes.evaluation.measures.far_counts import FarAnswer, FarTruth, counted, shares
from autonomy_nodes.evaluation.measures.labelled_ground import Source
from autonomy_nodes.messages.formats.simulated import SEQUENCES
from autonomy_nodes.messages.grids import read_grid, write_grid
from autonomy_nodes.perception.bev import FAR, FAR_M, FAR_ORIGIN_M, FAR_POINTS, FAR_TOLD, far_middles
from autonomy_nodes.perception.cells import FAR_RANGES, RANGES, rays, seen_through
from autonomy_nodes.perception.far import FarSettings, far_grid, known_m
from autonomy_nodes.perception.far_raster import far_asked, far_rasterised
from autonomy_nodes.perception.ground import GROUND, OBSTACLE, OUTSIDE, Ground
from autonomy_nodes.sim.materials import Material, Semantic

SENSOR = np.array([0.0, 0.0, 2.0])


def ground_of(kinds, heights):
    kinds = np.array(kinds, np.uint8)
    return Ground(kinds, np.array(heights, np.float32), kinds == GROUND)


def cell(x, y):
    return tuple(np.floor((np.array([x, y]) - FAR_ORIGIN_M) / FAR_M).astype(int))


def at(name, far, x, y):
    return far[FAR_POINTS.index(name)][cell(x, y)]


def answer(free=-9.0, obstacle=-9.0):
    told = np.zeros((len(FAR_TOLD), *FAR), np.float32)
    told[FAR_TOLD.index('free')], told[FAR_TOLD.index('obstacle')] = free, obstacle
    return told


def open_road(x_end=140.0):
    """What a sensor sees of a flat road: a point in each cell up to an end."""
    middles = far_middles().reshape(-1, 2)
    middles = middles[middles[:, 0] < x_end]
    points = np.column_stack([middles, np.zeros((len(middles), 2))]).astype(np.float32)
    return far_rasterised(points, ground_of([GROUND] * len(points), [0.0] * len(points)))


def test_a_cell_tells_count_and_heights_of_its_points_and_the_ground_below_them():
    points = np.array([[100.1, 5.0, 3.0, 0], [100.2, 5.1, 4.0, 0], [100.3, 5.2, 2.2, 0], [160.0, 0, 0, 0]], np.float32)
    far = far_rasterised(points, ground_of([OBSTACLE, OBSTACLE, GROUND, GROUND], [0.8, 1.8, 0.0, 0.0]))
    assert far.shape == (len(FAR_POINTS), *FAR) and far.dtype == np.float32
    assert at('count', far, 100.2, 5.1) == pytest.approx(np.log(4.0))
    assert at('highest', far, 100.2, 5.1) == pytest.approx(1.8)
    assert at('lowest', far, 100.2, 5.1) == pytest.approx(0.0)
    assert at('mean', far, 100.2, 5.1) == pytest.approx(2.6 / 3.0)
    assert at('ground', far, 100.2, 5.1) == pytest.approx(2.2, abs=1e-5)
    assert (far[FAR_POINTS.index('known')] > 0.0).sum() == 1


def test_the_ground_spreads_to_cells_without_points_and_what_is_outside_or_too_high_is_not_looked_at():
    points = np.array([[60.1, 1.0, 1.0, 0], [60.1, 1.0, 9.0, 0], [120.0, 1.0, 5.0, 0]], np.float32)
    far = far_rasterised(points, ground_of([GROUND, OBSTACLE, OUTSIDE], [0.0, 8.0, np.nan]))
    assert at('count', far, 60.1, 1.0) == pytest.approx(np.log(2.0))
    assert at('highest', far, 60.1, 1.0) == 0.0
    assert at('ground', far, 140.0, -20.0) == pytest.approx(1.0)
    assert at('known', far, 120.0, 1.0) == 0.0


def test_a_ray_that_goes_on_low_above_a_cell_is_told_and_one_that_ends_before_tells_nothing():
    points = np.array([[120.0, 0.0, 0.0, 0]], np.float32)
    ground = ground_of([GROUND], [0.0])
    far = far_rasterised(points, ground, rays(points[:, :3].copy(), ground.kinds, SENSOR), SENSOR)
    middle = 90.0  # of its cell: 89.6 to 90.4
    assert at('passed', far, middle, 0.1) == pytest.approx(1.0 - (2.0 - 2.0 * middle / 120.0) / 4.0, abs=0.01)
    assert at('passed', far, 130.0, 0.1) == 0.0 and at('passed', far, middle, 20.0) == 0.0


def test_only_cells_near_a_point_or_under_a_low_ray_are_asked():
    points = np.array([[120.0, 0.0, 0.0, 0]], np.float32)
    ground = ground_of([GROUND], [0.0])
    asked = far_asked(far_rasterised(points, ground, rays(points[:, :3].copy(), ground.kinds, SENSOR), SENSOR))
    assert asked[cell(120.1, 0.1)] and asked[cell(119.3, -0.6)] and not asked[cell(124.0, 0.1)]
    assert asked[cell(80.0, 0.1)] and not asked[cell(40.0, 0.1)]  # the ray is 0.67 m high there, and 1.33 m


def test_rays_of_the_far_ring_change_nothing_that_the_terrain_hears():
    xyz = np.array([[130.0, 0.0, 0.0], [150.0, 0.0, 1.0]], np.float32)
    table = rays(xyz, np.full(2, GROUND, np.uint8), SENSOR)
    assert table.shape[1] == FAR_RANGES > RANGES
    assert (table[0, :131] == np.float32(-2.0 / 130.0)).all() and (table[0, 131:151] == np.float32(-1.0 / 150.0)).all()
    assert seen_through(table, 100.0, 0.0, 2.0, SENSOR) and not seen_through(table, 128.0, 0.0, 2.0, SENSOR)


def test_what_the_sensor_cannot_know_is_unknown_whatever_the_network_says():
    grid = far_grid(answer(free=9.0), open_road(x_end=60.0), 7)
    assert tuple(grid.layers) == RING_LAYERS and grid.frame == 'base_link'
    assert grid.layers['free'][cell(50.0, 0.0)] > 0.99
    for layer in grid.layers.values():
        assert np.isnan(layer[cell(80.0, 0.0)]) and np.isfinite(layer[cell(50.0, 0.0)])


def test_a_grid_is_the_same_after_it_was_sent():
    grid = far_grid(answer(free=1.0, obstacle=-2.0), open_road(x_end=60.0), 7)
    again = read_grid(write_grid(grid))
    assert (again.stamp_ns, again.frame, again.resolution_m, again.shape) == (7, 'base_link', FAR_M, FAR)
    np.testing.assert_allclose(again.origin_m, FAR_ORIGIN_M, atol=1e-6)
    for name in RING_LAYERS:
        np.testing.assert_array_equal(again.layers[name], grid.layers[name])


def test_the_way_is_known_to_the_first_cell_in_the_corridor_that_is_not_surely_free():
    settings, told, far = FarSettings(sure=0.8, from_m=16.0), answer(free=4.0), open_road(x_end=200.0)
    free = told[FAR_TOLD.index('free')]
    assert known_m(far_grid(told, far, 0), 1.0, settings) == pytest.approx(153.6)
    free[cell(100.2, 5.0)] = -4.0  # beside the way
    assert known_m(far_grid(told, far, 0), 1.0, settings) == pytest.approx(153.6)
    free[cell(100.2, 0.3)] = 1.0  # 0.73: not sure
    assert known_m(far_grid(told, far, 0), 1.0, settings) == pytest.approx(100.0)
    assert known_m(far_grid(told, open_road(x_end=60.0), 0), 1.0, settings) == pytest.approx(60.8)
    free[cell(16.2, 0.3)] = -4.0
    assert known_m(far_grid(told, far, 0), 1.0, settings) == 0.0


def test_nonsense_settings_are_refused():
    for key, value in (('sure', 1.0), ('from_m', -1.0), ('margin_m', -0.1)):
        with pytest.raises(ValueError, match=key):
            FarSettings(**{key: value})


def test_figures_are_counted_in_bands_of_asked_cells_with_a_truth():
    stands, none = np.zeros(FAR, bool), np.zeros(FAR, bool)
    stands[cell(60.0, 0.0)] = stands[cell(61.0, 0.0)] = stands[cell(100.0, 0.0)] = True
    said = none.copy()
    said[cell(60.0, 0.0)] = said[cell(64.0, 0.0)] = True
    truth = FarTruth(np.zeros(FAR), stands, ~stands)
    asked = none.copy()
    asked[cell(56.0, 0.0)[0] : cell(66.0, 0.0)[0], cell(0.0, 0.0)[1]] = True
    figures = shares([counted(FarAnswer(said, ~said, np.full(FAR, 0.25)), truth, asked)] * 2)
    count = asked.sum()
    assert figures['range_40_80.obstacle.recall'] == figures['range_40_80.obstacle.precision'] == 0.5
    assert figures['range_40_80.obstacle.iou'] == pytest.approx(1.0 / 3.0)
    assert figures['range_40_80.free.precision'] == pytest.approx((count - 3.0) / (count - 2.0))
    assert figures['range_40_80.obstacle_called_free'] == 0.5
    assert figures['range_40_80.height_mae_m'] == 0.25 and figures['range_40_80.cells'] == 2.0 * count
    assert not any(name.startswith('range_80') and not name.endswith('cells') for name in figures)


def test_the_truth_is_what_the_simulator_built_about_the_pose(tmp_path):
    place = tmp_path / SEQUENCES / '00'
    place.mkdir(parents=True)
    shape = (1000, 500)  # 200 by 100 m, from -10 and -50
    z, top = np.full(shape, 1.5, np.float32), np.zeros(shape, np.float32)
    semantic, material = np.zeros(shape, np.uint8), np.full(shape, Material.ASPHALT, np.uint8)
    for x, what, height in ((60.1, Semantic.STRUCTURE, 1.0), (80.1, Semantic.STRUCTURE, 0.3)):
        semantic[int((x + 10.0) / 0.2), 250], top[int((x + 10.0) / 0.2), 250] = what, height
    material[int(110.0 / 0.2) : int(111.6 / 0.2), 240:260] = Material.WATER
    np.savez(
        place / 'ground.npz', z=z, material=material, semantic=semantic, top=top, origin_xy=np.array([-10.0, -50.0]),
        resolution_m=np.float64(0.2),
    )  # fmt: skip
    pose = np.eye(4)
    pose[2, 3] = 0.5
    car = SimpleNamespace(
        positions_m=np.array([[120.0, 10.0, 0.0]]), flat=np.array([[120.0, 10.0, 4.0, 2.0, 0.5 * np.pi]]),
    )  # fmt: skip
    frame = SimpleNamespace(map_from=lambda name: pose, truth=lambda: SimpleNamespace(objects=car))
    told = truth_of(Source(frame, place))
    assert np.nanmax(np.abs(told.ground_m - 1.0)) < 1e-6
    assert told.obstacle[cell(60.1, 0.1)] and not told.free[cell(60.1, 0.1)]
    assert not told.obstacle[cell(80.1, 0.1)] and not told.free[cell(80.1, 0.1)]  # too low to be one, too high for free
    assert not told.free[cell(100.4, 0.1)] and told.free[cell(90.0, 0.1)]  # water
    assert told.obstacle[cell(120.1, 11.7)] and told.free[cell(121.9, 10.1)]  # a car that stands across
