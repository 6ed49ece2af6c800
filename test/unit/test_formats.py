"""Data sets in their public layouts: what was written is read back in its place, and comes out of a bag equal."""

import json
import math
import re

import data_sets
import numpy as np
import pytest
from data_sets import MATRIX, World, picture

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.bag import LABELS_TOPIC, POSE_TOPIC, write_drive
from autonomy_nodes.messages.formats.catalogue import FORMATS, detected, drives, frames
from autonomy_nodes.messages.formats.files import paired
from autonomy_nodes.messages.formats.frames import ids_of
from autonomy_nodes.messages.images import read_camera_info, read_compressed
from autonomy_nodes.messages.motion import read_pose, read_transforms
from autonomy_nodes.messages.objects import read_labels
from autonomy_nodes.messages.point_rows import read_points


def argoverse2_compact(folder, world):
    def write(name, columns):
        name = name.rpartition('/')[2]
        listed = {key: np.asarray(column).tolist() for key, column in columns.items()}
        if name in ('annotations', 'city_SE3_egovehicle'):
            np.savez(folder / f'{name}.npz', **columns)
        else:
            rows = [dict(zip(listed, row)) for row in zip(*(listed[key] for key in listed))]
            data_sets.text(folder / f'{name}.json', [json.dumps(rows)])

    def stamped(stamp_ns, xyz, intensity):
        np.savez(folder / f'lidar_{stamp_ns}.npz', xyz=xyz, intensity=intensity, laser=np.arange(len(xyz)) % 64)

    data_sets.argoverse2(folder, world, write, stamped)


def argoverse2(folder, world):
    pyarrow, feather = pytest.importorskip('pyarrow'), pytest.importorskip('pyarrow.feather')

    def write(name, columns):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        feather.write_feather(pyarrow.table(columns), str(folder / f'{name}.feather'))

    def stamped(stamp_ns, xyz, intensity):
        laser = np.arange(len(xyz), dtype=np.uint8) % 64
        table = {'x': xyz[:, 0], 'y': xyz[:, 1], 'z': xyz[:, 2], 'intensity': intensity, 'laser_number': laser}
        write(f'sensors/lidar/{stamp_ns}', table | {'offset_ns': np.zeros(len(xyz), np.int32)})

    data_sets.argoverse2(folder, world, write, stamped)


class Case:
    """A layout: how it is written, the camera's name, how exact points are, whether pictures are taken later."""

    def __init__(self, name, write, camera, exact_m=1e-4, later_us=0, mounted=True):
        self.name, self.write, self.camera, self.exact_m = name, write, camera, exact_m
        self.later_us, self.mounted = later_us, mounted


LATER = data_sets.CAMERA_LATER_US
CASES = {
    'nuscenes': Case('nuscenes', data_sets.nuscenes, 'front_left', later_us=LATER),
    'argoverse2': Case('argoverse2', argoverse2, 'ring_front_left', 0.05, LATER),
    'argoverse2-compact': Case('argoverse2', argoverse2_compact, 'ring_front_left', 0.05, LATER),
    'semantickitti': Case('semantickitti', data_sets.semantickitti, 'front'),
    'rellis3d': Case('rellis3d', data_sets.rellis, 'front', mounted=False),
    'orfd': Case('orfd', data_sets.orfd, 'front', mounted=False),
    'waymo-kitti': Case('waymo-kitti', data_sets.waymo_kitti, 'front'),
}
each_case = pytest.mark.parametrize('case', CASES.values(), ids=list(CASES))


def written(case, folder, world=None):
    folder.mkdir()
    case.write(folder, world or World())
    (drive,) = drives(folder, case.name)
    return drive


@pytest.mark.parametrize('name', [name for name in CASES if name != 'orfd'])  # which tells no poses
def test_points_that_stand_still_stay_where_they_are_in_map(tmp_path, name):
    case, world = CASES[name], World()
    drive = written(case, tmp_path / 'data')
    assert len(drive.frames) == world.frames and list(drive.broken) == []
    first = drive.frames[0].clouds['top']()
    ours_from_map = drive.frames[0].map_from(first.frame)  # some start their map at the first frame
    expected = moved(first.xyz.astype(float), ours_from_map)
    for frame in drive:
        cloud = frame.clouds['top']()
        assert np.abs(moved(cloud.xyz.astype(float), frame.map_from(cloud.frame)) - expected).max() < case.exact_m
        assert cloud.offset_ns is None


