import hashlib

import numpy as np
import pytest
from sim_worlds import CAR

from autonomy_nodes.common.lanes import Light
from autonomy_nodes.mapping.lane_graph import lane_graph
from autonomy_nodes.mapping.lanelet2_osm import read_osm
from autonomy_nodes.mapping.stops import stops_of
from autonomy_nodes.sim.export import export_map, road_map_of
from autonomy_nodes.sim.judge import Judge, rectangle, touching
from autonomy_nodes.sim.scenes import FAMILIES, chosen, made
from autonomy_nodes.sim.traffic import Traffic
from autonomy_nodes.sim.world import Drive

FAMILY = pytest.mark.parametrize('family', list(FAMILIES))
_WORLDS = {}


def known(family, seed=0):
    """Return a world; each is made once."""
    if (family, seed) not in _WORLDS:
        _WORLDS[family, seed] = made(family, seed)
    return _WORLDS[family, seed]


def fingerprint(world):
    digest = hashlib.sha256(world.ground.heights_m.tobytes() + world.ground.materials.tobytes() + world.route.tobytes())
    for solid in world.solids:
        digest.update(solid.mesh.vertices.tobytes() + solid.footprint.tobytes())
    for paint in world.paint:
        digest.update(paint.line.tobytes())
    for actor in world.actors:
        digest.update(repr((actor.id, actor.shape, actor.dimensions_m, actor.place, actor.policy.start_m)).encode())
    return digest.hexdigest()


@FAMILY
def test_a_seed_makes_the_same_world_again_and_another_makes_another(family):
    assert fingerprint(made(family, 0)) == fingerprint(known(family, 0))
    assert fingerprint(known(family, 1)) != fingerprint(known(family, 0))


