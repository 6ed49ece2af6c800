"""Maps of plots, and maps that are no longer true."""

import numpy as np
import pytest
from mapping_roads import straight

from autonomy_nodes.mapping.pieces import cut
from autonomy_nodes.mapping.raster import Raster, RasterConfig
from autonomy_nodes.perception.map_prior import map_channels
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots.plots import plot
from autonomy_nodes.sim.plots.roads import MAPPED, road_map
from autonomy_nodes.sim.stale import StaleSettings, stale


def told(of, x=30.0, y=1.75):
    pose = np.eye(4)
    pose[:2, 3] = x, y
    return map_channels(Raster(of, cut(of), RasterConfig()).prior(0, np.eye(4), pose), np.eye(4))


@pytest.mark.parametrize('name', sorted(set(MAPPED)))
def test_lanes_of_a_plot_lie_on_its_road_and_its_tracks_in_them(name):
    """At the middle of every lane there is no grass, nor at its edges, which lie at most at the kerb."""
    for seed in range(5):
        here = plot(seed, name)
        drawn = road_map(here)
        half = -here.relief.skin_at[1]
        road = here.relief.cells(here.relief.to_map(-30.0, 0.0))[1]
        lanes = [lanelet for lanelet in drawn.lanelets.values() if lanelet.for_vehicles]
        ways = [track for track in here.tracks if track.ego]
        assert len(lanes) == len(ways)
        for lanelet, track in zip(lanes, ways):
            middle = lanelet.centerline[3:-3]
            assert (here.relief.cells(middle[:, :2])[1] == road).all()
            width = np.linalg.norm(lanelet.left[0, :2] - lanelet.right[0, :2])
            assert 2.0 < width < 9.0
            on = here.relief.to_map(*track.at(0.5 * track.length_m)[:2])
            assert np.hypot(*(lanelet.centerline[:, :2] - on).T).min() < 1.2
            ahead = lanelet.centerline[-1, :2] - lanelet.centerline[0, :2]
            assert ahead @ np.array([np.cos(track.heading), np.sin(track.heading)]) > 0.0
            sides = np.concatenate([lanelet.left, lanelet.right])[:, :2]
            assert track.n == 0.0 or abs(track.s) < 50.0 or np.abs(here.relief.from_map(sides)[1]).max() < half + 0.1


def test_what_is_painted_dashed_in_a_plot_is_dashed_in_its_map():
    kinds = set()
    for seed in range(6):
        here = plot(seed, 'arterial')
        assert (here.relief.skin == Material.PAINT_WHITE).any()
        kinds |= {(line.type, line.subtype) for line in road_map(here).lines.values()}
    assert {('line_thin', 'solid'), ('line_thin', 'dashed'), ('road_border', '')} <= kinds
    without = {line.type for line in road_map(plot(1, 'suburb'), kerbs=False).lines.values()}
    assert 'road_border' not in without


@pytest.mark.parametrize('name', ['wild', 'track', 'car_park', 'works'])
def test_what_has_no_lanes_has_no_map(name):
    assert road_map(plot(3, name)) is None


def test_a_map_of_which_nothing_is_stale_looks_as_the_true_one():
    true = straight(length_m=90.0)[0]
    assert np.abs(told(true) - told(stale(true, StaleSettings(0.0), 1))).mean() < 0.002


def test_the_same_seed_makes_the_same_stale_map_and_another_one_another():
    true, settings = straight(length_m=90.0)[0], StaleSettings(0.5)
    one, again, other = (told(stale(true, settings, seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_lanes_that_are_gone_are_not_known_and_those_that_moved_lie_aside():
    true = straight(length_m=90.0)[0]
    gone = stale(true, StaleSettings(1.0, moved=0.0, added=0.0), 1)
    assert not gone.lanelets and not told(gone).any()
    aside = stale(true, StaleSettings(1.0, moved=1.0, added=0.0, aside_m=(3.0, 3.0)), 1)
    pairs = zip(stale(true, StaleSettings(0.0), 1).lanelets.values(), aside.lanelets.values())
    assert all(np.linalg.norm((a.left - b.left)[:, :2], axis=1) == pytest.approx(3.0) for a, b in pairs)


def test_about_half_of_the_squares_of_a_half_stale_map_are_true():
    true = straight(length_m=4000.0)[0]
    half = stale(true, StaleSettings(0.5, moved=1.0, added=0.0), 5)
    fresh = {tuple(np.round(lanelet.left[0], 3)) for lanelet in stale(true, StaleSettings(0.0), 5).lanelets.values()}
    same = [tuple(np.round(lanelet.left[0], 3)) in fresh for lanelet in half.lanelets.values()]
    assert np.mean(same) == pytest.approx(0.5, abs=0.1)  # of 200 squares: 3 sigma


def test_new_roads_are_drivable_where_nothing_was():
    true = straight(length_m=90.0)[0]
    added = stale(true, StaleSettings(1.0, moved=0.0, added=1.0), 3)
    assert len(added.lanelets) >= 8 and told(added)[1].sum() > 50.0


@pytest.mark.parametrize('wrong', [{'share': 1.2}, {'added': -0.1}, {'square_m': 0.0}, {'aside_m': (3.0, 1.0)}])
def test_settings_of_stale_maps_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StaleSettings(**wrong)
