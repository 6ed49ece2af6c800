"""Which drives run into road users, and when, by our own fault."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.kinematics import Body
from autonomy_nodes.planning.contact_loops import first_overlaps, own_contacts
from autonomy_nodes.planning.rollout import TIMES_S
from autonomy_nodes.planning.traffic import STANDING_MPS, Traffic, TrafficSettings, axes_of

EGO_STANDING_MPS = 0.05
HALVINGS = 6
SMALLER = (0.7, 0.7, 0.7, 0.7, 0.0)  # what reaches into us is taken so much smaller, again and again
LATE_STEPS = 5  # of 0.2 s, for which who has come to a stop still counts as moving


@dataclass(frozen=True, eq=False)
class Contacts:
    """When drives first run into road users. times_s: (N, O) by our own fault, inf for never; modes: (N, O)."""

    times_s: np.ndarray
    modes: np.ndarray


def contacts(
    poses: np.ndarray, axes: np.ndarray, speeds_mps: np.ndarray, body: Body, in_lane: np.ndarray, traffic: Traffic,
    settings: TrafficSettings,
) -> Contacts:
    """Return the first contacts of drives (N, T, 3), with `axes_of` them, of one body, by our own fault.

    Own fault (nuPlan's rule): we move, and hit what stands, or hit with the front, or are hit at a side while not in
    our lane (`in_lane`: (N, T)). Who drives into our back, or into us when we stand, is at fault himself.
    """
    if not len(traffic):
        return Contacts(np.full((len(poses), 0), np.inf), np.zeros((len(poses), 0), np.int64))
    until_s = np.where(traffic.speeds_mps.max(axis=1) < STANDING_MPS, np.inf, settings.within_s)
    last = np.searchsorted(TIMES_S, until_s, side='right')  # (R,) moments that count
    margins, half = _start_margins(poses[:1, :1], body, traffic, settings)
    pace, theirs = np.abs(speeds_mps), axes_of(traffic.claims)
    moving = _moving(pace)
    first = first_overlaps(
        poses, axes, moving, settings.lateral_s * pace, body.middle_m, np.array(body.half_m), margins,
        traffic.claims, theirs, half, last,
    )  # fmt: skip
    moments, modes = own_contacts(
        first, poses, axes, in_lane, moving, (body.front_m, body.rear_m, body.width_m), traffic.claims, theirs, half,
        traffic.speeds_mps, traffic.of, traffic.modes.argmax(axis=1), len(traffic), STANDING_MPS, last,
    )  # fmt: skip
    return Contacts(np.append(TIMES_S, np.inf)[moments], modes)


def _moving(pace_mps: np.ndarray) -> np.ndarray:
    """Return (N, T) when we move, and a moment after: nobody comes to a stop, or is met, at the very time foretold."""
    now = pace_mps > EGO_STANDING_MPS
    found = now.copy()
    for late in range(1, LATE_STEPS + 1):
        found[:, late:] |= now[:, :-late]
    return found


def _start_margins(
    start: np.ndarray, body: Body, traffic: Traffic, settings: TrafficSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return (R, 3) room kept in front, at the sides, and whether there is more of it with speed; (R, 2) half sizes.

    To whom we stand nearer already we keep as much as there is: a drive may go on beside him, or away, and no nearer. A
    box that reaches into our body at the start is too large, or it would be an accident: it is taken smaller, until it
    does not.
    """
    full = np.tile([settings.ahead_m, settings.lateral_m, 1.0], (len(traffic.of), 1))
    half = traffic.claim_half_m[traffic.of]
    now, there = (start, axes_of(start), np.ones((1, 1), bool), np.zeros((1, 1))), traffic.claims[:, :1].copy()
    theirs, own_half, always = axes_of(there), np.array(body.half_m), np.ones(len(full), np.int64)

    def touching(room: np.ndarray, half: np.ndarray) -> np.ndarray:
        return first_overlaps(*now, body.middle_m, own_half, room, there, theirs, half, always)[0] >= 0

    near = touching(full, half)
    if near.any():
        full[near, 2] = 0.0
        full *= _largest(lambda part: touching(part * full, half), near)
        for part in SMALLER:
            inside = touching(np.zeros_like(full), half)
            if not inside.any():
                break
            half[inside] *= part
    return full, half


def _largest(touching: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Return (R, 1) the largest part, to 1 in 2**HALVINGS, at which nothing touches; 1 but for some `rows` (R,)."""
    low, high = np.where(rows, 0.0, 1.0)[:, None], np.ones((len(rows), 1))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        touched = touching(middle)[:, None] & rows[:, None]
        low, high = np.where(touched, low, middle), np.where(touched, middle, high)
    return low
