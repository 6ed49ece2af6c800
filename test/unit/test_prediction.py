"""Futures of road users: physics worked out by hand, lanes, joint modes, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_roads import ego_at, fork, pose_at, straight

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import Light, Route, TrafficLights
from autonomy_nodes.common.objects import Label, Objects, no_objects
from autonomy_nodes.common.types import Goal
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.prediction.baselines import (
    TURN_FADES_S,
    along_lanes,
    constant_turn,
    constant_velocity,
    distances,
    speeds_over,
    stopped,
)
from autonomy_nodes.prediction.guard import GuardConfig, broken
from autonomy_nodes.prediction.hypotheses import HypothesesConfig, hastening
from autonomy_nodes.prediction.joint import overlaps, weighed
from autonomy_nodes.prediction.lane_loops import drawn_along
from autonomy_nodes.prediction.lane_paths import LaneField
from autonomy_nodes.prediction.movers import History
from autonomy_nodes.prediction.predictor import MODES, STEP_S, STEPS, TIMES_S, Predictor, PredictorConfig

STAMP = 10_000_000_000


def tracks(*rows, stamp_ns=STAMP, label=Label.CAR):
    """Rows of x, y, heading, speed (or (vx, vy)), and turn rate or NaN; ids by row."""
    count = len(rows)
    velocity = [v if isinstance(v, tuple) else (v * np.cos(h), v * np.sin(h)) for _, _, h, v, *_ in rows]
    classes = np.zeros((count, len(Label)))
    classes[:, label] = 1.0
    return Objects(
        stamp_ns,
        'odom',
        np.array([[x, y, 0.8] for x, y, *_ in rows]).reshape(-1, 3),
        np.array([row[2] for row in rows], float),
        np.tile([4.5, 1.8, 1.6], (count, 1)),
        np.ones(count),
        classes,
        np.array(velocity, float).reshape(-1, 2),
        np.array([row[4] if len(row) > 4 else np.nan for row in rows], float),
        np.tile(np.eye(3) * 0.01, (count, 1, 1)),
        np.tile(np.eye(2) * 0.01, (count, 1, 1)),
        np.arange(count * 16, dtype=np.uint8).reshape(count, 16),
    )


def movers_of(*rows, **kwargs):
    return History().movers(tracks(*rows, **kwargs))


def pieces_of(road_map, x=0.0, y=0.0):
    """The map's pieces where odom is map and the vehicle stands at (x, y)."""
    return MapGuide(road_map, GuideConfig()).step(ego_at(x, y), pose_at(x, y)).pieces


def test_constant_velocity_goes_straight_on():
    path = constant_velocity(movers_of((1.0, 2.0, np.pi / 2.0, 10.0)), np.array([[0.0, 5.0, 10.0]]))
    assert path[0] == pytest.approx(np.array([[1.0, 2.0, np.pi / 2], [1.0, 7.0, np.pi / 2], [1.0, 12.0, np.pi / 2]]))


def test_a_turn_fades_and_ends_at_rate_times_fading_time():
    movers = movers_of((0.0, 0.0, 0.0, 10.0, 0.2))
    times = np.linspace(0.0, 60.0, 601)
    path = constant_turn(movers, 10.0 * times[None], np.array([[0.2]]), times)[0]
    assert path[0, -1, 2] == pytest.approx(0.2 * TURN_FADES_S, abs=1e-6)
    assert path[0, 10, 2] == pytest.approx(0.2 * TURN_FADES_S * (1.0 - np.exp(-1.0 / TURN_FADES_S)))
    assert path[0, 10, 1] == pytest.approx(10.0 * 0.2 / 2.0, rel=0.15)  # v w t^2 / 2 after a second, a little less


def test_braking_ends_in_a_stop_and_never_backwards():
    # 4 m/s at 2 m/s2 stands after 2 s and 4 m
    speeds = speeds_over(np.array([4.0]), np.array([-2.0]), TIMES_S, lasting=True)
    travelled = distances(speeds, TIMES_S)
    assert travelled[0, 4:] == pytest.approx(np.full(STEPS - 4, 4.0))
    assert (np.diff(travelled) >= 0.0).all()


