"""The terrain grid: what is seen, what is not, what moved away, what is hidden."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perception_scenes import SENSOR_M, STEP_NS, Box, ditch_hits, ego, ground_hits, scan

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS
from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.ground import GROUND, OBSTACLE, Ground, GroundConfig, GroundSplitter
from autonomy_nodes.perception.terrain import Terrain, TerrainConfig, far_terrain
from autonomy_nodes.perception.traversability import BLOCKED, FLAT, HOLE

SPLITTER = GroundSplitter(GroundConfig(), vehicle_height_m=1.6)
BODY_M = np.array([0.9, 3.6, 0.9])


def update(terrain, cloud, state, with_rays=True):
    ground = SPLITTER.split(cloud.xyz)
    passed = rays(cloud.xyz, ground.kinds, SENSOR_M) if with_rays else None
    return terrain.update(cloud.xyz, ground, passed, SENSOR_M, BODY_M, state)


def watched(boxes, times=5, terrain=None, start=0, **more):
    """Return the terrain and its grid after some sweeps of one scene by a vehicle at rest."""
    terrain = terrain or Terrain(TerrainConfig())
    cloud = scan(boxes, **more)
    for step in range(start, start + times):
        grid = update(terrain, cloud, ego(1 + step * STEP_NS))
    return terrain, grid


def test_a_plain_is_easy_known_and_free():
    _, grid = watched([])
    place = np.array([[6.0, 1.0], [8.0, -3.0], [0.5, 0.2]])  # the last lies under the vehicle
    assert set(grid.layers) == set(TERRAIN_LAYERS) and grid.shape == (256, 256) and grid.frame == 'odom'
    np.testing.assert_allclose(grid.at('elevation', place), 0.0, atol=0.02)
    np.testing.assert_allclose(grid.at('slope', place), 0.0, atol=0.02)
    assert (grid.at('observed', place) == 1.0).all() and (grid.at('occupancy', place) < 0.3).all()
    assert (grid.at('traversability', place) > 0.95).all() and (grid.at('class', place) == FLAT).all()
    assert (grid.at('obstacle_height', place) == 0.0).all() and np.isinf(grid.at('ceiling', place)).all()


def test_the_grid_lies_ahead_on_multiples_of_its_cells_along_odom():
    _, grid = watched([])
    np.testing.assert_allclose(grid.origin_m + 51.2, [25.6, 0.0], atol=0.4)
    np.testing.assert_array_equal(grid.origin_m, np.round(grid.origin_m / 0.4) * 0.4)


def test_a_box_is_an_obstacle_of_its_height_and_the_shadow_behind_it_is_not_known():
    _, grid = watched([Box(12.0, 0.0)])
    face, shadow = np.array([[9.85, 0.2]]), np.array([[18.0, 0.0]])
    assert grid.at('occupancy', face) > 0.9 and grid.at('class', face) == BLOCKED
    assert grid.at('traversability', face) == 0.0
    np.testing.assert_allclose(grid.at('obstacle_height', face), 1.5, atol=0.15)
    assert grid.at('observed', shadow) == 0.0
    for layer in ('elevation', 'occupancy', 'traversability', 'slope', 'obstacle_height'):
        assert np.isnan(grid.at(layer, shadow)).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 400))
def test_what_was_never_seen_is_never_free(seed, count):
    xyz = (np.random.default_rng(seed).normal(size=(count, 3)) * [15.0, 15.0, 0.5]).astype(np.float32)
    terrain, cloud = Terrain(TerrainConfig()), replace(scan(), xyz=xyz, intensity=np.zeros(count, np.float32))
    layers = update(terrain, cloud, ego(1)).layers
    with np.errstate(invalid='ignore'):
        free = (layers['occupancy'] < 0.5) | (layers['traversability'] > 0.0)
    assert (layers['observed'][free] > 0.0).all()
    assert np.isnan(layers['elevation'][layers['observed'] == 0.0]).all()


def test_what_drives_away_leaves_no_obstacle():
    terrain, grid = watched([Box(12.0, 0.0)], times=20)
    places = np.stack(np.meshgrid(np.arange(9.9, 14.0, 0.4), [-0.6, 0.0, 0.6]), axis=-1).reshape(-1, 2)
    assert (grid.at('occupancy', places) > 0.9).sum() >= 3
    _, grid = watched([], times=6, terrain=terrain, start=20)
    assert not (grid.at('occupancy', places) > 0.5).any()


def test_what_rays_pass_is_cleared_where_no_ground_is_seen():
    terrain, before = watched([Box(30.0, 0.0)], times=20)
    low = np.radians(-4.0)  # no beam meets the ground nearer than 1.8 m / tan 4 deg = 25.7 m, few do at 27 to 29 m
    _, after = watched([Box(40.0, 0.0, width=8.0)], 5, terrain, 20, beams=8, lowest_deg=np.degrees(low), highest_deg=0)
    face = np.array([[27.85, 0.2]])
    assert before.at('occupancy', face) > 0.9
    occupancy = after.at('occupancy', face)
    assert not occupancy > 0.5


def taken_for_ground(terrain, height_m, times, start):
    """Let a flat thing stand at 6 m ahead whose points are all taken for ground, as a bonnet's may be."""
    x, y = np.meshgrid(np.arange(5.0, 7.0, 0.1), np.arange(-1.0, 1.0, 0.1))
    xyz = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, height_m)]).astype(np.float32)
    ground = Ground(np.full(len(xyz), GROUND, np.uint8), np.zeros(len(xyz), np.float32), np.ones(len(xyz), bool))
    for step in range(start, start + times):
        grid = terrain.update(xyz, ground, None, SENSOR_M, BODY_M, ego(1 + step * STEP_NS))
    return grid


