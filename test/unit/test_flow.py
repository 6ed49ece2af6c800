"""Traffic as vectors: who waits for whom, who changes lanes, and that nobody runs into anybody."""

import os
from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.common.lanes import Light, Line
from autonomy_nodes.common.objects import Label
from autonomy_nodes.messages.formats.trajectories import RecordedScene, read_scene, write_scene
from autonomy_nodes.sim.flow import loops
from autonomy_nodes.sim.flow.contacts import contacts
from autonomy_nodes.sim.flow.drivers import Member, Mode, Trait, drawn
from autonomy_nodes.sim.flow.families import FAMILIES, played
from autonomy_nodes.sim.flow.flow import Flow
from autonomy_nodes.sim.flow.gaps import reached_s
from autonomy_nodes.sim.flow.place import STOP_SIGN, WALL, Entry, Place
from autonomy_nodes.sim.flow.replay import Replay


def straight(*ends):
    return np.linspace(*np.array(ends, float), 200)


def car(**traits):
    member = drawn('car', 10.0, 0.0, np.random.default_rng(1))
    values = {'WISH_MPS': 10.0, 'ACCELERATION': 1.5, 'BRAKING': 2.0, 'HEADWAY_S': 1.5, 'GAP_S': 2.0}
    values['SAFE_BRAKING'] = 2.0
    for name, value in (values | traits).items():
        member.traits[Trait[name]] = value
    return Member(member.label, Mode.DRIVES, member.traits, True, 0.0)


def walker():
    member = drawn('pedestrian', 1.4, 0.0, np.random.default_rng(2))
    member.traits[Trait.WISH_MPS] = 1.4
    return member


def crossing(*entries, yields=((0, 1),)):
    """Two ways that cross at their 60th metre, the first from the south, the second from the west."""
    place = Place(yields=set(yields))
    place.way(straight((0.0, -60.0), (0.0, 60.0)), 10.0)
    place.way(straight((-60.0, 0.0), (60.0, 0.0)), 10.0)
    place.entries = list(entries)
    return place


def run(place, seconds, guests=None):
    flow = Flow(place, np.random.default_rng(0))
    track = []
    for _ in range(round(seconds * 10)):
        flow.advance(guests)
        track.append(flow.states.copy())
    return flow, np.array(track)


def passes(track, row, s):
    """Return after how many seconds somebody is past a place on his way."""
    return 0.1 * float(np.argmax(track[:, row, loops.S] > s))


def test_who_speeds_up_is_there_when_physics_says_so():
    assert reached_s(9.0, 0.0, 2.0, 100.0) == pytest.approx(3.0)  # 9 = 2 t^2 / 2
    assert reached_s(24.0, 2.0, 1.0, 4.0) == pytest.approx(2.0 + (24.0 - 6.0) / 4.0)  # 6 m while it speeds up


def test_a_gap_that_is_too_short_is_not_taken_and_one_that_is_long_enough_is():
    mine = Entry(car(), 0, 43.0, speed_mps=8.0)  # is through after some 2.5 s
    _, near = run(crossing(mine, Entry(car(), 1, 27.0, speed_mps=10.0)), 12.0)
    _, far = run(crossing(mine, Entry(car(), 1, 0.0, speed_mps=10.0)), 12.0)
    assert passes(near, 0, 62.0) > passes(near, 1, 62.0)  # the other one comes after 2.8 s: waits for him
    assert near[:, 0, loops.SPEED].min() < 4.0
    assert passes(far, 0, 62.0) < passes(far, 1, 62.0)  # after 5.5 s: goes first
    assert far[:30, 0, loops.SPEED].min() > 7.0


def test_who_has_right_of_way_does_not_slow_down():
    _, track = run(crossing(Entry(car(), 0, 40.0, speed_mps=5.0), Entry(car(), 1, 30.0, speed_mps=10.0)), 5.0)
    assert track[:30, 1, loops.SPEED].min() > 9.0


