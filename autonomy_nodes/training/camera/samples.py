"""An example with pictures as tensors for the camera networks: what they see, and what they should say of it.

Nobody is asked for what no picture shows: a cell is asked for where one of its anchors is neither out of all pictures
nor hidden, an object where enough of its box is. A part of the samples knows what a LiDAR measured as well: its ground,
on which the anchors stand, and depths in the picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.perception.bev import CELLS, middles
from autonomy_nodes.perception.camera.places import (
    AIR,
    ANCHORS_M,
    FARTHEST_M,
    HEIGHT,
    NEAREST_M,
    SHRINK,
    WIDTH,
    depths_seen,
    picture_of,
    places_of,
    projected,
)
from autonomy_nodes.perception.raster import rasterised
from autonomy_nodes.sim.plots.photos import Photo
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.samples import Guise, Sample, Samples, SampleSettings, Source, grounded
from autonomy_nodes.training.targets import targets_of

INPUTS = ('pictures', 'at', 'log_depths', 'seen', 'of')  # of network.CameraNetwork, `eyes.` in a batch
LEAST_SEEN = 0.25  # of a box, that it is asked for
LEAST_HIGH_PX = 6.0
_BEHIND_M, _BEHIND = 0.5, 0.05  # so far behind the surface an anchor still counts as seen, and as a share of its depth
_LOOKED_UP = (0, 2)  # of ANCHORS_M, by which a cell is seen
_LATTICE = np.stack(np.meshgrid(*[(-0.4, 0.0, 0.4)] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
_MANY = 99  # points, more than any target asks for


@dataclass(frozen=True)
class CameraSampleSettings:
    """with_lidar: share of samples that know what a LiDAR measured. most: pictures of a sample.

    turn_rad, shift_m: by how much the calibration of a camera is off. fine: whether the LiDAR's tensors come too.
    """

    with_lidar: float = 0.25
    most: int = 3
    turn_rad: float = 0.003
    shift_m: float = 0.02
    fine: bool = False


@dataclass(frozen=True)
class _Make:
    """Makes a sample of an example, in any process."""

    settings: CameraSampleSettings

    def __call__(self, example: Example, rng: np.random.Generator, _: SampleSettings) -> Sample:
        return camera_sample_of(example, rng, self.settings)


def batches(
    source: Source, guise: Guise, start: int, pool: SampleSettings, settings: CameraSampleSettings, size: int,
    workers: int,
) -> Iterator[Sample]:  # fmt: skip
    """Yield endless batches of `size` samples of the places from a seed on, made by so many processes."""
    samples = Samples(source, guise, start, pool, make=_Make(settings))
    context = 'spawn' if workers else None
    return iter(DataLoader(
        samples, size, num_workers=workers, multiprocessing_context=context, collate_fn=batch_of
    ))  # fmt: skip


def camera_sample_of(
    example: Example, rng: np.random.Generator | None = None, settings: CameraSampleSettings | None = None,
    with_lidar: bool = False,
) -> Sample:  # fmt: skip
    """Return pictures, places and targets of an example that has photos.

    pictures: (C, 5, HEIGHT, WIDTH); at, log_depths, seen: places.Places; depth: (C, 1, H/4, W/4) log of the true one;
    kinds: (C, H/4, W/4) int64; air: (C, 4); the rest as targets.targets_of, `prior`: (1, X, Y) the ground that its
    heights count from. With rng a part of the pictures, and calibration that is a little off.
    """
    settings = settings or CameraSampleSettings()
    photos, lidar = list(example.photos), with_lidar
    if rng is not None:
        lidar = rng.random() < settings.with_lidar
        photos = [photos[n] for n in rng.permutation(len(photos))[: settings.most]]
    inputs = _laid(example) if lidar or settings.fine else None
    ground = inputs['prior'][0] if lidar and inputs is not None else np.zeros(CELLS, np.float32)
    poses = [photo.eye.base_from_camera for photo in photos]
    if rng is not None:
        poses = [
            pose @ matrix_of_rpy(rng.normal(size=3) * settings.shift_m, rng.normal(size=3) * settings.turn_rad)
            for pose in poses
        ]
    places = places_of(np.array([photo.eye.matrix for photo in photos]), np.array(poses), _coarse(ground))
    xyz = example.points[:, :3] if lidar else example.points[:0, :3]
    pictures = [
        picture_of(photo.pixels, depths_seen(xyz, photo.eye.matrix, pose), photo.eye.matrix, pose)
        for photo, pose in zip(photos, poses)
    ]
    shown, asked = _cells_shown(example, photos)
    mine = as_seen_by(replace(example, objects_asked=asked), photos)
    targets = targets_of(mine, np.stack([ground, shown.astype(np.float32), np.zeros(CELLS, np.float32)]))
    truth = {
        'depth': np.stack([_shrunk(_log(photo.depth_m)) for photo in photos])[:, None],
        'kinds': np.stack([_shrunk(photo.semantics) for photo in photos]).astype(np.int64),
        'air': np.repeat(air_of(example)[None], len(photos), axis=0),
    }
    given = {'pictures': np.stack(pictures), 'at': places.at, 'log_depths': places.log_depths, 'seen': places.seen}
    arrays = {**{f'eyes.{name}': value for name, value in (given | truth).items()}, **targets, 'base': ground[None]}
    if settings.fine and inputs is not None:
        arrays |= {'points': inputs['points'], 'prior': inputs['prior']}
    sample = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()}
    sample['told_before'] = torch.zeros(1, 1, 1)  # a single picture tells of no motion
    return sample


def batch_of(samples: Sequence[Sample]) -> Sample:
    """Return samples as one batch; what belongs to pictures lies one after another, `eyes.of` tells whose it is."""
    batch = {
        name: (torch.cat if name.startswith('eyes.') else torch.stack)([sample[name] for sample in samples])
        for name in samples[0]
    }
    counts = torch.tensor([len(sample['eyes.pictures']) for sample in samples])
    return batch | {'eyes.of': torch.repeat_interleave(torch.arange(len(samples)), counts)}


def air_of(example: Example) -> np.ndarray:
    """Return (len(AIR),) what air and light are like, 0 to 1 each."""
    air = example.air
    assert air is not None and AIR == ('darkness', 'fog', 'rain', 'wetness')
    fog = 1.0 - np.clip(np.log(air.visibility_m / 30.0) / np.log(1500.0 / 30.0), 0.0, 1.0)
    return np.array([air.darkness, fog, air.precipitation, air.wetness], np.float32)


def _laid(example: Example) -> dict[str, np.ndarray]:
    ground, passed = grounded(example)
    return rasterised(example.points, example.before, ground, passed, example.sensor_m)


def _coarse(ground: np.ndarray) -> np.ndarray:
    return cv2.resize(ground, (CELLS[1] // 2, CELLS[0] // 2), interpolation=cv2.INTER_AREA)


def _cells_shown(example: Example, photos: Sequence[Photo]) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y) which cells some picture shows, and which lie in some picture at all, shown or hidden."""
    ground = np.nan_to_num(example.ground_m)
    shown, inside = np.zeros(CELLS, bool), np.zeros(CELLS, bool)
    for anchor in _LOOKED_UP:
        xyz = np.concatenate([_MIDDLES, (ground + ANCHORS_M[anchor])[..., None]], axis=-1)
        for photo in photos:
            met, within = _met(photo, xyz, 0.0)
            shown |= met
            inside |= within
    return shown, inside


