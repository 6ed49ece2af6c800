"""The vector scene: frames, neighbours, masks; numbers worked out by hand, and nothing that hangs on where we are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.geometry import matrix_of, quaternion_of_heading
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import PIECE_POINTS, LanePieces, Light, Line, Route, Rule, TrafficLights
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.scene import FED, NEIGHBOURS, SceneBuilder, Surroundings
from autonomy_nodes.common.scene_ground import CELL, LANE_TRAITS
from autonomy_nodes.common.scene_loops import nearest
from autonomy_nodes.common.scene_tracks import AGENTS, STATE, STATES, STEP_NS, TRAITS
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.messages.objects import read_tracked, write_tracked
from autonomy_nodes.prediction.tensors import FROM_SCENE

NOW = 20_000_000_000
HERE = np.eye(4)


def objects_of(rows, stamp_ns=NOW, ids=None, sigmas=(0.1, 0.1, 0.05), labels=Label.CAR):
    """Rows of x, y, heading, vx, vy in odom."""
    rows = np.asarray(rows, float).reshape(-1, 5)
    count = len(rows)
    chances, names = np.zeros((count, len(Label))), np.zeros((count, 16), np.uint8)
    chances[np.arange(count), labels] = 1.0
    names[:, 0] = np.arange(1, count + 1) if ids is None else ids
    return Objects(
        stamp_ns, 'odom', np.column_stack([rows[:, :2], np.zeros(count)]), rows[:, 2],
        np.tile([4.5, 1.8, 1.5], (count, 1)), np.ones(count), chances, rows[:, 3:], np.full(count, np.nan),
        np.tile(np.diag(np.square(sigmas)), (count, 1, 1)), np.tile(np.eye(2) * 0.04, (count, 1, 1)), names,
    )  # fmt: skip


def heard(rows, builder=None, ago=range(STATES - 1, -1, -1), **more):
    """A builder that heard objects which went straight on for two seconds, `rows` telling where they are now."""
    builder = builder or SceneBuilder(Vehicle())
    rows = np.asarray(rows, float).reshape(-1, 5)
    for steps in ago:
        then = rows.copy()
        then[:, :2] -= np.nan_to_num(rows[:, 3:]) * 0.2 * steps
        builder.hear(objects_of(then, NOW - steps * STEP_NS, **more))
    return builder


def pieces_of(lines, classes=None, ids=None, rules=None, rule_ids=None):
    """Pieces of (M, 2) lines of at most 20 points each, in base_link."""
    count = len(lines)
    points = np.full((count, PIECE_POINTS, 3), np.nan, np.float32)
    for row, line in enumerate(lines):
        points[row, : len(line)] = np.column_stack([line, np.zeros(len(line))])
    lengths = np.array([np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in lines])
    classes = np.full(count, Line.CENTERLINE) if classes is None else np.array(classes)
    return LanePieces(
        NOW, 'base_link', points, classes.astype(np.uint8), np.arange(1, count + 1) if ids is None else np.array(ids),
        np.ones(count), lengths, *(() if rules is None else (np.array(rules, np.uint8), np.array(rule_ids, np.int64))),
    )  # fmt: skip


def straight(start, heading=0.0, points=20):
    return np.array(start) + np.arange(points)[:, None] * np.array([np.cos(heading), np.sin(heading)])


def grid_of(shape=(20, 20), origin=(0.0, 0.0), **layers):
    flat = {'elevation': 0.0, 'slope': 0.1, 'roughness': 0.02, 'traversability': 1.0, 'observed': 1.0} | layers
    made = {name: np.full(shape, value, np.float32) for name, value in flat.items()}
    return Grid(NOW, 'odom', 0.4, np.array(origin), made)


def equal(one, other, atol):
    """Whether two scenes feed a network the same."""
    left, right = one.tensors(), other.tensors()
    for name, values in left.items():
        assert values.shape == right[name].shape and values.dtype == right[name].dtype
        if values.dtype == np.float32:
            np.testing.assert_allclose(values, right[name], rtol=1e-5, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(values, right[name], err_msg=name)


def random_world(seed):
    """Rows of agents, lines in sixty-fourths of a metre (which float32 holds exactly), lights and a route."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    speeds, headings = rng.uniform(0.0, 15.0, count), rng.uniform(-np.pi, np.pi, count)
    rows = np.column_stack(
        [rng.uniform(-50.0, 50.0, (count, 2)), headings, speeds * np.cos(headings), speeds * np.sin(headings)]
    )
    lines = []
    for _ in range(int(rng.integers(1, 30))):
        turns = rng.uniform(-np.pi, np.pi) + np.cumsum(rng.normal(0.0, 0.1, int(rng.integers(2, 21))))
        walk = rng.uniform(-60.0, 60.0, 2) + np.cumsum(np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)
        lines.append(np.round(walk * 64.0) / 64.0)
    rules = rng.choice([Rule.UNKNOWN, Rule.LIGHT], len(lines))
    classes = rng.choice([Line.CENTERLINE, Line.BOUNDARY, Line.DIVIDER], len(lines), p=[0.6, 0.2, 0.2])
    pieces = pieces_of(lines, classes, rules=rules, rule_ids=np.where(rules == Rule.LIGHT, 7, 0))
    return rows, pieces, TrafficLights(NOW, {7: Light.RED}), Route(NOW, (0,) * 4, (0,) * 4, (2, 1, 3))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000), angle=st.floats(-np.pi, np.pi), x=st.floats(-5e3, 5e3), y=st.floats(-5e3, 5e3)
)  # fmt: skip
def test_a_world_that_is_turned_and_moved_gives_the_same_scene(seed, angle, x, y):
    rows, pieces, lights, route = random_world(seed)
    moved = matrix_of(np.array([x, y, 0.0]), quaternion_of_heading(angle))
    turn = moved[:2, :2]
    # sigmas alike along x and y: a tracker's ellipse would turn with the world
    there = np.column_stack([rows[:, :2] @ turn.T + moved[:2, 3], rows[:, 2] + angle, rows[:, 3:] @ turn.T])
    scenes = [
        heard(found).scene(Surroundings(base, pieces, None, lights, route))
        for found, base in ((rows, HERE), (there, moved))
    ]
    equal(*scenes, atol=1e-5)
    assert scenes[0].agents.there.sum() == len(rows) and scenes[0].lanes.there.sum() == len(pieces.points)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), quarters=st.integers(0, 3), x=st.integers(-99, 99), y=st.integers(-99, 99))
