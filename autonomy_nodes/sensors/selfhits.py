"""Which points lie on our own vehicle and its trailer."""

import math
from collections.abc import Sequence

import numpy as np

from autonomy_nodes.common.vehicle import Vehicle


def self_hits(xyz: np.ndarray, vehicle: Vehicle, joint_rad: Sequence[float]) -> np.ndarray:
    """Return the indices of points (N, 3) in base_link inside the vehicle's box or the trailer's footprint.

    joint_rad: angle of the trailer, none where it is not known, which counts as straight. The yaml gives trailers no
    height, so all above their footprint goes; nothing below the road within the wheelbase can be seen either.
    """
    margin, trailer = vehicle.self_box_margin_m, vehicle.trailer
    reach = max(vehicle.front_m, vehicle.rear_m, vehicle.width_m) + margin
    if trailer.present:
        reach += trailer.length_m + trailer.behind_axle_m
    near = np.flatnonzero((np.abs(xyz[:, 0]) < reach) & (np.abs(xyz[:, 1]) < reach))
    x, y, z = xyz[near].T
    own = (x > -vehicle.rear_m - margin) & (x < vehicle.front_m + margin)
    own &= (np.abs(y) < vehicle.width_m / 2 + margin) & (z < vehicle.height_m + margin)
    if trailer.present:
        angle = joint_rad[0] if joint_rad else 0.0
        ahead = x - trailer.hitch_ahead_m
        along = ahead * math.cos(angle) + y * math.sin(angle)  # of the trailer, from the hitch
        across = y * math.cos(angle) - ahead * math.sin(angle)
        rear = trailer.length_m + trailer.behind_axle_m
        box = (along > -rear - margin) & (along < trailer.ahead_of_hitch_m + margin)
        own |= box & (np.abs(across) < trailer.width_m / 2 + margin)
    return near[own]