def test_the_map_of_semantickitti_begins_at_the_first_vehicle_and_is_level(tmp_path):
    """The file tells poses of a camera: 8 m/s and 2 m/s in map, seen from a vehicle that is turned by 0.3."""
    drive = written(CASES['semantickitti'], tmp_path / 'data')
    assert np.allclose(drive.frames[0].map_from('base_link'), np.eye(4), atol=1e-9)
    shift = data_sets.turned([0, 0, 0], -0.3)[:3, :3] @ [0.8, 0.2, 0.0]
    assert drive.frames[1].map_from('base_link')[:3, 3] == pytest.approx(shift, abs=1e-9)


@each_case
def test_points_fall_on_the_pixels_at_which_they_were_taken(tmp_path, case):
    world, drive = World(), written(case, tmp_path / 'data')
    for number, frame in enumerate(drive):
        cloud = frame.clouds['top']()
        camera_from_cloud = frame.camera_from(case.camera, cloud.frame)
        rays = moved(cloud.xyz.astype(float), camera_from_cloud) @ frame.pictures[case.camera].matrix.T
        pixels, ahead = world.pixels(number, case.later_us)
        seen = ahead > 5.0
        assert seen.sum() > 10
        error = np.abs(rays[seen, :2] / rays[seen, 2:] - pixels[seen]).max(axis=1)
        assert (error < 0.01 + case.exact_m * 210.0 / ahead[seen]).all()
        model = frame.pictures[case.camera].camera()
        assert (model.width, model.height) == (data_sets.WIDTH, data_sets.HEIGHT)
        assert np.array_equal(model.matrix, MATRIX)
        taken_ns = (world.micros(number) + case.later_us) * 1000
        if case.name not in ('semantickitti', 'waymo-kitti'):  # which tell no times of their own
            assert (frame.stamp_ns, frame.pictures[case.camera].stamp_ns) == (world.micros(number) * 1000, taken_ns)


@pytest.mark.parametrize('name', ['nuscenes', 'argoverse2', 'argoverse2-compact', 'waymo-kitti'])
def test_boxes_stand_where_people_put_them(tmp_path, name):
    world, drive = World(), written(CASES[name], tmp_path / 'data')
    kinds = {'nuscenes': 'vehicle.bus.rigid', 'waymo-kitti': 'Pedestrian'}
    for number, frame in enumerate(drive):
        truth = frame.truth()
        base_from_box = inverse(world.map_from_base(world.micros(number))) @ world.map_from_box(number)
        heading = math.atan2(base_from_box[1, 0], base_from_box[0, 0])
        assert truth.objects.positions_m[0] == pytest.approx(base_from_box[:3, 3], abs=1e-6)
        assert truth.objects.headings_rad[0] == pytest.approx(heading, abs=1e-6)
        assert truth.objects.dimensions_m[0] == pytest.approx(world.size)
        assert truth.kinds == (kinds.get(name, 'BUS'),)
        assert truth.objects.labels[0] == (Label.PEDESTRIAN if name == 'waymo-kitti' else Label.BUS)
        assert truth.points[0] == (-1 if name == 'waymo-kitti' else 7 + number)


def test_velocities_of_nuscenes_are_those_between_the_boxes_around(tmp_path):
    """1 m a tenth of a second along x of map, seen from a vehicle that is turned by 0.3 + 0.02 a frame."""
    drive = written(CASES['nuscenes'], tmp_path / 'data')
    for number, frame in enumerate(drive):
        expected = 10.0 * np.array([math.cos(0.3 + 0.02 * number), -math.sin(0.3 + 0.02 * number)])
        assert frame.truth().objects.velocities_mps[0] == pytest.approx(expected, abs=1e-6)


def test_sweeps_of_nuscenes_between_samples_have_the_nearest_picture_and_no_boxes(tmp_path):
    written(CASES['nuscenes'], tmp_path / 'data')
    path = tmp_path / 'data/v1.0-mini/sample_data.json'
    rows = json.loads(path.read_text())
    for row in rows:
        row['is_key_frame'] = row['sample_token'] != 's1'
    path.write_text(json.dumps(rows))
    first, second, third = drives(tmp_path / 'data')[0]
    assert [frame.name for frame in (first, second, third)] == ['s0', 'LIDAR_TOP1', 's2']
    assert second.truth is None and first.truth is not None
    assert second.pictures['front_left'].stamp_ns - second.stamp_ns == LATER * 1000