def test_who_stands_stays():
    assert np.ptp(stopped(movers_of((3.0, 4.0, 1.0, 0.0)), STEPS), axis=1) == pytest.approx(np.zeros((1, 3)))


def test_the_history_gives_speed_where_the_tracker_tells_none():
    history = History()
    for step in range(11):
        unknown = (np.nan, np.nan)
        movers = history.movers(tracks((0.5 * step, 0.0, 0.0, unknown), stamp_ns=STAMP + step * 100_000_000))
    assert movers.speeds_mps[0] == pytest.approx(5.0)
    assert movers.age_s[0] == pytest.approx(1.0)


def test_the_history_gives_acceleration_and_turn():
    history = History()
    for step in range(11):
        t = 0.1 * step
        row = (5.0 * t + t * t, 0.0, 0.1 * t, 5.0 + 2.0 * t)
        movers = history.movers(tracks(row, stamp_ns=STAMP + step * 100_000_000))
    assert movers.accelerations_mps2[0] == pytest.approx(2.0, abs=0.05)
    assert movers.turn_rates_rps[0] == pytest.approx(0.1, abs=0.01)


def test_time_that_steps_back_forgets_the_history():
    history = History()
    for stamp_ns in (STAMP, STAMP + 500_000_000, STAMP - 500_000_000):
        movers = history.movers(tracks((0.0, 0.0, 0.0, 5.0), stamp_ns=stamp_ns))
    assert np.isnan(movers.age_s[0])


def test_a_track_that_reverses_keeps_the_heading_of_its_body():
    found = Predictor(PredictorConfig()).predict(tracks((0.0, 0.0, 0.0, (-3.0, 0.0))), ego_at(50.0, 0.0))
    path = found.predictions.paths[0, 0]
    assert path[4, 0] == pytest.approx(-6.0, abs=0.5)
    assert np.cos(path[4, 2]) == pytest.approx(1.0, abs=0.02)
    slow = Predictor(PredictorConfig()).predict(tracks((0.0, 0.0, 0.3, (-0.8, -0.1))), ego_at(50.0, 0.0))
    path = slow.predictions.paths[0, 0]  # too slow for its velocity to tell the direction better than its body does
    assert path[4, :2] == pytest.approx(-1.6 * np.array([np.cos(0.3), np.sin(0.3)]), abs=0.3)


def test_there_are_six_joint_modes_of_seventeen_steps_and_probabilities_sum_to_one():
    found = Predictor(PredictorConfig()).predict(tracks((0, 0, 0, 8.0), (40, 3.5, 3.1, 0.0)), ego_at(-30.0, 0.0))
    assert found.predictions.paths.shape == (2, MODES, STEPS, 3)
    assert found.predictions.step_s == STEP_S
    assert found.predictions.probabilities.sum(axis=1) == pytest.approx(np.ones(2))
    assert found.scene_modes.probabilities.sum() == pytest.approx(1.0)
    assert found.predictions.paths[:, :, 0, :2] == pytest.approx(np.array([[[0, 0]] * 6, [[40, 3.5]] * 6], float))
    assert found.guarded == 0


def test_no_tracks_give_no_predictions_but_drives_of_our_own():
    found = Predictor(PredictorConfig()).predict(no_objects(STAMP, 'odom', tracked=True), ego_at(0.0, 0.0, speed=5.0))
    assert found.predictions.paths.shape == (0, MODES, STEPS, 3)
    assert found.scene_modes.probabilities == pytest.approx(np.full(MODES, 1.0 / MODES))
    assert found.proposals.drives[0, 2] == pytest.approx([5.0, 0.0, 0.0, 0.0, 5.0])


def test_in_a_lane_the_likeliest_path_follows_the_bend():
    road_map, _ = fork()
    bend = {'x': 30.0 + 20.0 * np.sin(0.6), 'y': 20.0 - 20.0 * np.cos(0.6)}
    found = Predictor(PredictorConfig()).predict(
        tracks((bend['x'], bend['y'], 0.6, 6.0)), ego_at(0.0, 0.0), pieces_of(road_map)
    )
    path = found.predictions.paths[0, 0]
    to_centre = np.hypot(path[:5, 0] - 30.0, path[:5, 1] - 20.0)  # until the lane ends after 2 s
    assert np.abs(to_centre - 20.0).max() < 0.3
    assert path[3, 2] == pytest.approx(0.6 + 1.5 * 6.0 / 20.0, abs=0.12)


