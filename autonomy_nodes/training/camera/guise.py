"""Changes of an example with photos that leave it true: seen in a mirror, mounted another way, other colours."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.sim.plots.photos import Photo
from autonomy_nodes.training.augmentation import AugmentationSettings, augmented, flipped, turned
from autonomy_nodes.training.examples import Example

SWEEP = AugmentationSettings(paste=0.0, flip=0.0, turn=0.0)  # what is left true by changing the sweep alone
FLIP, TURN, TURN_RAD, COLOUR = 0.5, 0.5, 0.5, 0.7
_MIRROR = np.diag([1.0, -1.0, 1.0, 1.0])  # of base_link
_ACROSS = np.diag([-1.0, 1.0, 1.0, 1.0])  # of a picture


def camera_augmented(example: Example, rng: np.random.Generator, _: Sequence[Example] = ()) -> Example:
    """Return an example changed as drawn; the same for the same state of `rng`."""
    example = augmented(example, rng, (), SWEEP)
    if rng.random() < FLIP:
        example = replace(flipped(example), photos=tuple(mirrored(photo) for photo in example.photos))
    if rng.random() < TURN:
        angle = float(rng.uniform(-TURN_RAD, TURN_RAD))
        turn = matrix_of_rpy(np.zeros(3), np.array([0.0, 0.0, angle]))
        photos = tuple(
            replace(photo, eye=replace(photo.eye, base_from_camera=turn @ photo.eye.base_from_camera))
            for photo in example.photos
        )
        example = replace(turned(example, angle), photos=photos)
    if rng.random() < COLOUR:
        example = replace(example, photos=tuple(coloured(photo, rng) for photo in example.photos))
    return example


def mirrored(photo: Photo) -> Photo:
    """Return the photo as another vehicle, built the other way round, takes it of a mirrored place."""
    matrix = photo.eye.matrix.copy()
    matrix[0, 2] = photo.eye.width - 1.0 - matrix[0, 2]
    eye = replace(photo.eye, matrix=matrix, base_from_camera=_MIRROR @ photo.eye.base_from_camera @ _ACROSS)
    maps = {name: getattr(photo, name)[:, ::-1].copy() for name in ('pixels', 'depth_m', 'semantics')}
    return replace(photo, eye=eye, **maps)


def coloured(photo: Photo, rng: np.random.Generator) -> Photo:
    """Return the photo by another sensor: gain and offset a colour, another gamma, less colour."""
    x = photo.pixels.astype(np.float32) / 255.0
    grey = x.mean(axis=-1, keepdims=True)
    x = grey + rng.uniform(0.3, 1.2) * (x - grey)
    x = np.clip(x * rng.uniform(0.8, 1.2, 3) * rng.uniform(0.8, 1.25) + rng.uniform(-0.05, 0.05), 0.0, 1.0)
    pixels = np.round(255.0 * x ** rng.uniform(0.75, 1.35)).astype(np.uint8)
    return replace(photo, pixels=pixels)

