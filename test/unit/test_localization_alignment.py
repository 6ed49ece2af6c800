import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.geometry import heading_of, quaternion_of, quaternion_of_heading
from autonomy_nodes.common.sensing import Fix
from autonomy_nodes.common.types import SECOND_NS, DataError, Pose
from autonomy_nodes.localization.alignment import AlignmentConfig, MapAlignment, Pair, weighted_median
from autonomy_nodes.localization.filter import Filter
from autonomy_nodes.localization.geodesy import LocalPlane
from autonomy_nodes.localization.motion import MotionConfig, displacement
from autonomy_nodes.localization.places import Places, Waypoint

START = 1_000 * SECOND_NS
UNSURE = 1e6


def turned(turn_rad, points):
    sine, cosine = math.sin(turn_rad), math.cos(turn_rad)
    return np.asarray(points) @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def pairs_of(odom, turn_rad, shift, sigma_m=0.5, noise=0.0):
    places = turned(turn_rad, odom) + shift + noise
    driven = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(odom, axis=0), axis=1))])
    return [
        Pair(START + number * SECOND_NS, way, spot, place, sigma_m, sigma_m)
        for number, (way, spot, place) in enumerate(zip(driven, odom, places))
    ]


def aligned(pairs, **given_settings):
    alignment = MapAlignment(AlignmentConfig(**given_settings))
    for pair in pairs:
        alignment.add(pair)
    return alignment.fitted(pairs[-1].odom, pairs[-1].driven_m)


ROAD = np.stack([np.linspace(0, 60, 31), 8 * np.sin(np.linspace(0, 3, 31)), np.zeros(31)], axis=1)


@settings(max_examples=40, deadline=None)
@given(st.floats(-3.1, 3.1), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.floats(-100, 100))
def test_places_without_noise_give_the_exact_transform(turn_rad, x, y, z):
    fit = aligned(pairs_of(ROAD, turn_rad, [x, y, z]))
    expected = turned(turn_rad, ROAD) + [x, y, z]
    assert ROAD @ fit.map_from_odom[:3, :3].T + fit.map_from_odom[:3, 3] == pytest.approx(expected, abs=1e-3)


def test_a_fifth_of_wild_places_moves_the_fit_by_less_than_its_sigma():
    noise = np.random.default_rng(1).normal(0, 0.3, ROAD.shape)
    noise[::5] += [40.0, -25.0, 10.0]
    fit = aligned(pairs_of(ROAD, 0.7, [100, 200, 5], sigma_m=0.3, noise=noise))
    here = fit.map_from_odom[:3, :3] @ ROAD[-1] + fit.map_from_odom[:3, 3]
    assert np.linalg.norm(here - (turned(0.7, ROAD[-1]) + [100, 200, 5])) < 2 * fit.sigma_m
    assert fit.agreeing == pytest.approx(0.77, abs=0.05)  # 0.8 of them are not wild, 0.96 of these within 2.5 sigma


def test_a_place_alone_says_nothing_and_a_place_with_heading_says_all():
    pair = pairs_of(ROAD[:1], 0.7, [1, 2, 3])[0]
    assert aligned([pair]) is None
    sure = Pair(START, 0.0, pair.odom, pair.place, 0.5, 0.5, turn_rad=0.7, sigma_rad=0.02)
    assert aligned([sure]).map_from_odom[:3, 3] == pytest.approx([1, 2, 3])


def test_the_heading_is_not_known_before_the_way_is_long_enough():
    """1 m of sigma needs some 14 m of way for 0.07 rad."""
    odom = np.stack([np.linspace(0, 100, 101), np.zeros(101), np.zeros(101)], axis=1)
    known = [aligned(pairs_of(odom[:count], 0.2, [0, 0, 0], sigma_m=1.0)) is not None for count in (3, 6, 101)]
    assert known == [False, False, True]


def test_old_pairs_fade_with_the_way_driven_since():
    """Odometry turned by 2 degrees half way: the new half counts more than the old."""
    odom = np.stack([np.linspace(0, 200, 201), np.zeros(201), np.zeros(201)], axis=1)
    places = odom.copy()
    places[100:, 1] = np.linspace(0, 100, 101) * math.tan(math.radians(2))
    driven = odom[:, 0]
    pairs = [Pair(START + i * SECOND_NS, driven[i], odom[i], places[i], 0.05, 0.05) for i in range(201)]
    fit = aligned(pairs)
    here = fit.map_from_odom[:3, :3] @ odom[-1] + fit.map_from_odom[:3, 3]
    assert abs(here[1] - places[-1, 1]) < 0.3
    even = aligned(pairs, drift_share=1e-9)
    there = even.map_from_odom[:3, :3] @ odom[-1] + even.map_from_odom[:3, 3]
    assert abs(there[1] - places[-1, 1]) > 0.3


