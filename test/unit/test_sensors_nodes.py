"""The three nodes at the front of the stack, wired up in lockstep."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from test_localization_localizer import AHEAD, START, TENTH, seen
from test_sensors_camera import camera, plain

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.sensing import Imu, PointCloud, Transforms
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.vehicle import Mount, Vehicle
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.localization.localizer import LocalizationConfig
from autonomy_nodes.localization.motion import displacement
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud, write_cloud
from autonomy_nodes.messages.images import (
    read_camera_info,
    read_image,
    write_camera_info,
    write_compressed,
    write_image,
)
from autonomy_nodes.messages.motion import read_ego, read_transforms, write_imu, write_transforms
from autonomy_nodes.messages.words import read_words
from autonomy_nodes.nodes.camera_node import Camera
from autonomy_nodes.nodes.lidar_node import Lidar
from autonomy_nodes.nodes.localization_node import Localization
from autonomy_nodes.sensors.camera import CameraConfig
from autonomy_nodes.sensors.lidar import LidarConfig

MOUNTED = Vehicle(mounts={'top': Mount('lidar_top', (0.76, 0.0, 1.73)), 'front': Mount('cam', (1.5, 0.0, 1.4))})


class Notes:
    def __init__(self):
        self.messages, self.statuses = [], []

    def message(self, topic, now_ns, data):
        self.messages.append((topic.name, data))

    def status(self, status):
        self.statuses.append(status)

    def of(self, topic):
        return [data for name, data in self.messages if name == topic.name]


def play(stages, configs, events, until_ns=None):
    notes = Notes()
    with closing(Lockstep(stages, configs, notes)) as player:
        player.start(START - TENTH)
        player.play(events)
        player.run_to(until_ns or player.now_ns)
    return notes


def sweeps(count):
    base_from_lidar = MOUNTED.mounts['top'].base_from_sensor
    for number in range(count):
        xyz = moved(seen(displacement(np.array(AHEAD), number / 10), number), inverse(base_from_lidar))
        stamp_ns = START + number * TENTH
        cloud = PointCloud(stamp_ns, 'lidar_top', xyz, np.ones(len(xyz), np.float32))
        yield Event(topics.LIDAR_RAW.named('top').name, stamp_ns + TENTH, write_cloud(cloud))


def front(events, vehicle=MOUNTED, until_ns=None, **localization):
    configs = {
        'lidar': LidarConfig(vehicle=vehicle),
        'localization': LocalizationConfig(vehicle=vehicle, **localization),
    }
    return play([Lidar(), Localization()], configs, events, until_ns)


def test_sweeps_become_clouds_and_clouds_become_odometry():
    notes = front(sweeps(6))
    clouds, egos = [read_cloud(d) for d in notes.of(topics.CLOUD)], [read_ego(d) for d in notes.of(topics.ODOMETRY)]
    assert [cloud.stamp_ns for cloud in clouds] == [START + n * TENTH for n in range(6)]
    assert [ego.stamp_ns for ego in egos] == [START + n * TENTH for n in range(1, 6)]
    assert egos[-1].position_m == pytest.approx(displacement(np.array(AHEAD), 0.5)[:3, 3], abs=0.1)
    states = [read_words(data).values['state'] for data in notes.of(topics.INTEGRITY)]
    assert states == ['INIT'] + ['NOMINAL'] * 5


def test_the_state_is_carried_forward_between_sweeps_and_odom_to_base_link_with_it():
    notes = front(sweeps(6), until_ns=START + 6 * TENTH + TENTH // 2)
    ahead, frames = read_ego(notes.of(topics.ODOMETRY_PREDICTED)[-1]), read_transforms(notes.of(topics.TF)[-1])
    assert ahead.stamp_ns == frames.stamp_ns
    assert list(frames.matrices) == [('odom', 'base_link')]
    expected = displacement(np.array(AHEAD), (ahead.stamp_ns - START) / 1e9)[:3, 3]
    assert ahead.position_m == pytest.approx(expected, abs=0.15)
    assert frames.matrices['odom', 'base_link'][:3, 3] == pytest.approx(ahead.position_m)


def test_the_predicted_state_ends_half_a_second_after_the_last_sweep():
    notes = front(sweeps(4), until_ns=START + 30 * TENTH)
    stamps = [read_ego(data).stamp_ns for data in notes.of(topics.ODOMETRY_PREDICTED)]
    assert max(stamps) <= START + 8 * TENTH
    assert stamps == sorted(set(stamps))


def models_of(numbers):
    """Yield the calibration of a picture at these tenths of a second, as the camera node gives it."""
    for number in numbers:
        stamp_ns = START + number * TENTH
        model = replace(camera(), stamp_ns=stamp_ns)
        yield Event(topics.IMAGE_RECT_INFO.named('front').name, stamp_ns, write_camera_info(model))


def test_where_no_sweep_comes_odometry_goes_on_with_the_stamps_of_pictures():
    """The last of 6 sweeps comes at 0.6 s: from 0.9 s on pictures have their place, at the speed that was driven."""
    events = sorted([*sweeps(6), *models_of(range(1, 13))], key=lambda event: event.stamp_ns)
    egos = [read_ego(data) for data in front(events, cameras=('front',)).of(topics.ODOMETRY)]
    assert [round((ego.stamp_ns - START) / TENTH) for ego in egos] == [1, 2, 3, 4, 5, 9, 10, 11, 12]
    assert egos[-1].position_m == pytest.approx(displacement(np.array(AHEAD), 1.2)[:3, 3], abs=0.4)
    assert egos[-1].pose_covariance[0, 0] > egos[4].pose_covariance[0, 0]


def test_sweeps_that_come_again_are_taken_once_they_are_newer_than_the_last_picture():
    """The sweep of 0.9 s comes at 1.0 s, when the picture of 0.9 s has stood in for it."""
    every = list(sweeps(14))
    events = sorted([*every[:6], *every[9:], *models_of(range(1, 13))], key=lambda event: event.stamp_ns)
    notes = front(events, cameras=('front',))
    egos = [read_ego(data) for data in notes.of(topics.ODOMETRY)]
    told = [round((ego.stamp_ns - START) / TENTH) for ego in egos]
    assert told == [1, 2, 3, 4, 5, 9, 10, 11, 12, 13]
    assert any('no newer than a picture' in status.text for status in notes.statuses)
    assert egos[-1].position_m == pytest.approx(displacement(np.array(AHEAD), 1.3)[:3, 3], abs=0.15)


def test_pictures_change_nothing_where_none_are_asked_for_or_before_the_first_sweep():
    events = sorted([*sweeps(3), *models_of(range(1, 13))], key=lambda event: event.stamp_ns)
    assert len(front(events).of(topics.ODOMETRY)) == 2
    assert not front(models_of(range(1, 9)), cameras=('front',)).of(topics.ODOMETRY)


def test_without_a_mount_nothing_goes_out_and_the_status_says_why():
    notes = front(sweeps(3), vehicle=Vehicle())
    assert notes.of(topics.CLOUD) == []
    assert any("no transform from 'lidar_top'" in status.text for status in notes.statuses)


def test_tf_static_is_heard_and_an_unplaced_imu_is_named_but_stops_nothing():
    told = Transforms(START - TENTH, {('base_link', 'lidar_top'): MOUNTED.mounts['top'].base_from_sensor})
    imu = Imu(START + TENTH, 'imu_link', np.zeros(3), np.array([0, 0, 9.81]))
    first = [
        Event('/tf_static', START - TENTH // 2, write_transforms(told)),
        Event(topics.IMU.name, START + TENTH // 2, write_imu(imu)),
    ]
    notes = front([*first, *sweeps(3)], vehicle=Vehicle())
    assert len(notes.of(topics.ODOMETRY)) == 2
    assert any("IMU not used: no transform from 'imu_link'" in status.text for status in notes.statuses)


def test_samples_of_an_imu_are_turned_to_base_link():
    """The unit lies on its side: what it calls x points up."""
    side = Vehicle(mounts={**MOUNTED.mounts, 'imu': Mount('imu_link', rpy_rad=(0.0, -np.pi / 2, 0.0))})
    stage, heard = Localization(), []
    samples = [Imu(START + n * TENTH, 'imu_link', np.array([0.15, 0, 0]), np.array([9.81, 0, 0])) for n in range(3)]
    events = [Event(topics.IMU.name, sample.stamp_ns, write_imu(sample)) for sample in samples]
    configs = {'lidar': LidarConfig(vehicle=side), 'localization': LocalizationConfig(vehicle=side)}
    with closing(Lockstep([Lidar(), stage], configs, Notes())) as player:
        sweep = stage.localizer.sweep
        stage.localizer.sweep = lambda cloud, wheels, imu: heard.extend(imu) or sweep(cloud, wheels, imu)
        player.start(START - TENTH)
        player.play(sorted([*events, *sweeps(3)], key=lambda event: event.stamp_ns))
    assert len(heard) == 3
    assert {sample.frame for sample in heard} == {'base_link'}
    assert heard[0].angular_rps == pytest.approx([0, 0, 0.15], abs=1e-9)
    assert heard[0].acceleration_mps2 == pytest.approx([0, 0, 9.81], abs=1e-9)


def test_the_mounts_are_published_where_that_is_asked_for():
    notes = front([], until_ns=START, publish_calibration=True)
    told = read_transforms(notes.of(topics.TF_STATIC)[0])
    assert np.allclose(told.matrices['base_link', 'lidar_top'], MOUNTED.mounts['top'].base_from_sensor)
    assert front([], until_ns=START).of(topics.TF_STATIC) == []


def filmed(events, until_ns=None, **settings):
    config = CameraConfig(cameras=('front',), vehicle=MOUNTED, **settings)
    return play([Camera()], {'camera': config}, events, until_ns)


def pictures(write, topic, numbers, info=True, frame='cam'):
    if info:
        yield Event(topics.CAMERA_INFO.named('front').name, START, write_camera_info(camera()))
    for number in numbers:
        stamp_ns = START + number * TENTH
        yield Event(topic.named('front').name, stamp_ns, write(replace(plain(stamp_ns), frame=frame)))


@pytest.mark.parametrize(
    'write, topic', [(write_image, topics.IMAGE_RAW), (write_compressed, topics.IMAGE_COMPRESSED)]
)
def test_pictures_of_both_kinds_come_out_rectified_after_their_calibration(write, topic):
    notes = filmed(pictures(write, topic, range(3)), width_px=320)
    names = [name for name, _ in notes.messages if 'camera' in name and 'rect' in name]
    assert names == [topics.IMAGE_RECT_INFO.named('front').name, topics.IMAGE_RECT.named('front').name] * 3
    model = read_camera_info(notes.of(topics.IMAGE_RECT_INFO.named('front'))[-1])
    image = read_image(notes.of(topics.IMAGE_RECT.named('front'))[-1])
    assert (model.width, model.height) == (320, 240) == image.pixels.shape[1::-1]
    assert model.stamp_ns == image.stamp_ns == START + 2 * TENTH
    assert all(status.level is Level.OK for status in notes.statuses)


def test_without_calibration_or_place_a_camera_gives_nothing_and_says_error():
    for events, words in (
        (pictures(write_image, topics.IMAGE_RAW, range(2), info=False), 'no camera_info'),
        (pictures(write_image, topics.IMAGE_RAW, range(2), frame='elsewhere'), 'swapped'),
    ):
        notes = filmed(events)
        assert notes.of(topics.IMAGE_RECT.named('front')) == []
        assert notes.statuses[-1].level is Level.ERROR and words in notes.statuses[-1].text


def test_a_camera_that_falls_silent_is_named():
    notes = filmed(pictures(write_image, topics.IMAGE_RAW, range(4)), until_ns=START + 10 * TENTH)
    first = next(status for status in notes.statuses if 'front stale' in status.text)
    assert first.level is Level.ERROR
    assert START + 6 * TENTH < first.stamp_ns <= START + 8 * TENTH
