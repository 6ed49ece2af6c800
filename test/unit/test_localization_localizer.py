import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.common.geometry import inverse, moved, quaternion_of_heading
from autonomy_nodes.common.sensing import Imu, PointCloud, WheelSpeed
from autonomy_nodes.common.types import SECOND_NS, DataError, Pose
from autonomy_nodes.localization.localizer import LocalizationConfig, Localizer
from autonomy_nodes.localization.motion import displacement
from autonomy_nodes.localization.odometry import LidarOdometry, OdometryConfig, Registration

START = 1_000 * SECOND_NS
TENTH = SECOND_NS // 10


def town(seed=0):
    """(N, 3) points of a street with houses, trees and side roads, 200 m long."""
    rng = np.random.default_rng(seed)
    parts = [np.stack([rng.uniform(-60, 140, 90000), rng.uniform(-50, 50, 90000), np.zeros(90000)], axis=1)]
    for _ in range(120):
        corner, size = rng.uniform([-60, -50, 0], [140, 50, 0]), rng.uniform([2, 2, 2], [9, 9, 8])
        if abs(corner[1] + size[1] / 2) < 8:
            continue
        box = corner + rng.uniform(0, 1, (2500, 3)) * size
        face = rng.integers(0, 2, 2500)
        box[np.arange(2500), face] = (corner + size * rng.integers(0, 2, (2500, 3)))[np.arange(2500), face]
        parts.append(box)
    return np.concatenate(parts)


TOWN = town()


def seen(pose, number, world=TOWN):
    """What a vehicle at (4, 4) odom_from_base sees: each time other points of the same surfaces, with noise."""
    rng = np.random.default_rng(1000 + number)
    near = world[np.linalg.norm(world[:, :2] - pose[:2, 3], axis=1) < 50]
    xyz = moved(near[rng.random(len(near)) < 0.6], inverse(pose)) + rng.normal(0, 0.01, (1, 3))
    return (xyz + rng.normal(0, 0.01, xyz.shape)).astype(np.float32)


def cloud(number, xyz):
    return PointCloud(START + number * TENTH, 'base_link', xyz, np.zeros(len(xyz), np.float32))


