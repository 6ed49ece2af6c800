"""Beams end in what lies and grows on the ground: how much sooner, worked out by hand."""

import numpy as np
import pytest

from autonomy_nodes.sim import scenes
from autonomy_nodes.sim.materials import RELIEFS_M, Material
from autonomy_nodes.sim.texture import GRASS_M, sooner

COUNT = 20000


def ended(material, facing=0.5, grass_m=0.1, ranges_m=10.0):
    """Return by how much higher than the ground beams end."""
    ranges = np.full(COUNT, ranges_m, np.float32)
    kinds, rng = np.full(COUNT, material), np.random.default_rng(0)
    return (ranges - sooner(ranges, np.full(COUNT, facing, np.float32), kinds, grass_m, rng)) * facing


def test_beams_end_between_the_ground_and_the_tips_of_the_grass_most_of_them_near_the_ground():
    heights = ended(Material.GRASS)
    assert heights.min() >= 0.0 and 0.0999 < heights.max() <= 0.1001
    assert heights.mean() == pytest.approx(0.1 / 3.0, rel=0.03)  # of squares drawn evenly
    assert ended(Material.GRASS, grass_m=0.05).mean() == pytest.approx(0.05 / 3.0, rel=0.03)


def test_a_road_is_smoother_than_soil_soil_than_grass_and_water_is_a_mirror():
    spreads = [ended(kind).std() for kind in (Material.WATER, Material.ASPHALT, Material.GRAVEL, Material.GRASS)]
    assert spreads[0] == 0.0 and spreads == sorted(spreads) and spreads[1] < 0.003
    assert RELIEFS_M[Material.BODY] == RELIEFS_M[Material.WALL] == 0.0


def test_a_flat_beam_ends_a_fifth_sooner_at_most():
    ranges = np.full(COUNT, 50.0, np.float32)
    ended_m = sooner(
        ranges, np.full(COUNT, 0.001, np.float32), np.full(COUNT, Material.GRASS), 1.0, np.random.default_rng(0)
    )
    assert ended_m.min() == pytest.approx(40.0)


def test_worlds_have_grass_of_their_own_and_the_same_again():
    heights = [scenes.made('rough', seed).grass_m for seed in (1, 2)]
    assert heights[0] != heights[1] and heights[0] == scenes.made('rough', 1).grass_m
    assert all(GRASS_M[0] <= height <= GRASS_M[1] for height in heights)
