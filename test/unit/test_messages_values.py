"""Values survive their bytes."""

import numpy as np
import pytest
import samples
from message_samples import SMALL, STAMP_NS

from autonomy_nodes.common.lanes import Light
from autonomy_nodes.common.sensing import Gear
from autonomy_nodes.common.status import Level, Manoeuvre, Mode, Status
from autonomy_nodes.common.types import Command, DataError, Pose
from autonomy_nodes.messages import markers, motion, roads, store, tables, trajectory, words
from autonomy_nodes.messages.topics import TABLE


def assert_same(after, before):
    """Compare two values field by field; floats may have passed through float32."""
    assert type(after) is type(before)
    if hasattr(before, '__dataclass_fields__'):
        for name in before.__dataclass_fields__:
            assert_same(getattr(after, name), getattr(before, name))
    elif isinstance(before, dict):
        assert list(after) == list(before)
        for key in before:
            assert_same(after[key], before[key])
    elif isinstance(before, tuple | np.ndarray) and len(before) and not isinstance(before[0], str):
        np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_equal(after, before)


@pytest.mark.parametrize('name', SMALL)
def test_a_value_survives_its_message(name):
    read, value, write = SMALL[name]
    assert_same(read(write(value)), value)


def test_every_type_of_the_topics_is_known():
    assert {topic.type for topic in TABLE} <= store.store().fielddefs.keys()


def test_a_trajectory_carries_height_rate_and_wheel_angle_on_the_wire():
    message = store.decode('autoware_planning_msgs/msg/Trajectory', trajectory.write_trajectory(samples.drive()))
    point = message.points[2]
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (2, 0)
    assert (point.pose.position.x, point.pose.position.y, point.pose.position.z) == (1.0, 10.0, 0.25)
    assert (point.heading_rate_rps, point.front_wheel_angle_rad, point.rear_wheel_angle_rad) == (0.5, -0.25, 0.0)
    np.testing.assert_allclose([point.pose.orientation.z, point.pose.orientation.w], np.sqrt(0.5))


def test_a_trajectory_with_an_empty_orientation_is_refused():
    stamp_ns, frame, points = trajectory.decode(trajectory.write_trajectory(samples.drive()))
    points['orientation'][1] = 0.0
    with pytest.raises(DataError, match='unit quaternion'):
        trajectory.read_trajectory(trajectory.encode(stamp_ns, frame, points))


def test_a_vehicle_state_in_another_frame_is_refused():
    with pytest.raises(DataError, match="'map', 'base_link'"):
        motion.read_ego(motion.write_ego(samples.ego(), frame='map'))
    assert motion.read_ego(motion.write_ego(samples.ego(), frame='map'), frame='map').speed_mps == 4.0


def test_a_covariance_of_zeros_is_not_known():
    assert motion.read_ego(motion.write_ego(samples.ego())).pose_covariance is None
    pose = Pose(STAMP_NS, 'map', np.zeros(3), samples.NORTH, np.diag([0.25, 0.25, 0, 0, 0, 0.0625]))
    found = motion.read_pose(motion.write_pose(pose)).covariance
    np.testing.assert_array_equal(np.diag(found), [0.25, 0.25, 1e6, 1e6, 1e6, 0.0625])


@pytest.mark.parametrize('field', ['angular_velocity', 'linear_acceleration'])
def test_an_imu_that_lacks_a_sensor_is_refused(field):
    missing = {f'{field}_covariance': [-1.0] + [0.0] * 8}
    data = store.encode(motion.IMU, store.new(motion.IMU, header={'frame_id': 'imu'}, **missing))
    with pytest.raises(DataError, match=field):
        motion.read_imu(data)


def test_a_receiver_without_a_fix_is_refused():
    data = store.encode(motion.FIX, store.new(motion.FIX, header={'frame_id': 'gnss'}, status={'status': -1}))
    with pytest.raises(DataError, match='no fix'):
        motion.read_fix(data)


