"""Where other road users will be, in each joint mode, and which drives run into them by our own fault."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.kinematics import Body
from autonomy_nodes.common.objects import Label, Predictions, SceneModes
from autonomy_nodes.planning.rollout import TIMES_S

NO_OBSTACLE = (Label.OVER_DRIVABLE, Label.UNDER_DRIVABLE)
VULNERABLE = (Label.PEDESTRIAN, Label.BICYCLE, Label.ANIMAL)
STANDING_MPS = 0.5
EGO_STANDING_MPS = 0.05


@dataclass(frozen=True)
class TrafficSettings:
    """What of the predictions counts.

    mode_probability: a mode below is not looked at. existence: nor an object below. within_s: contact with what moves
    is no veto if it comes later; what stands is sure to stay for the whole horizon. lateral_m, ahead_m: room that our
    body keeps at its sides and in front; lateral_s: more at the sides, for each metre per second. yielded_s: who walks
    or cycles owns the way of this next time, so that we do not pass close before them.
    """

    mode_probability: float = 0.05
    existence: float = 0.2
    within_s: float = 4.0
    lateral_m: float = 0.2
    lateral_s: float = 0.03
    ahead_m: float = 0.5
    yielded_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ('mode_probability', 'existence'):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f'traffic.{name}={getattr(self, name)} must lie in 0 to 1')
        if not 0.0 < self.within_s <= TIMES_S[-1]:
            raise ValueError(f'traffic.within_s={self.within_s} must lie between 0 and {TIMES_S[-1]}')


@dataclass(frozen=True, eq=False)
class Traffic:
    """O road users in K joint modes at the T moments of a drive, in odom.

    names, labels: (O,). poses: (O, K, T, 3) x y heading of box middles. speeds_mps: (O, K, T). half_m: (O, 2).
    claims: (O, K, T, 3) middles of what must be kept free, the box or the box and the way before it, with its half
    length and width claim_half_m: (O, 2).
    probabilities: (K,) of the modes, sum 1. counts: (O, K) whether a contact in that mode is a veto.
    moving: (O,) whether it moves now.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    poses: np.ndarray
    speeds_mps: np.ndarray
    half_m: np.ndarray
    probabilities: np.ndarray
    counts: np.ndarray
    chances: np.ndarray
    moving: np.ndarray
    claims: np.ndarray
    claim_half_m: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def said(self, index: int) -> str:
        """Return an object's kind and name in words."""
        return f'{Label(int(self.labels[index])).name.lower()} {self.names[index]}'


def read_traffic(
    predictions: Predictions, modes: SceneModes | None, near: np.ndarray, settings: TrafficSettings
) -> Traffic:
    """Return the road users that matter.

    near: (N,) bool, objects that can meet us at all. Without joint modes each object's own probabilities count.
    """
    objects = predictions.objects
    labels = objects.labels
    kept = (objects.existence >= settings.existence) & ~np.isin(labels, NO_OBSTACLE) & near
    chances = predictions.probabilities[kept]
    joint = modes is not None and len(modes.probabilities) == predictions.paths.shape[1]
    if joint and modes is not None:
        chances = np.broadcast_to(modes.probabilities, chances.shape)
    weights = chances.mean(axis=0) if len(chances) else np.ones(max(predictions.paths.shape[1], 1))
    poses = resampled(predictions.paths[kept], predictions.step_s)
    steps = np.diff(poses[..., :2], axis=2) / (TIMES_S[1] - TIMES_S[0])
    speeds = np.hypot(steps[..., 0], steps[..., 1])
    speeds = np.concatenate([speeds, speeds[..., -1:]], axis=2)
    velocity = np.nan_to_num(objects.velocities_mps[kept])
    fastest = np.maximum(np.hypot(velocity[:, 0], velocity[:, 1]), speeds[:, :, 0].max(axis=1, initial=0.0))
    half = objects.dimensions_m[kept, :2] / 2.0
    claims, claim_half = _claims(poses, speeds, half, labels[kept], settings.yielded_s)
    names = tuple(name for name, keep in zip(objects.names() or [str(i) for i in range(len(kept))], kept) if keep)
    return Traffic(
        names, labels[kept], poses, speeds, half, weights / weights.sum(), chances >= settings.mode_probability,
        chances, fastest > STANDING_MPS, claims, claim_half,
    )  # fmt: skip


