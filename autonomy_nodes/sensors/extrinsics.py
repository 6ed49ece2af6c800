"""How a LiDAR sits against cameras, and against another LiDAR: what is told is judged by a score, and bettered.

One correction for all cameras, of all moments: single cameras and single pictures tell too little.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import small_gicp

from autonomy_nodes.common.geometry import inverse, rotation_exp, rotation_log
from autonomy_nodes.common.types import DataError
from autonomy_nodes.sensors.edges import Edges

# of the search, round by round: blur of the pictures [px], first steps [deg, m]
ROUNDS = ((8.0, 2.0, 0.0), (4.0, 1.0, 0.1), (2.0, 0.5, 0.06), (1.0, 0.25, 0.04), (1.0, 0.15, 0.03))
MOST_TRIES, DRAWN, SMALLEST = 12, 8, 0.2
PULL_M, PULL_RAD = 0.5, 2.0  # of the mount that is told, on the score: a metre, a radian squared
BORDER_PX, NEAREST_M = 2, 1.0
FEW_EDGES = 300
CELL_M, REACHES_M = 0.25, (2.0, 1.0, 0.5, 0.2)
NEIGHBOURS = 40  # by which a surface is known: of fewer, all of one ring, the ground tells no height


@dataclass(frozen=True, eq=False)
class View:
    """One picture with the edges of the sweep nearest to it. camera_from_lidar: (4, 4) as it is told.

    edges: of each kind; gradients: (H, W) of each kind. matrix: (3, 3) of the picture, without distortion.
    """

    edges: tuple[Edges, ...]
    gradients: tuple[np.ndarray, ...]
    matrix: np.ndarray
    camera_from_lidar: np.ndarray


@dataclass(frozen=True, eq=False)
class Found:
    """true_from_told: (4, 4) of the LiDAR's frame: the true mount is the told one times this.

    told_score, score: before and after. spread_*: how far several searches end apart.
    """

    true_from_told: np.ndarray
    told_score: float
    score: float
    spread_m: float
    spread_rad: float


class Sight:
    """The score of a correction: the mean gradient that a picture has where edges of the LiDAR are seen, by kind."""

    def __init__(self, views: Sequence[Sequence[View]]) -> None:
        """views: of each camera."""
        self.views = [list(each) for each in views if each]
        count = sum(len(edges.points) for camera in self.views for view in camera for edges in view.edges)
        if count < FEW_EDGES:
            raise DataError(f'{count} edges in sight of cameras, at least {FEW_EDGES} needed')
        self._blurred: dict[float, list[list[list[np.ndarray]]]] = {}

    def score(self, true_from_told: np.ndarray, blur_px: float = 1.0) -> float:
        """Return 0 to 3, the mean of the cameras."""
        if blur_px not in self._blurred:
            self._blurred[blur_px] = [
                [[cv2.GaussianBlur(kind, (0, 0), blur_px) for kind in view.gradients] for view in camera]
                for camera in self.views
            ]
        each = [_of_camera(*pair, true_from_told) for pair in zip(self.views, self._blurred[blur_px])]
        return float(np.mean(each))


def _of_camera(views: Sequence[View], gradients: Sequence[Sequence[np.ndarray]], true_from_told: np.ndarray) -> float:
    total = 0.0
    for kind in range(len(views[0].edges)):
        sums = [_of_view(view, maps[kind], kind, true_from_told) for view, maps in zip(views, gradients)]
        total += sum(value for value, _ in sums) / max(sum(weight for _, weight in sums), 1e-9)
    return total


def _of_view(view: View, gradient: np.ndarray, kind: int, true_from_told: np.ndarray) -> tuple[float, float]:
    camera_from_told = view.camera_from_lidar @ true_from_told
    points, weights = view.edges[kind].points, view.edges[kind].weights
    seen = points @ camera_from_told[:3, :3].T + camera_from_told[:3, 3]
    ahead = seen[:, 2] > NEAREST_M
    seen, weights = seen[ahead] @ view.matrix.T, weights[ahead]
    pixels = seen[:, :2] / seen[:, 2:]
    height, width = gradient.shape
    inside = ((pixels > BORDER_PX) & (pixels < [width - BORDER_PX, height - BORDER_PX])).all(axis=1)
    if not inside.any():
        return 0.0, 0.0
    place = pixels[inside].astype(np.float32)
    values = cv2.remap(gradient, place[None, :, 0], place[None, :, 1], cv2.INTER_LINEAR)[0]
    return float(values @ weights[inside]), float(weights[inside].sum())


def search(sight: Sight, seed: int = 0) -> np.ndarray:
    """Return the (4, 4) true_from_told that scores best near what is told: steps along axes and drawn directions."""
    drawn, best = np.random.default_rng(seed), np.eye(4)
    for blur_px, step_deg, step_m in ROUNDS:
        score, scale, step_rad = _pulled(sight, best, blur_px), 1.0, math.radians(step_deg)
        size = np.array([step_m] * 3 + [step_rad] * 3)
        for _ in range(MOST_TRIES):
            ways = [*np.diag(size)[0 if step_m else 3 :], *(0.6 * size * drawn.normal(size=(DRAWN, 6)))]
            bettered = False
            for way in (sign * scale * way for way in ways for sign in (1.0, -1.0)):
                tried = stepped(best, way)
                if (value := _pulled(sight, tried, blur_px)) > score:
                    best, score, bettered = tried, value, True
            if not bettered:
                scale *= 0.5
                if scale < SMALLEST:
                    break
    return best


def _pulled(sight: Sight, correction: np.ndarray, blur_px: float) -> float:
    turn = rotation_log(correction[:3, :3])
    return sight.score(correction, blur_px) - PULL_M * float(correction[:3, 3] @ correction[:3, 3]) - PULL_RAD * float(
        turn @ turn
    )


def stepped(pose: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Return a pose after a small motion (6,): shift, then rotation vector, before it."""
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = rotation_exp(way[3:]), way[:3]
    return step @ pose


def found(sight: Sight, searches: int = 3) -> Found:
    """Search several times and return the best, with how far the searches are apart: a wide spread is no answer."""
    ends = [search(sight, seed) for seed in range(searches)]
    scores = [sight.score(end) for end in ends]
    best = ends[int(np.argmax(scores))]
    apart = [inverse(best) @ end for end in ends]
    return Found(
        best, sight.score(np.eye(4)), max(scores), max(float(np.linalg.norm(each[:3, 3])) for each in apart),
        max(float(np.linalg.norm(rotation_log(each[:3, :3]))) for each in apart),
    )  # fmt: skip


def laid_on(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (4, 4) true_from_told of the second LiDAR's points (M, 3) against the first's (N, 3), both in base_link.

    Generalized ICP (Segal et al. 2009), and the share of points with a partner; surfaces seen by both are needed.
    """
    clouds = []
    for points in (first, second):
        cloud = small_gicp.voxelgrid_sampling(points.astype(np.float64), CELL_M, 1)
        tree = small_gicp.KdTree(cloud, 1)
        small_gicp.estimate_covariances(cloud, tree, NEIGHBOURS, 1)
        clouds.append((cloud, tree))
    (target, tree), (source, _) = clouds
    pose, share = np.eye(4), 0.0
    for reach_m in REACHES_M:
        result = small_gicp.align(target, source, tree, pose, 'GICP', reach_m, 1, 50)
        pose, share = result.T_target_source, result.num_inliers / source.size()
    return pose, share
