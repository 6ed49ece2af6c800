"""Which drives run into road users, and when, by our own fault."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.kinematics import Body
from autonomy_nodes.planning.contact_loops import first_overlaps, own_contacts
from autonomy_nodes.planning.rollout import TIMES_S
from autonomy_nodes.planning.traffic import STANDING_MPS, Traffic, TrafficSettings, axes_of

EGO_STANDING_MPS = 0.05


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
    faster = settings.lateral_s * np.abs(speeds_mps)
    first = first_overlaps(
        poses, axes, faster, body.middle_m, np.array(body.half_m), margins, traffic.claims,
        axes_of(traffic.claims), half, last,
    )  # fmt: skip
    moments, modes = own_contacts(
        first, poses, axes, speeds_mps, in_lane, (body.front_m, body.rear_m, body.width_m), traffic.claims, half,
        traffic.speeds_mps, traffic.of, traffic.modes.argmax(axis=1), len(traffic), (EGO_STANDING_MPS, STANDING_MPS),
    )  # fmt: skip
    return Contacts(np.append(TIMES_S, np.inf)[moments], modes)


def _start_margins(
    start: np.ndarray, body: Body, traffic: Traffic, settings: TrafficSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return (R, 2) room kept in front and at the sides, none to whom we stand nearer already, and (R, 2) half sizes.

    A box that reaches into our body at the start is too large, or it would be an accident: it is taken as small as it
    must be.
    """
    full, half = np.tile([settings.ahead_m, settings.lateral_m], (len(traffic.of), 1)), traffic.claim_half_m[traffic.of]
    still, always, there = np.zeros((1, 1)), np.ones(len(full), np.int64), np.ascontiguousarray(traffic.claims[:, :1])
    axes, theirs, own_half = axes_of(start), axes_of(there), np.array(body.half_m)

    def touching() -> np.ndarray:
        return first_overlaps(start, axes, still, body.middle_m, own_half, full, there, theirs, half, always)[0] >= 0

    full[touching()] = 0.0
    for shrunk in (0.7, 0.7, 0.7, 0.7, 0.0):
        inside = touching()
        if not inside.any():
            break
        half[inside] *= shrunk
    return full, half