def test_who_hastens_does_so_along_the_likeliest_lane_and_straight_on_without_one():
    """At 6 m/s and 0.7 m/s2: 6 t + 0.35 t2; in a bend of 20 m a lane keeps its owner slower than that."""
    road_map, _ = fork()
    bend = 30.0 + 20.0 * np.sin(0.6), 20.0 - 20.0 * np.cos(0.6), 0.6, 6.0
    both = movers_of((0.0, -30.0, np.pi, 6.0), bend)
    ways = LaneField(pieces_of(road_map), np.eye(4)).paths(both, 8.0)
    config = HypothesesConfig()
    free, along = hastening(both, ways, TIMES_S, config)
    assert free[:, 0] == pytest.approx(-(6.0 * TIMES_S + 0.35 * TIMES_S**2), abs=0.02)
    assert np.abs(np.hypot(along[:5, 0] - 30.0, along[:5, 1] - 20.0) - 20.0).max() < 0.3
    assert hastening(both, None, TIMES_S, config)[1, :, :2] == pytest.approx(
        np.array(bend[:2]) + (6.0 * TIMES_S + 0.35 * TIMES_S**2)[:, None] * (np.cos(0.6), np.sin(0.6)), abs=0.02
    )


def test_who_stands_beside_the_middle_of_a_lane_neither_slides_nor_turns_on_the_spot():
    road_map, _ = straight(length_m=100.0)
    ways = LaneField(pieces_of(road_map), np.eye(4)).paths(movers_of((30.0, 2.6, 0.2, 0.0)), 8.0)
    owner = movers_of((30.0, 2.6, 0.2, 0.0)).rows(ways.owners)
    gone = np.tile(0.5 * TIMES_S, (len(ways), 1))  # 4 m in 8 s, as who starts behind a queue
    still = along_lanes(ways, owner, 0.0 * gone, TIMES_S)[0]
    assert still == pytest.approx(np.tile([30.0, 2.6, 0.2], (STEPS, 1)))
    rolled = along_lanes(ways, owner, gone, TIMES_S)[0]
    assert 1.75 < rolled[-1, 1] < 2.4 and (np.diff(rolled[:, 1]) <= 0.0).all()


def test_a_long_vehicle_comes_out_of_a_bend_later_than_a_short_one():
    ahead, gone = np.zeros((2, 21)), np.tile(np.linspace(0.0, 10.0, 21), (2, 1))
    car, truck = drawn_along(ahead, np.full(2, 0.4), gone, np.array([2.7, 7.2]))
    assert car[-1] == pytest.approx(0.4 * np.exp(-10.0 / 2.7)) and truck[-1] == pytest.approx(0.4 * np.exp(-10.0 / 7.2))
    across = drawn_along(np.full((1, 2), -3.1), np.array([3.1]), np.array([[0.0, 50.0]]), np.array([2.7]))
    assert across[0, -1] == pytest.approx(2.0 * np.pi - 3.1, abs=1e-3)  # the short way round


def test_where_a_lane_forks_both_ways_are_among_the_modes():
    road_map, _ = fork()
    found = Predictor(PredictorConfig()).predict(tracks((15.0, 0.0, 0.0, 6.0)), ego_at(0.0, 0.0), pieces_of(road_map))
    ends = found.predictions.paths[0, :, 10, :2]  # after 5 s and 30 m
    straight_on, left = np.array([45.0, 0.0]), np.array([43.0, 4.7])
    assert np.hypot(*(ends - straight_on).T).min() < 2.0
    assert np.hypot(*(ends - left).T).min() < 3.0
    assert np.hypot(*(ends[0] - straight_on)) < 2.0  # straight on is likelier


