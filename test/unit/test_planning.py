"""The planner as a whole, in small worlds whose right answer can be said beforehand."""

import dataclasses
import math

import numpy as np
import pytest
from planning_scenes import (
    STAMP_NS,
    STEP_NS,
    Drive,
    area,
    block,
    car,
    ego,
    forget,
    ground,
    lights,
    match,
    narrow_lane,
    pedestrian,
    pieces,
    road,
    situation,
    stop_line,
    straight,
    users,
)

from autonomy_nodes.common.kinematics import body_of
from autonomy_nodes.common.lanes import Light, Line, Route, Rule, TrafficLights
from autonomy_nodes.common.objects import EgoProposals, SceneModes
from autonomy_nodes.common.types import Goal
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.proposals import KEPT

CONFIG = PlannerConfig()
FRONT_M = CONFIG.vehicle.front_m


def plan(told):
    return Planner(CONFIG).plan(told)


def front_end(found):
    """Return where the front is at the end of the plan, along x."""
    return found.trajectory.poses[-1, 0] + FRONT_M


def on_unseen_ground(trajectory, grid):
    corners = body_of(CONFIG.vehicle).corners(trajectory.poses[:, [0, 1, 3]])
    return (grid.at('observed', corners) == 0.0).any()


def test_an_empty_lane_is_driven_along_its_middle():
    state = ego(speed=8.0)
    found = plan(situation(state, **narrow_lane(state)))
    assert np.abs(found.trajectory.poses[:, 1]).max() < 0.05
    assert found.trajectory.speeds_mps[-1] > 8.0
    assert found.decision.values['course'] == 'lane'


def test_plan_and_contingency_start_at_the_state_of_the_vehicle_to_the_bit():
    state = ego(12.3, -4.5, 0.7, 6.0, z=1.25)
    found = plan(situation(state))
    for trajectory in (found.trajectory, found.contingency):
        assert trajectory.stamp_ns == state.stamp_ns
        assert trajectory.times_s[0] == 0.0
        assert (trajectory.poses[0, :3] == state.position_m).all()
        assert trajectory.poses[0, 3] == pytest.approx(0.7, abs=1e-12)
        assert trajectory.speeds_mps[0] == 6.0
        assert len(trajectory.times_s) == 81
        assert trajectory.times_s[-1] == 8.0


def test_each_number_of_a_trajectory_agrees_with_the_others():
    state = ego(speed=6.0)
    curve = np.array([[x, 0.004 * max(x, 0.0) ** 2] for x in np.arange(-30.0, 90.0)])
    told = {'pieces': pieces([(Line.CENTERLINE, 7, curve)], state), 'lane': match(7)}
    trajectory = plan(situation(state, **told)).trajectory
    steps = np.linalg.norm(np.diff(trajectory.poses[:, :2], axis=0), axis=1)
    means = 0.5 * (trajectory.speeds_mps[1:] + trajectory.speeds_mps[:-1])
    assert steps == pytest.approx(means * 0.1, abs=0.01)
    pushes = trajectory.accelerations_mps2
    assert np.diff(trajectory.speeds_mps) == pytest.approx(0.5 * (pushes[1:] + pushes[:-1]) * 0.1, abs=1e-6)
    rates = np.diff(trajectory.poses[:, 3]) / 0.1
    told_rates = trajectory.heading_rates_rps
    assert rates == pytest.approx(0.5 * (told_rates[1:] + told_rates[:-1]), abs=0.01)
    wheels = trajectory.speeds_mps * np.tan(trajectory.wheel_angles_rad) / CONFIG.vehicle.wheelbase_m
    assert trajectory.heading_rates_rps == pytest.approx(wheels)
    assert np.abs(trajectory.wheel_angles_rad).max() > 0.01


def test_height_comes_from_the_terrain():
    state = ego(speed=5.0)
    grid = ground()
    rising = (0.1 * (grid.origin_m[0] + 0.4 * (np.arange(600) + 0.5)))[:, None] * np.ones(600)
    grid.layers['elevation'][:] = rising
    trajectory = plan(situation(state, terrain=grid, **narrow_lane(state))).trajectory
    assert trajectory.poses[20:, 2] == pytest.approx(0.1 * trajectory.poses[20:, 0], abs=0.05)


