"""Waymo's parquet tables: range images become points where they were, seen from a vehicle that moves in the sweep."""

import math

import cv2
import data_sets
import numpy as np
import pytest
from data_sets import MATRIX, World, turned

from autonomy_nodes.common.geometry import inverse, matrix_of_rpy, moved
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import detected, drives

pyarrow, parquet = pytest.importorskip('pyarrow'), pytest.importorskip('pyarrow.parquet')
SEGMENT = '1005081002024129653_5313_150_5333_150'
HEIGHT, WIDTH = 4, 12
RISES = np.array([-0.3, -0.1, 0.0, 0.05])  # from below
TOP = matrix_of_rpy(np.array([1.4, 0.0, 2.2]), np.array([0.01, -0.02, 2.6]))
FRONT = matrix_of_rpy(np.array([4.0, 0.1, 0.7]), np.array([0.0, 0.0, 0.1]))
LOOK = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # x ahead from z ahead


def write(folder, kind, columns):
    (folder / kind).mkdir(exist_ok=True)
    parquet.write_table(pyarrow.table(columns), str(folder / kind / f'{SEGMENT}.parquet'))


def image(number, laser):
    random = np.random.default_rng(10 * number + laser)
    values = random.uniform(5.0, 60.0, (HEIGHT, WIDTH, 4)).astype(np.float32)
    values[random.uniform(size=(HEIGHT, WIDTH)) < 0.2, 0] = -1.0  # no return
    return values


def pixel_pose(number, column):
    """Roll, pitch, yaw, x, y, z of the vehicle when a column was taken: it moves on while the LiDAR turns."""
    return np.array([0.01, 0.02, 0.3 + 0.001 * column, 100.0 + number + 0.05 * column, 50.0, 2.0])


def directions(mount, rises):
    """Pixel by pixel, as the description says: columns from +180 to -180 degrees of the vehicle, rows from above."""
    for row in range(HEIGHT):
        for column in range(WIDTH):
            share = (WIDTH - column - 0.5) / WIDTH
            around = (2.0 * share - 1.0) * math.pi - math.atan2(mount[1, 0], mount[0, 0])
            rise = rises[HEIGHT - 1 - row]
            yield row, column, np.array(
                [math.cos(rise) * math.cos(around), math.cos(rise) * math.sin(around), math.sin(rise)]
            )


def seen(number, laser, mount, rises):
    """(N, 3) points in map, and their intensities."""
    values, points, intensities = image(number, laser), [], []
    for row, column, direction in directions(mount, rises):
        if values[row, column, 0] > 0:
            pose = pixel_pose(number, column) if laser == 1 else None
            map_from_base = vehicle(number) if pose is None else matrix_of_rpy(pose[3:], pose[:3])
            points.append(moved(direction * float(values[row, column, 0]), map_from_base @ mount))
            intensities.append(values[row, column, 1])
    return np.array(points), np.array(intensities, np.float32)


def vehicle(number):
    return matrix_of_rpy(np.array([100.3 + number, 50.0, 2.0]), np.array([0.01, 0.02, 0.305]))


def segment(folder):
    """Three frames of the top LiDAR, whose beams are listed, and of the front one, whose beams are even."""
    world = World()
    moments = [world.micros(number) for number in range(3)]
    time, laser = 'key.frame_timestamp_micros', 'key.laser_name'
    write(folder, 'vehicle_pose', {
        time: moments,
        '[VehiclePoseComponent].world_from_vehicle.transform': [vehicle(row).ravel().tolist() for row in range(3)],
    })  # fmt: skip
    beams = '[LiDARCalibrationComponent]'
    write(folder, 'lidar_calibration', {
        laser: [1, 2], f'{beams}.extrinsic.transform': [TOP.ravel().tolist(), FRONT.ravel().tolist()],
        f'{beams}.beam_inclination.min': [-0.4, -0.4], f'{beams}.beam_inclination.max': [0.1, 0.4],
        f'{beams}.beam_inclination.values': [RISES.tolist(), None],
    })  # fmt: skip
    pairs = [(number, key) for number in range(3) for key in (1, 2)]
    write(folder, 'lidar', {
        time: [moments[number] for number, _ in pairs], laser: [key for _, key in pairs],
        '[LiDARComponent].range_image_return1.values': [image(*pair).ravel().tolist() for pair in pairs],
        '[LiDARComponent].range_image_return1.shape': [[HEIGHT, WIDTH, 4]] * len(pairs),
    })  # fmt: skip
    poses = [np.array([[pixel_pose(number, column) for column in range(WIDTH)]] * HEIGHT) for number in range(3)]
    write(folder, 'lidar_pose', {
        time: moments, laser: [1] * 3,
        '[LiDARPoseComponent].range_image_return1.values': [pose.ravel().tolist() for pose in poses],
        '[LiDARPoseComponent].range_image_return1.shape': [[HEIGHT, WIDTH, 6]] * 3,
    })  # fmt: skip
    write(folder, 'lidar_box', boxes(world, moments))
    lens = {'f_u': 200.0, 'f_v': 210.0, 'c_u': 160.0, 'c_v': 90.0, 'k1': 0.01, 'k2': 0.02, 'p1': 0.03, 'p2': 0.04}
    mount = world.base_from_camera @ inverse(LOOK)
    write(folder, 'camera_calibration', {
        'key.camera_name': [1], '[CameraCalibrationComponent].extrinsic.transform': [mount.ravel().tolist()],
        **{f'[CameraCalibrationComponent].intrinsic.{name}': [value] for name, value in (lens | {'k3': 0.05}).items()},
    })  # fmt: skip
    write(folder, 'camera_image', {
        time: moments, 'key.camera_name': [1] * 3,
        '[CameraImageComponent].image': [
            cv2.imencode('.png', data_sets.picture(number))[1].tobytes() for number in range(3)
        ],
        '[CameraImageComponent].pose.transform': [vehicle(row).ravel().tolist() for row in range(3)],
    })  # fmt: skip


