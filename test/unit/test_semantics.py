"""The network's word on the ground in the terrain: counted by hand, faded, moved; it frees rough ground alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perception_scenes import STEP_NS, ego

from autonomy_nodes.common.grid import SEMANTIC_LAYERS, SEMANTICS, TERRAIN_LAYERS, Grid
from autonomy_nodes.perception.bev import CELL_M, CELLS, ORIGIN_M, OUTPUTS, TERRAIN
from autonomy_nodes.perception.learned import Learned
from autonomy_nodes.perception.semantics import Semantics, SemanticSettings, asked_of, met_of
from autonomy_nodes.perception.terrain import TerrainConfig
from autonomy_nodes.perception.traversability import BLOCKED, FLAT, HOLE, ROUGH

NOBODY = np.zeros((0, 5))
PLAIN = SemanticSettings(forbidden=0.5, alike=0.7)
HERE = np.array([8.2, -3.0])  # the middle of cell (120, 92) of the network
CELL = tuple(np.floor((HERE - ORIGIN_M) / CELL_M).astype(int))


def terrain(stamp_ns=STEP_NS, origin=(-25.6, -51.2), easy=1.0):
    """Return flat ground of 256 x 256 cells, all of it easy, observed and free."""
    values = dict.fromkeys(TERRAIN_LAYERS, 0.0) | {'traversability': easy, 'observed': 1.0, 'class': 1.0}
    layers = {name: np.full((256, 256), value, np.float32) for name, value in values.items()}
    return Grid(stamp_ns, 'odom', 0.4, np.array(origin), layers)


def said(name='paved', chance=0.99, blocked=-5.0, known=True):
    """Return what a network tells that is as sure of one class everywhere, the rest shared alike by the others."""
    outputs = {each: np.zeros((channels, *cells), np.float32) for each, (channels, cells) in OUTPUTS.items()}
    outputs['terrain'][:] = np.log((1.0 - chance) / (len(TERRAIN) - 1))
    outputs['terrain'][TERRAIN.index(name)] = np.log(chance)
    outputs['blocked'][:] = blocked
    prior = np.zeros((3, *CELLS), np.float32)
    prior[1] = float(known)
    return Learned(None, prior, outputs)


def told(learned, times=1, semantics=None, grid=None, state=None, users=NOBODY, start=1):
    semantics = semantics or Semantics(PLAIN)
    for step in range(start, start + times):
        given = replace(grid or terrain(), stamp_ns=step * STEP_NS)
        found = semantics.told(given, state or ego(step * STEP_NS), learned, users)
    return found


def at(grid, layer, place=HERE):
    return float(grid.at(layer, place))


def test_one_sweep_is_taken_at_its_word():
    grid = told(said('loose', 0.8))
    assert set(grid.layers) == {*TERRAIN_LAYERS, *SEMANTIC_LAYERS}
    assert SEMANTICS[int(at(grid, 'semantic'))] == 'loose'
    assert at(grid, 'certainty') == pytest.approx(0.8, abs=1e-3)
    odds = 1 / 14 + np.exp(-5.0)  # two of the others bar the way, a thirtieth each; and what 'blocked' tells
    assert at(grid, 'forbidden') == pytest.approx(odds / (1 + odds), abs=1e-3)
    assert at(grid, 'traversability') == pytest.approx(1 / (1 + odds), abs=1e-3)


def test_two_reasons_to_bar_a_cell_are_more_than_one():
    """Odds of 0.6 by its class and of 0.6 by 'blocked': neither bars it alone, together they do."""
    by_class, by_word = said('obstacle', 0.375, blocked=-8.0), said('paved', 0.999, blocked=np.log(0.6))
    by_class.outputs['terrain'][TERRAIN.index('high_vegetation')] = -20.0
    both = said('obstacle', 0.375, blocked=np.log(0.6))
    both.outputs['terrain'][TERRAIN.index('high_vegetation')] = -20.0
    chances = [at(told(each), 'forbidden') for each in (by_class, by_word, both)]
    assert max(chances[:2]) < 0.5 < chances[2]
    assert at(told(both), 'traversability') == 0.0


def rough(slope=0.1, step=0.24, easy=0.05, shape=ROUGH, observed=1.0):
    grid = terrain(easy=easy)
    grid.layers['observed'][:] = observed
    grid.layers['class'][:], grid.layers['slope'][:], grid.layers['step'][:] = shape, slope, step
    return grid


def test_grass_that_looks_like_steps_is_soft_where_the_network_tells_that_one_may_enter():
    assert at(told(said('low_vegetation'), grid=rough()), 'traversability') == pytest.approx(0.5)
    assert at(told(None, grid=rough()), 'traversability') == pytest.approx(0.05)  # nobody tells
    assert at(told(said('low_vegetation', known=False), grid=rough()), 'traversability') == pytest.approx(0.05)
    assert at(told(said('low_vegetation', blocked=0.5), grid=rough()), 'traversability') == 0.0
    assert at(told(said('low_vegetation'), grid=rough(easy=0.7)), 'traversability') == pytest.approx(0.7)
    hard = Semantics(replace(PLAIN, soft=0.0))
    assert at(told(said('low_vegetation'), 1, hard, rough()), 'traversability') == pytest.approx(0.05)


@pytest.mark.parametrize(
    'what', [{'slope': 0.5}, {'step': 0.6}, {'shape': BLOCKED}, {'shape': HOLE}, {'shape': FLAT}], ids=str
)
def test_slopes_high_steps_things_and_holes_stay_what_geometry_says(what):
    assert at(told(said('low_vegetation'), grid=rough(**what)), 'traversability') == pytest.approx(0.05)


def test_soft_ground_that_nobody_saw_is_no_easier_than_other_ground_that_nobody_saw():
    assert at(told(said('low_vegetation'), grid=rough(observed=0.5)), 'traversability') == pytest.approx(0.4)
    wary = Semantics(PLAIN, TerrainConfig(guessed=0.2))
    assert at(told(said('low_vegetation'), 1, wary, rough(observed=0.5)), 'traversability') == pytest.approx(0.2)


def test_what_is_soft_counts_from_the_limits_of_the_terrain():
    semantics = Semantics(PLAIN, TerrainConfig(highest_step_m=0.1))
    assert at(told(said('low_vegetation'), 1, semantics, rough(step=0.24)), 'traversability') == pytest.approx(0.05)


def test_mud_may_be_driven_through_and_water_may_not():
    """Both are 'wet'; what no vehicle may enter is told apart."""
    mud, water = told(said('wet', 0.97, blocked=-3.0)), told(said('wet', 0.97, blocked=1.0))
    assert SEMANTICS[int(at(mud, 'semantic'))] == SEMANTICS[int(at(water, 'semantic'))] == 'wet'
    assert at(mud, 'traversability') > 0.9 and at(water, 'traversability') == 0.0


def test_ground_that_nobody_saw_gets_no_harder_by_a_small_chance_that_it_is_barred():
    grid = told(said('paved', 0.9999, blocked=np.log(0.25)), grid=terrain(easy=0.4))
    assert at(grid, 'forbidden') == pytest.approx(0.2, abs=1e-3)
    assert at(grid, 'traversability') == pytest.approx(0.4, abs=1e-3)


def test_sweeps_that_are_alike_count_as_few():
    """Eight sweeps count as 8 / (1 + 7 * 0.7) = 1.356: odds of 0.8 against one of six rise from 24 to 24 ** 1.356."""
    grid = told(said('loose', 0.8), times=8)
    odds = 24.0 ** (8.0 / 5.9)
    assert at(grid, 'certainty') == pytest.approx(odds / (odds + 6.0), abs=1e-3)
    assert at(told(said('loose', 0.8), times=30), 'certainty') == pytest.approx(odds / (odds + 6.0), abs=2e-3)


@pytest.mark.parametrize('name', ['high_vegetation', 'obstacle'])
def test_what_nobody_may_enter_is_not_free(name):
    grid = told(said(name, 0.9))
    assert at(grid, 'traversability') == 0.0 and at(grid, 'forbidden') > 0.9
    assert at(grid, 'class') == 1.0 and at(grid, 'occupancy') == 0.0  # shapes stay what they are


def test_a_ditch_is_not_free_though_it_is_paved():
    assert at(told(said('paved', 0.99, blocked=3.0)), 'traversability') == 0.0


@pytest.mark.parametrize('chance, easy', [(0.3, 0.7), (0.49, 0.51), (0.51, 0.0)])
def test_it_gets_harder_by_the_chance_and_impassable_at_the_limit(chance, easy):
    grid = told(said('paved', 0.9999, blocked=np.log(chance / (1.0 - chance))))
    assert at(grid, 'traversability') == pytest.approx(easy, abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_nothing_but_rough_ground_gets_freer_and_unknown_stays_unknown_or_is_barred(seed):
    rng = np.random.default_rng(seed)
    learned = said()
    for name in ('terrain', 'blocked'):
        learned.outputs[name][:] = rng.normal(0.0, 5.0, learned.outputs[name].shape)
    before = terrain()
    before.layers['traversability'][:] = rng.choice([0.0, 0.3, 1.0, np.nan], (256, 256))
    before.layers['class'][:] = rng.choice([0.0, FLAT, ROUGH, BLOCKED, HOLE], (256, 256))
    soft = before.layers['class'] == ROUGH
    users = np.column_stack([rng.uniform(-20.0, 40.0, (3, 2)), rng.uniform(0.5, 8.0, (3, 2)), rng.uniform(-4, 4, 3)])
    for _ in range(2):
        was, now = before.layers['traversability'], told(learned, grid=before, users=users).layers['traversability']
        known = np.isfinite(was)
        assert (now[known & ~soft] <= was[known & ~soft]).all() and np.isfinite(now[known]).all()
        assert (now[known & soft] <= np.maximum(was, PLAIN.soft)[known & soft]).all()
        assert not (now[~known] > 0.0).any()


def test_a_cell_of_which_training_did_not_ask_is_not_told():
    grid = told(said('wet', known=False))
    assert at(grid, 'semantic') == 0 and np.isnan(at(grid, 'forbidden')) and at(grid, 'traversability') == 1.0


def test_asked_is_where_a_point_fell_or_beside_it_or_a_ray_grazed_the_ground():
    prior = np.zeros((3, *CELLS), np.float32)
    prior[1, 100, 50] = prior[1, 0, 0] = 1.0
    prior[2, 30, 30], prior[2, 40, 40] = 0.97, 0.9  # 0.12 and 0.4 m above the ground
    asked = asked_of(prior)
    assert asked.sum() == 9 + 4 + 1 and asked[99:102, 49:52].all() and asked[:2, :2].all() and asked[30, 30]


def test_believed_on_board_is_where_a_point_fell_itself_or_a_ray_grazed_the_ground():
    prior = np.zeros((3, *CELLS), np.float32)
    prior[1, 100, 50] = 1.0
    prior[2, 30, 30], prior[2, 40, 40] = 0.97, 0.9
    believed = met_of(prior)
    assert believed.sum() == 2 and believed[100, 50] and believed[30, 30]


def test_what_is_told_no_more_fades_to_not_known():
    semantics = Semantics(PLAIN)
    told(said('obstacle'), 8, semantics)
    soon = told(None, 1, semantics, start=9)
    assert at(soon, 'traversability') == 0.0
    later = [told(None, 1, semantics, start=step) for step in (60, 300)]
    assert at(later[0], 'forbidden') > 0.5 > at(later[1], 'forbidden') or np.isnan(at(later[1], 'forbidden'))
    assert at(told(None, 1, semantics, start=600), 'semantic') == 0
    assert at(told(None, 1, semantics, start=601), 'traversability') == 1.0


def test_who_has_left_is_forgotten_within_a_second_or_two():
    semantics = Semantics(PLAIN)
    told(said('obstacle'), 8, semantics)
    assert at(told(said('paved'), 2, semantics, start=9), 'traversability') < 0.5
    assert at(told(said('paved'), 30, semantics, start=13), 'traversability') > 0.9


def test_cells_stay_where_they_are_in_odom_while_the_grid_moves_on_and_the_vehicle_turns():
    learned, semantics = said('paved'), Semantics(PLAIN)
    learned.outputs['terrain'][:, CELL[0], CELL[1]] = said('wet').outputs['terrain'][:, 0, 0]
    told(learned, 3, semantics)
    moved = terrain(origin=(-25.6 + 2.0, -51.2 - 1.2))
    grid = told(None, 1, semantics, moved, start=4)
    assert SEMANTICS[int(at(grid, 'semantic'))] == 'wet'
    wet = np.argwhere(grid.layers['semantic'] == SEMANTICS.index('wet'))
    np.testing.assert_allclose(grid.origin_m + (wet[0] + 0.5) * 0.4, HERE, atol=0.21)
    assert len(wet) == 1


def test_a_turned_vehicle_tells_of_places_where_they_are():
    """Heading left at (1, 2): what lies 8.2 m ahead and 3 m to the right is at (1 + 3, 2 + 8.2)."""
    learned = said('paved')
    near = slice(CELL[0] - 1, CELL[0] + 2), slice(CELL[1] - 1, CELL[1] + 2)
    learned.outputs['terrain'][(slice(None), *near)] = said('wet').outputs['terrain'][:, :3, :3]
    grid = told(learned, state=ego(STEP_NS, x=1.0, y=2.0, heading=np.pi / 2))
    wet = np.argwhere(grid.layers['semantic'] == SEMANTICS.index('wet'))
    np.testing.assert_allclose(grid.origin_m + (wet.mean(axis=0) + 0.5) * 0.4, [4.0, 10.2], atol=0.3)


def test_road_users_stand_in_cells_that_are_not_free_and_leave_no_trace():
    """A person of 0.6 m at (5, 0), with 0.4 m about: cells whose middles lie within 0.7 m."""
    users, semantics = np.array([[5.0, 0.0, 0.6, 0.6, 0.5]]), Semantics(PLAIN)
    grid = told(said(), 1, semantics, users=users)
    places = np.array([[5.0, 0.1], [5.4, 0.2], [4.6, -0.2], [6.2, 0.2], [5.0, 1.4]])
    assert grid.at('traversability', places) == pytest.approx([0.0, 0.0, 0.0, 0.99, 0.99], abs=0.01)
    assert (told(said(), 1, semantics, start=2).at('traversability', places) > 0.98).all()


def test_who_drives_on_leaves_no_trail_of_cells_that_nobody_looks_at_again():
    """Between two rings of a sweep nobody is seen again for a while."""
    for users, free in ((np.array([[*HERE, 4.0, 2.0, 0.0]]), True), (NOBODY, False)):
        semantics = Semantics(PLAIN)
        there = told(said('obstacle'), 8, semantics, users=users)
        assert at(there, 'traversability') < 0.05 and at(there, 'forbidden') > 0.9
        after = told(None, 15, semantics, start=9)  # a second and a half
        assert (at(after, 'traversability') > 0.9) == free


def test_a_jump_back_in_time_forgets():
    semantics = Semantics(PLAIN)
    told(said('wet'), 3, semantics, start=100)
    assert at(told(None, 1, semantics, start=1), 'semantic') == 0


def test_the_grid_that_is_given_is_left_as_it_was():
    grid = terrain()
    told(said('wet'), grid=grid)
    assert (grid.layers['traversability'] == 1.0).all() and set(grid.layers) == set(TERRAIN_LAYERS)


@pytest.mark.parametrize(
    'name, value', [('forbidden', 0.0), ('soft', 1.5), ('alike', 1.0), ('sweeps', 0.5), ('fade_s', 0.0)]
)
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f'semantics.{name}={value}'):
        SemanticSettings(**{name: value})
