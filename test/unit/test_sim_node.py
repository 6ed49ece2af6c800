from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pytest
from sim_worlds import CAR, world

from autonomy_nodes.common.geometry import heading_of, matrix_of, quaternion_of
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import SECOND_NS, Command, EgoState, Trajectory
from autonomy_nodes.evaluation.lockstep import Lockstep
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.driving import read_control_mode, read_velocity, write_command
from autonomy_nodes.messages.images import read_camera_info, read_compressed
from autonomy_nodes.messages.motion import (
    read_clock,
    read_ego,
    read_goal,
    read_imu,
    read_pose,
    read_transforms,
    write_ego,
)
from autonomy_nodes.messages.objects import read_tracked
from autonomy_nodes.messages.trajectory import write_trajectory
from autonomy_nodes.nodes.port import Stage
from autonomy_nodes.nodes.sim_node import START_NS, Sim, SimConfig
from autonomy_nodes.sim.camera import CameraSettings
from autonomy_nodes.sim.lidar import LidarSettings
from autonomy_nodes.sim.scenes import FAMILIES
from autonomy_nodes.sim.simulation import SimulationSettings
from autonomy_nodes.sim.world import Task

ODOM_FROM_MAP = matrix_of(np.array([7.0, -3.0, 1.0]), np.array([0.0, 0.0, np.sin(0.4), np.cos(0.4)]))
START, HEADING = np.array([-20.0, -15.0]), 0.7
ALONG = np.array([np.cos(HEADING), np.sin(HEADING)])
GOAL = START + 50.0 * ALONG
LIDAR = topics.LIDAR_RAW.named('top')


@dataclass(frozen=True)
class OracleConfig:
    """speed_mps: of the straight trajectory. mute_after: sweeps. commands: it sends commands instead."""

    speed_mps: float = 6.0
    mute_after: int = 10_000
    commands: bool = False


class Oracle(Stage):
    """A stack that knows where it is, in an odom of its own, and drives straight on."""

    name, config_type = 'oracle', OracleConfig

    def build(self, port, config):
        self.config, self.truths, self.sweeps = config, {}, 0
        self.odometry_out, self.trajectory_out = port.publisher(topics.ODOMETRY), port.publisher(topics.TRAJECTORY)
        self.control_out, self.planned_out = port.publisher(topics.CONTROL), port.publisher(topics.PLANNED)
        port.each(topics.TRUTH_EGO, lambda data: read_ego(data, frame='map'), self.know)
        port.trigger(LIDAR, read_cloud, self.plan)

    def know(self, truth):
        self.truths[truth.stamp_ns] = truth

    def plan(self, cloud):
        self.sweeps += 1
        truth = self.truths.get(cloud.stamp_ns)
        if truth is None or self.sweeps > self.config.mute_after:
            return
        pose = ODOM_FROM_MAP @ truth.odom_from_base
        ego = EgoState(truth.stamp_ns, pose[:3, 3], quaternion_of(pose[:3, :3]), truth.twist)
        if self.config.commands:
            self.control_out.publish(write_command(Command(cloud.stamp_ns + 100_000_000, 3.0, 0.5, 0.1)))
            return
        self.odometry_out.publish(write_ego(ego))
        trajectory = write_trajectory(self.straight(ego))
        self.planned_out.publish(trajectory)
        self.trajectory_out.publish(trajectory)

    def straight(self, ego):
        """Back onto the line of the route, here in odom."""
        times = np.arange(0.0, 5.1, 0.2)
        speeds = np.minimum(self.config.speed_mps, max(ego.speed_mps, 0.0) + 1.0 * times)
        gone = np.concatenate([[0.0], np.cumsum(0.5 * (speeds[1:] + speeds[:-1]) * 0.2)])
        here = (np.linalg.inv(ODOM_FROM_MAP) @ [*ego.position_m, 1.0])[:2]
        s = (here - START) @ ALONG + gone
        line = np.column_stack([START + s[:, None] * ALONG, np.zeros(len(s)), np.ones(len(s))]) @ ODOM_FROM_MAP.T
        heading = heading_of(quaternion_of(ODOM_FROM_MAP[:3, :3])) + HEADING
        poses = np.column_stack([line[:, :3], np.full(len(s), heading)])
        still = np.zeros(len(s))
        return Trajectory(ego.stamp_ns, times, poses, speeds, np.gradient(speeds, times), still, still)


class Sink:
    """Keeps what is sent."""

    def __init__(self):
        self.messages, self.statuses = defaultdict(list), []

    def message(self, topic, now_ns, data):
        self.messages[topic.name].append((now_ns, data))

    def status(self, status):
        if status.node == 'sim':
            self.statuses.append(status)

    def read(self, topic, read):
        return [read(data) for _, data in self.messages[topic.name]]


@pytest.fixture(autouse=True)
def plain_family(monkeypatch):
    task = Task((*START.tolist(), HEADING), (*GOAL.tolist(), HEADING))
    a_world = world(task=task, route=START + np.linspace(0.0, 50.0, 51)[:, None] * ALONG)
    monkeypatch.setitem(FAMILIES, 'plain', lambda seed: a_world)


def drive(seconds, oracle=OracleConfig(), **settings):  # noqa: B008
    small = {'lidar': LidarSettings(beams='16', columns=90), 'camera': CameraSettings(width=32, height=20)}
    simulation = SimulationSettings(**{'duration_s': 30.0, **small, **settings})
    config = SimConfig(family='plain', wait_for_stack_s=0.0, vehicle=CAR, simulation=simulation)
    sink, stages = Sink(), [Sim(), Oracle()]
    player = Lockstep(stages, {'sim': config, 'oracle': oracle}, sink)
    player.start(START_NS)
    player.run_to(START_NS + round(seconds * SECOND_NS))
    player.close()
    return sink, stages[0].simulation, player