@each_case
def test_a_bag_gives_back_what_was_read(tmp_path, case):
    drive = written(case, tmp_path / 'data')
    summary = write_drive(drive, tmp_path / 'out.mcap')
    assert summary.broken == [] and summary.counts['sweeps'] == summary.counts['pictures'] == len(drive.frames)
    found = {}
    for topic, _, _, data in Recording(tmp_path / 'out.mcap').messages():
        found.setdefault(topic, []).append(data)
    mounts = read_transforms(found['/tf_static'][0]).matrices
    assert mounts.keys() == dict(drive.frames[0].mounts).keys()
    for pair, matrix in drive.frames[0].mounts.items():
        assert np.allclose(mounts[pair], matrix, atol=1e-9)
    assert any('not told' in note for note in summary.notes) != case.mounted
    for number, frame in enumerate(drive):
        cloud, again = frame.clouds['top'](), read_cloud(found['/sensing/lidar/top/pointcloud_raw'][number])
        for name in ('xyz', 'intensity', 'ring'):
            assert np.array_equal(getattr(cloud, name), getattr(again, name))
        assert (again.stamp_ns, again.frame) == (cloud.stamp_ns, cloud.frame)
        camera = f'/sensing/camera/{case.camera}'
        image = read_compressed(found[f'{camera}/image_raw/compressed'][number])
        assert np.array_equal(image.pixels, picture(number)[:, :, ::-1])
        model = read_camera_info(found[f'{camera}/camera_info'][number])
        assert model.frame == image.frame == f'camera_{case.camera}' and model.stamp_ns == image.stamp_ns
        assert np.array_equal(model.distortion, frame.pictures[case.camera].distortion)
        if frame.truth is not None:
            labels, objects = read_labels(found['/ground_truth/objects'][number]), frame.truth().objects
            assert np.allclose(labels.positions_m, objects.positions_m, atol=1e-6)
            assert np.array_equal(labels.ids, objects.ids) and np.array_equal(labels.labels, objects.labels)
        if (pose := frame.pose()) is not None:
            assert np.allclose(read_pose(found['/' + POSE_TOPIC[0]][number]).position_m, pose.position_m)
        if frame.labels is not None:
            rows = read_points(found['/' + LABELS_TOPIC[0]][number]).rows
            assert np.array_equal(rows['label'], frame.labels().ids)
            assert np.array_equal(rows['instance'], frame.labels().instances)
            assert np.array_equal(rows['y'], cloud.xyz[:, 1])


def test_the_meaning_of_points_and_pixels_is_read_as_it_was_written(tmp_path):
    world, kitti = World(), written(CASES['semantickitti'], tmp_path / 'kitti')
    labels = kitti.frames[2].labels()
    assert labels.scheme == 'semantickitti' and labels.ids.tolist() == [row % 40 for row in range(len(world.points))]
    assert set(labels.instances.tolist()) == {3}
    rellis = written(CASES['rellis3d'], tmp_path / 'rellis')
    assert set(rellis.frames[1].labels().ids.tolist()) == {4}
    assert np.array_equal(rellis.frames[1].areas['front'](), picture(1)[:, :, 0])
    depth = written(CASES['orfd'], tmp_path / 'orfd').frames[1].depths['front']()
    assert np.isnan(depth[0]).all() and (depth[1:] == 2.0).all()


@each_case
def test_a_folder_is_known_by_its_looks(tmp_path, case):
    written(case, tmp_path / 'data')
    assert detected(tmp_path / 'data').name == case.name
    assert len(list(frames(tmp_path / 'data'))) == World().frames


@each_case
def test_one_broken_sweep_is_counted_and_the_rest_goes_on(tmp_path, case):
    drive = written(case, tmp_path / 'data')
    endings = ('*.bin', '*.pcd.bin', 'sensors/lidar/*.feather', 'lidar_*.npz')
    broken = sorted({path for ending in endings for path in (tmp_path / 'data').rglob(ending)})[1]
    broken.write_bytes(b'12345')
    summary = write_drive(drive, tmp_path / 'out.mcap')
    assert summary.counts['sweeps'] == 2 and any(str(broken) in text for text in summary.broken)


HARMLESS = {  # what is not needed for a recording, or may be missing
    'nuscenes': ('gone sample_annotation.json', 'gone 0.pcd.bin', 'gone 0.png'),
    'argoverse2': ('gone annotations.feather',), 'argoverse2-compact': ('gone annotations.npz',),
    'semantickitti': ('gone times.txt', 'gone poses.txt', 'gone calib.txt'), 'rellis3d': ('gone poses.txt',),
}  # fmt: skip
UNREAD = ('dense_depth', 'pylon_camera_node_label_id')  # not part of a recording
MANY = ('.png', '.bin', '.label')  # of which each frame has its own


