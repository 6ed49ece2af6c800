import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomy_nodes.common.geometry import moved, rotation_exp
from autonomy_nodes.common.sensing import PointCloud, Transforms, WheelSpeed
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.common.vehicle import Mount, Trailer, Vehicle
from autonomy_nodes.sensors.lidar import LidarConfig, Merger, carry, twist_at
from autonomy_nodes.sensors.selfhits import self_hits

START = 1_000 * SECOND_NS
MS = 1_000_000
CAR = Vehicle(mounts={'top': Mount('lidar_top', (1.0, 0.0, 2.0)), 'left': Mount('lidar_left', (0.0, 1.0, 1.0))})
AHEAD = np.array([10.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def sweep(stamp_ns, xyz, frame='lidar_top', offset_ns=None, ring=None):
    xyz = np.asarray(xyz, np.float32).reshape(-1, 3)
    offset = None if offset_ns is None else np.asarray(offset_ns, np.int64)
    return PointCloud(stamp_ns, frame, xyz, np.arange(len(xyz), dtype=np.float32), ring, offset)


def merger(**settings):
    return Merger(LidarConfig(**{'min_points': 1, 'vehicle': CAR} | settings))


def test_points_come_out_in_base_link_with_their_intensity_and_ring():
    ring = np.array([7, 9], np.uint16)
    cloud = merger().merge(sweep(START, [[20, 1, -2], [500, 0, 0]], ring=ring), {}, None).cloud
    assert (cloud.frame, cloud.stamp_ns, cloud.xyz.dtype) == ('base_link', START, np.float32)
    assert cloud.xyz.tolist() == [[21, 1, 0]]
    assert (cloud.intensity.tolist(), cloud.ring.tolist(), cloud.offset_ns) == ([0.0], [7], None)


def test_range_and_height_are_cropped_in_base_link():
    xyz = [[98.9, 0, 0], [99.1, 0, 0], [30, 0, 17.9], [30, 0, 18.1], [30, 0, -16.9], [30, 0, -17.1]]
    assert merger().merge(sweep(START, xyz), {}, None).cloud.intensity.tolist() == [0, 2, 4]


def test_a_sweep_is_deskewed_to_its_stamp_by_the_motion():
    """At 10 m/s the wall 30 m ahead is seen 1 m nearer a tenth of a second later."""
    cloud = merger().merge(sweep(START, [[29, 0, 0], [28, 0, 0]], offset_ns=[0, 100 * MS]), {}, AHEAD).cloud
    assert cloud.xyz[:, 0] == pytest.approx([30.0, 30.0])


def test_without_motion_a_sweep_is_left_as_it_is_and_the_status_says_so():
    merged = merger().merge(sweep(START, [[29, 0, 0]], offset_ns=[100 * MS]), {}, None)
    assert merged.cloud.xyz[0, 0] == pytest.approx(30.0)
    assert merged.warnings == ['motion not known: sweep not deskewed']


@given(st.tuples(*[st.floats(-1, 1)] * 6), st.floats(-0.1, 0.1))
def test_carrying_is_the_exponential_of_the_twist(unit, later_s):
    twist = np.array(unit) * [30, 2, 1, 0.5, 0.5, 0.8]
    pieces = 200  # the same motion in small steps
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = rotation_exp(twist[3:] * later_s / pieces), twist[:3] * later_s / pieces
    points = np.array([[40.0, -30.0, 2.0], [-5.0, 3.0, 0.0]], np.float32)
    expected = moved(points.astype(float), np.linalg.matrix_power(step, pieces))
    carry(points, twist, np.full(2, later_s, np.float32))
    assert np.abs(points - expected).max() < 0.015


def test_another_lidar_is_carried_to_the_main_stamp():
    """It saw the wall 30 m ahead of base_link 50 ms earlier, when base_link was half a metre further back."""
    step = merger(lidars=('top', 'left'))
    left = sweep(START - 50 * MS, [[30.5, 0, 0]], 'lidar_left')
    merged = step.merge(sweep(START, [[29, 0, 0]]), {'left': left}, AHEAD)
    assert merged.cloud.xyz == pytest.approx(np.array([[30, 0, 2], [30, 1, 1]]), abs=1e-4)
    assert merged.sources == {'top': 'used', 'left': 'used'}


@pytest.mark.parametrize(
    'left, twist, words',
    [
        (None, AHEAD, 'nothing received'),
        (sweep(START - 70 * MS, [[9, 0, 0]], 'lidar_left'), AHEAD, r'newest sweep is \+0.070 s away'),
        (sweep(START - 50 * MS, [[9, 0, 0]], 'lidar_left'), None, 'motion not known over 50.0 ms'),
        (sweep(START, [[9, 0, 0]], 'lidar_top'), AHEAD, 'swapped'),
    ],
)
def test_another_lidar_that_cannot_be_used_is_left_out_aloud(left, twist, words):
    merged = merger(lidars=('top', 'left')).merge(sweep(START, [[29, 0, 0]]), {'left': left}, twist)
    assert len(merged.cloud) == 1
    assert re.search(words, merged.warnings[0])
    assert merged.sources['left'] in merged.warnings[0]


def test_the_same_points_under_new_stamps_are_a_frozen_sensor():
    step, points = merger(), [[29, 0, 0]]
    step.merge(sweep(START, points), {}, None)
    for number in (1, 2):
        with pytest.raises(DataError, match=f'frozen: {number + 1} sweeps'):
            step.merge(sweep(START + number * 100 * MS, points), {}, None)
    step.merge(sweep(START + 300 * MS, [[29.01, 0, 0]]), {}, None)


def test_stamps_are_judged_before_anything_else():
    step = merger()
    step.merge(sweep(START, [[29, 0, 0]]), {}, None)
    with pytest.raises(DataError, match='duplicate stamp'):
        step.merge(sweep(START, [[28, 0, 0]]), {}, None)
    with pytest.raises(DataError, match='zero stamp'):
        step.merge(sweep(0, [[28, 0, 0]]), {}, None)
    with pytest.raises(DataError, match=r'out of order: -0.100 s'):
        step.merge(sweep(START - 100 * MS, [[28, 0, 0]]), {}, None)
    with pytest.raises(DataError, match=r'in the future: \+60.000 s'):
        step.merge(sweep(START + 60 * SECOND_NS, [[28, 0, 0]]), {}, None)


def test_after_a_jump_of_time_old_companions_are_gone():
    step = merger(lidars=('top', 'left'))
    step.merge(sweep(START, [[29, 0, 0]]), {'left': sweep(START, [[9, 0, 0]], 'lidar_left')}, AHEAD)
    back = START - 10 * SECOND_NS
    for number in (1, 2):
        with pytest.raises(DataError, match='out of order'):
            step.merge(sweep(back + number * 100 * MS, [[28, 0, number]]), {'left': None}, AHEAD)
    merged = step.merge(sweep(back + 300 * MS, [[28, 0, 3]]), {'left': None}, AHEAD)
    assert merged.warnings == ['time jumped: buffers flushed', 'LiDAR left left out: nothing received']


def test_a_sensor_without_a_place_gives_nothing_until_it_has_one():
    step = merger(vehicle=Vehicle())
    with pytest.raises(DataError, match="no transform from 'lidar_top'"):
        step.merge(sweep(START, [[29, 0, 0]]), {}, None)
    step.calibration.take(Transforms(1, {('base_link', 'lidar_top'): np.eye(4)}))
    assert len(step.merge(sweep(START + 100 * MS, [[28, 0, 0]]), {}, None).cloud) == 1


def test_a_sweep_of_which_nothing_is_left_is_refused():
    with pytest.raises(DataError, match='0 points left of 1, at least min_points=100'):
        merger(min_points=100).merge(sweep(START, [[0.5, 0, -1]]), {}, None)


def test_self_hits_are_those_in_the_body_and_its_margin():
    """Body: x -0.9..3.6, y +-0.9, z to 1.6, all 0.2 wider."""
    hits = [[3.79, 0, 1], [-1.09, 0, 1], [0, 1.09, 1], [0, -1.09, 1], [1, 0, 1.79], [1, 0, 0]]
    free = [[3.81, 0, 1], [-1.11, 0, 1], [0, 1.11, 1], [0, -1.11, 1], [1, 0, 1.81], [10, 0, 0]]
    assert self_hits(np.array(hits + free, np.float32), Vehicle(), ()).tolist() == list(range(len(hits)))


def test_the_trailer_is_removed_where_its_joint_says_it_is():
    """Hitch 0.6 m ahead of the axle; the trailer's rear is 12 m behind the hitch, 2.55 m wide, margin 0.2."""
    truck = Vehicle(trailer=Trailer(present=True))
    straight_rear, beside = [0.6 - 12.1, 0.0, 3.0], [0.6 - 12.3, 0.0, 3.0]
    left_turn_rear = [0.6 - 12.1 * math.cos(0.5), -12.1 * math.sin(0.5), 3.0]  # a trailer that turned left swings right
    farther = [0.6 - 12.3 * math.cos(0.5), -12.3 * math.sin(0.5), 3.0]
    points = np.array([straight_rear, beside, left_turn_rear, farther], np.float32)
    assert self_hits(points, truck, ()).tolist() == [0]
    assert self_hits(points, truck, (0.5,)).tolist() == [2]
    assert self_hits(points, Vehicle(), ()).tolist() == []


def ego(stamp_ns, speed_mps):
    twist = np.array([speed_mps, 0, 0, 0, 0, 0.1])
    return EgoState(stamp_ns, np.zeros(3), np.array([0, 0, 0, 1.0]), twist)


def test_motion_is_taken_from_odometry_then_wheels_if_not_too_far_in_time():
    wheels = WheelSpeed(START - 10 * MS, 5.0, 0.25, 0.5)
    assert twist_at(START, ego(START - 100 * MS, 7.0), wheels, 0.5)[0] == 7.0
    assert twist_at(START, ego(START - 600 * MS, 7.0), wheels, 0.5).tolist() == [5.0, 0.25, 0, 0, 0, 0.5]
    assert twist_at(START, ego(START + 600 * MS, 7.0), None, 0.5) is None


@pytest.mark.parametrize(
    'settings, words',
    [
        ({'max_range_m': 0.0}, 'max_range_m=0.0'),
        ({'min_height_m': 30.0}, 'min_height_m=30.0'),
        ({'lidars': ()}, 'one or more'),
        ({'lidars': ('a', 'a')}, 'each once'),
        ({'frozen_after': 1}, 'frozen_after=1'),
    ],
)
def test_nonsense_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        LidarConfig(**settings)


def test_base_from_sensor_of_the_mount_takes_points_to_base_link():
    """The mount of a LiDAR that looks left: its x axis is our y axis."""
    mount = Mount('side', (0.0, 1.0, 0.0), (0.0, 0.0, math.pi / 2))
    step = merger(lidars=('side',), vehicle=Vehicle(mounts={'side': mount}))
    cloud = step.merge(sweep(START, [[5, 0, 0]], 'side'), {}, None).cloud
    assert cloud.xyz[0] == pytest.approx([0, 6, 0], abs=1e-5)
