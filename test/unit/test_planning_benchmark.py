"""The closed-loop benchmark of CommonRoad, on a road that is worked out by hand."""

import json
from dataclasses import replace

import commonroad_scenes as scenes
import numpy as np
import pytest

from autonomy_nodes.commands.evaluate import named
from autonomy_nodes.common.types import DataError, Trajectory
from autonomy_nodes.evaluation.commonroad import bench, car
from autonomy_nodes.evaluation.commonroad.bench import Bench
from autonomy_nodes.evaluation.commonroad.blame import in_one_lane, is_own, touched
from autonomy_nodes.evaluation.commonroad.drivers import DRIVERS, Idm, Task, stack, tracks_of
from autonomy_nodes.evaluation.commonroad.road import lanes_at, narrowest_m, road_of, way_of
from autonomy_nodes.evaluation.commonroad.run import Run, comfort, driven, missed, own_contacts, reason, run_of
from autonomy_nodes.evaluation.commonroad.scenario import inside, scenario_of
from autonomy_nodes.evaluation.commonroad.swept import swept
from autonomy_nodes.evaluation.measures import planning
from autonomy_nodes.evaluation.measures import task as measure

OUR_BOX = np.array([0.0, 1.75, 0.0, 4.5, 1.6])
LANES = scenes.road().lanes


def at(x, y, heading=0.0):
    return np.array([x, y, heading, 4.0, 2.0])


def given(scenario):
    roads = road_of(scenario)
    return Task(scenario, roads, way_of(scenario, roads))


def straight(scenario, speed, steps, heading=0.0):
    """A drive straight on at one speed."""
    states = [car.state_at(scenario.start.xy, heading, speed, 0.0)]
    for _ in range(steps):
        states.append(car.moved(states[-1], 0.0, 0.0, 0.1))
    return Run(0, states)


# ------------------------------------------------------------------------------------------------ the car
def test_the_middle_of_the_box_lies_ahead_of_the_rear_axle():
    state = car.state_at(np.array([5.0, 2.0]), np.pi / 2.0, 3.0, 0.0)
    assert (state.x_m, state.y_m) == pytest.approx((5.0, 2.0 - car.AXLE_M))
    assert state.middle == pytest.approx([5.0, 2.0])
    assert car.VEHICLE.front_m + car.VEHICLE.rear_m == pytest.approx(4.508)
    assert (car.VEHICLE.front_m - car.VEHICLE.rear_m) / 2.0 == pytest.approx(car.AXLE_M)


def test_turned_wheels_drive_a_circle_of_wheelbase_by_tangent():
    wheel = np.arctan(car.WHEELBASE_M / 20.0)  # radius 20 m
    state = car.State(0.0, 0.0, wheel, 10.0, 0.0)
    for _ in range(int(20.0 * np.pi)):  # 6.2 s of 0.1 s at 0.5 rad/s: 3.1 rad
        state = car.moved(state, 0.0, 0.0, 0.1)
    turn = 0.5 * 0.1 * int(20.0 * np.pi)
    assert state.heading_rad == pytest.approx(turn)
    assert (state.x_m, state.y_m) == pytest.approx((20.0 * np.sin(turn), 20.0 * (1.0 - np.cos(turn))), abs=1e-6)


def test_inputs_stay_within_what_the_model_allows():
    slow, fast = car.State(0, 0, 0, 5.0, 0), car.State(0, 0, 0, 2.0 * car.CAR.switch_mps, 0)
    assert car.within(slow, 1.0, 20.0, 0.1) == pytest.approx((0.4, 11.5 * car.FRICTION))
    assert car.within(fast, -1.0, 20.0, 0.1) == pytest.approx((-0.4, 11.5 / 2.0))  # the engine's power
    assert car.within(slow, 0.0, -99.0, 0.1)[1] == pytest.approx(-11.5 * car.FRICTION)
    assert car.within(car.State(0, 0, 0, 0.3, 0), 0.0, -11.0, 0.1)[1] == pytest.approx(-3.0)  # to rest, not back
    assert car.within(car.State(0, 0, 1.05, 0.0, 0), 0.4, 0.0, 0.1)[0] == pytest.approx(0.16)  # the wheels' stop
    bend = car.State(0, 0, np.arctan(car.WHEELBASE_M * 9.0 / 400.0), 20.0, 0)  # 9 m/s2 sideways
    assert np.hypot(car.within(bend, 0.0, -99.0, 0.1)[1], 9.0) == pytest.approx(11.5 * car.FRICTION)


