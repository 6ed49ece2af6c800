"""The map around the vehicle: pieces, lane match, prior, route, words."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_roads import ego_at, fork, pose_at, straight

from autonomy_nodes.common.geometry import matrix_of, quaternion_of_heading
from autonomy_nodes.common.grid import PRIOR_CONFIDENCE, PRIOR_LAYERS
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import Goal
from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.mapping.pieces import class_of, cut
from autonomy_nodes.mapping.polylines import arc_lengths, resampled
from autonomy_nodes.mapping.raster import Raster, RasterConfig


def guide_of(*args, **kwargs):
    road_map, ids = straight(*args, **kwargs)
    return MapGuide(road_map, GuideConfig()), ids


def goal_at(x, y, heading=0.0, stamp_ns=1, frame='map'):
    return Goal(stamp_ns, frame, (x, y, 0.0), heading)


def test_a_line_of_45_m_is_cut_into_pieces_of_19_m_that_share_their_ends():
    pieces = cut(straight(length_m=45.0, lanes=1)[0])
    centre = pieces.classes == Line.CENTERLINE
    assert pieces.lengths_m[centre] == pytest.approx([19.0, 19.0, 7.0])
    assert pieces.starts_m[centre] == pytest.approx([0.0, 19.0, 38.0])
    assert np.isfinite(pieces.points[centre][:, :, 0]).sum(axis=1).tolist() == [20, 20, 8]
    assert pieces.points[centre][0, 19] == pytest.approx(pieces.points[centre][1, 0])


def test_classes_of_lines_follow_their_paint():
    assert class_of('line_thin', 'dashed') == Line.DIVIDER
    assert class_of('line_thick', 'solid') == Line.SOLID
    assert class_of('curbstone', 'low') == Line.BOUNDARY
    assert class_of('stop_line', '') == Line.STOP_LINE
    assert class_of('zebra_marking', '') == Line.CROSSWALK
    assert class_of('virtual', '') == Line.UNKNOWN


def test_pieces_come_in_base_link_and_join_to_one_line():
    guide, (right, _) = guide_of(length_m=100.0)
    view = guide.step(ego_at(0.0, 0.0), pose_at(40.0, 1.75, np.pi / 2.0))
    line = view.pieces.line(Line.CENTERLINE, right)
    # the vehicle looks along y: what runs along x in map runs along -y in base_link, and leaves 50 m aside
    assert np.allclose(line[:, 0], 0.0, atol=1e-5)
    assert line[0, 1] == pytest.approx(40.0)
    assert np.allclose(np.diff(line[:, 1]), -1.0, atol=1e-5)
    assert view.pieces.frame == 'base_link'


@settings(max_examples=40, deadline=None)
@given(st.floats(-40, 140), st.floats(-60, 60), st.floats(-3.1, 3.1))
def test_the_pieces_are_exactly_those_that_reach_into_the_box(x, y, heading):
    guide, _ = GUIDE
    map_from_base = matrix_of(np.array([x, y, 0.0]), quaternion_of_heading(heading))
    found = guide._lookup.vectors(1, map_from_base)
    points = guide._lookup.pieces.points - map_from_base[:3, 3]
    ahead, aside = points @ map_from_base[:3, 0], points @ map_from_base[:3, 1]
    inside = (ahead >= -30.0) & (ahead <= 100.0) & (np.abs(aside) <= 50.0)
    assert len(found.points) == inside.any(axis=1).sum()
    assert np.allclose(found.points[..., 0], ahead[inside.any(axis=1)], atol=1e-3, equal_nan=True)


GUIDE = guide_of(length_m=100.0, lanes=3, pieces=2)


def test_the_match_tells_lane_place_and_how_sure_it_is():
    guide, (right, left) = guide_of(length_m=100.0)
    match = guide.step(ego_at(0.0, 0.0), pose_at(30.0, 2.0, 0.1)).match
    assert match.ids[0] == right
    assert match.s_m[0] == pytest.approx(30.0)
    assert match.d_m[0] == pytest.approx(0.25)  # the middle lies at 1.75
    assert match.heading_errors_rad[0] == pytest.approx(0.1)
    assert match.speed_limits_mps[0] == pytest.approx(10.0)
    # 0.25 m against 3.25 m of a deviation of sqrt(0.9^2 + 0.1^2) = 0.906 m: e^-0.038 to e^-6.43
    ratio = np.exp(-(3.25**2 - 0.25**2) / (2.0 * (0.9**2 + 0.1**2)))
    assert match.probabilities[0] == pytest.approx(0.995, abs=0.005)
    assert len(match.ids) == 1 or match.probabilities[1] / match.probabilities[0] == pytest.approx(ratio)


@settings(max_examples=60, deadline=None)
@given(st.floats(-10, 60), st.floats(-10, 30))
def test_no_point_of_a_lane_is_nearer_than_the_one_found(x, y):
    near = FORK._lookup.near(matrix_of(np.array([x, y, 0.0]), quaternion_of_heading(0.0)))
    for lane in FORK.map.lanelets.values():
        samples = resampled(lane.centerline, 0.05)
        gap = np.hypot(samples[:, 0] - x, samples[:, 1] - y).min()
        found = np.abs(near.d_m[near.ids == lane.id])
        assert len(found) == (gap <= 8.0) or abs(gap - 8.0) < 0.05
        if len(found):
            assert gap - 0.05 <= found[0] <= gap + 1e-3  # pieces are sampled anew
            s = near.s_m[near.ids == lane.id][0]
            place = [np.interp(s, arc_lengths(lane.centerline), lane.centerline[:, axis]) for axis in (0, 1)]
            assert np.hypot(place[0] - x, place[1] - y) == pytest.approx(found[0], abs=0.05)


FORK = MapGuide(fork()[0], GuideConfig())


def test_half_way_between_two_lanes_both_are_as_probable():
    guide, ids = guide_of(length_m=100.0)
    match = guide.step(ego_at(0.0, 0.0), pose_at(30.0, 3.5)).match
    assert sorted(match.ids) == sorted(ids)
    assert match.probabilities[0] == pytest.approx(match.probabilities[1])
    assert match.probabilities.sum() < 1.0


def test_a_lane_of_the_other_direction_is_no_match():
    guide, _ = guide_of(length_m=100.0)
    view = guide.step(ego_at(0.0, 0.0), pose_at(30.0, 1.75, np.pi))
    assert len(view.match.ids) == 0
    assert (view.health.level, view.health.text) == (Level.WARN, 'in no lane')


def test_off_the_map_there_is_no_lane_and_the_words_say_so():
    guide, _ = guide_of(length_m=100.0)
    view = guide.step(ego_at(0.0, 0.0), pose_at(30.0, 400.0))
    assert (len(view.pieces.points), len(view.match.ids)) == (0, 0)
    assert view.health.text == 'no lane near'
    assert np.isnan(view.prior.layers['drivable']).all()


def test_without_a_pose_in_map_there_are_only_words():
    view = guide_of()[0].step(ego_at(0.0, 0.0), None)
    assert (view.pieces, view.match, view.prior, view.route) == (None,) * 4
    assert (view.health.level, view.health.text) == (Level.WARN, 'no pose in map')


def test_health_tells_limit_stop_line_light_and_which_map():
    guide, _ = guide_of(length_m=100.0, stop_at_m=80.0)
    values = guide.step(ego_at(0.0, 0.0), pose_at(30.0, 1.75, 0.05)).health.values
    assert values['speed_limit_mps'] == '10.00'
    assert (values['stop_line_m'], values['light_m']) == ('50.0', '50.0')
    assert values['light'] == str(next(iter(guide.map.rules)))
    assert values['heading_error_rad'] == '0.050'
    assert values['projection'] == 'local'


def test_of_two_levels_the_one_at_the_height_of_the_vehicle_counts():
    draft, ids = Draft(), []
    for height in (1.0, 9.0):
        sides = [draft.line([(0, y, height), (100, y, height)], 'road_border') for y in (2, -2)]
        ids.append(draft.lanelet(*sides))
    guide = MapGuide(draft.finished(), GuideConfig())
    for height, own in ((1.2, ids[0]), (8.9, ids[1])):
        view = guide.step(ego_at(0.0, 0.0), pose_at(30.0, 0.0, z=height))
        assert view.match.ids.tolist() == [own]
        far = np.nanmax(view.pieces.points[..., 0], axis=1) > 30.0  # there the road may have climbed to it
        assert set(view.pieces.ids[(view.pieces.classes == Line.CENTERLINE) & ~far].tolist()) == {own}


def test_a_pose_far_above_every_lane_is_told_and_the_nearest_level_shown():
    draft = Draft()
    draft.lanelet(*(draft.line([(0, y, 1.0), (100, y, 1.0)], 'road_border') for y in (2, -2)))
    view = MapGuide(draft.finished(), GuideConfig()).step(ego_at(0.0, 0.0), pose_at(30.0, 0.0, z=37.0))
    assert len(view.match.ids) == 0
    assert view.health.text == 'height differs from the lane; in no lane'
    assert np.nanmax(view.pieces.points[..., 2]) == pytest.approx(-36.0)


def test_a_route_is_given_once_and_again_when_the_goal_changes():
    guide, ids = guide_of(length_m=90.0, pieces=3)
    goal = goal_at(80.0, 5.25)
    first = guide.step(ego_at(0.0, 0.0), pose_at(10.0, 1.75), goal)
    assert (first.route.lanelet_ids[0], first.route.lanelet_ids[-1]) == (ids[0], ids[5])
    assert first.route.goal == (80.0, 5.25, 0.0, 0.0)
    assert guide.step(ego_at(0.0, 0.0), pose_at(11.0, 1.75), goal).route is None
    repeated = replace(goal, stamp_ns=9)  # the same place, told again
    assert guide.step(ego_at(0.0, 0.0), pose_at(11.0, 1.75), repeated).route is None
    again = guide.step(ego_at(0.0, 0.0), pose_at(11.0, 1.75), goal_at(80.0, 1.75, stamp_ns=2))
    assert again.route.lanelet_ids == (ids[0], ids[2], ids[4])
    assert again.pieces.ids[0] == ids[0]  # lanes of the route come first


def test_leaving_the_route_gives_a_new_one_after_a_second():
    draft_map, (first, ahead, left) = fork()
    guide = MapGuide(draft_map, replace(GuideConfig(), off_route_steps=3))
    goal = goal_at(75.0, 0.0)
    assert guide.step(ego_at(0.0, 0.0), pose_at(10.0, 0.0), goal).route.lanelet_ids == (first, ahead)
    turned = pose_at(50.0, 19.0, np.pi / 2.0)  # in the bend, from which nothing leads to the goal
    for _ in range(2):
        assert guide.step(ego_at(0.0, 0.0), turned, goal).health.text == 'ok'
    assert 'no way from lane' in guide.step(ego_at(0.0, 0.0), turned, goal).health.text


@pytest.mark.parametrize(
    'goal, words',
    [
        (goal_at(50.0, 200.0), 'goal refused: no lane within 5 m of it'),
        (goal_at(108.0, 1.75), 'goal refused: no lane within 5 m of it'),
        (goal_at(5.0, 1.75), 'goal refused: no way from lane'),
        (goal_at(50.0, 1.75, frame='base_link'), "goal refused: it is in 'base_link', not in map or odom"),
    ],
)
def test_a_goal_that_cannot_be_reached_is_refused_in_words(goal, words):
    view = guide_of(length_m=100.0)[0].step(ego_at(0.0, 0.0), pose_at(30.0, 1.75), goal)
    assert view.route is None
    assert view.health.level == Level.WARN
    assert view.health.text.startswith(words)


def prior_of(road_map, x, y, heading, odom_x=0.0, odom_y=0.0, odom_heading=0.0):
    raster = Raster(road_map, cut(road_map), RasterConfig())
    odom_from_base = matrix_of(np.array([odom_x, odom_y, 0.0]), quaternion_of_heading(odom_heading))
    map_from_base = matrix_of(np.array([x, y, 0.0]), quaternion_of_heading(heading))
    return raster.prior(1, odom_from_base, map_from_base), odom_from_base, map_from_base


def test_the_prior_has_the_layout_of_the_terrain_grid():
    grid, *_ = prior_of(straight()[0], 20.0, 1.75, 0.0, odom_x=100.13, odom_heading=0.0)
    assert tuple(grid.layers) == PRIOR_LAYERS
    assert (grid.shape, grid.resolution_m, grid.frame) == ((256, 256), 0.4, 'odom')
    # centre 25.6 m ahead, half of 102.4 m back, on whole cells: 100.13 + 25.6 - 51.2 = 74.53 -> 74.4
    assert grid.origin_m == pytest.approx([74.4, -51.2])


def test_the_prior_shows_lanes_paint_and_direction_where_they_are_in_odom():
    # map turned by 90 degrees against odom: the road along x in map runs along y in odom
    grid, *_ = prior_of(straight(length_m=100.0)[0], 30.0, 1.75, 0.0, odom_heading=np.pi / 2.0)
    ahead = np.array([[0.0, 20.0], [-3.5, 20.0], [0.0, 40.0]])  # in odom: in our lane, in the left lane, ahead
    assert grid.at('drivable', ahead).tolist() == [1.0, 1.0, 1.0]
    assert grid.at('direction_sin', ahead) == pytest.approx([1.0] * 3, abs=0.02)
    assert grid.at('direction_cos', ahead) == pytest.approx([0.0] * 3, abs=0.02)
    right_edge, dashes, left_edge = ([1.75, 20.0], [-1.75, 20.0], [-5.25, 20.0])
    assert grid.at('boundary', np.array([right_edge, dashes])).tolist() == [1.0, 0.0]
    assert grid.at('divider', np.array([dashes, left_edge, [0.0, 20.0]])).tolist() == [1.0, 1.0, 0.0]
    assert grid.at('drivable', np.array([[4.5, 20.0], [10.0, 20.0]])).tolist() == [
        0.0,
        pytest.approx(np.nan, nan_ok=True),
    ]


def test_where_lanes_overlap_the_prior_is_drivable():
    road_map, (first, ahead, left) = fork()
    grid, *_ = prior_of(road_map, 10.0, 0.0, 0.0)
    for lane in (first, ahead, left):
        on_it = road_map.lanelets[lane].centerline[:, :2] - [10.0, 0.0]
        values = grid.at('drivable', on_it[1:-1])
        assert (values[np.isfinite(values)] == 1.0).all()
    assert grid.at('drivable', np.array([[22.0, 0.5]])) == 1.0  # in both of the two that part


def test_a_lane_for_both_ways_has_no_direction_in_the_prior():
    draft = Draft()
    sides = [draft.line([(0, y), (100, y)], 'road_border') for y in (3, -3)]
    draft.lanelet(*sides, one_way='no')
    grid, *_ = prior_of(draft.finished(), 30.0, 0.0, 0.0)
    assert grid.at('drivable', np.array([[20.0, 0.0]])) == 1.0
    assert np.isnan(grid.at('direction_cos', np.array([[20.0, 0.0]])))


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 100), st.floats(-3.1, 3.1), st.floats(-3.1, 3.1), st.floats(-1e4, 1e4))
def test_the_prior_is_drivable_on_the_centerline_wherever_odom_lies(x, heading, odom_heading, odom_x):
    road_map, (right, _) = straight(length_m=100.0)
    grid, odom_from_base, map_from_base = prior_of(road_map, x, 1.75, heading, odom_x, -odom_x, odom_heading)
    centre = road_map.lanelets[right].centerline
    in_odom = (centre - map_from_base[:3, 3]) @ map_from_base[:3, :3] @ odom_from_base[:3, :3].T + odom_from_base[:3, 3]
    values = grid.at('drivable', in_odom[2:-2, :2])
    assert (values[np.isfinite(values)] == 1.0).all()
    turn = odom_heading - heading
    sines = grid.at('direction_sin', in_odom[2:-2, :2])
    assert np.abs(sines[np.isfinite(sines)] - np.sin(turn)).max(initial=0.0) < 0.03


def test_the_prior_follows_the_vehicle_and_is_kept_while_it_hardly_moves():
    raster = Raster(road := straight(length_m=300.0)[0], cut(road), RasterConfig())

    def at(x, stamp_ns):
        pose = matrix_of(np.array([x, 1.75, 0.0]), quaternion_of_heading(0.0))
        return raster.prior(stamp_ns, pose, pose)

    first, second, third = at(20.0, 1), at(21.0, 2), at(24.0, 3)
    assert second.layers is first.layers
    assert (second.stamp_ns, third.stamp_ns) == (2, 3)
    assert third.layers is not first.layers
    fresh = Raster(road, cut(road), RasterConfig())
    pose = matrix_of(np.array([200.0, 1.75, 0.0]), quaternion_of_heading(0.0))
    far, again = at(200.0, 4), fresh.prior(4, pose, pose)
    for name in PRIOR_LAYERS:
        assert (np.nan_to_num(far.layers[name], nan=-9) == np.nan_to_num(again.layers[name], nan=-9)).mean() > 0.98


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match='patch_cells=300'):
        RasterConfig(patch_cells=300)
    with pytest.raises(ValueError, match='goal_off_lane_m=9.0'):
        GuideConfig(goal_off_lane_m=9.0)
    with pytest.raises(ValueError, match='off_route_steps=0'):
        GuideConfig(off_route_steps=0)


def test_a_map_without_lanes_tells_nothing_of_any_place():
    grid, *_ = prior_of(Draft().finished(), 20.0, 1.75, 0.0)
    assert tuple(grid.layers) == PRIOR_LAYERS and all(np.isnan(layer).all() for layer in grid.layers.values())


def test_the_raster_is_as_sure_as_the_pose_and_not_at_all_where_that_contradicts_the_map():
    """Half a metre is one sigma of 0.5 m, 68.3 %, and two of 0.25 m, 95.4 %."""

    def sure(**pose):
        prior = guide_of(length_m=100.0)[0].step(ego_at(0.0, 0.0), pose_at(40.0, 1.75, **pose)).prior
        (value,) = np.unique(prior.layers[PRIOR_CONFIDENCE])
        return float(value)

    assert sure(sigma_m=0.5) == pytest.approx(0.683, abs=0.001)
    assert sure(sigma_m=0.25) == pytest.approx(0.954, abs=0.001)
    assert sure(sigma_m=0.1, heading=0.6) == 0.0
    with pytest.raises(ValueError, match='sure_m=0'):
        GuideConfig(sure_m=0.0)


def test_a_goal_set_in_odom_leads_to_its_place_in_map_and_stays_there_though_odom_drifts():
    """The vehicle is at (0, 0) in odom and at (10, 1.75) in map, turned by 0: the goal lies at (60, 1.75) in map."""
    guide, (right, _) = guide_of(length_m=100.0)
    goal = goal_at(50.0, 0.0, frame='odom')
    route = guide.step(ego_at(0.0, 0.0), pose_at(10.0, 1.75), goal).route
    assert route.lanelet_ids == (right,)
    assert route.goal == pytest.approx((60.0, 1.75, 0.0, 0.0))
    drifted = guide.step(ego_at(2.0, 1.0), pose_at(11.0, 1.75), replace(goal, stamp_ns=7))  # sent again
    assert drifted.route is None and guide._goal.position_m == pytest.approx((60.0, 1.75, 0.0))