def test_one_on_foot_is_waited_for_at_a_zebra_crossing():
    place = crossing(Entry(car(), 0, 20.0, speed_mps=9.0), yields=())
    way = place.way(straight((-6.0, 0.0), (6.0, 0.0)), 1.4, on_foot=True)
    place.entries.append(Entry(walker(), way, 1.0, 0.0))
    place.yields = {(0, way)}
    _, track = run(place, 14.0)
    assert passes(track, 1, 8.0) < passes(track, 0, 60.0)
    assert track[:, 0, loops.SPEED].min() < 3.0 and passes(track, 0, 64.0) > 0.0


def test_one_on_foot_who_is_careful_lets_a_car_pass_that_is_near():
    place = crossing(Entry(car(), 0, 40.0, speed_mps=10.0), yields=())
    way = place.way(straight((-9.0, 0.0), (9.0, 0.0)), 1.4, on_foot=True)
    place.entries.append(Entry(walker(), way, 3.0, 0.0))
    place.yields = {(way, 0)}
    _, track = run(place, 12.0)
    assert passes(track, 0, 62.0) < passes(track, 1, 9.0)
    assert track[:20, 0, loops.SPEED].min() > 9.0


def test_a_red_light_and_the_end_of_a_lane_stop_everybody():
    place = crossing(Entry(car(), 0, 10.0, speed_mps=8.0), Entry(car(), 1, 10.0, speed_mps=8.0), yields=())
    red = place.signal(((int(Light.RED), 100.0),), 0.0)
    place.stops = [(0, 50.0, red), (1, 40.0, WALL)]
    flow, track = run(place, 15.0)
    fronts = track[-1, :, loops.S] + flow.traits[:, Trait.LENGTH_M] - flow.traits[:, Trait.REAR_M]
    assert (track[-1, :, loops.SPEED] < 0.1).all()
    np.testing.assert_allclose(fronts, [50.0, 40.0], atol=1.5)


def test_at_a_stop_sign_one_stops_and_goes_on():
    place = crossing(Entry(car(), 0, 10.0, speed_mps=8.0), yields=())
    place.stops = [(0, 50.0, STOP_SIGN)]
    _, track = run(place, 20.0)
    assert track[:, 0, loops.SPEED].min() < 0.3 and track[-1, 0, loops.S] > 60.0


def test_a_bend_is_taken_no_faster_than_its_lateral_acceleration_allows():
    place = Place()
    angles = np.linspace(-np.pi / 2.0, 0.0, 60)
    bend = 15.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + (60.0, 15.0)
    place.way(np.concatenate([straight((0.0, 0.0), (60.0, 0.0)), bend, straight((75.0, 15.0), (75.0, 80.0))]), 14.0)
    place.entries = [Entry(car(LATERAL=2.0, WISH_MPS=14.0), 0, 2.0, speed_mps=13.0)]
    _, track = run(place, 12.0)
    lateral = track[:, 0, loops.SPEED] ** 2 * np.abs(track[:, 0, loops.BEND])
    assert lateral.max() < 3.0
    assert np.abs(track[:, 0, loops.D]).max() < 0.6
    assert track[:, 0, loops.SPEED].min() == pytest.approx(np.sqrt(2.0 * 15.0), abs=1.0)


def two_lanes(*entries):
    place = Place()
    place.way(straight((0.0, 3.6), (600.0, 3.6)), 25.0)
    place.way(straight((0.0, 0.0), (600.0, 0.0)), 25.0)
    place.beside = [(0, 1, 1, 0.0, 560.0, False), (1, 0, 0, 0.0, 560.0, False)]
    place.entries = list(entries)
    return place


def test_a_slow_one_is_overtaken_but_not_into_somebody_beside():
    slow, fast = car(WISH_MPS=12.0), car(WISH_MPS=25.0, POLITENESS=0.0)
    free = two_lanes(Entry(slow, 1, 80.0, speed_mps=12.0), Entry(fast, 1, 30.0, speed_mps=20.0))
    flow, track = run(free, 12.0)
    assert flow.changes[0].row == 1 and track[-1, 1, loops.S] > track[-1, 0, loops.S]
    beside = Entry(car(WISH_MPS=20.0), 0, 31.0, speed_mps=20.0)
    flow, _ = run(two_lanes(*free.entries, beside), 1.5)
    assert flow.changes == []


