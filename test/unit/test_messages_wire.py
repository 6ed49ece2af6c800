"""The numpy codecs and ROS agree on every byte: rosbags writes the same, rclpy reads ours, we read rclpy's."""

import numpy as np
import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.status import Heartbeat
from autonomy_nodes.messages import clouds, grids, images, object_rows, objects, point_rows, store, trajectory, words

FRAMES = st.text(st.characters(codec='utf-8', min_codepoint=1), max_size=9)
STAMPS = st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1)
BIG = 2**26
HEAVY = {  # of every layout one message whose strings and counts give it other gaps than its neighbours
    'sensor_msgs/msg/PointCloud2': [
        clouds.write_cloud(samples.cloud(count, ring=ring, times=times, frame='f' * length))
        for count, ring, times, length in (
            (0, False, False, 1),
            (5, False, False, 2),
            (3, True, True, 3),
            (2, False, True, 4),
        )
    ],
    'sensor_msgs/msg/Image': [images.write_image(samples.image(3, width)) for width in (4, 5)],
    'sensor_msgs/msg/CompressedImage': [images.write_compressed(samples.image())],
    'grid_map_msgs/msg/GridMap': [
        grids.write_grid(samples.grid(names=names)) for names in (('a',), ('elevation', 'b', 'ccc'))
    ],
    'autoware_planning_msgs/msg/Trajectory': [
        trajectory.write_trajectory(samples.drive(frame=f)) for f in ('odom', 'map')
    ],
    'autoware_perception_msgs/msg/DetectedObjects': [objects.write_detected(samples.objects(n)) for n in (0, 1, 4)],
    'autoware_perception_msgs/msg/TrackedObjects': [
        objects.write_tracked(samples.objects(n, tracked=True, frame=f))
        for n, f in ((0, 'odom'), (3, 'odom'), (2, 'map'))
    ],
    'autoware_perception_msgs/msg/PredictedObjects': [
        objects.write_predictions(samples.predictions(n, paths, poses))
        for n, paths, poses in ((0, 1, 1), (1, 1, 2), (3, 6, 17))
    ],
    'std_msgs/msg/Header': [words.write_heartbeat(Heartbeat(5, 'node'))],
}
MESSAGES = [(name, data) for name, every in HEAVY.items() for data in every]
each_message = pytest.mark.parametrize('name, data', MESSAGES, ids=[f'{n.split("/")[-1]}{len(d)}' for n, d in MESSAGES])


@each_message
def test_rosbags_writes_the_same_bytes(name, data):
    assert store.encode(name, store.decode(name, data, limit=BIG)) == data


@pytest.fixture(scope='session')
def rclpy_messages():
    """Give (class by name, serialize, deserialize); skips what no package is built for."""
    live = pytest.importorskip('rclpy.serialization')

    def class_of(name):
        package, _, kind = name.split('/')
        return getattr(pytest.importorskip(f'{package}.msg', reason=f'{package} is not built'), kind)

    return class_of, live.serialize_message, live.deserialize_message


@each_message
def test_rclpy_reads_ours_and_we_read_rclpys(name, data, rclpy_messages):
    class_of, serialize, deserialize = rclpy_messages
    wire = serialize(deserialize(data, class_of(name)))  # its padding holds what was in memory before
    assert abs(len(wire) - len(data)) <= 3
    assert store.encode(name, store.decode(name, wire, limit=BIG)) == data
    for again in READERS[name](wire), READERS[name](data):
        np.testing.assert_equal(contents(again), contents(READERS[name](data)))


def contents(value):
    """Give the fields of a value, those of its parts as well."""
    if not hasattr(value, '__dataclass_fields__'):
        return value
    return {name: contents(getattr(value, name)) for name in value.__dataclass_fields__}


