"""The pictures of a report: rectified frames, made small, with the corners of the tracked boxes in their pixels."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.report_path import EgoPath

MOST_PICTURES = 90  # of all cameras together
WIDTH = 560  # pixels, at most
QUALITY = 62  # of the JPEG
NEAREST_M = 0.5  # boxes with a corner nearer than this to the plane of the camera are left out
TRACKS_WITHIN_NS = SECOND_NS // 5
# Corners: front left, front right, rear right, rear left of the floor, then of the roof.
UNIT = np.array(
    [[1, 1, -1], [1, -1, -1], [-1, -1, -1], [-1, 1, -1], [1, 1, 1], [1, -1, 1], [-1, -1, 1], [-1, 1, 1]], float
) / 2.0  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A frame made small. scale: its pixels by those of the camera's model."""

    stamp_ns: int
    width: int
    height: int
    scale: float
    jpeg: bytes


def small_picture(image: Image) -> Picture:
    """Return a frame small enough for a page."""
    height, width = image.pixels.shape[:2]
    scale = min(1.0, WIDTH / width)
    size = round(width * scale), round(height * scale)
    small = cv2.cvtColor(cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return Picture(image.stamp_ns, *size, scale, data.tobytes())


def picture_rows(
    frames: Sequence[tuple[str, Picture]],
    models: Mapping[str, CameraModel],
    base_from: Callable[[str], np.ndarray],
    path: EgoPath,
    tracks: Mapping[int, Objects],
    start_ns: int,
) -> list[dict[str, Any]]:
    """Return the pictures of each camera, at most MOST_PICTURES evenly chosen; t in ms after `start_ns`.

    base_from: gives (4, 4) base_from_camera of a frame, or raises DataError where that is not known.
    """
    stride = -(-len(frames) // MOST_PICTURES) or 1
    rows = []
    for name in sorted({name for name, _ in frames}):
        for picture in [picture for other, picture in frames if other == name][::stride]:
            camera = _camera(models.get(name), picture.stamp_ns, base_from, path)
            rows.append(
                {
                    'camera': name, 't': round((picture.stamp_ns - start_ns) / 1e6), 'stamp': str(picture.stamp_ns),
                    'width': picture.width, 'height': picture.height, 'placed': camera is not None,
                    'boxes': [] if camera is None else boxes_in(picture, *camera, tracks),
                    'jpeg': base64.b64encode(picture.jpeg).decode('ascii'),
                }
            )  # fmt: skip
    return rows


def _camera(
    model: CameraModel | None, stamp_ns: int, base_from: Callable[[str], np.ndarray], path: EgoPath
) -> tuple[CameraModel, np.ndarray] | None:
    """Return the model and camera_from_odom at a moment, None where one of them is not known."""
    odom_from_base = path.odom_from_base(stamp_ns)
    if model is None or odom_from_base is None:
        return None
    try:
        return model, inverse(odom_from_base @ base_from(model.frame))
    except DataError:
        return None


def boxes_in(
    picture: Picture, model: CameraModel, camera_from_odom: np.ndarray, tracks: Mapping[int, Objects]
) -> list[dict[str, Any]]:
    """Return the boxes that lie in a picture: name, label, corners u v u v ... in its pixels; the farthest first.

    tracks: in odom, by stamp; those of the nearest stamp are carried to that of the picture with their velocity.
    """
    near = min(tracks, key=lambda at: (abs(at - picture.stamp_ns), at), default=None)
    if near is None or abs(near - picture.stamp_ns) > TRACKS_WITHIN_NS:
        return []
    objects = tracks[near]
    names = objects.names() or [''] * len(objects)
    found = []
    for row, corners in enumerate(box_corners(objects, (picture.stamp_ns - near) / SECOND_NS)):
        pixels = projected(moved(corners, camera_from_odom), model)
        if pixels is None or not _in_view(pixels * picture.scale, picture):
            continue
        distance_m = float(np.linalg.norm(moved(corners.mean(axis=0), camera_from_odom)))
        places = np.rint(pixels * picture.scale).astype(int).ravel().tolist()
        found.append((-distance_m, row, {'name': names[row], 'label': int(objects.labels[row]), 'corners': places}))
    return [box for _, _, box in sorted(found, key=lambda each: each[:2])]


def box_corners(objects: Objects, later_s: float = 0.0) -> np.ndarray:
    """Return (N, 8, 3) corners of boxes in the frame of the objects, moved on with their velocity where it is known."""
    cosine, sine = np.cos(objects.headings_rad), np.sin(objects.headings_rad)
    local = UNIT[None] * objects.dimensions_m[:, None]  # (N, 8, 3)
    x = local[..., 0] * cosine[:, None] - local[..., 1] * sine[:, None]
    y = local[..., 0] * sine[:, None] + local[..., 1] * cosine[:, None]
    way = np.column_stack([np.nan_to_num(objects.velocities_mps) * later_s, np.zeros(len(objects))])
    return np.stack([x, y, local[..., 2]], axis=-1) + (objects.positions_m + way)[:, None]


def projected(points: np.ndarray, model: CameraModel) -> np.ndarray | None:
    """Return (N, 2) pixels of (N, 3) points in the camera's frame, z ahead; None where one lies behind NEAREST_M."""
    rectified = points @ model.rectification.T
    homogeneous = rectified @ model.projection[:, :3].T + model.projection[:, 3]
    if (rectified[:, 2] < NEAREST_M).any():
        return None
    return homogeneous[:, :2] / homogeneous[:, 2:]


def _in_view(pixels: np.ndarray, picture: Picture) -> bool:
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return bool((high > 0.0).all() and low[0] < picture.width and low[1] < picture.height)