def test_a_plan_is_followed_to_its_wheels_and_speed_at_the_end_of_the_step():
    times = np.array([0.0, 0.1, 0.2])
    plan = Trajectory(0, times, np.zeros((3, 4)), np.array([10.0, 10.2, 10.4]), np.full(3, 2.0), np.zeros(3),
                      np.array([0.0, 0.02, 0.09]))  # fmt: skip
    state, pushed = car.followed(car.State(0, 0, 0, 10.0, 0), plan, 0.0, 0.1)
    assert (state.speed_mps, state.wheel_rad, pushed) == pytest.approx((10.2, 0.02, 2.0))
    state, _ = car.followed(state, plan, 0.1, 0.1)
    assert (state.speed_mps, state.wheel_rad) == pytest.approx((10.4, 0.06))  # 0.09 asks for more than 0.4 rad/s


def towing(speed=5.0, wheel=0.0, place=(0.0, 0.0), hitch=0.0):
    return car.State(*place, wheel, speed, 0.0, hitch, car.TRUCK)


def test_a_truck_is_as_long_as_its_parameters_tell():
    tractor, trailer = towing().boxes
    assert tractor == pytest.approx([4.5 - 5.1 / 2.0, 0.0, 0.0, 5.1, 2.55])
    assert trailer == pytest.approx([-12.0 + 13.6 / 2.0, 0.0, 0.0, 13.6, 2.55])  # 12 m behind the hitch: 16.5 in all
    bent = towing(hitch=np.pi / 2.0).boxes[1]
    assert bent[:3] == pytest.approx([0.0, -12.0 + 13.6 / 2.0, np.pi / 2.0])
    assert towing(place=(3.0, 4.0)).middle == pytest.approx([3.0, 4.0])  # its solutions tell the drive axle


def test_a_trailer_settles_in_a_turn():
    state = towing(wheel=np.arctan(3.6 / 20.0))  # radius 20 m
    for _ in range(300):
        state = car.moved(state, 0.0, 0.0, 0.1)
    assert state.hitch_rad == pytest.approx(-np.arcsin(8.1 / 20.0), abs=1e-5)
    axle = np.hypot(*(state.trailer_pose[:2] - [0.0, 20.0]))
    assert axle == pytest.approx(np.sqrt(20.0**2 - 8.1**2), abs=1e-4)


def test_what_a_truck_sweeps_is_its_width_and_what_the_trailer_cuts():
    ahead = [towing()]
    for _ in range(60):
        ahead.append(car.moved(ahead[-1], 0.0, 0.0, 0.1))
    assert swept(ahead) == pytest.approx({'hitch_rad': 0.0, 'off_tracking_m': 0.0, 'swept_m': 2.55}, abs=1e-6)
    turn = [towing(wheel=np.arctan(3.6 / 20.0))]
    for _ in range(200):
        turn.append(car.moved(turn[-1], 0.0, 0.0, 0.1))
    found = swept(turn)
    assert found['off_tracking_m'] == pytest.approx(20.0 - np.sqrt(20.0**2 - 8.1**2), abs=0.02)
    outer = np.hypot(20.0 + 2.55 / 2.0, 4.5)  # the tractor's front corner
    inner = np.sqrt(20.0**2 - 8.1**2) - 2.55 / 2.0
    assert found['swept_m'] == pytest.approx(outer - inner, abs=0.1)


# ------------------------------------------------------------------------------------------------ whose fault
def test_who_is_hit_from_behind_or_stands_is_not_at_fault():
    assert not is_own(OUR_BOX, 5.0, at(-4.0, 1.75), 9.0, LANES)
    assert not is_own(OUR_BOX, 0.04, at(4.0, 1.75), 9.0, LANES)


