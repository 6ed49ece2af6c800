"""What the LiDAR tells of a picture: boxes about road users, and how far away points of the picture are.

Points and boxes are carried to the moment of the picture, the vehicle by its odometry and road users by their speed,
and projected by the calibration of the rectified picture. What a camera cannot see from where it sits, because
something nearer is in the way, is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.types import SECOND_NS, EgoState
from autonomy_nodes.localization.motion import displacement
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.pseudo.played import Taken

NEAR_M, FAR_M = 0.5, 120.0
HIDES = 0.75  # what is farther than something about it by more than a quarter is hidden by it; flat ground is not
BESIDE_PX = 5  # the width of what is about it, in a picture of WIDE_PX
WIDE_PX = 500
LEAST_PX = 3.0  # smaller boxes are none
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


@dataclass(frozen=True, eq=False)
class Told:
    """What is told of one rectified picture.

    matrix: (3, 3) of its camera. camera_from_base: (4, 4) base_link at the sweep to the camera at the picture.
    boxes_px: (B, 4) left top right bottom within the picture. rows: (B,) which box of the example each is. depths_m:
    (B,) of their middles. cut: (B,) share of the whole box that lies outside the picture. shown: (B,) share of its
    points that the camera sees too.
    pixels: (N, 2) uint16 column and row of points of the sweep, ranges_m: (N,) along the axis of the camera, bodies:
    (N,) row of the example's boxes, -1 for none; points: (N,) which points of the example they are.
    """

    matrix: np.ndarray
    camera_from_base: np.ndarray
    boxes_px: np.ndarray
    rows: np.ndarray
    depths_m: np.ndarray
    cut: np.ndarray
    shown: np.ndarray
    pixels: np.ndarray
    ranges_m: np.ndarray
    bodies: np.ndarray
    points: np.ndarray

    def table(self) -> Mapping[str, np.ndarray]:
        """Return it as arrays in few bytes."""
        return {
            'matrix': self.matrix, 'camera_from_base': self.camera_from_base,
            'boxes_px': self.boxes_px.astype(np.float32), 'rows': self.rows.astype(np.int16),
            'depths_m': self.depths_m.astype(np.float32), 'cut': self.cut.astype(np.float32),
            'shown': self.shown.astype(np.float32), 'pixels': self.pixels.astype(np.uint16),
            'ranges_cm': np.round(100.0 * self.ranges_m).astype(np.uint16), 'bodies': self.bodies.astype(np.int16),
            'points': self.points.astype(np.int32),
        }  # fmt: skip


def told_of(taken: Taken, example: Example, ego: EgoState, base_from_camera: np.ndarray) -> Told:
    """Return what a sweep tells of a picture taken about the same time. ego: at the sweep."""
    later_s = (taken.image.stamp_ns - ego.stamp_ns) / SECOND_NS
    camera_from_base = inverse(displacement(ego.twist, later_s) @ base_from_camera)
    height, width = taken.image.pixels.shape[:2]
    matrix = taken.model.projection[:, :3]
    points = moved(example.points[:, :3].astype(np.float64), camera_from_base)
    on_the_way = example.bodies >= 0
    speeds = np.column_stack([example.boxes[:, 7:9], np.zeros(len(example.boxes))]).astype(np.float64)
    points[on_the_way] += (speeds[example.bodies[on_the_way]] * later_s) @ camera_from_base[:3, :3].T
    pixels, inside = _projected(points, matrix, (width, height))
    seen = inside.copy()
    seen[inside] = _unhidden(pixels[inside], points[inside, 2], (width, height))
    boxes, rows, depths, cut = [], [], [], []
    for row, box in enumerate(example.boxes.astype(np.float64)):
        middle = box[:3] + speeds[row] * later_s
        found = _outline(middle, box, camera_from_base, matrix, (width, height))
        if found is not None:
            boxes.append(found[0])
            rows.append(row)
            cut.append(found[1])
            depths.append(float((camera_from_base[:3, :3] @ middle + camera_from_base[:3, 3])[2]))
    both = [np.bincount(example.bodies[part & on_the_way], minlength=len(example.boxes)) for part in (seen, inside)]
    shown = (both[0] / np.maximum(both[1], 1))[rows] if rows else np.zeros(0)
    kept = np.flatnonzero(seen)
    return Told(
        matrix, camera_from_base, np.array(boxes).reshape(-1, 4), np.array(rows, int), np.array(depths),
        np.array(cut), shown, np.floor(pixels[kept]), points[kept, 2], example.bodies[kept], kept,
    )  # fmt: skip


def _projected(points: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 2) places in the picture, the middle of pixel 0 at 0.5, and (N,) whether they lie in it."""
    ahead = (points[:, 2] > NEAR_M) & (points[:, 2] < FAR_M)
    flat = points @ matrix.T
    pixels = flat[:, :2] / np.where(ahead, flat[:, 2], 1.0)[:, None] + 0.5
    return pixels, ahead & ((pixels >= 0.0) & (pixels < size)).all(axis=1)


def _unhidden(pixels: np.ndarray, depths: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return (N,) which points lie behind nothing that is clearly nearer within BESIDE_PX."""
    scale = WIDE_PX / size[0]
    nearest = np.full((int(size[1] * scale) + 1, int(size[0] * scale) + 1), np.inf, np.float32)
    columns, rows = (pixels * scale).astype(np.int64).T
    np.minimum.at(nearest, (rows, columns), depths.astype(np.float32))
    about = cv2.erode(nearest, np.ones((BESIDE_PX, BESIDE_PX), np.uint8))  # least value about each pixel
    return np.asarray(HIDES * depths <= about[rows, columns])


def _outline(
    middle: np.ndarray, box: np.ndarray, camera_from_base: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, float] | None:
    """Return (4,) the rectangle about a box in the picture and the share of it outside; None where it is not in it."""
    c, s = np.cos(box[6]), np.sin(box[6])
    corners = CORNERS * box[3:6] @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) + middle
    there = moved(corners, camera_from_base)
    if there[:, 2].max() <= NEAR_M or there[:, 2].min() > FAR_M:
        return None
    there[:, 2] = np.maximum(there[:, 2], NEAR_M)
    flat = there @ matrix.T
    pixels = flat[:, :2] / flat[:, 2:] + 0.5
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    inner_low, inner_high = np.clip(low, 0.0, size), np.clip(high, 0.0, size)
    if (inner_high - inner_low).min() < LEAST_PX:
        return None
    share = float(np.prod(inner_high - inner_low) / np.prod(high - low))
    return np.concatenate([inner_low, inner_high]), 1.0 - share
