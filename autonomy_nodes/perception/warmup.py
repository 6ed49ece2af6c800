"""Compile the loops of perception before the first sweep comes: seconds once a machine, a moment from then on."""

from dataclasses import replace

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, EgoState
from autonomy_nodes.perception.bev import LANE_OUTPUTS, LANES, LINE_TOLD
from autonomy_nodes.perception.camera.channel import CameraChannel, Shot
from autonomy_nodes.perception.lanes.channel import LaneChannel
from autonomy_nodes.perception.lanes.lines import lines_of
from autonomy_nodes.perception.learned import LearnedChannel
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

_MATRIX = np.array([[100.0, 0.0, 63.5], [0.0, 100.0, 47.5], [0.0, 0.0, 1.0]])
_AHEAD = np.array([[0.0, 0.0, 1.0, 1.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 1.5], [0.0, 0.0, 0.0, 1.0]])


def warm(
    config: PerceptionConfig, learned: LearnedChannel | None = None, cameras: CameraChannel | None = None,
    lanes: LaneChannel | None = None,
) -> None:  # fmt: skip
    """Perceive a small made-up plain with a box and a line once, for a network a second time, and forget it."""
    across, along = np.meshgrid(np.arange(-8.0, 8.0, 0.25), np.arange(-8.0, 8.0, 0.25))
    plain = np.stack([along.ravel(), across.ravel(), np.zeros(along.size)], axis=1)
    box = plain[:200] * 0.1 + [5.0, 0.0, 0.5]
    xyz = np.concatenate([plain, box, plain[:1] + [0.0, 0.0, 20.0]]).astype(np.float32)
    bright = np.where(abs(xyz[:, 1] - 2.0) < 0.2, 4.0, 1.0).astype(np.float32)
    shots = [] if cameras is None else [Shot(np.zeros((96, 128, 3), np.uint8), _MATRIX, _AHEAD)]
    ego = EgoState(0, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))
    for sensor_m, network in ((None, None), (np.array([0.0, 0.0, 2.0]), learned)):
        perceiver = Perceiver(config, network, cameras=cameras, lanes=lanes)
        for stamp_ns in (0,) if network is None else (0, SECOND_NS // 10):
            cloud = PointCloud(stamp_ns, 'base_link', xyz, bright)
            perceiver.perceive(perceiver.segment(cloud, sensor_m), replace(ego, stamp_ns=stamp_ns), shots=shots)
    if lanes is not None:  # of a plain its network may tell no line that could be followed
        told = np.zeros((LANE_OUTPUTS['lines'][0], *LANES), np.float32)
        told[:: len(LINE_TOLD)] = -9.0
        told[0, 40:60, 50], told[LINE_TOLD.index('cos')] = 9.0, 1.0
        lines_of(told, np.zeros((LANE_OUTPUTS['travel'][0], *LANES), np.float32), config.lanes.lines)
    if cameras is not None:
        Perceiver(config, learned, cameras=cameras).look(0, shots, ego)