def test_a_standing_car_that_fills_the_lane_is_stopped_behind():
    state = ego(speed=8.0)
    found = plan(situation(state, users(car(45.0, 0.0)), **narrow_lane(state)))
    assert front_end(found) < 45.0 - 2.25
    assert found.decision.values['who'] == '01000000'
    assert found.decision.reason.startswith('lane')
    assert 'car 01000000' in found.decision.reason


def test_a_standing_car_at_the_edge_is_passed_beside():
    state = ego(speed=8.0)
    found = plan(situation(state, users(car(30.0, -1.6)), **road(state, left=5.25)))
    beside = np.abs(found.trajectory.poses[:, 0] - 30.0) < 4.0
    assert front_end(found) > 35.0
    gap = found.trajectory.poses[beside, 1].min() - 0.9 - (-1.6 + 0.9)
    assert gap > 0.2


def test_a_slower_car_in_front_is_followed_with_distance():
    state = ego(speed=8.0)
    found = plan(situation(state, users(car(22.0, 0.0, speed=4.0)), **narrow_lane(state)))
    lead_rear = 22.0 + 4.0 * found.trajectory.times_s - 2.25
    assert (lead_rear - found.trajectory.poses[:, 0] - FRONT_M).min() > 2.0


def test_the_lane_beside_is_taken_to_overtake_where_there_is_one():
    state = ego(speed=10.0)
    two = [(Line.CENTERLINE, 7, straight()), (Line.CENTERLINE, 8, straight(3.5)), (Line.DIVIDER, 70, straight(1.75))]
    edges = [(Line.BOUNDARY, 71, straight(5.25)), (Line.BOUNDARY, 72, straight(-1.75))]
    slow = users(car(30.0, 0.0, speed=3.0))
    dashed = plan(situation(state, slow, pieces=pieces(two + edges, state), lane=match(7, 8)))
    assert dashed.trajectory.poses[-1, 1] == pytest.approx(3.5, abs=0.3)
    two[2] = (Line.SOLID, 70, straight(1.75))
    solid = plan(situation(state, slow, pieces=pieces(two + edges, state), lane=match(7, 8)))
    assert np.abs(solid.trajectory.poses[:, 1]).max() < 1.0
    assert (solid.marks.columns['gate_lane_line'] == 0.0).sum() > (dashed.marks.columns['gate_lane_line'] == 0.0).sum()


def test_a_pedestrian_who_crosses_is_yielded_to():
    state = ego(speed=8.0)
    walker = users(pedestrian(25.0, -5.0, math.pi / 2.0))
    found = plan(situation(state, walker, **narrow_lane(state)))
    y = -5.0 + 1.4 * found.trajectory.times_s
    inside = (np.abs(found.trajectory.poses[:, 0] + 1.35 - 25.0) < 2.25 + 0.3) & (np.abs(y) < 0.9 + 0.3)
    assert not inside.any()
    before = found.trajectory.poses[y < 1.0, 0] + FRONT_M
    assert before.max() < 25.0  # passes behind, not in front


def test_ground_never_seen_is_not_entered_and_limits_the_speed():
    state = ego(speed=8.0)
    grid = forget(ground(), (30.0, 130.0), (-120.0, 120.0))
    found = plan(situation(state, terrain=grid, **narrow_lane(state)))
    assert front_end(found) < 30.0
    assert not on_unseen_ground(found.trajectory, grid)
    assert found.decision.values['gate'] == 'ground'
    assert 'unknown ground' in found.decision.reason


def test_a_vehicle_can_leave_from_ground_that_it_cannot_see_under_itself():
    state = ego(speed=0.0)
    grid = forget(ground(), (-3.0, 6.5), (-3.0, 3.0))
    found = plan(situation(state, terrain=grid, **narrow_lane(state)))
    assert found.trajectory.speeds_mps[-1] > 5.0


def test_without_any_terrain_it_does_not_drive():
    state = ego(speed=0.0)
    found = plan(situation(state, terrain=None, **narrow_lane(state)))
    assert np.abs(found.trajectory.poses[:, :2]).max() < 0.05
    assert 'no terrain: nothing around is known' in found.words


def test_terrain_of_the_step_before_serves_a_step_without_and_no_longer():
    planner = Planner(CONFIG)
    grid = ground()

    def step(number, terrain):
        state = ego(x=0.8 * number, speed=8.0, stamp_ns=STAMP_NS + number * STEP_NS)
        return planner.plan(situation(state, terrain=terrain, **narrow_lane(state)))

    assert step(0, grid).trajectory.speeds_mps[-1] > 5.0
    assert step(5, None).trajectory.speeds_mps[-1] > 5.0
    assert step(6, None).trajectory.speeds_mps[-1] == 0.0


