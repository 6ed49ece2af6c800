from dataclasses import replace

import numpy as np
import pytest
from sim_worlds import CAR, world

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import SECOND_NS, Command
from autonomy_nodes.common.vehicle import Trailer
from autonomy_nodes.sim.camera import CameraSettings
from autonomy_nodes.sim.inertial import InertialSettings
from autonomy_nodes.sim.lidar import LidarSettings
from autonomy_nodes.sim.simulation import Simulation, SimulationSettings
from autonomy_nodes.sim.world import Actor, Drive, Policy

SMALL = SimulationSettings(
    duration_s=30.0,
    lidar=LidarSettings(beams='16', columns=120),
    camera=CameraSettings(width=32, height=20),
    inertial=InertialSettings(),
)
WALKER = Actor(
    2,
    Label.PEDESTRIAN,
    'pedestrian',
    (0.5, 0.5, 1.7),
    Policy(Drive.WALK, 1.0, path=np.array([[15.0, -8.0], [15.0, 9.0]])),
)
PARKED = Actor(1, Label.CAR, 'car', (4.0, 1.8, 1.5), place=(25.0, 6.0, 0.3))
GO = Command(0, 5.0, 1.0, 0.02)


def simulation(**settings):
    return Simulation(world(actors=(PARKED, WALKER)), CAR, replace(SMALL, **settings))


def drive(sim, seconds, command=GO, step_s=0.02):
    sim.command = command
    readings, until = [], sim.now_ns
    for _ in range(round(seconds / step_s)):
        until += round(step_s * SECOND_NS)
        readings += sim.advance(until)
    return readings


def same(one, other):
    pairs = [
        *((a.xyz, other.clouds[name].xyz) for name, a in one.clouds.items()),
        *((a.image.pixels, other.views[name].image.pixels) for name, a in one.views.items()),
        (one.imu.acceleration_mps2, other.imu.acceleration_mps2),
    ]
    return one.stamp_ns == other.stamp_ns and one.wheels == other.wheels and all(np.array_equal(a, b) for a, b in pairs)


def test_each_sensor_tells_at_its_own_rate():
    readings = drive(simulation(), 2.0)
    assert len(readings) == 100
    assert sum(bool(reading.clouds) for reading in readings) == 20
    assert sum(bool(reading.views) for reading in readings) == 10
    assert sum(reading.imu is not None for reading in readings) == 100
    assert sum(reading.gnss is not None for reading in readings) == 10
    assert sum(reading.truth is not None for reading in readings) == 20


def test_a_rolling_sweep_is_stamped_with_its_start_and_given_at_its_end():
    given = [reading for reading in drive(simulation(), 0.5) if reading.clouds]
    assert [reading.stamp_ns for reading in given] == [k * 100_000_000 for k in range(1, 6)]
    assert [reading.clouds['top'].stamp_ns for reading in given] == [k * 100_000_000 for k in range(5)]
    at_once = drive(simulation(lidar=replace(SMALL.lidar, rolling=False)), 0.2)[-1]
    assert at_once.clouds['top'].stamp_ns == at_once.stamp_ns


def test_the_same_drive_gives_the_same_readings_however_time_is_cut():
    one, again, coarse = drive(simulation(), 1.0), drive(simulation(), 1.0), drive(simulation(), 1.0, step_s=0.1)
    assert all(same(a, b) for a, b in zip(one, again, strict=True))
    assert all(same(a, b) for a, b in zip(one, coarse, strict=True))


def test_truth_tells_boxes_where_the_actors_are():
    truth = drive(simulation(), 1.0)[-1].truth
    assert truth.frame == 'map'
    assert truth.labels.tolist() == [Label.CAR, Label.PEDESTRIAN]
    assert truth.positions_m[0] == pytest.approx([25.0, 6.0, 0.75])
    assert truth.positions_m[1] == pytest.approx([15.0, -7.0, 0.85], abs=0.03)
    assert truth.velocities_mps[1] == pytest.approx([0.0, 1.0], abs=1e-6)
    assert truth.names() == ['00000001', '00000002']


def test_points_on_actors_lie_in_the_boxes_that_the_truth_tells():
    settings = LidarSettings(beams='64', columns=1800, range_noise_m=0.0, rolling=False, self_hits=False)
    last = drive(simulation(lidar=settings, cameras=()), 0.2, Command(0, 0.0, -1.0, 0.0))[-1]
    xyz = last.clouds['top'].xyz + CAR.mounts['top'].xyz_m
    above = xyz[xyz[:, 2] > 0.1]
    assert len(above) > 100
    inside = np.zeros(len(above), bool)
    truth = last.truth
    for middle, heading, size in zip(truth.positions_m, truth.headings_rad, truth.dimensions_m):
        away = above - middle
        along = away[:, 0] * np.cos(heading) + away[:, 1] * np.sin(heading)
        left = away[:, 1] * np.cos(heading) - away[:, 0] * np.sin(heading)
        box = np.stack([along, left, away[:, 2]], axis=-1)
        inside |= (np.abs(box) < size / 2 + 0.15).all(axis=1)
    assert inside.all()


def test_a_drive_ends_at_the_goal_at_a_collision_or_after_its_time():
    sim = simulation()
    drive(sim, 18.0, Command(0, 8.0, 1.0, 0.0))
    assert sim.verdict.outcome == 'goal reached'
    blocked = Simulation(world(actors=(replace(PARKED, place=(20.0, 0.0, 0.0)),)), CAR, SMALL)
    drive(blocked, 8.0, Command(0, 8.0, 1.0, 0.0))
    assert blocked.verdict.outcome == 'collision with car 1'
    assert not blocked.running
    slow = simulation(duration_s=1.0)
    drive(slow, 1.2, Command(0, 0.0, -1.0, 0.0))
    assert slow.verdict.outcome == 'time over'


def test_where_the_vehicle_was_is_remembered_between_the_steps():
    sim = simulation(lidars=(), cameras=())
    readings = drive(sim, 3.0)
    ego = readings[-11].ego or readings[-10].ego
    assert sim.pose_at(ego.stamp_ns)[:3, 3] == pytest.approx(ego.position_m)
    middle = sim.pose_at(sim.now_ns - 10_000_000)
    assert middle[0, 3] == pytest.approx(sim.motion.xy_m[0] - 0.01 * sim.motion.speed_mps, abs=1e-3)
    assert sim.pose_at(0) is None
    assert sim.pose_at(sim.now_ns + 1) is None


def test_a_trailer_can_collide():
    truck = replace(CAR, wheelbase_m=3.8, front_m=5.2, width_m=2.5, height_m=3.6, trailer=Trailer(present=True))
    blind, outcomes = replace(SMALL, cameras=(), lidars=()), []
    for left in (2.6, 2.1):
        beside = replace(PARKED, place=(-6.0, left, 0.0))
        outcomes.append(Simulation(world(actors=(beside,)), truck, blind).verdict.outcome)
    assert outcomes == ['running', 'collision with car 1']


def test_a_mount_that_is_missing_is_named():
    with pytest.raises(ValueError, match='rear'):
        simulation(lidars=('top', 'rear'))
