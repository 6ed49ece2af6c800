"""Changes of an example that leave it true: other mountings, sensors, weather, and the same place seen another way.

Each is a function `change(example, rng, ...) -> Example`; `augmented` draws which of them are made, in one order.
Somebody of another example is set down first (training/pasting.py), so that all that follows changes him too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.perception import bev
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.training.examples import MASKS, Example, Far, with_points
from autonomy_nodes.training.pasting import pasted

_UNKNOWN = 255  # terrain


@dataclass(frozen=True)
class AugmentationSettings:
    """How often each change is made, 0 to 1, and how far it goes.

    guests: how many of other examples are set down at most, where `paste` says that any are.
    turn_rad: largest turn about z. scale: largest change of size. tilt_rad, lift_m: errors of the mounting (one sigma).
    visibility_m: shortest range of sight in fog and rain. narrow_rad: least half angle of a field of view.
    """

    paste: float = 0.15
    guests: int = 3
    flip: float = 0.5
    turn: float = 0.7
    turn_rad: float = 0.8
    scale: float = 0.05
    jitter: float = 0.5
    tilt_rad: float = 0.006
    lift_m: float = 0.02
    beams: float = 0.25
    thin: float = 0.25
    weather: float = 0.12
    visibility_m: float = 30.0
    crop: float = 0.10
    narrow_rad: float = 0.6
    light: float = 0.5

    def __post_init__(self) -> None:
        for name in ('paste', 'flip', 'turn', 'jitter', 'beams', 'thin', 'weather', 'crop', 'light'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie between 0 and 1')
        if self.guests < 1:
            raise ValueError(f'guests={self.guests} must be 1 at least')
        if not 0.0 <= self.scale < 0.5:
            raise ValueError(f'scale={self.scale} must lie between 0 and 0.5')
        for name in ('turn_rad', 'tilt_rad', 'lift_m', 'visibility_m', 'narrow_rad'):
            if getattr(self, name) < 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must not be below 0')


def augmented(
    example: Example,
    rng: np.random.Generator,
    others: Sequence[Example] = (),
    settings: AugmentationSettings | None = None,
) -> Example:
    """Return an example changed as drawn; the same for the same state of `rng`. others: who lend guests."""
    settings = settings or AugmentationSettings()
    if others and rng.random() < settings.paste:
        example = pasted(example, others, rng, int(rng.integers(1, settings.guests + 1)))
    for name, change in CHANGES.items():
        if rng.random() < getattr(settings, name):
            example = change(example, rng, settings)
    return example


def flipped(example: Example) -> Example:
    """Return the example with left and right changed."""
    mirror = np.array([1.0, -1.0, 1.0, 1.0], np.float32)
    boxes = example.boxes * np.array([1, -1, 1, 1, 1, 1, -1, 1, -1], np.float32)
    layers = {name: getattr(example, name) for name in (*_CELLS, *MASKS)}
    cells: dict[str, Any] = {name: layer[:, ::-1].copy() for name, layer in layers.items() if layer is not None}
    far = example.far and Far(*(layer[:, ::-1].copy() for layer in vars(example.far).values()))
    return replace(
        example, points=example.points * mirror, before=example.before * mirror, boxes=boxes,
        sensor_m=example.sensor_m * mirror[:3], far=far, **cells,
        lanes=example.lanes and example.lanes.moved(np.diag([1.0, -1.0])),
    )  # fmt: skip


def turned(example: Example, angle: float, scale: float = 1.0) -> Example:
    """Return the example turned about z [rad] and scaled, all about base_link; cells are sampled anew."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
    matrix = (scale * turn).astype(np.float32)
    boxes = example.boxes.copy()
    boxes[:, :3] = boxes[:, :3] @ matrix.T
    boxes[:, 3:6] *= scale
    boxes[:, 6] = (boxes[:, 6] + angle + np.pi) % (2.0 * np.pi) - np.pi
    boxes[:, 7:9] = boxes[:, 7:9] @ matrix[:2, :2].T
    whole = replace(
        example, points=_mapped(example.points, matrix), before=_mapped(example.before, matrix), boxes=boxes,
        sensor_m=(matrix @ example.sensor_m).astype(np.float32), **_sampled(example, angle, scale),
        far=example.far and _far_sampled(example.far, angle, scale),
        lanes=example.lanes and example.lanes.moved(matrix[:2, :2].astype(float)),
    )  # fmt: skip
    inside = ((boxes[:, :2] >= bev.ORIGIN_M) & (boxes[:, :2] < bev.ORIGIN_M + bev.SIZE_M)).all(axis=1)
    return _with_boxes(whole, inside)


