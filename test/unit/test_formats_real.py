"""Real frames of data sets: boxes hold the points that people counted, and points fall into the boxes of pictures."""

import json

import numpy as np
import pytest
from real_data import sensors

from autonomy_nodes.common.geometry import inverse, moved, quaternion_of_heading, rotation_of
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import detected, drives

CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


def in_boxes(frame):
    """(N, 3) points in base_link, and for each labelled box which of them are inside."""
    cloud, objects = frame.clouds['top'](), frame.truth().objects
    xyz, inside = moved(cloud.xyz.astype(float), frame.base_from(cloud.frame)), []
    for centre, heading, size in zip(objects.positions_m, objects.headings_rad, objects.dimensions_m):
        turn = rotation_of(quaternion_of_heading(heading))
        inside.append((np.abs((xyz - centre) @ turn) <= size / 2 + 1e-6).all(axis=1))
    return xyz, np.array(inside)


def pixels(frame, camera, xyz):
    rays = moved(xyz, frame.camera_from(camera, 'base_link')) @ frame.pictures[camera].matrix.T
    return rays[:, :2] / rays[:, 2:], rays[:, 2]


@pytest.mark.parametrize(
    'folder, name',
    [
        ('kitti_object', 'kitti'), ('kitti_seq0000', 'kitti'), ('kitti_tracking', 'kitti'), ('orfd', 'orfd'),
        ('semantickitti', 'semantickitti'), ('nuscenes_mini', 'nuscenes-frames'), ('gndnet_seq00', 'files'),
        ('argoverse2_7fab2350', 'argoverse2'),
    ],
)  # fmt: skip
def test_each_folder_of_real_frames_is_known_and_nothing_of_it_is_broken(folder, name):
    place = sensors(folder)
    assert detected(place).name == name
    found = drives(place)
    assert found and all(drive.frames and list(drive.broken) == [] for drive in found)


def test_boxes_of_argoverse_hold_exactly_the_points_that_people_counted():
    for frame in drives(sensors('argoverse2_7fab2350'))[0]:
        _, inside = in_boxes(frame)
        assert len(inside) == 81
        assert np.array_equal(inside.sum(axis=1), frame.truth().points)


def test_sweeps_of_argoverse_lie_on_one_another_where_nothing_moved():
    """Two sweeps in map: their static points lie 3 cm apart in the median; moved by the wheelbase they would not."""
    from scipy.spatial import cKDTree

    one, two = drives(sensors('argoverse2_7fab2350'))[0].frames[:2]
    clouds = [frame.clouds['top']() for frame in (one, two)]
    near = [cloud.xyz[(np.abs(cloud.xyz[:, :2]) < 40).all(axis=1) & (cloud.xyz[:, 2] > -1.2)] for cloud in clouds]
    first, second = (
        moved(xyz.astype(float), frame.map_from(cloud.frame)) for xyz, frame, cloud in zip(near, (one, two), clouds)
    )
    assert np.median(cKDTree(first).query(second)[0]) < 0.04
    assert np.median(cKDTree(first).query(second + [0.3, 0.0, 0.0])[0]) > 0.06


def test_the_road_of_argoverse_is_at_zero_below_the_vehicle():
    frame = drives(sensors('argoverse2_7fab2350'))[0].frames[0]
    cloud = frame.clouds['top']()
    xyz = moved(cloud.xyz.astype(float), frame.base_from(cloud.frame))
    road = xyz[(np.abs(xyz[:, 1]) < 2.0) & (np.abs(xyz[:, 0]) < 15.0) & (np.abs(xyz[:, 2]) < 0.4)]
    plane, *_ = np.linalg.lstsq(np.column_stack([road[:, :2], np.ones(len(road))]), road[:, 2], rcond=None)
    assert len(road) > 1000 and abs(plane[2]) < 0.03  # the car is pitched by 0.6 degrees


def test_boxes_of_nuscenes_fall_on_the_rectangles_in_all_six_pictures():
    """The rectangles were made by others, through the vehicle's poses when the pictures were taken."""
    folder = sensors('nuscenes_mini')
    frame = drives(folder)[0].frames[0]
    xyz, inside = in_boxes(frame)
    objects, counted = frame.truth().objects, frame.truth().points
    assert (np.abs(inside.sum(axis=1) - counted) <= np.maximum(3, 0.25 * counted)).mean() > 0.95
    residuals, hits, total = [], 0, 0
    for channel, drawn in json.loads((folder / 'frame.json').read_text())['cam_instances'].items():
        camera = channel.lower().partition('_')[2]
        limit = np.array(frame.pictures[camera].size()) - 1.0
        centres, depths = pixels(frame, camera, objects.positions_m)
        for box in drawn:
            off = np.linalg.norm(centres - box['center_2d'], axis=1) + 10.0 * np.abs(depths - box['depth'])
            row = int(np.argmin(off))
            turn = rotation_of(quaternion_of_heading(objects.headings_rad[row]))
            corners = CORNERS * objects.dimensions_m[row] @ turn.T + objects.positions_m[row]
            corners, ahead = pixels(frame, camera, corners)
            if (ahead < 1.0).any():
                continue
            left, top, right, bottom = box['bbox']
            low, high = np.clip(corners.min(axis=0), 0.0, limit), np.clip(corners.max(axis=0), 0.0, limit)
            residuals.append(max(np.abs(low - [left, top]).max(), np.abs(high - [right, bottom]).max()))
            seen, _ = pixels(frame, camera, xyz[inside[row]])
            seen = seen[(seen >= 0).all(axis=1) & (seen <= limit).all(axis=1)]
            hits += ((seen >= [left - 5, top - 5]) & (seen <= [right + 5, bottom + 5])).all(axis=1).sum()
            total += len(seen)
    assert len(residuals) > 60 and np.median(residuals) < 3.0 and np.quantile(residuals, 0.9) < 12.0
    assert total > 500 and hits / total > 0.97