def _claims(
    poses: np.ndarray, speeds: np.ndarray, half: np.ndarray, labels: np.ndarray, ahead_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what must be kept free: the box, and before one that walks or cycles the way of the next `ahead_s`."""
    claims, claim_half = poses.copy(), half.copy()
    soft = np.flatnonzero(np.isin(labels, VULNERABLE))
    if not len(soft):
        return claims, claim_half
    steps = np.diff(poses[soft, ..., :2], axis=2, append=2.0 * poses[soft, :, -1:, :2] - poses[soft, :, -2:-1, :2])
    reach = speeds[soft] * ahead_s
    moves = reach > 0.1
    direction = np.where(moves, np.arctan2(steps[..., 1], steps[..., 0]), poses[soft, ..., 2])
    forward = np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    claims[soft, ..., :2] += 0.5 * reach[..., None] * forward
    claims[soft, ..., 2] = direction
    claim_half[soft, 0] += 0.5 * reach.max(axis=(1, 2))
    return claims, claim_half


def resampled(paths: np.ndarray, step_s: float) -> np.ndarray:
    """Return (O, K, T, 3) paths (O, K, P, 3) at the moments of a drive; after their end as fast as at it."""
    last = paths.shape[2] - 1
    if last < 1:
        return np.repeat(paths[:, :, :1], len(TIMES_S), axis=2).astype(float)
    place = TIMES_S / step_s
    low = np.minimum(place.astype(int), last - 1)
    part = (place - low)[:, None]
    headings = np.unwrap(paths[..., 2], axis=2)
    full = np.concatenate([paths[..., :2], headings[..., None]], axis=-1).astype(float)
    first = full[:, :, low]
    return first + np.where(np.arange(3) < 2, part, np.minimum(part, 1.0)) * (full[:, :, low + 1] - first)


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
    count, others = len(poses), len(traffic)
    times, modes = np.full((count, others), np.inf), np.zeros((count, others), np.int64)
    last = np.where(traffic.speeds_mps.max(axis=(1, 2), initial=0.0) < STANDING_MPS, np.inf, settings.within_s)
    margins, half = _start_margins(poses[:1, :1], body, traffic, settings)
    for mode in range(traffic.poses.shape[1]):
        active = np.flatnonzero(traffic.counts[:, mode])
        if mode > 0:  # an object that does the same in a mode before needs no second look
            same = (traffic.poses[active, mode] == traffic.poses[active, 0]).all(axis=(1, 2))
            active = active[~(same & traffic.counts[active, 0])]
        if not len(active):
            continue
        there = traffic.claims[active, mode]
        faster = settings.lateral_s * np.abs(speeds_mps)
        found = _overlaps(poses, faster, body, margins[active], there, half[active], last[active])
        n, o, t = _firsts(*found)
        own = _own_fault(
            poses[n, t], speeds_mps[n, t], body, in_lane[n, t], there[o, t], half[active[o]],
            traffic.speeds_mps[active[o], mode, t],
        )  # fmt: skip
        n, o, when = n[own], active[o[own]], TIMES_S[t[own]]
        sooner = when < times[n, o]
        times[n[sooner], o[sooner]], modes[n[sooner], o[sooner]] = when[sooner], mode
    return Contacts(times, modes)


def _start_margins(
    start: np.ndarray, body: Body, traffic: Traffic, settings: TrafficSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return (O, 2) room kept in front and at the sides, none to whom we stand nearer already, and (O, 2) half sizes.

    A box that reaches into our body at the start is too large, or it would be an accident: it is taken as small as it
    must be.
    """
    full, half = np.tile([settings.ahead_m, settings.lateral_m], (len(traffic), 1)), traffic.claim_half_m.copy()
    if not len(traffic):
        return full, half
    always, there = np.full(len(full), np.inf), traffic.claims[:, 0, :1]
    _, near, _ = _overlaps(start, np.zeros((1, 1)), body, full, there, half, always)
    full[near] = 0.0
    for _ in range(4):
        _, inside, _ = _overlaps(start, np.zeros((1, 1)), body, full, there, half, always)
        half[inside] *= 0.7
    _, inside, _ = _overlaps(start, np.zeros((1, 1)), body, full, there, half, always)
    half[inside] = 0.0
    return full, half


def _overlaps(
    poses: np.ndarray, faster: np.ndarray, body: Body, margins: np.ndarray, there: np.ndarray, half: np.ndarray,
    until_s: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices n, o, t at which our body (N, T, 3), grown by margins (O, 2), and boxes (O, T, 3) overlap.

    faster: (N, T) room at the sides for speed. until_s: (O,) later overlaps are left out.
    """
    own_half = np.array(body.half_m)
    middle = _ahead(poses, body.middle_m).astype(np.float32)
    room = np.hypot(*margins.max(axis=0, initial=0.0)) + faster.max()
    radius = np.hypot(*own_half) + room + np.hypot(half[:, 0], half[:, 1])
    other = there[..., :2].astype(np.float32)
    dx = middle[:, None, :, 0] - other[None, ..., 0]
    dy = middle[:, None, :, 1] - other[None, ..., 1]
    near = dx * dx + dy * dy < (radius**2).astype(np.float32)[:, None]
    near &= TIMES_S[: poses.shape[1]] <= until_s[:, None]
    n, o, t = np.nonzero(near)
    mine = _ahead(poses[n, t], 0.5 * margins[o, 0] + body.middle_m)
    aside = np.where(margins[o, 1] > 0.0, margins[o, 1] + faster[n, t], 0.0)
    grown = own_half + np.stack([0.5 * margins[o, 0], aside], axis=-1)
    hit = boxes_overlap(np.column_stack([mine, poses[n, t, 2]]), grown, there[o, t], half[o])
    return n[hit], o[hit], t[hit]


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


def _firsts(n: np.ndarray, o: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first moment of each pair (n, o); the indices come sorted by n, o, t."""
    if not len(n):
        return n, o, t
    fresh = np.concatenate([[True], (np.diff(n) != 0) | (np.diff(o) != 0)])
    return n[fresh], o[fresh], t[fresh]


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
