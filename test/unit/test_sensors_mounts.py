import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from samples import STAMP_NS

from autonomy_nodes.common.geometry import inverse, matrix_of_rpy, moved, rotation_log
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.sensors.edges import edges_of, gradients_of
from autonomy_nodes.sensors.extrinsics import Sight, View, found, laid_on, stepped
from autonomy_nodes.sensors.levelling import LevelWatch, level_of
from autonomy_nodes.sensors.lidar import LidarConfig, Merger

HEIGHT_M, WIDTH_PX, HEIGHT_PX = 1.8, 640, 360
MATRIX = np.array([[400.0, 0, 320], [0, 400, 180], [0, 0, 1]])
CAMERA_FROM_LIDAR = np.array([[0.0, -1, 0, 0.1], [0, 0, -1, -0.2], [1, 0, 0, -0.3], [0, 0, 0, 1]])
BOARDS = [(9, -6, 1.6), (7, -3.4, 1.2), (12, -1, 2.4), (8, 2.2, 1.4), (11, 5, 2.0), (16, 9, 3.0)]
BOARDS += [(17, -9, 2.6), (20, 2, 3.0)]  # x ahead, y to the left, width


def ground(tilt=(0.0, 0.0), height=0.0, clutter=True):
    """A road with 2 cm noise and boxes upon it, seen in a base_link that is wrong."""
    random = np.random.default_rng(1)
    road = np.column_stack([random.uniform(-25, 25, (30_000, 2)), random.normal(0, 0.02, 30_000)])
    boxes = np.column_stack([random.uniform(6, 14, (9000, 2)), random.uniform(0.1, 1.8, 9000)]) if clutter else road[:0]
    wrong = matrix_of_rpy(np.array([0.0, 0.0, height]), np.array([*tilt, 0.0]))
    return moved(np.concatenate([road, boxes]), wrong).astype(np.float32)


@pytest.mark.parametrize('roll, pitch, height', [(0.0, 0.0, 0.0), (2.0, 0.0, 0.1), (-1.0, 1.7, -0.1)])
def test_a_base_link_that_does_not_stand_on_the_ground_is_set_right(roll, pitch, height):
    tilt = math.radians(roll), math.radians(pitch)
    level = level_of(ground(tilt, height))
    wrong = matrix_of_rpy(np.array([0.0, 0.0, height]), np.array([*tilt, 0.0]))
    left = level.true_from_told @ wrong
    assert math.degrees(math.acos(left[2, 2])) < 0.05 and abs(left[2, 3]) < 0.01
    assert math.degrees(level.tilt_rad) == pytest.approx(math.hypot(roll, pitch), abs=0.06)


def test_without_ground_in_sight_there_is_no_answer():
    with pytest.raises(DataError, match='at least 60 needed'):
        level_of(ground()[:40])


def test_the_watch_warns_after_five_looks_and_not_of_a_right_mount():
    told = []
    for tilt in (0.0, 2.0):
        watch, points = LevelWatch(math.radians(1.5), 0.1, every=1), ground((0.0, math.radians(tilt)))
        told.append([bool(watch.look(points, 5.0)[1]) for _ in range(11)])
    assert told == [[False] * 11, [False] * 4 + [True] * 7]


def test_the_watch_says_nothing_at_rest_nor_of_a_road_that_tilts_to_and_fro():
    watch = LevelWatch(math.radians(1.5), 0.1, every=1)
    assert not any(watch.look(ground((0.0, 0.05)), 0.0)[1] for _ in range(8))
    hills = [ground((0.0, math.radians(tilt))) for tilt in (5.0, 2.0, 4.0, 1.0)]
    assert not any(watch.look(hills[number % 4], 5.0)[1] for number in range(12))


def test_the_status_of_the_lidar_tells_how_the_ground_lies():
    merger = Merger(LidarConfig())
    xyz = ground(height=-0.05)
    cloud = PointCloud(STAMP_NS, 'base_link', xyz, np.ones(len(xyz), np.float32))
    merged = merger.merge(cloud, {}, np.array([5.0, 0, 0, 0, 0, 0]))
    assert float(merged.level['ground_height_m']) == pytest.approx(-0.05, abs=0.01) and not merged.warnings


def scene(camera_from_lidar):
    """Boards before a wall: 64 beams of a LiDAR, and the picture of a camera."""
    turns, heights = np.radians(np.arange(-50, 50, 0.2)), np.radians(np.arange(-12, 4, 0.25))
    turn, height = (axis.ravel() for axis in np.meshgrid(turns, heights))
    rays = np.column_stack([np.cos(turn) * np.cos(height), np.sin(turn) * np.cos(height), np.sin(height)])
    xyz, _ = traced(np.zeros(3), rays)
    u, v = (axis.ravel() + 0.5 for axis in np.meshgrid(np.arange(WIDTH_PX), np.arange(HEIGHT_PX)))
    lidar_from_camera = inverse(camera_from_lidar)
    looks = np.column_stack([u, v, np.ones_like(u)]) @ np.linalg.inv(MATRIX).T @ lidar_from_camera[:3, :3].T
    _, shade = traced(lidar_from_camera[:3, 3], looks)
    pixels = shade.reshape(HEIGHT_PX, WIDTH_PX)
    return xyz, cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)


