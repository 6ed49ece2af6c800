"""Drives of KITTI as recordings: files that the test wrote come back equal; labels lie where the picture shows them."""

import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from autonomy_nodes.common.geometry import inverse, moved, quaternion_of_heading, rotation_of
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.kitti import BASE_FROM_VELO, kitti_truth, oxts_pose
from autonomy_nodes.messages.formats.kitti_files import EPOCH_NS, KittiCalibration, KittiFolder, read_sweep
from autonomy_nodes.messages.formats.kitti_labels import KittiLabel
from autonomy_nodes.messages.images import read_camera_info, read_compressed
from autonomy_nodes.messages.motion import read_fix, read_imu, read_transforms
from autonomy_nodes.messages.object_rows import TRACKED, decode_objects

TENTH = 100_000_000
# camera 0 looks along x of the LiDAR, 0.27 m ahead of it and 0.08 m below: its x is right, its y down
CAMERA_FROM_VELO = np.array([[0.0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]])
P2 = np.array([[700.0, 0, 600, 42.0], [0, 700, 180, 0], [0, 0, 1, 0]])


def import_kitti(folder, bag):
    (drive,) = drives(folder, 'kitti')
    return write_drive(drive, bag)


def truth_of(stamp_ns, number, labels, calibration):
    return kitti_truth(stamp_ns, number, labels, calibration, np.zeros((0, 4))).objects


def line(name, matrix):
    return f'{name}: ' + ' '.join(f'{number:.12e}' for number in np.asarray(matrix).ravel()) + '\n'


def calibration_text(projection=P2):
    imu = np.array([[1.0, 0, 0, -0.81], [0, 1, 0, 0.32], [0, 0, 1, -0.8]])
    return (
        line('P2', projection) + line('R0_rect', np.eye(3)) + line('Tr_velo_to_cam', CAMERA_FROM_VELO[:3])
        + line('Tr_imu_to_velo', imu)
    )  # fmt: skip


def points(number, count=50):
    return np.random.default_rng(number).normal(0, 20, (count, 4)).astype('<f4')


def tracking(folder, numbers=(0, 1, 3)):
    """A sequence as the tracking benchmark keeps it, of which frame 2 is missing."""
    for name in ('velodyne', 'image_02'):
        (folder / name).mkdir(parents=True)
    rows = ''
    for number in numbers:
        points(number).tofile(folder / f'velodyne/{number:06d}.bin')
        picture = np.random.default_rng(number).integers(0, 255, (37, 124, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f'image_02/{number:06d}.png'), picture)
        rows += f'{number} -1 DontCare -1 -1 -10 1 2 3 4 -1000 -1000 -1000 -10 -1 -1 -1\n'
        rows += f'{number} 7 Van 0 0 -1.5 100 100 150 140 2.0 1.8 4.5 -3.0 1.65 {20 + number} -1.5707963\n'
    (folder / 'calib.txt').write_text(calibration_text())
    (folder / 'label_02.txt').write_text(rows)
    return folder


def told(bag):
    """{topic: its messages}, and the moments of receipt in order."""
    found, moments = {}, []
    for topic, _, receive_ns, data in Recording(bag).messages():
        found.setdefault(topic, []).append(data)
        moments.append((receive_ns, topic))
    return found, moments


