"""The doctor's look into messages: points, pictures and their calibration, units of motion."""

from collections.abc import Iterator

import numpy as np

from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.findings import MEND, NOTE, Finding
from autonomy_nodes.evaluation.survey import Survey
from autonomy_nodes.messages import topics

FEW_POINTS = 1000
MANY_REMOVED = 0.5
GRAVITY, GRAVITY_OFF = 9.81, 1.5
FASTEST_RPS, FASTEST_MPS = 5.0, 70.0
SAME_PX = 1.0


def check_refused(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Tell what cannot be read, and why."""
    for name, stream in sorted(survey.streams.items()):
        for why, count in sorted(stream.refused.items()):
            yield Finding(MEND, name, f'{count} of {stream.count} messages refused: {why}', 'correct it in the driver')


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