def test_where_our_vehicle_stands_changes_nothing(seed, quarters, x, y):
    """The same map in base_link of a vehicle that stands elsewhere; quarter turns are exact in float32."""
    rows, pieces, lights, route = random_world(seed)
    base = np.eye(4)
    base[:2, :2] = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarters)
    base[:2, 3] = x, y
    points = pieces.points.copy()
    points[..., :2] = (points[..., :2] - base[:2, 3].astype(np.float32)) @ base[:2, :2].astype(np.float32)
    told = [
        heard(rows).scene(Surroundings(pose, seen, None, lights, route))
        for pose, seen in ((HERE, pieces), (base, replace(pieces, points=points)))
    ]
    equal(*told, atol=1e-6)


def test_states_are_told_in_the_frame_of_each_with_their_uncertainty():
    """North at 10 m/s, sigma 0.2 m along x and 0.1 m along y of odom: across 0.2, along 0.1."""
    scene = heard([[5.0, 7.0, np.pi / 2.0, 0.0, 10.0]], sigmas=(0.2, 0.1, 0.05)).scene(Surroundings(HERE))
    states = scene.agents.states[0]
    assert scene.agents.told[0].all() and not scene.agents.told[1:].any()
    expected = [-20.0, 0.0, 1.0, 0.0, 10.0, 0.0, -2.0, 0.1, 0.2, 0.05, 0.2, 1.0]
    assert states[0] == pytest.approx(expected, abs=1e-5)
    assert states[-1] == pytest.approx([0.0, 0.0, *expected[2:6], 0.0, *expected[7:]], abs=1e-5)
    traits = dict(zip(TRAITS, scene.agents.traits[0]))
    assert traits['is_car'] == 1.0 and traits['length_m'] == 4.5 and sum(traits.values()) == pytest.approx(8.3)


