"""A way over open ground to a goal that is not in a straight line: round all obstacles that were seen.

It only guides. What was never seen counts as passable here, or no way would be found into the open; whether the vehicle
may really go there is for the gates to say. It keeps away from obstacles where there is room: who comes too near to one
can no longer turn. It begins with a bend that the vehicle can drive, forwards.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.ground import OUTSIDE, Ground, clearance_of

CELL_M = 1.6
AROUND_M = 60.0  # room for detours beside the straight line
FARTHEST_M = 100.0  # a goal further away is approached step by step
UNSEEN_COST, TIGHT_COST, BLOCKED_COST = 1.5, 1.0, 1e3
ROOM_M = 4.5  # from obstacles, to turn in: nearer to them a way is dearer, up to TIGHT_COST more
BESIDE_M, STEERED = 0.5, 0.8  # room beside the body; share of the steering with which a way begins
ASIDE_RAD = 1.0  # a goal further aside than this is turned to, though the straight line is free
BENDS, STEPS, TURN_RAD = 9, 8, 1.3  # with which a way begins: so many, looked at so often, turning so far
STRAIGHTER = 1.05  # a straight line may cost so much more than the way over cells that it replaces
RENEWED_S = 1.0


@dataclass(frozen=True)
class Shape:
    """What goes the way: a disc of radius_m that must pass, with its front so far ahead; bend_m: the tightest bend."""

    radius_m: float
    front_m: float = 0.0
    bend_m: float = 6.0


def shape_of(vehicle: Vehicle) -> Shape:
    """Return what a way must have room for."""
    bend_m = vehicle.wheelbase_m / math.tan(STEERED * vehicle.limits.wheel_angle_rad)
    return Shape(vehicle.width_m / 2.0 + BESIDE_M, vehicle.front_m, bend_m)


class Way:
    """The last way found, kept for a second so that it does not waver, and as it is the dearest part of a step."""

    def __init__(self) -> None:
        self._corners = np.zeros((0, 2))
        self._goal = np.zeros(2)
        self._stamp_ns = 0

    def around(self, pose: np.ndarray, goal: np.ndarray, ground: Ground, shape: Shape, stamp_ns: int) -> np.ndarray:
        """Return (K, 2) the corners of a way from a pose (3,), the goal last: it alone where the straight line is free.

        The goal lies ahead then; else the first corner is where the first bend ends.
        """
        place = pose[:2]
        age_s = (stamp_ns - self._stamp_ns) / SECOND_NS
        if not len(self._corners) or (self._goal != goal).any() or not 0.0 <= age_s < RENEWED_S:
            self._corners = _corners(pose, goal, ground, shape)
            self._goal, self._stamp_ns = goal.copy(), stamp_ns
        ahead = passed(place[None], np.concatenate([place[None], self._corners]))[0]
        return self._corners[ahead:]


def passed(places: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Return (...) how many corners of a way (1 + K, 2), which begins with its start, lie behind (..., 2) places.

    A corner is passed where a place has crossed the line that halves its angle; the last one, the goal, never is.
    """
    steps = np.diff(way, axis=0)
    forward = steps / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
    across = forward[1:] + forward[:-1]  # (K - 1, 2)
    beyond = ((places[..., None, :] - way[1:-1]) * across).sum(axis=-1) > 0.0
    return np.minimum.accumulate(beyond, axis=-1).sum(axis=-1)


