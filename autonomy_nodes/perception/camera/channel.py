"""The camera channel on one page: pictures with their calibration in; objects, cells of the ground and the air out.

With a LiDAR's sweep it stands on that one's ground and knows its depths; without one the ground is taken to be flat
about the vehicle. What no camera sees is not told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.status import Lap, untimed
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference import opening
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.perception.bev import CAMERA_CHANNELS, CELLS, MIDDLE, OUTPUTS
from autonomy_nodes.perception.camera.lift import lifted
from autonomy_nodes.perception.camera.places import (
    AIR,
    EYE_CHANNELS,
    FEATURES,
    HEIGHT,
    LIFTED,
    SHRINK,
    WIDTH,
    depths_seen,
    fitted,
    hushed,
    picture_of,
    places_of,
)
from autonomy_nodes.perception.confidence import Confidences, chance, confidences_of
from autonomy_nodes.perception.decode import DecodeSettings, checked, objects_of

NETWORK = 'autonomy_nodes.perception.camera.network'
_SMALL = HEIGHT // SHRINK, WIDTH // SHRINK
PICTURE = {'picture': (1, len(EYE_CHANNELS), HEIGHT, WIDTH)}
SIGHT = {'features': (1, FEATURES, *_SMALL), 'depth': (1, 2, *_SMALL), 'air': (1, len(AIR))}
GRID = {'lifted': (1, LIFTED, *MIDDLE)}
TOLD = {name: (1, channels, *cells) for name, (channels, cells) in OUTPUTS.items()}
TOLD |= {'camera': (1, CAMERA_CHANNELS, *MIDDLE)}


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture as the camera node gives it. pixels: (H, W, 3) uint8 without distortion, matrix: (3, 3) its own.

    base_from_camera: (4, 4), optical axes.
    """

    pixels: np.ndarray
    matrix: np.ndarray
    base_from_camera: np.ndarray


@dataclass(frozen=True, eq=False)
class Sighted:
    """What pictures of one moment tell. objects: in base_link. outputs: as decode.checked gives them.

    ground_m: (X, Y) of bev.CELLS, on which heights count. camera: (16, *bev.MIDDLE) for the network of the LiDAR. seen:
    (X, Y) which cells lie in a picture. air: {name of places.AIR: 0 to 1}, of the camera that sees it worst. views: the
    C pictures as the network saw them. depths: (C, 2, h, w) logarithm [m] of how far surfaces are, and its log spread.
    """

    objects: Objects
    outputs: Mapping[str, np.ndarray]
    ground_m: np.ndarray
    camera: np.ndarray
    seen: np.ndarray
    air: Mapping[str, float]
    views: Sequence[Shot]
    depths: np.ndarray


class CameraChannel:
    """Runs the two networks on the pictures of one moment; it holds nothing from one to the next."""

    def __init__(self, eyes: Backend, above: Backend, settings: DecodeSettings | None = None) -> None:
        _agree(eyes, PICTURE, SIGHT)
        _agree(above, GRID, TOLD)
        self._eyes, self._above, self._settings = eyes, above, settings or DecodeSettings()
        self.confidences: Confidences = confidences_of(above.manifest.card)

    def perceive(
        self, stamp_ns: int, shots: Sequence[Shot], ground_m: np.ndarray | None = None,
        xyz: np.ndarray | None = None, lap: Lap = untimed,
    ) -> Sighted:  # fmt: skip
        """Return what the pictures tell; DataError where there is none, or a network's answer is not right.

        ground_m: (X, Y) of bev.CELLS that a LiDAR measured, in base_link, and xyz: (N, 3) its points; None without.
        """
        if not shots:
            raise DataError('no picture of this moment')
        base = np.zeros(CELLS, np.float32) if ground_m is None else np.require(ground_m, np.float32, 'C')
        coarse = cv2.resize(base, (MIDDLE[1], MIDDLE[0]), interpolation=cv2.INTER_AREA)
        small = [fitted(shot.pixels, shot.matrix) for shot in shots]
        poses = [shot.base_from_camera for shot in shots]
        places = places_of(np.array([matrix for _, matrix in small]), np.array(poses), coarse)
        points = np.zeros((0, 3)) if xyz is None else xyz
        answers = []
        for (pixels, matrix), pose in zip(small, poses):
            picture = picture_of(pixels, depths_seen(points, matrix, pose), matrix, pose)
            answers.append(self._eyes.run({'picture': picture[None]}))
            if not all(np.isfinite(answers[-1][name]).all() for name in SIGHT):
                raise DataError('the network of pictures gave numbers that are not finite')
        lap('eyes')
        features, depth = (np.concatenate([answer[name] for answer in answers]) for name in ('features', 'depth'))
        told = dict(self._above.run({'lifted': lifted(features, depth, places)[None]}))
        camera = told.pop('camera')[0]
        outputs = checked(told)
        outputs['heat'] = hushed(outputs['heat'], places.seen)
        lap('above')
        objects = objects_of(outputs, base, stamp_ns, 0.0, self._settings, self.confidences)
        air = chance(np.max([answer['air'][0] for answer in answers], axis=0))
        seen = (places.seen > 0.0).any(axis=(0, 1)).repeat(2, axis=0).repeat(2, axis=1)
        views = [Shot(pixels, matrix, pose) for (pixels, matrix), pose in zip(small, poses)]
        return Sighted(objects, outputs, base, camera, seen, dict(zip(AIR, air.tolist())), views, depth)


def opened(
    folder: Path, backend: str = 'auto', require: str = '', threads: int = 1, settings: DecodeSettings | None = None
) -> CameraChannel:
    """Return the channel of a folder of models/ that holds eyes/ and above/."""
    eyes, above = (opening.opened(folder / part, f'{NETWORK}:{part}', backend, require, threads)
                   for part in ('eyes', 'above'))  # fmt: skip
    return CameraChannel(eyes, above, settings)


def _agree(backend: Backend, inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]) -> None:
    manifest = backend.manifest
    for side, wanted in ((manifest.inputs, inputs), (manifest.outputs, outputs)):
        if (found := {name: tensor.shape for name, tensor in side.items()}) != dict(wanted):
            raise SettingsError(f'network {manifest.name!r} has tensors {found}, the camera channel needs {wanted}')