def test_what_is_taken_for_ground_above_known_ground_is_an_obstacle_and_leaves_the_ground_as_it_was():
    terrain, _ = watched([])
    place = np.array([[6.2, 0.2]])
    passing = taken_for_ground(terrain, 0.8, times=4, start=5)
    assert passing.at('occupancy', place) > 0.6 and passing.at('class', place) == BLOCKED
    np.testing.assert_allclose(passing.at('elevation', place), 0.0, atol=0.05)
    np.testing.assert_allclose(passing.at('obstacle_height', place), 0.8, atol=0.05)
    _, after = watched([], terrain=terrain, start=9)
    assert after.at('traversability', place) > 0.9 and after.at('occupancy', place) < 0.3


def test_ground_that_is_seen_higher_again_and_again_has_risen_and_what_sinks_has_sunk_at_once():
    terrain, _ = watched([])
    place = np.array([[6.2, 0.2]])
    np.testing.assert_allclose(taken_for_ground(terrain, 0.8, 60, 5).at('elevation', place), 0.8, atol=0.05)
    np.testing.assert_allclose(taken_for_ground(terrain, 0.0, 1, 65).at('elevation', place), 0.0, atol=0.05)


def test_what_is_hidden_stays_an_obstacle_for_a_while():
    terrain, before = watched([Box(20.0, 0.0)], times=20)
    _, after = watched([Box(10.0, 0.0, width=4.0, high=3.0), Box(20.0, 0.0)], times=10, terrain=terrain, start=20)
    face = np.array([[17.85, 0.2]])
    assert before.at('occupancy', face) > 0.9 and after.at('occupancy', face) > 0.9


def test_cells_keep_exactly_what_they_knew_while_the_vehicle_moves():
    terrain, before = watched([Box(12.0, 3.0)])
    nothing = scan(range_m=0.0)
    after = update(terrain, nothing, ego(1 + 5 * STEP_NS, x=7.3, y=-1.1, heading=0.6))
    places = np.stack(np.meshgrid(np.arange(-6.2, 30.0, 1.2), np.arange(-20.2, 20.0, 1.6)), axis=-1).reshape(-1, 2)
    assert np.isfinite(before.at('elevation', places)).sum() > 100
    known = before.at('observed', places) == 1.0
    np.testing.assert_array_equal(before.at('elevation', places)[known], after.at('elevation', places)[known])