@pytest.mark.parametrize('light', [Light.RED, Light.UNKNOWN, None])
def test_it_stops_before_a_line_whose_light_is_red_or_not_known(light):
    state = ego(speed=8.0)
    told = {} if light is None else {'lights': lights(950, light)}
    found = plan(situation(state, **told, **narrow_lane(state, stop_line(35.0))))
    assert front_end(found) < 35.0
    assert found.trajectory.speeds_mps[-1] == 0.0
    assert found.decision.values['gate'] == 'stop_line'


def test_a_green_light_is_passed_but_not_if_its_word_is_old():
    state = ego(speed=8.0)
    lane = narrow_lane(state, stop_line(35.0))
    assert front_end(plan(situation(state, lights=lights(950, Light.GREEN), **lane))) > 40.0
    old = lights(950, Light.GREEN, STAMP_NS - 600_000_000)
    assert front_end(plan(situation(state, lights=old, **lane))) < 35.0


def test_amber_stops_only_whom_it_can_stop_with_comfort():
    state = ego(speed=10.0)
    amber = lights(950, Light.AMBER)
    far = plan(situation(state, lights=amber, **narrow_lane(state, stop_line(FRONT_M + 35.0))))  # 100 / 70 = 1.4 m/s2
    near = plan(situation(state, lights=amber, **narrow_lane(state, stop_line(FRONT_M + 10.0))))  # 100 / 20 = 5 m/s2
    assert front_end(far) < FRONT_M + 35.0
    assert front_end(near) > FRONT_M + 20.0


@pytest.mark.parametrize('rule', [Rule.NONE, Rule.STOP])
@pytest.mark.parametrize('light', [None, Light.GREEN, Light.RED])
def test_a_line_without_a_light_stops_us_whatever_lights_are_told(rule, light):
    state = ego(speed=8.0)
    told = {} if light is None else {'lights': TrafficLights(STAMP_NS, {900: light, 950: light, 0: light})}
    found = plan(situation(state, **told, **narrow_lane(state, stop_line(35.0, rule=rule, rule_id=0))))
    assert front_end(found) < 35.0
    assert 'it has no light' in found.decision.reason


def test_the_lights_of_other_rules_free_no_line():
    state = ego(speed=8.0)
    told = TrafficLights(STAMP_NS, {900: Light.GREEN, 951: Light.GREEN})  # 900 is the line, its rule is 950
    found = plan(situation(state, lights=told, **narrow_lane(state, stop_line(35.0))))
    assert front_end(found) < 35.0
    assert any('light 950 of stop line 900 is not told' in text for text in found.words)


def test_a_stop_place_without_paint_holds_like_a_line():
    state = ego(speed=8.0)
    place = narrow_lane(state, stop_line(35.0, 950, class_=Line.STOP_PLACE))
    assert front_end(plan(situation(state, lights=lights(950, Light.RED), **place))) < 35.0
    assert front_end(plan(situation(state, lights=lights(950, Light.GREEN), **place))) > 40.0


@pytest.mark.parametrize(('ours', 'goes'), [(950, True), (951, False), (0, False)])
def test_of_two_lights_at_one_line_that_of_our_lane_counts_and_both_where_none_is_ours(ours, goes):
    state = ego(speed=8.0)
    told = TrafficLights(STAMP_NS, {950: Light.GREEN, 951: Light.RED})
    lane = narrow_lane(state, stop_line(35.0), stop_line(35.0, 951, Rule.LIGHT, 951, Line.STOP_PLACE))
    centre = lane['pieces'].classes == Line.CENTERLINE
    lane['pieces'].rule_ids[centre] = ours
    assert (front_end(plan(situation(state, lights=told, **lane))) > 40.0) == goes


def test_a_line_of_those_who_give_way_is_crossed_slowly_and_not_in_front_of_who_comes():
    state = ego(speed=8.0)
    lane = narrow_lane(state, stop_line(24.0, rule=Rule.GIVE_WAY))
    found = plan(situation(state, **lane)).trajectory
    fronts = found.poses[:, 0] + FRONT_M
    assert np.interp(24.0, fronts, found.speeds_mps) < 4.6  # 4.0 wanted; the brakes lag
    assert fronts[-1] > 27.0
    crossing = users(car(28.0, -14.0, math.pi / 2.0, 4.0))  # at the lane from 2.4 s to 5.4 s
    assert front_end(plan(situation(state, crossing, **lane))) < fronts[-1] - 1.0