def test_who_hits_what_stands_or_hits_with_the_front_is_at_fault():
    assert is_own(OUR_BOX, 5.0, at(-4.0, 1.75), 0.0, LANES)  # backing into what stands, say
    assert is_own(OUR_BOX, 5.0, at(4.0, 1.75), 2.0, LANES)
    assert is_own(OUR_BOX, 5.0, at(2.5, 3.4, np.pi / 2), 4.0, LANES)  # who crosses, met with our front corner


def test_who_is_struck_at_a_side_is_at_fault_only_between_lanes():
    beside = at(10.0, 3.4)
    ours = np.array([10.0, 1.75, 0.0, 4.5, 1.6])
    along = touched(ours, np.array([10.5, 3.4, 0.0, 2.0, 2.0]))
    assert (along.min(), along.max()) == pytest.approx((-0.5, 1.5), abs=0.1)
    narrow = np.array([10.0, 3.4, 0.0, 2.0, 2.0])
    assert not is_own(ours, 5.0, narrow, 6.0, LANES)
    between = ours + [0.0, 1.0, 0.0, 0.0, 0.0]  # its left side stands 3.55 m from the edge, over the line
    assert is_own(between, 5.0, narrow + [0.0, 1.0, 0.0, 0.0, 0.0], 6.0, LANES)
    assert is_own(ours, 5.0, beside + [2.0, 0, 0, 0, 0], 6.0, LANES)  # it reaches to our front edge


def test_a_lane_goes_on_where_the_next_one_follows():
    assert in_one_lane(np.array([100.0, 1.75, 0.0, 4.5, 1.6]), LANES)
    assert not in_one_lane(np.array([100.0, 3.0, 0.0, 4.5, 1.6]), LANES)


def test_a_truck_is_not_at_fault_for_whom_it_touches_as_it_is_put_there():
    scenario = scenes.road(users=[scenes.standing(6, 0.0, 1.75)])
    run = Run(0, [towing(place=(10.0, 1.75)), towing(place=(10.5, 1.75))])
    assert own_contacts(scenario, run, [[0, 6, 1]]) == 0
    assert own_contacts(scenario, run, [[1, 6, 1]]) == 1
    told = {'contacts': [[0, 6, 1]], 'off_road': None, 'off_body': 0}
    assert reason(scenario, run, True, told, 0) == 'hit by others by the trailer at the start'
    told = {'contacts': [], 'off_road': 1, 'off_body': 1}
    assert reason(scenario, run, True, told, 0) == 'off road by the trailer'


def test_contacts_that_the_checker_tells_are_weighed_one_by_one():
    scenario = scenes.road(users=[scenes.moving(6, 15.0, 1.75, 5.0), scenes.moving(7, 4.0, 1.75, 15.0)])
    run = straight(scenario, 10.0, 10)
    assert own_contacts(scenario, run, [[3, 6], [4, 7]]) == 1  # 6 is ahead of us, 7 behind


# ------------------------------------------------------------------------------------------------ goal and roads
def test_a_place_lies_inside_an_outline_or_not():
    outline = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]])
    assert inside(np.array([[1.0, 1.0], [2.0, 2.0], [3.5, 3.0], [5.0, 1.0]]), outline).tolist() == [
        True, False, True, False
    ]  # fmt: skip


def test_a_goal_names_what_is_not_as_wanted():
    target = scenes.goal()
    assert target.misses(20, np.array([30.0, 1.75]), 0.05, 10.0) == ()
    assert target.misses(20, np.array([30.0, 1.75]), 2.0 * np.pi, 10.0) == ()
    assert target.misses(14, np.array([26.9, 1.75]), 0.2, 7.9) == ('time', 'place', 'heading', 'speed')


def test_what_was_missed_is_told_of_the_state_that_came_nearest():
    scenario = scenes.road(targets=[scenes.goal(speeds=(12.0, 15.0))])
    assert missed(scenario, straight(scenario, 10.0, 25)) == 'missed the goal: speed'
    late = scenes.road(targets=[scenes.goal(x=36.0, steps=(5, 15))])
    assert missed(late, straight(late, 10.0, 30)) == 'missed the goal: time'
    slow = scenes.road(targets=[scenes.goal(x=60.0)])
    assert missed(slow, straight(slow, 10.0, 25)) == 'missed the goal: short of the place'
    left = scenes.road(targets=[scenes.goal(y=9.75)])
    assert missed(left, straight(left, 10.0, 25)) == 'missed the goal: beside the place'