READERS = {
    'sensor_msgs/msg/PointCloud2': clouds.read_cloud,
    'sensor_msgs/msg/Image': images.read_image,
    'sensor_msgs/msg/CompressedImage': images.read_compressed,
    'grid_map_msgs/msg/GridMap': grids.read_grid,
    'autoware_planning_msgs/msg/Trajectory': trajectory.decode,
    'autoware_perception_msgs/msg/DetectedObjects': objects.read_detected,
    'autoware_perception_msgs/msg/TrackedObjects': objects.read_tracked,
    'autoware_perception_msgs/msg/PredictedObjects': objects.read_predictions,
    'std_msgs/msg/Header': words.read_heartbeat,
}


@settings(deadline=None, max_examples=60)
@given(stamp_ns=STAMPS, frame=FRAMES, count=st.integers(0, 4), seed=st.integers(0, 9))
def test_a_trajectory_has_the_bytes_of_rosbags(stamp_ns, frame, count, seed):
    points, random = np.zeros(count, trajectory.POINT), np.random.default_rng(seed)
    for name in trajectory.POINT.names:
        points[name] = random.integers(0, 10**9, points[name].shape)
    data = trajectory.encode(stamp_ns, frame, points)
    message = store.decode('autoware_planning_msgs/msg/Trajectory', data)
    assert (store.stamp_of(message.header.stamp), message.header.frame_id) == (stamp_ns, frame)
    assert [point.front_wheel_angle_rad for point in message.points] == points['front_wheel_angle_rad'].tolist()
    assert store.encode('autoware_planning_msgs/msg/Trajectory', message) == data
    found = trajectory.decode(data)
    assert found[:2] == (stamp_ns, frame)
    np.testing.assert_array_equal(found[2], points)


@settings(deadline=None, max_examples=60)
@given(
    layout=st.sampled_from([object_rows.DETECTED, object_rows.TRACKED, object_rows.PREDICTED]),
    frame=FRAMES,
    count=st.integers(0, 3),
    sizes=st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(0, 4)),
    seed=st.integers(0, 9),
)
def test_rows_of_objects_have_the_bytes_of_rosbags(layout, frame, count, sizes, seed):
    row = layout.row(*sizes)
    rows = np.zeros(count, row)
    random = np.random.default_rng(seed)
    fill(rows, random)
    rows['footprint'] = 0
    data = object_rows.encode_objects(layout, 5, frame, rows)
    assert store.encode(layout.type, store.decode(layout.type, data)) == data
    stamp_ns, name, again = object_rows.decode_objects(layout, data)
    assert (stamp_ns, name, len(again)) == (5, frame, count)
    assert object_rows.encode_objects(layout, 5, frame, again) == data


def fill(rows, random):
    """Put numbers into every field of a table, but no padding."""
    for name in rows.dtype.names or ():
        if rows.dtype[name].base.names:
            fill(rows[name], random)
        elif rows.dtype[name].kind != 'V':
            limit = 2 if name.startswith(('has_', 'is_')) else 200
            rows[name] = random.integers(0, limit, rows[name].shape)


@settings(deadline=None, max_examples=60)
@given(
    stamp_ns=STAMPS,
    frame=FRAMES,
    fields=st.lists(
        st.tuples(FRAMES.filter(bool), st.sampled_from(['i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'f4', 'f8'])),
        min_size=1, max_size=5, unique_by=lambda item: item[0],
    ),
    count=st.integers(0, 5),
)  # fmt: skip
def test_a_table_has_the_bytes_of_rosbags(stamp_ns, frame, fields, count):
    rows = np.zeros(count, np.dtype([(name, f'<{kind}') for name, kind in fields]))
    fill(rows, np.random.default_rng(count))
    data = point_rows.write_points(stamp_ns, frame, rows)
    name = 'sensor_msgs/msg/PointCloud2'
    assert store.encode(name, store.decode(name, data)) == data
    again = point_rows.read_points(data)
    assert (again.stamp_ns, again.frame, again.width) == (stamp_ns, frame, count)
    np.testing.assert_array_equal(again.rows, rows)