CASES = [(3.0, Rule.STOP, True), (3.0, Rule.NONE, True), (0.0, Rule.STOP, False), (3.0, Rule.LIGHT, False),
         (3.0, Rule.UNKNOWN, False)]  # fmt: skip


@pytest.mark.parametrize(('wait_s', 'rule', 'goes'), CASES)
def test_a_stop_line_is_left_after_a_while_only_where_it_has_no_light(wait_s, rule, goes):
    planner = Planner(dataclasses.replace(CONFIG, course=dataclasses.replace(CONFIG.course, stop_line_wait_s=wait_s)))
    for number in range(0, 36, 5):
        state = ego(speed=0.0, stamp_ns=STAMP_NS + number * STEP_NS)
        found = planner.plan(situation(state, **narrow_lane(state, stop_line(FRONT_M + 1.0, rule=rule))))
        if number < 30:
            assert front_end(found) < FRONT_M + 1.0
    assert (front_end(found) > FRONT_M + 10.0) == goes


def test_the_limit_of_the_lane_holds():
    state = ego(speed=5.0)
    found = plan(situation(state, **narrow_lane(state, limit=6.0)))
    assert found.trajectory.speeds_mps.max() < 6.3


def test_poor_sight_limits_the_speed_to_what_stops_within_it():
    state = ego(speed=2.0)
    found = plan(situation(state, visibility_m=15.0, **narrow_lane(state)))
    free_m, braking, lag = 15.0 - FRONT_M, 2.5, 0.3
    most = braking * (math.sqrt(lag**2 + 2.0 * free_m / braking) - lag)
    assert found.trajectory.speeds_mps.max() == pytest.approx(most, abs=0.3)


def test_the_contingency_ends_standing_on_ground_that_was_seen():
    state = ego(speed=10.0)
    grid = forget(ground(), (40.0, 130.0), (-120.0, 120.0))
    found = plan(situation(state, users(car(38.0, 3.0)), terrain=grid, **road(state)))
    assert found.contingency.speeds_mps[-1] == 0.0
    assert not on_unseen_ground(found.contingency, grid)
    assert found.contingency.poses[-1, 0] + FRONT_M < 40.0


def test_the_contingency_brakes_harder_when_a_soft_stop_would_hit():
    state = ego(speed=10.0)
    found = plan(situation(state, users(car(19.0, 0.0)), **narrow_lane(state)))  # 13 m free; 100 / 5 = 20 m at 2.5 m/s2
    assert found.contingency.poses[-1, 0] + FRONT_M < 19.0 - 2.25
    assert found.contingency.accelerations_mps2.min() < -3.5


def test_when_nothing_is_clean_it_brakes_and_says_so():
    state = ego(speed=12.0)
    found = plan(situation(state, users(car(10.0, 0.0)), **narrow_lane(state)))  # 4 m free: no braking is enough
    assert found.trajectory.accelerations_mps2.min() < -5.0
    assert found.decision.reason.startswith('nothing passes all gates')


def test_where_every_stop_touches_the_ground_soon_the_hardest_is_driven():
    state = ego(speed=8.0)
    grid = block(ground(), (8.0, 9.0), (-40.0, 40.0))  # 4 m free; 7 m are needed at 4.5 m/s2
    found = plan(situation(state, terrain=grid, goal=Goal(STAMP_NS, 'odom', (60.0, 0.0, 0.0), 0.0)))
    assert found.decision.reason.startswith('nothing passes all gates')
    assert found.trajectory.accelerations_mps2.min() < -4.5


def test_the_stop_of_before_stays_a_way_out_where_room_falls_short_of_the_margin():
    config = dataclasses.replace(CONFIG, ground=dataclasses.replace(CONFIG.ground, margin_m=0.4))
    planner, state = Planner(config), ego(speed=10.0)
    planner.plan(situation(state, **narrow_lane(state)))
    later = ego(x=2.0, speed=10.0, stamp_ns=STAMP_NS + STEP_NS)
    gap = block(block(ground(), (10.0, 60.0), (1.2, 1.6)), (10.0, 60.0), (-1.6, -1.2))  # 0.3 m at each side
    told = situation(later, terrain=gap, **narrow_lane(later))
    assert Planner(config).plan(told).decision.reason.startswith('nothing passes all gates')
    found = planner.plan(told)
    assert found.decision.chosen == found.decision.values['contingency'] == KEPT
    assert found.trajectory.speeds_mps[-1] == 0.0


