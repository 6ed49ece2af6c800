"""Recordings with other names are read as ours: topics, the type of the speed, the frames of /tf_static."""

from pathlib import Path

import numpy as np
import pytest
import samples

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.sensing import Transforms
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.replay import sensors_of
from autonomy_nodes.messages.bags import BagError, BagWriter, Recording
from autonomy_nodes.messages.clouds import read_cloud, write_cloud
from autonomy_nodes.messages.motion import read_transforms, read_velocity, write_ego, write_transforms
from autonomy_nodes.messages.remap import Remap, read_remap

CLOUD, ODOMETRY, TF = 'sensor_msgs/msg/PointCloud2', 'nav_msgs/msg/Odometry', 'tf2_msgs/msg/TFMessage'
OURS = '/sensing/lidar/top/pointcloud_raw'
EXAMPLE = Path(__file__).parents[2] / 'docs/remap.yaml'


@pytest.fixture
def foreign(tmp_path):
    """A recording of others: a LiDAR, wheel odometry with one broken message, and mounts below base_footprint."""
    with BagWriter(tmp_path / 'foreign.mcap') as writer:
        mounts = Transforms(1, {('base_footprint', 'velodyne'): np.eye(4), ('velodyne', 'imu'): np.eye(4)})
        writer.write('/tf_static', TF, 1, write_transforms(mounts), latched=True)
        for number in range(3):
            cloud = samples.cloud(seed=number, frame='velodyne')
            writer.write('/velodyne_points', CLOUD, 10 + number, write_cloud(cloud))
            writer.write('/wheel/odometry', ODOMETRY, 10 + number, write_ego(samples.ego(speed=float(number))))
        writer.write('/wheel/odometry', ODOMETRY, 20, b'\0\1\0\0broken')
        writer.write('/else', CLOUD, 21, write_cloud(samples.cloud()))
    return tmp_path / 'foreign.mcap'


def test_a_recording_is_told_by_our_names(foreign):
    recording = Recording(foreign, read_remap(EXAMPLE))
    assert recording.types == {
        OURS: CLOUD, '/vehicle/status/velocity_status': 'autoware_vehicle_msgs/msg/VelocityReport',
        '/tf_static': TF, '/else': CLOUD,
    }  # fmt: skip
    assert recording.counts[OURS] == 3 and recording.latched == {'/tf_static'}
    assert sorted(recording.lacking) == ['gps/fix', 'imu/data', 'usb_cam/camera_info', 'usb_cam/image_raw/compressed']
    told = [read_cloud(data) for *_, data in recording.messages(topics=[OURS])]
    assert [cloud.frame for cloud in told] == ['velodyne'] * 3
    assert np.array_equal(told[2].xyz, samples.cloud(seed=2).xyz)
    speeds = [read_velocity(data) for *_, data in recording.messages(topics=['vehicle/status/velocity_status'])]
    assert [each.longitudinal_mps for each in speeds] == [0.0, 1.0, 2.0]
    assert [each.heading_rate_rps for each in speeds] == pytest.approx([0.1, 0.1, 0.1])
    assert recording.refused == {'/vehicle/status/velocity_status': 1}
    mounts = read_transforms(next(recording.messages(topics=['tf_static']))[3]).matrices
    assert set(mounts) == {('base_link', 'velodyne'), ('velodyne', 'imu')}


def test_without_a_remap_a_recording_is_as_it_was(foreign):
    names = [topic for topic, *_ in Recording(foreign).messages()]
    assert names.count('/velodyne_points') == 3 and names.count('/wheel/odometry') == 4


def test_a_replay_finds_its_sensors_by_our_names(foreign):
    assert sensors_of(foreign, read_remap(EXAMPLE))['lidar.lidars'] == ('top',)
    assert 'lidar.lidars' not in sensors_of(foreign)


def test_a_bag_is_imported_once_and_for_all(foreign, tmp_path, capsys):
    command = ['import', 'bag', str(foreign), str(tmp_path / 'ours.mcap')]
    assert main([*command, '--remap', str(EXAMPLE)]) == 0
    out = capsys.readouterr().out
    assert 'imported 8 messages' in out and '/imu/data: is not in the recording' in out
    assert 'left out: 1 of /vehicle/status/velocity_status' in out
    again = Recording(tmp_path / 'ours.mcap')
    assert again.types == Recording(foreign, read_remap(EXAMPLE)).types and again.latched == {'/tf_static'}
    assert main(command) == 2
    assert '--remap FILE and the format bag go together' in capsys.readouterr().err


@pytest.mark.parametrize(
    'text, words',
    [
        ('topics: [a, b]', 'topics must be lines'),
        ('names: {}', 'must hold topics: and frames:'),
        ('topics: {/a: sensing/lidar/top/pointcloud}', 'is no topic that the stack reads.*sensing/imu/imu_data'),
        ('topics: {/a: planning/trajectory}', 'planning/trajectory is no topic that the stack reads'),
        ('topics: {/a: sensing/imu/imu_data, /b: sensing/imu/imu_data}', 'two topics become sensing/imu/imu_data'),
        ('topics: {/a: [', 'cannot be read'),
    ],
)
def test_a_remap_that_cannot_be_meant_is_refused(tmp_path, text, words):
    (tmp_path / 'names.yaml').write_text(text)
    with pytest.raises(DataError, match=f'names.yaml.*{words}'):
        read_remap(tmp_path / 'names.yaml')


@pytest.mark.parametrize(
    'topics, words',
    [
        ({'nothing': 'sensing/imu/imu_data'}, 'has no topic that is remapped; it has else'),
        ({'else': 'sensing/imu/imu_data'}, 'topic /else is sensor_msgs/msg/PointCloud2, but sensing/imu/imu_data is'),
    ],
)
def test_a_remap_that_does_not_fit_the_recording_is_refused(foreign, topics, words):
    with pytest.raises(BagError, match=words):
        Recording(foreign, Remap(topics))


def test_a_topic_that_is_there_already_is_not_mixed_with_another(tmp_path):
    with BagWriter(tmp_path / 'two.mcap') as writer:
        for name in (OURS, '/velodyne_points'):
            writer.write(name, CLOUD, 1, write_cloud(samples.cloud()))
    with pytest.raises(BagError, match='has sensing/lidar/top/pointcloud_raw besides velodyne_points'):
        Recording(tmp_path / 'two.mcap', Remap({'velodyne_points': OURS.lstrip('/')}))