def test_a_vehicle_that_reverses_has_its_frame_where_it_goes():
    scene = heard([[0.0, 0.0, 0.0, -3.0, 0.0]]).scene(Surroundings(HERE))
    last = dict(zip(STATE, scene.agents.states[0, -1]))
    assert last['heading_cos'] == pytest.approx(-1.0) and last['vx_mps'] == pytest.approx(3.0)
    slow = heard([[0.0, 0.0, 0.0, -0.3, 0.0]]).scene(Surroundings(HERE))  # noise of a tracker turns nobody round
    assert dict(zip(STATE, slow.agents.states[0, -1]))['heading_cos'] == pytest.approx(1.0)


def test_what_was_not_heard_is_masked_and_a_velocity_that_is_not_told_is_said_to_be_so():
    builder = heard([[0.0, 0.0, 0.0, 10.0, 0.0]], ago=(10, 9, 2, 1))
    builder.hear(objects_of([[0.0, 0.0, 0.0, np.nan, np.nan], [9.0, 0.0, 0.0, 0.0, 0.0]], ids=[1, 2]))
    agents = builder.scene(Surroundings(HERE)).agents
    assert agents.told[0].tolist() == [place in (0, 1, 8, 9, 10) for place in range(STATES)]
    assert agents.told[1].tolist() == [place == 10 for place in range(STATES)]
    told = agents.states[:, -1, STATE.index('velocity_told')].tolist()
    assert told[:2] == [0.0, 1.0] and np.isfinite(agents.states).all()


def test_time_that_steps_back_forgets_all():
    builder = heard([[0.0, 0.0, 0.0, 10.0, 0.0]])
    builder.hear(objects_of([[0.0, 0.0, 0.0, 10.0, 0.0]], NOW - 5 * STEP_NS))
    assert builder.scene(Surroundings(HERE)).agents.told[0].sum() == 1


def test_pairs_tell_distance_bearing_and_heading_against_ones_own():
    """B stands 10 m ahead and 10 m left of A, and goes to the left: seen from B, A is behind it on its left."""
    scene = heard([[0.0, 0.0, 0.0, 10.0, 0.0], [10.0, 10.0, np.pi / 2.0, 0.0, 5.0]]).scene(Surroundings(HERE))
    pairs, half = scene.agents_agents, np.sqrt(0.5)
    order = scene.agents.ids[:2, 0].tolist()
    a, b = order.index(1), order.index(2)
    assert pairs.there[[a, b]].sum(axis=1).tolist() == [1, 1] and pairs.index[a, 0] == b
    assert pairs.relations[a, 0] == pytest.approx([np.sqrt(200.0), half, half, 0.0, 1.0, 0.0], abs=1e-6)
    assert pairs.relations[b, 0] == pytest.approx([np.sqrt(200.0), -half, half, 0.0, -1.0, 0.0], abs=1e-6)


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), count=st.integers(1, 40))
def test_the_nearest_are_those_of_a_sort(seed, count):
    rng = np.random.default_rng(seed)
    frames, places = np.zeros((3, 4)), rng.normal(0.0, 20.0, (30, 2))
    frames[:, :3], allowed = rng.normal(0.0, 10.0, (3, 3)), rng.random(30) < 0.8
    ahead = np.array([0.0, 5.0, 30.0])
    index, found = nearest(frames, np.array([True, True, True]), ahead, places, allowed, count, False)
    along = np.linspace(0.0, 1.0, 2001)
    for n in range(3):
        ways = frames[n, :2] + (ahead[n] * along)[:, None] * [np.cos(frames[n, 2]), np.sin(frames[n, 2])]
        gaps = np.linalg.norm(places[:, None] - ways, axis=2).min(axis=1)
        wanted = [m for m in np.argsort(gaps) if allowed[m]][:count]
        assert found[n].sum() == len(wanted)
        assert gaps[index[n, found[n]]] == pytest.approx(gaps[wanted], abs=0.02)