def test_the_way_goes_on_behind_the_goal_and_changes_lanes_where_it_must():
    scenario = scenes.road()
    roads = road_of(scenario)
    way = way_of(scenario, roads)
    assert way.ids == (roads.ids[1], roads.ids[3]) and way.goal == 1
    left = scenes.road(targets=[scenes.goal(x=120.0, y=5.25)])
    roads = road_of(left)
    way = way_of(left, roads)
    assert way.goal == 3 and way.ids[0] == roads.ids[1] and way.ids[-1] == roads.ids[4]


def test_a_solid_line_is_not_crossed_by_the_way():
    lanes = [scenes.lane(1, 0.0, 0.0, 150.0, (), 2, left_line='solid'), scenes.lane(2, 3.5, 0.0, 150.0)]
    scenario = scenes.road(lanes, targets=[scenes.goal(x=120.0, y=5.25)])
    assert way_of(scenario, road_of(scenario)) is None
    assert way_of(scenes.road(lanes), road_of(scenes.road(lanes))) is not None


def test_the_narrowest_lane_is_that_of_the_way_to_the_goal():
    wide = scenes.road()
    assert narrowest_m(wide, road_of(wide), way_of(wide, road_of(wide))) == pytest.approx(3.5)
    lanes = list(wide.lanes)
    lanes[0] = replace(lanes[0], right=lanes[0].right + [[0.0, 0.0], [0.0, 0.8], [0.0, 0.0]])
    bent = scenes.road(lanes)
    assert narrowest_m(bent, road_of(bent), way_of(bent, road_of(bent))) == pytest.approx(2.7, abs=1e-3)
    lanes[0], lanes[2] = wide.lanes[0], replace(wide.lanes[2], right=wide.lanes[2].right + [0.0, 0.8])
    behind = scenes.road(lanes)
    assert narrowest_m(behind, road_of(behind), way_of(behind, road_of(behind))) == pytest.approx(3.5)


def test_a_lane_against_us_is_not_ours():
    scenario = scenes.road()
    roads = road_of(scenario)
    assert [lane[0] for lane in lanes_at(roads, np.array([10.0, 1.75]), 0.0)] == [roads.ids[1]]
    assert lanes_at(roads, np.array([10.0, 1.75]), np.pi) == []


def test_ground_is_drivable_in_lanes_alone_and_goes_on_where_the_map_ends():
    scenario = scenes.road()
    near, far = road_of(scenario).grids(7, np.array([140.0, 1.75]), 0.0, np.array([10.0, 1.75]))

    def free(x, y, grid=near):
        return grid.at('occupancy', np.array([x - 10.0, y - 1.75])) < 0.5

    assert near.frame == 'odom' and near.stamp_ns == 7
    assert free(145.0, 0.3) and free(145.0, 6.7) and not free(145.0, -0.3) and not free(145.0, 7.3)
    assert free(160.0, 1.75) and free(250.0, 1.75, far) and not free(250.0, 9.0, far)


# ------------------------------------------------------------------------------------------------ drivers
def test_a_driver_sees_where_others_are_now():
    scenario = scenes.road()
    tracks = tracks_of(scenario, 4, 1, np.array([10.0, 1.75]))
    assert tracks.positions_m[:, :2] == pytest.approx(np.array([[30.0, 3.5], [54.0, 0.0]]))
    assert tracks.velocities_mps == pytest.approx(np.array([[0.0, 0.0], [10.0, 0.0]]))
    assert tracks.dimensions_m[:, :2] == pytest.approx(np.array([[4.0, 2.0]] * 2))
    assert len(tracks_of(scenario, 31, 1, np.zeros(2))) == 1  # the car is no longer there, what stands is


def test_the_driver_model_has_its_textbook_accelerations():
    model = Idm()
    assert model.wanted(5.0, 10.0, np.inf, 5.0) == pytest.approx(1.5 * (1.0 - 1.0 / 16.0))
    assert model.wanted(10.0, 10.0, 17.0, 10.0) == pytest.approx(-1.5)  # at the distance it wants, 2 + 1.5 x 10
    assert model.wanted(0.0, 10.0, 2.0, 0.0) == pytest.approx(0.0)


