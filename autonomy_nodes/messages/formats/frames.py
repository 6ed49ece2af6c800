"""What a data set holds, whatever its layout: drives of frames, read from disk when they are asked for."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse, quaternion_of
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import CameraModel, Fix, Image, Imu, PointCloud, Steering, WheelSpeed
from autonomy_nodes.common.types import DataError, Pose, check_array
from autonomy_nodes.messages.images import picture_size
from autonomy_nodes.messages.poses import UNKNOWN_VARIANCE

BASE = 'base_link'
Mounts = Mapping[tuple[str, str], np.ndarray]  # {(parent, child): (4, 4) parent_from_child}
Sample = Imu | Fix | WheelSpeed | Steering


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of one camera. packed: gives its JPEG or PNG bytes. source: says where they are.

    matrix: (3, 3) of the picture as it is stored. model, distortion: as in `CameraModel`; none where it is rectified.
    map_from_base: (4, 4) at its own stamp, None where not told.
    """

    stamp_ns: int
    frame: str
    source: str
    packed: Callable[[], bytes]
    matrix: np.ndarray
    model: str = 'plumb_bob'
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))
    map_from_base: np.ndarray | None = None

    def image(self) -> Image:
        """Return the pixels; raises DataError naming the file."""
        self.size()  # refuses what is cut off, or too large
        pixels = cv2.imdecode(np.frombuffer(self.packed(), np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None:
            raise DataError(f'{self.source}: cannot be decoded; fetch it again')
        return Image(self.stamp_ns, self.frame, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))

    def size(self) -> tuple[int, int]:
        """Return width and height, told by the head of the file."""
        try:
            return picture_size(self.packed())
        except (DataError, OSError) as error:
            raise DataError(f'{self.source}: {error}; fetch it again') from error

    def camera(self) -> CameraModel:
        """Return how this camera projects."""
        width, height = self.size()
        flat = np.hstack([self.matrix, np.zeros((3, 1))])
        return CameraModel(
            self.stamp_ns, self.frame, width, height, self.matrix, self.model, self.distortion, np.eye(3), flat
        )


@dataclass(frozen=True, eq=False)
class Truth:
    """What people labelled at one moment.

    objects: N, in base_link at the stamp; ids are tracks. kinds: N, in the data set's own words.
    points: (N,) how many points people counted in each, -1 where not told.
    truncated, occluded: (N,) as KITTI tells them, NaN elsewhere. boxes_px: {camera: (N, 4)} left top right bottom,
    NaN where not drawn. ignored_px: {camera: (M, 4)} where nobody looked.
    """

    objects: Objects
    kinds: tuple[str, ...]
    points: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    boxes_px: Mapping[str, np.ndarray] = field(default_factory=dict)
    ignored_px: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PointLabels:
    """Meaning of each point of a sweep, in its order. ids, instances: (N,) uint16. scheme: whose numbers these are."""

    scheme: str
    ids: np.ndarray
    instances: np.ndarray

    def __post_init__(self) -> None:
        check_array('instances', self.instances, len(self.ids))


@dataclass(frozen=True, eq=False)
class Frame:
    """What belongs to one moment. What reads a file is called when it is needed, and raises DataError naming it.

    name: of the frame within its drive, fit for the name of a file. mounts: where sensors sit.
    clouds, pictures: {sensor: ...}. labels: of the points of the first cloud. truth: what is to be detected.
    placed: (frame, (4, 4) map from it) at the stamp, as the data set tells; motion: samples since the last frame.
    depths: {camera: gives (H, W) float32 metres, NaN where not known}. areas: {camera: gives (H, W) uint8 classes}.
    """

    name: str
    stamp_ns: int
    mounts: Mounts
    clouds: Mapping[str, Callable[[], PointCloud]] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    truth: Callable[[], Truth] | None = None
    labels: Callable[[], PointLabels] | None = None
    placed: tuple[str, np.ndarray] | None = None
    motion: Callable[[], Sequence[Sample]] | None = None
    depths: Mapping[str, Callable[[], np.ndarray]] = field(default_factory=dict)
    areas: Mapping[str, Callable[[], np.ndarray]] = field(default_factory=dict)

    def base_from(self, frame: str) -> np.ndarray:
        """Return (4, 4) base_link from a sensor's frame; raises DataError where the data set does not tell it."""
        return base_from(self.mounts, frame)

    def a_from_b(self, a: str, b: str) -> np.ndarray:
        """Return (4, 4) of two frames, tied to base_link or not; raises DataError where nothing ties them."""
        (top_a, top_from_a), (top_b, top_from_b) = _upwards(self.mounts, a), _upwards(self.mounts, b)
        if top_a != top_b:
            raise DataError(f'frame {self.name}: nothing ties {b!r} to {a!r}')
        return inverse(top_from_a) @ top_from_b

    def camera_from(self, camera: str, frame: str) -> np.ndarray:
        """Return (4, 4) camera (x right, y down, z ahead) from a sensor's frame at the frame's stamp.

        Where poses are told, the vehicle's motion between the two stamps is in it.
        """
        picture = self.pictures[camera]
        if self.placed is None or picture.map_from_base is None:
            return self.a_from_b(picture.frame, frame)
        return inverse(picture.map_from_base @ self.base_from(picture.frame)) @ self.map_from(frame)

    def map_from(self, frame: str) -> np.ndarray:
        """Return (4, 4) map from a frame at the stamp; raises DataError where the data set does not tell it."""
        if self.placed is None:
            raise DataError(f'frame {self.name}: no pose is told')
        placed, map_from_placed = self.placed
        return map_from_placed @ self.a_from_b(placed, frame)

    def pose(self) -> Pose | None:
        """Return base_link in map, None where that is not told; how exact it is, no data set tells."""
        if self.placed is None or _upwards(self.mounts, self.placed[0])[0] != BASE:
            return None
        matrix = self.map_from(BASE)
        variances = UNKNOWN_VARIANCE * np.eye(6)
        return Pose(self.stamp_ns, 'map', matrix[:3, 3].copy(), quaternion_of(matrix[:3, :3]), variances)


@dataclass(frozen=True, eq=False)
class Drive:
    """A recording without a break. notes: what is assumed or missing. broken: entries that were left out.

    frames: in order of time. stills: they are single moments, of which none follows another. conditions: what figures
    may be told apart by: {'sensor': 'car_16', 'weather': 'rain'}, each fit for a name.
    """

    name: str
    frames: Sequence[Frame]
    stills: bool = False
    notes: Sequence[str] = ()
    broken: Sequence[str] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    def mounted(self, mounts: Mounts) -> 'Drive':
        """Return the same with sensors that somebody has measured; refuses frames that the data set lacks."""
        known = {frame for each in self.frames[:1] for pair in each.mounts for frame in pair} | {
            f'lidar_{name}' for each in self.frames[:1] for name in each.clouds
        }
        if unknown := sorted({child for _, child in mounts} - known):
            raise DataError(f'drive {self.name}: has no frame {", ".join(unknown)}; it has {", ".join(sorted(known))}')
        return replace(self, frames=[replace(each, mounts={**each.mounts, **mounts}) for each in self.frames])


def base_from(mounts: Mounts, frame: str) -> np.ndarray:
    """Return (4, 4) base_link from `frame` along the tree of mounts; raises DataError where they are not tied."""
    top, top_from_frame = _upwards(mounts, frame)
    if top != BASE:
        raise DataError(f'where {top!r} sits on the vehicle is not told; give --mount {top}=X,Y,Z,ROLL,PITCH,YAW')
    return top_from_frame


def _upwards(mounts: Mounts, frame: str) -> tuple[str, np.ndarray]:
    """Return the root of the tree that `frame` stands in, and (4, 4) root_from_frame."""
    parents = {child: (parent, matrix) for (parent, child), matrix in mounts.items()}
    total = np.eye(4)
    for _ in range(len(parents) + 1):
        if frame not in parents:
            return frame, total
        frame, matrix = parents[frame]
        total = matrix @ total
    raise DataError(f'mounts run in a circle at {frame!r}')


def truth_of(
    stamp_ns: int, kinds: Sequence[str], labels: Sequence[Label], centres_m: np.ndarray, headings_rad: np.ndarray,
    sizes_m: np.ndarray, ids: np.ndarray, velocities_mps: np.ndarray | None = None, points: np.ndarray | None = None,
) -> Truth:  # fmt: skip
    """Return labelled boxes in base_link; what is not given is not known. ids: (N, 16) uint8."""
    count = len(kinds)
    classes = np.zeros((count, len(Label)))
    classes[np.arange(count), np.array(labels, int)] = 1.0
    missing = np.full(count, np.nan)
    objects = Objects(
        stamp_ns, BASE, np.asarray(centres_m, float).reshape(count, 3), np.asarray(headings_rad, float).reshape(count),
        np.asarray(sizes_m, float).reshape(count, 3), np.ones(count), classes,
        np.full((count, 2), np.nan) if velocities_mps is None else velocities_mps.reshape(count, 2),
        missing, np.zeros((count, 3, 3)), np.zeros((count, 2, 2)), ids,
    )  # fmt: skip
    counted = np.full(count, -1) if points is None else np.asarray(points, int)
    return Truth(objects, tuple(kinds), counted, missing, missing)


def ids_of(names: Iterable[str]) -> np.ndarray:
    """Return (N, 16) uint8 of the names of tracks: a UUID as it is, of anything else its digest."""
    ids = []
    for name in map(str, names):
        plain = name.replace('-', '').lower()
        uuid = len(plain) == 32 and set(plain) <= set('0123456789abcdef')
        ids.append(bytes.fromhex(plain) if uuid else hashlib.blake2b(name.encode(), digest_size=16).digest())
    return np.frombuffer(b''.join(ids), np.uint8).reshape(-1, 16)


def picture_file(
    stamp_ns: int, frame: str, path: Path, matrix: np.ndarray, distortion: np.ndarray | None = None
) -> Picture:
    """Return a picture that is a file."""
    distortion = np.zeros(5) if distortion is None else distortion
    return Picture(stamp_ns, frame, str(path), path.read_bytes, matrix, distortion=distortion)