def test_who_drives_into_our_back_is_no_reason_to_flee():
    state = ego(speed=3.0)
    told = narrow_lane(state, limit=3.0)
    alone = plan(situation(state, **told))
    chased = plan(situation(state, users(car(-12.0, 0.0, speed=9.0)), **told))
    assert chased.trajectory.poses[-1, 0] == pytest.approx(alone.trajectory.poses[-1, 0], abs=0.5)


def test_improbable_modes_do_not_stop_us_and_probable_ones_do():
    state = ego(speed=8.0)
    told = users(car(26.0, -3.5, speed=6.0), modes=2)
    told.paths[0, 1, :, 1] = np.interp(np.arange(17) * 0.5, [0.0, 1.5], [-3.5, 0.0])  # mode 1: cuts in
    told.paths[0, 1, 4:, 0] = told.paths[0, 1, 4, 0]  # and stops there
    lane = narrow_lane(state)

    def end(chance):
        modes = SceneModes(STAMP_NS, np.array([1.0 - chance, chance]))
        return front_end(plan(situation(state, told, scene_modes=modes, **lane)))

    assert end(0.01) > end(0.3) + 10.0


def test_a_goal_over_open_ground_is_approached_and_reached():
    state = ego(speed=4.0)
    found = plan(situation(state, goal=Goal(STAMP_NS, 'odom', (20.0, 6.0, 0.0), 0.0)))
    assert found.trajectory.poses[-1, :2] == pytest.approx((20.0, 6.0), abs=1.2)
    assert found.trajectory.speeds_mps[-1] == pytest.approx(0.0, abs=0.3)
    there = plan(situation(ego(speed=0.0), goal=Goal(STAMP_NS, 'odom', (0.4, 0.3, 0.0), 0.0)))
    assert there.decision.values['goal'] == 'reached'
    assert there.decision.reason == 'goal reached'
    assert np.abs(there.trajectory.speeds_mps).max() == 0.0


def test_a_goal_on_ground_that_cannot_be_driven_is_refused_and_the_vehicle_stops_before_it():
    grid, goal = block(ground(), (18.0, 22.0), (4.0, 8.0)), Goal(STAMP_NS, 'odom', (20.0, 6.0, 0.0), 0.0)

    def world(now):
        return {'terrain': dataclasses.replace(grid, stamp_ns=now.stamp_ns), 'goal': goal}

    drive = Drive(Planner(CONFIG), CONFIG.vehicle, ego(speed=4.0)).run(4.0, world)
    assert drive.plans[0].decision.values['goal'] == 'refused: it lies on ground that cannot be driven'
    assert any('goal refused' in word for word in drive.plans[0].words)
    assert drive.motion.speed_mps < 0.1
    assert drive.motion.x_m < 10.0  # 3.2 m at 2.5 m/s2, lags, and a soft end; the goal was given up at 21 m
    assert drive.plans[-1].decision.reason == 'goal refused: it lies on ground that cannot be driven'
    free = plan(situation(ego(speed=4.0), terrain=ground(), goal=goal))
    assert free.decision.values['goal'].endswith('m ahead')


def test_a_goal_on_unknown_ground_is_approached_until_who_stands_before_it_still_does_not_see_it():
    grid = forget(ground(), (18.0, 22.0), (4.0, 8.0))
    goal = Goal(STAMP_NS, 'odom', (20.0, 6.0, 0.0), 0.0)
    moving = plan(situation(ego(speed=4.0), terrain=grid, goal=goal))
    assert moving.decision.values['goal'].endswith('m ahead')
    standing = plan(situation(ego(), terrain=grid, goal=goal))
    assert standing.decision.values['goal'] == 'refused: it lies on unknown ground'
    assert np.hypot(*(standing.trajectory.poses[:, :2] - (20.0, 6.0)).T).min() > 2.0  # never driven on


def test_a_blocked_goal_far_away_is_judged_when_it_is_near():
    grid = block(ground(), (38.0, 42.0), (-2.0, 2.0))
    found = plan(situation(ego(speed=4.0), terrain=grid, goal=Goal(STAMP_NS, 'odom', (40.0, 0.0, 0.0), 0.0)))
    assert found.decision.values['goal'].endswith('m ahead')


