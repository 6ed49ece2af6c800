"""Every layout that is read, by its name: the way in for the command line, for evaluation and for training."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.frames import Drive, Frame

HERE = 'autonomy_nodes.messages.formats'


@dataclass(frozen=True)
class Format:
    """A layout. module: offers `drives(folder)` and `fits(folder)`."""

    name: str
    module: str
    about: str

    def drives(self, folder: Path) -> list[Drive]:
        """Return the drives in a folder of this layout; raises DataError naming what is missing."""
        return import_module(f'{HERE}.{self.module}').drives(Path(folder))

    def fits(self, folder: Path) -> bool:
        """Return whether a folder, or a file, looks like this layout."""
        return import_module(f'{HERE}.{self.module}').fits(Path(folder))


FORMATS = {
    entry.name: entry
    for entry in (  # in the order in which a folder is held against them
        Format('nuscenes', 'nuscenes', 'v1.0-*/ tables, samples/, sweeps/'),
        Format('nuscenes-frames', 'nuscenes_frames', "frame.json as MMDetection3D's infos, its files beside it"),
        Format('argoverse2', 'argoverse2', 'logs of the sensor data set: .feather, or .npz and .json'),
        Format('waymo', 'waymo', 'version 2, parquet: lidar/, camera_image/, lidar_box/, ...'),
        Format('waymo-kitti', 'waymo_kitti', "MMDetection3D's export: velodyne/, image_0..4/, calib/, label_all/"),
        Format('rellis3d', 'rellis', 'sequences with os1_cloud_node_kitti_bin/, pylon_camera_node/'),
        Format('orfd', 'orfd', 'image_data/, lidar_data/, dense_depth/, calib/; or flat'),
        Format('simulated', 'simulated', 'autonomy data holdout: manifest.json, sequences/NN/ with frames.json'),
        Format('semantickitti', 'semantickitti', 'sequences/NN/ with velodyne/, labels/, poses.txt; or flat .npz'),
        Format('kitti', 'kitti', 'raw drives, tracking, odometry, object: velodyne/, image_02/, label_02/, calib'),
        Format('packets', 'packets', 'recordings of raw packets: PandarScan (Pandar64), VelodyneScan (VLP-16)'),
        Format('files', 'point_files', 'one .pcd, .ply, .las, .laz, .bin or .npz file, or a folder of them'),
    )
}


def drives(folder: Path, name: str = '') -> list[Drive]:
    """Return the drives in a folder of the layout `name`, or of the one that it looks like."""
    folder = Path(folder)
    if not folder.exists():
        raise DataError(f'{folder}: no such file or folder')
    return (FORMATS[name] if name else detected(folder)).drives(folder)


def frames(folder: Path, name: str = '') -> Iterator[Frame]:
    """Yield every frame in a folder, drive by drive; what it holds is read when it is asked for."""
    for drive in drives(folder, name):
        yield from drive


def detected(folder: Path) -> Format:
    """Return the layout that a folder looks like; raises DataError where it looks like none."""
    for entry in FORMATS.values():
        if entry.fits(folder):
            return entry
    layouts = '; '.join(f'{entry.name}: {entry.about}' for entry in FORMATS.values())
    raise DataError(f'{folder}: looks like none of the layouts that are read: {layouts}')