def boxes(world, moments):
    placed = [inverse(vehicle(row)) @ turned([115.0, 58.0, 3.0], 0.305 + 0.7) for row in range(3)]
    box = '[LiDARBoxComponent]'
    return {
        'key.frame_timestamp_micros': moments, 'key.laser_object_id': ['track'] * 3, f'{box}.type': [2] * 3,
        f'{box}.num_lidar_points_in_box': [9] * 3, f'{box}.box.heading': [0.7] * 3,
        **{f'{box}.box.center.{axis}': [each[row, 3] for each in placed] for row, axis in enumerate('xyz')},
        **{f'{box}.box.size.{axis}': [world.size[row]] * 3 for row, axis in enumerate('xyz')},
    }  # fmt: skip


def test_range_images_become_points_where_they_were(tmp_path):
    segment(tmp_path)
    assert detected(tmp_path).name == 'waymo'
    (drive,) = drives(tmp_path)
    even = -0.4 + (np.arange(HEIGHT) + 0.5) / HEIGHT * 0.8
    assert drive.name == SEGMENT and len(drive.frames) == 3
    for number, frame in enumerate(drive):
        assert frame.stamp_ns == World().micros(number) * 1000
        for name, key, mount, rises in (('top', 1, TOP, RISES), ('front', 2, FRONT, even)):
            cloud = frame.clouds[name]()
            points, intensities = seen(number, key, mount, rises)
            assert np.abs(moved(cloud.xyz.astype(float), frame.map_from(cloud.frame)) - points).max() < 1e-4
            assert np.array_equal(cloud.intensity, intensities) and cloud.ring.max() == HEIGHT - 1


def test_cameras_look_with_z_ahead_and_boxes_stand_in_base_link(tmp_path):
    segment(tmp_path)
    frame = drives(tmp_path)[0].frames[1]
    camera = frame.pictures['front'].camera()
    assert np.array_equal(camera.matrix, MATRIX)
    assert camera.distortion == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])
    assert np.allclose(frame.base_from('camera_front'), World().base_from_camera)
    truth = frame.truth()
    expected = inverse(vehicle(1)) @ turned([115.0, 58.0, 3.0])
    assert truth.objects.positions_m[0] == pytest.approx(expected[:3, 3])
    assert (truth.kinds, truth.points.tolist(), truth.objects.headings_rad[0]) == (('pedestrian',), [9], 0.7)
    assert truth.objects.dimensions_m[0] == pytest.approx(World().size)


def test_a_segment_goes_into_a_bag_and_back(tmp_path):
    (tmp_path / 'data').mkdir()
    segment(tmp_path / 'data')
    (drive,) = drives(tmp_path / 'data')
    summary = write_drive(drive, tmp_path / 'out.mcap')
    assert summary.broken == []
    assert summary.counts == {'labels': 3, 'poses': 3, 'pictures': 3, 'sweeps': 6}
    told = Recording(tmp_path / 'out.mcap').messages(topics=['sensing/lidar/front/pointcloud_raw'])
    for frame, (*_, data) in zip(drive, told):
        assert np.array_equal(read_cloud(data).xyz, frame.clouds['front']().xyz)


def test_what_is_missing_or_torn_is_named(tmp_path):
    with pytest.raises(DataError, match='vehicle_pose/SEGMENT.parquet; version 1'):
        drives(tmp_path, 'waymo')
    segment(tmp_path)
    (tmp_path / f'lidar_pose/{SEGMENT}.parquet').write_bytes(b'torn')
    with pytest.raises(DataError, match='lidar_pose/.*parquet: cannot be read'):
        drives(tmp_path)[0].frames[0].clouds['top']()
    (tmp_path / f'lidar/{SEGMENT}.parquet').unlink()
    with pytest.raises(DataError, match='lidar/.*parquet: cannot be read'):
        drives(tmp_path)