def test_every_topic_of_a_vehicle_comes_at_its_rate_with_stamps_of_its_clock():
    sink, _, _ = drive(2.0)
    count = {name: len(messages) for name, messages in sink.messages.items()}
    assert count[LIDAR.name] == 20
    assert count[topics.CLOCK.name] == 101
    assert count[topics.IMU.name] == count[topics.VELOCITY.name] == count[topics.STEERING.name] == 100
    assert count[topics.GNSS_POSE.name] == count[topics.CAMERA_INFO.named('front').name] == 10
    assert count[topics.TRUTH.name] == count[topics.CONTROL_MODE.name] == count[topics.GEAR.name] == 20
    assert topics.ARTICULATION.name not in count  # it has no trailer
    assert sink.read(topics.CLOCK, read_clock) == [START_NS + k * 20_000_000 for k in range(101)]
    for topic, read in ((topics.IMU, read_imu), (topics.VELOCITY, read_velocity), (topics.GNSS_POSE, read_pose)):
        stamps = [value.stamp_ns for value in sink.read(topic, read)]
        assert stamps == [now_ns for now_ns, _ in sink.messages[topic.name]]
    assert {value.mode for value in sink.read(topics.CONTROL_MODE, read_control_mode)} == {'AUTONOMOUS'}
    assert sink.read(topics.TRUTH, read_tracked)[0].frame == 'map'


def test_mounts_goal_and_pictures_are_told():
    sink, _, _ = drive(2.5)
    mounts = sink.read(topics.TF_STATIC, read_transforms)[0].matrices
    assert mounts['base_link', 'lidar_top'] == pytest.approx(CAR.mounts['top'].base_from_sensor)
    goals = sink.read(topics.GOAL, read_goal)
    assert [(goal.frame, goal.position_m) for goal in goals] == [('map', (*GOAL.tolist(), 0.0))] * 2
    image = sink.read(topics.IMAGE_COMPRESSED.named('front'), read_compressed)[0]
    info = sink.read(topics.CAMERA_INFO.named('front'), read_camera_info)[0]
    assert image.pixels.shape == (20, 32, 3)
    assert (info.width, info.height, info.stamp_ns) == (32, 20, image.stamp_ns)


def test_it_follows_the_trajectory_in_the_odom_of_the_stack_to_the_goal_and_ends():
    sink, simulation, player = drive(20.0, cameras=())
    assert simulation.verdict.outcome == 'goal reached'
    away = simulation.motion.xy_m - START
    assert abs(away[1] * ALONG[0] - away[0] * ALONG[1]) < 0.1
    assert player.finished
    last = sink.statuses[-1]
    assert (last.values['outcome'], last.values['goal_reached'], last.values['collisions']) == (
        'goal reached',
        'true',
        '0',
    )
    assert float(last.values['progress_m']) > 46.0
    assert 'trajectory' in {status.values['driven_by'] for status in sink.statuses}


def test_without_anything_to_follow_it_stands():
    sink, simulation, _ = drive(3.0, OracleConfig(mute_after=0), cameras=())
    assert simulation.motion.speed_mps == 0.0
    assert sink.statuses[-1].values['driven_by'] == 'nothing'


def test_once_the_stack_is_silent_it_brakes():
    _, simulation, _ = drive(9.0, OracleConfig(mute_after=40), cameras=())
    assert simulation.motion.speed_mps == 0.0
    assert np.linalg.norm(simulation.motion.xy_m - START) > 5.0
    assert simulation.running


def test_a_command_goes_before_a_trajectory():
    sink, simulation, _ = drive(3.0, OracleConfig(commands=True), cameras=())
    assert sink.statuses[-1].values['driven_by'] == 'control'
    assert simulation.motion.wheel_angle_rad == pytest.approx(0.1, abs=1e-3)
    assert simulation.motion.speed_mps == pytest.approx(0.5 * 2.5, abs=0.4)


def test_when_time_is_over_it_says_so_and_ends():
    sink, _, player = drive(5.0, OracleConfig(mute_after=0), duration_s=1.0, cameras=())
    assert player.finished
    assert sink.statuses[-1].level is Level.WARN
    assert sink.statuses[-1].text == 'time over'


def test_the_same_drive_sends_the_same_bytes():
    one, other = (drive(1.0)[0].messages for _ in range(2))
    assert one == other


def test_it_waits_for_a_stack_that_cannot_follow_but_not_for_ever():
    config = SimConfig(
        family='plain',
        wait_for_stack_s=1.0,
        vehicle=CAR,
        simulation=SimulationSettings(lidar=LidarSettings(beams='16', columns=90), cameras=()),
    )
    sink, stages = Sink(), [Sim(), Oracle()]
    player = Lockstep(stages, {'sim': config, 'oracle': OracleConfig(mute_after=5)}, sink)
    player.start(START_NS)
    player.run_to(START_NS + 4 * SECOND_NS)
    held = 4.0 - stages[0].simulation.time_s
    assert held == pytest.approx(1.0, abs=0.05)
    clocks = sink.read(topics.CLOCK, read_clock)
    assert len(clocks) == 201
    assert clocks == sorted(clocks)
