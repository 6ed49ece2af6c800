"""Where sweeps lie on one another when they are aligned straight, without a map and without the sweeps between.

Generalized ICP (Segal et al. 2009) of small_gicp on dense points: another method, other points and no error that grows
with the way, so that an odometry can be held against it where nobody surveyed the truth. Good while both sweeps see
the same surroundings: a way is cut into parts that are short enough. An answer counts only where searches from three
places end in one within a centimetre.
"""

from collections.abc import Callable

import numpy as np
import small_gicp

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.evaluation.measures.paths import Link, Way
from autonomy_nodes.evaluation.measures.sweeps import Sweep

PART_M = 25.0
MOST_PARTS = 40
RANGE_M = (4.0, 60.0)
CELL_M, NEIGHBOURS, ROUNDS = 0.25, 20, 60
REACHES_M = (1.0, 0.5, 0.3)  # at which partners are still taken, one search after the other
OFF_M = 0.5  # by which the guess is moved ahead and back
AGREED_M, AGREED_SHARE = 0.01, 0.1


def links(way: Way, sweep_at: Callable[[int], Sweep]) -> list[Link]:
    """Return what direct alignment tells of the ends of each part of a way; sweep_at: gives the sweep of a stamp."""
    parts = (way.along_m / PART_M).astype(int)
    starts = [0, *(np.flatnonzero(np.diff(parts)) + 1)]
    ends = [*starts[1:], len(parts) - 1]
    pairs = [(start, end) for start, end in zip(starts, ends) if end > start]
    found = []
    for first, last in pairs[:: -(-len(pairs) // MOST_PARTS)]:
        guess = inverse(way.poses[first]) @ way.poses[last]
        laid = aligned(sweep_at(way.stamps_ns[first]), sweep_at(way.stamps_ns[last]), guess)
        found += [] if laid is None else [Link(way.stamps_ns[first], way.stamps_ns[last], laid)]
    return found


def aligned(first: Sweep, last: Sweep, guess: np.ndarray) -> np.ndarray | None:
    """Return (4, 4) first from last in base_link, near a guess; None where the searches do not agree."""
    (target, tree), (source, _) = _dense(first), _dense(last)
    ends = []
    for off_m in (0.0, OFF_M, -OFF_M):
        pose, share = guess.copy(), 0.0
        pose[:3, 3] += off_m * guess[:3, 0]
        for reach_m in REACHES_M:
            result = small_gicp.align(target, source, tree, pose, 'GICP', reach_m, 1, ROUNDS)
            pose, share = result.T_target_source, result.num_inliers / source.size()
        ends.append(pose)
    spread_m = max(np.linalg.norm(pose[:3, 3] - ends[0][:3, 3]) for pose in ends)
    return ends[0] if spread_m < AGREED_M and share > AGREED_SHARE else None


def _dense(sweep: Sweep) -> tuple[small_gicp.PointCloud, small_gicp.KdTree]:
    xyz = moved(sweep.cloud.xyz.astype(np.float64), sweep.base_from_lidar)
    range_m = np.linalg.norm(xyz[:, :2], axis=1)
    cloud = small_gicp.voxelgrid_sampling(xyz[(range_m > RANGE_M[0]) & (range_m < RANGE_M[1])], CELL_M, 1)
    tree = small_gicp.KdTree(cloud, 1)
    small_gicp.estimate_covariances(cloud, tree, NEIGHBOURS, 1)
    return cloud, tree