def test_heights_are_those_of_odom_on_a_slope():
    terrain = Terrain(TerrainConfig())
    grid = update(terrain, scan(ground=partial(ground_hits, slope=0.15)), ego(1))
    place = np.array([[8.0, 1.0]])
    np.testing.assert_allclose(grid.at('elevation', place), 8.0 * 0.15, atol=0.05)
    np.testing.assert_allclose(grid.at('slope', place), np.arctan(0.15), atol=0.02)
    np.testing.assert_allclose(grid.at('step', place), 0.0, atol=0.04)


def test_a_kerb_is_a_step_of_its_height():
    kerb = Box(0.0, 29.0, length=200.0, width=50.0, high=0.14)  # from y = 4 on
    _, grid = watched([kerb], noise_m=0.0)
    steps = grid.at('step', np.stack([np.arange(1.0, 6.0, 0.4), np.full(13, 4.1)], axis=1))
    np.testing.assert_allclose(np.median(steps), 0.14, atol=0.02)
    assert (grid.at('traversability', np.array([[5.0, 4.1]])) < 0.7).all()


def test_a_ditch_is_a_hole_and_nobody_drives_into_it():
    def beside(directions, origin):  # the ditch lies from y = 2.6 to 7, along the way
        turned = np.stack([directions[:, 1], -directions[:, 0], directions[:, 2]], axis=1)
        return ditch_hits(turned, origin, start=2.6, end=7.0, depth=0.8)

    _, grid = watched([], ground=beside)
    columns = [[grid.at(name, np.array([[x, y]]))[0] for y in np.arange(2.2, 4.4, 0.4)] for x in (4.2, 5.0, 7.0)
               for name in ('class', 'traversability')]
    for kinds, easy in zip(columns[::2], columns[1::2]):
        assert HOLE in kinds and not np.array(easy)[np.array(kinds) == HOLE].any()


def test_the_even_bottom_of_a_ditch_ahead_is_a_hole_and_more_of_it_with_every_metre():
    """It is 3.4 m wide and 0.5 m deep; its near edge, 14 m ahead, hides 14 m * 0.5 / 1.8 of it, later 6 * 0.5 / 1.8."""
    terrain, known = Terrain(TerrainConfig()), []
    for step, x in enumerate((0.0, 4.0, 8.0)):
        cloud = scan(ground=partial(ditch_hits, start=14.0 - x, end=17.4 - x, depth=0.5))
        grid = update(terrain, cloud, ego(1 + step * STEP_NS, x=x))
        bottom = np.stack(np.meshgrid(np.arange(14.6, 17.0, 0.4), np.arange(-2.8, 3.0, 0.4)), axis=-1).reshape(-1, 2)
        bottom = bottom[grid.at('elevation', bottom) < -0.4]
        assert not (grid.at('traversability', bottom) > 0.0).any()
        assert (grid.at('class', bottom) == HOLE).all()
        known.append(len(bottom))
    assert known[0] == 0 < known[1] < known[2]
    assert (grid.at('traversability', np.array([[11.0, 0.2], [20.0, 0.2]])) > 0.5).all()


def test_a_bridge_is_a_ceiling_and_no_obstacle():
    bridge = Box(12.0, 0.0, length=4.0, width=30.0, low=3.0, high=3.6)
    _, grid = watched([bridge], highest_deg=20.0)
    under = np.array([[10.2, 0.2]])
    np.testing.assert_allclose(grid.at('ceiling', under), 3.0, atol=0.2)
    assert grid.at('occupancy', under) < 0.2 and grid.at('class', under) == FLAT