def test_standing_does_not_fill_the_window():
    alignment = MapAlignment(AlignmentConfig())
    for number in range(101):
        place = np.zeros(3)
        alignment.add(Pair(START + number * SECOND_NS // 10, 0.0, place, place, 1.0, 1.0))
    assert len(alignment._pairs) == 11


def test_the_weighted_median():
    assert weighted_median(np.array([5.0, 1.0, 9.0]), [1.0, 1.0, 1.0]) == 5.0
    assert weighted_median(np.array([5.0, 1.0, 9.0]), [1.0, 1.0, 5.0]) == 9.0


def pose(stamp_ns, x, y, z=0.0, heading=0.0, variances=(0.04, 0.04, 0.04, UNSURE, UNSURE, 4e-4), frame='map'):
    return Pose(stamp_ns, frame, np.array([x, y, z]), quaternion_of_heading(heading), np.diag(variances))


def way(tenth, x, heading=0.0):
    place = displacement(np.array([0, 0, 0, 0, 0, heading]), 1.0)
    place[0, 3] = x
    return Waypoint(START + tenth * SECOND_NS // 10, place, x)


def settled(places, before, now, state=None):
    state = state or Filter(MotionConfig())
    state.state = replace(state.state, pose=now.pose)
    places.settle(before, now, state)
    return state.state.map_from_odom


def test_a_persons_pose_puts_odom_in_map_at_once():
    """The vehicle stands at x = 3 in odom; the person says (100, 50), facing left."""
    places = Places(AlignmentConfig(), ())
    places.hear_person(pose(0, 100, 50, heading=math.pi / 2))
    matrix = settled(places, way(0, 2.0), way(1, 3.0))
    assert matrix @ [3, 0, 0, 1] == pytest.approx([100, 50, 0, 1])
    assert matrix @ [4, 0, 0, 1] == pytest.approx([100, 51, 0, 1])


def test_a_persons_word_replaces_what_satellites_said():
    places = Places(AlignmentConfig(), ())
    places.hear_pose(pose(START, 0, 0))
    settled(places, way(0, 0.0), way(1, 1.0))
    places.hear_person(pose(0, 100, 50))
    assert settled(places, way(1, 1.0), way(2, 2.0))[:2, 3] == pytest.approx([98, 50])


def test_a_satellite_pose_meets_odom_at_its_own_moment():
    """Half way between two sweeps the vehicle was at x = 1.5; one from the future waits for its sweep."""
    places = Places(AlignmentConfig(), ())
    places.hear_pose(pose(START + SECOND_NS // 20, 11.5, 0))
    places.hear_pose(pose(START + SECOND_NS // 4, 13.5, 0))
    assert settled(places, way(0, 1.0), way(1, 2.0))[:2, 3] == pytest.approx([10, 0])
    assert len(places._waiting) == 1
    places.hear_pose(pose(START - SECOND_NS, 0, 0))
    settled(places, way(1, 2.0), way(2, 3.0))
    assert places.late == 1


def test_the_antenna_is_not_the_axle():
    """The antenna sits 2 m ahead: facing north, base_link is 2 m south of the fix."""
    places = Places(AlignmentConfig(), (49.0, 8.0, 100.0))
    places.hear_person(pose(0, 0, -2, heading=math.pi / 2))
    state = Filter(MotionConfig())
    settled(places, way(0, 0.0, 0.3), way(1, 0.0, 0.3), state)
    mount = np.eye(4)
    mount[0, 3] = 2.0
    fix = Fix(START + SECOND_NS // 10 + 2 * SECOND_NS, 'gnss', np.array([49.0, 8.0, 100.0]), np.eye(3) * 0.01)
    places.hear_fix(fix, mount)
    fitted = settled(places, way(1, 0.0, 0.3), way(21, 0.0, 0.3), state)
    assert fitted[:3, 3] == pytest.approx([0, -2, 0], abs=1e-6)
    assert heading_of(quaternion_of(fitted[:3, :3])) == pytest.approx(math.pi / 2 - 0.3)


@pytest.mark.parametrize(
    'bad, words',
    [
        (pose(START, 0, 0, frame='odom'), "frame 'odom', expected map"),
        (pose(START, 0, 0, variances=(UNSURE, 1, 1, 1, 1, 1)), 'x or y is not known'),
    ],
)
def test_poses_that_say_nothing_are_refused(bad, words):
    with pytest.raises(DataError, match=words):
        Places(AlignmentConfig(), ()).hear_pose(bad)
    with pytest.raises(DataError, match=words):
        Places(AlignmentConfig(), ()).hear_person(bad)


def test_a_fix_needs_the_origin_of_the_map():
    fix = Fix(START, 'gnss', np.array([49.0, 8.0, 100.0]), np.eye(3))
    with pytest.raises(DataError, match='map_origin_llh'):
        Places(AlignmentConfig(), ()).hear_fix(fix, np.eye(4))


def test_the_plane_touches_the_earth_at_its_origin():
    """A degree of latitude at 49 is 111 211 m, of longitude 73 173 m (WGS 84)."""
    plane = LocalPlane((49.0, 8.0, 100.0))
    assert plane.place(np.array([49.001, 8.0, 100.0])) == pytest.approx([0.0, 111.211, -0.001], abs=2e-3)
    assert plane.place(np.array([49.0, 8.001, 110.0])) == pytest.approx([73.173, 0.0, 10.0], abs=2e-3)
    with pytest.raises(DataError, match='not near map_origin_llh'):
        plane.place(np.array([52.0, 13.0, 0.0]))
    with pytest.raises(ValueError, match='map_origin_llh'):
        LocalPlane((123.0, 0.0, 0.0))


def test_nonsense_settings_are_refused():
    with pytest.raises(ValueError, match='pairs=0'):
        AlignmentConfig(pairs=0)