def test_what_was_written_comes_back_equal_with_gaps_kept(tmp_path):
    summary = import_kitti(tracking(tmp_path / 'drive'), tmp_path / 'out.mcap')
    assert summary.counts == {'sweeps': 3, 'pictures': 3, 'labels': 3}
    assert summary.broken == [] and 'stamps assumed: 10 Hz' in summary.notes[0]
    found, moments = told(tmp_path / 'out.mcap')
    clouds = [read_cloud(data) for data in found['/sensing/lidar/top/pointcloud_raw']]
    assert [cloud.stamp_ns for cloud in clouds] == [EPOCH_NS, EPOCH_NS + TENTH, EPOCH_NS + 3 * TENTH]
    for number, cloud in zip((0, 1, 3), clouds):
        assert np.array_equal(np.column_stack([cloud.xyz, cloud.intensity]), points(number))
        assert (cloud.frame, cloud.ring, cloud.offset_ns) == ('lidar_top', None, None)
    image = read_compressed(found['/sensing/camera/front/image_raw/compressed'][2])
    expected = cv2.cvtColor(cv2.imread(str(tmp_path / 'drive/image_02/000003.png')), cv2.COLOR_BGR2RGB)
    assert np.array_equal(image.pixels, expected)
    assert (image.stamp_ns, image.frame) == (EPOCH_NS + 3 * TENTH, 'camera_front')
    model = read_camera_info(found['/sensing/camera/front/camera_info'][0])
    assert (model.width, model.height, model.matrix[0, 0], model.distortion.any()) == (124, 37, 700.0, False)
    order = [topic.rpartition('/')[2] for receive_ns, topic in moments if receive_ns < EPOCH_NS + TENTH // 2]
    assert order == ['tf_static', 'objects', 'camera_info', 'compressed', 'pointcloud_raw']


def test_the_sensors_sit_where_the_calibration_and_the_published_setup_say(tmp_path):
    """P2 of camera 2: 42 / 700 = 0.06 m left of camera 0. The IMU comes out 0.05 m behind the axle."""
    import_kitti(tracking(tmp_path / 'drive'), tmp_path / 'out.mcap')
    mounts = read_transforms(told(tmp_path / 'out.mcap')[0]['/tf_static'][0]).matrices
    assert mounts['base_link', 'lidar_top'][:3, 3] == pytest.approx([0.76, 0.0, 1.73])
    assert mounts['base_link', 'camera_front'][:3, 3] == pytest.approx([1.03, 0.06, 1.65])
    assert mounts['base_link', 'camera_front'][:3, 2] == pytest.approx([1, 0, 0], abs=1e-9)  # z looks ahead
    assert mounts['base_link', 'imu_link'][:3, 3] == pytest.approx([-0.05, 0.32, 0.93])


def test_the_rectification_belongs_to_the_way_from_lidar_to_camera(tmp_path):
    folder = tracking(tmp_path / 'drive')
    turn = rotation_of(quaternion_of_heading(0.1))
    text = calibration_text().replace(line('R0_rect', np.eye(3)), line('R0_rect', turn))
    (folder / 'calib.txt').write_text(text)
    expected = np.eye(4)
    expected[:3, :3] = turn
    assert np.allclose(KittiFolder(folder).calibration(0).camera_from_velo, expected @ CAMERA_FROM_VELO)


def test_a_label_becomes_a_box_in_base_link():
    """Bottom at 1.65 below camera 0 is the road; 20 m before the camera, 3 m to its left; yaw -90 deg faces ahead."""
    calibration = KittiCalibration(CAMERA_FROM_VELO, {}, None)
    labels = [
        KittiLabel('Van', 7, (4.5, 1.8, 2.0), (-3.0, 1.65, 20.0), -math.pi / 2),
        KittiLabel('Tram', -1, (9.0, 2.0, 3.0), (0.0, 1.65, 30.0), 0.0),
    ]
    truth = truth_of(5, 12, labels, calibration)
    assert truth.positions_m == pytest.approx(np.array([[21.03, 3.0, 1.0], [31.03, 0.0, 1.5]]))
    assert truth.headings_rad == pytest.approx([0.0, -math.pi / 2], abs=1e-9)
    assert truth.dimensions_m[0] == pytest.approx([4.5, 1.8, 2.0])
    assert truth.labels.tolist() == [Label.CAR, Label.UNKNOWN]
    assert truth.names()[0] == '00000007' and bytes(truth.ids[0]) != bytes(truth.ids[1])
    assert np.isnan(truth.velocities_mps).all()
    assert len(truth_of(5, 12, [], calibration)) == 0


def test_what_else_people_told_of_a_box_is_kept(tmp_path):
    truth = drives(tracking(tmp_path / 'drive'), 'kitti')[0].frames[0].truth()
    assert truth.kinds == ('Van',) and (truth.truncated[0], truth.occluded[0]) == (0.0, 0.0)
    assert truth.boxes_px['front'].tolist() == [[100.0, 100.0, 150.0, 140.0]]
    assert truth.ignored_px['front'].tolist() == [[1.0, 2.0, 3.0, 4.0]]


def test_truth_stands_beside_each_sweep_of_the_labelled_stretch(tmp_path):
    folder = tracking(tmp_path / 'drive', numbers=(0, 1, 2, 3, 4))
    kept = [row for row in (folder / 'label_02.txt').read_text().splitlines() if row.split()[0] in '02']
    (folder / 'label_02.txt').write_text('\n'.join(kept))
    import_kitti(folder, tmp_path / 'out.mcap')
    rows = [decode_objects(TRACKED, data) for data in told(tmp_path / 'out.mcap')[0]['/' + topics.TRUTH_LABELS.name]]
    assert [(stamp_ns - EPOCH_NS) // TENTH for stamp_ns, _, _ in rows] == [0, 1, 2]  # 3 and 4: nobody looked
    assert [(frame, len(objects)) for _, frame, objects in rows] == [('base_link', count) for count in (1, 0, 1)]


def test_one_broken_frame_is_named_and_the_rest_goes_on(tmp_path):
    folder = tracking(tmp_path / 'drive')
    (folder / 'velodyne/000001.bin').write_bytes(b'\0' * 33)
    (folder / 'image_02/000003.png').write_bytes(b'no picture')
    with (folder / 'label_02.txt').open('a') as table:
        table.write('3 8 Car 0 0 nonsense\n')
    summary = import_kitti(folder, tmp_path / 'out.mcap')
    assert summary.counts['sweeps'] == 2 and summary.counts['pictures'] == 2 and summary.counts['labels'] == 2
    text = '\n'.join(summary.lines())
    for words in ('000001.bin: 33 bytes are no sweep', '000003.png: picture is neither', 'label_02.txt:7: is no label'):
        assert words in text


@pytest.mark.parametrize(
    'harm, words',
    [
        (lambda folder: [path.unlink() for path in (folder / 'velodyne').iterdir()], 'holds no sweeps'),
        (lambda folder: (folder / 'velodyne').rename(folder / 'else'), 'holds neither velodyne'),
        (lambda folder: (folder / 'calib.txt').write_text(line('P2', P2)), 'calib.txt: says nowhere how the LiDAR'),
        (lambda folder: (folder / 'calib.txt').write_text('Tr_velo_to_cam: 1 2 3'), 'holds 3 numbers, expected 12'),
        (lambda folder: (folder / 'times.txt').write_text('0.0\n0.1\n'), 'times.txt: 2 increasing times needed'),
        (lambda folder: [path.write_bytes(b'') for path in (folder / 'velodyne').iterdir()], 'not one sweep can be'),
    ],
)
def test_what_cannot_be_imported_names_the_file_and_leaves_nothing_behind(tmp_path, harm, words):
    folder = tracking(tmp_path / 'drive')
    harm(folder)
    with pytest.raises(DataError, match=words):
        import_kitti(folder, tmp_path / 'out.mcap')
    assert [path.name for path in tmp_path.iterdir()] == ['drive']


def test_a_recording_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / 'out.mcap').write_text('dear')
    with pytest.raises(DataError, match='exists already'):
        import_kitti(tracking(tmp_path / 'drive'), tmp_path / 'out.mcap')
    assert (tmp_path / 'out.mcap').read_text() == 'dear'


def test_without_calibration_there_are_sweeps_alone(tmp_path):
    folder = tracking(tmp_path / 'drive')
    (folder / 'calib.txt').unlink()
    summary = import_kitti(folder, tmp_path / 'out.mcap')
    assert 'no calibration file' in summary.notes[1]
    assert sorted(told(tmp_path / 'out.mcap')[0]) == ['/sensing/lidar/top/pointcloud_raw', '/tf_static']


def test_the_whole_tracking_benchmark_asks_for_a_sequence(tmp_path):
    tracking(tmp_path / 'one')
    for name in ('velodyne', 'image_02'):
        (tmp_path / 'all' / name).mkdir(parents=True)
        (tmp_path / 'one' / name).rename(tmp_path / 'all' / name / '0005')
    for name, file in (('calib', 'calib.txt'), ('label_02', 'label_02.txt')):
        (tmp_path / 'all' / name).mkdir()
        (tmp_path / 'one' / file).rename(tmp_path / 'all' / name / '0005.txt')
    with pytest.raises(DataError, match=r'sequences 0005.*give .*velodyne/0005'):
        KittiFolder(tmp_path / 'all')
    summary = import_kitti(tmp_path / 'all/velodyne/0005', tmp_path / 'out.mcap')
    assert summary.counts == {'sweeps': 3, 'pictures': 3, 'labels': 3}


def test_a_raw_drive_brings_its_own_times_and_satellite_positions(tmp_path):
    drive = tmp_path / '2011_09_26/2011_09_26_drive_0005_sync'
    for name in ('velodyne_points/data', 'image_02/data', 'oxts/data'):
        (drive / name).mkdir(parents=True)
    for number in (0, 1):
        points(number).tofile(drive / f'velodyne_points/data/{number:010d}.bin')
        cv2.imwrite(str(drive / f'image_02/data/{number:010d}.png'), np.zeros((37, 124, 3), np.uint8))
        oxts = [49.0, 8.0, 100.0] + [0.0] * 8 + [0.1, 0.2, 9.8] + [0.0] * 3 + [0.01, 0.02, 0.03] + [0.0] * 3 + [0.5] * 7
        (drive / f'oxts/data/{number:010d}.txt').write_text(' '.join(map(str, oxts)))
    times = '2011-09-26 13:02:25.954389445\n2011-09-26 13:02:26.057734000\n'
    (drive / 'velodyne_points/timestamps.txt').write_text(times)
    (drive.parent / 'calib_cam_to_cam.txt').write_text(
        'calib_time: 09-Jan-2012 13:57:47\n' + line('P_rect_02', P2) + line('R_rect_00', np.eye(3))
    )
    for name, turn, shift in (
        ('velo_to_cam', CAMERA_FROM_VELO[:3, :3], CAMERA_FROM_VELO[:3, 3]),
        ('imu_to_velo', np.eye(3), [-0.81, 0.32, -0.8]),
    ):
        (drive.parent / f'calib_{name}.txt').write_text(line('R', turn) + line('T', shift))
    summary = import_kitti(drive, tmp_path / 'out.mcap')
    assert summary.counts == {'sweeps': 2, 'pictures': 2, 'samples of motion': 4, 'poses': 2}
    assert summary.notes == ['stamps velodyne_points/timestamps.txt']
    found, _ = told(tmp_path / 'out.mcap')
    stamps = [read_cloud(data).stamp_ns for data in found['/sensing/lidar/top/pointcloud_raw']]
    assert stamps == [1_317_042_145_954_389_445, 1_317_042_146_057_734_000]
    fix, imu = read_fix(found['/sensing/gnss/fix'][0]), read_imu(found['/sensing/imu/imu_data'][0])
    assert (fix.llh.tolist(), fix.covariance[0, 0], fix.frame) == ([49.0, 8.0, 100.0], 0.25, 'imu_link')
    assert (imu.angular_rps.tolist(), imu.acceleration_mps2.tolist()) == ([0.01, 0.02, 0.03], [0.1, 0.2, 9.8])


def test_a_vehicle_that_drives_east_moves_along_its_own_x():
    """At 49 degrees a thousandth of a degree of longitude is 73.03 m; yaw 0 is east, 90 degrees north."""
    numbers = np.zeros(30)
    numbers[:3] = 49.0, 8.0, 100.0
    start = oxts_pose(numbers, 49.0)
    numbers[1] += 0.001
    assert (inverse(start) @ oxts_pose(numbers, 49.0))[:3, 3] == pytest.approx([73.03, 0.0, 0.0], abs=0.01)
    numbers[:2] = 49.001, 8.0
    assert (inverse(start) @ oxts_pose(numbers, 49.0))[:3, 3] == pytest.approx([0.0, 111.32, 0.0], abs=0.01)
    numbers[:2], numbers[5] = (49.0, 8.0), math.pi / 2
    assert (inverse(start) @ oxts_pose(numbers, 49.0))[:3, 0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-9)


def test_a_raw_drive_tells_the_times_of_its_pictures_and_its_tracks(tmp_path):
    """Frame 1 has no sweep and an empty line; its picture was taken 10 ms before the sweep would have been."""
    drive = tmp_path / '2011_09_26/2011_09_26_drive_0009_sync'
    for name in ('velodyne_points/data', 'image_02/data'):
        (drive / name).mkdir(parents=True)
    for number in (0, 1, 2):
        if number != 1:
            points(number).tofile(drive / f'velodyne_points/data/{number:010d}.bin')
        cv2.imwrite(str(drive / f'image_02/data/{number:010d}.png'), np.zeros((37, 124, 3), np.uint8))
    (drive / 'velodyne_points/timestamps.txt').write_text('2011-09-26 13:02:25.1\n\n2011-09-26 13:02:25.3\n')
    (drive / 'image_02/timestamps.txt').write_text(
        '2011-09-26 13:02:25.09\n2011-09-26 13:02:25.19\n2011-09-26 13:02:25.29\n'
    )
    (drive.parent / 'calib_cam_to_cam.txt').write_text(line('P_rect_02', P2) + line('R_rect_00', np.eye(3)))
    text = line('R', CAMERA_FROM_VELO[:3, :3]) + line('T', CAMERA_FROM_VELO[:3, 3])
    (drive.parent / 'calib_velo_to_cam.txt').write_text(text)
    pose = '<item><tx>10</tx><ty>2</ty><tz>-1.7</tz><rx>0</rx><ry>0</ry><rz>0.5</rz><occlusion>1</occlusion>'
    pose += '<truncation>99</truncation></item>'
    item = '<item><objectType>Van</objectType><h>2</h><w>1.8</w><l>4.5</l><first_frame>2</first_frame>'
    item += f'<poses><count>1</count>{pose}</poses></item>'
    tracks = f'<boost_serialization><tracklets><count>1</count>{item}</tracklets></boost_serialization>'
    (drive / 'tracklet_labels.xml').write_text(tracks)
    (found,) = drives(drive, 'kitti')
    moments = [(frame.stamp_ns - found.frames[0].stamp_ns) // 1_000_000 for frame in found]
    assert moments == [0, 90, 200]
    assert [(frame.pictures['front'].stamp_ns - frame.stamp_ns) // 1_000_000 for frame in found] == [-10, 0, -10]
    assert len(found.frames[0].truth().kinds) == 0 and found.frames[1].truth is None
    truth = found.frames[2].truth()
    assert truth.objects.positions_m[0] == pytest.approx([10.76, 2.0, 1.03])  # 1.73 - 1.7 + half of 2 m
    assert truth.objects.dimensions_m[0] == pytest.approx([4.5, 1.8, 2.0]) and truth.objects.headings_rad[0] == 0.5
    assert truth.occluded[0] == 1.0 and np.isnan(truth.truncated[0]) and truth.kinds == ('Van',)
    (drive / 'tracklet_labels.xml').write_text(tracks.replace('<tx>10</tx>', ''))
    (torn,) = drives(drive, 'kitti')
    assert 'tracklet_labels.xml: holds no tracklets (tx of item is no number)' in torn.broken[0]


def test_compact_sweeps_are_unpacked(tmp_path):
    """Steps of 4 mm from point to point, intensity in hundredths."""
    steps = np.array([[1000, 250], [0, -250], [5, 0]], np.int32)
    np.savez(tmp_path / '0.npz', dxyz=steps, intensity=np.array([50, 7], np.uint8), q_mm=np.int32(4), iscale=100.0)
    xyz, intensity = read_sweep(tmp_path / '0.npz')
    assert xyz == pytest.approx(np.array([[4.0, 0.0, 0.02], [5.0, -1.0, 0.02]]))
    assert intensity == pytest.approx([0.5, 0.07])
    (tmp_path / '1.npz').write_bytes(b'PK\x03\x04 broken')
    with pytest.raises(DataError, match='1.npz: cannot be read'):
        read_sweep(tmp_path / '1.npz')


def test_on_a_real_frame_labels_and_points_lie_where_the_picture_shows_them(tmp_path):
    """Of each labelled box the projected corners enclose the drawn rectangle, and its points fall inside that."""
    folder = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'sensors/kitti_object'
    if not folder.is_dir():
        pytest.skip(f'no frame: {folder} is missing; set AUTONOMY_DATA')
    import_kitti(folder, tmp_path / 'out.mcap')
    found, _ = told(tmp_path / 'out.mcap')
    camera_from_base = inverse(read_transforms(found['/tf_static'][0]).matrices['base_link', 'camera_front'])
    matrix = read_camera_info(found['/sensing/camera/front/camera_info'][0]).matrix
    xyz = moved(read_cloud(found['/sensing/lidar/top/pointcloud_raw'][0]).xyz.astype(float), BASE_FROM_VELO)
    drive = KittiFolder(folder)
    truth = truth_of(1, 1, drive.labels()[0][1], drive.calibration(1))
    rows = [line.split() for line in (folder / 'label_2/000001.txt').read_text().splitlines()]
    drawn = [[float(word) for word in row[4:8]] for row in rows if row[0] != 'DontCare']

    def pixels(place):
        rays = moved(place, camera_from_base) @ matrix.T
        return rays[:, :2] / rays[:, 2:]

    assert len(truth) == len(drawn) == 3
    hits = 0
    for centre, heading, size, (left, top, right, bottom) in zip(
        truth.positions_m, truth.headings_rad, truth.dimensions_m, drawn
    ):
        turn = rotation_of(quaternion_of_heading(heading))
        signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
        corners = pixels((signs * size) @ turn.T + centre)
        box = [*corners.min(axis=0), *corners.max(axis=0)]
        assert box == pytest.approx([left, top, right, bottom], abs=3.0)
        inside = (np.abs((xyz - centre) @ turn) < size / 2).all(axis=1)
        seen = pixels(xyz[inside])
        hits += len(seen)
        assert ((seen >= [left - 3, top - 3]) & (seen <= [right + 3, bottom + 3])).all()
    assert hits > 30