def traced(origin, rays):
    """Where rays end first, and the shade there: road, wall, and upright boards of height 1.6 m."""
    with np.errstate(divide='ignore', invalid='ignore'):
        best = (-HEIGHT_M - origin[2]) / rays[:, 2]
        best[~(best > 0)] = np.inf
        shade = np.full(len(rays), 90, np.uint8)
        for number, (x, y, width) in enumerate([(40, 0, 200), *BOARDS]):
            way = (x - origin[0]) / rays[:, 0]
            hit = origin + way[:, None] * rays
            top = 8.0 if number == 0 else -0.2
            on = (way > 0) & (way < best) & (np.abs(hit[:, 1] - y) < width / 2) & (hit[:, 2] < top)
            best[on], shade[on] = way[on], 150 if number == 0 else (20, 240)[number % 2]
    kept = np.isfinite(best)
    shade[~kept] = 200
    return (origin + np.where(kept, best, 1.0)[:, None] * rays)[kept], shade


def sight(wrong):
    xyz, pixels = scene(CAMERA_FROM_LIDAR)
    ring = np.unique(np.round(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])), 6), return_inverse=True)[1]
    edges = edges_of(xyz.astype(np.float32), np.ones(len(xyz), np.float32), ring.astype(np.uint16), -HEIGHT_M)
    return Sight([[View(edges, gradients_of(pixels), MATRIX, CAMERA_FROM_LIDAR @ wrong)]])


def test_edges_of_sweep_and_picture_meet_where_the_mount_is_right():
    right, wrong = sight(np.eye(4)), sight(stepped(np.eye(4), np.radians([0, 0, 0, 0, 2, 2])))
    assert right.score(np.eye(4)) > 1.4 * wrong.score(np.eye(4))


def test_a_mount_that_is_off_by_two_degrees_comes_back_within_half_a_degree():
    wrong = stepped(np.eye(4), np.array([0.05, 0.04, -0.03, *np.radians([0.9, -1.2, 1.3])]))
    guess = found(sight(wrong), searches=1)
    left = wrong @ guess.true_from_told
    assert math.degrees(np.linalg.norm(rotation_log(left[:3, :3]))) < 0.5
    assert np.linalg.norm(left[:3, 3]) < 0.1 and guess.score > guess.told_score


def test_a_wall_without_edges_is_no_answer():
    with pytest.raises(DataError, match='edges in sight'):
        Sight([])


def test_a_second_lidar_is_laid_on_the_first():
    random = np.random.default_rng(0)
    side = random.uniform(-15, 15, (20_000, 2))
    along, up, none = side[:, 0], np.abs(side[:, 1]) / 4, 0 * side[:, 0]
    walls = [np.column_stack(wall) for wall in ((*side.T, none), (none + 12, along, up), (along, none - 9, up))]
    yard = np.concatenate(walls)
    wrong = stepped(np.eye(4), np.array([0.06, -0.05, 0.06, *np.radians([1.0, -1.0, 1.4])]))
    correction, share = laid_on(yard[::2], moved(yard[1::2], wrong))
    left = correction @ wrong
    assert math.degrees(np.linalg.norm(rotation_log(left[:3, :3]))) < 0.1
    assert np.linalg.norm(left[:3, 3]) < 0.02 and share > 0.8


def test_two_units_of_a_recorded_car_are_laid_on_each_other():
    """Argoverse 2: beams 0-31 are the upper unit's, the others the lower one's; by the ground they fit."""
    folder = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'sensors/argoverse2_7fab2350'
    if not folder.is_dir():
        pytest.skip(f'no recording: {folder} is missing; set AUTONOMY_DATA')
    with np.load(sorted(folder.glob('lidar_*.npz'))[0]) as stored:
        xyz, upper = stored['xyz'].astype(float), stored['laser'] < 32
    wrong = stepped(np.eye(4), np.array([0.06, -0.05, 0.06, *np.radians([1.0, -1.0, 1.4])]))
    correction, share = laid_on(xyz[upper], moved(xyz[~upper], wrong))
    left = correction @ wrong
    assert math.degrees(np.linalg.norm(rotation_log(left[:3, :3]))) < 0.2
    assert np.linalg.norm(left[:3, 3]) < 0.03 and share > 0.5
