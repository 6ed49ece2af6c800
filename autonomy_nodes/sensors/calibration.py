"""Where sensors sit: /tf_static as a tree, held against the mounts in the vehicle yaml."""

import math
from collections.abc import Mapping

import numpy as np

from autonomy_nodes.common.geometry import inverse, rotation_log
from autonomy_nodes.common.sensing import Transforms
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Mount

BASE = 'base_link'
WITHIN_M = 0.01
WITHIN_RAD = math.radians(0.1)


class Calibration:
    """Gives base_from_sensor of any frame. /tf_static is the truth; the vehicle's mounts stand in where it is silent.

    Where both speak of a frame and differ by more than 1 cm or 0.1 deg, neither is used again: one of them is wrong,
    and nobody here can know which.
    """

    def __init__(self, mounts: Mapping[str, Mount]) -> None:
        self.stated = {mount.frame: mount.base_from_sensor for mount in mounts.values()}
        if len(self.stated) < len(mounts):
            raise ValueError(f'vehicle.mounts name a frame twice: {sorted(m.frame for m in mounts.values())}')
        self.frame_of = {name: mount.frame for name, mount in mounts.items()}
        self.conflicts: dict[str, str] = {}
        self._parent_of: dict[str, tuple[str, np.ndarray]] = {}
        self._known: dict[str, np.ndarray] = {}

    def take(self, transforms: Transforms) -> None:
        """Add what one message of /tf_static tells; raises DataError where it does not make a tree."""
        for (parent, child), matrix in transforms.matrices.items():
            known = self._parent_of.get(child)
            if parent == child or child in self._ancestors(parent):
                raise DataError(f'/tf_static goes in a circle: {child!r} hangs below itself')
            if known is not None and known[0] != parent:
                raise DataError(f'/tf_static gives {child!r} two parents: {known[0]!r} and {parent!r}')
            self._parent_of[child] = parent, np.asarray(matrix, float)
        self._known.clear()

    def base_from(self, frame: str) -> np.ndarray:
        """Return (4, 4) base_from_frame; raises DataError naming the frame and what helps."""
        if frame not in self._known:
            self._known[frame] = self._looked_up(frame)
        return self._known[frame]

    def check_frame(self, name: str, frame: str) -> None:
        """Raise DataError where the vehicle yaml says that the sensor `name` has another frame."""
        stated = self.frame_of.get(name, frame)
        if frame != stated:
            raise DataError(
                f'sensor {name!r} sends frame {frame!r}, vehicle.mounts.{name} says {stated!r}: swapped?', fault='F11'
            )

    def _looked_up(self, frame: str) -> np.ndarray:
        if frame in self.conflicts:
            raise DataError(self.conflicts[frame])
        told, stated = self._told(frame), self.stated.get(frame)
        if told is not None and stated is not None and (difference := mount_difference(told, stated)):
            self.conflicts[frame] = (
                f'calibration of {frame!r} differs by {difference} between /tf_static and vehicle.mounts: '
                'correct one of them and start again'
            )
            raise DataError(self.conflicts[frame])
        found = told if told is not None else stated
        if found is None:
            known = ', '.join(sorted({*self._parent_of, *self.stated})) or 'none'
            raise DataError(
                f'no transform from {frame!r} to {BASE!r} (known frames: {known}): publish it on /tf_static, '
                'or add it to vehicle.mounts',
                fault='F15',
            )
        return found

    def _told(self, frame: str) -> np.ndarray | None:
        """Chain both frames up to the first ancestor that they share."""
        above_base = self._ancestors(BASE)
        for ancestor, ancestor_from_frame in self._ancestors(frame).items():
            if ancestor in above_base:
                return inverse(above_base[ancestor]) @ ancestor_from_frame
        return None

    def _ancestors(self, frame: str) -> dict[str, np.ndarray]:
        """Return {ancestor: ancestor_from_frame}, the frame itself first."""
        found, above = {frame: np.eye(4)}, frame
        while above in self._parent_of:
            parent, parent_from_above = self._parent_of[above]
            found[parent] = parent_from_above @ found[above]
            above = parent
        return found


def mount_difference(told: np.ndarray, stated: np.ndarray) -> str:
    """Return in words how two (4, 4) transforms differ; nothing where they agree within 1 cm and 0.1 deg."""
    stated_from_told = inverse(stated) @ told
    shift_m = float(np.linalg.norm(told[:3, 3] - stated[:3, 3]))
    turn_rad = float(np.linalg.norm(rotation_log(stated_from_told[:3, :3])))
    words = [f'{100.0 * shift_m:.1f} cm'] * (shift_m > WITHIN_M)
    words += [f'{math.degrees(turn_rad):.2f} deg'] * (turn_rad > WITHIN_RAD)
    return ' and '.join(words)


def stated_transforms(mounts: Mapping[str, Mount], stamp_ns: int) -> Transforms:
    """Return the vehicle's mounts as they go to /tf_static."""
    return Transforms(stamp_ns, {(BASE, mount.frame): mount.base_from_sensor for mount in mounts.values()})