def test_where_a_lane_ends_one_merges_in_time():
    place = two_lanes(Entry(car(WISH_MPS=20.0), 1, 30.0, speed_mps=18.0))
    place.stops = [(1, 220.0, WALL)]
    flow, track = run(place, 20.0)
    assert flow.on[0] == 0 and track[-1, 0, loops.S] > 230.0


def test_cut_ins_come_with_difficulty():
    def cut_ins(difficulty):
        flows = [played('highway', seed, difficulty).flow for seed in range(4)]
        return sum(change.behind_s < 1.0 for flow in flows for change in flow.changes)

    assert cut_ins(1.0) > 2 * cut_ins(0.0) and cut_ins(1.0) >= 4


def test_a_parked_car_is_passed_beside_and_an_oncoming_one_waited_for():
    place = Place()
    place.way(straight((0.0, 0.0), (150.0, 0.0)), 8.0, room_m=(-0.4, 2.5))
    place.way(straight((150.0, 3.0), (0.0, 3.0)), 8.0, room_m=(-0.2, 0.2))
    place.apart = {(0, 1), (1, 0)}
    parked = drawn('car', 8.0, 0.0, np.random.default_rng(3))
    parked = Member(Label.CAR, Mode.STANDS, parked.traits)
    place.entries = [Entry(car(WISH_MPS=8.0), 0, 20.0, speed_mps=8.0), Entry(parked, place=(75.0, -0.9, 0.0))]
    flow, track = run(place, 14.0)
    assert track[:, 0, loops.D].max() > 0.9 and track[-1, 0, loops.S] > 100.0
    place.entries.append(Entry(car(WISH_MPS=8.0), 1, 20.0, speed_mps=8.0))
    flow, track = run(place, 14.0)
    assert passes(track, 2, 80.0) < passes(track, 0, 75.0) or passes(track, 0, 75.0) == 0.0


def test_somebody_who_was_not_drawn_is_minded():
    guest = np.array([[0.0, 0.0, np.pi / 2.0, 0.0, 4.5, 1.8, Mode.DRIVES, -1.0]])
    _, track = run(crossing(Entry(car(), 0, 10.0, speed_mps=9.0), yields=()), 12.0, guest)
    assert track[-1, 0, loops.SPEED] < 0.2 and 50.0 < track[-1, 0, loops.S] < 57.0


@pytest.mark.parametrize('family', FAMILIES)
def test_scenes_are_the_same_each_time_and_nobody_runs_into_anybody(family):
    one, two, other = played(family, 5, 0.7), played(family, 5, 0.7), played(family, 6, 0.7)
    np.testing.assert_array_equal(one.scene.states, two.scene.states)
    assert one.scene.states.shape != other.scene.states.shape
    assert all(contact.excused for contact in one.contacts)
    speeds = np.hypot(one.scene.states[..., 3], one.scene.states[..., 4])
    assert np.nanmax(speeds) > 1.0 and 91 <= one.scene.steps < 200
    steps = np.hypot(*np.moveaxis(np.diff(one.scene.states[..., :2], axis=1), 2, 0))
    np.testing.assert_array_less(np.nan_to_num(np.abs(steps - 0.1 * speeds[:, 1:])), 0.12)  # nobody jumps


def test_contacts_are_told_with_their_first_step_and_excused_by_not_looking():
    states = np.zeros((2, 3, 5))
    states[1, :, 0] = (9.0, 4.4, 4.0)  # two cars of 4.5 m in a row touch from 4.5 m on
    sizes, owners, walks = np.array([[4.5, 1.8]] * 2), np.arange(2), np.zeros(2, bool)
    found = contacts(states, sizes, owners, np.array([True, True]), walks)
    assert [(c.one, c.other, c.step, c.excused) for c in found] == [(0, 1, 1, False)]
    assert contacts(states, sizes, owners, np.array([True, False]), walks)[0].excused
    assert contacts(states, sizes, np.zeros(2, int), np.array([True, True]), walks) == []


