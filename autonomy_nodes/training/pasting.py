"""Somebody of another example set down in this one, as its LiDAR would see him there (Yan et al., SECOND, 2018).

He stays as far from the LiDAR as he was and turns about it with his points, which are then those that it would give;
so only LiDARs that look alike lend to one another, and only who was seen nearly whole. He stands where nothing else
does and nothing hides him; what lies behind him goes. What he hid from the sweep before is
told from where the LiDAR is now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from autonomy_nodes.evaluation.measures.overlaps import shared_areas
from autonomy_nodes.perception import bev
from autonomy_nodes.training.examples import MASKS, Example, with_points

LEAST_HITS, LEAST_SHARE = 12, 0.7  # of who is lent
RANGES_M = (4.0, 45.0)
TURN_RAD = 0.6  # farthest from his bearing
HEIGHT_OFF_M, FLAT_M = 0.3, 0.3  # of the LiDAR above his feet, to that of before; of the ground that he stands on
LEAST_ALIKE = 0.5
MARGIN_M = 0.5  # about him, free
DRAWS = 12  # of a donor or a place until one fits
FREE_TERRAIN = [bev.TERRAIN.index(name) for name in ('paved', 'loose', 'low_vegetation')]
LOW_M = 0.3  # what stands less high is in nobody's way
IN_FRONT_M = 0.4
MOST_IN_FRONT = 0.02  # points nearer than he is where he is seen, as a share of his
LEAST_LOOKED_AT = 0.7  # of his bearings
EGO = np.array([[1.3, 0.0, 6.0, 2.8, 0.0]])  # rectangle that the vehicle itself takes
OBSTACLE = bev.TERRAIN.index('obstacle')
_UP_RAD = np.radians(np.arange(-21.0, -1.0, 2.0))  # rings below the horizon end on the ground wherever one is
_SECTORS = 120
_MIDDLES = bev.middles()


@dataclass(frozen=True, eq=False)
class _Guest:
    """Somebody with all that is true of him. before: (L, 4) his points of the sweep before; top_m: of his cells."""

    box: np.ndarray
    kind: int
    share: float
    points: np.ndarray
    semantics: np.ndarray
    before: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """His rectangle (1, 5) with a margin."""
        return self.box[None, [0, 1, 3, 4, 6]] + np.array([0.0, 0.0, 2.0 * MARGIN_M, 2.0 * MARGIN_M, 0.0])


def pasted(example: Example, others: Sequence[Example], rng: np.random.Generator, guests: int = 1) -> Example:
    """Return the example with so many of others at most; fewer where none fits."""
    donor = _donor(example, others, rng)
    if donor is not None:
        for _ in range(guests):
            example = _with_one(example, donor, rng)
    return example


def _donor(example: Example, others: Sequence[Example], rng: np.random.Generator) -> Example | None:
    """Return an example of a LiDAR that looks as this one does, with somebody to lend; None where draws find none."""
    if not _knows_all(example):
        return None
    mine = _look(example)
    for place in rng.integers(len(others), size=DRAWS).tolist():
        other = others[place]
        sees_motion = len(other.before) > 0 or not len(example.before)
        if other is example or not sees_motion or not _knows_all(other) or not _lent(other).any():
            continue
        if abs(other.sensor_m[2] - example.sensor_m[2]) < HEIGHT_OFF_M:
            theirs = _look(other)
            if np.minimum(mine, theirs).sum() > LEAST_ALIKE * np.maximum(mine, theirs).sum():
                return other
    return None


def _knows_all(example: Example) -> bool:
    """Return whether an example tells of every cell what stands there, as those of recordings do not."""
    return all(getattr(example, name) is None for name in MASKS)


def _look(example: Example) -> np.ndarray:
    """Return how many points a sector of the turn has by elevation: how dense the LiDAR's rings are."""
    offset = example.points[:, :3] - example.sensor_m
    up = np.arctan2(offset[:, 2], np.hypot(offset[:, 0], offset[:, 1]))
    sectors = len(np.unique(_sector(offset)))
    return np.asarray(np.histogram(up, _UP_RAD)[0] / max(sectors, 1))


