"""Where cells of the grid lie in a picture: the fixed projection by which features are lifted from it.

A column of anchors stands on each cell of bev.MIDDLE, at heights above the ground. Calibration is an input, so another
mounting needs no other network; several cameras are as many pictures.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.perception.bev import MIDDLE, MIDDLE_M, middles

ANCHORS_M = (0.0, 0.7, 1.5, 2.6)  # heights above the ground at which pictures are looked up
WIDTH, HEIGHT = 416, 160  # of the pictures that the network sees
NEAREST_M, FARTHEST_M = 1.0, 120.0  # depths that are told
EYE_CHANNELS = ('red', 'green', 'blue', 'lidar', 'plane')  # see picture_of
SHRINK = 4  # pixels of the picture to one of its features
FEATURES = 24
AIR = ('darkness', 'fog', 'rain', 'wetness')  # what air and light are like, each 0 to 1
HUSHED = -20.0  # logit of what is not told
CUT_ABOVE = 0.7  # of what is too high: sky and roofs tell less than the road right ahead
LIFTED = len(ANCHORS_M) * (FEATURES + 3)  # features, how near the surface is, whether it lies behind, whether seen


@dataclass(frozen=True, eq=False)
class Places:
    """Of C cameras. at: (C, A, X, Y, 2) in a picture, -1 to 1 across it; log_depths: (C, A, X, Y); seen: (C, A, X, Y).

    seen: 1 where the anchor lies in the picture, before the camera, else 0. All float32.
    """

    at: np.ndarray
    log_depths: np.ndarray
    seen: np.ndarray


def places_of(matrices: np.ndarray, base_from_cameras: np.ndarray, ground_m: np.ndarray | None = None) -> Places:
    """Return where the anchors of all cells lie in pictures of WIDTH x HEIGHT.

    matrices: (C, 3, 3) of pictures without distortion. base_from_cameras: (C, 4, 4), optical axes. ground_m: (X, Y)
    height of the ground in base_link at bev.MIDDLE, None: flat.
    """
    flat = middles(MIDDLE_M)  # (X, Y, 2)
    ground = np.zeros(MIDDLE) if ground_m is None else ground_m
    heights = np.asarray(ANCHORS_M)[:, None, None] + ground  # (A, X, Y)
    xyz = np.concatenate([np.broadcast_to(flat, (len(ANCHORS_M), *flat.shape)), heights[..., None]], axis=-1)
    at, depths, seen = zip(*(projected(matrix, pose, xyz) for matrix, pose in zip(matrices, base_from_cameras)))
    return Places(np.stack(at), np.log(np.maximum(np.stack(depths), NEAREST_M)).astype(np.float32), np.stack(seen))


def projected(
    matrix: np.ndarray, base_from_camera: np.ndarray, xyz: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where (..., 3) places of base_link lie in a picture, (..., 2) -1 to 1, their depths, and 1 where in it."""
    camera_from_base = inverse(base_from_camera)
    rays = xyz @ (matrix @ camera_from_base[:3, :3]).T + matrix @ camera_from_base[:3, 3]
    depth = rays[..., 2]
    ahead = np.maximum(depth, 1e-3)
    u, v = (2.0 * (rays[..., 0] / ahead + 0.5) / WIDTH - 1.0), (2.0 * (rays[..., 1] / ahead + 0.5) / HEIGHT - 1.0)
    seen = (depth > NEAREST_M) & (np.abs(u) < 1.0) & (np.abs(v) < 1.0)
    at = np.stack([np.clip(u, -2.0, 2.0), np.clip(v, -2.0, 2.0)], axis=-1).astype(np.float32)
    return at, depth.astype(np.float32), seen.astype(np.float32)


def fitted(pixels: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture (H, W, 3) uint8 without distortion as (HEIGHT, WIDTH, 3), and its matrix.

    It keeps its shape: it is scaled to the full width; what is too much is cut off, more above than below, and what
    lacks is black.
    """
    scale = WIDTH / pixels.shape[1]
    high = round(pixels.shape[0] * scale)
    size = (WIDTH, high)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR)
    over = high - HEIGHT
    top = round(CUT_ABOVE * over) if over > 0 else round(0.5 * over)
    out = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    first, last = max(-top, 0), min(high - top, HEIGHT)
    out[first:last] = small[first + top : last + top]
    turned = np.array(matrix, float)
    turned[0] *= scale
    turned[1] *= high / pixels.shape[0]
    turned[0, 2] += 0.5 * (scale - 1.0)
    turned[1, 2] += 0.5 * (high / pixels.shape[0] - 1.0) - top
    return out, turned


def picture_of(
    pixels: np.ndarray, inverse_depths: np.ndarray, matrix: np.ndarray, base_from_camera: np.ndarray
) -> np.ndarray:
    """Return (len(EYE_CHANNELS), HEIGHT, WIDTH) float32 of a fitted picture.

    Colours lie about 0, from -1.8 to 2.2. lidar: ten times the inverse depth of a point, 0 where none lies. plane: ten
    times that at which the pixel's ray meets flat ground below the vehicle, 0 at the horizon: by it the network knows
    how the camera is mounted and how wide it looks, without which nobody could tell depths.
    """
    colours = (pixels.astype(np.float32) / 255.0 - 0.45) / 0.25
    down = -(base_from_camera[2, :3] @ np.linalg.inv(matrix))  # of a pixel's ray, for each metre along the axis
    falls = down[0] * np.arange(WIDTH) + down[1] * np.arange(HEIGHT)[:, None] + down[2]
    plane = np.clip(falls / max(float(base_from_camera[2, 3]), 0.3), -0.3, 1.0)
    layers = [colours.transpose(2, 0, 1), 10.0 * inverse_depths[None], 10.0 * plane[None]]
    return np.concatenate(layers).astype(np.float32)


def depths_seen(xyz: np.ndarray, matrix: np.ndarray, base_from_camera: np.ndarray) -> np.ndarray:
    """Return (HEIGHT, WIDTH) float32: the inverse depth of the nearest of (N, 3) points of base_link, 0 where none."""
    at, depth, seen = projected(matrix, base_from_camera, xyz)
    rows = np.flatnonzero(seen)
    rows = rows[np.argsort(-depth[rows], kind='stable')]  # the nearest is written last
    column = np.clip(((at[rows, 0] + 1.0) * 0.5 * WIDTH).astype(int), 0, WIDTH - 1)
    row = np.clip(((at[rows, 1] + 1.0) * 0.5 * HEIGHT).astype(int), 0, HEIGHT - 1)
    out = np.zeros((HEIGHT, WIDTH), np.float32)
    out[row, column] = 1.0 / depth[rows]
    return out


def hushed(heat: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return logits (channels, *CELLS) of middles, with nothing told of cells of which no camera sees an anchor.

    seen: (C, A, *MIDDLE).
    """
    shown = (seen > 0.0).any(axis=(0, 1)).repeat(2, axis=0).repeat(2, axis=1)
    return np.where(shown, heat, np.float32(HUSHED))
