"""Perception as a whole: what it gives of a sweep, what the map may change, and its node."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from perception_scenes import SENSOR_M, STEP_NS, Box, ego, scan

from autonomy_nodes.common.grid import PRIOR_LAYERS, Grid
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Mount, Vehicle
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud, write_cloud
from autonomy_nodes.messages.grids import read_grid, write_grid
from autonomy_nodes.messages.objects import read_detected
from autonomy_nodes.messages.words import read_words
from autonomy_nodes.nodes.perception_node import Perception
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

SCENE = (Box(14.0, 5.0, heading=0.9), Box(9.0, -4.0, length=0.5, width=0.5, high=1.7))


def perceived(boxes=SCENE, perceiver=None, step=0, prior=None, x=0.0):
    perceiver = perceiver or Perceiver(PerceptionConfig())
    stamp_ns = 1_000_000_000 + step * STEP_NS
    shown = [replace(box, x=box.x - x) for box in boxes]
    return perceiver.perceive(perceiver.segment(scan(shown, stamp_ns=stamp_ns), SENSOR_M), ego(stamp_ns, x=x), prior)


def drivable(value, age_s=0.0):
    layers = {name: np.full((200, 200), value, np.float32) for name in PRIOR_LAYERS}
    return Grid(1_000_000_000 - round(age_s * 1e9), 'odom', 0.4, np.array([-40.0, -40.0]), layers)


def test_a_sweep_gives_all_of_it_with_its_stamp():
    found = perceived()
    stamps = {found.terrain.stamp_ns, found.terrain_far.stamp_ns, found.objects.stamp_ns, found.clusters.stamp_ns}
    stamps |= {found.obstacles.stamp_ns, found.lanes.stamp_ns, found.environment.stamp_ns}
    assert stamps == {1_000_000_000} and len(found.objects) == 2
    heights = found.obstacles.xyz[:, 2]
    assert len(heights) > 300 and heights.min() > 0.15 and heights.max() < 2.2


def test_the_same_sweeps_give_the_same_answers_to_the_bit():
    def run():
        perceiver = Perceiver(PerceptionConfig())
        last = [perceived(perceiver=perceiver, step=step, x=0.7 * step) for step in range(3)][-1]
        return [write_grid(last.terrain), write_grid(last.terrain_far), last.objects.positions_m.tobytes()]

    assert run() == run()


def test_what_stands_is_known_to_stand_after_a_second_while_what_drives_is_not():
    perceiver = Perceiver(PerceptionConfig())
    for step in range(15):
        boxes = (Box(14.0, 5.0, heading=0.9), Box(8.0 + 0.8 * step, -5.0))  # the second drives at 8 m/s
        objects = perceived(boxes, perceiver, step, x=0.3 * step).objects
    stands = np.isfinite(objects.velocities_mps).all(axis=1)
    positions = objects.positions_m[:, 0] + 0.3 * 14, objects.positions_m[:, 1]
    parked = int(np.argmin(np.hypot(positions[0] - 14.0, positions[1] - 5.0)))
    driving = int(np.argmin(np.hypot(positions[0] - 19.2, positions[1] + 5.0)))
    assert parked != driving and stands[parked] and not stands[driving]
    assert (objects.velocities_mps[parked] == 0.0).all() and objects.velocity_covariances[parked, 0, 0] < 2.0


def test_what_is_no_road_user_is_left_to_the_terrain_once_it_stands_and_is_an_object_again_when_it_moves():
    perceiver, block = Perceiver(PerceptionConfig()), Box(12.0, 4.0, length=0.5, width=0.5, high=0.6)
    car, counts, last = Box(14.0, -5.0, heading=0.9), [], 15
    for step in range(last):
        found = perceived((block, car), perceiver, step)
        counts.append((len(found.objects), len(found.clusters)))
    assert counts[0] == (2, 2) and counts[-1] == (1, 2)  # the channel itself goes on telling it
    assert found.terrain.at('traversability', np.array([[11.8, 4.0]]))[0] <= 0.0
    moved = perceived((replace(block, x=9.5), car), perceiver, last)
    assert len(moved.objects) == 2


def test_a_car_of_which_another_leaves_but_a_part_to_be_seen_stays_an_object_though_it_stands():
    perceiver, van = Perceiver(PerceptionConfig()), Box(14.0, 0.0, length=5.0, width=2.0, high=2.2)
    for step in range(15):
        found = perceived((van, Box(32.0, 3.0, high=0.9)), perceiver, step)
    behind = found.objects.positions_m[:, 0] > 20.0
    assert behind.sum() == 1
    assert found.objects.labels[behind][0] == Label.UNKNOWN
    assert (found.objects.velocities_mps[behind] == 0.0).all()


def test_off_the_road_a_small_thing_counts_a_little_less_the_less_it_looks_like_a_person_and_a_car_as_much():
    post, person = Box(9.0, 4.0, length=0.2, width=0.2, high=0.7), Box(9.0, -4.0, length=0.5, width=0.5, high=1.7)
    scene = (*SCENE, post, person)
    plain, off = perceived(scene).objects, perceived(scene, prior=drivable(0.0)).objects
    small = plain.dimensions_m[:, 0] < 1.0
    shares = off.existence / plain.existence
    np.testing.assert_array_equal(shares[~small], 1.0)
    low = plain.dimensions_m[:, 2] < 1.0
    assert shares[small & low].max() < 0.81 and shares[small & ~low].max() > 0.9


@pytest.mark.parametrize('prior', [drivable(1.0), drivable(np.nan), drivable(0.0, age_s=0.5)])
def test_on_the_road_without_knowledge_or_with_a_stale_map_nothing_changes(prior):
    np.testing.assert_array_equal(perceived(prior=prior).objects.existence, perceived().objects.existence)


def test_a_cloud_of_another_frame_is_refused():
    with pytest.raises(DataError, match='lidar_top'):
        Perceiver(PerceptionConfig()).segment(replace(scan(), frame='lidar_top'))


def test_an_empty_sweep_gives_unknown_and_no_objects():
    perceiver = Perceiver(PerceptionConfig())
    found = perceiver.perceive(perceiver.segment(scan(range_m=0.0), SENSOR_M), ego())
    known = found.terrain.layers['observed'] > 0.0
    assert len(found.objects) == len(found.obstacles) == 0
    assert known.sum() < 100  # the vehicle stands on those
    assert found.environment.values['visibility'] == 'poor'


@dataclass
class Board:
    """A port that notes what is published, in order."""

    sent: list = field(default_factory=list)
    triggers: dict = field(default_factory=dict)
    newest: dict = field(default_factory=dict)
    words: dict = field(default_factory=dict)

    def now_ns(self):
        return 0

    def publisher(self, topic):
        class Out:
            publish = lambda out, data: self.sent.append((topic, data))  # noqa: E731

        return Out()

    def trigger(self, topic, read, step, join=()):
        self.triggers[topic.name] = (read, step, join)

    def latest(self, topic, read):
        return lambda: self.newest.get(topic.name)

    def since(self, topic, read):
        return lambda: self.newest.pop(topic.name, [])

    def each(self, topic, read, take):
        pass

    def say(self, level, text, **values):
        self.words |= values

    def lap(self, part):
        pass


def test_the_node_publishes_all_and_the_objects_last():
    board, stage = Board(), Perception()
    vehicle = Vehicle(mounts={'top': Mount('lidar_top', (0.0, 0.0, 1.8))})
    stage.build(board, PerceptionConfig(vehicle=vehicle))
    read, step, (odometry,) = board.triggers[topics.CLOUD.name]
    assert odometry.topic is topics.ODOMETRY and odometry.must
    step(read(write_cloud(scan(SCENE, stamp_ns=5))), ego(5))
    names = [topic for topic, _ in board.sent]
    given = [topic for topic in topics.TABLE if topic.given_by == 'perception' and topic is not topics.FAR_RING]
    assert names[-1] is topics.OBJECTS and sorted(t.name for t in names) == sorted(t.name for t in given)
    data = {topic.name: data for topic, data in board.sent}
    assert len(read_detected(data[topics.OBJECTS.name])) == 2
    assert read_grid(data[topics.TERRAIN.name]).stamp_ns == 5
    assert len(read_cloud(data[topics.OBSTACLES.name])) > 300
    assert read_words(data[topics.ENVIRONMENT.name]).values['visibility'] == 'good'
    assert board.words['engine'] == 'none'


def test_a_backend_that_is_required_and_has_nothing_to_run_refuses_to_start():
    with pytest.raises(ValueError, match='require_backend'):
        Perception().build(Board(), PerceptionConfig(require_backend='tensorrt'))