def test_a_dead_end_on_the_straight_line_to_the_goal_is_gone_round():
    grid = block(ground(), (30.0, 32.0), (-15.0, 15.0))
    grid = block(block(grid, (12.0, 32.0), (13.0, 15.0)), (12.0, 32.0), (-15.0, -13.0))
    state = ego(speed=3.0)
    goal = Goal(STAMP_NS, 'odom', (60.0, 0.0, 0.0), 0.0)

    def world(now):
        return {'terrain': dataclasses.replace(grid, stamp_ns=now.stamp_ns), 'goal': goal}

    found = Drive(Planner(CONFIG), CONFIG.vehicle, state).run(3.0, world).plans[-1]
    assert abs(found.trajectory.poses[-1, 1]) > 8.0


def test_without_goal_and_lane_it_follows_free_ground_past_obstacles():
    grid = block(ground(), (25.0, 27.0), (-2.0, 6.0))
    found = plan(situation(ego(speed=6.0), terrain=grid))
    assert found.decision.values['course'] == 'ahead'
    assert found.trajectory.poses[-1, 0] > 30.0
    assert found.trajectory.poses[-1, 1] < -2.0 - 0.9


def test_a_route_leads_through_its_lanelets_and_ends_with_them():
    state = ego(speed=6.0)
    left = np.array([[20.0 + 15.0 * math.sin(a), 15.0 - 15.0 * math.cos(a)] for a in np.linspace(0.0, 1.5, 30)])
    lanes = {1: straight(end=20.0), 3: straight(start=20.0), 2: left}
    on = [(Line.CENTERLINE, id_, line) for id_, line in lanes.items()]
    told = {'pieces': pieces(on, state), 'lane': match(1)}
    route = Route(STAMP_NS, (0.0,) * 4, (0.0,) * 4, (1, 2))
    turned = plan(situation(state, route=route, **told))
    assert turned.decision.values['course'] == 'route'
    assert turned.trajectory.poses[-1, 1] > 5.0
    assert 'goal' in turned.decision.values
    ahead = plan(situation(state, **told))
    assert abs(ahead.trajectory.poses[-1, 1]) < 0.5


def test_learned_drives_are_tried_and_chosen_only_when_they_pass_the_gates():
    state = ego(speed=6.0)
    lane = narrow_lane(state)
    steps = np.arange(17) * 0.5
    drives = np.zeros((1, 17, 5))
    drives[0, :, 0], drives[0, :, 4] = 6.0 * steps, 6.0
    drives[0, :, 1] = 0.3 * steps  # leaves the lane
    found = plan(situation(state, proposals=EgoProposals(STAMP_NS, 0.5, drives, np.ones(1)), **lane))
    learned = found.marks.kinds == 5
    assert learned.sum() == 1
    assert found.marks.columns['gate_lane_line'][learned] == 0.0
    assert found.marks.scores[learned] == 0.0


CAUSES = {
    'pedestrian': lambda: {'predictions': users(pedestrian(30.0, -0.2, math.pi / 2.0, 0.1))},
    'car': lambda: {'predictions': users(car(35.0, 0.0), car(40.0, 12.0, 0.0, 5.0))},
    'unknown ground': lambda: {'terrain': forget(ground(), (28.0, 130.0), (-120.0, 120.0))},
    'ground that cannot be driven': lambda: {'terrain': block(ground(), (34.0, 36.0), (-120.0, 120.0))},
    'stop line': lambda: {'lights': lights(950, Light.RED)},
}


@pytest.mark.parametrize('cause', CAUSES)
def test_the_reason_names_the_true_cause_and_without_it_the_choice_is_another(cause):
    state = ego(speed=8.0)
    free = {'lights': lights(950, Light.GREEN)}
    lane = narrow_lane(state, stop_line(33.0))
    hindered = plan(situation(state, **{**free, **CAUSES[cause]()}, **lane))
    assert cause in hindered.decision.reason
    unhindered = plan(situation(state, **free, **lane))
    assert cause not in unhindered.decision.reason
    assert front_end(unhindered) > front_end(hindered) + 5.0
    assert hindered.decision.runner_up