def wheels(number, speed, rate=0.0):
    first_ns = START + (number - 1) * TENTH
    return [WheelSpeed(first_ns + (k + 1) * TENTH // 5, speed, 0.0, rate) for k in range(5)]


def drive(localizer, twist, numbers, blind=(), tell_wheels=False, start=0):
    """Drive with one twist and return what each sweep gave."""
    given = []
    for number in numbers:
        pose = displacement(np.array(twist), (number - start) / 10)
        xyz = np.zeros((0, 3), np.float32) if number in blind else seen(pose, number)
        samples = wheels(number, twist[0], twist[5]) if tell_wheels else []
        given.append(localizer.sweep(cloud(number, xyz), samples))
    return given


NOTHING = Registration(np.eye(4), np.eye(4), np.zeros((6, 6)), 1.0, 0, np.ones(3), 0, 0.0, 0.0, '')
YOUNG, OLD = NOTHING, replace(NOTHING, met=1.0)
STEP = np.diag([0.05, 0.02, 0.02, 0.002, 0.002, 0.002]) ** 2
AHEAD = [10.0, 0, 0, 0, 0, 0.15]


def off_by_m(ego, number, twist=AHEAD):
    return float(np.linalg.norm(ego.position_m - displacement(np.array(twist), number / 10)[:3, 3]))


def state(localized):
    return localized.integrity.values['state']


def test_odometry_follows_a_drive_that_begins_at_full_speed():
    given = drive(Localizer(LocalizationConfig()), AHEAD, range(16))
    assert given[0].ego is None and state(given[0]) == 'INIT'
    assert [state(each) for each in given[1:]] == ['NOMINAL'] * 15
    assert max(off_by_m(each.ego, number) for number, each in enumerate(given[1:], start=1)) < 0.1
    assert given[-1].ego.twist[[0, 5]] == pytest.approx([10.0, 0.15], abs=0.15)
    assert given[-1].ego.stamp_ns == START + 15 * TENTH
    assert given[-1].pose is None and given[-1].integrity.values['map'] == 'not known'


def test_the_same_sweeps_give_the_same_bytes():
    runs = [drive(Localizer(LocalizationConfig()), AHEAD, range(5))[-1].ego for _ in range(2)]
    for name in ('position_m', 'orientation', 'twist', 'pose_covariance', 'twist_covariance'):
        assert getattr(runs[0], name).tobytes() == getattr(runs[1], name).tobytes()


def test_without_wheels_a_blind_vehicle_is_carried_for_a_second_then_lost_then_goes_on():
    localizer = Localizer(LocalizationConfig())
    given = drive(localizer, AHEAD, range(22), blind=range(6, 18))
    assert [state(each) for each in given[6:16]] == ['DEAD_RECKONING'] * 10
    assert off_by_m(given[15].ego, 15) < 0.5
    sigmas = [float(each.integrity.values['sigma_odom_m']) for each in given[5:16]]
    assert sigmas == sorted(sigmas) and sigmas[-1] > 2.5 * sigmas[0]
    assert [state(each) for each in given[16:18]] == ['LOST'] * 2
    assert all(each.ego is None for each in given[16:18])
    assert localizer.predicted(START + 21 * TENTH) is not None
    assert state(given[-1]) == 'NOMINAL' and off_by_m(given[-1].ego, 21) < 1.0


def test_with_wheels_a_blind_vehicle_is_carried_further():
    given = drive(Localizer(LocalizationConfig()), AHEAD, range(30), blind=range(6, 30), tell_wheels=True)
    assert state(given[-1]) == 'DEAD_RECKONING'
    assert off_by_m(given[-1].ego, 29) < 0.3
    assert float(given[-1].integrity.values['blind_m']) == pytest.approx(24.0, abs=0.5)


def test_a_sweep_that_lies_elsewhere_is_not_followed():
    localizer = Localizer(LocalizationConfig())
    before = drive(localizer, AHEAD, range(6))[-1].ego
    pose = displacement(np.array(AHEAD), 0.6)
    pose[0, 3] += 25.0
    after = localizer.sweep(cloud(6, seen(pose, 6)))
    assert state(after) == 'DEAD_RECKONING' and 'of the points fit' in after.integrity.text
    assert np.linalg.norm(after.ego.position_m - before.position_m) == pytest.approx(1.0, abs=0.1)


def test_a_vehicle_that_was_lost_finds_its_feet_where_it_is():
    localizer = Localizer(LocalizationConfig())
    drive(localizer, AHEAD, range(4))
    elsewhere = displacement(np.array([0, 0, 0, 0, 0, 2.5]), 1.0)
    elsewhere[:2, 3] = 60.0, 25.0
    given = [localizer.sweep(cloud(n, seen(elsewhere, n))) for n in range(4, 20)]
    states = [state(each) for each in given]
    assert states[:12] == ['DEAD_RECKONING'] * 10 + ['LOST', 'NOMINAL'] and set(states[12:]) == {'NOMINAL'}
    assert given[-1].ego.speed_mps == pytest.approx(0.0, abs=0.1)


def test_standing_on_still_wheels_nothing_moves_at_all():
    localizer = Localizer(LocalizationConfig())
    given = [localizer.sweep(cloud(n, seen(np.eye(4), n)), wheels(n, 0.0)) for n in range(6)]
    assert all(each.ego.position_m.tobytes() == given[1].ego.position_m.tobytes() for each in given[1:])
    assert np.abs(given[-1].ego.twist).max() < 1e-3
    assert given[-1].ego.pose_covariance.tobytes() == given[1].ego.pose_covariance.tobytes()


def test_wheels_stuck_at_rest_do_not_hold_a_vehicle_that_drives():
    localizer = Localizer(LocalizationConfig())
    drive(localizer, AHEAD, range(5))
    given = []
    for number in range(5, 10):
        pose = displacement(np.array(AHEAD), number / 10)
        given.append(localizer.sweep(cloud(number, seen(pose, number)), wheels(number, 0.0)))
    assert [state(each) for each in given] == ['NOMINAL'] * 5
    assert 'wheels say 0.00 m/s, LiDAR' in given[0].warnings[0]
    assert off_by_m(given[-1].ego, 9) < 0.1
    assert [each.ego.speed_mps for each in given[3:]] == pytest.approx([10.0] * 2, abs=0.3)


def test_wheels_that_are_wrong_by_some_percent_do_not_carry_the_vehicle_off():
    """3 % is 0.45 m after 1.5 s at 10 m/s; the walls leave less than a tenth of a metre of it."""
    localizer = Localizer(LocalizationConfig())
    for number in range(16):
        xyz = seen(displacement(np.array(AHEAD), number / 10), number)
        localized = localizer.sweep(cloud(number, xyz), wheels(number, 10.3, 0.15))
    assert off_by_m(localized.ego, 15) < 0.1


def test_after_a_blind_stretch_the_walls_count_at_once():
    localizer = Localizer(LocalizationConfig())
    for number in range(22):
        blind = 6 <= number < 21
        xyz = np.zeros((0, 3), np.float32) if blind else seen(displacement(np.array(AHEAD), number / 10), number)
        localized = localizer.sweep(cloud(number, xyz), wheels(number, 10.2 if blind else 10.0, 0.15))
        if number == 20:
            assert off_by_m(localized.ego, 20) > 0.2
    assert state(localized) == 'NOMINAL' and off_by_m(localized.ego, 21) < 0.1


def test_one_sweep_against_the_wheels_is_not_believed():
    localizer = Localizer(LocalizationConfig())
    drive(localizer, AHEAD, range(6), tell_wheels=True)
    aside = displacement(np.array(AHEAD), 0.6)
    aside[:3, 3] += aside[:3, 1]
    strange = localizer.sweep(cloud(6, seen(aside, 6)), wheels(6, 10.0, 0.15))
    assert state(strange) == 'DEAD_RECKONING' and 'disagrees with wheels: not used' in strange.warnings[0]
    after = drive(localizer, AHEAD, range(7, 9), tell_wheels=True)
    assert [state(each) for each in after] == ['NOMINAL'] * 2
    assert max(off_by_m(each.ego, n) for n, each in zip((6, 7, 8), [strange, *after])) < 0.1


def corridor(seed):
    """A straight tunnel along x, smooth: nothing tells how far along it one is."""
    rng = np.random.default_rng(seed)
    x, side = rng.uniform(-50, 50, 20000), rng.integers(0, 4, 20000)
    y = np.where(side == 0, 3.0, np.where(side == 1, -3.0, rng.uniform(-3, 3, 20000)))
    z = np.where(side == 2, 0.0, np.where(side == 3, 5.0, rng.uniform(0, 5, 20000)))
    return (np.stack([x, y, z], axis=1) + rng.normal(0, 0.01, (20000, 3))).astype(np.float32)


def test_in_a_tunnel_the_wheels_tell_the_way_and_the_walls_the_rest():
    localizer = Localizer(LocalizationConfig())
    given = [localizer.sweep(cloud(n, corridor(n)), wheels(n, 8.0)) for n in range(6)]
    values = given[-1].integrity.values
    assert (values['state'], values['degenerate_directions']) == ('NOMINAL', '1')
    assert given[-1].ego.position_m == pytest.approx([4.0, 0.0, 0.0], abs=0.05)
    assert float(values['weakest_sigma_m']) > 0.12
    assert given[-1].integrity.text == 'NOMINAL: degenerate: 1 directions not told by the LiDAR'


def test_the_town_has_no_weak_direction():
    odometry = LidarOdometry(OdometryConfig())
    odometry.begin(odometry.prepared(seen(np.eye(4), 0)), np.eye(4))
    for number in range(1, 5):  # of two sweeps the ground is too thin to tell the height
        odometry.joined(odometry.prepared(seen(np.eye(4), number)), np.eye(4), YOUNG)
    found = odometry.laid(odometry.prepared(seen(np.eye(4), 5)), np.eye(4), STEP, sure=True)
    assert (found.degenerate, found.complaint, found.free) == (0, '', False)
    assert found.sigmas_m[-1] < 0.1


def test_a_pose_far_from_where_the_search_began_is_not_believed():
    odometry = LidarOdometry(OdometryConfig(max_jump_m=1e-6))
    odometry.begin(odometry.prepared(seen(np.eye(4), 0)), np.eye(4))
    odometry.joined(odometry.prepared(seen(np.eye(4), 1)), np.eye(4), YOUNG)
    points = odometry.prepared(seen(displacement(np.array(AHEAD), 0.05), 2))
    assert 'pose jumped' in odometry.laid(points, np.eye(4), STEP, sure=True).complaint


def test_the_map_forgets_what_lies_far_behind():
    odometry = LidarOdometry(OdometryConfig(kept_sweeps=5))
    sizes, points = [], odometry.prepared(seen(np.eye(4), 0))
    for number in range(60):
        pose = displacement(np.array([40.0, 0, 0, 0, 0, 0]), number / 10 * 5)
        odometry.begin(points, pose) if number == 0 else odometry.joined(points, pose, OLD)
        sizes.append(odometry.voxels)
    assert sizes[-1] <= max(sizes[:25])


def test_a_map_without_room_keeps_what_is_near():
    odometry = LidarOdometry(OdometryConfig(slots=16384))
    for number in range(4):
        pose = displacement(np.array([200.0, 0, 0, 0, 0, 0]), number / 10)
        points = odometry.prepared(seen(np.eye(4), 0))
        odometry.begin(points, pose) if number == 0 else odometry.joined(points, pose, OLD)
        assert odometry.voxels <= 8192
    assert odometry.voxels > 1000


def test_a_state_is_carried_forward_by_its_twist_and_not_too_far():
    localizer = Localizer(LocalizationConfig())
    assert localizer.predicted(START) is None
    ego = drive(localizer, AHEAD, range(8))[-1].ego
    ahead = localizer.predicted(ego.stamp_ns + 2 * TENTH)
    expected = ego.odom_from_base @ displacement(ego.twist, 0.2)
    assert np.allclose(ahead.odom_from_base, expected, atol=1e-9)
    assert ahead.stamp_ns == ego.stamp_ns + 2 * TENTH
    assert ahead.pose_covariance[0, 0] > ego.pose_covariance[0, 0]
    assert localizer.predicted(ego.stamp_ns + 5 * TENTH) is not None
    assert localizer.predicted(ego.stamp_ns + 5 * TENTH + 1) is None
    assert localizer.predicted(ego.stamp_ns - 1) is None


def test_time_that_goes_back_starts_localization_anew():
    localizer = Localizer(LocalizationConfig())
    drive(localizer, AHEAD, range(100, 104), start=100)
    with pytest.raises(DataError, match='duplicate stamp'):
        drive(localizer, AHEAD, [103], start=100)
    for number in (0, 1):
        with pytest.raises(DataError, match='out of order'):
            drive(localizer, AHEAD, [number])
    begun = drive(localizer, AHEAD, [2], start=2)[0]
    assert state(begun) == 'INIT' and begun.ego is None
    assert begun.warnings == ['time jumped: localization starts anew']
    assert localizer.predicted(START + 3 * TENTH) is None
    assert state(drive(localizer, AHEAD, [3], start=2)[0]) == 'NOMINAL'


@pytest.mark.parametrize('slip', [5, -3])
def test_a_clock_that_slips_does_not_carry_the_vehicle_off(slip):
    """All stamps jump by half a second, or back by 0.3 s: at 10 m/s that would be 5 m, or 3 m."""
    localizer = Localizer(LocalizationConfig())
    drive(localizer, AHEAD, range(8), tell_wheels=True)
    given = {}
    for number in range(8, 14):
        xyz = seen(displacement(np.array(AHEAD), number / 10), number)
        try:
            given[number] = localizer.sweep(cloud(number + slip, xyz), wheels(number + slip, 10.0, 0.15))
        except DataError:
            assert slip < 0 and number < 11  # until its stamps follow again
    assert 'the clock slipped' in next(iter(given.values())).warnings[0]
    assert {state(each) for each in given.values()} == {'NOMINAL'}
    assert max(off_by_m(each.ego, number) for number, each in given.items()) < 0.1
    assert given[13].ego.speed_mps == pytest.approx(10.0, abs=0.2)


def test_odom_does_not_jump_when_a_person_says_where_we_are():
    localizer = Localizer(LocalizationConfig())
    given = drive(localizer, AHEAD, range(4))
    covariance = np.diag([0.25, 0.25, 1e6, 1e6, 1e6, 0.0025])
    place = Pose(0, 'map', np.array([500.0, 300.0, 0.0]), quaternion_of_heading(math.pi / 2), covariance)
    localizer.places.hear_person(place)
    given += drive(localizer, AHEAD, range(4, 6))
    assert [each.pose is None for each in given] == [True] * 4 + [False] * 2
    assert given[4].pose.position_m[:2] == pytest.approx([500.0, 300.0], abs=1e-6)
    assert given[4].pose.covariance[2, 2] >= 1e5
    way = given[5].pose.position_m - given[4].pose.position_m
    assert way[:2] == pytest.approx([0.0, 1.0], abs=0.1)  # along +y, the way it faces
    assert max(off_by_m(each.ego, number) for number, each in enumerate(given[1:], start=1)) < 0.1
    assert given[5].integrity.values['map'] == 'known'


def test_satellite_poses_find_map_once_the_way_is_long_enough():
    localizer = Localizer(LocalizationConfig())
    covariance = np.diag([0.01, 0.01, 0.04, 1e6, 1e6, 1e6])
    for number in range(12):
        truth = displacement(np.array(AHEAD), number / 10)
        place = np.array([-truth[1, 3] + 1000.0, truth[0, 3] + 2000.0, 7.0])  # map is odom turned left
        stamp_ns = START + number * TENTH
        localizer.places.hear_pose(Pose(stamp_ns, 'map', place, np.array([0, 0, 0, 1.0]), covariance))
        localized = localizer.sweep(cloud(number, seen(truth, number)))
        if number == 1:
            assert localized.pose is None
    assert localized.pose.position_m == pytest.approx(place, abs=0.15)
    sigma = math.sqrt(localized.pose.covariance[5, 5])
    assert sigma < 0.07


def test_the_start_is_levelled_by_an_imu():
    localizer = Localizer(LocalizationConfig())
    up = 9.81 * np.array([math.sin(0.1), 0.0, math.cos(0.1)])
    given = []
    for number in range(3):
        truth = displacement(np.array([5.0, 0, 0, 0, 0, 0]), number / 10)
        sample = Imu(START + number * TENTH, 'base_link', np.zeros(3), up)
        given.append(localizer.sweep(cloud(number, seen(truth, number)), (), [sample]))
    assert given[-1].ego.position_m == pytest.approx([math.cos(0.1), 0.0, math.sin(0.1)], abs=0.05)


def test_nonsense_settings_are_refused():
    with pytest.raises(ValueError, match='max_predict_s=0.0'):
        LocalizationConfig(max_predict_s=0.0)
    with pytest.raises(ValueError, match='slots=1000'):
        OdometryConfig(slots=1000)


def test_on_a_recorded_drive_it_ends_where_another_odometry_ends():
    """KISS-ICP 1.3.0 (voxel 1 m, no deskew) ends 62 sweeps of KITTI tracking 0000 at 20.003, 9.189, -0.033."""
    folder = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'sensors/kitti_seq0000/velodyne'
    if not folder.is_dir():
        pytest.skip(f'no recording: {folder} is missing; set AUTONOMY_DATA')
    localizer = Localizer(LocalizationConfig())
    for number in range(62):
        with np.load(folder / f'{number:06d}.npz') as stored:
            xyz = np.cumsum(stored['dxyz'].astype(np.int64), axis=1).T * (float(stored['q_mm']) / 1000)
        localized = localizer.sweep(cloud(number, (xyz + [0.76, 0.0, 1.73]).astype(np.float32)))
        assert number == 0 or state(localized) == 'NOMINAL'
    assert localized.ego.position_m == pytest.approx([20.003, 9.189, -0.033], abs=0.15)
