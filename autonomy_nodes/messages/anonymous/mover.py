"""Moves or leaves out every position of a message that tells where on earth it was made."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from pyproj import Proj

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.anonymous.check import Originals
from autonomy_nodes.messages.anonymous.exif import without_exif
from autonomy_nodes.messages.anonymous.types import (
    CLOUD,
    FIX,
    GLOBAL_FRAMES,
    HEADER,
    MARKER,
    ODOMETRY,
    PICTURE,
    PLACES,
    PLACES_IN_WORDS,
    POSE,
    RELATIVE,
    TRANSFORMS,
    WORDS,
    inner_type,
    parts_of,
    unfit,
)
from autonomy_nodes.messages.bags import BagError
from autonomy_nodes.messages.point_rows import read_points, write_points
from autonomy_nodes.messages.store import decode, encode, store
from autonomy_nodes.messages.words import GROUP

HOME = (0.5, 0.5)  # latitude and longitude [degrees] of the first fix in what is written: open sea
FAR_M = 5000.0  # odometry that starts farther off its origin is no local frame
BEGINNINGS = ('geometry_msgs/msg/PoseWithCovarianceStamped', ODOMETRY, TRANSFORMS)  # tell where we are, best first
SHIFTED, KEPT, PRUNED = 'moved', 'as it was', 'without the words of others'


class LeftOutError(DataError):
    """A message that is not copied; says why."""


class NoLocalFrameError(BagError):
    """A frame that is taken for a local one tells the place; says which, and what to give."""


class Mover:
    """Moves what it is given by one offset on the earth and one in the map, both set by the first place of each.

    frames: those that count as the map. remove: positions are left out instead.
    """

    def __init__(self, frames: Collection[str] = ('map',), remove: bool = False) -> None:
        self.frames, self.remove = {*frames}, remove
        self._globals = {*GLOBAL_FRAMES} - self.frames
        self._earth: tuple[Proj, Proj, float] | None = None
        self._offset_m: np.ndarray | None = None
        self._local: set[str] = set()  # frames that were looked at
        self.originals = Originals()

    def made(self, kind: str, data: bytes) -> tuple[bytes, str]:
        """Return a message without the place, and what was done; raises LeftOutError where it cannot be copied."""
        if reason := unfit(kind):
            raise LeftOutError(reason)
        if kind in WAYS:
            return WAYS[kind](self, data)
        named = any(name.encode() + b'\0' in data for name in (*self.frames, *self._globals))
        if not parts_of(kind) & PLACES or not (named or kind == ODOMETRY):  # frames are texts that end with a zero
            return data, KEPT
        message = decode(kind, data)
        if kind == ODOMETRY:
            self._check_local(message.header.frame_id, message.pose.pose.position)
        moved = self._walk(kind, message, '')
        return (encode(kind, message), SHIFTED) if moved else (data, KEPT)

    def offset(self, places: np.ndarray) -> np.ndarray:
        """Return (..., 3) positions in the map as told from the first that was ever given."""
        if self._offset_m is None:
            first = places.reshape(-1, 3)
            finite = first[np.isfinite(first).all(axis=1) & first.any(axis=1)]  # zeros are of nobody
            if not len(finite):
                return places
            self._offset_m = finite[0].copy()
        return places - self._offset_m

    def begin(self, kind: str, data: bytes) -> bool:
        """Take the offset of the map from where the vehicle is by a message; return whether that is known by now."""
        message = decode(kind, data)
        items = message.transforms if kind == TRANSFORMS else [message]
        for item in items:
            if item.header.frame_id.lstrip('/') in self.frames and self._offset_m is None:
                self.offset(_array(item.transform.translation if kind == TRANSFORMS else item.pose.pose.position))
        return self._offset_m is not None

    def _walk(self, kind: str, message: Any, frame: str) -> bool:
        """Move the poses in a message and in those within; return whether there were any. frame: of what is around."""
        fields, moved = store().fielddefs[kind][1], False
        if any(inner_type(inner) == HEADER for name, inner in fields if name == 'header'):
            frame = message.header.frame_id.lstrip('/')
        if frame in self._globals and parts_of(kind) & PLACES:
            raise LeftOutError(f'it is in frame {frame}; name that with --frame where it is the map')
        if frame in self.frames and kind == MARKER and len(message.points):
            return self._move_marker(message)
        if frame in self.frames and kind == POSE:
            self._move(message.position)
            return True
        for name, inner in fields:
            below = inner_type(inner)
            if below is None or below == HEADER or (kind, name) in RELATIVE:
                continue
            if frame in self.frames and below in PLACES - {POSE}:
                raise LeftOutError('it holds positions that cannot be moved')
            value = getattr(message, name)
            for each in value if isinstance(value, list) else [value]:
                moved |= self._walk(below, each, frame)
        return moved

    def _move(self, point: Any) -> None:
        if self.remove:
            raise LeftOutError('positions in the map are left out')
        point.x, point.y, point.z = self.offset(_array(point)).tolist()

    def _move_marker(self, marker: Any) -> bool:
        """Move the points of a marker, which are told from its pose: that must be none."""
        turn = marker.pose.orientation
        if _array(marker.pose.position).any() or turn.x or turn.y or turn.z:
            raise LeftOutError('it holds points of a marker that is turned or moved itself')
        for point in marker.points:
            self._move(point)
        return True

    def _fix(self, data: bytes) -> tuple[bytes, str]:
        if self.remove:
            raise LeftOutError('positions on the earth are left out')
        message = decode(FIX, data)
        place = np.array([message.latitude, message.longitude, message.altitude])
        if not np.isfinite(place[:2]).all():
            return data, KEPT
        self.originals.add(*place[:2].tolist())
        if self._earth is None:
            height_m = float(place[2]) if np.isfinite(place[2]) else 0.0
            here, home = (Proj(proj='aeqd', ellps='WGS84', lat_0=lat, lon_0=lon) for lat, lon in (place[:2], HOME))
            self._earth = here, home, height_m
        here, home, height_m = self._earth
        longitude, latitude = home(*here(place[1], place[0]), inverse=True)
        message.latitude, message.longitude = float(latitude), float(longitude)
        message.altitude = float(place[2] - height_m)
        return encode(FIX, message), SHIFTED

    def _transforms(self, data: bytes) -> tuple[bytes, str]:
        message, moved = decode(TRANSFORMS, data), False
        kept = []
        for item in message.transforms:
            parent, child = item.header.frame_id.lstrip('/'), item.child_frame_id.lstrip('/')
            of, to = parent in self.frames, child in self.frames
            placed, inverse = of and not to, to and not of
            if parent in self._globals or child in self._globals or inverse or (placed and self.remove):
                moved = True
                continue
            if placed:
                self._move(item.transform.translation)
                moved = True
            elif not of:
                self._check_local(parent, item.transform.translation)
            kept.append(item)
        if not kept:
            raise LeftOutError('it tells where global frames lie')
        message.transforms = kept
        return (encode(TRANSFORMS, message), SHIFTED) if moved else (data, KEPT)

    def _cloud(self, data: bytes) -> tuple[bytes, str]:
        points = read_points(data)
        frame = points.frame.lstrip('/')
        if {*(points.rows.dtype.names or ())} & PLACES_IN_WORDS:
            raise LeftOutError('it tells a place in a way that cannot be moved')
        if frame in self._globals or (frame in self.frames and self.remove):
            raise LeftOutError(f'it is in frame {frame}')
        if frame not in self.frames or not len(points.rows):
            return data, KEPT
        rows = points.rows.copy()
        axes = [name for name in ('x', 'y', 'z') if name in (rows.dtype.names or ())]
        if len(axes) == 3:
            moved = self.offset(np.stack([rows[name].astype(float) for name in axes], axis=-1))
            for name, column in zip(axes, np.moveaxis(moved, -1, 0)):
                rows[name] = column
        return write_points(points.stamp_ns, points.frame, rows.ravel()), SHIFTED

    def _words(self, data: bytes) -> tuple[bytes, str]:
        """Keep the words of our nodes, which tell no place; those of others may."""
        message = decode(WORDS, data)
        ours = [status for status in message.status if status.name.startswith(GROUP)]
        if not ours:
            raise LeftOutError('the words of others may tell a place')
        if len(ours) == len(message.status):
            return data, KEPT
        message.status = ours
        return encode(WORDS, message), PRUNED

    def _picture(self, data: bytes) -> tuple[bytes, str]:
        return without_exif(data), KEPT

    def _check_local(self, frame: str, place: Any) -> None:
        """Refuse a frame that is taken for a local one and is none, by the first position in it."""
        frame = frame.lstrip('/')
        if frame in {*self.frames, *self._globals, *self._local}:
            return
        self._local.add(frame)
        away_m = float(np.linalg.norm(_array(place)))
        if away_m > FAR_M:
            reason = f'frame {frame} lies {away_m / 1000.0:.0f} km off its origin, so it tells the place'
            raise NoLocalFrameError(f'{reason}; give --frame {frame}, and --frame map if there is one')


WAYS: dict[str, Callable[[Mover, bytes], tuple[bytes, str]]] = {
    FIX: Mover._fix,
    TRANSFORMS: Mover._transforms,
    WORDS: Mover._words,
    PICTURE: Mover._picture,
    CLOUD: Mover._cloud,
}


def _array(point: Any) -> np.ndarray:
    return np.array([point.x, point.y, point.z])
