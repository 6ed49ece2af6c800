"""Fog, rain and second returns, with numbers by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sim_worlds import CAR, world
from test_sim_sensors import MOUNT, QUIET, moments, room

from autonomy_nodes.sim import air
from autonomy_nodes.sim.air import WeatherSettings, dimmed, extinction, wetted
from autonomy_nodes.sim.bodies import Cast
from autonomy_nodes.sim.echoes import APART_M
from autonomy_nodes.sim.lidar import LidarSettings
from autonomy_nodes.sim.materials import REFLECTIVITIES, Material, Semantic
from autonomy_nodes.sim.mesh import box, joined
from autonomy_nodes.sim.raycast import Rays
from autonomy_nodes.sim.rig import Lidar
from autonomy_nodes.sim.world import Solid, Weather

FOG = WeatherSettings('fog', visibility_m=100.0).over(Weather())
RAIN = WeatherSettings('rain', rain_mmph=25.0).over(Weather())
FINE = replace(QUIET, beams='64', columns=3600, half_lost_m=90.0)


def seen(a_world, settings):
    """Return the points of one sweep in base_link, and what they lie on."""
    cloud, met = Lidar(Rays(a_world), Cast(a_world), MOUNT, settings, (1,)).labelled(moments(a_world))
    return cloud.xyz + np.array(MOUNT.xyz_m), cloud, met


def test_of_the_light_a_twentieth_comes_back_from_half_the_visibility():
    assert extinction(FOG) == pytest.approx(math.log(20.0) / 100.0)
    assert dimmed(np.array([0.0, 25.0, 50.0]), FOG) == pytest.approx([1.0, 1.0 / math.sqrt(20.0), 1.0 / 20.0])


def test_rain_of_25_mm_an_hour_takes_9_decibel_a_kilometre_and_darkens_the_road_but_not_metal():
    """1.076 * 25^0.67 = 9.30 dB/km: there and back over 100 m 1.86 dB, which leaves 65 %."""
    assert extinction(RAIN) * 1000.0 / math.log(10.0) * 10.0 == pytest.approx(9.30, abs=0.01)
    assert dimmed(np.array([100.0]), RAIN) == pytest.approx([0.652], abs=0.001)
    assert wetted(np.array([Material.ASPHALT, Material.METAL]), RAIN) == pytest.approx([0.6, 1.0])
    assert wetted(np.array([Material.ASPHALT]), FOG) == pytest.approx([1.0])


def test_a_wall_in_fog_is_as_bright_and_as_often_seen_as_its_light_allows():
    """At 40 m a tenth is half lost: a wall of 0.35 met straight on has strength 3.5, in fog of 100 m 3.5 * 0.091."""
    wall = Solid(Semantic.STRUCTURE, box(1.0, 8.0, 9.0, Material.WALL).shifted(40.5 + MOUNT.xyz_m[0], 0.0))
    settings, shares, light = replace(FINE, half_lost_m=40.0), [], []
    for weather in (Weather(), FOG):
        _, cloud, met = seen(world(solids=(wall,), weather=weather), settings)
        of_wall = met.semantics == Semantic.STRUCTURE
        shares.append(of_wall.sum())
        light.append(np.median(cloud.intensity[of_wall]))
    assert light[0] == pytest.approx(255 * REFLECTIVITIES[Material.WALL], rel=0.04)
    assert light[1] / light[0] == pytest.approx(math.exp(-2 * 40 * 0.029957), rel=0.05)
    left = 3.5 * math.exp(-2 * 40 * 0.029957)
    assert shares[1] / shares[0] == pytest.approx((1 - 2**-left) / (1 - 2**-3.5), rel=0.08)


def test_fog_gives_points_near_the_sensor_that_lie_on_nothing_and_less_of_them_the_clearer_it_is():
    counts = []
    for visibility_m in (40.0, 160.0, 640.0):
        weather = WeatherSettings('fog', visibility_m=visibility_m).over(Weather())
        base, _, met = seen(world(weather=weather), FINE)
        wisps = met.semantics == Semantic.NOTHING
        assert (np.linalg.norm((base - MOUNT.xyz_m)[wisps], axis=1) <= air.WISPS_M).all()
        assert (base[wisps, 2] > 0.0).all(), 'none lies below the road'
        counts.append(wisps.sum())
    assert counts[0] > 1.5 * counts[1] > 3.0 * counts[2] > 0
    assert not (seen(world(), FINE)[2].semantics == Semantic.NOTHING).any()


def test_in_rain_a_wet_road_is_lost_sooner_and_drops_are_seen():
    dry, wet = (seen(world(weather=weather), FINE)[2] for weather in (Weather(), RAIN))
    roads = [(met.semantics == Semantic.PAVED).sum() for met in (dry, wet)]
    assert roads[1] < 0.95 * roads[0]
    assert 0 < (wet.semantics == Semantic.NOTHING).sum() < 0.1 * roads[0]


def fence_and_wall(slat_m=0.1, gap_m=0.1):
    """Slats all the way across at x = 10 from the sensor, a wall 5 m behind them."""
    x = 10.0 + MOUNT.xyz_m[0]
    slats = [box(0.001, slat_m, 9.0, Material.WOOD).shifted(x, y) for y in np.arange(-2.0, 2.0, slat_m + gap_m)]
    wall = box(1.0, 40.0, 9.0, Material.WALL).shifted(x + 5.5)
    return Solid(Semantic.POLE, joined(slats)), Solid(Semantic.STRUCTURE, wall)


def test_a_fence_gives_two_returns_where_the_beam_meets_an_edge():
    """Beams 20 mm wide at 10 m; the second ray lies 4 r / 3 pi = 4.24 mm aside on average; 10 edges a metre: 4.2 %."""
    settings = replace(FINE, returns=2, divergence_rad=0.002, half_lost_m=1e4, columns=7200)
    base, cloud, met = seen(world(solids=fence_and_wall()), settings)
    ahead = (np.abs(base[:, 1]) < 1.7 * base[:, 0] / 11.3) & (base[:, 0] > 9.0) & (base[:, 2] > 0.2)
    pairs = (np.diff(cloud.xyz @ np.zeros(3)) == 0) & (np.diff(cloud.ring.astype(int)) == 0)
    same = pairs & (np.abs(np.diff(np.arctan2(cloud.xyz[:, 1], cloud.xyz[:, 0]))) < 1e-6) & ahead[1:] & ahead[:-1]
    beams = ahead.sum() - same.sum()
    assert same.sum() / beams == pytest.approx(0.042, rel=0.15)
    first, second = np.flatnonzero(same), np.flatnonzero(same) + 1
    assert set(met.semantics[first]) == {Semantic.POLE, Semantic.STRUCTURE} == set(met.semantics[second])
    ranges = np.linalg.norm(cloud.xyz, axis=1)
    assert (np.abs(ranges[first] - ranges[second]) > APART_M).all()
    stronger = cloud.intensity / np.maximum(ranges, 1.0) ** 2 * np.minimum(ranges / air.EARLY_M, 1.0) ** 2
    assert (stronger[first] > 0.9 * stronger[second]).all(), 'the stronger one comes first'


def test_behind_a_pane_stands_a_second_return_of_what_the_glass_lets_through():
    pane = Solid(Semantic.STRUCTURE, box(0.01, 6.0, 6.0, Material.GLASS).shifted(8.0 + MOUNT.xyz_m[0]))
    wall = Solid(Semantic.POLE, box(1.0, 6.0, 6.0, Material.WALL).shifted(12.5 + MOUNT.xyz_m[0]))
    one, two = (seen(world(solids=(pane, wall)), replace(FINE, half_lost_m=1e4, returns=n)) for n in (1, 2))
    behind = [((met.semantics == Semantic.POLE) & (np.abs(base[:, 1]) < 1.0)).sum() for base, _, met in (one, two)]
    pane_seen = (two[2].materials == Material.GLASS) & (np.abs(two[0][:, 1]) < 2.0 / 3.0) & (two[0][:, 2] > 0.75)
    assert behind[0] == 0 and behind[1] == pytest.approx(pane_seen.sum(), rel=0.05) and behind[1] > 1000
    light = two[1].intensity[(two[2].semantics == Semantic.POLE) & (np.abs(two[0][:, 1]) < 1.0)]
    assert np.median(light) == pytest.approx(255 * 0.35 * 0.75**2, rel=0.06)


def test_with_one_return_in_clear_air_nothing_is_changed_and_two_add_only():
    solids = (*room(), *fence_and_wall())
    one, two = (seen(world(solids=solids), replace(FINE, half_lost_m=1e5, columns=900, returns=n))[1] for n in (1, 2))
    assert len(one) < len(two) < 1.05 * len(one)
    assert {tuple(point) for point in one.xyz.tolist()} <= {tuple(point) for point in two.xyz.tolist()}


def test_two_returns_while_driving_and_in_fog_are_the_same_again():
    settings = LidarSettings(beams='vlp16', columns=360, returns=2)
    a_world = world(solids=room(), weather=FOG)
    clouds = [
        Lidar(Rays(a_world), Cast(a_world), CAR.mounts['top'], settings, (3,)).sweep(moments(a_world, 6, 10.0))
        for _ in range(2)
    ]
    assert np.array_equal(clouds[0].xyz, clouds[1].xyz) and len(clouds[0]) > 1000
    assert (np.diff(clouds[0].offset_ns) >= 0).all()


@pytest.mark.parametrize('values', [{'kind': 'hail'}, {'visibility_m': 0.0}, {'rain_mmph': -1.0}])
def test_weather_that_there_is_not_is_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        WeatherSettings(**values)


@pytest.mark.parametrize('values', [{'returns': 3}, {'divergence_rad': 0.2}])
def test_beams_that_there_are_not_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        LidarSettings(**values)
