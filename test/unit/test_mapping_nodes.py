"""The map's nodes in lockstep: what they publish, when, and what they say."""

import numpy as np
import pytest
from mapping_roads import ego_at, pose_at, straight

from autonomy_nodes.common.lanes import LaneObservations, Line
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import DataError, Goal
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.mapping.lanelet2_osm import write_osm
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.grids import read_grid
from autonomy_nodes.messages.motion import write_ego, write_goal, write_pose
from autonomy_nodes.messages.roads import read_route
from autonomy_nodes.messages.tables import read_changes, read_lane_match, read_lane_pieces, write_lane_observations
from autonomy_nodes.messages.words import read_words
from autonomy_nodes.nodes.map_node import Map, MapConfig
from autonomy_nodes.nodes.map_update_node import MapUpdate, MapUpdateConfig

MS = 1_000_000


class Sink:
    """Keeps what the stages give, by topic."""

    def __init__(self):
        self.messages, self.order, self.statuses = {}, [], []

    def message(self, topic, now_ns, data):
        self.messages.setdefault(topic.name, []).append(data)
        self.order.append(topic.name)

    def status(self, status):
        self.statuses.append(status)

    def last(self, topic, read):
        return read(self.messages[topic.name][-1])


def played(stages, configs, events):
    sink = Sink()
    lockstep = Lockstep(stages, {stage.name: config for stage, config in zip(stages, configs)}, sink)
    lockstep.start(0)
    lockstep.play(sorted(events, key=lambda event: event.stamp_ns))
    return sink


def at(x, stamp_ms, y=1.75, in_map=True):
    ego, pose = ego_at(x, y, stamp_ns=stamp_ms * MS), pose_at(x, y, stamp_ns=stamp_ms * MS)
    events = [Event(topics.ODOMETRY.name, stamp_ms * MS, write_ego(ego))]
    return [Event(topics.POSE.name, stamp_ms * MS, write_pose(pose))] * in_map + events


@pytest.fixture
def road(tmp_path):
    road_map, ids = straight(length_m=100.0, pieces=2)
    write_osm(road_map, tmp_path / 'road.osm')
    return str(tmp_path / 'road.osm'), ids


def test_every_odometry_gives_vectors_match_prior_and_health_of_its_stamp(road):
    path, ids = road
    sink = played([Map()], [MapConfig(map_path=path)], [*at(10.0, 100), *at(11.0, 200)])
    assert sink.last(topics.LANE_MATCH, read_lane_match).ids[0] == ids[0]
    assert sink.last(topics.LOCAL_VECTORS, read_lane_pieces).line(Line.CENTERLINE, ids[0]).shape[1] == 3
    assert sink.last(topics.MAP_PRIOR, read_grid).at('drivable', np.array([[11.0, 1.75]])) == 1.0
    assert sink.last(topics.MAP_HEALTH, read_words).values['lane'] == str(ids[0])
    for topic, read in (
        (topics.LANE_MATCH, read_lane_match),
        (topics.LOCAL_VECTORS, read_lane_pieces),
        (topics.MAP_PRIOR, read_grid),
        (topics.MAP_HEALTH, read_words),
    ):
        assert [read(data).stamp_ns for data in sink.messages[topic.name]] == [100 * MS, 200 * MS]


def test_a_goal_becomes_a_route_once(road):
    path, ids = road
    goal = Event(topics.GOAL.name, 50 * MS, write_goal(Goal(50 * MS, 'map', (90.0, 1.75, 0.0), 0.0)))
    sink = played([Map()], [MapConfig(map_path=path)], [goal, *at(10.0, 100), *at(11.0, 200)])
    (route,) = sink.messages[topics.ROUTE.name]
    assert read_route(route).lanelet_ids == (ids[0], ids[2])


def test_without_a_map_only_the_health_speaks():
    sink = played([Map()], [MapConfig()], at(10.0, 100))
    words = sink.last(topics.MAP_HEALTH, read_words)
    assert (words.level, words.text) == (Level.OK, 'no map')
    assert topics.LOCAL_VECTORS.name not in sink.messages
    assert topics.MAP_PRIOR.name not in sink.messages


def test_without_a_pose_in_map_there_are_no_vectors(road):
    sink = played([Map()], [MapConfig(map_path=road[0])], at(10.0, 100, in_map=False))
    assert sink.last(topics.MAP_HEALTH, read_words).text == 'no pose in map'
    assert topics.LOCAL_VECTORS.name not in sink.messages
    assert sink.statuses[-1].level == Level.WARN


def test_a_map_that_cannot_be_read_refuses_to_configure(tmp_path):
    with pytest.raises(DataError, match='none.osm: cannot be read'):
        played([Map()], [MapConfig(map_path=str(tmp_path / 'none.osm'))], [])
    with pytest.raises(ValueError, match=r'origin_deg=\(49.0,\)'):
        MapConfig(origin_deg=(49.0,))


def test_suspects_come_from_the_map_and_what_is_seen(tmp_path):
    write_osm(straight(length_m=100.0, lanes=3)[0], path := str(tmp_path / 'wide.osm'))
    update = MapUpdateConfig(patch_path=str(tmp_path / 'suspects.jsonl'))
    events = []
    for frame in range(30):
        x, stamp_ms = 20.0 + frame, 100 * (frame + 1)
        # of two dividers, at 3.5 and at 7 m, only the farther one is seen
        dashes = np.array([[[a, 5.25, 0.0], [a + 3.0, 5.25, 0.0]] for a in np.arange(-14.0, 14.0, 4.0)])
        classes = np.full(len(dashes), Line.DIVIDER, np.uint8)
        seen = LaneObservations(stamp_ms * MS, dashes, classes, np.full(len(dashes), 0.9), np.full(72, 40.0))
        observed = Event(topics.LANE_OBSERVATIONS.name, stamp_ms * MS, write_lane_observations(seen))
        events += [*at(x, stamp_ms), observed]
    sink = played([Map(), MapUpdate()], [MapConfig(map_path=path), update], events)
    found = sink.last(topics.CHANGES, read_changes)
    assert set(found.kinds) == {'removed'}
    assert set(found.classes.tolist()) == {Line.DIVIDER}
    assert (found.traversals == 1).all()
    assert found.positions_m[:, 1] == pytest.approx(3.5, abs=1e-3)
    assert len(sink.messages[topics.CHANGES.name]) == 3  # once a second
    assert len((tmp_path / 'suspects.jsonl').read_text().splitlines()) == len(found.kinds)


def test_without_a_map_nothing_is_judged():
    nothing = LaneObservations(100 * MS, np.zeros((0, 2, 3)), np.zeros(0, np.uint8), np.zeros(0), np.zeros(72))
    observed = Event(topics.LANE_OBSERVATIONS.name, 100 * MS, write_lane_observations(nothing))
    sink = played([MapUpdate()], [MapUpdateConfig()], [*at(10.0, 100), observed])
    assert topics.CHANGES.name not in sink.messages
    assert [status.text for status in sink.statuses if status.node == 'map_update'][-1] == 'no map'


def test_a_folder_for_suspects_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match='patch_path'):
        played([MapUpdate()], [MapUpdateConfig(patch_path=str(tmp_path / 'no' / 'file'))], [])


def test_two_plays_give_the_same_bytes(road):
    runs = [played([Map()], [MapConfig(map_path=road[0])], [*at(10.0, 100), *at(14.0, 200)]).messages for _ in range(2)]
    assert {name: data for name, data in runs[0].items() if 'diagnostics' not in name} == {
        name: data for name, data in runs[1].items() if 'diagnostics' not in name
    }
