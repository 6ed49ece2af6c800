"""Bytes that are no message: every reader says DataError and nothing else, and takes no memory for it."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_samples import READERS

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import clouds, object_rows, objects, store, trajectory
from autonomy_nodes.messages.cdr import MAX_BYTES, Cursor, write_header

pytestmark = pytest.mark.filterwarnings('ignore::RuntimeWarning')  # numpy names overflows; what counts is what follows
each_reader = pytest.mark.parametrize('name', READERS)
ROOM_BYTES = 8 * 2**20  # for errors, caches and the value itself; a count believed would take gigabytes


def refuses_or_reads(read, data):
    """Read; let pass values and DataError only."""
    try:
        read(data)
    except DataError as error:
        assert str(error)


@each_reader
def test_bytes_cut_off_anywhere_are_refused(name):
    read, data = READERS[name]
    for length in range(len(data)):
        with pytest.raises(DataError):
            read(data[:length])


@each_reader
def test_bytes_that_go_on_are_refused_but_not_the_slack_of_middlewares(name):
    read, data = READERS[name]
    read(data + bytes(3))
    with pytest.raises(DataError):
        read(data + bytes(64))


@each_reader
def test_a_huge_count_anywhere_takes_no_memory(name):
    read, data = READERS[name]
    refuses_or_reads(read, data)  # fills the caches
    tracemalloc.start()
    try:
        for offset in range(4, min(len(data) - 4, 1200)):
            for number in (b'\xff\xff\xff\xff', b'\xff\xff\xff\x7f', b'\0\0\0\x10'):
                refuses_or_reads(read, data[:offset] + number + data[offset + 4 :])
        assert tracemalloc.get_traced_memory()[1] < ROOM_BYTES
    finally:
        tracemalloc.stop()


@each_reader
@settings(deadline=None, max_examples=40)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_read_or_refused(name, changes):
    read, data = READERS[name]
    changed = bytearray(data)
    for place, value in changes:
        changed[int(place * len(data))] = value
    refuses_or_reads(read, bytes(changed))


@each_reader
@settings(deadline=None, max_examples=15)
@given(junk=st.binary(max_size=300), little=st.booleans())
def test_junk_is_read_or_refused(name, junk, little):
    read, _ = READERS[name]
    refuses_or_reads(read, (b'\0\1\0\0' if little else b'\0\0\0\0') + junk)
    refuses_or_reads(read, junk)


@pytest.mark.parametrize('name', ['cloud', 'image', 'trajectory', 'tracked', 'grid'])
def test_another_encapsulation_is_refused(name):
    read, data = READERS[name]
    with pytest.raises(DataError, match='little-endian CDR'):
        read(b'\0\3' + data[2:])


@pytest.mark.parametrize('read', [clouds.read_cloud, trajectory.read_trajectory, objects.read_tracked])
def test_a_message_over_the_limit_is_refused_before_it_is_looked_at(read):
    with pytest.raises(DataError, match='larger than 67108864'):
        read(bytes(MAX_BYTES + 1))


def test_what_is_read_as_objects_has_a_smaller_limit():
    with pytest.raises(DataError, match='std_msgs/msg/Header of 4194305 bytes is larger than 4194304'):
        store.decode('std_msgs/msg/Header', bytes(store.MAX_SMALL_BYTES + 1))


def test_a_million_objects_are_refused():
    data = write_header(0, 'odom') + bytes(3) + (1_000_000).to_bytes(4, 'little') + bytes(40_000_000)
    with pytest.raises(DataError, match='1000000 objects are more than 2000'):
        objects.read_tracked(data)


def test_more_points_than_a_trajectory_may_have_are_refused():
    data = trajectory.encode(0, 'odom', np.zeros(10_001, trajectory.POINT))
    with pytest.raises(DataError, match='10001 points'):
        trajectory.read_trajectory(data)


def test_nanoseconds_of_more_than_a_second_are_no_stamp():
    data = bytearray(write_header(0, 'a'))
    data[8:12] = (10**9).to_bytes(4, 'little')
    with pytest.raises(DataError, match='1000000000 nanoseconds'):
        Cursor(bytes(data)).header()


def test_an_unknown_type_is_a_bug_not_bad_data():
    with pytest.raises(KeyError):
        store.decode('std_msgs/msg/Nonsense', b'\0\1\0\0')


def test_a_misspelt_field_is_a_bug():
    with pytest.raises(KeyError, match='frame'):
        store.new('std_msgs/msg/Header', frame='odom')


def test_an_unknown_distribution_is_named():
    with pytest.raises(ValueError, match="'foxy' is not one of humble, jazzy, kilted"):
        store.store_of('foxy')


def test_a_store_has_the_layout_of_its_distribution():
    name = 'autoware_perception_msgs/msg/TrafficLightGroup'
    fields = {distro: [field for field, _ in store.store_of(distro).fielddefs[name][1]] for distro in store.STORES}
    assert fields['kilted'] == ['traffic_light_group_id', 'elements']
    assert fields['jazzy'] == fields['humble'] == [*fields['kilted'], 'predictions']


def test_rows_with_footprints_are_read_one_by_one():
    types = 'autoware_perception_msgs/msg/'
    corners = [{'x': x, 'y': y} for x, y in ((1.5, 0.5), (-1.0, 0.5), (0.0, -0.75))]
    shape = {'type': object_rows.POLYGON, 'footprint': {'points': corners}, 'dimensions': {'z': 1.25}}
    pose = {'pose': {'orientation': {'w': 1.0}}}
    item = {'kinematics': {'pose_with_covariance': pose}, 'classification': [{'label': 7, 'probability': 1.0}]}
    given = [{**item, 'shape': shape}, {**item, 'shape': {'dimensions': {'x': 1.0, 'y': 2.0, 'z': 3.0}}}]
    message = store.new(f'{types}DetectedObjects', header={'frame_id': 'base_link'}, objects=given)
    found = objects.read_detected(store.encode(f'{types}DetectedObjects', message))
    np.testing.assert_array_equal(found.dimensions_m, [[3.0, 1.5, 1.25], [1.0, 2.0, 3.0]])
    assert found.labels.tolist() == [7, 7]
