"""A first remap file by types and names: it is read as it stands, and what it could not decide is left to a person."""

import pytest
import samples
import yaml

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.remap import read_remap
from autonomy_nodes.messages.remap_draft import drafted

CLOUD, IMAGE, PACKED = 'sensor_msgs/msg/PointCloud2', 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
INFO, IMU, ODOMETRY = 'sensor_msgs/msg/CameraInfo', 'sensor_msgs/msg/Imu', 'nav_msgs/msg/Odometry'


def told(types, frames=()):
    return yaml.safe_load(drafted(types, frames))


def test_one_of_each_gets_the_usual_name():
    types = {
        '/velodyne_points': CLOUD, '/usb_cam/image_raw/compressed': PACKED, '/usb_cam/camera_info': INFO,
        '/imu/data': IMU, '/gps/fix': 'sensor_msgs/msg/NavSatFix', '/chatter': 'std_msgs/msg/String',
    }  # fmt: skip
    assert told(types, ('base_footprint', 'velodyne')) == {
        'topics': {
            '/velodyne_points': 'sensing/lidar/top/pointcloud_raw',
            '/usb_cam/image_raw/compressed': 'sensing/camera/front/image_raw/compressed',
            '/usb_cam/camera_info': 'sensing/camera/front/camera_info',
            '/imu/data': 'sensing/imu/imu_data', '/gps/fix': 'sensing/gnss/fix',
        },
        'frames': {'base_footprint': 'base_link'},
    }  # fmt: skip


def test_several_are_called_by_the_words_in_which_they_differ():
    types = {'/ouster_left/points': CLOUD, '/ouster_right/points': CLOUD, '/cam0/image': IMAGE, '/cam1/image': IMAGE}
    names = told({**types, '/cam1/camera_info': INFO}, ('base_link',))['topics']
    assert names['/ouster_left/points'] == 'sensing/lidar/left/pointcloud_raw'
    assert names['/cam0/image'] == 'sensing/camera/cam0/image_raw'
    assert names['/cam1/camera_info'] == 'sensing/camera/cam1/camera_info'


def test_of_several_that_can_be_one_topic_the_likeliest_is_taken_and_the_others_are_comments():
    types = {'/odom': ODOMETRY, '/wheel/odometry': ODOMETRY, '/a/image': IMAGE, '/a/image/compressed': PACKED}
    text = drafted(types, ())
    assert '\n  /wheel/odometry: vehicle/status/velocity_status\n  # /odom: vehicle/status/velocity_status\n' in text
    assert yaml.safe_load(text)['topics'].keys() == {'/wheel/odometry', '/a/image/compressed'}


def test_what_has_our_name_already_is_left_out_and_nothing_at_all_is_said():
    with pytest.raises(DataError, match='nothing to draft'):
        drafted({'/sensing/lidar/top/pointcloud_raw': CLOUD, '/chatter': 'std_msgs/msg/String'}, ())


def test_the_doctor_writes_it_once_and_it_can_be_given_as_it_is(tmp_path, capsys):
    with BagWriter(tmp_path / 'drive') as bag:
        for step in range(3):
            now_ns = samples.STAMP_NS + step * 100_000_000
            bag.write('/points', CLOUD, now_ns, write_cloud(samples.cloud(500, frame='lidar_top', stamp_ns=now_ns)))
    names = tmp_path / 'names.yaml'
    assert main(['doctor', str(tmp_path / 'drive'), '--draft', str(names)]) == 1
    assert '--draft FILE begins one' in capsys.readouterr().out
    assert read_remap(names).topics == {'points': 'sensing/lidar/top/pointcloud_raw'}
    main(['doctor', str(tmp_path / 'drive'), '--remap', str(names)])
    assert 'heard sensing/lidar/top/pointcloud_raw 3' in capsys.readouterr().out
    assert main(['doctor', str(tmp_path / 'drive'), '--draft', str(names)]) == 2
    assert 'is there already' in capsys.readouterr().err
