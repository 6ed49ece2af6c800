"""Sweeps of every sensor in the data folder, through lidar and perception: nothing is set but where the sensor sits."""

import functools

import numpy as np
import pytest
from perception_scenes import ego
from real_data import sensors
from scipy.ndimage import binary_dilation

from autonomy_nodes.common.sensing import PointCloud, Transforms
from autonomy_nodes.messages.formats.catalogue import frames
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.perception.ground import BELOW, GROUND, OBSTACLE, OUTSIDE
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig
from autonomy_nodes.sensors.lidar import LidarConfig, Merger

A_FOLDER, SEED = 3, 7
ON_THE_ROAD = (
    'argoverse2_7fab2350', 'gndnet_seq00', 'kitti_object', 'kitti_seq0000', 'kitti_traffic78', 'nuscenes_mini',
    'semantickitti',
)  # fmt: skip
EVERY_FOLDER = (*ON_THE_ROAD, 'orfd', 'rosbag2_nebula')
# where nobody tells it: points of gndnet are given above the road; of the others it is read off the lowest points
HEIGHTS_M = {'gndnet_seq00': 0.0, 'orfd': 1.73, 'rosbag2_nebula': 0.8}
EVERY = 8  # of the points of a depth picture, which are as many as ten sweeps
PERCEPTION = PerceptionConfig()


def swept(frame):
    """The sweep of a frame, or the points of its depth picture, and (4, 4) where in the vehicle its frame is told."""
    if frame.clouds:
        return next(iter(frame.clouds.values()))(), frame.mounts
    depth, picture = frame.depths['front'](), frame.pictures['front']
    rows, columns = (each[::EVERY] for each in np.nonzero(np.isfinite(depth)))
    rays = np.column_stack([columns, rows, np.ones(len(rows))]) @ np.linalg.inv(picture.matrix).T
    there = (rays * depth[rows, columns][:, None]).astype(np.float32)
    return PointCloud(frame.stamp_ns, picture.frame, there, np.zeros(len(there), np.float32)), frame.mounts


@functools.cache
def seen(folder):
    """[(what segmenting gave, what perceiving gave)] of some sweeps."""
    every = [frame for frame in frames(sensors(folder)) if frame.clouds or frame.depths]
    chosen = np.random.default_rng(SEED).permutation(len(every))[:A_FOLDER]
    found = []
    for frame in (every[k] for k in sorted(chosen)):
        cloud, mounts = swept(frame)
        merger = Merger(LidarConfig())
        merger.calibration.take(Transforms(0, dict(mounts)))
        if folder in HEIGHTS_M:
            raised = np.eye(4)
            raised[2, 3] = HEIGHTS_M[folder]
            merger.calibration.take(Transforms(0, {(BASE, 'lidar_level' if mounts else cloud.frame): raised}))
        merged = merger.merge(cloud, {}, None).cloud
        perceiver = Perceiver(PERCEPTION)
        segmented = perceiver.segment(merged, merger.calibration.base_from(cloud.frame)[:3, 3])
        found.append((segmented, perceiver.perceive(segmented, ego(merged.stamp_ns))))
    return found


def cells_of(grid, xyz):
    """(X, Y) whether any of the points (N, 3), in odom, lies in a cell; here odom is base_link."""
    index = np.floor((xyz[:, :2] - grid.origin_m) / grid.resolution_m).astype(int)
    index = index[((index >= 0) & (index < len(grid.layers['elevation']))).all(axis=1)]
    hit = np.zeros_like(grid.layers['elevation'], bool)
    hit[tuple(index.T)] = True
    return hit


@pytest.mark.parametrize('folder', ON_THE_ROAD)
def test_the_ground_beside_the_vehicle_lies_where_its_wheels_are(folder):
    for segmented, _ in seen(folder):
        xyz, kinds = segmented.cloud.xyz, segmented.ground.kinds
        near, farther = (np.hypot(xyz[:, 0], xyz[:, 1]) < reach for reach in (10.0, 30.0))
        assert abs(np.median(xyz[near & (kinds == GROUND), 2])) < 0.1
        assert 0.15 < (kinds[farther] == GROUND).mean() < 0.9
        assert (kinds[farther] == BELOW).mean() < 0.05


@pytest.mark.parametrize('folder', EVERY_FOLDER)
def test_all_that_is_told_of_a_sweep_is_a_number_and_boxes_have_sizes_that_things_have(folder):
    for segmented, perceived in seen(folder):
        ground, boxes, reach = segmented.ground, perceived.clusters, PERCEPTION.clusters
        assert np.isfinite(ground.heights_m[ground.kinds != OUTSIDE]).all()
        assert np.isfinite(boxes.positions_m).all() and np.isfinite(boxes.headings_rad).all()
        assert len(boxes) > 5 and (boxes.dimensions_m >= 0.1).all()
        assert (boxes.dimensions_m[:, :2].max(axis=1) <= reach.longest_m).all()
        assert (boxes.dimensions_m[:, 0] * boxes.dimensions_m[:, 1] <= reach.largest_m2 + 1e-6).all()
        assert (np.hypot(*boxes.positions_m[:, :2].T) < np.sqrt(2.0) * reach.range_m + reach.longest_m).all()
        np.testing.assert_allclose(boxes.class_probabilities.sum(axis=1), 1.0, atol=1e-6)
        assert (np.linalg.eigvalsh(boxes.pose_covariances) > 0.0).all()
        for name, layer in perceived.terrain.layers.items():
            assert not np.isinf(layer).any() or name == 'ceiling'


@pytest.mark.parametrize('folder', EVERY_FOLDER)
def test_where_no_return_fell_nothing_is_known_and_where_something_stands_it_is_not_free(folder):
    vehicle = PERCEPTION.vehicle
    for segmented, perceived in seen(folder):
        xyz, ground = segmented.cloud.xyz, segmented.ground
        for grid, config in ((perceived.terrain, PERCEPTION.terrain), (perceived.terrain_far, PERCEPTION.terrain_far)):
            known = binary_dilation(cells_of(grid, xyz), np.ones((3, 3)), iterations=config.fill_cells)
            x, y = (np.arange(len(known)) + 0.5) * grid.resolution_m + grid.origin_m[:, None]
            inside = (x[:, None] > -vehicle.rear_m - 1.0) & (x[:, None] < vehicle.front_m + 1.0)
            known |= inside & (abs(y) < vehicle.width_m)
            layers = grid.layers
            assert np.isnan(layers['elevation'][~known]).all() and np.isnan(layers['occupancy'][~known]).all()
            assert (layers['observed'][~known] == 0.0).all() and (~known).sum() > 1000
            stands = cells_of(grid, xyz[(ground.kinds == OBSTACLE) & (ground.heights_m > config.low_m + 0.01)])
            assert not (layers['occupancy'][stands & ~(inside & (abs(y) < vehicle.width_m))] < 0.5).any()
