"""The LiDARs of a recording: which frames they have and where they sit, before any of it is played."""

from collections.abc import Mapping
from pathlib import Path

from autonomy_nodes.common.vehicle import Mount
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.motion import read_transforms
from autonomy_nodes.messages.remap import Remap
from autonomy_nodes.sensors.calibration import Calibration


def calibration_of(bag: Path, remap: Remap | None, mounts: Mapping[str, Mount]) -> Calibration:
    """Return what /tf_static of a recording and the vehicle's mounts tell; raises DataError where it is no tree."""
    calibration = Calibration(mounts)
    for _, _, _, data in Recording(bag, remap).messages([topics.TF_STATIC.name]):
        calibration.take(read_transforms(data))
    return calibration


def frame_of(bag: Path, remap: Remap | None, lidar: str) -> str | None:
    """Return the frame of a LiDAR's first sweep, None where there is none; raises DataError where it is broken."""
    for _, _, _, data in Recording(bag, remap).messages([topics.LIDAR_RAW.named(lidar).name]):
        return read_cloud(data).frame
    return None