def distance_to_go(places: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Return (...) metres from (..., 2) places to the end of a way (1 + K, 2): to the next corner, and on along it."""
    next_ = 1 + passed(places, way)
    rest = np.linalg.norm(np.diff(way, axis=0), axis=1)
    after = np.append(np.cumsum(rest[::-1])[::-1], 0.0)  # from each point of the way to its end
    return np.linalg.norm(places - way[next_], axis=-1) + after[next_]


def _corners(pose: np.ndarray, goal: np.ndarray, ground: Ground, shape: Shape) -> np.ndarray:
    """Return the corners of a way, the goal last."""
    room, place, radius_m = _Room(ground), pose[:2], shape.radius_m
    gap = goal - place
    target = place + gap * min(FARTHEST_M / max(float(np.linalg.norm(gap)), 1e-6), 1.0)
    aside = abs(float(wrapped(math.atan2(gap[1], gap[0]) - pose[2])))
    if aside < ASIDE_RAD and room.is_free(place, target, radius_m):
        return goal[None]
    low = np.floor((np.minimum(place, target) - AROUND_M) / CELL_M) * CELL_M  # cells stay where they are as we move
    size = np.ceil((np.maximum(place, target) + AROUND_M - low) / CELL_M).astype(int)
    x, y = (low[axis] + (np.arange(size[axis]) + 0.5) * CELL_M for axis in range(2))
    cost = _priced(room.clearance(np.stack(np.meshgrid(x, y, indexing='ij'), axis=-1)), radius_m)
    costs = costs_to(_cell(target, low), cost)
    bends = _bends(pose, shape)
    ends = bends[:, -1]
    first = int(np.argmin(_prices(bends, pose, room, shape) + CELL_M * costs[tuple(_cells(ends, low).T)]))
    cells = _descent(costs, _cell(ends[first], low))
    points = np.concatenate([ends[first][None], low + (cells[1:-1] + 0.5) * CELL_M, target[None]])
    return np.concatenate([_pulled(points, room, radius_m)[:-1], goal[None]])


def _bends(pose: np.ndarray, shape: Shape) -> np.ndarray:
    """Return (B, S, 2) places of base_link along the bends with which a way may begin, and straight on."""
    curvatures = np.linspace(-1.0, 1.0, BENDS)[:, None] / shape.bend_m
    gone = np.linspace(0.0, TURN_RAD * shape.bend_m, STEPS + 1)[1:]
    middle = pose[2] + 0.5 * curvatures * gone  # the chord of an arc lies along the mean of its headings
    chord = gone * np.sinc(0.5 * curvatures * gone / np.pi)
    return np.stack([pose[0] + chord * np.cos(middle), pose[1] + chord * np.sin(middle)], axis=-1)


def _prices(bends: np.ndarray, pose: np.ndarray, room: '_Room', shape: Shape) -> np.ndarray:
    """Return (B,) what bends cost, by the harder of base_link and the front."""
    steps = np.diff(np.concatenate([np.broadcast_to(pose[:2], (len(bends), 1, 2)), bends], axis=1), axis=1)
    ahead = steps / np.maximum(np.linalg.norm(steps, axis=-1, keepdims=True), 1e-9)
    price = np.maximum(
        *(_priced(room.clearance(bends + far_m * ahead), shape.radius_m) for far_m in (0.0, shape.front_m))
    )
    return np.asarray(price.mean(axis=1)) * TURN_RAD * shape.bend_m


def _cells(places: np.ndarray, low: np.ndarray) -> np.ndarray:
    return np.asarray(((places - low) / CELL_M).astype(int))


def _cell(place: np.ndarray, low: np.ndarray) -> tuple[int, int]:
    i, j = _cells(place, low).tolist()
    return i, j


def _priced(clear: np.ndarray, radius_m: float) -> np.ndarray:
    """Return (...) what a metre costs at places with so much room about them, OUTSIDE: unseen."""
    tight = np.clip((ROOM_M - clear) / (ROOM_M - radius_m), 0.0, 1.0)
    cost = np.where(clear == OUTSIDE, UNSEEN_COST, 1.0 + TIGHT_COST * tight**2)
    return np.where((clear < radius_m) & (clear != OUTSIDE), BLOCKED_COST, cost)


class _Room:
    """Distance to obstacles that were seen; unseen cells are none."""

    def __init__(self, ground: Ground) -> None:
        self._sheets = [
            (sheet, clearance_of(sheet.blocked & ~sheet.unknown, sheet.grid.resolution_m, ROOM_M))
            for sheet in ground.sheets
        ]

    def clearance(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) metres to the nearest obstacle, OUTSIDE where no grid tells."""
        found = np.full(xy.shape[:-1], OUTSIDE)
        for sheet, clear in reversed(self._sheets):
            index, inside = sheet.grid.cells(xy)
            found = np.where(inside, clear[index[..., 0], index[..., 1]], found)
        return found

    def price(self, start: np.ndarray, end: np.ndarray, radius_m: float) -> float:
        """Return what the straight line costs."""
        length_m = float(np.linalg.norm(end - start))
        steps = max(int(length_m / (0.5 * CELL_M)), 1)
        line = start + ((np.arange(steps) + 0.5) / steps)[:, None] * (end - start)
        return float(_priced(self.clearance(line), radius_m).mean()) * length_m

    def is_free(self, start: np.ndarray, end: np.ndarray, radius_m: float) -> bool:
        """Return whether a disc passes on the straight line; what it touches at the start does not count."""
        steps = max(int(np.linalg.norm(end - start) / 0.5), 2)
        line = start + np.linspace(0.0, 1.0, steps)[:, None] * (end - start)
        clear = self.clearance(line)
        off = np.linalg.norm(line - start, axis=1) > 1.5
        return not bool(((clear < radius_m) & (clear != OUTSIDE) & off).any())


@njit(cache=True)
def costs_to(end: tuple[int, int], cost: np.ndarray) -> np.ndarray:
    """Return (X, Y) least costs from each cell to the cell `end`, over eight neighbours.

    Cells are swept in four orders until nothing changes (fast sweeping, Zhao 2005).
    """
    wide, long = cost.shape
    found = np.full((wide, long), np.inf)
    found[end] = 0.0
    changed = True
    while changed:
        changed = False
        for turn in range(4):
            for a in range(wide):
                i = a if turn < 2 else wide - 1 - a
                for b in range(long):
                    j = b if turn % 2 == 0 else long - 1 - b
                    least = found[i, j]
                    for di in range(-1, 2):
                        for dj in range(-1, 2):
                            p, q = i + di, j + dj
                            if 0 <= p < wide and 0 <= q < long:
                                way = 1.414 if di != 0 and dj != 0 else 1.0
                                least = min(least, found[p, q] + way * cost[i, j])
                    if least < found[i, j]:
                        found[i, j] = least
                        changed = True
    return found


def _descent(costs: np.ndarray, start: tuple[int, ...]) -> np.ndarray:
    """Return (K, 2) cells from `start` downhill to the lowest."""
    wide = np.pad(costs, 1, constant_values=np.inf)
    cells, (i, j) = [start], start
    for _ in range(costs.size):
        around = wide[i : i + 3, j : j + 3]
        step = int(np.argmin(around))
        if step == 4:
            break
        i, j = i + step // 3 - 1, j + step % 3 - 1
        cells.append((i, j))
    return np.array(cells)


def _pulled(points: np.ndarray, room: _Room, radius_m: float) -> np.ndarray:
    """Return the corners of a way pulled straight where the straight line costs hardly more."""
    spent = np.concatenate([[0.0], np.cumsum([room.price(*pair, radius_m) for pair in zip(points, points[1:])])])
    kept, here = [0], 0
    while here < len(points) - 1:
        far = len(points) - 1
        while far > here + 1:
            if room.price(points[here], points[far], radius_m) <= STRAIGHTER * (spent[far] - spent[here]):
                break
            far = here + (far - here) // 2 if far - here > 8 else far - 1
        kept.append(far)
        here = far
    return points[kept]
