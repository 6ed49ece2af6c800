"""Which drives run into road users, and when, by our own fault."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.kinematics import Body
from autonomy_nodes.planning.rollout import TIMES_S
from autonomy_nodes.planning.traffic import STANDING_MPS, Traffic, TrafficSettings

EGO_STANDING_MPS = 0.05


@dataclass(frozen=True, eq=False)
class Contacts:
    """When drives first run into road users. times_s: (N, O) by our own fault, inf for never; modes: (N, O)."""

    times_s: np.ndarray
    modes: np.ndarray


def contacts(
    poses: np.ndarray, speeds_mps: np.ndarray, body: Body, in_lane: np.ndarray, traffic: Traffic,
    settings: TrafficSettings,
) -> Contacts:
    """Return the first contacts of drives (N, T, 3) of one body, by our own fault.

    Own fault (nuPlan's rule): we move, and hit what stands, or hit with the front, or are hit at a side while not in
    our lane (`in_lane`: (N, T)). Who drives into our back, or into us when we stand, is at fault himself.
    """
    times = np.full((len(poses), len(traffic)), np.inf)
    modes = np.zeros(times.shape, np.int64)
    if not len(traffic):
        return Contacts(times, modes)
    until_s = np.where(traffic.speeds_mps.max(axis=1) < STANDING_MPS, np.inf, settings.within_s)
    margins, half = _start_margins(poses[:1, :1], body, traffic, settings)
    faster = settings.lateral_s * np.abs(speeds_mps)
    n, r, t = _firsts(*_overlaps(poses, faster, body, margins, traffic.claims, half, until_s))
    own = _own_fault(
        poses[n, t], speeds_mps[n, t], body, in_lane[n, t], traffic.claims[r, t], half[r], traffic.speeds_mps[r, t]
    )
    n, r, t = n[own], r[own], t[own]
    order = np.lexsort((r, t))[::-1]  # of several ways of one road user the soonest is written last
    n, r, t = n[order], r[order], t[order]
    times[n, traffic.of[r]] = TIMES_S[t]
    modes[n, traffic.of[r]] = traffic.modes[r].argmax(axis=1)
    return Contacts(times, modes)


def _start_margins(
    start: np.ndarray, body: Body, traffic: Traffic, settings: TrafficSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return (R, 2) room kept in front and at the sides, none to whom we stand nearer already, and (R, 2) half sizes.

    A box that reaches into our body at the start is too large, or it would be an accident: it is taken as small as it
    must be.
    """
    full, half = np.tile([settings.ahead_m, settings.lateral_m], (len(traffic.of), 1)), traffic.claim_half_m[traffic.of]
    always, there = np.full(len(full), np.inf), traffic.claims[:, :1]
    _, near, _ = _overlaps(start, np.zeros((1, 1)), body, full, there, half, always)
    full[near] = 0.0
    for shrunk in (0.7, 0.7, 0.7, 0.7, 0.0):
        _, inside, _ = _overlaps(start, np.zeros((1, 1)), body, full, there, half, always)
        if not len(inside):
            break
        half[inside] *= shrunk
    return full, half


def _overlaps(
    poses: np.ndarray, faster: np.ndarray, body: Body, margins: np.ndarray, there: np.ndarray, half: np.ndarray,
    until_s: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices n, r, t at which our body (N, T, 3), grown by margins (R, 2), and boxes (R, T, 3) overlap.

    faster: (N, T) room at the sides for speed. until_s: (R,) later overlaps are left out.
    """
    own_half = np.array(body.half_m)
    middle, other = _ahead(poses, body.middle_m), there[..., :2]
    room = np.hypot(*margins.max(axis=0, initial=0.0)) + faster.max()
    radius = np.hypot(*own_half) + room + np.hypot(half[:, 0], half[:, 1])
    last = np.minimum(np.searchsorted(TIMES_S, until_s, side='right'), poses.shape[1])  # (R,) moments that count
    n, r = _pairs(middle, other, radius, last)
    gap = (middle[n] - other[r]).astype(np.float32)  # (B, T, 2)
    near = gap[..., 0] ** 2 + gap[..., 1] ** 2 < (radius**2).astype(np.float32)[r, None]
    near &= np.arange(poses.shape[1]) < last[r, None]
    pair, t = np.nonzero(near)
    n, r = n[pair], r[pair]
    mine = _ahead(poses[n, t], 0.5 * margins[r, 0] + body.middle_m)
    aside = np.where(margins[r, 1] > 0.0, margins[r, 1] + faster[n, t], 0.0)
    grown = own_half + np.stack([0.5 * margins[r, 0], aside], axis=-1)
    hit = boxes_overlap(np.column_stack([mine, poses[n, t, 2]]), grown, there[r, t], half[r])
    return n[hit], r[hit], t[hit]


def _pairs(
    middle: np.ndarray, other: np.ndarray, radius: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return n, r of drives (N, T, 2) and ways (R, T, 2) whose bounding rectangles come nearer than a radius (R,)."""
    near = np.zeros((len(middle), len(other)), bool)
    for steps in np.unique(last).tolist():
        rows = last == steps
        mine, theirs = middle[:, None, :steps], other[None, rows, :steps]
        apart = (mine.min(axis=2) > theirs.max(axis=2) + radius[rows, None]).any(axis=-1)
        apart |= (mine.max(axis=2) < theirs.min(axis=2) - radius[rows, None]).any(axis=-1)
        near[:, rows] = ~apart
    n, r = np.nonzero(near)
    return n, r


def boxes_overlap(one: np.ndarray, one_half: np.ndarray, two: np.ndarray, two_half: np.ndarray) -> np.ndarray:
    """Return (B,) whether rectangles overlap (separating axes). one, two: (B, 3) middles; halves: (B, 2)."""
    turn = two[:, 2] - one[:, 2]
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    gap = two[:, :2] - one[:, :2]
    apart = np.zeros(len(one), bool)
    for pose, half, other in ((one, one_half, two_half), (two, two_half, one_half)):
        c, s = np.cos(pose[:, 2]), np.sin(pose[:, 2])
        apart |= np.abs(gap[:, 0] * c + gap[:, 1] * s) > half[:, 0] + other[:, 0] * cos + other[:, 1] * sin
        apart |= np.abs(gap[:, 1] * c - gap[:, 0] * s) > half[:, 1] + other[:, 0] * sin + other[:, 1] * cos
    return ~apart


def _firsts(n: np.ndarray, r: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first moment of each pair (n, r); the indices come sorted by n, r, t."""
    fresh = np.concatenate([[True], (np.diff(n) != 0) | (np.diff(r) != 0)])[: len(n)]
    return n[fresh], r[fresh], t[fresh]


def _own_fault(
    pose: np.ndarray, speed: np.ndarray, body: Body, in_lane: np.ndarray, there: np.ndarray, half: np.ndarray,
    their_speed: np.ndarray,
) -> np.ndarray:
    """Return (B,) whether a contact is our fault."""
    gap = there[:, :2] - pose[:, :2]
    cos, sin = np.cos(pose[:, 2]), np.sin(pose[:, 2])
    along, across = gap[:, 0] * cos + gap[:, 1] * sin, gap[:, 1] * cos - gap[:, 0] * sin
    turn = there[:, 2] - pose[:, 2]
    long = half[:, 0] * np.abs(np.cos(turn)) + half[:, 1] * np.abs(np.sin(turn))
    wide = half[:, 0] * np.abs(np.sin(turn)) + half[:, 1] * np.abs(np.cos(turn))
    front = (along + long > body.front_m - 0.3) & (np.abs(across) < wide + body.width_m / 2.0)
    back = along < -body.rear_m
    standing = their_speed < STANDING_MPS
    return (np.abs(speed) > EGO_STANDING_MPS) & (standing | front | (~back & ~in_lane))


def _ahead(poses: np.ndarray, distance: np.ndarray | float) -> np.ndarray:
    """Return (..., 2) places that far ahead of (..., 3) poses."""
    forward = np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], axis=-1)
    return poses[..., :2] + forward * np.asarray(distance)[..., None]