def test_a_twist_turns_as_the_wheels_say():
    data = motion.write_twist(Command(STAMP_NS, speed_mps=2.7, acceleration_mps2=0.0, wheel_angle_rad=np.pi / 4), 2.7)
    twist = store.decode('geometry_msgs/msg/TwistStamped', data).twist
    assert twist.linear.x == 2.7
    assert twist.angular.z == pytest.approx(1.0)  # 2.7 m/s on a circle of 2.7 m


def test_an_unknown_gear_is_a_bug_to_write_and_bad_data_to_read():
    with pytest.raises(ValueError, match="'FLY' is none of"):
        motion.write_gear(Gear(STAMP_NS, 'FLY'))
    data = store.encode(
        'autoware_vehicle_msgs/msg/GearReport', store.new('autoware_vehicle_msgs/msg/GearReport', report=99)
    )
    with pytest.raises(DataError, match='99'):
        motion.read_gear(data)


def test_a_status_reads_well_in_a_viewer():
    message = store.decode(words.ARRAY, words.write_status(SMALL['status'][1]))
    (status,) = message.status
    assert (status.name, status.level, status.message) == ('autonomy/planning', 1, 'late')
    pairs = {pair.key: pair.value for pair in status.values}
    times = {'duration_ms': '1.250', 'ms b': '0.500'}
    assert pairs == {'stamp_ns a/b': str(STAMP_NS), 'dropped a/b': '3', 'mode': 'MRM'} | times


@pytest.mark.parametrize('key', ['stamp_ns x', 'ms x'])
def test_a_status_whose_values_would_pass_for_inputs_or_times_is_refused(key):
    with pytest.raises(ValueError, match=key):
        words.write_status(Status(STAMP_NS, 'a', Level.OK, '', values={key: '3'}))


def test_of_a_foreign_array_the_worst_status_counts():
    given = [{'name': 'fan', 'level': 0}, {'name': 'disk', 'level': 2, 'message': 'full'}]
    status = words.read_status(store.encode(words.ARRAY, store.new(words.ARRAY, status=given)))
    assert (status.node, status.level, status.text) == ('disk', Level.ERROR, 'full')


@pytest.mark.parametrize('key, value', [('stamp_ns a', 'x'), ('duration_ms', ''), ('ms a', 'x')])
def test_a_status_with_words_for_numbers_is_refused(key, value):
    values = [{'key': key, 'value': value}]
    data = store.encode(words.ARRAY, store.new(words.ARRAY, status=[{'name': 'autonomy/a', 'values': values}]))
    with pytest.raises(DataError, match='status of'):
        words.read_status(data)


@pytest.mark.parametrize(
    'mode, manoeuvre, state, behaviour',
    [
        (Mode.INIT, Manoeuvre.NONE, 'UNKNOWN', Manoeuvre.NONE),
        (Mode.NOMINAL, Manoeuvre.NONE, 'NORMAL', Manoeuvre.NONE),
        (Mode.DEGRADED, Manoeuvre.COMFORTABLE_STOP, 'NORMAL', Manoeuvre.NONE),
        (Mode.MRM, Manoeuvre.COMFORTABLE_STOP, 'MRM_OPERATING', Manoeuvre.COMFORTABLE_STOP),
        (Mode.EMERGENCY, Manoeuvre.EMERGENCY_STOP, 'MRM_OPERATING', Manoeuvre.EMERGENCY_STOP),
    ],
)
def test_a_mode_is_told_as_autoware_tells_it(mode, manoeuvre, state, behaviour):
    found = words.read_mrm_state(words.write_mrm_state(STAMP_NS, mode, manoeuvre))
    assert (found.stamp_ns, found.state, found.manoeuvre) == (STAMP_NS, state, behaviour)


def lights(*elements):
    group = {'traffic_light_group_id': 5, 'elements': [dict(zip(('color', 'shape', 'status'), e)) for e in elements]}
    return store.encode(roads.LIGHTS, store.new(roads.LIGHTS, traffic_light_groups=[group]))