def test_the_ground_along_the_way_counts_and_not_what_lies_behind():
    """At 20 m/s a lane 80 m ahead is nearer than one 30 m behind."""
    lines = [straight((70.0, 0.0)), straight((-40.0, 0.0))]
    scene = heard([[0.0, 0.0, 0.0, 20.0, 0.0]]).scene(Surroundings(HERE, pieces_of(lines, ids=[5, 6])))
    assert scene.agents_lanes.relations[0, :2, 0] == pytest.approx([79.5, 30.5])


def test_pieces_have_frames_in_their_middle_and_know_who_follows_them():
    lines = [straight((0.0, 0.0)), straight((19.0, 0.0)), straight((0.0, 3.5)), straight((38.0, 3.5), np.pi)]
    scene = heard([[0.0, 0.0, 0.0, 1.0, 0.0]]).scene(Surroundings(HERE, pieces_of([*lines, straight((0.0, 1.75))[:5]])))
    lanes = scene.lanes
    row = int(np.flatnonzero((lanes.frames[:, :2] == [9.5, 0.0]).all(axis=1))[0])
    assert lanes.points[row, [0, 19]].tolist() == [[-9.5, 0.0, 1.0, 0.0], [9.5, 0.0, 1.0, 0.0]]
    assert lanes.told[lanes.there].sum(axis=1).tolist().count(5) == 1
    others = scene.lanes_lanes.index[row][scene.lanes_lanes.there[row]]
    links = {tuple(lanes.frames[m, :3].tolist()): tuple(scene.lane_links[row, k]) for k, m in enumerate(others)}
    assert links[28.5, 0.0, 0.0] == (1.0, 0.0, 0.0)  # it follows
    assert links[9.5, 3.5, 0.0] == (0.0, 0.0, 1.0)  # beside
    assert links[28.5, 3.5, np.pi] == (0.0, 0.0, 0.0)  # comes towards us
    assert sum(map(sum, links.values())) == 3.0  # the short one is beside too
    back = int(np.flatnonzero((lanes.frames[:, :3] == [28.5, 0.0, 0.0]).all(axis=1))[0])
    place = scene.lanes_lanes.index[back].tolist().index(row)
    assert scene.lane_links[back, place].tolist() == [0.0, 1.0, 0.0]


def test_what_a_network_does_not_take_is_not_worked_out():
    scene = heard([[0.0, 0.0, 0.0, 1.0, 0.0]]).scene(Surroundings(HERE, pieces_of([straight((0.0, 0.0))])))
    later = {'lanes_lanes', 'lane_links', 'ours_route'}
    assert tuple(scene.tensors(FROM_SCENE)) == FROM_SCENE and not later & set(vars(scene))
    assert set(scene.tensors()) > set(FROM_SCENE) and later <= set(vars(scene))


