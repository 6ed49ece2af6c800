"""The doctor's look at frames: their names, the tree of /tf_static, and where it puts the sensors."""

from collections.abc import Iterator

from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.findings import MEND, NOTE, Finding
from autonomy_nodes.evaluation.survey import Stream, Survey
from autonomy_nodes.messages import topics
from autonomy_nodes.sensors.calibration import BASE, Calibration

PLACED = (topics.LIDAR_RAW, topics.IMAGE_RAW, topics.IMAGE_COMPRESSED, topics.IMU, topics.GNSS_FIX)
LOWEST_M, HIGHEST_M, FARTHEST_M = -0.5, 6.0, 30.0
LEVEL = 0.7  # of the way that a camera looks: more than that up or down, and it is no optical frame

SIDES = {'front': (1.0, 0.0), 'rear': (-1.0, 0.0), 'back': (-1.0, 0.0), 'left': (0.0, 1.0), 'right': (0.0, -1.0)}
OPPOSITE = -0.5  # cosine; a pair of cameras that look ahead, left and right of one another, has 0


def check_frames(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for names of frames that are none, change, or are another sensor's."""
    stated = {name: mount.frame for name, mount in vehicle.mounts.items()}
    for name, stream in sorted(survey.streams.items()):
        frames = sorted(stream.frames)
        if stream.kind in PLACED and stream.count > sum(stream.refused.values()) and not frames:
            yield Finding(MEND, name, 'names no frame', 'set frame_id in its driver')
        if len(frames) > 1:
            yield Finding(MEND, name, f'changes its frame: {", ".join(frames)}', 'let one sensor publish on one topic')
        for frame in frames:
            if frame.startswith('/'):
                yield Finding(MEND, name, f'frame {frame!r} begins with a slash', f'name it {frame.lstrip("/")!r}')
            told = stated.get(stream.sensor, frame)
            if frame != told:
                text = f'frame {frame!r}, but vehicle.mounts.{stream.sensor} says {told!r}'
                yield Finding(MEND, name, text, 'sensors are swapped, or one of the names is wrong: make them equal')


def check_mounts(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for sensors whose place is not known, known twice, or cannot be."""
    calibration = Calibration(vehicle.mounts)
    for transforms in survey.mounts:
        try:
            calibration.take(transforms)
        except DataError as error:
            yield Finding(MEND, '/tf_static', str(error), 'let one node publish each frame, below one parent')
    for text in survey.refused:
        yield Finding(MEND, '/tf_static', text, 'publish unit quaternions and finite numbers')
    for stream in survey.streams.values():
        if stream.kind in PLACED:
            for frame in sorted(stream.frames):
                yield from _of_place(survey, calibration, stream, frame)


def check_looks(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for cameras whose name says one side and whose mount another: swapped frames or cables."""
    calibration = Calibration(vehicle.mounts)
    try:
        for transforms in survey.mounts:
            calibration.take(transforms)
    except DataError:
        return  # told by the look at mounts
    for stream in [*survey.of_kind(topics.IMAGE_RAW), *survey.of_kind(topics.IMAGE_COMPRESSED)]:
        sides = [way for side, way in SIDES.items() if side in stream.sensor.lower().split('_')]
        if len(sides) != 1 or len(stream.frames) != 1:
            continue  # front_left looks both ways
        try:
            looks = calibration.base_from(next(iter(stream.frames)))[:2, 2]
        except DataError:
            continue
        if float(looks @ sides[0]) < OPPOSITE:
            text = f'{next(iter(stream.frames))!r} looks the other way than camera {stream.sensor} by its name'
            yield Finding(MEND, stream.name, text, 'cameras are swapped: exchange their cables, topics or frames')


def _of_place(survey: Survey, calibration: Calibration, stream: Stream, frame: str) -> Iterator[Finding]:
    try:
        matrix = calibration.base_from(frame)
    except DataError as error:
        needed = stream.kind in (topics.LIDAR_RAW, topics.IMAGE_RAW, topics.IMAGE_COMPRESSED)
        what, _, remedy = str(error).partition(': ')
        if any(child == frame for _, child in survey.moving):
            what, remedy = f'{frame!r} is on /tf alone', 'publish where sensors are mounted on /tf_static'
        yield Finding(MEND if needed else NOTE, stream.name, what, remedy)
        return
    place = matrix[:3, 3]
    if not LOWEST_M < place[2] < HIGHEST_M or abs(place[:2]).max() > FARTHEST_M:
        text = f'{frame!r} sits at {place[0]:.2f} {place[1]:.2f} {place[2]:.2f} m in {BASE}'
        remedy = f'{BASE} is the middle of the rear axle, on the ground: correct the mount'
        yield Finding(MEND, stream.name, text, remedy)
    looks = matrix[:3, 2]
    if stream.kind in (topics.IMAGE_RAW, topics.IMAGE_COMPRESSED) and abs(looks[2]) > LEVEL:
        text = f'{frame!r} looks {"up" if looks[2] > 0 else "down"}: it is no optical frame'
        yield Finding(MEND, stream.name, text, 'stamp pictures with the optical frame: x right, y down, z ahead')
