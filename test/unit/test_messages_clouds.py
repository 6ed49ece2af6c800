"""Clouds as drivers send them: any layout that makes sense is read, any other is refused with its reason."""

import os
from pathlib import Path

import numpy as np
import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import store
from autonomy_nodes.messages.clouds import offsets_of, read_cloud, write_cloud
from autonomy_nodes.messages.point_rows import NUMBERS

CLOUD = 'sensor_msgs/msg/PointCloud2'
STAMP_NS = samples.STAMP_NS
XYZ = [('x', 'f4'), ('y', 'f4'), ('z', 'f4')]


def message(rows, lines=1, padding=0, bigendian=False, **changes):
    """Give a PointCloud2 of rows; `changes` break it."""
    fields = [
        {'name': name, 'offset': offset, 'datatype': NUMBERS[kind.base.str[1:]], 'count': int(np.prod(kind.shape))}
        for name, (kind, offset, *_) in rows.dtype.fields.items()
    ]
    step, width = rows.dtype.itemsize, len(rows) // lines
    data = np.ascontiguousarray(rows).view(np.uint8).reshape(lines, width * step)
    data = np.hstack([data, np.full((lines, padding), 0x7F, np.uint8)])
    given = {
        'header': store.header_of(STAMP_NS, 'lidar'), 'height': lines, 'width': width, 'fields': fields,
        'is_bigendian': bigendian, 'point_step': step, 'row_step': data.shape[1], 'data': data, **changes,
    }  # fmt: skip
    return store.encode(CLOUD, store.new(CLOUD, **given))


def rows_of(kinds, count=6, seed=0, step=None):
    row = np.dtype(kinds)
    if step is not None:
        formats, offsets = zip(*(row.fields[name][:2] for name in row.names))
        row = np.dtype({'names': row.names, 'formats': formats, 'offsets': offsets, 'itemsize': step})
    rows = np.zeros(count, row)
    random = np.random.default_rng(seed)
    for name in row.names:
        rows[name] = random.integers(0, 100, rows[name].shape)
    return rows


def xyz_of(rows):
    return np.stack([rows[axis] for axis in 'xyz'], axis=-1)


@settings(deadline=None, max_examples=80)
@given(
    order=st.permutations(['x', 'y', 'z', 'intensity', 'ring', 'junk']),
    kinds=st.fixed_dictionaries(
        {
            **{axis: st.sampled_from(['f4', 'f8']) for axis in 'xyz'},
            'intensity': st.sampled_from(['u1', 'u2', 'f4', 'f8', 'i4']),
            'ring': st.sampled_from(['u1', 'u2', 'i4']),
            'junk': st.sampled_from(['u1', 'f8']),
        }
    ),
    height=st.sampled_from([1, 2, 3]),
    padding=st.integers(0, 5),
    extra=st.integers(0, 9),
    big=st.booleans(),
)
def test_any_order_type_padding_and_byte_order_is_read(order, kinds, height, padding, extra, big):
    dtype = np.dtype([(name, '<>'[big] + kinds[name]) for name in order])
    rows = rows_of(dtype, step=dtype.itemsize + extra)
    found = read_cloud(message(rows, lines=height, padding=padding, bigendian=big))
    np.testing.assert_array_equal(found.xyz, xyz_of(rows))
    np.testing.assert_array_equal(found.intensity, rows['intensity'])
    np.testing.assert_array_equal(found.ring, rows['ring'])
    assert (found.stamp_ns, found.frame, found.removed, found.offset_ns) == (STAMP_NS, 'lidar', 0, None)
    assert (found.xyz.dtype, found.intensity.dtype, found.ring.dtype) == (np.float32, np.float32, np.uint16)


def test_autowares_point_of_16_bytes_is_read():
    rows = rows_of([*XYZ, ('intensity', 'u1'), ('return_type', 'u1'), ('channel', 'u2')])
    found = read_cloud(message(rows))
    assert rows.dtype.itemsize == 16
    np.testing.assert_array_equal(found.intensity, rows['intensity'])
    np.testing.assert_array_equal(found.ring, rows['channel'])


def test_autowares_point_of_32_bytes_is_read_with_its_times():
    angles = [('azimuth', 'f4'), ('elevation', 'f4'), ('distance', 'f4')]
    rows = rows_of([*XYZ, ('intensity', 'u1'), ('return_type', 'u1'), ('channel', 'u2'), *angles, ('time_stamp', 'u4')])
    assert (rows.dtype.itemsize, rows.dtype.fields['time_stamp'][1]) == (32, 28)
    rows['time_stamp'] = [0, 20_000_000, 40_000_000, 60_000_000, 80_000_000, 99_999_999]
    found = read_cloud(message(rows))
    np.testing.assert_array_equal(found.offset_ns, rows['time_stamp'])