def test_lights_and_limits_are_told_or_said_not_to_be():
    lines = [straight((0.0, y)) for y in (0.0, 4.0, 8.0)]
    pieces = pieces_of(lines, rules=[Rule.LIGHT, Rule.LIGHT, Rule.UNKNOWN], rule_ids=[7, 8, 0])
    lights = TrafficLights(NOW, {7: Light.RED})
    ground = Surroundings(HERE, pieces, None, lights, limits_mps={1: 13.9})
    scene = heard([[0.0, 0.0, 0.0, 1.0, 0.0]]).scene(ground)
    told = [dict(zip(LANE_TRAITS, row)) for row in scene.lanes.traits[:3]]
    assert [row['light_red'] for row in told] == [1.0, 0.0, 0.0]
    assert [row['light_not_told'] for row in told] == [0.0, 1.0, 1.0]
    assert [row['rule_light'] for row in told] == [1.0, 1.0, 0.0]
    assert [row['limit_told'] for row in told] == [1.0, 0.0, 0.0] and told[0]['limit_mps'] == pytest.approx(13.9)
    assert scene.environment.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_a_route_is_told_to_our_vehicle_as_it_is_driven():
    pose = EgoState(NOW, np.array([0.0, 0.0, 0.0]), quaternion_of_heading(0.0), np.array([2.0, 0, 0, 0, 0, 0]))
    builder = SceneBuilder(Vehicle(front_m=3.6, rear_m=0.9))
    builder.hear(objects_of([[30.0, 0.0, 0.0, 9.0, 0.0]]), pose)
    route = Route(NOW, (0,) * 4, (0,) * 4, (3, 1))
    lines = [straight((19.0, 0.0)), straight((0.0, 4.0)), straight((0.0, 0.0))]
    scene = builder.scene(Surroundings(HERE, pieces_of(lines), route=route))
    assert scene.agents.ours == 0 and scene.agents.frames[0, :3].tolist() == [1.35, 0.0, 0.0]  # the body's middle
    assert scene.route.frames[:2, 0].tolist() == [9.5, 28.5] and scene.route.there.sum() == 2
    assert scene.ours_route.relations[0, :2, 0] == pytest.approx([8.15, 27.15])
    nobody = heard([[0.0, 0.0, 0.0, 9.0, 0.0]]).scene(Surroundings(HERE, pieces_of(lines), route=route))
    assert nobody.agents.ours == -1 and not nobody.ours_route.there.any()


def test_terrain_is_told_in_cells_and_unknown_is_not_free():
    grid = grid_of()  # 8 m x 8 m: four cells
    layers = {name: layer.copy() for name, layer in grid.layers.items()}
    layers['elevation'][:5, :10] = 0.3  # a step in the first
    layers['traversability'][:5, :10] = 0.2
    layers['observed'][10:, 10:] = 0.0  # the last was never seen
    layers['observed'][:10, 10:15] = 0.0  # half of another neither
    layers['elevation'][10:, 10:] = np.nan
    scene = heard([[0.0, 0.0, 0.0, 1.0, 0.0]]).scene(Surroundings(HERE, terrain=replace(grid, layers=layers)))
    cells = {tuple(frame[:2].tolist()): row for row, frame in enumerate(scene.cells.frames[scene.cells.there])}
    assert sorted(cells) == [(2.0, 2.0), (2.0, 6.0), (6.0, 2.0), (6.0, 6.0)]
    first = dict(zip(CELL, scene.cells.values[cells[2.0, 2.0]]))
    assert first['height_step_m'] == pytest.approx(0.3) and first['traversable_share'] == pytest.approx(0.5)
    assert first['slope_rad'] == pytest.approx(0.1) and first['unknown_share'] == 0.0
    half = dict(zip(CELL, scene.cells.values[cells[2.0, 6.0]]))
    assert half['unknown_share'] == pytest.approx(0.5) and half['traversable_share'] == 1.0
    assert scene.cells.told[cells[6.0, 6.0]].tolist() == [False] * 4 + [True]
    assert scene.cells.values[cells[6.0, 6.0], -1] == 1.0
    assert scene.agents_cells.there[0].sum() == 4 and not scene.agents_cells.relations[0, :, 3:5].any()


def test_cells_stay_what_they_are_when_the_grid_moves_and_lanes_take_their_place():
    grid = grid_of(shape=(45, 45), origin=(-3.2, 0.8))  # whole cells of 4 m: x 0 to 12, y 4 to 16
    builder = heard([[0.0, 0.0, 0.0, 1.0, 0.0]])
    frames = builder.scene(Surroundings(HERE, terrain=grid)).cells.frames
    found = {tuple(each) for each in frames[: 3 * 3, :2].tolist()}
    assert found == {(x, y) for x in (2.0, 6.0, 10.0) for y in (6.0, 10.0, 14.0)} and not frames[9:].any()
    pieces = pieces_of([straight((0.0, 6.0))])
    beside = builder.scene(Surroundings(HERE, pieces, grid)).cells
    assert {y for _, y in beside.frames[beside.there, :2].tolist()} == {14.0}  # those within 6 m are the map's


