"""Sensors told in words: `NAME key=value ...` of an option, or answers on a terminal, one key after the other."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import CameraView, LidarView
from autonomy_nodes.evaluation.vehicles.facts import Facts, Sensor
from autonomy_nodes.evaluation.vehicles.questions import TERMINAL
from autonomy_nodes.messages.formats.description import CAMERA, GNSS, IMU, LIDAR

GIVEN = 'given'
OPTICAL_RPY = np.array([-np.pi / 2.0, 0.0, -np.pi / 2.0])  # x right, y down, z ahead (REP 103)
NAME = re.compile(r'[A-Za-z]\w*')


@dataclass(frozen=True)
class Key:
    """One thing told of a sensor. count: of numbers, 0: a word. usual: what an empty answer means, if anything."""

    unit: str
    count: int
    about: str
    usual: str = ''


FRAME = {'frame': Key('name', 0, 'frame_id in its messages')}
PLACE = {'xyz_m': Key('m', 3, 'where it sits: ahead of the rear axle, left of the middle, above the ground')}
TURN = {'rpy_deg': Key('deg', 3, 'roll, pitch, yaw of its axes about x ahead, y left, z up', '0,0,0')}
LOOK = {'looks_deg': Key('deg', 2, 'where it looks: left and up of straight ahead', '0,0')}
KEYS: Mapping[str, Mapping[str, Key]] = {
    LIDAR: {
        **FRAME, **PLACE, **TURN, 'elevation_deg': Key('deg', 2, 'its lowest and its highest beam, up positive'),
        'beams': Key('count', 1, 'its beams, one above the other'), 'range_m': Key('m', 1, 'how far it sees'),
        'azimuth_deg': Key('deg', 2, 'where its field ends to the right and to the left, left positive', '-180,180'),
    },
    CAMERA: {
        **FRAME, **PLACE, **LOOK, **TURN, 'size_px': Key('px', 2, 'width and height of its pictures'),
        'focal_px': Key('px', 2, 'fx and fy of K in its camera_info'),
        'centre_px': Key('px', 2, 'cx and cy of K in its camera_info'),
        'fisheye': Key('yes or no', 0, 'whether it is a fisheye, model equidistant', 'no'),
    },
    IMU: {**FRAME, **PLACE, **TURN},
    GNSS: {**FRAME, **PLACE, **TURN},
}  # fmt: skip
VIEW = {LIDAR: ('elevation_deg', 'beams', 'range_m'), CAMERA: ('size_px', 'focal_px', 'centre_px')}
WHAT = {
    LIDAR: 'a LiDAR, its NAME in /sensing/lidar/NAME/pointcloud_raw; `top` is the main one',
    CAMERA: 'a camera, its NAME in /sensing/camera/NAME/image_raw',
    IMU: 'an IMU, any name',
    GNSS: 'a GNSS receiver, any name',
}


def of_option(kind: str, text: str) -> Sensor:
    """Return the sensor of an option such as --lidar "top frame=lidar_top xyz_m=1.3,0,1.95"."""
    try:
        name, *words = shlex.split(text)
    except ValueError as error:
        raise DataError(f'--{kind} {text!r}: begin with the name of the sensor, and close all quotes') from error
    pairs = dict(word.partition('=')[::2] for word in words)
    if wrong := [key for key, value in pairs.items() if key not in KEYS[kind] or not value]:
        known = ' '.join(f'{key}=...' for key in KEYS[kind])
        raise DataError(f'--{kind} {text!r}: {wrong[0]!r} is none of {known}')
    try:
        return of_words(kind, name, pairs)
    except DataError as error:
        raise DataError(f'--{kind} {text!r}: {error}') from error


def of_words(kind: str, name: str, pairs: Mapping[str, str]) -> Sensor:
    """Return a sensor of {key: text}; what is left out is not known of it. Raises DataError naming a wrong key."""
    if not NAME.fullmatch(name):
        raise DataError(f'{name!r} is no name of a topic: letters, digits and _, a letter first')
    if 'looks_deg' in pairs and 'rpy_deg' in pairs:
        raise DataError('looks_deg and rpy_deg both tell how it is turned: give one of them')
    base_from = None
    if 'xyz_m' in pairs:
        place = numbers('xyz_m', pairs['xyz_m'], 3)
        if kind == CAMERA and 'rpy_deg' not in pairs:
            left, up = np.radians(numbers('looks_deg', pairs.get('looks_deg', LOOK['looks_deg'].usual), 2))
            looking = matrix_of_rpy(place, np.array([0.0, -up, left]))
            base_from = looking @ matrix_of_rpy(np.zeros(3), OPTICAL_RPY)
        else:
            base_from = matrix_of_rpy(place, np.radians(numbers('rpy_deg', pairs.get('rpy_deg', '0,0,0'), 3)))
    return Sensor(kind, name, pairs.get('frame', ''), base_from, _view(kind, pairs), GIVEN)


def _view(kind: str, pairs: Mapping[str, str]) -> LidarView | CameraView | None:
    needed = VIEW.get(kind, ())
    if not any(key in pairs for key in needed):
        return None
    if lacking := [key for key in needed if key not in pairs]:
        raise DataError(f'{", ".join(lacking)} must be told as well, with {", ".join(set(needed) - set(lacking))}')
    told = {key: numbers(key, pairs[key], KEYS[kind][key].count) for key in needed}
    try:
        if kind == LIDAR:
            (low, high), (right, left) = (
                np.radians(numbers(key, pairs.get(key, KEYS[LIDAR][key].usual), 2)).tolist()
                for key in ('elevation_deg', 'azimuth_deg')
            )
            return LidarView(low, high, int(told['beams'][0]), float(told['range_m'][0]), right, left)
        width, height = (int(side) for side in told['size_px'])
        focal, centre = (tuple(told[key].tolist()) for key in ('focal_px', 'centre_px'))
        return CameraView(width, height, focal, centre, _is_yes('fisheye', pairs.get('fisheye', 'no')))
    except ValueError as error:
        raise DataError(str(error)) from error


def numbers(key: str, text: str, count: int) -> np.ndarray:
    """Return (count,) finite numbers of a text such as 1.3,0,1.95; raises DataError showing the form."""
    try:
        found = np.array([float(word) for word in re.split(r'[,\s]+', text.strip())])
    except ValueError:
        found = np.array([])
    if len(found) != count or not np.isfinite(found).all():
        raise DataError(f'{key}={text!r} must be {count} numbers, such as {",".join(["1.5", "0", "2"][:count])}')
    return found


def _is_yes(key: str, text: str) -> bool:
    words = {'yes': True, 'y': True, 'true': True, 'no': False, 'n': False, 'false': False}
    if text.lower() not in words:
        raise DataError(f'{key}={text!r} must be yes or no')
    return words[text.lower()]


def ask_sensors(facts: Facts, answer: TERMINAL, say: Callable[[str], None]) -> None:
    """Ask what is not known of the sensors that there are, then for more of each kind until none is named."""
    for place, sensor in enumerate(facts.sensors):
        if sensor.base_from is None:
            say(f'{sensor}, frame {sensor.frame!r}: nothing tells where it sits')
            turn = LOOK if sensor.kind == CAMERA else TURN
            more = _answers(sensor.kind, sensor.name, {**PLACE, **turn}, answer, say)
            facts.sensors[place] = replace(sensor, base_from=more.base_from, source=f'{sensor.source}; mount answered')
    for kind, about in WHAT.items():
        while name := answer(f'{about} (nothing: no more of these): ').strip():
            try:
                of_words(kind, name, {})
                keys = {key: what for key, what in KEYS[kind].items() if not (kind == CAMERA and key == 'rpy_deg')}
                facts.add(_answers(kind, name, keys, answer, say))
            except DataError as error:
                say(f'  {error}')


def _answers(
    kind: str, name: str, keys: Mapping[str, Key], answer: TERMINAL, say: Callable[[str], None]
) -> Sensor:  # fmt: skip
    pairs: dict[str, str] = {}
    skipped: set[str] = set()  # of a view of which one thing is not known
    for key, what in keys.items():
        while key not in skipped:
            usual = f'{kind}_{name}' if key == 'frame' else what.usual
            text = answer(f'  {key} [{what.unit}], {what.about} ({usual or "nothing: not known"}): ').strip() or usual
            try:
                if text and what.count:
                    numbers(key, text, what.count)
                elif key == 'fisheye':
                    _is_yes(key, text)
            except DataError as error:
                say(f'  {error}')
                continue
            if text:
                pairs[key] = text
            elif key in VIEW.get(kind, ()):
                skipped |= {*VIEW[kind], 'azimuth_deg', 'fisheye'}
            break
    return of_words(kind, name, {key: text for key, text in pairs.items() if key not in skipped})