@pytest.mark.parametrize('name', [*DRIVERS, 'ours'])
def test_every_driver_gets_to_a_goal_that_lies_on_its_way(name):
    scenario = scenes.road()
    driver = stack(given(scenario)) if name == 'ours' else DRIVERS[name](given(scenario))
    run = driven(scenario, driver)
    assert not run.error and len(run.states) <= 26
    last = run.states[-1]
    assert scenario.reached(len(run.states) - 1, last.middle, last.heading_rad, last.speed_mps)
    assert abs(last.middle[1] - 1.75) < 0.5


def test_a_driver_that_fails_ends_its_run_and_is_told():
    class Broken:
        def drive(self, state, step):
            raise ValueError('no idea')

    run = driven(scenes.road(), Broken())
    assert run.error == 'ValueError: no idea' and len(run.states) == 1


def test_comfort_is_that_of_the_speeds_and_turns_driven():
    states = [car.State(0, 0, 0, speed, 0) for speed in (10.0, 10.2, 10.2, 10.0)]
    found = comfort(Run(0, states), 0.1)
    assert found['acceleration_mps2'] == pytest.approx(2.0) and found['braking_mps2'] == pytest.approx(-2.0)
    assert found['jerk_rms_mps3'] == pytest.approx(20.0) and found['bounds_held'] == 1.0
    hard = comfort(Run(0, [car.State(0, 0, 0, speed, 0) for speed in (10.0, 9.5)]), 0.1)
    assert hard['bounds_held'] == 0.0


def test_the_reason_is_what_went_wrong_first():
    scenario = scenes.road()
    run = straight(scenario, 10.0, 25)
    fine = {'contacts': [], 'off_road': None, 'goal': 17, 'feasible': True, 'valid': True, 'why': ''}
    assert reason(scenario, run, True, fine, 0) == ''
    hit = fine | {'contacts': [[9, 6]], 'off_road': 5}
    assert reason(scenario, run, True, hit, 1) == 'off road'
    assert reason(scenario, run, True, hit | {'off_road': None}, 1) == 'own fault'
    assert reason(scenario, run, True, hit | {'off_road': None}, 0) == 'hit by others'
    assert reason(scenario, run, False, fine | {'goal': None}, 0) == 'no way'


# ------------------------------------------------------------------------------------------------ with the tools
@pytest.fixture(scope='module')
def clerk():
    scenes.needs_bench()
    with Bench() as found:
        yield found


@pytest.mark.parametrize('name', ['ZAM_Hand-1_1_T-1', 'DEU_Hand-2_1_T-1'])
def test_scenarios_of_both_versions_are_read(clerk, name):
    found = scenario_of(clerk.ask('read', path=str(scenes.HAND / f'{name}.xml')))
    hand = scenes.road()
    assert (found.id, found.dt_s, found.last_step) == (name, 0.1, 25)
    assert found.start.xy == pytest.approx(hand.start.xy) and found.start.speed_mps == 10.0
    assert found.targets[0].headings_rad == (-0.1, 0.1) and found.targets[0].speeds_mps == (8.0, 12.0)
    assert [(user.id, user.kind, user.always) for user in found.users] == [
        (5, 'parkedVehicle', True), (6, 'car', False)
    ]  # fmt: skip
    assert found.users[1].at(4)[0] == pytest.approx([64.0, 1.75, 0.0, 4.0, 2.0]) and found.users[1].at(31) is None
    assert found.lanes[0].left == pytest.approx(found.lanes[1].right) and found.lanes[0].left_lane == 2
    if name.startswith('ZAM'):
        assert [lane.successors for lane in found.lanes] == [(3,), (4,), (), ()]
        assert found.targets[0].places[0].mean(axis=0) == pytest.approx([30.0, 1.75])
    else:
        assert found.lanes[0].left_line == 'solid' and found.lanes[0].limit_mps == pytest.approx(13.9)
        assert found.targets[0].lanelets == (1,)


def judged(clerk, run, path):
    return clerk.ask('judge', path=str(scenes.HAND / 'ZAM_Hand-1_1_T-1.xml'), states=run.rows(), solution=str(path))


