"""The yaml of a vehicle, with who told each number beside it."""

import math
from collections.abc import Iterator

from autonomy_nodes.common.geometry import rpy_of
from autonomy_nodes.common.vehicle import CameraView, LidarView
from autonomy_nodes.evaluation.vehicles.facts import Facts, Sensor
from autonomy_nodes.evaluation.vehicles.questions import BLIND, BODY, LIMITS, TRAILER, Question

HEAD = """\
# {title}
# Made by `autonomy vehicle new`; behind each line who told it. base_link is the middle of the rear axle on the ground;
# x ahead, y left, z up. Start with vehicle:=THIS_FILE; it is ready when `autonomy doctor` says that all is well.
"""


def written(facts: Facts, title: str) -> str:
    """Return the text of a vehicle's yaml; numbers that nobody told are left out."""
    lines = [HEAD.format(title=title) + '/**:', '  ros__parameters:', '    vehicle:']
    lines += [line for question in (*BODY, *BLIND) for line in _value(facts, question, 6)]
    for name, questions in (('trailer', TRAILER), ('limits', LIMITS)):
        inner = [line for question in questions for line in _value(facts, question, 8)]
        if inner:
            lines += [f'      {name}:', *['        present: true'] * (name == 'trailer'), *inner]
    lines += _section('mounts', list(_mounts(facts)))
    for name, kind in (('lidar_views', LidarView), ('camera_views', CameraView)):
        seeing = [sensor for sensor in facts.sensors if isinstance(sensor.view, kind)]
        lines += _section(name, [f'{sensor.name}: {_view(sensor)}  # {sensor.source}' for sensor in seeing])
    parts = facts.parts.items()
    lines += _section('parts', [
        f'{name}: {{x_m: {_list(part.x_m, 3)}, y_m: {_list(part.y_m, 3)}, z_m: {_list(part.z_m, 3)}}}'
        for name, part in parts
    ])  # fmt: skip
    lines += [f'# missing: {text}' for text in facts.missing]
    return '\n'.join(lines) + '\n'


def _value(facts: Facts, question: Question, indent: int) -> Iterator[str]:
    if told := facts.values.get(question.key):
        name = question.key.rpartition('.')[2]
        yield f'{" " * indent}{name}: {_number(told.value)}  # {told.source}'


def _mounts(facts: Facts) -> Iterator[str]:
    frames: dict[str, str] = {}
    for sensor in facts.sensors:
        if sensor.base_from is None or not sensor.frame:
            continue
        if sensor.frame in frames:  # one frame, one mount: an IMU inside a LiDAR
            yield f'# {sensor}: frame {sensor.frame} is that of {frames[sensor.frame]}'
            continue
        frames[sensor.frame] = str(sensor)
        place, turn = _list(sensor.base_from[:3, 3], 4), _list(rpy_of(sensor.base_from), 6)
        frame = sensor.frame if sensor.frame.replace('_', '').isalnum() else f"'{sensor.frame}'"
        yield f'{sensor.name}: {{frame: {frame}, xyz_m: {place}, rpy_rad: {turn}}}  # {sensor.kind}, {sensor.source}'


def _view(sensor: Sensor) -> str:
    view = sensor.view
    if isinstance(view, LidarView):
        told = f'lowest_rad: {_number(view.lowest_rad)}, highest_rad: {_number(view.highest_rad)}, beams: {view.beams}'
        told += f', range_m: {_number(view.range_m)}'
        if not math.isclose(view.left_rad - view.right_rad, 2.0 * math.pi, abs_tol=1e-4):
            told += f', right_rad: {_number(view.right_rad)}, left_rad: {_number(view.left_rad)}'
        return f'{{{told}}}'
    assert isinstance(view, CameraView)
    told = f'width_px: {view.width_px}, height_px: {view.height_px}, focal_px: {_list(view.focal_px, 3)}'
    told += f', centre_px: {_list(view.centre_px, 3)}' + ', fisheye: true' * view.fisheye
    return f'{{{told}}}'


def _section(name: str, lines: list[str]) -> list[str]:
    told = any(not line.startswith('#') for line in lines)  # a section of comments alone would be none
    return [f'      {name}:', *(f'        {line}' for line in lines)] if told else []


def _list(values: object, digits: int) -> str:
    return '[' + ', '.join(_number(round(float(value), digits)) for value in values) + ']'  # type: ignore[attr-defined]


def _number(value: float) -> str:
    text = f'{float(value):.6f}'.rstrip('0')
    return '0.0' if float(text) == 0.0 else f'{text}0' if text.endswith('.') else text