@pytest.mark.parametrize(
    'elements, light',
    [
        ([(3, 1, 2)], Light.GREEN),
        ([(1, 1, 2), (3, 2, 2)], Light.RED),  # a red circle and a green arrow
        ([(1, 1, 2), (2, 1, 2)], Light.RED),  # red and amber
        ([(3, 2, 2)], Light.UNKNOWN),  # an arrow alone: for whom?
        ([(3, 1, 1)], Light.UNKNOWN),  # off
        ([(4, 1, 2)], Light.UNKNOWN),  # white
        ([], Light.UNKNOWN),
    ],
)
def test_the_strictest_lamp_that_is_on_counts(elements, light):
    assert roads.read_traffic_lights(lights(*elements)).states == {5: light}


def test_a_route_has_a_name_of_its_own():
    def uuid(route):
        return bytes(store.decode(roads.ROUTE, roads.write_route(route)).uuid.uuid)

    assert uuid(samples.route()) == uuid(samples.route())
    assert uuid(samples.route()) != uuid(roads.Route(STAMP_NS, *[(0.0,) * 4] * 2, (7, 8, 10)))


def test_marks_keep_their_order_and_need_the_fixed_columns():
    given = samples.marks()
    stamp_ns, columns = tables.read_marks(tables.write_marks(STAMP_NS, dict(reversed(given.items()))))
    assert stamp_ns == STAMP_NS
    assert list(columns) == ['candidate', 'kind', 'x', 'y', 'z', 'score', 'comfort', 'gate_collision']
    for name in given:
        np.testing.assert_array_equal(columns[name], given[name].astype(columns[name].dtype))
    given.pop('score')
    with pytest.raises(ValueError, match="lack the columns \\['score'\\]"):
        tables.write_marks(STAMP_NS, given)


def test_a_table_in_another_frame_or_with_other_columns_is_refused():
    data = tables.write_marks(STAMP_NS, samples.marks())
    with pytest.raises(DataError, match="scene_modes has columns .*'candidate:u4'"):
        tables.read_scene_modes(data)
    with pytest.raises(DataError, match="frame 'odom', expected 'base_link'"):
        tables.read_lane_match(data)


def test_the_sectors_of_seen_ground_lie_around_the_vehicle():
    ranges = np.zeros(72)
    ranges[36] = 10.0  # from 0 to 5 degrees: ahead, a little left
    seen = samples.lane_observations(0)
    seen.seen_range_m[:] = ranges
    rows = tables.read_points(tables.write_lane_observations(seen)).rows
    np.testing.assert_allclose(rows['x'][36], 10.0 * np.cos(np.deg2rad(2.5)), rtol=1e-6)
    np.testing.assert_allclose(rows['y'][36], 10.0 * np.sin(np.deg2rad(2.5)), rtol=1e-6)
    assert (rows['class'] == 255).all()


@pytest.mark.parametrize('name', ['', 'planner', 'four'])
def test_markers_are_written_as_the_type_store_writes_them(name):
    drawn = [
        markers.Mark(np.eye(3)[:count], kind=kind, color=(0.1, 0.2, 0.3, 0.4), text='x' * count)
        for kind in markers.KINDS
        for count in (1, 2, 3)
    ]
    data = markers.write_markers(STAMP_NS, 'odom', [*drawn, markers.Mark(np.zeros((0, 3)))], name)
    assert store.encode(markers.ARRAY, store.decode(markers.ARRAY, data)) == data


def test_markers_replace_those_before():
    marks = [markers.Mark(np.eye(3)), markers.Mark(np.eye(3)[:1], kind='text', text='hello')]
    message = store.decode(markers.ARRAY, markers.write_markers(STAMP_NS, 'odom', marks, name='planner'))
    wipe, line, text = message.markers
    assert (wipe.action, line.action, line.type, text.type) == (3, 0, 4, 9)
    assert [(point.x, point.y, point.z) for point in line.points] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert (text.text, text.pose.position.x, text.ns, text.header.frame_id) == ('hello', 1.0, 'planner', 'odom')
