"""Sweeps of a folder in base_link, with what tells where the ground is: labels of points, or a surveyed raster."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import moved
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.rasters import (
    Raster,
    argoverse_raster,
    gndnet_raster,
    has_gndnet_raster,
    simulated_raster,
)
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.frames import BASE, Frame
from autonomy_nodes.messages.formats.semantickitti import LEARN, RAW
from autonomy_nodes.messages.formats.simulated import SEQUENCES

GROUND_IDS = {RAW: (40, 44, 48, 49, 60, 72), LEARN: (9, 10, 11, 12, 17)}  # road to other ground, marking, terrain
IGNORED_IDS = {RAW: (0, 1), LEARN: (0,)}
NAMES = {
    RAW: {40: 'road', 44: 'parking', 48: 'sidewalk', 72: 'terrain', 70: 'vegetation', 50: 'building', 10: 'car'},
    LEARN: {9: 'road', 10: 'parking', 11: 'sidewalk', 17: 'terrain', 15: 'vegetation', 13: 'building', 1: 'car'},
}
NEAR_M = 0.2  # a point so near to the surveyed ground is of it
KITTI_HEIGHT_M = 1.73  # of the LiDAR over the ground, in the folders of GndNet


@dataclass(frozen=True, eq=False)
class Sweep:
    """One sweep. xyz: (N, 3) float32 in base_link. sensor_m: (3,) where the LiDAR sits there. intensity: (N,) 0 to 1.

    ground: (N,) whether a point is of the ground, as people tell; judged: (N,) whether that is told.
    kinds: {name: (N,) of that class}. raster: surveyed ground, None where there is none.
    """

    xyz: np.ndarray
    intensity: np.ndarray
    sensor_m: np.ndarray
    ground: np.ndarray
    judged: np.ndarray
    kinds: dict[str, np.ndarray]
    raster: Raster | None


@dataclass(frozen=True, eq=False)
class Source:
    """Where a sweep is read from. folder: of its drive."""

    frame: Frame
    folder: Path

    def read(self) -> Sweep:
        """Return the sweep; raises DataError naming the file."""
        raster, frame = self.raster(), self.frame
        cloud = frame.clouds['top']()
        if not len(cloud):
            raise DataError(f'frame {frame.name}: holds no points')
        # GndNet tells no mounts: its heights count from the ground already
        base_from_lidar = frame.base_from(cloud.frame) if frame.mounts else np.eye(4)
        xyz = moved(cloud.xyz.astype(float), base_from_lidar).astype(np.float32)
        sensor_m = base_from_lidar[:3, 3] if frame.mounts else np.array([0.0, 0.0, KITTI_HEIGHT_M])
        intensity = cloud.intensity / 255.0 if cloud.intensity.max() > 1.0 else cloud.intensity
        if frame.labels is None and raster is None:
            raise DataError(f'frame {frame.name}: neither labels of its points nor a raster of the ground')
        if frame.labels is not None:
            ground, judged, kinds = self._labels(len(xyz))
        elif raster is not None:
            above = xyz[:, 2] - raster.at(xyz[:, :2].astype(float))
            ground, judged, kinds = np.abs(above) <= NEAR_M, np.isfinite(above), {}
        return Sweep(xyz, intensity.astype(np.float32), sensor_m, ground, judged, kinds, raster)

    def told(self, raster: bool) -> bool:
        """Return whether the folder tells the ground of this sweep; raster: by heights, not by labels."""
        try:
            return (self.frame.labels is not None and not raster) or self.raster() is not None
        except DataError:  # refused by name where the sweep is read
            return True

    def raster(self) -> Raster | None:
        """Return the surveyed ground about the vehicle, None where there is none."""
        beside = self.folder / f'{self.frame.name}.npz'
        if has_gndnet_raster(beside):
            return gndnet_raster(beside)
        if self.frame.placed is None:
            return None
        if self.folder.parent.name == SEQUENCES:
            return simulated_raster(self.folder, self.frame.map_from(BASE))
        if self.frame.labels is not None:
            return None
        return argoverse_raster(self.folder, self.frame.map_from(BASE))

    def _labels(self, count: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        assert self.frame.labels is not None
        labels = self.frame.labels()
        if len(labels.ids) != count:
            raise DataError(f'frame {self.frame.name}: {len(labels.ids)} labels of {count} points; fetch it again')
        kinds = {name: labels.ids == number for number, name in NAMES[labels.scheme].items()}
        judged = ~np.isin(labels.ids, IGNORED_IDS[labels.scheme])
        return np.isin(labels.ids, GROUND_IDS[labels.scheme]), judged, kinds


def sources(folder: Path, raster: bool = False) -> list[tuple[str, tuple[str, Source]]]:
    """Return (name, (name, source)) of the sweeps in a folder whose ground is told; DataError where none is.

    With several drives in the folder, the name begins with that of the drive. raster: by heights, not by labels.
    """
    found = list(_all(folder))
    chosen = [(name, (name, source)) for name, source in found if source.told(raster)]
    if not chosen:
        missing = 'a raster of the ground' if raster else 'labels of points, or a raster of the ground,'
        raise DataError(f'{folder}: holds {len(found)} sweeps, but {missing} to judge by is missing')
    return chosen


def _all(folder: Path) -> Iterator[tuple[str, Source]]:
    found = drives(folder)
    for drive in found:
        places = (folder / drive.name, folder / SEQUENCES / drive.name)
        place = next((place for place in places if place.is_dir()), folder)
        for frame in drive:
            if 'top' in frame.clouds:
                name = f'{drive.name}_{frame.name}' if len(found) > 1 else frame.name
                yield name, Source(frame, place)
