"""Where the vehicle was in odom at any moment of a run, for a report's picture."""

from collections.abc import Mapping

import numpy as np

from autonomy_nodes.common.geometry import matrix_of
from autonomy_nodes.common.types import EgoState


class EgoPath:
    """The states of localization by stamp, and the poses between them."""

    def __init__(self, states: Mapping[int, EgoState]) -> None:
        self.states = dict(sorted(states.items()))
        self.stamps_ns = np.array(list(self.states), np.int64)

    def odom_from_base(self, stamp_ns: int) -> np.ndarray | None:
        """Return the (4, 4) transform at a moment, interpolated; None before the first state and after the last."""
        after = int(np.searchsorted(self.stamps_ns, stamp_ns))
        if after == len(self.stamps_ns) or stamp_ns < self.stamps_ns[0]:
            return None
        later = self.states[int(self.stamps_ns[after])]
        if later.stamp_ns == stamp_ns:
            return later.odom_from_base
        earlier = self.states[int(self.stamps_ns[after - 1])]
        share = (stamp_ns - earlier.stamp_ns) / (later.stamp_ns - earlier.stamp_ns)
        sign = np.sign(earlier.orientation @ later.orientation) or 1.0  # both signs of a quaternion are one rotation
        orientation = (1.0 - share) * earlier.orientation + share * sign * later.orientation
        position = (1.0 - share) * earlier.position_m + share * later.position_m
        return matrix_of(position, orientation / np.linalg.norm(orientation))

    def nearest(self, stamp_ns: int, stamps_ns: np.ndarray, within_ns: int) -> int | None:
        """Return the index of the one of `stamps_ns` (N,) nearest to a moment, None where none lies within."""
        if not len(stamps_ns):
            return None
        at = int(np.argmin(np.abs(stamps_ns - stamp_ns)))
        return at if abs(int(stamps_ns[at]) - stamp_ns) <= within_ns else None
