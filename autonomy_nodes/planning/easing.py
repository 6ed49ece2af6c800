"""A line eased within the room there is: where the body would touch blocked ground it leaves the middle of the lane.

In a sharp turn the front swings out and the rear cuts in: in the middle the body may need more width than there is,
while a line that begins wide, cuts the apex and ends wide does not. Offsets and their slopes are chosen a station each
by dynamic programming (Bellman 1957): room that is missing costs, and so do offsets and changes of the slope.
"""

import math

import numpy as np
from numba import njit

from autonomy_nodes.common.kinematics import body_of
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.ground import Ground
from autonomy_nodes.planning.ground_loops import fine_clearance
from autonomy_nodes.planning.reference import STEP_M, Reference, evenly, reference_of, smoothed

STEEP = 0.1  # slopes are -2 to 2 of it, and offsets as many of it as one comes aside by in a station
MOST_M = 1.0
SLOPES = 2
RESERVE_M = 0.1  # room wanted beside the body, besides what the gate asks for
AHEAD_M = 60.0  # further away the ground is seen coarsely
AROUND_M = 20.0  # so far before and behind what has no room the line may leave the middle
MISSING, BESIDE, BENDING = 150.0, 0.15, 0.5  # cost of a squared metre of missing room, of offset; of bending by STEEP


def eased(reference: Reference, station_m: float, ground: Ground, vehicle: Vehicle) -> Reference:
    """Return the reference, moved aside where that gives the body room on the ground, from a station on."""
    first, last = max(int(station_m), 0), min(int(station_m + AHEAD_M), len(reference.points))
    offsets, radius = body_of(vehicle).circles()
    offsets, wanted = offsets[::2], radius + ground.settings.margin_m + RESERVE_M  # these cover most of the body
    poses = np.column_stack([reference.points, reference.headings])
    rooms = _rooms(poses[first:last], offsets, np.zeros(1), np.zeros(1), *ground.tables())[:, 0, 0]
    tight = first + np.flatnonzero(rooms < wanted)
    if not len(tight):
        return reference
    first, last = max(first, tight[0] - int(AROUND_M)), min(last, tight[-1] + int(AROUND_M))
    if last - first < 4:
        return reference
    steps = round(MOST_M / (STEEP * STEP_M))
    aside_m, slopes = STEEP * STEP_M * np.arange(-steps, steps + 1), STEEP * np.arange(-SLOPES, SLOPES + 1)
    room = _rooms(poses[first:last], offsets, aside_m, slopes, *ground.tables())
    lack = np.clip(wanted - room, 0.0, 1.0)
    lack[(room <= 0.0).all(axis=(1, 2))] = 0.0  # nothing is free there, or nothing is known: nothing is gained
    costs = MISSING * lack**2 + BESIDE * aside_m[:, None] ** 2
    costs[-1, aside_m != 0.0] = np.inf  # it comes back to the middle
    aside = np.zeros(len(reference.points))
    aside[first:last] = aside_m[_chosen(costs, BENDING)]
    if not aside.any():
        return reference
    aside = smoothed(np.column_stack([aside, aside]))[:, :1]
    normals = np.column_stack([-np.sin(reference.headings), np.cos(reference.headings)])
    return reference_of(reference.kind, evenly(reference.points + aside * normals))


@njit(cache=True)
def _rooms(
    poses: np.ndarray, circles_m: np.ndarray, aside_m: np.ndarray, slopes: np.ndarray, near: np.ndarray,
    near_at: np.ndarray, far: np.ndarray, far_at: np.ndarray,
) -> np.ndarray:
    """Return (K, J, S) the least clearance of circles ahead of (K, 3) poses moved aside and turned by slopes."""
    found = np.empty((len(poses), len(aside_m), len(slopes)))
    for k in range(len(poses)):
        left_x, left_y = -math.sin(poses[k, 2]), math.cos(poses[k, 2])
        for s in range(len(slopes)):
            turn = poses[k, 2] + math.atan(slopes[s])
            cos, sin = math.cos(turn), math.sin(turn)
            for j in range(len(aside_m)):
                x, y, least = poses[k, 0] + aside_m[j] * left_x, poses[k, 1] + aside_m[j] * left_y, np.inf
                for ahead in circles_m:
                    clear = fine_clearance(x + ahead * cos, y + ahead * sin, near, near_at, far, far_at)
                    least = min(least, clear)
                found[k, j, s] = least
    return found


@njit(cache=True)
def _chosen(costs: np.ndarray, bending: float) -> np.ndarray:
    """Return (K,) which offsets cost least: (K, J, S) costs of offsets and slopes, and of a slope's change by one.

    A slope is the number of offsets by which the next one differs, counted from the middle one.
    """
    count, several, slopes = costs.shape
    flat = slopes // 2
    total, before = costs[0].copy(), np.zeros((count, several, slopes), np.int64)
    for k in range(1, count):
        next_ = np.full((several, slopes), np.inf)
        for s in range(slopes):
            for j in range(several):
                i = j - (s - flat)  # where it was a station before
                if not 0 <= i < several:
                    continue
                for r in range(max(s - 1, 0), min(s + 2, slopes)):
                    price = total[i, r] + bending * (s - r) ** 2
                    if price < next_[j, s]:
                        next_[j, s], before[k, j, s] = price, r
        total = next_ + costs[k]
    best = int(np.argmin(total))
    j, s, found = best // slopes, best % slopes, np.empty(count, np.int64)
    for k in range(count - 1, -1, -1):
        found[k] = j
        j, s = j - (s - flat), before[k, j, s]
    return found