def test_the_road_of_nuscenes_is_at_zero_below_the_vehicle():
    frame = drives(sensors('nuscenes_mini'))[0].frames[0]
    cloud = frame.clouds['top']()
    xyz = moved(cloud.xyz.astype(float), frame.base_from(cloud.frame))
    road = xyz[(np.abs(xyz[:, 1]) < 2.0) & (xyz[:, 0] > 4.0) & (xyz[:, 0] < 12.0), 2]
    assert len(road) > 100 and abs(np.median(road)) < 0.1


def test_boxes_of_kitti_cover_their_rectangles_and_their_points():
    """Of boxes that are whole in the picture: overlap of the projected box with the one that people drew."""
    frame = drives(sensors('kitti_object'))[0].frames[0]
    truth, overlaps = frame.truth(), []
    xyz, inside = in_boxes(frame)
    for row, drawn in enumerate(truth.boxes_px['front']):
        turn = rotation_of(quaternion_of_heading(truth.objects.headings_rad[row]))
        corners = CORNERS * truth.objects.dimensions_m[row] @ turn.T + truth.objects.positions_m[row]
        corners, _ = pixels(frame, 'front', corners)
        low, high = corners.min(axis=0), corners.max(axis=0)
        common = np.prod(np.minimum(high, drawn[2:]) - np.maximum(low, drawn[:2]))
        overlaps.append(common / (np.prod(high - low) + np.prod(drawn[2:] - drawn[:2]) - common))
        seen, _ = pixels(frame, 'front', xyz[inside[row]])
        assert ((seen >= drawn[:2] - 3) & (seen <= drawn[2:] + 3)).all()
    assert min(overlaps) > 0.8 and inside.sum() > 30


def test_most_boxes_of_a_kitti_drive_hold_points():
    """Boxes nearer than 40 m of a drive whose LiDAR and labels come from different places."""
    full = total = 0
    for frame in drives(sensors('kitti_seq0000'))[0].frames[:20:5]:
        if frame.truth is None:
            continue
        _, inside = in_boxes(frame)
        near = np.linalg.norm(frame.truth().objects.positions_m[:, :2], axis=1) < 40.0
        full += (inside[near].sum(axis=1) > 10).sum()
        total += near.sum()
    assert total > 8 and full / total > 0.9


def test_the_ground_of_orfd_is_level_in_the_frame_that_is_said_to_be():
    frame = drives(sensors('orfd'))[0].frames[0]
    depth, matrix = frame.depths['front'](), frame.pictures['front'].matrix
    v, u = np.mgrid[500:720:4, 400:880:4]
    ahead = depth[v, u]
    kept = np.isfinite(ahead) & (ahead < 25.0)
    rays = np.stack([u[kept], v[kept], np.ones(kept.sum())], axis=1) @ inverse_of(matrix).T
    xyz = moved(rays * ahead[kept, None], frame.a_from_b('lidar_level', 'camera_front'))
    slope, *_ = np.linalg.lstsq(np.column_stack([xyz[:, :2], np.ones(len(xyz))]), xyz[:, 2], rcond=None)
    assert len(xyz) > 1000 and (np.abs(np.degrees(slope[:2])) < 1.0).all() and -2.0 < slope[2] < -1.5
    assert (xyz[:, 0] > 3.0).all() and np.abs(xyz[:, 1]).max() < 6.0


def inverse_of(matrix):
    square = np.eye(4)
    square[:3, :3] = matrix
    return np.linalg.inv(square)[:3, :3]


def test_labels_of_semantickitti_know_the_road():
    """Points labelled as road lie below the LiDAR, at the height at which it is mounted."""
    drive = next(drive for drive in drives(sensors('semantickitti')) if drive.name == '00')
    cloud, labels = drive.frames[0].clouds['top'](), drive.frames[0].labels()
    assert len(labels.ids) == len(cloud) == 124_668
    xyz = moved(cloud.xyz.astype(float), drive.frames[0].base_from(cloud.frame))
    road = xyz[(labels.ids == 40) & (np.linalg.norm(xyz[:, :2], axis=1) < 15.0)]
    assert len(road) > 1000 and abs(np.median(road[:, 2])) < 0.15


def test_real_sweeps_come_out_of_a_bag_bit_for_bit(tmp_path):
    (drive,) = drives(sensors('argoverse2_7fab2350'))
    write_drive(drive, tmp_path / 'out.mcap')
    again = [read_cloud(data) for *_, data in Recording(tmp_path / 'out.mcap').messages(
        topics=['sensing/lidar/top/pointcloud_raw']
    )]  # fmt: skip
    for frame, cloud in zip(drive, again):
        assert np.array_equal(frame.clouds['top']().xyz, cloud.xyz) and cloud.stamp_ns == frame.stamp_ns
        back = moved(cloud.xyz, inverse(frame.a_from_b('lidar_top', 'egovehicle')))
        with np.load(sensors('argoverse2_7fab2350') / f'lidar_{frame.stamp_ns}.npz') as stored:
            assert np.abs(back - stored['xyz'].astype(np.float32)).max() < 2e-5