def test_lanes_beyond_the_reach_of_an_object_do_not_catch_it():
    road_map, _ = straight(length_m=100.0)
    field = LaneField(pieces_of(road_map), np.eye(4))
    assert field.paths(movers_of((30.0, 40.0, 0.0, 5.0)), 8.0) is None
    assert field.paths(movers_of((30.0, 1.75, np.pi, 5.0)), 8.0) is None  # against the lane
    assert field.paths(movers_of((30.0, 1.75, 0.0, 1.0), label=Label.PEDESTRIAN), 8.0) is None
    ways = field.paths(movers_of((30.0, 2.0, 0.0, 5.0)), 8.0)
    assert ways.offsets_m[0] == pytest.approx(0.25, abs=1e-3)


def test_a_red_light_makes_the_stop_at_the_line_likelier():
    road_map, _ = straight(length_m=100.0, lanes=1, stop_at_m=50.0)
    chances = []
    for state in (Light.GREEN, Light.RED):
        lights = TrafficLights(STAMP, {3: state})
        found = Predictor(PredictorConfig()).predict(
            tracks((20.0, 1.75, 0.0, 9.0)), ego_at(0.0, 0.0), pieces_of(road_map), lights=lights
        )
        ends = found.predictions.paths[0, :, -1, 0]
        stands = (ends > 44.0) & (ends < 50.0)  # just before the line at 50 m
        assert stands.any()
        chances.append(found.predictions.probabilities[0][stands].sum())
    assert chances[1] > 1.5 * chances[0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-40, 40), st.floats(-3.2, 3.2), st.floats(0, 40), st.floats(-2, 2)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_tracked_no_path_breaks_physics(rows):
    found = Predictor(PredictorConfig()).predict(tracks(*rows), ego_at(0.0, 0.0), PIECES)
    paths, xy = found.predictions.paths, np.array([row[:2] for row in rows])
    speeds = np.array([row[3] for row in rows])
    assert np.isfinite(paths).all()
    plain = constant_velocity(movers_of(*rows), speeds[:, None] * TIMES_S)
    ok = ~broken(paths, xy, speeds, STEP_S, GuardConfig())
    ok |= (np.abs(paths[..., :2] - plain[:, None, :, :2]) < 1e-6).all(axis=(2, 3))
    assert ok.all()
    assert (found.predictions.probabilities >= 0.0).all()
    assert found.predictions.probabilities.sum(axis=1) == pytest.approx(np.ones(len(rows)))


PIECES = pieces_of(straight(length_m=100.0, lanes=3, pieces=2)[0])


def test_the_guard_refuses_leaps_and_speeds_that_cannot_be():
    still = np.zeros((1, 3, STEPS, 3))
    still[0, 1, 1:, 0] = np.arange(1, STEPS) * 20.0  # 40 m/s from standing
    still[0, 2, :, 1] = 1.5  # begins aside
    assert broken(still, np.zeros((1, 2)), np.zeros(1), STEP_S, GuardConfig()).tolist() == [[False, True, True]]


def test_paths_that_run_through_one_another_touch_and_lower_their_mode():
    movers = movers_of((0.0, 0.0, 0.0, 10.0), (40.0, -40.0, np.pi / 2.0, 10.0), (0.0, 100.0, 0.0, 10.0))
    meeting = constant_velocity(movers, movers.speeds_mps[:, None] * TIMES_S)  # the first two meet after 4 s
    waiting = np.where(np.arange(3)[:, None, None] == 1, stopped(movers, STEPS), meeting)
    touching = overlaps(movers, np.stack([meeting, waiting], axis=1))
    assert np.argwhere(touching).tolist() == [[0, 0, 1], [0, 1, 0]]
    scene, marginal = weighed(np.full((3, 2), 0.5), touching, np.ones(3, bool))
    assert scene[0] < scene[1]
    assert marginal[0, 0] < 0.5 < marginal[0, 1]
    assert marginal[2] == pytest.approx([0.5, 0.5])


def test_who_touches_already_does_not_count_as_a_clash():
    movers = movers_of((0.0, 0.0, 0.0, 0.0), (3.0, 0.0, 0.0, 0.0))
    assert not overlaps(movers, stopped(movers, STEPS)[:, None]).any()