def test_of_two_road_users_the_one_is_named_who_keeps_us():
    state = ego(speed=8.0)
    found = plan(situation(state, users(car(60.0, 8.0), car(38.0, 0.0)), **narrow_lane(state)))
    assert found.decision.values['who'] == '02000000'


def test_marks_tell_every_gate_and_term_of_every_candidate():
    state = ego(speed=8.0)
    found = plan(situation(state, users(car(35.0, 0.0)), **narrow_lane(state)))
    count = len(found.marks.scores)
    assert count == int(found.decision.values['candidates'])
    gates = [values for name, values in found.marks.columns.items() if name.startswith('gate_')]
    assert all(np.isin(values, (0.0, 1.0)).all() for values in gates)
    vetoed = np.min(gates, axis=0) == 0.0
    assert (found.marks.scores[vetoed] == 0.0).all()
    chosen = int(found.decision.values['candidate'])
    assert found.marks.ends[chosen, :2] == pytest.approx(found.trajectory.poses[-1, :2])
    assert vetoed.any()
    terms = {name: v for name, v in found.marks.columns.items() if name.startswith('term_') and name != 'term_progress'}
    assert all((values >= 0.0).all() and (values <= 1.0).all() for values in terms.values())
    assert found.candidates.shape == (16, 41, 4)


def test_two_runs_give_the_same_bytes():
    def run():
        planner, seen = Planner(CONFIG), []
        for number in range(4):
            state = ego(x=0.8 * number, speed=8.0, stamp_ns=STAMP_NS + number * STEP_NS)
            others = users(car(30.0, -3.5, speed=5.0), pedestrian(40.0, 4.0, -1.5), modes=3, stamp_ns=state.stamp_ns)
            found = planner.plan(situation(state, others, **road(state)))
            seen += [found.trajectory.poses.tobytes(), found.contingency.poses.tobytes(), found.marks.scores.tobytes()]
            seen += [values.tobytes() for values in found.marks.columns.values()] + [repr(found.decision).encode()]
        return b''.join(seen)

    assert run() == run()


def test_fewer_blocks_leave_out_candidates_but_never_the_stops_of_the_course():
    state = ego(speed=8.0)
    config = dataclasses.replace(CONFIG, proposals=dataclasses.replace(CONFIG.proposals, blocks=1))
    found = Planner(config).plan(situation(state))
    assert len(found.marks.scores) == 64
    assert (found.marks.kinds == 0).sum() >= 3
    assert found.contingency.speeds_mps[-1] == 0.0


def test_an_object_inside_our_own_body_is_a_part_of_us():
    state = ego(speed=6.0)
    found = plan(situation(state, users(car(1.0, 0.1)), **narrow_lane(state)))
    assert found.trajectory.speeds_mps[-1] > 5.0
    assert any('inside our own body' in text for text in found.words)


def test_cells_under_a_moving_car_are_left_to_its_prediction():
    state = ego(speed=6.0)
    grid = ground()
    lead = car(20.0, 0.0, speed=7.0)
    block(grid, (18.0, 22.0), (-0.8, 0.8))
    going = plan(situation(state, users(lead), terrain=grid, **narrow_lane(state)))
    standing = plan(situation(state, users(car(20.0, 0.0)), terrain=grid, **narrow_lane(state)))
    assert front_end(going) > 35.0
    assert front_end(standing) < 18.0


def test_a_vehicle_parked_beside_a_wall_can_drive_off_along_it():
    state = ego(speed=0.0)
    grid = ground()
    grid.layers['class'][area(grid, (-10.0, 40.0), (0.9, 1.4))] = 3.0
    grid.layers['traversability'][area(grid, (-10.0, 40.0), (0.9, 1.4))] = 0.0
    found = plan(situation(state, terrain=grid))
    assert found.trajectory.speeds_mps[-1] > 3.0
    assert found.trajectory.poses[:, 1].max() < 0.1


def test_settings_that_make_no_sense_are_refused_by_name():
    with pytest.raises(ValueError, match='worst_mode=2.0'):
        dataclasses.replace(CONFIG, worst_mode=2.0)
    with pytest.raises(ValueError, match='proposals.blocks=0'):
        dataclasses.replace(CONFIG.proposals, blocks=0)
    with pytest.raises(ValueError, match='weights.comfort=-1.0'):
        dataclasses.replace(CONFIG.weights, comfort=-1.0)
    with pytest.raises(ValueError, match='traffic.within_s=20.0'):
        dataclasses.replace(CONFIG.traffic, within_s=20.0)