def _sector(offset: np.ndarray) -> np.ndarray:
    around = np.arctan2(offset[:, 1], offset[:, 0])
    return np.asarray(((around / (2.0 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS)


def _lent(other: Example) -> np.ndarray:
    """Return (B,) who of an example is seen well enough to be lent."""
    away = np.hypot(*(other.boxes[:, :2] - other.sensor_m[:2]).T)
    near = (away > RANGES_M[0]) & (away < RANGES_M[1])
    return np.asarray(near & (other.hits >= LEAST_HITS) & (other.shares >= LEAST_SHARE))


def _with_one(example: Example, donor: Example, rng: np.random.Generator) -> Example:
    """Return the example with one of the donor's users, every class as likely; unchanged where he fits nowhere."""
    lent = _lent(donor)
    kind = rng.choice(np.unique(donor.kinds[lent]))
    row = int(rng.choice(np.flatnonzero(lent & (donor.kinds == kind))))
    guest = _guest(donor, row)
    for turn in rng.uniform(-TURN_RAD, TURN_RAD, DRAWS).tolist():
        placed = _placed(example, donor, guest, turn)
        if placed is not None and _is_free(example, placed):
            return _set_down(example, donor, placed, guest.box, turn)
    return example


def _guest(donor: Example, row: int) -> _Guest:
    mine, box = donor.bodies == row, donor.boxes[row].astype(float)
    then = box.copy()
    then[:2] -= bev.STEP_S * box[7:9]
    was = _inside(donor.before, then, above_m=0.1)
    return _Guest(
        box, int(donor.kinds[row]), float(donor.shares[row]), donor.points[mine], donor.semantics[mine],
        donor.before[was],
    )  # fmt: skip


def _inside(points: np.ndarray, box: np.ndarray, above_m: float = 0.0, margin_m: float = 0.1) -> np.ndarray:
    """Return (N,) which points lie in a box, higher than its lowest by above_m."""
    away, (c, s) = points[:, :3] - box[:3], (np.cos(box[6]), np.sin(box[6]))
    along, across = away[:, 0] * c + away[:, 1] * s, away[:, 1] * c - away[:, 0] * s
    flat = (np.abs(along) < box[3] / 2.0 + margin_m) & (np.abs(across) < box[4] / 2.0 + margin_m)
    return np.asarray(flat & (away[:, 2] > above_m - box[5] / 2.0) & (away[:, 2] < box[5] / 2.0 + margin_m))


def _cell(xy: np.ndarray) -> tuple[int, int] | None:
    i, j = np.floor((xy - bev.ORIGIN_M) / bev.CELL_M).astype(int).tolist()
    return (i, j) if 0 <= i < bev.CELLS[0] and 0 <= j < bev.CELLS[1] else None


def _placed(example: Example, donor: Example, guest: _Guest, turn: float) -> _Guest | None:
    """Return him turned about the LiDAR and standing on this ground; None where that is too high or too low for him."""
    c, s = np.cos(turn), np.sin(turn)
    matrix = np.array([[c, -s], [s, c]])
    box = guest.box.copy()
    box[:2] = matrix @ (box[:2] - donor.sensor_m[:2]) + example.sensor_m[:2]
    box[6] = (box[6] + turn + np.pi) % (2.0 * np.pi) - np.pi
    box[7:9] = matrix @ box[7:9]
    there, here = _cell(guest.box[:2]), _cell(box[:2])
    if there is None or here is None:
        return None
    lift = float(example.ground_m[here]) - float(donor.ground_m[there])
    if not abs(lift - float(example.sensor_m[2] - donor.sensor_m[2])) < HEIGHT_OFF_M:  # NaN too
        return None
    box[2] += lift

    def moved(points: np.ndarray) -> np.ndarray:
        flat = (points[:, :2] - donor.sensor_m[:2]) @ matrix.T + example.sensor_m[:2]
        return np.column_stack([flat, points[:, 2] + lift, points[:, 3]]).astype(np.float32)

    before = moved(guest.before if len(example.before) else guest.before[:0])
    return replace(guest, box=box, points=moved(guest.points), before=before)


def _is_free(example: Example, guest: _Guest) -> bool:
    """Return whether nothing stands where he is to stand, and the LiDAR looks there and sees on."""
    on = _under(guest.box, MARGIN_M)
    ground = example.ground_m[on]
    if not len(ground) or not np.ptp(ground) < FLAT_M:  # NaN too
        return False
    if example.blocked[on].any() or (example.top_m[on] > LOW_M).any():
        return False
    if not np.isin(example.terrain[on], FREE_TERRAIN).all():
        return False
    taken = np.concatenate([example.boxes[:, [0, 1, 3, 4, 6]], EGO])
    if shared_areas(guest.flat, taken).any():
        return False
    then = guest.box.copy()
    then[:2] -= bev.STEP_S * then[7:9]
    if _inside(example.before, then, above_m=LOW_M).sum() > 2:
        return False
    return _is_seen(example, guest)


def _is_seen(example: Example, guest: _Guest) -> bool:
    """Return whether nothing stands before him, and the LiDAR looks there at all."""
    hull = _Hull(guest.points, example.sensor_m)
    within, ranges = hull.holds(example.points)
    if (within & (ranges < hull.nearest_m - IN_FRONT_M)).sum() > MOST_IN_FRONT * len(guest.points):
        return False
    beyond = example.points[ranges > hull.nearest_m, :3] - example.sensor_m
    looked_at = np.isin(_sector(guest.points[:, :3] - example.sensor_m), _sector(beyond))
    return bool(looked_at.mean() > LEAST_LOOKED_AT)


def _under(box: np.ndarray, margin_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells whose middles lie under a box or so near to it."""
    reach = 0.5 * float(np.hypot(box[3], box[4])) + margin_m
    low = np.clip(np.floor((box[:2] - reach - bev.ORIGIN_M) / bev.CELL_M).astype(int), 0, bev.CELLS)
    high = np.clip(np.floor((box[:2] + reach - bev.ORIGIN_M) / bev.CELL_M).astype(int) + 1, 0, bev.CELLS)
    away, (c, s) = _MIDDLES[low[0] : high[0], low[1] : high[1]] - box[:2], (np.cos(box[6]), np.sin(box[6]))
    along, across = away @ np.array([c, s]), away @ np.array([-s, c])
    i, j = np.nonzero((np.abs(along) < box[3] / 2.0 + margin_m) & (np.abs(across) < box[4] / 2.0 + margin_m))
    return i + low[0], j + low[1]


class _Hull:
    """What somebody hides, seen from the LiDAR: the convex outline of his points by bearing and elevation."""

    def __init__(self, points: np.ndarray, sensor_m: np.ndarray) -> None:
        self.sensor_m = sensor_m
        offset = points[:, :3] - sensor_m
        middle = offset.mean(axis=0)
        self.bearing = float(np.arctan2(middle[1], middle[0]))
        self.nearest_m = float(np.linalg.norm(offset, axis=1).min())
        self.outline = cv2.convexHull(self._angles(offset).astype(np.float32))[:, 0].astype(float)  # (K, 2)

    def _angles(self, offset: np.ndarray) -> np.ndarray:
        around = np.arctan2(offset[:, 1], offset[:, 0]) - self.bearing
        around = (around + np.pi) % (2.0 * np.pi) - np.pi
        return np.column_stack([around, np.arctan2(offset[:, 2], np.hypot(offset[:, 0], offset[:, 1]))])

    def holds(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (N,) which points lie within the outline, and (N,) how far they are."""
        offset = points[:, :3] - self.sensor_m
        angles, inside = self._angles(offset), np.ones(len(points), bool)
        turn = 1.0 if cv2.contourArea(self.outline.astype(np.float32), oriented=True) >= 0.0 else -1.0
        for here, ahead in zip(self.outline, np.roll(self.outline, -1, axis=0)):
            side, away = ahead - here, angles - here
            inside &= turn * (side[0] * away[:, 1] - side[1] * away[:, 0]) >= 0.0
        return inside, np.linalg.norm(offset, axis=1)

    def hides(self, points: np.ndarray) -> np.ndarray:
        """Return (N,) which points a ray cannot reach any more."""
        within, ranges = self.holds(points)
        return np.asarray(within & (ranges > self.nearest_m))


def _set_down(example: Example, donor: Example, guest: _Guest, was: np.ndarray, turn: float) -> Example:
    """Return the example with him in it, his cells as the donor has them, and without what he hides."""
    gone = _Hull(guest.points, example.sensor_m).hides(example.points) | _inside(example.points, guest.box)
    gone_before = np.zeros(len(example.before), bool)
    if len(guest.before) > 2:
        gone_before = _Hull(guest.before, example.sensor_m).hides(example.before)
    less = with_points(example, ~gone, ~gone_before, hides=True)
    terrain, top, blocked = (layer.copy() for layer in (less.terrain, less.top_m, less.blocked))
    i, j = _under(guest.box, 0.5 * bev.CELL_M)
    c, s = np.cos(turn), np.sin(turn)
    there = (_MIDDLES[i, j] - guest.box[:2]) @ np.array([[c, -s], [s, c]]) + was[:2]  # the turn undone
    p, q = np.floor((there - bev.ORIGIN_M) / bev.CELL_M).astype(int).clip(0, np.array(bev.CELLS) - 1).T
    on = (donor.terrain[p, q] == OBSTACLE) & donor.blocked[p, q]
    i, j, heights = i[on], j[on], donor.top_m[p[on], q[on]]
    terrain[i, j], blocked[i, j] = OBSTACLE, True
    top[i, j] = np.maximum(top[i, j], np.minimum(heights, guest.box[5]))
    count = len(guest.points)
    return replace(
        less, points=np.concatenate([less.points, guest.points]),
        semantics=np.concatenate([less.semantics, guest.semantics]),
        bodies=np.concatenate([less.bodies, np.full(count, len(less.boxes), less.bodies.dtype)]),
        before=np.concatenate([less.before, guest.before]),
        boxes=np.concatenate([less.boxes, guest.box[None].astype(less.boxes.dtype)]),
        kinds=np.append(less.kinds, guest.kind).astype(less.kinds.dtype),
        hits=np.append(less.hits, count).astype(less.hits.dtype),
        shares=np.append(less.shares, guest.share).astype(less.shares.dtype),
        terrain=terrain, top_m=top, blocked=blocked,
    )  # fmt: skip
