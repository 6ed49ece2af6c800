"""LiDAR odometry: each sweep is laid on a map of voxels that the sweeps before it made.

Voxelized generalised ICP (Koide et al., ICRA 2021) by the library small_gicp, in one thread: the same sweeps give the
same poses. All in base_link: a pose is odom_from_base.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import small_gicp

from autonomy_nodes.common.geometry import inverse, matrix_of, quaternion_of, rotation_log
from autonomy_nodes.common.types import DataError

ORDER = [3, 4, 5, 0, 1, 2]  # of small_gicp's six: place first
FARTHER = 2.0  # than wide_m times this from the guess no search may end


@dataclass(frozen=True)
class OdometryConfig:
    """Settings of the registration.

    downsample_m: one point a cell of this size is used. voxel_m: size of the map's voxels.
    wide_m: how far off a guess may be at the start and after a failure. min_inliers: share of points that must find a
    voxel. max_jump_m, max_turn_rad: a larger way from where the search began is not believed. weak_ratio: of the
    strength of a direction and the strongest, below which it is left to the guess, and known no better than
    weak_sigma_m. insert_m, insert_rad: the way after which a sweep joins the map; standing still changes nothing.
    kept_sweeps: a voxel that so many of them did not touch is forgotten. sigma_m, sigma_rad: of a step at best.
    """

    max_range_m: float = 80.0
    downsample_m: float = 1.0
    voxel_m: float = 1.0
    wide_m: float = 5.0
    neighbours: int = 10
    iterations: int = 20
    min_points: int = 200
    min_inliers: float = 0.6
    max_jump_m: float = 0.8
    max_turn_rad: float = 0.1
    weak_ratio: float = 0.01
    weak_sigma_m: float = 0.1
    insert_m: float = 0.3
    insert_rad: float = 0.02
    kept_sweeps: int = 200
    sigma_m: float = 0.01
    sigma_rad: float = 0.0005

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f'{name}={value} must be above 0')
        if self.neighbours < 5:
            raise ValueError(f'neighbours={self.neighbours} must be 5 or more')


@dataclass(frozen=True, eq=False)
class Registration:
    """Where a sweep lies.

    pose: (4, 4) odom_from_base. covariance: (6, 6) of this step in base_link, x y z roll pitch yaw.
    inliers: share of points that found a voxel. strength: of the weakest direction against the strongest.
    weak: (K, 3) directions in base_link that were left to the guess. complaint: why not to be trusted, or nothing.
    """

    pose: np.ndarray
    covariance: np.ndarray
    inliers: float
    strength: float
    weak: np.ndarray
    complaint: str


class LidarOdometry:
    """Keeps the map and lays sweeps on it. `prepared`, `laid`, then `joined` once the pose is settled."""

    def __init__(self, config: OdometryConfig) -> None:
        self.config = config
        self._map: small_gicp.GaussianVoxelMap | None = None

    def prepared(self, xyz: np.ndarray) -> 'Scan':
        """Return what registration needs of points (N, 3) in base_link; raises DataError where they are too few."""
        near = np.flatnonzero(xyz[:, 0] ** 2 + xyz[:, 1] ** 2 < self.config.max_range_m**2)
        points = np.ones((len(near), 4))
        points[:, :3] = xyz[near]
        cloud = small_gicp.voxelgrid_sampling(points, self.config.downsample_m, 1)
        if cloud.size() < self.config.min_points:
            raise DataError(f'{cloud.size()} cells with points, at least min_points={self.config.min_points} needed')
        tree = small_gicp.KdTree(cloud)
        small_gicp.estimate_covariances(cloud, tree, self.config.neighbours, 1)
        return Scan(cloud, tree)

    def begin(self, scan: 'Scan', pose: np.ndarray) -> None:
        """Start a new map with this sweep at this pose."""
        self._map = small_gicp.GaussianVoxelMap(self.config.voxel_m)
        self._map.set_lru(self.config.kept_sweeps, 10)
        self._add(scan, pose)

    def joined(self, scan: 'Scan', pose: np.ndarray) -> None:
        """Add a sweep to the map, if the vehicle has moved since the last one."""
        moved = inverse(self._last_pose) @ pose
        far = np.linalg.norm(moved[:3, 3]) > self.config.insert_m
        if far or np.linalg.norm(rotation_log(moved[:3, :3])) > self.config.insert_rad:
            self._add(scan, pose)

    @property
    def voxels(self) -> int:
        """How many voxels the map has."""
        return 0 if self._map is None else self._map.size()

    def laid(self, scan: 'Scan', guess: np.ndarray, sure: bool) -> Registration:
        """Return where a sweep lies, near the (4, 4) guess; a guess that is not sure is first searched for widely."""
        if sure:
            found = self._on_map(scan, guess, guess)
            if not found.complaint:
                return found
        wide = small_gicp.align(
            self._last_scan.cloud, scan.cloud, self._last_scan.tree, inverse(self._last_pose) @ guess, 'GICP',
            self.config.wide_m, 1, 2 * self.config.iterations,
        )  # fmt: skip
        start = rigid(self._last_pose @ wide.T_target_source)
        again = self._on_map(scan, start, guess)
        off_m = float(np.linalg.norm(start[:3, 3] - guess[:3, 3]))
        if off_m > FARTHER * self.config.wide_m and not again.complaint:
            again = replace(again, complaint=f'search ended {off_m:.1f} m from where it should be')
        return found if sure and again.complaint else again

    def _add(self, scan: 'Scan', pose: np.ndarray) -> None:
        assert self._map is not None
        self._map.insert(scan.cloud, pose)
        self._last_scan, self._last_pose = scan, pose

    def _on_map(self, scan: 'Scan', start: np.ndarray, guess: np.ndarray) -> Registration:
        """Lay a sweep on the map from `start`; what the map cannot tell is left to the guess."""
        config = self.config
        result = small_gicp.align(self._map, scan.cloud, start, config.wide_m, 1, config.iterations)
        share = result.num_inliers / scan.cloud.size()
        information = result.H[np.ix_(ORDER, ORDER)]  # small_gicp puts rotation first
        strengths, directions = np.linalg.eigh(information[:3, :3])
        strength = float(strengths[0] / strengths[2]) if strengths[2] > 0.0 else 0.0
        weak = directions.T[strengths <= config.weak_ratio * strengths[2]]
        jump = inverse(start) @ result.T_target_source
        jump_m, turn_rad = np.linalg.norm(jump[:3, 3]), np.linalg.norm(rotation_log(rigid(jump)[:3, :3]))
        complaint = ''
        if share < config.min_inliers:
            complaint = f'{share:.0%} of the points fit the map, at least {config.min_inliers:.0%} needed'
        elif jump_m > config.max_jump_m or turn_rad > config.max_turn_rad:
            complaint = f'pose jumped {jump_m:.2f} m and {math.degrees(turn_rad):.1f} deg from where it should be'
        correction = inverse(guess) @ result.T_target_source
        correction[:3, 3] -= weak.T @ (weak @ correction[:3, 3])  # solution remapping (Zhang et al., ICRA 2016)
        covariance = self._covariance(information, result.error, result.num_inliers)
        covariance[:3, :3] += config.weak_sigma_m**2 * weak.T @ weak
        return Registration(rigid(guess @ correction), covariance, share, strength, weak, complaint)

    def _covariance(self, information: np.ndarray, error: float, inliers: int) -> np.ndarray:
        """Scale the inverse of the information by how well points fit, with the settings' sigmas as a floor."""
        floor = np.diag([self.config.sigma_m**2] * 3 + [self.config.sigma_rad**2] * 3)
        scale = max(1.0, 2.0 * error / max(3 * inliers - 6, 1))
        return floor + scale * np.linalg.pinv(information, hermitian=True, rcond=1e-9)


def rigid(transform: np.ndarray) -> np.ndarray:
    """Return a (4, 4) transform with its rotation made exact: an inverse by transposing doubles errors each sweep."""
    return matrix_of(transform[:3, 3], quaternion_of(transform[:3, :3]))


@dataclass(frozen=True, eq=False)
class Scan:
    """A thinned sweep with the shape of the surface at each point, and a tree to search it."""

    cloud: small_gicp.PointCloud
    tree: small_gicp.KdTree
