"""Files of points: each kind gives the points that were written, by the names of their fields."""

import struct

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.catalogue import detected, drives
from autonomy_nodes.messages.formats.point_files import read_file, stamps_of

FIELDS = [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('intensity', '<f4'), ('ring', '<u2'), ('t', '<u4')]


def table(count=40, seed=0):
    random = np.random.default_rng(seed)
    rows = np.zeros(count, FIELDS)
    for axis in 'xyz':
        rows[axis] = random.normal(0, 20, count)
    rows['intensity'], rows['ring'] = random.integers(0, 255, count), random.integers(0, 64, count)
    rows['t'] = np.sort(random.integers(0, 100_000_000, count))
    return rows


def head(rows, kind):
    names = rows.dtype.names
    kinds = {'f': 'F', 'u': 'U', 'i': 'I'}
    lines = ['# .PCD v0.7 - Point Cloud Data file format', 'VERSION 0.7', f'FIELDS {" ".join(names)}']
    lines += [f'SIZE {" ".join(str(rows.dtype[name].itemsize) for name in names)}']
    lines += [f'TYPE {" ".join(kinds[rows.dtype[name].kind] for name in names)}']
    lines += [f'COUNT {" ".join("1" for _ in names)}', f'WIDTH {len(rows)}', 'HEIGHT 1', 'VIEWPOINT 0 0 0 1 0 0 0']
    return '\n'.join([*lines, f'POINTS {len(rows)}', f'DATA {kind}', '']).encode()


def ascii_pcd(path, rows):
    words = '\n'.join(' '.join(f'{float(value):.9g}' if rows.dtype[name].kind == 'f' else str(value)
                               for name, value in zip(rows.dtype.names, row)) for row in rows.tolist())  # fmt: skip
    path.write_bytes(head(rows, 'ascii') + words.encode() + b'\n')


def binary_pcd(path, rows):
    path.write_bytes(head(rows, 'binary') + rows.tobytes())


def packed_pcd(path, rows):
    """A column after another, packed by literal runs of at most 32 bytes: an encoder of LZF that saves nothing."""
    plain = b''.join(rows[name].tobytes() for name in rows.dtype.names)
    runs = [plain[start : start + 32] for start in range(0, len(plain), 32)]
    packed = b''.join(bytes([len(run) - 1]) + run for run in runs)
    path.write_bytes(head(rows, 'binary_compressed') + struct.pack('<II', len(packed), len(plain)) + packed)


PCD = {'ascii': ascii_pcd, 'binary': binary_pcd, 'binary_compressed': packed_pcd}


@pytest.mark.parametrize('kind', list(PCD))
def test_pcd_of_each_kind_gives_back_every_field(tmp_path, kind):
    pytest.importorskip('pypcd4')
    rows = table()
    PCD[kind](tmp_path / 'sweep.pcd', rows)
    cloud = read_file(tmp_path / 'sweep.pcd', 5)
    assert np.array_equal(cloud.xyz, np.column_stack([rows[axis] for axis in 'xyz']))
    assert np.array_equal(cloud.intensity, rows['intensity']) and np.array_equal(cloud.ring, rows['ring'])
    assert np.array_equal(cloud.offset_ns, rows['t']) and cloud.stamp_ns == 5


def test_points_that_are_nan_are_left_out_and_counted(tmp_path):
    pytest.importorskip('pypcd4')
    rows = table()
    rows['y'][3] = np.nan
    binary_pcd(tmp_path / 'sweep.pcd', rows)
    cloud = read_file(tmp_path / 'sweep.pcd')
    assert (len(cloud), cloud.removed) == (39, 1)
    assert np.array_equal(cloud.ring, np.delete(rows['ring'], 3))


@pytest.mark.parametrize('text', [True, False])
def test_ply_gives_back_every_field(tmp_path, text):
    pytest.importorskip('trimesh')
    rows = table()
    words = {'f4': 'float', 'f8': 'double', 'u1': 'uchar', 'u2': 'ushort', 'u4': 'uint', 'i4': 'int'}
    fields = [f'property {words[rows.dtype[name].str[1:]]} {name}' for name in rows.dtype.names]
    kind = 'ascii' if text else 'binary_little_endian'
    head = ['ply', f'format {kind} 1.0', f'element vertex {len(rows)}', *fields, 'end_header', '']
    body = '\n'.join(' '.join(map(str, row.tolist())) for row in rows).encode() if text else rows.tobytes()
    (tmp_path / 'sweep.ply').write_bytes('\n'.join(head).encode() + body)
    cloud = read_file(tmp_path / 'sweep.ply')
    assert np.allclose(cloud.xyz, np.column_stack([rows[axis] for axis in 'xyz']), atol=1e-4 if text else 0)
    assert np.array_equal(cloud.ring, rows['ring']) and np.array_equal(cloud.offset_ns, rows['t'])


