"""Sweeps one after the other through an odometry: ours, and KISS-ICP (Vizzo et al. 2023) where it is installed."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures.paths import Way
from autonomy_nodes.evaluation.measures.quiet import silenced
from autonomy_nodes.evaluation.measures.task import timed
from autonomy_nodes.localization.localizer import LocalizationConfig, Localizer
from autonomy_nodes.messages.formats.frames import BASE, Frame
from autonomy_nodes.sensors.lidar import carry

KISS = 'kiss_icp'
KISS_VOXEL_M, KISS_RANGE_M = 1.0, (5.0, 100.0)


@dataclass(frozen=True, eq=False)
class Sweep:
    """One sweep in its sensor's frame. base_from_lidar: where the data set does not tell it, base_link is the sensor.

    placed: (4, 4) map_from_base, None where it is not told.
    """

    cloud: PointCloud
    base_from_lidar: np.ndarray
    placed: np.ndarray | None


def read_sweep(frame: Frame) -> Sweep:
    """Return the first LiDAR's sweep of a frame; raises DataError where it cannot be read."""
    cloud = next(iter(frame.clouds.values()))()
    try:
        base_from_lidar = frame.base_from(cloud.frame)
    except DataError:
        base_from_lidar = np.eye(4)
    placed = None if frame.placed is None else frame.map_from(cloud.frame) @ inverse(base_from_lidar)
    return Sweep(cloud, base_from_lidar, placed)


def ours(sweeps: Iterable[Sweep]) -> tuple[Way, list[float]]:
    """Return the way that the stack's localization tells, hearing the LiDAR alone, and CPU times of the sweeps [s].

    Its settings are those of the vehicle. Where points tell their times, the motion is taken out first.
    """
    localizer = Localizer(LocalizationConfig())
    stamps: list[int] = []
    poses: list[np.ndarray] = []
    cpu_s = []
    for sweep in sweeps:
        localized, spent_s = timed(partial(localizer.sweep, _in_base(sweep, localizer)))
        cpu_s.append(spent_s)
        if localized.ego is not None:
            stamps.append(localized.ego.stamp_ns)
            poses.append(localized.ego.odom_from_base)
        elif localized.integrity.values['state'] == 'INIT':  # odom begins here, on LiDAR alone without a turn
            stamps, poses = [sweep.cloud.stamp_ns], [np.eye(4)]
    if len(poses) < 2:
        raise DataError('localization gave no path')
    return Way(tuple(stamps), np.array(poses)), cpu_s


def _in_base(sweep: Sweep, localizer: Localizer) -> PointCloud:
    xyz = moved(sweep.cloud.xyz, sweep.base_from_lidar)
    if sweep.cloud.offset_ns is not None and localizer.ego is not None:
        carry(xyz, localizer.ego.twist, (sweep.cloud.offset_ns / SECOND_NS).astype(np.float32))
    return PointCloud(sweep.cloud.stamp_ns, BASE, xyz, sweep.cloud.intensity)


def kiss(sweeps: Iterable[Sweep]) -> tuple[Way, list[float]]:
    """Return the same of KISS-ICP on one thread, without taking the motion out of sweeps."""
    config = import_module('kiss_icp.config').KISSConfig()
    config.mapping.voxel_size, config.registration.max_num_threads = KISS_VOXEL_M, 1
    config.data.min_range, config.data.max_range = KISS_RANGE_M
    config.data.deskew = False
    with silenced():
        odometry = import_module('kiss_icp.kiss_icp').KissICP(config)
    stamps, poses, cpu_s = [], [], []
    for sweep in sweeps:
        xyz = sweep.cloud.xyz.astype(np.float64)
        with silenced():
            cpu_s.append(timed(partial(odometry.register_frame, xyz, np.zeros(0)))[1])
        stamps.append(sweep.cloud.stamp_ns)
        poses.append(sweep.base_from_lidar @ odometry.last_pose @ inverse(sweep.base_from_lidar))
    return Way(tuple(stamps), np.array(poses)), cpu_s


def kiss_version() -> str:
    """Return the version of KISS-ICP that is installed, '' where none is."""
    try:
        return version('kiss-icp')
    except PackageNotFoundError:
        return ''