def test_of_too_many_agents_those_wanted_and_those_who_move_are_in():
    rng = np.random.default_rng(3)
    rows = np.zeros((100, 5))
    rows[:, :2] = rng.uniform(-100.0, 100.0, (100, 2))
    rows[50:, 3] = 5.0
    builder = SceneBuilder(Vehicle(), agents=AGENTS)
    builder.hear(objects_of(rows))
    agents = builder.scene(Surroundings(HERE), wanted=np.array([7, 3])).agents
    first = agents.ids[:, 0] - 1
    assert sorted(first[:2].tolist()) == [3, 7] and sorted(first[2:52].tolist()) == list(range(50, 100))
    middle = rows[[3, 7], :2].mean(axis=0)
    gaps = np.linalg.norm(rows[first, :2] - middle, axis=1)
    assert (np.diff(gaps[2:52]) > 0.0).all() and (np.diff(gaps[52:]) > 0.0).all()
    small = SceneBuilder(Vehicle(), agents=16)
    small.hear(objects_of(rows))
    assert small.scene(Surroundings(HERE)).tensors()['agents.states'].shape == (16, STATES, len(STATE))


def test_of_two_that_are_equally_near_rounding_decides_nothing():
    rows = np.array([[0.1, 0.0, 0.0, 5.0, 0.0], [0.7, 0.3, 0.0, 5.0, 0.0]])  # both as far from their middle
    for shift in np.random.default_rng(0).uniform(-1e4, 1e4, (50, 2)):
        moved = rows.copy()
        moved[:, :2] += shift
        builder = SceneBuilder(Vehicle())
        builder.hear(objects_of(moved))
        assert builder.scene(Surroundings(HERE)).agents.ids[:2, 0].tolist() == [1, 2]


def test_nobody_and_nothing_is_a_scene_too():
    builder = SceneBuilder(Vehicle())
    builder.hear(objects_of(np.zeros((0, 5))))
    for ground in (Surroundings(HERE), Surroundings(HERE, pieces_of([straight((0.0, 0.0))]), grid_of())):
        scene = builder.scene(ground)
        assert not scene.agents.there.any() and not scene.agents_lanes.there.any()
        assert all(np.isfinite(values).all() for values in scene.tensors().values())


def test_the_wire_changes_nothing_of_a_scene():
    rows, pieces, lights, _ = random_world(5)
    builder = SceneBuilder(Vehicle())
    for steps in range(STATES - 1, -1, -1):
        then = rows.copy()
        then[:, :2] -= rows[:, 3:] * 0.2 * steps
        builder.hear(read_tracked(write_tracked(objects_of(then, NOW - steps * STEP_NS))))
    ground = Surroundings(HERE, pieces, None, lights)
    equal(builder.scene(ground), heard(rows).scene(ground), atol=1e-3)


def test_all_that_is_fed_has_one_size_whatever_there_is():
    rows, pieces, lights, route = random_world(11)
    one = heard(rows).scene(Surroundings(HERE, pieces, grid_of(), lights, route)).tensors()
    other = heard(rows[:1]).scene(Surroundings(HERE)).tensors()
    assert {name: (each.shape, each.dtype) for name, each in one.items()} == {
        name: (each.shape, each.dtype) for name, each in other.items()
    }
    assert {each.dtype.name for each in one.values()} == {'float32', 'int32', 'bool'}
    assert one['agents_lanes.index'].shape == (AGENTS, NEIGHBOURS) and set(FED) <= {name.split('.')[0] for name in one}