def test_a_scene_is_read_back_as_it_was_written(tmp_path):
    scene = played('lights', 3, 0.5).scene
    write_scene(tmp_path / 'one.npz', scene, 'test')
    write_scene(tmp_path / 'two.npz', scene, 'test')
    back = read_scene(tmp_path / 'one.npz', scene.name)
    np.testing.assert_allclose(back.states, scene.states, atol=1e-3)
    np.testing.assert_allclose(back.sizes_m, scene.sizes_m, atol=1e-3)
    np.testing.assert_array_equal(back.labels, scene.labels)
    np.testing.assert_array_equal(back.classes, scene.classes)
    assert (back.names, back.follows, back.recorder) == (scene.names, scene.follows, scene.recorder)
    assert {lane: list(states) for lane, states in back.lights.items()} == {
        lane: list(states) for lane, states in scene.lights.items()
    }
    assert (tmp_path / 'one.npz').read_bytes() == (tmp_path / 'two.npz').read_bytes()
    assert {Line.CENTERLINE, Line.BOUNDARY, Line.CROSSWALK} <= {Line(int(kind)) for kind in back.classes}


def recorded():
    """Two cars, one 20 m behind the other, at 10 m/s along x."""
    x = np.arange(0.0, 91.0)
    nil = 0.0 * x
    tracks = [np.stack([x + shift, nil, nil, nil + 10.0, nil], axis=1) for shift in (20.0, 0.0)]
    sizes = np.array([[4.5, 1.8]] * 2)
    return RecordedScene('here/one', np.stack(tracks), np.full(2, Label.CAR), sizes, [], np.zeros(0), [])


def test_a_recording_without_anybody_new_is_reproduced_to_the_digit():
    scene = recorded()
    replay = Replay(scene)
    for step in range(1, 91):
        replay.advance(np.zeros((0, 6)))
        np.testing.assert_array_equal(replay.states, scene.states[:, step])


def test_who_is_in_the_way_is_waited_for_on_the_recorded_path():
    scene = recorded()
    replay, gaps = Replay(scene), []
    for _ in range(90):
        replay.advance(np.array([[70.0, 0.4, 0.0, 0.0, 4.5, 1.8]]))  # one who stands there
        gaps.append(replay.states[:, 0])
        assert abs(replay.states[:, 1]).max() < 1e-9
    assert np.hypot(*replay.states[0, 3:]) < 0.5 and 60.0 < replay.states[0, 0] < 65.5
    assert replay.held.all() and replay.states[1, 0] < replay.states[0, 0] - 5.0  # who is behind waits as well


def test_who_was_held_up_goes_on_and_catches_up_when_the_way_is_free():
    replay = Replay(recorded())
    for step in range(90):
        near = np.array([[60.0, 0.4, 0.0, 0.0, 4.5, 1.8]]) if step < 30 else np.zeros((0, 6))
        replay.advance(near)
    assert replay.states[0, 3] > 8.0 and 70.0 < replay.states[0, 0] < 110.0


def test_who_walks_beside_the_path_holds_nobody_up():
    scene = recorded()
    replay = Replay(scene)
    for _ in range(80):
        replay.advance(np.array([[70.0, 3.5, 0.0, 0.0, 4.5, 1.8]]))
    np.testing.assert_array_equal(replay.states, scene.states[:, 80])


def test_a_real_recording_is_reproduced_and_minds_one_who_stands_in_its_way():
    folder = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'trajectories' / 'av2'
    if not folder.is_dir():
        pytest.skip(f'{folder} is missing; set AUTONOMY_DATA')
    scene = read_scene(next(folder.glob('*.npz')))
    replay = Replay(scene)
    for step in range(1, scene.steps):
        replay.advance(np.zeros((0, 6)))
        np.testing.assert_array_equal(replay.states, scene.states[:, step])
    speeds = np.hypot(scene.states[:, 20, 3], scene.states[:, 20, 4])
    row = int(np.nanargmax(np.where(scene.labels == Label.CAR, speeds, -1.0)))
    x, y, heading = scene.states[row, 60, :3]
    replay, nearest = Replay(scene, 20), np.inf
    for _ in range(21, scene.steps):
        replay.advance(np.array([[x, y, heading, 0.0, 4.5, 1.8]]))
        nearest = min(nearest, np.hypot(*(replay.states[row, :2] - (x, y))))
        apart = np.hypot(*(scene.states[row, :, :2] - replay.states[row, :2]).T)
        assert np.nanmin(apart) < 0.5  # on its path still: recorded places are a metre apart
    assert replay.held[row] and 4.6 < nearest < 9.0