def test_a_cloud_without_intensity_has_zeros_and_one_of_nan_too():
    rows = rows_of([*XYZ, ('intensity', 'f4')])
    assert not read_cloud(message(rows_of(XYZ))).intensity.any()
    rows['intensity'][1] = np.nan
    assert read_cloud(message(rows)).intensity[1] == 0.0


def test_points_that_are_no_places_are_left_out_and_counted():
    rows = rows_of([*XYZ, ('intensity', 'f4'), ('ring', 'u2'), ('t', 'u4')])
    rows['x'][0], rows['y'][2], rows['z'][3], rows['t'] = np.nan, np.inf, 1e30, np.arange(6)
    found = read_cloud(message(rows))
    assert found.removed == 3
    np.testing.assert_array_equal(found.xyz, xyz_of(rows)[[1, 4, 5]])
    np.testing.assert_array_equal(found.ring, rows['ring'][[1, 4, 5]])
    np.testing.assert_array_equal(found.offset_ns, [1, 4, 5])


def test_a_cloud_without_one_place_is_refused_but_an_empty_one_is_an_answer():
    rows = rows_of(XYZ)
    rows['x'] = np.nan
    with pytest.raises(DataError, match='not one of 6 points is finite'):
        read_cloud(message(rows))
    assert len(read_cloud(message(rows[:0]))) == 0