def terrain_with_wall(x0, x1, y0, y1):
    height = np.zeros((200, 200), np.float32)
    grid = Grid(STAMP, 'odom', 0.5, np.array([-50.0, -50.0]), {'obstacle_height': height, 'elevation': height + 2.0})
    cells, _ = grid.cells(np.array([[x0, y0], [x1, y1]]))
    height[cells[0, 0] : cells[1, 0], cells[0, 1] : cells[1, 1]] = 2.0
    return grid


def test_a_wall_makes_the_way_through_it_less_likely():
    row = (0.0, 0.0, 0.0, 5.0)

    def straight_on(terrain):
        found = Predictor(PredictorConfig()).predict(tracks(row), ego_at(-30.0, 0.0), terrain=terrain)
        ends = found.predictions.paths[0, :, 12, :2]
        through = (np.abs(ends[:, 1]) < 1.0) & (ends[:, 0] > 22.0)
        return found.predictions.probabilities[0][through].sum()

    assert straight_on(terrain_with_wall(18.0, 24.0, -2.0, 2.0)) < 0.7 * straight_on(None)


def drives_of(**given):
    found = Predictor(PredictorConfig()).predict(no_objects(STAMP, 'odom', tracked=True), **given)
    assert found.proposals.probabilities.sum() == pytest.approx(1.0)
    return found.proposals


def test_our_own_drives_follow_the_route_at_the_speed_of_the_vehicle():
    road_map, (first, ahead, left) = fork()
    route = Route(STAMP, (0.0,) * 4, (0.0,) * 4, (first, left))
    drives = drives_of(ego=ego_at(5.0, 0.0, speed=6.0), pieces=pieces_of(road_map), route=route)
    best = drives.drives[np.argmax(drives.probabilities)]
    assert best[-1, 1] > 5.0  # it turns left
    assert best[4, 4] > 6.0  # and gathers speed: 2 m/s2 where the bend allows it
    lateral = np.abs(np.diff(np.unwrap(best[:, 3]))) / STEP_S * best[1:, 4]
    assert lateral.max() < 4.0


def test_our_own_drives_stand_on_the_terrain():
    drives = drives_of(ego=ego_at(0.0, 0.0, speed=5.0), terrain=terrain_with_wall(18.0, 24.0, -2.0, 2.0))
    assert drives.drives[0, :, 2] == pytest.approx(np.full(STEPS, 2.0))
    assert drives.probabilities[0] < drives.probabilities[2] * 3.0  # the wall stands in the way of the first


def test_a_goal_in_odom_gets_an_arc_that_stops_there():
    drives = drives_of(ego=ego_at(0.0, 0.0, speed=4.0), goal=Goal(STAMP, 'odom', (15.0, 8.0, 0.0), 0.0))
    gaps = np.hypot(drives.drives[:, -1, 0] - 15.0, drives.drives[:, -1, 1] - 8.0)
    assert gaps.min() < 1.0
    assert drives.drives[np.argmin(gaps), -1, 4] < 1.0


def test_a_goal_in_map_needs_lanes_and_gives_no_arc():
    with_goal = drives_of(ego=ego_at(0.0, 0.0, speed=4.0), goal=Goal(STAMP, 'map', (15.0, 8.0, 0.0), 0.0))
    assert len(with_goal.drives) == len(drives_of(ego=ego_at(0.0, 0.0, speed=4.0)).drives)


def test_the_same_scene_gives_the_same_futures():
    scene = tracks((0, 0, 0, 8.0), (40, 3.5, 3.1, 2.0), (10, 1.75, 0.1, 5.0))
    runs = [Predictor(PredictorConfig()).predict(scene, ego_at(0.0, 0.0), PIECES) for _ in range(2)]
    assert runs[0].predictions.paths.tobytes() == runs[1].predictions.paths.tobytes()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match='same_m=0.0'):
        PredictorConfig(same_m=0.0)
    with pytest.raises(ValueError, match='lateral_mps2=-1.0'):
        GuardConfig(lateral_mps2=-1.0)
