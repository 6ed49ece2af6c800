"""From raw pictures to rectified ones of the size that the networks want, with the calibration that fits them."""

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.common.timing import Timeline
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.common.vehicle import Vehicle

UNDISTORTED = np.zeros(5)
SAME_PX = 1.0  # two calibrations of one camera may differ by as much
PERIODS = 3.0  # of silence after which a camera is missing
LONGEST_PERIOD_S = 0.2


@dataclass(frozen=True)
class CameraConfig:
    """Settings of the cameras.

    cameras: names. width_px: of the rectified pictures, with the aspect of the raw ones; 0 keeps their size. widths_px:
    the same for single cameras. wider: how much more than the sharp centre a fisheye's rectified picture shows.
    """

    cameras: tuple[str, ...] = ()
    width_px: int = 0
    widths_px: dict[str, int] = field(default_factory=dict)
    wider: float = 1.0
    vehicle: Vehicle = field(default_factory=Vehicle)

    def __post_init__(self) -> None:
        for name, width in {'width_px': self.width_px, **self.widths_px}.items():
            if width < 0 or 0 < width < 16:
                raise ValueError(f'width of {name}={width} must be 0 or 16 and more')
        if unknown := set(self.widths_px) - set(self.cameras):
            raise ValueError(f'widths_px names {sorted(unknown)}, which are not in cameras={self.cameras}')
        if len(set(self.cameras)) < len(self.cameras):
            raise ValueError(f'cameras={self.cameras} must name each once')
        if not 0.1 <= self.wider <= 10.0:
            raise ValueError(f'wider={self.wider} must lie between 0.1 and 10')

    def width_of(self, name: str) -> int:
        """Return the wanted width of one camera's rectified pictures, 0 where the raw one's stays."""
        return self.widths_px.get(name, self.width_px)


@dataclass(frozen=True, eq=False)
class Rectified:
    """A picture without distortion and the calibration that belongs to it."""

    image: Image
    model: CameraModel


