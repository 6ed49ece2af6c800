"""The doctor's look into messages: points, pictures and their calibration, units of motion."""

from collections.abc import Iterator

import numpy as np

from autonomy_nodes.common.geometry import moved
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.findings import MEND, NOTE, Finding
from autonomy_nodes.evaluation.survey import Survey
from autonomy_nodes.messages import topics
from autonomy_nodes.sensors.calibration import Calibration
from autonomy_nodes.sensors.levelling import level_of

FEW_POINTS = 1000
MANY_REMOVED = 0.5
GRAVITY, GRAVITY_OFF = 9.81, 1.5
FASTEST_RPS, FASTEST_MPS = 5.0, 70.0
SAME_PX = 1.0
FAR_M = 400.0  # the median of a sweep: nothing that drives on roads sees so far
REPEATED = 0.5  # of messages
STANDING_MPS = 0.1
GROUND_M = 0.5  # off base_link, at which the points near the vehicle still are the ground
REMEDIES = {  # by what is said of a message that cannot be read
    'no calibration': 'calibrate the camera, and have its driver publish the result; zeros mean that it found no file',
    'encoding': 'publish rgb8, bgr8, mono8 or another of these, or JPEG on image_raw/compressed',
    'no fix': 'give its antenna a free sky, and wait until it has a fix',
    'not on earth': 'tell latitude, longitude in degrees and height in metres, of WGS 84, in this order',
    'is finite': 'have the driver leave out what is no place, and tell metres',
}
UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0, 1.0])