@each_case
@pytest.mark.parametrize('harm', ['gone', 'garbage'])
def test_whatever_is_missing_or_torn_is_named_and_nothing_crashes(tmp_path, capsys, case, harm):
    name = next(key for key, value in CASES.items() if value is case)
    written(case, tmp_path / 'data')
    paths = {(path.parent, path.suffix, '' if path.suffix in MANY else path.name): path
             for path in sorted((tmp_path / 'data').rglob('*'), reverse=True) if path.is_file()}  # fmt: skip
    for number, path in enumerate(paths.values()):
        content = path.read_bytes()
        path.unlink() if harm == 'gone' else path.write_bytes(bytes(range(256)) * 4 + b'!')
        code = main(['import', case.name, str(tmp_path / 'data'), str(tmp_path / f'{number}.mcap')])
        told = capsys.readouterr()
        path.write_bytes(content)
        assert code in (0, 2)
        gap = harm == 'gone' and path.parent.name != 'calib' and re.search(r'\d{6}', path.stem)
        if not gap and path.parent.name not in UNREAD and f'{harm} {path.name}' not in HARMLESS.get(name, ()):
            assert path.stem in told.out + told.err, f'{harm} {path}'


@pytest.mark.parametrize('name', list(FORMATS))
def test_an_empty_folder_ends_with_the_folder_named_and_exit_code_2(tmp_path, capsys, name):
    (tmp_path / 'empty').mkdir()
    assert main(['import', name, str(tmp_path / 'empty'), str(tmp_path / 'out.mcap')]) == 2
    assert str(tmp_path / 'empty') in capsys.readouterr().err
    assert main(['import', name, str(tmp_path / 'nowhere'), str(tmp_path / 'out.mcap')]) == 2
    assert str(tmp_path / 'nowhere') in capsys.readouterr().err


def test_a_mount_that_the_data_set_lacks_is_given_by_hand(tmp_path, capsys):
    written(CASES['orfd'], tmp_path / 'data')
    command = ['import', 'auto', str(tmp_path / 'data'), str(tmp_path / 'out.mcap')]
    assert main([*command, '--mount', 'lidar_level=0.5,0,1.8,0,0,0']) == 0
    assert 'not told: give --mount, or mounts' not in capsys.readouterr().out
    mounts = read_transforms(next(Recording(tmp_path / 'out.mcap').messages(topics=['tf_static']))[3]).matrices
    assert mounts['base_link', 'lidar_level'][:3, 3] == pytest.approx([0.5, 0.0, 1.8])
    for words in ('lidar_level=1,2', 'nonsense', 'lidar_of_mine=0,0,0,0,0,0'):
        assert main([*command[:3], str(tmp_path / 'b.mcap'), '--mount', words]) == 2
        assert words.partition('=')[0] in capsys.readouterr().err


def test_of_several_drives_one_is_chosen(tmp_path, capsys):
    for name in ('00000', '00001'):
        written(CASES['rellis3d'], tmp_path / name)
    command = ['import', 'rellis3d', str(tmp_path), str(tmp_path / 'out.mcap')]
    assert main(command) == 2
    assert 'there are 2 drives: 00000, 00001' in capsys.readouterr().err
    assert main([*command, '--drive', '00001']) == 0


def test_each_picture_goes_to_its_nearest_sweep_once():
    """Sweeps at 0, 100, 200; of the pictures at 40, 60 and 90 the first is nearest to 0, the last to 100."""
    assert paired([0, 100, 200], [40, 60, 90, 310], 60) == {0: 40, 100: 90}


def test_ids_are_those_of_the_data_set_or_a_digest():
    ids = ids_of(['1046f12a-152a-4e82-b61b-75468bcda8ae', 'a track', 'another'])
    assert bytes(ids[0]).hex() == '1046f12a152a4e82b61b75468bcda8ae'
    assert len({bytes(row) for row in ids}) == 3 and ids.shape == (3, 16)


def test_a_format_that_needs_a_library_says_which_extra_brings_it(tmp_path, monkeypatch):
    import autonomy_nodes.messages.formats.files as files

    def nothing(name):
        raise ImportError(name)

    monkeypatch.setattr(files, 'import_module', nothing)
    with pytest.raises(DataError, match=r"x.feather.*pyarrow.*pip install 'autonomy_nodes\[import\]'"):
        files.read_table(tmp_path / 'x.feather', 'a')