def test_a_small_hole_is_filled_by_the_plane_around_it_and_marked():
    cloud = scan(ground=partial(ground_hits, slope=0.1), noise_m=0.0)
    gap = (abs(cloud.xyz[:, 0] - 6.2) < 0.3) & (abs(cloud.xyz[:, 1] - 0.2) < 0.3)
    grid = update(Terrain(TerrainConfig()), cloud.kept(~gap), ego(1))
    place = np.array([[6.2, 0.2]])
    assert grid.at('observed', place) == 0.5
    np.testing.assert_allclose(grid.at('elevation', place), 0.62, atol=0.03)
    assert 0.0 < grid.at('traversability', place) <= np.float32(0.4)


def test_a_jump_back_in_time_forgets_and_a_late_sweep_is_refused():
    terrain, _ = watched([Box(12.0, 0.0)], times=20)
    with pytest.raises(DataError, match='not newer'):
        update(terrain, scan(), ego(1 + 15 * STEP_NS))
    grid = update(terrain, scan([]), ego(1 - 20 * STEP_NS))
    assert not (grid.at('occupancy', np.array([[9.85, 0.2]])) > 0.5).any()


@pytest.mark.parametrize('heading', [0.0, 0.8, 2.4, -1.6])
def test_the_far_grid_reaches_150_m_ahead_in_any_heading(heading):
    grid = update(Terrain(far_terrain(), far=True), scan([Box(80.0, 0.0, width=6.0, high=3.0)]), ego(heading=heading))
    ahead = np.array([np.cos(heading), np.sin(heading)])
    assert set(grid.layers) == set(FAR_LAYERS) and grid.resolution_m == 0.8
    assert grid.cells(150.0 * ahead)[1] and grid.cells(-25.0 * ahead)[1]
    assert grid.at('occupancy', 78.0 * ahead + [0.0, 0.0]) > 0.5


@pytest.mark.parametrize(
    'name, value', [('resolution_m', 0.0), ('cells', 4), ('fade_s', -1.0), ('hole_m', 0.0), ('guessed', 1.1)]
)
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f'terrain.{name}={value}'):
        TerrainConfig(**{name: value})


def test_the_foot_of_a_thing_does_not_tell_the_height_of_the_ground():
    """Ground points 0.2 m up in a cell, with one obstacle's return in it: no height there; without it 0.2 m."""
    x, y = np.meshgrid(np.arange(6.02, 6.38, 0.05), np.arange(0.02, 0.38, 0.05))
    xyz = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, 0.2)]).astype(np.float32)
    kinds, heights = np.full(len(xyz), GROUND, np.uint8), np.full(len(xyz), 0.2, np.float32)
    place = np.array([[6.2, 0.2]])
    for obstacle, told in ((False, True), (True, False)):
        kinds[0], heights[0] = (OBSTACLE, 0.9) if obstacle else (GROUND, 0.2)
        ground = Ground(kinds.copy(), heights.copy(), kinds == GROUND)
        grid = Terrain(TerrainConfig()).update(xyz, ground, None, SENSOR_M, BODY_M, ego(STEP_NS))
        assert (grid.at('observed', place) == 1.0) == told
        assert (grid.at('occupancy', place) > 0.5) == obstacle


def test_heights_far_from_the_vehicle_are_less_sure_by_its_lean():
    """Seen fifty times, a cell is sure to a centimetre or two against odom, but all of a sweep lean by 0.007 rad."""
    _, grid = watched([], times=50)
    rows, columns = np.nonzero(grid.layers['observed'] == 1.0)
    reach = np.hypot(*(grid.origin_m[:, None] + 0.4 * (np.array([rows, columns]) + 0.5)))
    sigma = np.sqrt(grid.layers['variance'][rows, columns])
    near, far = (np.median(sigma[np.abs(reach - metres) < 0.5]) for metres in (6.0, 20.0))
    assert 0.05 < near < 0.07 and 0.14 < far < 0.17  # 0.042 and 0.14 of leaning, 0.03 besides