def check_refused(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Tell what cannot be read, and why."""
    for name, stream in sorted(survey.streams.items()):
        for why, count in sorted(stream.refused.items()):
            remedy = next((told for part, told in REMEDIES.items() if part in why), 'correct it in the driver')
            yield Finding(MEND, name, f'{count} of {stream.count} messages refused: {why}', remedy)


def check_repeats(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for sensors that send the same content with new stamps; pictures may, while the vehicle stands."""
    speeds = [abs(sample.longitudinal_mps) for stream in survey.of_kind(topics.VELOCITY) for sample in stream.values]
    stands = bool(speeds) and max(speeds) < STANDING_MPS
    for kind in (topics.LIDAR_RAW, topics.IMAGE_RAW, topics.IMAGE_COMPRESSED):
        for stream in survey.of_kind(kind):
            may = stands and kind is not topics.LIDAR_RAW
            if not may and stream.repeats > REPEATED * stream.count:
                text = f'frozen: {stream.repeats} of {stream.count} messages have new stamps and the same content'
                yield Finding(MEND, stream.name, text, 'start the sensor and its driver again, and look at its cable')


def check_clouds(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for sweeps without times, without intensity, with few points."""
    for stream in survey.of_kind(topics.LIDAR_RAW):
        if not (sweeps := stream.values):
            continue
        points = float(np.median([len(sweep) for sweep in sweeps]))
        removed = float(np.median([sweep.removed / max(len(sweep) + sweep.removed, 1) for sweep in sweeps]))
        if points < FEW_POINTS:
            yield Finding(MEND, stream.name, f'{points:.0f} points a sweep', 'publish whole sweeps, not parts')
        if removed > MANY_REMOVED:
            text = f'{removed:.0%} of the points are no places'
            yield Finding(NOTE, stream.name, text, 'have the driver leave them out')
        if all(sweep.offset_ns is None for sweep in sweeps):
            text = 'points tell no times: what moves in a sweep is smeared, 1 m at 10 m/s'
            yield Finding(NOTE, stream.name, text, 'have the driver send a field t, time or timestamp')
        if not any(sweep.intensity.any() for sweep in sweeps):
            yield Finding(NOTE, stream.name, 'no intensity: paint is not seen', 'send a field intensity')


def check_metres(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for points in millimetres, and for LiDARs that hang upside down where their mount says upright."""
    calibration = Calibration(vehicle.mounts)
    try:
        for transforms in survey.mounts:
            calibration.take(transforms)
    except DataError:
        return  # told by the look at frames
    for stream in survey.of_kind(topics.LIDAR_RAW):
        full = [sweep for sweep in stream.values if len(sweep)]
        if not full:
            continue
        away_m = float(np.median([np.median(np.linalg.norm(sweep.xyz, axis=1)) for sweep in full]))
        if away_m > FAR_M:
            text = f'half of the points are more than {away_m:.0f} m away: they are in millimetres'
            yield Finding(MEND, stream.name, text, 'publish metres: divide by 1000 in its driver')
            continue
        try:
            base_from_lidar = calibration.base_from(full[0].frame)
        except DataError:
            continue
        if not _on_ground(full[0].xyz, base_from_lidar) and _on_ground(full[0].xyz, base_from_lidar @ UPSIDE_DOWN):
            text = 'the ground lies above it: it hangs upside down'
            yield Finding(MEND, stream.name, text, 'turn its mount by roll 3.14159 on /tf_static and in vehicle.mounts')


def _on_ground(xyz: np.ndarray, base_from_lidar: np.ndarray) -> bool:
    try:
        level = level_of(moved(xyz, base_from_lidar))
    except DataError:
        return False
    return abs(level.height_m) < GROUND_M and level.fitting > MANY_REMOVED


def check_cameras(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Hold pictures against their CameraInfo."""
    infos = {stream.sensor: stream for stream in survey.of_kind(topics.CAMERA_INFO)}
    for stream in [*survey.of_kind(topics.IMAGE_RAW), *survey.of_kind(topics.IMAGE_COMPRESSED)]:
        wanted = topics.CAMERA_INFO.named(stream.sensor).name
        info = infos.get(stream.sensor)
        if info is None:
            text = f'is missing: camera {stream.sensor} is not used'
            yield Finding(MEND, wanted, text, 'publish it beside the pictures')
            continue
        if not info.values:
            continue
        first = info.values[0]
        moved = [model for model in info.values if np.abs(model.matrix - first.matrix).max() > SAME_PX]
        if moved:
            yield Finding(MEND, wanted, 'changes while it is published', 'one calibration a camera; fix zoom and focus')
        if picture := next(iter(stream.values), None):
            height, width = picture.pixels.shape[:2]
            if (first.width, first.height) != (width, height):
                text = f'is for {first.width} x {first.height} pixels, the pictures have {width} x {height}'
                yield Finding(MEND, wanted, text, 'calibrate at the size that is sent, or scale K with the pictures')
        if first.frame and stream.frames and first.frame not in stream.frames:
            text = f'frame {first.frame!r}, the pictures have {next(iter(stream.frames))!r}'
            yield Finding(NOTE, wanted, text, 'give both the frame of the pictures, which is used')
        centre = first.matrix[:2, 2] / (first.width, first.height)
        if abs(centre - 0.5).max() > 0.25:
            text = f'its centre lies at {centre[0]:.0%} {centre[1]:.0%} of the picture'
            yield Finding(MEND, wanted, text, 'K is that of another size or camera: calibrate anew')


def check_motion(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for wrong units of IMU and wheels."""
    for stream in survey.of_kind(topics.IMU):
        if not stream.values:
            continue
        gravity = float(np.median([np.linalg.norm(sample.acceleration_mps2) for sample in stream.values]))
        turning = float(np.percentile([np.linalg.norm(sample.angular_rps) for sample in stream.values], 95))
        if abs(gravity - GRAVITY) > GRAVITY_OFF:
            unit = 'g' if abs(gravity - 1.0) < 0.2 else 'something else, or without gravity'
            text = f'acceleration is {gravity:.2f} at rest, not {GRAVITY}: it is in {unit}'
            yield Finding(MEND, stream.name, text, 'publish m/s2 with gravity in it')
        if turning > FASTEST_RPS:
            yield Finding(MEND, stream.name, f'turns at {turning:.1f} rad/s', 'it is in degrees: publish rad/s')
    for stream in survey.of_kind(topics.VELOCITY):
        speeds = [abs(sample.longitudinal_mps) for sample in stream.values]
        if speeds and max(speeds) > FASTEST_MPS:
            yield Finding(MEND, stream.name, f'{max(speeds):.0f} m/s', 'it is in km/h: publish m/s')