@pytest.mark.parametrize(
    'name, kind, told, offsets',
    [
        ('t', 'u4', [0, 50_000_000, 99_999_999], [0, 50_000_000, 99_999_999]),  # Ouster
        ('offset_time', 'u4', [0, 500, 900], [0, 500, 900]),  # Livox: nanoseconds, however short
        ('t', 'i4', [-100_000_000, -50_000_000, 0], [-100_000_000, -50_000_000, 0]),
        ('timestamp', 'u4', [0, 50_000, 99_999], [0, 50_000_000, 99_999_000]),  # microseconds
        ('time', 'u4', [0, 50_000_000, 99_999_999], [0, 50_000_000, 99_999_999]),
        ('time', 'f4', [0.0, 0.0625, 0.125], [0, 62_500_000, 125_000_000]),  # Velodyne
        ('time', 'f4', [-0.125, -0.0625, 0.0], [-125_000_000, -62_500_000, 0]),
        ('timestamp', 'f8', [1_700_000_000.0, 1_700_000_000.0625, 1_700_000_000.125], [-5, 62_499_995, 124_999_995]),
        ('timestamp', 'f8', [1_500_000_000.0, 1_500_000_000.0625, 1_500_000_000.125], [0, 62_500_000, 125_000_000]),
        ('timestamp', 'f8', [1234.5, 1234.5625, 1234.625], [0, 62_500_000, 125_000_000]),  # since it was switched on
        ('timestamp', 'u8', [STAMP_NS, STAMP_NS + 7, STAMP_NS + 10**8], [0, 7, 10**8]),
        ('timestamp', 'u8', [STAMP_NS // 1000, STAMP_NS // 1000 + 3, STAMP_NS // 1000 + 10**5], [-5, 2995, 10**8 - 5]),
        ('timestamp', 'f8', [0.0, 5e7, 1e8], [0, 50_000_000, 100_000_000]),  # nanoseconds as floats
        ('time', 'i4', [0, 500, 900], [0, 500, 900]),  # the type of our own times: nanoseconds
        ('timestamp', 'f8', [1.7e15, 1.7e15 + 1, 1.7e15 + 3], [-5, 995, 2995]),  # microseconds since 1970, one packet
        ('time', 'f4', [0.0, 50_000.0, 99_999.0], [0, 50_000_000, 99_999_000]),
    ],
)
def test_times_are_understood_by_name_type_and_range(name, kind, told, offsets):
    rows = rows_of([*XYZ, (name, kind)], count=3)
    rows[name] = told
    np.testing.assert_allclose(read_cloud(message(rows)).offset_ns, offsets, atol=300 if kind == 'f8' else 0)


def test_times_that_span_minutes_are_refused():
    with pytest.raises(DataError, match="'t' tells times that span 60"):
        offsets_of('t', np.array([0, 60 * 10**9], np.int64), 0)
    with pytest.raises(DataError, match='not finite'):
        offsets_of('time', np.array([0.0, np.nan], np.float32), 0)


def field(name='x', offset=0, datatype=7, count=1):
    return {'name': name, 'offset': offset, 'datatype': datatype, 'count': count}


PLAIN = [field('x', 0), field('y', 4), field('z', 8)]


@pytest.mark.parametrize(
    'changes, reason',
    [
        ({'fields': PLAIN[:2]}, "no field 'z', only"),
        ({'fields': []}, "no field 'x'"),
        ({'fields': [*PLAIN[:2], field('z', 8, datatype=5)]}, "'z' is int32, expected float32 or float64"),
        ({'fields': [*PLAIN[:2], field('z', 8, datatype=0)]}, "'z' has datatype 0"),
        ({'fields': [*PLAIN[:2], field('z', 8, datatype=42)]}, "'z' has datatype 42"),
        ({'fields': [*PLAIN[:2], field('z', 8, count=0)]}, "'z' has count 0"),
        ({'fields': [field('x', count=3), field('y', 4), field('z', 8)]}, "'x' has count 3, expected 1"),
        ({'fields': [*PLAIN[:2], field('z', 9)]}, "'z' at offset 9 lies beyond point_step 12"),
        ({'fields': [*PLAIN[:2], field('z', 2**32 - 1)]}, "'z' at offset 4294967295 lies beyond"),
        ({'fields': [*PLAIN, field('z', 0)]}, 'not named apart'),
        ({'fields': [*PLAIN, field('', 0)]}, 'not named apart'),
        ({'point_step': 0}, 'point_step is 0'),
        ({'point_step': 2**31}, 'point_step is 2147483648'),
        ({'point_step': 16}, 'row_step 72 is less than width 6 times point_step 16'),
        ({'row_step': 73}, 'data of 72 bytes is shorter than row_step 73 times height 1'),
        ({'row_step': 0}, 'row_step 0 is less than'),
        ({'height': 2}, 'shorter than row_step 72 times height 2'),
        ({'width': 7}, 'row_step 72 is less than width 7'),
        ({'width': 2**31, 'height': 2**31}, 'row_step 72 is less than width 2147483648'),
        ({'width': 0, 'height': 5, 'point_step': 0}, 'point_step is 0'),
        ({'data': np.zeros(60, np.uint8)}, 'data of 60 bytes is shorter'),
        ({'header': store.header_of(STAMP_NS, '')}, 'names no frame'),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused_with_its_reason(changes, reason):
    with pytest.raises(DataError, match=reason):
        read_cloud(message(rows_of(XYZ), **changes))


def test_rings_beyond_16_bits_are_refused():
    rows = rows_of([*XYZ, ('ring', 'i4')])
    rows['ring'][3] = -1
    with pytest.raises(DataError, match='ring numbers'):
        read_cloud(message(rows))


def test_data_that_is_longer_than_needed_is_read():
    rows = rows_of(XYZ)
    data = np.concatenate([rows.view(np.uint8), np.zeros(5, np.uint8)])
    np.testing.assert_array_equal(read_cloud(message(rows, data=data)).xyz, xyz_of(rows))


def test_a_cloud_is_written_as_the_fields_that_it_has():
    for ring, times, names, step in (
        (False, False, 4, 16),
        (True, False, 5, 20),
        (False, True, 5, 20),
        (True, True, 6, 24),
    ):
        found = store.decode(CLOUD, write_cloud(samples.cloud(ring=ring, times=times)))
        assert (len(found.fields), found.point_step, found.is_dense) == (names, step, True)


def test_times_too_long_for_their_field_are_a_bug():
    given = samples.cloud(2)
    far = PointCloud(given.stamp_ns, given.frame, given.xyz, given.intensity, offset_ns=np.array([0, 3 * 10**9]))
    with pytest.raises(ValueError, match='longer than 2.1 s'):
        write_cloud(far)


@pytest.mark.skipif(not os.environ.get('AUTONOMY_DATA'), reason='AUTONOMY_DATA names no folder of real data')
def test_a_real_sweep_survives():
    path = Path(os.environ['AUTONOMY_DATA']) / 'sensors' / 'semantickitti' / '00_000000.npz'
    if not path.exists():
        pytest.skip(f'{path} is missing')
    sweep = np.load(path)
    xyz = (np.cumsum(sweep['dxyz'].astype(np.int64), axis=1).T * float(sweep['q_mm']) / 1000.0).astype(np.float32)
    given = PointCloud(STAMP_NS, 'lidar', xyz, np.zeros(len(xyz), np.float32))
    np.testing.assert_array_equal(read_cloud(write_cloud(given)).xyz, xyz)
