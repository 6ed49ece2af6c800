"""Hollows of the ground: ditches and holes by elevations made by hand, gaps in what is seen, the way between banks."""

import numpy as np
import pytest

from autonomy_nodes.perception.hollows import HollowSettings, apart_from_way, cells_under, hollows

SIZE_M, SETTINGS = 0.4, HollowSettings(depth_m=0.35, reach_m=3.6, gap_m=5.0)
AT = (np.arange(80) + 0.5) * SIZE_M  # middles of cells


def told(z, settings=SETTINGS, stands=None):
    stands = np.zeros(z.shape, bool) if stands is None else stands
    return hollows(np.asarray(z, np.float32), stands, SIZE_M, settings)


def across(profile, diagonal=False):
    """Return (80, 80) the profile of one argument in metres along x, or along a diagonal."""
    return profile((AT[:, None] + AT[None, :]) / np.sqrt(2.0)) if diagonal else np.tile(profile(AT)[:, None], (1, 80))


def trench(half_m, depth_m, at_m=16.0):
    return lambda s: np.where(np.abs(s - at_m) < half_m, -depth_m, 0.0)


@pytest.mark.parametrize('turned', [False, True])
def test_the_whole_bottom_of_a_trench_is_a_hollow_and_nothing_beside_it(turned):
    z = across(trench(1.5, 0.5))
    found = told(z.T if turned else z)
    assert np.array_equal(found, (z < 0.0).T if turned else z < 0.0)


def test_a_trench_along_a_diagonal_is_one_too():
    z = across(trench(1.5, 0.5, at_m=22.0), diagonal=True)
    assert np.array_equal(told(z)[12:-12, 12:-12], z[12:-12, 12:-12] < 0.0)


def test_a_shallow_dent_a_bank_a_slope_and_a_wide_valley_are_none():
    for profile in (trench(1.5, 0.34), lambda s: np.where(s > 16.0, 0.8, 0.0), lambda s: 0.3 * s, trench(8.0, 0.9)):
        assert not told(across(profile))[:, 12:-12][15:-15].any()


def test_a_round_hole_is_told_and_a_mound_is_not():
    distance = np.hypot(AT[:, None] - 16.0, AT[None, :] - 16.0)
    hole = np.where(distance < 1.2, -0.6, 0.0)
    assert np.array_equal(told(hole), hole < 0.0)
    assert not told(-hole).any()


def test_the_depth_that_counts_is_that_of_the_settings():
    z = across(trench(1.5, 0.5))
    assert told(z, HollowSettings(depth_m=0.49)).any() and not told(z, HollowSettings(depth_m=0.51)).any()


def test_the_far_wall_behind_a_shadow_is_told_by_the_rim_before_it():
    """Rim to x = 12 m, unseen to 17.2 m, the wall from there at -0.8 to 0 at 18.8 m, ground behind."""
    z = across(lambda s: np.where(s < 12.0, 0.0, np.where(s < 17.2, np.nan, np.minimum(0.5 * (s - 18.8), 0.0))))
    found = told(z)[:, 40]
    deep = np.flatnonzero(z[:, 40] < -0.6)
    assert found[deep].all() and not found[z[:, 40] > -0.3].any()
    assert not told(z, HollowSettings(gap_m=0.0)).any()


def test_a_gap_is_bridged_by_a_straight_line():
    """8 m before it a rim 0.7 m higher: on the line to it 3.6 m away 0.315 m, too little; 0.9 m higher: 0.405 m."""
    for rim_m, is_hollow in ((0.7, False), (0.9, True)):
        z = np.full((80, 80), np.nan)
        z[20], z[40], z[44] = rim_m, 0.0, 0.5
        assert told(z)[40].any() == is_hollow


def test_a_wall_that_stands_beyond_a_gap_too_wide_tells_nothing():
    z = np.full((80, 80), np.nan)
    z[15], z[40], z[44] = 5.0, 0.0, 0.5  # 10 m before it
    assert not told(z).any()


def test_the_foot_of_a_rock_on_a_slope_is_no_rim():
    """The slope rises by 0.15; downhill lies a rock whose foot is told 0.6 m higher, beside where it stands."""
    z, stands = across(lambda s: 0.15 * s), np.zeros((80, 80), bool)
    z[29:32, 39:42] += 0.6
    stands[30, 40] = True
    assert told(z).any() and not told(z, stands=stands).any()


def test_a_bush_on_the_rim_hides_no_ditch():
    z, stands = across(trench(1.5, 0.5)), np.zeros((80, 80), bool)
    stands[34:36] = True  # two cells before the trench, and the rim of it beside them
    assert np.array_equal(told(z, stands=stands), z < 0.0)


def test_what_is_not_known_is_no_hollow_and_the_rim_of_the_grid_no_bank():
    assert not told(np.full((80, 80), np.nan)).any()
    assert not told(across(lambda s: np.where(s < 2.0, -1.0, 0.0))).any()
    z = across(trench(1.5, 0.5))
    z[39:41] = np.nan
    assert np.array_equal(told(z), z < 0.0)


def test_lines_do_not_run_on_from_one_side_of_the_grid_to_the_other():
    z = np.full((80, 80), np.nan)
    z[:, 0], z[:, 1:3], z[:, -1] = 0.0, 1.0, 1.0
    assert not told(z).any()


BODY_M = np.array([0.9, 3.6, 0.9])


def test_cells_under_the_body_are_those_of_its_box_turned():
    ahead = cells_under(BODY_M, np.eye(3), np.array([10.0, 10.0]), SIZE_M)
    assert ahead[:, 0].min() == 22 and ahead[:, 0].max() == 33  # 9.1 to 13.5 m
    left = cells_under(BODY_M, np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([10.0, 10.0]), SIZE_M)
    assert left[:, 1].min() == 22 and left[:, 1].max() == 33


@pytest.mark.parametrize('x_m, is_hollow', [(16.0, False), (8.0, True)])
def test_a_way_between_banks_is_driven_on_by_who_is_in_it(x_m, is_hollow):
    """Banks on both sides of a track 3 m wide along y; in it, and beside it."""
    z = across(trench(1.5, 0.6)).astype(np.float32)
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    own = cells_under(BODY_M, turned, np.array([x_m, 10.0]), SIZE_M)
    assert apart_from_way(told(z), z, own, SETTINGS).any() == is_hollow


def test_who_drives_between_banks_still_sees_the_pit_before_it():
    z = across(trench(1.5, 0.6)).astype(np.float32)
    pit = z < 0.0
    pit[:, :50] = pit[:, 54:] = False
    z[pit] = -1.2
    own = cells_under(BODY_M, np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([16.0, 10.0]), SIZE_M)
    assert np.array_equal(apart_from_way(told(z), z, own, SETTINGS), pit)


def test_a_body_beyond_the_grid_changes_nothing():
    z = across(trench(1.5, 0.6)).astype(np.float32)
    own = cells_under(BODY_M, np.eye(3), np.array([-50.0, 10.0]), SIZE_M)
    assert np.array_equal(apart_from_way(told(z), z, own, SETTINGS), told(z))


@pytest.mark.parametrize('name, value', [('depth_m', 0.0), ('reach_m', 0.2), ('reach_m', 11.0), ('gap_m', -1.0)])
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f'hollows.{name}={value}'):
        HollowSettings(**{name: value})
