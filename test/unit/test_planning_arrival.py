"""Goals that are windows of time, on a straight reference along x; numbers worked out by hand."""

import numpy as np
import planning_scenes as scenes
import pytest

from autonomy_nodes.common.lanes import Line, Route
from autonomy_nodes.planning.arrival import Arrival, arrivals_on, arriving_speeds, met, pace_m
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.reference import reference_through
from autonomy_nodes.planning.rollout import TIMES_S
from autonomy_nodes.planning.situation import GoalWindow
from autonomy_nodes.planning.terms import Weights

SECOND_NS = 1_000_000_000
ALONG = reference_through('route', np.column_stack([np.linspace(0.0, 200.0, 201), np.zeros(201)]))


def outline(x0, x1, y0=-1.0, y1=1.0):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def speeds(arrivals, speed=10.0, acceleration=0.0, fastest=20.0, count=16):
    return arriving_speeds(arrivals, 0.0, speed, acceleration, fastest, 4.0, 2.6, count)


def way_of(profile):
    """Metres gone along a profile at its moments."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (profile[1:] + profile[:-1]) * 0.2)])


def drive(speed, y=0.0, heading=0.0):
    """Stations, offsets, headings, speeds of one drive at constant speed."""
    stations = speed * TIMES_S[None]
    return stations, np.full_like(stations, y), np.full_like(stations, heading), np.full_like(stations, speed)


def test_a_window_lies_on_the_course_between_seconds_stations_and_offsets():
    window = GoalWindow(5 * SECOND_NS, 7 * SECOND_NS, (outline(50.0, 56.0, 0.5, 2.5),), (8.0, 12.0), (-0.1, 0.3))
    (found,) = arrivals_on(ALONG, [window], 2 * SECOND_NS)
    assert (found.from_s, found.until_s, found.slowest_mps, found.fastest_mps) == (3.0, 5.0, 8.0, 12.0)
    assert (found.near_m, found.far_m) == pytest.approx((50.0, 56.0))
    assert (found.right_m, found.left_m, found.middle_m) == pytest.approx((0.5, 2.5, 1.5))
    assert (found.turn_rad, found.turn_most_rad) == pytest.approx((0.1, 0.2))
    assert arrivals_on(ALONG, [window], 8 * SECOND_NS) == ()  # it is over
    assert arrivals_on(ALONG, [GoalWindow(0, SECOND_NS)], 0) == ()  # anywhere


def test_speeds_that_arrive_come_to_the_place_in_time_with_the_speed_that_is_wanted():
    arrival = Arrival(4.0, 5.0, 38.0, 44.0, 1.0, -1.0, 4.0, 7.0)
    found = speeds([arrival])
    assert 0 < len(found) <= 16
    for profile in found:
        gone = way_of(profile)
        there = (TIMES_S > 3.99) & (TIMES_S < 5.01)
        good = (gone > 37.9) & (gone < 44.1) & (profile > 3.99) & (profile < 7.01)
        assert (there & good).any()
    assert found[:, 0] == pytest.approx(10.0)


def test_the_smoothest_arrival_comes_first_and_going_on_is_the_smoothest():
    arrival = Arrival(4.0, 4.0, 37.0, 43.0, 1.0, -1.0)
    assert speeds([arrival])[0] == pytest.approx(10.0, abs=0.01)  # 40 m in 4 s at 10 m/s


def test_what_cannot_be_reached_is_not_proposed():
    assert len(speeds([Arrival(3.0, 3.0, 97.0, 99.0, 1.0, -1.0)])) == 0  # 33 m/s
    assert len(speeds([Arrival(3.0, 3.0, 30.0, 31.0, 1.0, -1.0, 25.0, 30.0)])) == 0  # faster than is allowed here
    assert len(speeds([Arrival(3.0, 3.0, -9.0, -5.0, 1.0, -1.0)])) == 0  # behind us
    assert len(speeds([Arrival(0.0, 0.2, 1.0, 3.0, 1.0, -1.0)])) == 0  # too soon to do anything about it
    assert len(speeds([])) == 0


def test_an_acceleration_that_we_have_is_begun_with():
    found = speeds([Arrival(4.0, 5.0, 38.0, 50.0, 1.0, -1.0)], acceleration=-1.0)
    assert len(found) and (found[:, 1] - found[:, 0]) / 0.2 == pytest.approx(-1.0, abs=0.6)


def test_a_drive_that_meets_the_window_earns_all_and_others_by_what_is_off():
    arrival = Arrival(3.0, 3.5, 29.0, 33.0, 1.0, -1.0, 9.0, 11.0, 0.0, 0.1)
    cases = [drive(10.0), drive(8.0), drive(10.0, y=1.5), drive(10.0, heading=0.4), drive(10.0, heading=2.0 * np.pi)]
    found = met([arrival], *(np.concatenate(values) for values in zip(*cases)))
    assert found[0] == found[4] == 1.0
    assert found[1] == pytest.approx(0.8 * np.exp(-0.5 * ((29.0 - 28.0) / 4.0 + 1.0 / 1.5)))  # 8 m/s for 3.5 s
    assert found[2] == pytest.approx(0.8 * np.exp(-0.5 * 0.5))
    assert found[3] == pytest.approx(0.8 * np.exp(-0.5 * 0.3 / 0.15))


def test_of_several_windows_one_is_enough():
    near, other = Arrival(2.0, 2.0, 19.0, 21.0, 1.0, -1.0), Arrival(2.0, 2.0, 79.0, 81.0, 1.0, -1.0)
    assert met([other, near], *drive(10.0))[0] == 1.0 > met([other], *drive(10.0))[0]


def test_a_window_behind_the_horizon_is_met_by_who_can_still_come_there_gently():
    later = Arrival(12.0, 12.0, 115.0, 125.0, 1.0, -1.0)  # 4 s behind the horizon, in which 1.5 m/s2 make 12 m
    assert met([later], *drive(10.0))[0] == 1.0
    assert met([later], *drive(9.0))[0] == 1.0  # 108 m and 12 m more
    assert met([later], *drive(5.0))[0] < 0.1  # 60 m and 12 m more


def test_to_be_early_is_no_progress():
    arrival = Arrival(4.0, 4.0, 38.0, 40.0, 1.0, -1.0)
    slow, fast = pace_m([arrival], 0.0, 8.0 * TIMES_S[None]), pace_m([arrival], 0.0, 30.0 * TIMES_S[None])
    assert slow[0, 10] == pytest.approx(16.0) and fast[0, 10] == pytest.approx(20.0)  # 10 m/s bring it there
    assert fast[0, -1] == pytest.approx(40.0)
    assert (pace_m([], 0.0, 30.0 * TIMES_S[None]) == 30.0 * TIMES_S[None]).all()


def test_without_a_window_its_weight_does_not_count():
    weights = Weights()
    assert 'goal_window' not in weights.of(['progress', 'comfort'])
    assert weights.of(['comfort', 'goal_window', 'progress']) == {'progress': 5.0, 'comfort': 2.0, 'goal_window': 5.0}


def planned(window):
    """The plan of who drives 8 m/s on a straight lane, and its state."""
    planner, state = Planner(PlannerConfig()), scenes.ego(speed=8.0)
    lines = [(Line.CENTERLINE, 1, np.column_stack([np.linspace(-20.0, 260.0, 281), np.zeros(281)]))]
    route = Route(state.stamp_ns, (0.0,) * 4, (0.0,) * 4, (1,))
    told = scenes.situation(state, pieces=scenes.pieces(lines, state), lane=scenes.match(1), route=route,
                            windows=() if window is None else (window,))  # fmt: skip
    return planner.plan(told), state


def test_the_planner_slows_down_for_a_time_that_is_set_and_says_so():
    plan, state = planned(None)
    speed = state.speed_mps
    way = 6.0 * 0.75 * speed  # three quarters of our speed bring the body's middle there in 6 s
    x = state.position_m[0] + 1.35 + way
    window = GoalWindow(state.stamp_ns + 6 * SECOND_NS, state.stamp_ns + 6 * SECOND_NS, (outline(x - 2.0, x + 2.0),))
    timed, _ = planned(window)
    middle = np.interp(6.0, timed.trajectory.times_s, timed.trajectory.poses[:, 0]) + 1.35
    assert abs(middle - x) < 2.0 < abs(np.interp(6.0, plan.trajectory.times_s, plan.trajectory.poses[:, 0]) + 1.35 - x)
    assert timed.marks.columns['term_goal_window'].max() == 1.0
    assert 'term_goal_window' not in plan.marks.columns


def test_a_place_in_the_lane_beside_is_driven_to_in_time():
    planner, state = Planner(PlannerConfig()), scenes.ego(speed=8.0)
    along = np.linspace(-20.0, 260.0, 281)
    lines = [(Line.CENTERLINE, id_, np.column_stack([along, np.full(281, y)])) for id_, y in ((1, 0.0), (2, 3.5))]
    route = Route(state.stamp_ns, (0.0,) * 4, (0.0,) * 4, (1,))
    x = state.position_m[0] + 1.35 + 6.0 * 7.0
    then_ns = state.stamp_ns + 6 * SECOND_NS
    window = GoalWindow(then_ns, then_ns, (outline(x - 2.0, x + 2.0) + np.array([0.0, 3.5]),))
    told = scenes.situation(state, pieces=scenes.pieces(lines, state), lane=scenes.match(1), route=route,
                            windows=(window,))  # fmt: skip
    way = planner.plan(told).trajectory
    at = [float(np.interp(6.0, way.times_s, way.poses[:, axis])) for axis in (0, 1)]
    assert at[0] + 1.35 == pytest.approx(x, abs=2.0) and at[1] == pytest.approx(3.5, abs=1.0)