@FAMILY
@pytest.mark.parametrize('seed', [0, 1])
def test_the_vehicle_starts_free_and_its_way_is_free(family, seed):
    world = known(family, seed)
    judge, s = Judge(world, off_road_limit_s=0.0), world.route
    headings = np.arctan2(*np.gradient(s, axis=0).T[::-1])
    for (x, y), heading in list(zip(s, headings))[:: max(1, len(s) // 60)]:
        ahead = 1.35 * np.array([np.cos(heading), np.sin(heading)])
        body = rectangle(x + ahead[0], y + ahead[1], heading, 4.5, 1.8)
        verdict = judge.judge([body], rectangle(x, y, heading, 0.2, 1.5), [], (x, y), 0.02, False)
        assert verdict.touched == ()
        assert not verdict.off_road, (x, y)
    assert np.hypot(*(s[0] - world.task.start[:2])) < 2.0
    assert np.hypot(*(s[-1] - world.task.goal[:2])) < 3.0


@FAMILY
@pytest.mark.parametrize('seed', [0, 1])
def test_nobody_stands_in_another_at_the_start(family, seed):
    world = known(family, seed)
    traffic = Traffic(world)
    x, y, heading = world.task.start
    outlines = {
        0: rectangle(x + 1.35 * np.cos(heading), y + 1.35 * np.sin(heading), heading, CAR.length_m, CAR.width_m)
    }
    for actor in world.actors:
        one = traffic.seen(actor)
        outlines[actor.id] = rectangle(one.x_m, one.y_m, one.heading_rad, one.length_m, one.width_m)
    pairs = [(a, b) for a in outlines for b in outlines if a < b and touching(outlines[a], outlines[b])]
    tow = {(actor.tows, actor.id) for actor in world.actors if actor.tows}
    assert set(pairs) <= tow


@FAMILY
def test_actors_keep_to_the_road_and_off_one_another_for_a_while(family):
    world = known(family)
    traffic = Traffic(world)
    for step in range(750):
        traffic.advance(step * 0.02, 0.02, [])
        assert all(world.ground.contains(np.array([s.x_m, s.y_m])) for s in traffic.stands.values() if not s.gone)
    moving = [a for a in world.actors if a.policy.drive is Drive.LANES and traffic.present(a.id)]
    seen = {a.id: traffic.seen(a) for a in moving}
    boxes = {i: rectangle(o.x_m, o.y_m, o.heading_rad, o.length_m, o.width_m) for i, o in seen.items()}
    assert not [(a, b) for a in boxes for b in boxes if a < b and touching(boxes[a], boxes[b])]


@pytest.mark.parametrize('family', [name for name in FAMILIES if name != 'rough'])
def test_lanes_join_without_a_step(family):
    lanes = known(family).lanes
    for lane in lanes.lanes.values():
        for successor in lane.successors:
            for mine, next_ in zip(lanes.edges(lane.id), lanes.edges(successor)):
                assert mine[-1] == pytest.approx(next_[0], abs=1e-6)
        left, right = lanes.edges(lane.id)
        along = lanes.centre(lane.id)
        heading = along[5, :2] - along[0, :2]
        across = left[0, :2] - right[0, :2]
        assert heading[0] * across[1] - heading[1] * across[0] > 0.0  # left is left


@pytest.mark.parametrize('family', [name for name in FAMILIES if name != 'rough'])
def test_the_map_that_is_written_has_every_lane_and_its_followers(family, tmp_path):
    assert export_map(family, 0, tmp_path / 'map.osm')
    world, road_map = known(family), read_osm(tmp_path / 'map.osm')
    vehicles = [lane for lane in road_map.lanelets.values() if lane.for_vehicles]
    assert len(vehicles) == len(world.lanes.lanes)
    assert len(road_map.lanelets) == len(vehicles) + len(world.lanes.crossings)
    graph = lane_graph(road_map)
    followers = sum(len(lane.successors) for lane in world.lanes.lanes.values())
    assert sum(len(graph.successors[lane.id]) for lane in vehicles) == followers
    for lane, drawn in zip(world.lanes.lanes.values(), vehicles):
        assert drawn.centerline[0] == pytest.approx(world.lanes.centre(lane.id)[0], abs=0.02)
        assert road_map.speed_limit_mps(drawn) == pytest.approx(lane.speed_limit_mps, abs=0.01)


def test_lights_of_the_map_are_those_of_the_junction():
    lit = next(known('junction', seed) for seed in range(9) if known('junction', seed).lanes.signals)
    road_map, rules = road_map_of(lit)
    stops = {stop.light_id: stop for found in stops_of(road_map).values() for stop in found if stop.light_id}
    assert set(stops) == set(rules.values())
    assert len(stops) == 4
    shown = [{Light(signal.colour(t)) for signal in lit.lanes.signals.values()} for t in np.arange(0.0, 64.0, 0.5)]
    assert all(colours != {Light.GREEN} for colours in shown)  # never green for all
    assert any(Light.GREEN in colours for colours in shown)


def test_rough_ground_has_no_map(tmp_path):
    assert not export_map('rough', 0, tmp_path / 'map.osm')
    assert not (tmp_path / 'map.osm').exists()


def test_the_straight_way_over_rough_ground_is_worse_than_the_winding_one():
    worse = 0
    for seed in range(3):
        world = known('rough', seed)
        straight = np.linspace(world.route[0], world.route[-1], 200)
        slopes = [np.arccos(world.ground.normal(way, 0.8)[:, 2]).max() for way in (world.route, straight)]
        worse += slopes[1] > slopes[0] + 0.05
    assert worse >= 2


def test_a_scenario_is_a_family_and_maybe_a_seed():
    assert chosen('', 'road', 4) == ('road', 4)
    assert chosen('rough-12', 'road', 4) == ('rough', 12)
    assert chosen('junction', 'road', 4) == ('junction', 4)
    with pytest.raises(ValueError, match='family'):
        chosen('moon-1', 'road', 0)
    with pytest.raises(ValueError, match='scenario'):
        chosen('road-x', 'road', 0)
