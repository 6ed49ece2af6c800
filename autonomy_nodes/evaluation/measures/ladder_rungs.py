"""A rung of the ladder as a stage of its own: what it perceives, frame by frame, of a drive with true poses."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import moved, quaternion_of
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.messages.formats.files import read_json
from autonomy_nodes.messages.formats.frames import BASE, Frame
from autonomy_nodes.perception.camera.channel import Shot
from autonomy_nodes.perception.camera.channel import opened as eyes_opened
from autonomy_nodes.perception.ladder import Channel
from autonomy_nodes.perception.learned import LearnedChannel, opened
from autonomy_nodes.perception.perceived import Perceived
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig
from autonomy_nodes.perception.warmup import warm


@dataclass(frozen=True)
class Looking:
    """Folders of the networks of cameras and of the LiDAR's, and the engine of all."""

    model: Path
    beside: Path
    backend: str


def stage_of(rung: Channel, looking: Looking, vehicle: Vehicle) -> Callable[[Frame], Perceived]:
    """Return what perceives frame by frame with what this rung has."""
    config, learned, cameras = PerceptionConfig(vehicle=vehicle), None, None
    if rung in (Channel.FUSED, Channel.LEARNED):
        learned = LearnedChannel(opened(looking.beside, looking.backend), config.learned)
    if rung in (Channel.FUSED, Channel.CAMERAS):
        cameras = eyes_opened(looking.model, looking.backend)
    warm(config, learned, cameras)
    perceiver = Perceiver(config, learned, cameras=cameras)

    def perceive(frame: Frame) -> Perceived:
        ego = ego_of(frame)
        if rung is Channel.CAMERAS:
            return perceiver.look(frame.stamp_ns, shots_of(frame), ego)
        cloud, sensor_m = sweep_of(frame, vehicle)
        shots = shots_of(frame) if rung is Channel.FUSED else []
        return perceiver.perceive(perceiver.segment(cloud, sensor_m), ego, shots=shots)

    return perceive


def ego_of(frame: Frame) -> EgoState:
    """Return the true pose; map is odom here. Speeds are not told."""
    map_from_base = frame.map_from(BASE)
    return EgoState(frame.stamp_ns, map_from_base[:3, 3].copy(), quaternion_of(map_from_base[:3, :3]), np.zeros(6))


def vehicle_of(rig: Path) -> Vehicle:
    """Return the size of the vehicle that was driven."""
    told = read_json(rig)['vehicle']
    front, rear, width, height = (float(told[name]) for name in ('front_m', 'rear_m', 'width_m', 'height_m'))
    return Vehicle(front_m=front, rear_m=rear, width_m=width, height_m=height)


def sweep_of(frame: Frame, vehicle: Vehicle) -> tuple[PointCloud, np.ndarray]:
    """Return the sweep in base_link without returns from the vehicle itself, and (3,) where its LiDAR sits."""
    cloud = next(iter(frame.clouds.values()))()
    base_from = frame.base_from(cloud.frame)
    xyz = moved(cloud.xyz.astype(float), base_from).astype(np.float32)
    along, across = (xyz[:, 0] > -vehicle.rear_m) & (xyz[:, 0] < vehicle.front_m), np.abs(xyz[:, 1])
    other = ~(along & (across < vehicle.width_m / 2.0))
    return PointCloud(frame.stamp_ns, BASE, xyz[other], cloud.intensity[other]), base_from[:3, 3].copy()


def shots_of(frame: Frame) -> list[Shot]:
    """Return the pictures of a frame."""
    told = frame.pictures.values()
    return [Shot(picture.image().pixels, picture.matrix, frame.base_from(picture.frame)) for picture in told]
