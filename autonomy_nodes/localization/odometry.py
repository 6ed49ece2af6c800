"""LiDAR odometry: each sweep is laid on a map of surfaces that the sweeps before it made.

Points are moved onto the planes and poles of voxels (point-to-plane: Chen and Medioni 1991), with a robust weight that
narrows (Geman and McClure, as in KISS-ICP), and with the prediction by wheels and gyro inside the same equations: what
the surroundings do not tell, as along a tunnel, stays as predicted. A search from afar is done by small_gicp, sweep on
sweep. One thread, no chance: the same sweeps give the same poses. All in base_link: a pose is odom_from_base.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import small_gicp

from autonomy_nodes.common.geometry import inverse, rotation_log
from autonomy_nodes.common.types import DataError
from autonomy_nodes.localization.uncertainty import away, mismatch, rigid, shifted
from autonomy_nodes.localization.voxels import gathered, kept, no_cells, shaped, summed, thinned

STRANGE = 45.0  # squared sigmas of six numbers: less than one in ten million by chance
STRANGE_M, STRANGE_RAD = 0.15, 0.02  # a smaller difference is no contradiction, however sure both are
ANY_STEP = np.diag([1.0, 1.0, 1.0, 0.2, 0.2, 0.2]) ** 2  # between two sweeps, where no prediction is to be had
FARTHER = 2.0  # than wide_m times this from the guess no search may end
DOUBTFUL = 0.7  # times the expected points on walls and poles: fewer, and the guess is doubted
BETTER = 1.3  # times the points on walls and poles of another pose
FADING = 0.9  # of what is expected, with each sweep that does not fit; new surroundings are believed at last
LEARNT = 0.3  # of what is expected, from each sweep that fits and has less of them
NOWHERE = np.eye(4)
UNEVEN = 7.0  # times the sigma of the next: what tells so little of a direction is chance, such as edges of planes
WOBBLE = 2.0  # times what wobbling normals seem to tell: so much is not trusted
COARSE = 3.0  # times the tolerance, of the first rounds
COARSE_ROUNDS = 3
ROUGH = np.diag([100.0] * 3 + [10_000.0] * 3)  # information of a wide search alone: 0.1 m, 0.01 rad
FORGET_EVERY = 10  # sweeps that joined the map


@dataclass(frozen=True)
class OdometryConfig:
    """Settings of the registration.

    thin_m: one point a cell of this size is used; of these at most `points` find the pose. voxel_m: size of the map's
    voxels. noise_m: sigma of a point. tolerance_m: off its surface at which a point has lost most of its weight.
    worth: of a point against what its noise says, since neighbours err together; set on simulated open roads.
    few, flat_m, spread_m: points of a surface at least, how flat, and how wide. remembered: points a voxel.
    wide_m: how far off a guess may be at the start and after a failure. min_met, min_fitting: points on known surfaces,
    and the share of them that must fit. min_upright: the same for walls and poles, against the sweeps before.
    max_jump_m, max_turn_rad: a larger way from where a search began is not believed. weak_sigma_m: a direction known no
    better is degenerate; lost_sigma_m: left out. insert_m, insert_rad: the way after which a sweep joins the map;
    thin_map: or less than this share of its points is on known surfaces. kept_sweeps: a voxel that so many of them did
    not touch is forgotten.
    """

    max_range_m: float = 80.0
    thin_m: float = 0.3
    points: int = 6000
    voxel_m: float = 1.0
    noise_m: float = 0.05
    tolerance_m: float = 0.25
    worth: float = 0.05
    few: int = 5
    flat_m: float = 0.12
    spread_m: float = 0.2
    remembered: int = 60
    rounds: int = 15
    wide_m: float = 5.0
    min_points: int = 300
    min_met: int = 150
    min_fitting: float = 0.8
    min_upright: float = 0.35
    max_jump_m: float = 3.0
    max_turn_rad: float = 0.2
    weak_sigma_m: float = 0.12
    lost_sigma_m: float = 0.3
    insert_m: float = 0.3
    insert_rad: float = 0.02
    thin_map: float = 0.2
    kept_sweeps: int = 200
    slots: int = 131_072

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f'{name}={value} must be above 0')
        if self.slots & (self.slots - 1) or self.slots < 1024:
            raise ValueError(f'slots={self.slots} must be a power of two, 1024 or more')


@dataclass(frozen=True, eq=False)
class Registration:
    """Where a sweep lies.

    pose: (4, 4) odom_from_base. alone: the same by the surroundings alone. information: (6, 6) inverse of its
    covariance, x y z roll pitch yaw along the axes of base_link; zero in directions that they do not tell.
    fitting: share of the points on known surfaces that fit. upright: how many fit walls and poles. sigmas_m: (3,) of
    the place, along the directions in which it is best to worst known. degenerate: how many of these are not known.
    tension: how far the surroundings pulled from the guess, in squared sigmas. met: share of the points that are on
    known surfaces. complaint: why not to be trusted, or nothing. free: the prediction had no part in it, since it was
    none or was wrong.
    """

    pose: np.ndarray
    alone: np.ndarray
    information: np.ndarray
    fitting: float
    upright: int
    sigmas_m: np.ndarray
    degenerate: int
    tension: float
    met: float
    complaint: str
    free: bool = False


class LidarOdometry:
    """Keeps the map and lays sweeps on it. `prepared`, `laid`, then `joined` once the pose is settled."""

    def __init__(self, config: OdometryConfig) -> None:
        self.config = config
        self._cells = no_cells(config.slots)
        self._scratch = np.zeros(1024, np.int64)
        self._changed = np.zeros(1024, np.int64)
        self._filled = self._number = 0
        self._expected = 0.0  # points that fit walls and poles

    def prepared(self, xyz: np.ndarray) -> np.ndarray:
        """Return the points (N, 3) worth using of a sweep in base_link; raises DataError where they are too few."""
        room = 1 << (2 * len(xyz)).bit_length()
        if len(self._scratch) < room:
            self._scratch, self._changed = np.zeros(room, np.int64), np.zeros(room, np.int64)
        chosen = thinned(xyz, self.config.thin_m, self.config.max_range_m, self._scratch)
        if len(chosen) < self.config.min_points:
            raise DataError(f'{len(chosen)} cells with points, at least min_points={self.config.min_points} needed')
        chosen = chosen[:: -(-4 * len(chosen) // self.config.slots)]  # the map must have room for all
        return xyz[chosen].astype(np.float64)

    def begin(self, points: np.ndarray, pose: np.ndarray) -> None:
        """Start a new map with this sweep at this pose."""
        self._cells, self._filled, self._number = no_cells(self.config.slots), 0, 0
        self._expected = 0.0
        self._add(points, pose)

    def joined(self, points: np.ndarray, pose: np.ndarray, found: Registration) -> bool:
        """Add a sweep to the map, if the vehicle has moved since the last one or the map is thin here; say if so."""
        self._expected = max(found.upright, self._expected + LEARNT * (found.upright - self._expected))
        moved = inverse(self._last_pose) @ pose
        far = np.linalg.norm(moved[:3, 3]) > self.config.insert_m
        turned = np.linalg.norm(rotation_log(moved[:3, :3])) > self.config.insert_rad
        if not (far or turned or found.met < self.config.thin_map):
            return False
        self._add(points, pose)
        return True

    @property
    def voxels(self) -> int:
        """How many voxels the map has."""
        return self._filled

    def laid(self, points: np.ndarray, guess: np.ndarray, prior: np.ndarray, sure: bool) -> Registration:
        """Return where a sweep lies, near the (4, 4) guess with its (6, 6) covariance.

        A guess that the surroundings contradict is left out of it; one that is not sure is first searched for widely.
        """
        found = self._near(points, guess, prior) if sure else self._searched(points, guess)
        if found.complaint:
            self._expected *= FADING
        return found

    def at(self, points: np.ndarray, guess: np.ndarray, prior: np.ndarray) -> Registration:
        """Return where a sweep lies near one of several guesses, none of which is trusted: no other search is made."""
        return self._solved(points, guess, prior)

    def _near(self, points: np.ndarray, guess: np.ndarray, prior: np.ndarray) -> Registration:
        """Lay a sweep at the guess; where that does not fit as it did before, ask the surroundings alone."""
        found = self._solved(points, guess, prior)
        if not found.complaint and found.tension < STRANGE and found.upright > DOUBTFUL * self._expected:
            return found
        for search in (lambda: self._solved(points, guess, ANY_STEP), lambda: self._searched(points, guess)):
            alone = search()
            better = found.complaint or found.tension > STRANGE or alone.upright > BETTER * found.upright
            if not alone.complaint and better and contradicts(guess, prior, alone):
                return replace(alone, free=True)
        return found if found.complaint == '' or alone.complaint else alone

    def _searched(self, points: np.ndarray, guess: np.ndarray) -> Registration:
        """Look for the sweep around the last one that joined the map, then lay it on the map."""
        config, clouds = self.config, []
        for each in (self._last_points, points):
            cloud = small_gicp.voxelgrid_sampling(each, config.voxel_m, 1)
            tree = small_gicp.KdTree(cloud)
            small_gicp.estimate_covariances(cloud, tree, 10, 1)
            clouds.append((cloud, tree))
        (target, tree), (source, _) = clouds
        near = inverse(self._last_pose) @ guess
        result = small_gicp.align(target, source, tree, near, 'GICP', config.wide_m, 1, 40)
        start = rigid(self._last_pose @ result.T_target_source)
        found = replace(self._solved(points, start, ANY_STEP), free=True)
        off_m = float(np.linalg.norm(start[:3, 3] - guess[:3, 3]))
        if off_m > FARTHER * config.wide_m:
            return replace(found, complaint=f'search ended {off_m:.1f} m from where it should be')
        young = found.met * len(points) < config.min_met  # the map, to judge
        if found.complaint and young and result.num_inliers > config.min_fitting * source.size():
            return replace(found, pose=start, alone=start, information=ROUGH, complaint='')
        return found

    def _solved(self, points: np.ndarray, guess: np.ndarray, prior: np.ndarray) -> Registration:
        config, certain = self.config, np.linalg.inv(prior)
        some = points[:: -(-len(points) // config.points)]
        pose, information, pull = guess, np.zeros((6, 6)), np.zeros(6)
        tension = 0.0
        for number in range(config.rounds):
            tolerance = config.tolerance_m * (COARSE if number < COARSE_ROUNDS else 1.0)
            counts = summed(self._cells, some, pose, config.voxel_m, config.noise_m, tolerance, information, pull)
            self._clear(information, pull, counts[4])
            normal = config.worth * information + certain
            step = np.linalg.solve(normal, config.worth * pull - certain @ away(guess, pose))
            if number == 0:  # how far the surroundings pull from the guess, in squared sigmas of both
                tension = config.worth * float(pull @ np.linalg.lstsq(information, pull, rcond=1e-9)[0] - pull @ step)
            pose = shifted(pose, step)
            if number > COARSE_ROUNDS and np.abs(step[:3]).max() < 1e-4 and np.abs(step[3:]).max() < 1e-5:
                break
        offset = away(guess, pose)
        back = np.linalg.lstsq(config.worth * information, certain @ offset, rcond=1e-9)[0]
        sigmas_m = self._strengths(information, counts[4])[1][::-1]
        found = self._judged(offset, config.worth * information, sigmas_m, *counts[:4])
        alone = shifted(guess, offset + back)
        return replace(found, pose=pose, alone=alone, tension=tension, met=counts[0] / len(some))

    def _clear(self, information: np.ndarray, pull: np.ndarray, seeming: float) -> None:
        """Take out, in place, the directions of the place that are not known."""
        config = self.config
        least = least_strength(information[:3, :3].tolist())
        if config.worth * (least - WOBBLE * seeming) * config.lost_sigma_m**2 > 1.0:
            return
        directions, sigmas_m = self._strengths(information, seeming)
        weak = sigmas_m > config.lost_sigma_m
        if weak.any():
            kept = np.eye(6)
            kept[:3, :3] -= directions[:, weak] @ directions[:, weak].T
            information[:], pull[:] = kept @ information @ kept, kept @ pull

    def _strengths(self, information: np.ndarray, seeming: float) -> tuple[np.ndarray, np.ndarray]:
        """Return (3, 3) directions in columns, and (3,) sigmas of the place along them, the worst first."""
        strengths, directions = np.linalg.eigh(information[:3, :3])
        told = np.maximum(strengths - WOBBLE * seeming, 0.0)  # what wobbling normals tell is not so
        return directions, 1.0 / np.sqrt(np.maximum(self.config.worth * told, 1e-9))

    def _judged(
        self, offset: np.ndarray, information: np.ndarray, sigmas_m: np.ndarray,
        met: int, fitting: int, _: int, upright: int,
    ) -> Registration:  # fmt: skip
        config, share = self.config, fitting / max(met, 1)
        jump_m, turn_rad = np.linalg.norm(offset[:3]), np.linalg.norm(offset[3:])
        complaint = ''
        if met < config.min_met:
            complaint = f'{met} points on known surfaces, at least {config.min_met} needed'
        elif share < config.min_fitting:
            complaint = f'{share:.0%} of the points fit the map, at least {config.min_fitting:.0%} needed'
        elif upright < config.min_upright * self._expected:
            complaint = f'{upright} points fit walls and poles, {self._expected:.0f} were expected'
        elif jump_m > config.max_jump_m or turn_rad > config.max_turn_rad:
            complaint = f'pose jumped {jump_m:.2f} m and {math.degrees(turn_rad):.1f} deg from where it should be'
        weak = max(int((sigmas_m > config.weak_sigma_m).sum()), int(sigmas_m[2] > UNEVEN * sigmas_m[1]))
        return Registration(NOWHERE, NOWHERE, information, share, upright, sigmas_m, weak, 0.0, 0.0, complaint)

    def _add(self, points: np.ndarray, pose: np.ndarray) -> None:
        config = self.config
        self._number += 1
        if self._filled + len(points) > config.slots // 2 or self._number % FORGET_EVERY == 0:
            self._forget(pose[:3, 3].copy(), room=config.slots // 2 - len(points))
        changed, added = gathered(
            self._cells, points, pose, config.voxel_m, float(config.remembered), self._number, self._changed
        )
        shaped(self._cells, self._changed[:changed], float(config.few), config.flat_m, config.spread_m)
        self._filled += added
        self._last_points, self._last_pose = points, pose

    def _forget(self, here: np.ndarray, room: int) -> None:
        """Keep what was touched lately and lies near; nearer still, until there is room."""
        reach_m = 1.25 * self.config.max_range_m
        while True:
            cells = no_cells(self.config.slots)
            self._filled = kept(self._cells, cells, here, reach_m, self._number - self.config.kept_sweeps)
            if self._filled <= max(room, 0) or reach_m < 1.0:
                break
            reach_m *= 0.7
        self._cells = cells


def least_strength(rows: list[list[float]]) -> float:
    """Return what the least eigenvalue of a (3, 3) matrix is at least: its determinant by the most of the others."""
    (a, b, c), (_, d, e), (_, _, f) = rows
    half = 0.5 * (a + d + f)
    return (a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)) / max(half * half, 1e-12)


def contradicts(guess: np.ndarray, prior: np.ndarray, alone: Registration) -> bool:
    """Return whether what the surroundings say alone is far from the guess, in sigmas and in what matters."""
    offset = away(guess, alone.pose)
    matters = np.linalg.norm(offset[:3]) > STRANGE_M or np.linalg.norm(offset[3:]) > STRANGE_RAD
    return bool(matters) and mismatch(guess, prior, alone.pose, alone.information) > STRANGE