def test_a_solution_that_reaches_the_goal_is_valid_for_the_official_checker(clerk, tmp_path):
    told = judged(clerk, straight(scenes.road(), 10.0, 25), tmp_path / 'x.xml')
    assert told['valid'] and told['feasible'] and not told['contacts'] and told['off_road'] is None
    assert told['goal'] == 17  # 10 m + 17 m = 27 m, where the goal begins
    text = (tmp_path / 'x.xml').read_text()
    assert 'benchmark_id="KS2:TR1:ZAM_Hand-1_1_T-1:2018b"' in text and text.count('<ksState>') == 26
    again = judged(clerk, straight(scenes.road(), 10.0, 25), tmp_path / 'y.xml')
    assert again == told and (tmp_path / 'y.xml').read_text() == text


def test_contact_the_roads_edge_and_a_jump_are_told_by_the_official_checker(clerk, tmp_path):
    fast = straight(scenes.road(), 30.0, 25)  # the car ahead: 60 m + 10 m/s, its rear 48 - 2 - 2.254 m from our front
    told = judged(clerk, fast, tmp_path / 'x.xml')
    assert told['contacts'] == [[23, 6]] and not told['valid']  # 45.746 m at 20 m/s: 2.29 s
    aside = judged(clerk, straight(scenes.road(), 10.0, 25, heading=-0.2), tmp_path / 'x.xml')
    assert aside['off_road'] is not None and 0 < aside['off_road'] < 10 and not aside['valid']
    run = straight(scenes.road(), 10.0, 25)
    run.states[10:] = [car.State(s.x_m, s.y_m + 0.2, s.wheel_rad, s.speed_mps, s.heading_rad) for s in run.states[10:]]
    jump = judged(clerk, run, tmp_path / 'x.xml')
    assert not jump['feasible'] and jump['broken'] == 9 and not jump['valid']


def test_a_truck_s_solution_is_judged_by_the_official_checker_and_its_trailer_beside_it(clerk, tmp_path):
    scenario = scenes.road(users=[scenes.standing(5, 40.0, 5.25), scenes.moving(6, 60.0, 1.75, 10.0)])
    path, file = scenes.HAND / 'ZAM_Hand-1_1_T-1.xml', tmp_path / 'x.xml'
    lanes = road_of(scenario)
    task = Task(scenario, lanes, way_of(scenario, lanes), car.TRUCK)
    run = Run(0, [towing(10.0, place=(10.0, 1.75))])
    for _ in range(25):
        run.states.append(car.moved(run.states[-1], 0.0, 0.0, 0.1))
    told = planning.judged(path, task, run, file)
    assert told['valid'] and told['feasible'] and not told['contacts'] and told['off_road'] is None
    text = file.read_text()
    assert 'benchmark_id="KST4:TR1:ZAM_Hand-1_1_T-1:2018b"' in text and text.count('<kstState>') == 26
    aside = Run(0, [replace(run.states[0], hitch_rad=0.2), *run.states[1:]])  # its tail 12 sin 0.2 = 2.4 m to the right
    told = planning.judged(path, task, aside, file)
    assert (told['off_road'], told['off_body'], told['checker']['off_road']) == (0, 1, None)
    assert told['beyond_m'] == pytest.approx(12.0 * np.sin(0.2) + 1.275 * np.cos(0.2) - 1.75, abs=0.06)
    swung = Run(0, [replace(state, x_m=state.x_m + 35.0, hitch_rad=-0.3) for state in run.states])
    told = planning.judged(path, task, swung, file)
    assert told['contacts'][0] == [0, 5, 1] and not told['checker']['contacts']


def test_a_file_that_is_no_scenario_is_refused_and_the_clerk_goes_on(clerk, tmp_path):
    (tmp_path / 'bad.xml').write_text('<commonRoad/>')
    with pytest.raises(DataError, match='bad.xml'):
        clerk.ask('read', path=str(tmp_path / 'bad.xml'))
    assert clerk.ask('read', path=str(scenes.HAND / 'ZAM_Hand-1_1_T-1.xml'))['id'] == 'ZAM_Hand-1_1_T-1'