@pytest.mark.parametrize('ending', ['las', 'laz'])
def test_las_of_a_survey_is_moved_to_near_zero_and_says_by_how_much(tmp_path, ending):
    """Coordinates of UTM in millimetres: float32 holds them only when they are moved by whole metres."""
    laspy = pytest.importorskip('laspy')
    pytest.importorskip('lazrs')
    xyz = np.random.default_rng(1).uniform([456_000, 5_428_000, 110], [456_080, 5_428_050, 130], (50, 3)).round(3)
    header = laspy.LasHeader(point_format=1, version='1.2')
    header.offsets, header.scales = xyz.min(axis=0).round(), np.full(3, 0.001)
    survey = laspy.LasData(header)
    survey.x, survey.y, survey.z = xyz.T
    survey.intensity = np.arange(50)
    survey.write(str(tmp_path / f'map.{ending}'))
    (drive,) = drives(tmp_path / f'map.{ending}')
    frame = drive.frames[0]
    cloud, (name, placed) = frame.clouds['top'](), frame.placed
    assert name == cloud.frame and np.abs(cloud.xyz).max() < 100 and cloud.offset_ns is None
    assert np.abs(cloud.xyz + placed[:3, 3] - xyz).max() < 6e-4
    assert np.array_equal(cloud.intensity, np.arange(50))


def test_a_folder_of_files_is_a_drive_in_order_of_time(tmp_path, capsys):
    for number in (2, 0, 11):
        rows = np.random.default_rng(number).normal(0, 9, (5, 4)).astype('<f4')
        rows.tofile(tmp_path / f'{number}.bin')
    assert detected(tmp_path).name == 'files'
    assert main(['import', 'files', str(tmp_path), str(tmp_path / 'out.mcap')]) == 0
    clouds = [read_cloud(data) for *_, data in Recording(tmp_path / 'out.mcap').messages()]
    assert [(cloud.stamp_ns - clouds[0].stamp_ns) // 100_000_000 for cloud in clouds] == [0, 2, 11]
    assert np.array_equal(clouds[1].xyz, np.fromfile(tmp_path / '2.bin', '<f4').reshape(-1, 4)[:, :3])


def test_names_that_are_times_are_stamps():
    assert stamps_of(['1700000000123', '1700000000223']) == [1_700_000_000_123_000_000, 1_700_000_000_223_000_000]
    assert stamps_of(['1700000000.5', '1700000000.75'])[0] == 1_000_000_000  # too short a fraction to be one
    assert stamps_of(['1700000000.500']) == [1_700_000_000_500_000_000]
    assert stamps_of(['1581624652_750000001']) == [1_581_624_652_750_000_001]
    assert stamps_of(['000003', '000005']) == [1_300_000_000, 1_500_000_000]


@pytest.mark.parametrize(
    'name, content, words',
    [
        ('a.pcd', b'VERSION 0.7\nFIELDS x y z\n', 'a.pcd: cannot be read'),
        ('a.pcd', b'\x00\xff\xfe', 'a.pcd: cannot be read'),
        ('a.ply', b'ply\nformat ascii 1.0\n', 'a.ply: cannot be read'),
        ('a.las', b'LASF nothing', 'a.las: cannot be read'),
        ('a.bin', b'123', 'a.bin: 3 bytes are no sweep'),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, words):
    for module in ('pypcd4', 'trimesh', 'laspy'):
        pytest.importorskip(module)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        for drive in drives(tmp_path / name, 'files'):
            drive.frames[0].clouds['top']()


def test_a_file_without_places_says_what_it_has(tmp_path):
    pytest.importorskip('trimesh')
    text = 'ply\nformat ascii 1.0\nelement vertex 1\nproperty float u\nproperty float v\nend_header\n1 2\n'
    (tmp_path / 'a.ply').write_text(text)
    with pytest.raises(DataError, match='a.ply: has no field x'):
        read_file(tmp_path / 'a.ply')


def test_a_cut_off_pcd_is_refused(tmp_path):
    pytest.importorskip('pypcd4')
    rows = table()
    binary_pcd(tmp_path / 'a.pcd', rows)
    whole = (tmp_path / 'a.pcd').read_bytes()
    (tmp_path / 'a.pcd').write_bytes(whole[: -10 * rows.dtype.itemsize])
    with pytest.raises(DataError, match='a.pcd'):
        read_file(tmp_path / 'a.pcd')