class Rectifier:
    """Rectifies the pictures of one camera. The calibration it sees first is its truth until it starts again.

    The picture stays in the camera's own frame, that of /tf: the rectification of a stereo pair is not applied.
    """

    def __init__(self, name: str, width_px: int, wider: float = 1.0) -> None:
        self.name, self.width_px, self.wider = name, width_px, wider
        self._timeline = Timeline(gap_s=1.0)
        self._model: CameraModel | None = None

    def rectified(self, image: Image, model: CameraModel | None) -> Rectified:
        """Return the picture rectified; raises DataError where no calibration fits it. None is ever made up."""
        self._timeline.judge(image.stamp_ns)
        if model is None:
            raise DataError(f'camera {self.name}: no camera_info: publish it beside the pictures', fault='F14')
        height, width = image.pixels.shape[:2]
        if (model.width, model.height) != (width, height):
            raise DataError(
                f'camera {self.name}: picture is {width} x {height}, camera_info {model.width} x {model.height}',
                fault='F14',
            )
        if self._model is None:
            self._learn(model)
        elif (difference := intrinsics_difference_px(self._model, model)) > SAME_PX:
            raise DataError(
                f'camera {self.name}: camera_info changed by {difference:.1f} px: start again to take it', fault='F14'
            )
        pixels = cv2.resize(image.pixels, self._shrunk, interpolation=cv2.INTER_AREA) if self._shrunk else image.pixels
        pixels = cv2.remap(pixels, *self._maps, cv2.INTER_LINEAR) if self._maps else pixels
        return Rectified(replace(image, pixels=pixels), replace(self._out, stamp_ns=image.stamp_ns, frame=image.frame))

    def _learn(self, model: CameraModel) -> None:
        """Compute once how a raw picture is shrunk, and the maps from rectified pixels to those of the shrunk one."""
        width = self.width_px or model.width
        height = max(round(model.height * width / model.width), 1)
        matrix = scaled(model, width, height)
        if model.model == 'equidistant':
            matrix[[0, 1], [0, 1]] /= self.wider
        times = model.width // width  # averaged first: a map alone would skip pixels, and lines would flicker
        self._shrunk = (model.width // times, model.height // times) if times > 1 else None
        raw = scaled(model, *(self._shrunk or (model.width, model.height)))
        projection = np.hstack([matrix, np.zeros((3, 1))])
        self._out = replace(
            model, width=width, height=height, matrix=matrix, model='plumb_bob', distortion=UNDISTORTED,
            rectification=np.eye(3), projection=projection,
        )  # fmt: skip
        wanted = (matrix, (width, height), cv2.CV_16SC2)
        self._maps: tuple[np.ndarray, np.ndarray] | tuple[()]
        if model.model == 'equidistant':
            self._maps = cv2.fisheye.initUndistortRectifyMap(raw, model.distortion, np.eye(3), *wanted)
        elif model.distortion.any() or not np.array_equal(raw, matrix):
            self._maps = cv2.initUndistortRectifyMap(raw, model.distortion, np.eye(3), *wanted)
        else:
            self._maps = ()  # it comes rectified, and of the size that is wanted
        self._model = model


class Presence:
    """Notices a camera that has fallen silent, by the period that it had."""

    def __init__(self) -> None:
        self.since_ns: int | None = None
        self.period_s = LONGEST_PERIOD_S

    def arrived(self, now_ns: int) -> None:
        """Note a picture."""
        if self.since_ns is not None and now_ns > self.since_ns:
            self.period_s = min((now_ns - self.since_ns) / SECOND_NS, LONGEST_PERIOD_S)
        self.since_ns = now_ns

    def silent_s(self, now_ns: int) -> float:
        """Return for how long no picture came, 0 while that is less than `PERIODS` of its periods."""
        if self.since_ns is None or now_ns < self.since_ns:
            self.since_ns = now_ns
        silent_s = (now_ns - self.since_ns) / SECOND_NS
        return silent_s if silent_s > PERIODS * self.period_s else 0.0


def scaled(model: CameraModel, width: int, height: int) -> np.ndarray:
    """Return the (3, 3) matrix of the camera's picture at another size, without skew.

    The middle of pixel 0 is at 0, so that scaling works about -0.5.
    """
    across, down = width / model.width, height / model.height
    matrix = np.eye(3)
    matrix[0, 0], matrix[1, 1] = model.matrix[0, 0] * across, model.matrix[1, 1] * down
    matrix[0, 2] = (model.matrix[0, 2] + 0.5) * across - 0.5
    matrix[1, 2] = (model.matrix[1, 2] + 0.5) * down - 0.5
    return matrix


def projected(model: CameraModel, points: np.ndarray) -> np.ndarray:
    """Return (N, 2) raw pixels of (N, 3) points in the camera's frame, all before it (z > 0)."""
    rays = np.ascontiguousarray(points, float).reshape(-1, 1, 3)
    project = cv2.fisheye.projectPoints if model.model == 'equidistant' else cv2.projectPoints
    pixels, _ = project(rays, np.zeros(3), np.zeros(3), model.matrix, model.distortion)
    return pixels.reshape(-1, 2)


def intrinsics_difference_px(ours: CameraModel, theirs: CameraModel) -> float:
    """Return how far apart two calibrations put the same rays, at most, within the picture; inf for other sizes."""
    if (ours.width, ours.height, ours.model) != (theirs.width, theirs.height, theirs.model):
        return math.inf
    if np.array_equal(ours.matrix, theirs.matrix) and np.array_equal(ours.distortion, theirs.distortion):
        return 0.0
    across, down = np.meshgrid(np.linspace(0, ours.width - 1, 9), np.linspace(0, ours.height - 1, 7))
    pixels = np.stack([across.ravel(), down.ravel(), np.ones(across.size)], axis=1)
    rays = pixels @ np.linalg.inv(ours.matrix).T
    return float(np.linalg.norm(projected(ours, rays) - projected(theirs, rays), axis=1).max())
