"""Lanes on board: what a network tells becomes pieces that stages and the map take; where it fails, paint stands."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lane_cells import CENTRE, LaneEngine, along, arc, line_cells, mark_cells
from mapping_roads import ego_at, pose_at, straight
from perception_scenes import SENSOR_M, scan

from autonomy_nodes.common.lanes import Landmark, Line
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Mount, Vehicle
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.mapping.lanelet2_osm import write_osm
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.motion import write_ego, write_pose
from autonomy_nodes.messages.tables import read_changes, read_lane_observations, write_lane_observations
from autonomy_nodes.nodes import perception_node
from autonomy_nodes.nodes.map_node import Map, MapConfig
from autonomy_nodes.nodes.map_update_node import MapUpdate, MapUpdateConfig
from autonomy_nodes.perception.bev import INPUTS, LANE_INPUTS, LANE_KINDS, LANE_OUTPUTS, LANES
from autonomy_nodes.perception.lanes.channel import LaneChannel, LaneSettings, Road, observed
from autonomy_nodes.perception.lanes.lines import Told, marks_of
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

MS = 1_000_000
DIVIDER, BOUNDARY, CROSSING = (LANE_KINDS.index(kind) for kind in ('divider', 'boundary', 'crossing'))


def sweep(bright=True, **more):
    """A plain with a painted line 2 m to the left."""
    cloud = scan(beams=48, azimuths=900, **more)
    paint = (np.abs(cloud.xyz[:, 1] - 2.0) < 0.12) & (cloud.xyz[:, 2] < 0.1)
    return replace(cloud, intensity=np.where(paint & bright, 0.9, 0.2).astype(np.float32))


def segmented(engine):
    return Perceiver(PerceptionConfig(), lanes=LaneChannel(engine)).segment(sweep(), SENSOR_M)


def road(*told, marks=(), slope=0.0):
    """What is told on ground that rises along x."""
    x = -24.0 + 0.4 * (np.arange(LANES[0]) + 0.5)
    ground = np.broadcast_to((slope * x)[:, None], LANES)
    return Road(list(told), np.array(marks, float).reshape(-1, 4), ground, np.ones(LANES, bool))


@pytest.mark.parametrize('shapes', [
    {**LANE_OUTPUTS, 'lines': (20, LANES)}, {'lines': LANE_OUTPUTS['lines']},
    {**LANE_OUTPUTS, 'marks': (6, (80, 50))},
])  # fmt: skip
def test_a_network_of_other_shapes_is_refused_and_told_where_one_comes_from(shapes):
    with pytest.raises(SettingsError, match="'double' has tensors .* lanes need .* `autonomy train lanes`"):
        LaneChannel(LaneEngine(shapes=shapes))


def test_a_network_for_objects_is_no_network_of_lanes():
    engine = LaneEngine()
    whole = {name: replace(engine.manifest.inputs['points'], shape=(1, *INPUTS[name])) for name in INPUTS}
    engine.manifest = replace(engine.manifest, inputs=whole)
    with pytest.raises(SettingsError, match='lanes need'):
        LaneChannel(engine)


def test_the_network_is_given_what_lies_in_its_cells():
    engine = LaneEngine()
    segmented(engine)
    (given,) = engine.given
    assert {name: value.shape for name, value in given.items()} == {
        name: (1, channels, *cells) for name, (channels, cells) in LANE_INPUTS.items()
    }
    assert all(value.dtype == np.float32 and value.flags.c_contiguous for value in given.values())
    light = given['points'][0, 4]  # of cells of 0.2 m, from (-24, -20) on: brightest 2 m to the left
    columns = light[100:200].mean(axis=0)
    assert columns.argmax() in (109, 110)


def test_what_the_network_tells_takes_the_place_of_paint():
    engine = LaneEngine(line_cells((BOUNDARY, along((-5.0, -4.0), (25.0, -4.0)))), mark_cells((1, 8.0, -5.0, 3.0)))
    alone = Perceiver(PerceptionConfig()).segment(sweep(), SENSOR_M)
    assert Line.DIVIDER in alone.lanes.classes and not alone.lane_trouble
    seen = segmented(engine)
    assert set(seen.lanes.classes.tolist()) == {Line.BOUNDARY, Landmark.SIGN} and seen.lane_trouble == ''
    np.testing.assert_array_equal(seen.lanes.seen_range_m, alone.lanes.seen_range_m)
    assert seen.lanes.segments[seen.lanes.classes == Line.BOUNDARY, :, 1] == pytest.approx(-4.0, abs=0.1)


@pytest.mark.parametrize('name', ['lines', 'marks'])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_where_the_network_tells_no_number_paint_stands_and_the_trouble_is_told(name, value):
    engine = LaneEngine(line_cells((BOUNDARY, along((-5.0, -4.0), (25.0, -4.0)))))
    engine.answer[name][0, 3, 80, 40] = value
    seen, alone = segmented(engine), Perceiver(PerceptionConfig()).segment(sweep(), SENSOR_M)
    assert 'not finite' in seen.lane_trouble
    np.testing.assert_array_equal(seen.lanes.segments, alone.lanes.segments)
    np.testing.assert_array_equal(seen.lanes.classes, alone.lanes.classes)
    assert len(seen.lanes.segments)


def test_an_engine_that_fails_leaves_paint_too():
    engine = LaneEngine()
    engine.run = lambda inputs: (_ for _ in ()).throw(DataError('the engine is gone'))
    seen = segmented(engine)
    assert seen.lane_trouble == 'the engine is gone' and Line.DIVIDER in seen.lanes.classes


def test_lines_become_pieces_of_two_metres_that_join_on_the_ground():
    """A bend of 10 m and a middle of 9 m: all pieces end to end, at the height of the ground, 0.1 m a metre."""
    bend, middle = arc(8.0, -np.pi / 2, 0.0), along((0.0, -3.0), (9.0, -3.0), step_m=0.8)
    seen = observed(road(Told(DIVIDER, bend, 0.7), Told(CENTRE, middle, 0.9), slope=0.1), 5, np.full(72, 30.0), 0.5)
    lengths = np.linalg.norm(seen.segments[:, 1, :2] - seen.segments[:, 0, :2], axis=1)
    assert lengths.max() <= 2.0 + 1e-9 and lengths.min() > 1.5
    for class_, true, score in ((Line.DIVIDER, bend, 0.7), (Line.CENTERLINE, middle, 0.9)):
        mine = seen.segments[seen.classes == class_]
        np.testing.assert_array_equal(mine[1:, 0], mine[:-1, 1])
        assert (mine[0, 0, :2], mine[-1, 1, :2]) == (pytest.approx(true[0]), pytest.approx(true[-1]))
        assert seen.confidence[seen.classes == class_] == pytest.approx(score)
    assert seen.segments[..., 2] == pytest.approx(0.1 * seen.segments[..., 0], abs=0.021)  # a cell is 0.4 m
    assert seen.stamp_ns == 5


def test_the_stack_hears_of_lines_that_are_likely_enough():
    lines = [Told(DIVIDER, along((0.0, 2.0 * n), (9.0, 2.0 * n)), 0.3 * n) for n in (1, 2, 3)]
    assert set(np.round(observed(road(*lines), 0, np.zeros(72), 0.5).confidence, 3)) == {0.6, 0.9}


def test_each_kind_of_line_has_its_class():
    line = along((0.0, 0.0), (1.5, 0.0))
    seen = observed(road(*(Told(kind, line, 0.9) for kind in range(len(LANE_KINDS)))), 0, np.zeros(72), 0.5)
    wanted = [Line.DIVIDER, Line.BOUNDARY, Line.STOP_LINE, Line.CROSSWALK, Line.CENTERLINE]
    assert seen.classes.tolist() == wanted


def test_poles_and_signs_stand_upright_on_the_ground():
    told = road(marks=[(0, 10.0, 3.0, 0.8), (1, -6.0, -3.0, 0.6)], slope=0.1)
    seen = observed(told, 0, np.zeros(72), 0.5)
    assert seen.classes.tolist() == [Landmark.POLE, Landmark.SIGN] and seen.confidence == pytest.approx([0.8, 0.6])
    assert seen.segments[0] == pytest.approx(np.array([[10.0, 3.0, 1.0], [10.0, 3.0, 3.0]]), abs=0.021)
    assert seen.segments[1] == pytest.approx(np.array([[-6.0, -3.0, -0.6], [-6.0, -3.0, 1.4]]), abs=0.021)
    assert len(observed(road(), 0, np.zeros(72), 0.5).segments) == 0


def test_pieces_of_all_classes_come_through_a_message_as_they_were():
    lines = [Told(kind, along((0.0, 2.0 * kind), (9.0, kind)), 0.5 + 0.05 * kind) for kind in range(len(LANE_KINDS))]
    given = observed(road(*lines, marks=[(0, 10.0, 3.0, 0.8), (1, 4.0, 1.0, 0.7)]), 7, np.linspace(0.0, 40.0, 72), 0.5)
    found = read_lane_observations(write_lane_observations(given))
    np.testing.assert_array_equal(found.classes, given.classes)
    np.testing.assert_allclose(found.segments, given.segments, atol=1e-5)
    np.testing.assert_allclose(found.confidence, given.confidence, atol=1e-6)
    np.testing.assert_allclose(found.seen_range_m, given.seen_range_m, atol=1e-4)
    assert found.stamp_ns == 7


def test_a_mark_is_told_from_the_chance_that_is_set():
    cells = mark_cells((0, 10.0, 3.0, 0.0))
    assert len(marks_of(cells, LaneSettings().mark)) == 1 and len(marks_of(cells, LaneSettings(mark=0.6).mark)) == 0
    with pytest.raises(ValueError, match=r'lanes.mark=1.0'):
        LaneSettings(mark=1.0)


class Sink:
    """Keeps what stages give, by topic."""

    def __init__(self):
        self.messages, self.statuses = {}, []

    def message(self, topic, now_ns, data):
        self.messages.setdefault(topic.name, []).append(data)

    def status(self, status):
        self.statuses.append(status)


def drive(engine, map_path, monkeypatch, frames=25):
    """Perception with a network of lanes, a map, and who compares both; y is 1.75 m, a frame each metre."""
    real, asked = perception_node.wanted, []

    def wanted(model, network, *more):
        asked.append((model, network))
        return ('double', engine) if network == perception_node.LANES else real(model, network, *more)

    monkeypatch.setattr(perception_node, 'wanted', wanted)
    vehicle = Vehicle(mounts={'top': Mount('lidar_top', (0.0, 0.0, 1.8))})
    config = PerceptionConfig(vehicle=vehicle, lane_model='mine')
    configs = {'perception': config, 'map': MapConfig(map_path=str(map_path)), 'map_update': MapUpdateConfig()}
    events, cloud = [], sweep(bright=False)
    for frame in range(frames):
        stamp_ns = 100 * MS * (frame + 1)
        x, y = 20.0 + frame, 1.75
        for topic, data in (
            (topics.POSE, write_pose(pose_at(x, y, stamp_ns=stamp_ns))),
            (topics.ODOMETRY, write_ego(ego_at(x, y, stamp_ns=stamp_ns))),
            (topics.CLOUD, write_cloud(replace(cloud, stamp_ns=stamp_ns))),
        ):
            events.append(Event(topic.name, stamp_ns, data))
    sink = Sink()
    player = Lockstep([perception_node.Perception(), Map(), MapUpdate()], configs, sink)
    player.start(0)
    player.play(events)
    assert ('mine', perception_node.LANES) in asked
    return sink


@pytest.fixture
def wide(tmp_path) -> Path:
    write_osm(straight(length_m=100.0, lanes=3)[0], path := tmp_path / 'wide.osm')
    return path


def test_the_map_hears_what_the_network_tells_and_takes_poles_and_middles_for_no_paint(wide, monkeypatch):
    """Of dividers at 3.5 and 7 m the network tells the farther one; on the place of the nearer one a middle and poles.

    Beside the road it tells a crossing: the map has none, but nobody asks there for one.
    """
    lines = line_cells(
        (DIVIDER, along((-20.0, 5.25), (30.0, 5.25))), (CENTRE, along((-20.0, 1.75), (30.0, 1.75))),
        (CROSSING, along((-20.0, -6.0), (30.0, -6.0))),
    )  # fmt: skip
    marks = mark_cells(*((n % 2, x, 1.75, 3.0) for n, x in enumerate(np.arange(-14.0, 15.0, 2.0))))
    sink = drive(LaneEngine(lines, marks), wide, monkeypatch)
    seen = read_lane_observations(sink.messages[topics.LANE_OBSERVATIONS.name][-1])
    wanted = {Line.DIVIDER, Line.CENTERLINE, Line.CROSSWALK, Landmark.POLE, Landmark.SIGN}
    assert set(seen.classes.tolist()) == wanted and seen.stamp_ns == 2500 * MS
    found = read_changes(sink.messages[topics.CHANGES.name][-1])
    assert set(found.kinds) == {'removed'} and set(found.classes.tolist()) == {Line.DIVIDER}
    assert found.positions_m[:, 1] == pytest.approx(3.5, abs=1e-3)
    assert {status.level for status in sink.statuses if status.node == 'perception'} == {Level.OK}


def test_a_network_that_fails_is_told_by_the_node_and_the_sweep_is_published_all_the_same(wide, monkeypatch):
    engine = LaneEngine()
    engine.answer['lines'][0, 0, 0, 0] = np.nan
    sink = drive(engine, wide, monkeypatch, frames=2)
    told = [status for status in sink.statuses if status.node == 'perception']
    assert all(status.level == Level.WARN and 'the network of lanes tells nothing' in status.text for status in told)
    assert len(told) == 2
    assert {len(sink.messages[topic.name]) for topic in (topics.LANE_OBSERVATIONS, topics.OBJECTS)} == {2}