def test_the_measure_leaves_solutions_verdicts_and_explanations(tmp_path):
    scenes.needs_bench()
    result = planning.evaluate(measure.Task(scenes.HAND, tmp_path, peers=True))
    assert result.items == ['DEU_Hand-2_1_T-1', 'ZAM_Hand-1_1_T-1'] and result.figures['success'] == 1.0
    assert result.figures['count.valid'] == 2 and result.figures['peer.idm.success'] == 1.0
    assert sorted(path.name for path in (tmp_path / 'solutions').glob('*.xml')) == [f'{n}.xml' for n in result.items]
    verdicts = [json.loads(line) for line in (tmp_path / 'verdicts.jsonl').read_text().splitlines()]
    assert {(v['scenario'], v['driver']) for v in verdicts} == {
        (name, driver) for name in result.items for driver in ('ours', *DRIVERS, *planning.RIVALS)
    }
    lines = (tmp_path / 'explanations.jsonl').read_text().splitlines()
    assert len(lines) == len((tmp_path / 'timing.csv').read_text().splitlines()) - 1 > 20
    assert json.loads(lines[0])['chosen']
    assert result.frames[0].picture()[:4] == b'\x89PNG'


@pytest.mark.parametrize('name', planning.RIVALS)
def test_planners_of_others_drive_and_tell_the_time_of_their_plans(name):
    scenes.needs_bench()
    with Bench('rivals.py') as rivals:
        run = run_of(rivals.ask(name, path=str(scenes.HAND / 'ZAM_Hand-1_1_T-1.xml'), seconds=60.0))
        short = rivals.ask(name, path=str(scenes.HAND / 'ZAM_Hand-1_1_T-1.xml'), seconds=0.0)
    assert not run.error and run.first_step == 0
    assert run.states[0].middle == pytest.approx([10.0, 1.75]) and run.states[0].speed_mps == 10.0
    last = run.states[-1]
    assert scenes.road().reached(len(run.states) - 1, last.middle, last.heading_rad, last.speed_mps)
    times = [answer.planning_s for answer in run.answers]
    assert times[0] > 0.0 and times[1] == times[2] == 0.0 and times[3] > 0.0  # a plan each third step
    assert short['why'] == 'TimeoutError: more than 0 s' and len(short['states']) < len(run.states)


def test_a_truck_drives_where_lanes_are_wide_and_others_are_not_asked(tmp_path):
    scenes.needs_bench()
    task = measure.Task(scenes.HAND, tmp_path, only=('ZAM_Hand-1_1_T-1',), options={'vehicle': 'truck'})
    result = planning.evaluate(task)
    assert result.items == ['ZAM_Hand-1_1_T-1'] and result.figures['of_begun.valid'] == result.figures['valid'] == 1.0
    told = json.loads((tmp_path / 'verdicts.jsonl').read_text())
    assert told['checker'] == {'contacts': [], 'off_road': None} and told['swept_m'] < 3.0
    with pytest.raises(DataError, match="vehicle='bus'"):
        planning.evaluate(measure.Task(scenes.HAND, tmp_path, options={'vehicle': 'bus'}))


def test_who_drives_beside_ours_can_be_chosen_by_name(tmp_path):
    task = measure.Task(tmp_path, tmp_path, peers=True, options={'beside': 'idm'})
    assert planning.peers_of(task, car.CAR) == ['idm'] and planning.peers_of(replace(task, peers=False), car.CAR) == []
    assert 'frenetix' in planning.peers_of(replace(task, options={}), car.CAR)
    assert 'frenetix' not in planning.peers_of(replace(task, options={}), car.TRUCK)
    with pytest.raises(DataError, match='beside=tram'):
        planning.peers_of(replace(task, options={'beside': 'idm,tram'}), car.CAR)


def test_where_the_tools_are_missing_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(bench.VARIABLE, str(tmp_path / 'nothing'))
    with pytest.raises(DataError, match='make benchmark'):
        Bench()


def test_only_takes_names_and_files_of_names_in_the_folder_or_beside_it(tmp_path):
    data = tmp_path / 'scenes'
    data.mkdir()
    (tmp_path / 'list.txt').write_text('a\nb\n')
    (data / 'more.txt').write_text('c\n')
    assert named(['x', 'list.txt', 'more.txt'], data) == ('x', 'a', 'b', 'c')
    assert named([str(tmp_path / 'list.txt')], tmp_path / 'elsewhere') == ('a', 'b')