def _met(photo: Photo, xyz: np.ndarray, thick_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return of (...) places which a picture shows, and which lie in it; thick_m: of the body that they lie in."""
    at, depth, within = projected(photo.eye.matrix, photo.eye.base_from_camera, xyz)
    column = np.clip(((at[..., 0] + 1.0) * 0.5 * WIDTH).astype(int), 0, WIDTH - 1)
    row = np.clip(((at[..., 1] + 1.0) * 0.5 * HEIGHT).astype(int), 0, HEIGHT - 1)
    inside = within > 0.0
    return inside & (photo.depth_m[row, column] > depth * (1.0 - _BEHIND) - _BEHIND_M - thick_m), inside


def as_seen_by(example: Example, photos: Sequence[Photo]) -> Example:
    """Return the example with how much of each box the pictures show; points have light, since eyes see water."""
    shares = np.zeros(len(example.boxes), np.float32)
    hits = np.zeros(len(example.boxes), example.hits.dtype)
    for number, box in enumerate(example.boxes):
        c, s = np.cos(box[6]), np.sin(box[6])
        along, left, up = (_LATTICE * box[3:6]).T
        xyz = np.stack([box[0] + c * along - s * left, box[1] + s * along + c * left, box[2] + up], axis=-1)
        for photo in photos:
            met, _ = _met(photo, xyz, 0.5 * float(np.hypot(box[3], box[4])))
            away = max(float(np.linalg.norm(box[:3] - photo.eye.base_from_camera[:3, 3])), NEAREST_M)
            high = photo.eye.matrix[1, 1] * box[5] / away
            if met.mean() > shares[number]:
                shares[number] = met.mean()
                hits[number] = _MANY if high >= LEAST_HIGH_PX and shares[number] >= LEAST_SEEN else 0
    points = np.array(example.points)
    points[:, 3] = np.maximum(points[:, 3], 1e-3)
    return replace(example, points=points, hits=hits, shares=shares)


def _log(depth_m: np.ndarray) -> np.ndarray:
    return np.log(np.clip(depth_m, NEAREST_M, FARTHEST_M)).astype(np.float32)


def _shrunk(values: np.ndarray) -> np.ndarray:
    """Return a map at the size of the features; the middle one of each patch, since depths must not be mixed."""
    return values[SHRINK // 2 :: SHRINK, SHRINK // 2 :: SHRINK]


_MIDDLES = middles()
assert WIDTH % SHRINK == 0 and HEIGHT % SHRINK == 0