def _mapped(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.column_stack([points[:, :3] @ matrix.T, points[:, 3]]).astype(np.float32)


_CELLS = ('ground_m', 'terrain', 'top_m', 'blocked')


def _sampled(example: Example, angle: float, scale: float) -> dict[str, Any]:
    """Return the cells of the turned and scaled example: the nearest of before; unknown where there was none."""
    middles = bev.middles().astype(np.float32) / scale
    cos, sin = np.cos(angle), np.sin(angle)
    back = middles @ np.array([[cos, -sin], [sin, cos]], np.float32)  # the turn undone
    row, column = ((back[..., axis] - bev.ORIGIN_M[axis]) / bev.CELL_M - 0.5 for axis in (0, 1))
    row, column = row.astype(np.float32), column.astype(np.float32)

    def nearest(values: np.ndarray, beyond: float) -> np.ndarray:
        return cv2.remap(
            values, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond
        )  # (X, Y)

    ground = cv2.remap(
        example.ground_m.astype(np.float32), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
        borderValue=float('nan'),
    )  # fmt: skip
    masks = {name: mask for name in MASKS if (mask := getattr(example, name)) is not None}
    return {
        **{name: nearest(mask.astype(np.uint8), 0).astype(bool) for name, mask in masks.items()},
        'ground_m': ground * np.float32(scale),
        'terrain': nearest(example.terrain, _UNKNOWN),
        'top_m': np.minimum(nearest(example.top_m.astype(np.float32), 0.0) * scale, bev.HIGH_M).astype(np.float32),
        'blocked': nearest(example.blocked.astype(np.uint8), 0).astype(bool),
    }


def _far_sampled(far: Far, angle: float, scale: float) -> Far:
    """Return the far ring of the turned and scaled example, as `_sampled` does."""
    cos, sin = np.cos(angle), np.sin(angle)
    back = bev.far_middles().astype(np.float32) / scale @ np.array([[cos, -sin], [sin, cos]], np.float32)
    place = np.floor((back - bev.FAR_ORIGIN_M) / bev.FAR_M).astype(int)
    inside = ((place >= 0) & (place < bev.FAR)).all(axis=-1)
    i, j = np.where(inside[..., None], place, 0).transpose(2, 0, 1)
    ground = np.where(inside, far.ground_m[i, j] * scale, np.nan).astype(np.float32)
    return Far(ground, far.obstacle[i, j] & inside, far.free[i, j] & inside)


def _with_boxes(example: Example, kept: np.ndarray) -> Example:
    """Return the example with some of its boxes; points on the others lie on nobody."""
    rows = np.full(len(kept) + 1, -1, example.bodies.dtype)
    rows[:-1][kept] = np.arange(kept.sum())
    return replace(
        example, boxes=example.boxes[kept], kinds=example.kinds[kept], hits=example.hits[kept],
        shares=example.shares[kept], bodies=rows[example.bodies],
    )  # fmt: skip


def jittered(example: Example, rng: np.random.Generator, tilt_rad: float, lift_m: float) -> Example:
    """Return the example as a LiDAR gives it whose mounting is known less than exactly."""
    off = matrix_of_rpy(rng.normal(size=3) * lift_m, rng.normal(size=3) * (tilt_rad, tilt_rad, 0.5 * tilt_rad))
    moved = []
    for points in (example.points, example.before):
        xyz = (points[:, :3] - example.sensor_m) @ off[:3, :3].T + off[:3, 3] + example.sensor_m
        moved.append(np.column_stack([xyz, points[:, 3]]).astype(np.float32))
    return replace(example, points=moved[0], before=moved[1])


def without_beams(example: Example, rng: np.random.Generator) -> Example:
    """Return the example as a LiDAR of fewer beams gives it: every second or third, or a few at random."""
    width, phase = np.radians(rng.uniform(0.25, 0.8)), rng.random()
    style = rng.random()
    lost = rng.random(2048) < rng.uniform(0.05, 0.6)
    period = int(rng.integers(2, 5))

    def kept(points: np.ndarray) -> np.ndarray:
        offset = points[:, :3] - example.sensor_m
        up = np.arctan2(offset[:, 2], np.hypot(offset[:, 0], offset[:, 1]))
        ring = ((up + 0.5 * np.pi) / width + phase).astype(int)
        return np.asarray(ring % period == 0 if style < 0.4 else ~lost[ring])

    return with_points(example, kept(example.points), kept(example.before))


def thinned(example: Example, rng: np.random.Generator, share: float) -> Example:
    """Return the example with a share of its points lost at random."""
    return with_points(
        example, rng.random(len(example.points)) >= share, rng.random(len(example.before)) >= share
    )


def clouded(example: Example, rng: np.random.Generator, visibility_m: float) -> Example:
    """Return the example in rain or fog: far points are lost, false ones appear near the sensor.

    Loss grows with range and with what little a point sends back; false points lie on nothing.
    """
    now, then = (
        rng.random(len(points)) < _returning(points, example.sensor_m, visibility_m)
        for points in (example.points, example.before)
    )
    less = with_points(example, now, then)
    false = [_drops(example.sensor_m, visibility_m, len(points), rng) for points in (less.points, less.before)]
    count = len(false[0])
    return replace(
        less, points=np.concatenate([less.points, false[0]]), before=np.concatenate([less.before, false[1]]),
        semantics=np.concatenate([less.semantics, np.full(count, Semantic.NOTHING, less.semantics.dtype)]),
        bodies=np.concatenate([less.bodies, np.full(count, -1, less.bodies.dtype)]),
    )  # fmt: skip


def _returning(points: np.ndarray, sensor_m: np.ndarray, visibility_m: float) -> np.ndarray:
    ranges = np.linalg.norm(points[:, :3] - sensor_m, axis=1)
    strength = (0.3 + points[:, 3]) * 3.0 * np.exp(-2.0 * ranges / visibility_m)
    return np.minimum(1.0, strength)


def _drops(sensor_m: np.ndarray, visibility_m: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (K, 4) points in the air; there are more and nearer ones the thicker it is."""
    number = int(count * min(0.3, rng.uniform(0.2, 1.5) / visibility_m))
    ranges = 1.5 + rng.gamma(2.0, 0.04 * visibility_m + 1.0, number)
    around, up = rng.uniform(-np.pi, np.pi, number), rng.uniform(-0.3, 0.25, number)
    flat = ranges * np.cos(up)
    xyz = np.stack([flat * np.cos(around), flat * np.sin(around), ranges * np.sin(up)], axis=-1) + sensor_m
    kept = xyz[:, 2] > 0.1
    return np.column_stack([xyz, rng.uniform(0.0, 0.1, number)])[kept].astype(np.float32)


def cropped(example: Example, middle_rad: float, half_rad: float) -> Example:
    """Return the example as seen in a part of the turn only; who is cut at its edge counts as hidden in part."""

    def kept(points: np.ndarray) -> np.ndarray:
        around = np.arctan2(points[:, 1] - example.sensor_m[1], points[:, 0] - example.sensor_m[0])
        away = np.abs(around - middle_rad) % (2.0 * np.pi)
        return np.asarray(np.minimum(away, 2.0 * np.pi - away) < half_rad)

    return with_points(example, kept(example.points), kept(example.before), hides=True)


def relit(example: Example, rng: np.random.Generator) -> Example:
    """Return the example with the intensities of another sensor; now and then of one that tells none."""
    gain, gamma, silent = rng.uniform(0.6, 1.6), rng.uniform(0.75, 1.35), rng.random() < 0.12
    changed = []
    for points in (example.points, example.before):
        light = np.zeros(len(points)) if silent else np.clip(gain * points[:, 3] ** gamma, 0.0, 1.0)
        changed.append(np.column_stack([points[:, :3], light]).astype(np.float32))
    return replace(example, points=changed[0], before=changed[1])


Change = Callable[[Example, np.random.Generator, AugmentationSettings], Example]
CHANGES: dict[str, Change] = {  # by the setting that tells how often
    'weather': lambda example, rng, s: clouded(example, rng, s.visibility_m * float(rng.uniform(1.0, 6.0))),
    'beams': lambda example, rng, s: without_beams(example, rng),
    'thin': lambda example, rng, s: thinned(example, rng, float(rng.uniform(0.02, 0.4))),
    'crop': lambda example, rng, s: cropped(
        example, float(rng.normal() * 0.2), float(rng.uniform(s.narrow_rad, 2.0))
    ),
    'jitter': lambda example, rng, s: jittered(example, rng, s.tilt_rad, s.lift_m),
    'light': lambda example, rng, s: relit(example, rng),
    'flip': lambda example, rng, s: flipped(example),
    'turn': lambda example, rng, s: turned(
        example, float(rng.uniform(-s.turn_rad, s.turn_rad)), 1.0 + s.scale * float(rng.uniform(-1.0, 1.0))
    ),
}
