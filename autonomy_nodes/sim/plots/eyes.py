"""Cameras on vehicles: where each is, how it looks, and the rays of its pixels."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.sim.camera import MOUNT_FROM_OPTICAL

_COUNTS = (0.5, 0.15, 0.12, 0.08, 0.05, 0.10)  # how often a vehicle has 1 to 6 cameras
_RINGS_DEG = {1: (0,), 2: (0, 180), 3: (0, 70, -70), 4: (0, 95, -95, 180), 5: (0, 60, -60, 125, -125),
              6: (0, 58, -58, 112, -112, 180)}  # fmt: skip
_TURNS = 100  # of the iteration that takes distortion out again


@dataclass(frozen=True, eq=False)
class Eye:
    """A camera. matrix: (3, 3); distortion: (5,) plumb_bob, k1 k2 p1 p2 k3.

    base_from_camera: (4, 4), optical axes: x right, y down, z ahead. Pixels are told by their middles.
    """

    width: int
    height: int
    matrix: np.ndarray
    distortion: np.ndarray
    base_from_camera: np.ndarray

    def __post_init__(self) -> None:
        if self.width < 8 or self.height < 8:
            raise ValueError(f'width={self.width} and height={self.height} must be 8 or more')
        if self.matrix.shape != (3, 3) or self.distortion.shape != (5,) or self.base_from_camera.shape != (4, 4):
            raise ValueError('matrix must be (3, 3), distortion (5,), base_from_camera (4, 4)')
        if not (self.matrix[0, 0] > 0.0 and self.matrix[1, 1] > 0.0):
            raise ValueError('both focal lengths must be above 0')


def pixel_rays(eye: Eye) -> np.ndarray:
    """Return (H * W, 3) float32 rays of the pixels in the camera's frame, with z = 1; distortion is taken out."""
    columns, rows = np.meshgrid(np.arange(eye.width, dtype=np.float64), np.arange(eye.height, dtype=np.float64))
    pixels = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    if eye.distortion.any():
        until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _TURNS, 1e-9)
        flat = cv2.undistortPointsIter(pixels[:, None], eye.matrix, eye.distortion, np.eye(3), np.eye(3), until)[:, 0]
    else:
        homogeneous = np.column_stack([pixels, np.ones(len(pixels))])
        flat = (homogeneous @ np.linalg.inv(eye.matrix).T)[:, :2]
    return np.column_stack([flat, np.ones(len(flat))]).astype(np.float32)


def drawn_eyes(
    rng: np.random.Generator, count: int | None = None, width: int = 416, height: int = 160, distorted: bool = False
) -> list[Eye]:
    """Return 1 to 6 cameras of one vehicle as drawn, the first looks ahead; about half of the vehicles have one."""
    if count is not None and count not in _RINGS_DEG:
        raise ValueError(f'count={count} must lie between 1 and {len(_RINGS_DEG)}')
    number = int(rng.choice(6, p=_COUNTS)) + 1 if count is None else count
    highs_m = rng.uniform((1.2, 1.5, 2.0), (1.7, 2.2, 2.9))  # of cars, of vans and off-road vehicles, of trucks
    high_m = float(rng.choice(highs_m, p=[0.6, 0.25, 0.15]))
    ahead_m, wide = rng.uniform(0.5, 2.0), rng.uniform(math.radians(45.0), math.radians(110.0))
    wide = max(wide, min(math.radians(110.0), 2.0 * math.pi / number * 0.85)) if number > 3 else wide
    down = math.radians(rng.uniform(0.0, 12.0))
    eyes = []
    for angle in _RINGS_DEG[number]:
        turned = math.radians(angle)
        around = np.array([math.cos(turned), 0.4 * math.sin(turned), 0.0])
        place = (0.3, 0.0, high_m) + (ahead_m - 0.3) * around
        place += rng.normal(size=3) * (0.05, 0.1, 0.05)
        place[2] = np.clip(place[2], 1.2, 2.9)
        tilt = np.array([rng.normal() * 0.01, down + rng.normal() * 0.015, turned + rng.normal() * 0.03])
        pose = matrix_of_rpy(place, tilt)
        pose[:3, :3] = pose[:3, :3] @ MOUNT_FROM_OPTICAL
        opening = float(np.clip(wide * (rng.uniform(0.9, 1.1) if angle else 1.0), math.radians(45), math.radians(110)))
        focal = 0.5 * width / math.tan(0.5 * opening)
        middle = (0.5 * (width - 1) + 0.01 * width * rng.normal(), 0.5 * (height - 1) + 0.03 * height * rng.normal())
        matrix = np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])
        lens = _distortion(rng, math.hypot(1.0, height / width) * math.tan(0.5 * opening)) if distorted else np.zeros(5)
        eyes.append(Eye(width, height, matrix, lens, pose))
    return eyes


def _distortion(rng: np.random.Generator, corner: float) -> np.ndarray:
    """Return (5,) barrel distortion that stays one to one; corner: its tangent, seen from the middle.

    r - k r^3 grows up to 0.385 / sqrt(k), which is 1.28 corners at the least.
    """
    strength = rng.uniform(0.02, 0.09) / max(0.5, corner**2)
    return np.array([-strength, 0.25 * strength**2, *(rng.normal(size=2) * 3e-4), 0.0])
