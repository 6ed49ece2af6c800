"""Driving among traffic in the place of one of its drivers: what is told, who is to blame, what the figures say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from autonomy_nodes.common.lanes import Light, Line, Rule
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.evaluation.measures.traffic import BESIDE, STACK, courses_of, evaluate, figures, outcome_of
from autonomy_nodes.evaluation.recorded import ego_of, tracked
from autonomy_nodes.evaluation.traffic.drive import OURS, Contact, Course, Drive, begun, driven
from autonomy_nodes.evaluation.traffic.drivers import Given, LaneDriver, Seen
from autonomy_nodes.evaluation.traffic.picture import drawn
from autonomy_nodes.evaluation.traffic.sight import Sight, visible
from autonomy_nodes.evaluation.traffic.site import GIVE_WAY, site_of
from autonomy_nodes.mapping.pieces import cut
from autonomy_nodes.sim.flow import loops
from autonomy_nodes.sim.flow.drivers import drawn as member_of
from autonomy_nodes.sim.flow.families import FAMILIES, generator
from autonomy_nodes.sim.flow.flow import Flow
from autonomy_nodes.sim.flow.place import STOP_SIGN, Entry, Place

SECOND_NS = 1_000_000_000


def place_of(family, seed=5_100_000):
    return FAMILIES[family](generator(family, seed), 0.5)


def road(length=200.0, **more):
    """A straight lane along x, with a line at 100 m where a signal is asked for."""
    place = Place(lanes={'a': np.column_stack([np.arange(length), np.zeros(int(length))])}, **more)
    place.chain(('a',), 12.0)
    return place


def seen(x, speed, others=(), lights=None):
    """What is told at x; others: (x, y, heading, speed)."""
    rows = np.array(others, float).reshape(-1, 4)
    velocities = rows[:, 3:] * np.column_stack([np.cos(rows[:, 2]), np.sin(rows[:, 2])])
    sizes = np.tile([4.6, 1.8], (len(rows), 1))
    tracks = tracked(
        SECOND_NS, rows[:, :3], velocities, (sizes, 1.5), np.ones(len(rows), int), np.arange(len(rows)), (0.01,) * 3
    )
    return Seen(0, ego_of(SECOND_NS, np.array([x, 0.0, 0.0]), speed, 0.0), 0.0, tracks, lights or {})


def pushed(place, *about, **more):
    """The acceleration that the driver model beside ours chooses."""
    driver = LaneDriver(Given(site_of(place), 0, None, OURS))
    told = seen(*about, **more)
    driver.think(told)
    return driver.command(told.ego, 0.0).acceleration_mps2


@pytest.mark.parametrize('family', list(FAMILIES))
def test_the_ways_of_all_vehicles_lie_on_ground_that_may_be_driven_and_the_houses_do_not(family):
    place = place_of(family)
    site = site_of(place)
    for way in place.ways:
        if not way.on_foot and (way.lanes or not place.lanes):
            assert not site.is_off(way.points, 0.1)
    low = np.concatenate([way.points for way in place.ways]).min(axis=0)
    assert site.is_off(low[None] - 300.0, 0.3)
    assert all(name in site.ids for way in place.ways for name in way.lanes)


def test_a_corner_beyond_the_curb_is_off_the_road_and_one_before_it_is_not():
    curbs = [np.column_stack([np.arange(200.0), np.full(200, side)]) for side in (-3.0, 3.0)]
    site = site_of(road(edges=curbs))
    assert not site.is_off(np.array([[50.0, 2.7], [50.0, -2.7]]), 0.0)
    assert site.is_off(np.array([[50.0, 0.0], [50.0, 3.9]]), 0.3)
    assert not site.is_off(np.array([[50.0, 3.2]]), 0.5)


def test_lights_signs_and_lines_to_give_way_at_are_told_by_the_map():
    lit = site_of(place_of('lights'))
    assert set(lit.lights(0.0).values()) <= {Light.RED, Light.AMBER, Light.GREEN} and len(lit.lights(0.0)) == 2
    pieces = cut(lit.road.map)
    rules = pieces.rules[pieces.classes == Line.STOP_LINE]
    assert len(rules) and (rules == Rule.LIGHT).all()
    round_about = site_of(place_of('roundabout'))
    assert {stop.signal for stop in round_about.stops} == {GIVE_WAY} and round_about.lights(0.0) == {}
    pieces = cut(round_about.road.map)
    assert (pieces.rules[pieces.classes == Line.STOP_LINE] == Rule.GIVE_WAY).all()
    for signal, stops in ((STOP_SIGN, True), (GIVE_WAY, False)):
        seeds = range(5_100_000, 5_100_020)
        place = next(place for seed in seeds if bool((place := place_of('signs', seed)).stops) == stops)
        assert {stop.signal for stop in site_of(place).stops} == {signal}


def test_who_is_behind_a_van_is_not_seen_and_who_is_behind_a_pedestrian_is():
    places = np.array([[10.0, 0.0, 0.0], [20.0, 0.0, 0.0], [20.0, 8.0, 0.0]])
    wide, slim = np.array([[5.0, 2.0], [0.6, 0.6], [0.6, 0.6]]), np.array([[0.6, 0.6], [0.6, 0.6], [0.6, 0.6]])
    assert visible(places, wide, np.zeros(2)).tolist() == [True, False, True]
    assert visible(places, slim, np.zeros(2)).tolist() == [True, True, True]
    assert visible(places + np.array([200.0, 0.0, 0.0]), wide, np.zeros(2)).tolist() == [False] * 3  # too far


def test_a_track_begins_with_the_third_step_in_view_and_errs_the_same_whoever_drives():
    states = np.array([[0.0, 0.0, 0.0, 0.0, 0.0], [20.0, 0.0, 0.0, 5.0, 0.0]])
    sizes, labels = np.array([[4.5, 1.8], [4.5, 1.8]]), np.ones(2, int)
    told = []
    for roof in (np.zeros(2), np.array([3.0, 1.0])):
        sight = Sight(2, 7)
        told.append([sight.told(SECOND_NS, states, sizes, labels, roof, 0) for _ in range(4)])
    assert [len(step) for step in told[0]] == [0, 0, 1, 1]
    assert np.array_equal(told[0][3].positions_m, told[1][3].positions_m)
    assert 0.0 < np.abs(told[0][3].positions_m[0, :2] - [20.0, 0.0]).max() < 0.6


def test_the_driver_beside_ours_stops_for_red_goes_on_green_and_slows_for_bends():
    place = road()
    signal = place.signal(((int(Light.RED), 5.0), (int(Light.GREEN), 5.0)), 0.0)
    place.stops.append((0, 100.0, signal))
    site = site_of(place)
    assert pushed(place, 75.0, 10.0, lights=site.lights(1.0)) < -1.0
    assert pushed(place, 75.0, 10.0, lights=site.lights(6.0)) > 0.2
    turn = np.linspace(0.0, math.pi / 2.0, 30)
    bend = np.concatenate([np.column_stack([np.arange(50.0), np.zeros(50)]),
                           np.column_stack([50.0 + 10.0 * np.sin(turn), 10.0 - 10.0 * np.cos(turn)])])  # fmt: skip
    curved = Place(lanes={'a': bend})
    curved.chain(('a',), 12.0)
    assert pushed(curved, 40.0, 10.0) < -1.0  # sqrt(2 * 10) = 4.5 m/s fit through


def test_the_driver_beside_ours_follows_and_minds_who_will_be_in_its_lane_when_it_is_there():
    assert pushed(road(), 20.0, 10.0) > 0.2
    assert pushed(road(), 20.0, 10.0, [(45.0, 0.0, 0.0, 2.0)]) < -1.0  # slow ahead
    assert pushed(road(), 20.0, 10.0, [(45.0, 3.5, 0.0, 2.0)]) > 0.2  # slow, beside
    south, north = math.pi / 2.0, -math.pi / 2.0
    assert pushed(road(), 20.0, 10.0, [(45.0, -12.0, south, 6.0)]) < -1.0  # there at the same time
    assert pushed(road(), 20.0, 10.0, [(45.0, 12.0, south, 6.0)]) > 0.2  # has gone
    assert pushed(road(), 20.0, 10.0, [(120.0, 25.0, north, 6.0)]) > 0.2  # is through before


def test_it_goes_on_at_a_stop_sign_once_it_has_stood():
    place = road()
    place.stops.append((0, 100.0, STOP_SIGN))
    driver = LaneDriver(Given(site_of(place), 0, None, OURS))
    told = seen(100.0 - OURS.front_m - 0.5, 0.0)
    pushes = []
    for _ in range(15):
        driver.think(told)
        pushes.append(driver.command(told.ego, 0.0).acceleration_mps2)
    assert pushes[0] < 0.3 and pushes[-1] > 1.0


def test_others_stop_behind_one_who_took_a_place_and_stands():
    place = road()
    drivers = [member_of('car', 12.0, 0.0, np.random.default_rng(seed)) for seed in (1, 2)]
    place.entries += [Entry(drivers[0], 0, 80.0, speed_mps=0.0), Entry(drivers[1], 0, 20.0, speed_mps=10.0)]
    flow = Flow(place, np.random.default_rng(0))
    flow.take(0, OURS)
    for _ in range(150):
        flow.steer(0, np.array([80.0, 0.0, 0.0]), 0.0, 0.0)
        flow.advance()
    flow.steer(0, np.array([80.0, 0.0, 0.0]), 0.0, 0.0)
    assert flow.states[0, [loops.X, loops.S]].tolist() == [80.0, 80.0]
    front = flow.states[1, loops.S] + flow.traits[1, 0] - flow.traits[1, 2]
    assert flow.states[1, loops.SPEED] < 0.3 and 0.5 < 80.0 - OURS.rear_m - front < 6.0


def test_the_same_course_begins_alike_for_both_and_gives_the_same_again():
    course = Course('lights', 'lights', 5_100_002, 1.0)
    ways = [driven(course, who) for who in (STACK, BESIDE, BESIDE)]
    assert np.array_equal(ways[0].rows[0], ways[1].rows[0])
    assert np.array_equal(ways[1].rows, ways[2].rows) and len(ways[1].rows) == 11
    assert ways[0].progress_m == pytest.approx(ways[0].driven_m, rel=0.05)
    assert drawn(course, ways[0])[:4] == b'\x89PNG'


def drive(progress=100.0, own=None, **more):
    rows = np.zeros((11, 6))
    rows[:, 0], rows[:, 1], rows[:, 4] = np.arange(11) / 10.0, np.linspace(0.0, progress, 11), 10.0
    contact = None if own is None else Contact('car', own, 5.0, 0.0)
    return Drive(contact=contact, progress_m=progress, way_m=300.0, rows=rows, times_s=[0.01, 0.03], **more)


def test_the_figures_of_four_pairs_are_those_worked_out_by_hand():
    pairs = [
        {STACK: drive(100.0), BESIDE: drive(50.0, own=True)},
        {STACK: drive(200.0, own=True, red=1), BESIDE: drive(100.0)},
        {STACK: drive(100.0), BESIDE: drive(150.0, own=True)},
        {STACK: drive(100.0, own=False), BESIDE: drive(100.0, own=True)},
    ]
    found = figures(pairs, 0)
    assert (found['n_drives'], found['collisions'], found['own_faults'], found['red_lights_run']) == (4, 2, 1, 1)
    assert found['km'] == pytest.approx(0.5) and found['own_faults_per_100km'] == pytest.approx(200.0)
    assert found['peer.idm.own_faults'] == 3 and found['peer.idm.own_faults_per_100km'] == pytest.approx(750.0)
    assert found['more_own_faults_per_100km'] == pytest.approx(-550.0)
    assert found['more_own_faults_a_drive'] == -0.5  # 1 - 3 of 4
    assert (found['n_own_fault_of_ours_only'], found['n_own_fault_of_idm_only'], found['n_own_fault_of_both']) == (
        1, 3, 0,
    )  # fmt: skip
    assert found['more_own_faults_a_drive.exact_low95'] < -0.9 and found['more_own_faults_a_drive.exact_high95'] > 0.5
    assert found['progress_ratio'] == pytest.approx(500.0 / 400.0)
    assert found['plan_ms.median'] == pytest.approx(20.0)
    assert outcome_of(pairs[1][STACK]) == 'own fault: car at 5.0 m/s'


def test_more_drives_change_none_and_another_seed_all():
    task = Task(data=None, out=None, options={'count': '9', 'every': '2'})
    nine, more = courses_of(task), courses_of(replace(task, options={'count': '30', 'every': '2'}))
    assert nine == more[:9] and nine[0].every == 2 and len({course.family for course in nine}) == len(FAMILIES)
    assert not {course.seed for course in more} & {course.seed for course in courses_of(replace(task, seed=1))}
    with pytest.raises(DataError, match='count'):
        courses_of(replace(task, options={'count': '0'}))
    with pytest.raises(DataError, match='simulated'):
        evaluate(replace(task, data='elsewhere'))


def test_nobody_is_there_who_could_be_replaced_where_all_walk(monkeypatch):
    walk = road()
    way = walk.way(np.column_stack([np.arange(50.0), np.full(50, 5.0)]), 1.4, on_foot=True)
    walk.entries.append(Entry(member_of('pedestrian', 1.4, 0.0, np.random.default_rng(0)), way, 2.0))
    monkeypatch.setitem(FAMILIES, 'street', lambda rng, difficulty: walk)
    with pytest.raises(DataError, match='nobody'):
        begun(Course('a', 'street', 1, 1.0))
