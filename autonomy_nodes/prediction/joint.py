"""From futures of each to futures of all: which paths would run through one another."""

import numpy as np

from autonomy_nodes.prediction.movers import Movers

CIRCLES = np.array([-1.0, 0.0, 1.0]) / 3.0  # centres along the body, in lengths
TOLERANCE_M = 0.35
OVERLAP_COST = 1.5  # what an overlap takes off the logarithm of a mode's probability
MOST_OVERLAPS = 4


def overlaps(movers: Movers, paths: np.ndarray) -> np.ndarray:
    """Return (K, N, N) whether two road users touch in mode k; paths: (N, K, P, 3).

    Bodies are three circles each. Pairs that touch now already, by their boxes, do not count.
    """
    count, modes, steps, _ = paths.shape
    touching = np.zeros((modes, count, count), bool)
    if count < 2:
        return touching
    half = movers.sizes_m[:, 0] / 2.0
    centres = paths[..., :2].transpose(1, 2, 0, 3).astype(np.float32)  # (K, P, N, 2)
    gaps = centres[:, :, :, None] - centres[:, :, None]
    near = (gaps**2).sum(axis=-1) < (half[:, None] + half[None]) ** 2
    near &= np.triu(np.ones((count, count), bool), 1)
    mode, step, one, other = np.nonzero(near)
    if not len(mode):
        return touching
    radii = movers.sizes_m[:, 1] / 2.0
    ends = [_circles(paths[who, mode, step], movers.sizes_m[who]) for who in (one, other)]  # (C, 3, 2)
    apart = np.hypot(*np.moveaxis(ends[0][:, :, None] - ends[1][:, None], 3, 0)).min(axis=(1, 2))
    hit = apart < radii[one] + radii[other] - TOLERANCE_M
    now = np.zeros((count, count), bool)
    now[one[hit & (step == 0)], other[hit & (step == 0)]] = True
    hit &= ~now[one, other]
    touching[mode[hit], one[hit], other[hit]] = True
    return touching | touching.transpose(0, 2, 1)


def _circles(poses: np.ndarray, sizes_m: np.ndarray) -> np.ndarray:
    """Return (C, 3, 2) centres of the circles of bodies at (C, 3) poses."""
    along = CIRCLES[None] * sizes_m[:, :1]
    forward = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    return poses[:, None, :2] + along[..., None] * forward[:, None]


def weighed(probabilities: np.ndarray, touching: np.ndarray, moving: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (K,) probabilities of modes and (N, K) of paths, lower where paths run through one another.

    probabilities: (N, K) of the paths of each alone. moving: (N,) who counts for the probability of a mode.
    """
    if not len(probabilities):
        modes = probabilities.shape[1]
        return np.full(modes, 1.0 / modes), probabilities
    each = np.minimum(touching.sum(axis=2).T, MOST_OVERLAPS)  # (N, K)
    marginal = probabilities * np.exp(-OVERLAP_COST * each)
    marginal /= marginal.sum(axis=1, keepdims=True)
    logs = np.log(np.maximum(probabilities[moving], 1e-6))
    mean = logs.mean(axis=0) if len(logs) else np.log(np.maximum(probabilities.mean(axis=0), 1e-6))
    pairs = np.minimum(touching.sum(axis=(1, 2)) / 2.0, MOST_OVERLAPS)
    scene = np.exp(mean - mean.max() - OVERLAP_COST * pairs)
    return scene / scene.sum(), marginal
