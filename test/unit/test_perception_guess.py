"""Heights that nobody saw: guessed from what lies around, with a doubt that grows with the distance."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.perception.guess import everywhere, guessed

NOWHERE = np.zeros((64, 64), bool)


def with_hole(heights, low, high):
    holed = heights.astype(np.float32)
    holed[low:high, low:high] = np.nan
    return holed


def test_what_was_seen_stays_and_a_hole_in_a_slope_lies_on_the_slope():
    slope = np.add.outer(0.05 * np.arange(64), 0.02 * np.arange(64))
    heights, widths = guessed(with_hole(slope, 30, 34), NOWHERE)
    seen = np.ones((64, 64), bool)
    seen[30:34, 30:34] = False
    np.testing.assert_allclose(heights[seen], slope[seen], atol=1e-5)
    assert (widths[seen] == 1.0).all() and (widths[~seen] >= 2.0).all()
    np.testing.assert_allclose(heights[~seen], slope[~seen], atol=0.06)  # the slope falls 0.2 m over the hole


def test_the_larger_the_hole_the_larger_the_doubt():
    """Cells 8 to 11 are a whole square of 4, so that the one of 8 tells; of 8 to 47 the one of 16 to 31 is whole."""
    flat = np.zeros((64, 64))
    small, large = (guessed(with_hole(flat, 8, high), NOWHERE)[1] for high in (12, 48))
    assert small[10, 10] == 8.0 and large[28, 28] >= 32.0


def test_the_foot_of_an_obstacle_tells_nothing_of_the_ground_behind_it():
    """All within a cell of the obstacle is 1 m too high: in use it would lift the hole, without it that is flat."""
    heights, blocked = np.zeros((64, 64), np.float32), NOWHERE.copy()
    heights[20:23], blocked[21] = 1.0, True
    heights[21], heights[23:30] = np.nan, np.nan
    assert guessed(heights, NOWHERE)[0][24, 32] > 0.2
    assert abs(guessed(heights, blocked)[0][24, 32]) < 1e-6


def test_where_nothing_was_seen_nothing_is_guessed():
    assert np.isnan(guessed(np.full((64, 64), np.nan, np.float32), NOWHERE)[0]).all()


def test_a_terrain_keeps_its_own_heights_and_variances_and_its_unknown_cells_stay_unknown():
    """Cells 24 to 31 are a whole square of 8; that of 16, or 6.4 m, tells: variance (0.06 times 6.4 m) squared."""
    elevation = with_hole(np.full((64, 64), 0.3), 24, 34)
    variance = np.where(np.isnan(elevation), np.nan, 0.01).astype(np.float32)
    layers = {'elevation': elevation, 'variance': variance, 'occupancy': np.full((64, 64), np.nan, np.float32)}
    terrain = Grid(0, 'odom', 0.4, np.zeros(2), layers)
    z, doubt = everywhere(terrain)
    np.testing.assert_allclose(z, 0.3, atol=1e-6)
    assert doubt[0, 0] == np.float32(0.01)
    np.testing.assert_allclose(doubt[28, 28], (0.06 * 6.4) ** 2, rtol=1e-5)
    assert np.isnan(terrain.layers['elevation'][28, 28])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(5, 70), st.floats(0.0, 1.0))
def test_guesses_lie_between_the_lowest_and_the_highest_that_was_seen(seed, cells, share):
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(cells, cells)).astype(np.float32)
    seen[rng.random((cells, cells)) > share] = np.nan
    heights, widths = guessed(seen, np.zeros((cells, cells), bool))
    if np.isnan(seen).all():
        assert np.isnan(heights).all()
        return
    assert heights.min() >= np.nanmin(seen) - 1e-4 and heights.max() <= np.nanmax(seen) + 1e-4
    assert ((widths == 1.0) == np.isfinite(seen)).all()
