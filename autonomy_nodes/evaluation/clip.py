"""A moving picture of a run, GIF or WebP: the scene from above, the camera, the mode and the reason, moment by moment.

It draws the rows of a report (report_scene.py), so it shows what the report shows.
"""

import base64
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.report import spans_of
from autonomy_nodes.evaluation.report_bag import Bag
from autonomy_nodes.evaluation.report_scene import scene
from autonomy_nodes.evaluation.runlog import OUTPUTS, read_log, read_run
from autonomy_nodes.evaluation.telling import Tell

HOW = {  # kind of file: how it is written; a GIF without the dots that stand for colours it lacks is half as large
    '.gif': [getattr(cv2, 'IMWRITE_GIF_DITHER', 0), -1],
    '.webp': [cv2.IMWRITE_WEBP_QUALITY, 45],
}
WIDE, HIGH, SIDE = 880, 500, 500  # pixels; the scene is SIDE wide
SCALE = 6.6  # pixels a metre
EGO_AT = np.array([SIDE / 2.0, 0.74 * HIGH])
GROUND = np.array(  # a colour a place in common.grid.KINDS; what is not known stays dark
    [(32, 26, 21), (38, 44, 33), (47, 61, 42), (42, 67, 65), (35, 72, 87), (42, 77, 105), (204, 104, 142),
     (105, 124, 176)], np.uint8,
)  # fmt: skip
CARD, TEXT, MUTED = (38, 31, 25), (238, 232, 227), (177, 164, 152)  # all colours: blue, green, red, as OpenCV has them
STOP, WAY, EGO, GHOST = (104, 90, 255), (150, 220, 60), (246, 244, 243), (140, 120, 100)
FUTURES = ((60, 171, 251), (255, 139, 197), (221, 196, 69), (182, 119, 247), (90, 209, 166), (194, 177, 163))
MODES = {'NOMINAL': (132, 168, 63), 'DEGRADED': (64, 176, 224), 'MRM': (66, 129, 236), 'EMERGENCY': (90, 72, 224)}
LINES = {Line.CENTERLINE: (120, 95, 80), Line.STOP_LINE: STOP}
PEOPLE, BIKES, CARS = (87, 144, 255), (208, 208, 76), (243, 178, 121)
LETTERS = cv2.FONT_HERSHEY_SIMPLEX
LEGEND = (
    'green: the trajectory; red: the stop that is kept ready',
    'dark: not known; lines from boxes: what each may do',
)
OLDEST_MS = 1100  # ground and map lines of a moment before are kept so long


def write_clip(folder: Path, out: Path, span_s: tuple[float, float], rate_hz: float, tell: Tell) -> Path:
    """Write a moving picture of a run, from and to so many seconds after its start; `tell` hears how far it is.

    Raises DataError where the run has no bag or nothing in that span, or OpenCV is too old to write one.
    """
    if out.suffix not in HOW:
        raise DataError(f'{out}: a clip is one of {", ".join(HOW)}')
    if not hasattr(cv2, 'Animation'):
        remedy = 'pip install "opencv-python-headless>=4.11,<5"'
        raise DataError(f'OpenCV {cv2.__version__} writes no moving pictures: {remedy}')
    if not (folder / OUTPUTS).exists():
        raise DataError(f'{folder}: has no {OUTPUTS}, so there is nothing to draw')
    run, log, bag = read_run(folder), read_log(folder), Bag(folder)
    start_ns = min([status.stamp_ns for status in log] + bag.stamps[:1], default=0)
    told, packs = scene(bag, run, log, spans_of(run, log, folder), start_ns)
    for pack in packs:
        for place, layers in pack.items():
            told['moments'][int(place)] |= layers
    chosen = _spaced(told['moments'], span_s, rate_hz)
    if not chosen:
        raise DataError(f'{folder}: no moment from {span_s[0]} to {span_s[1]} s')
    frames = []
    for count, at in enumerate(chosen):
        frames.append(frame(told, at))
        tell(f'{told["moments"][at]["t"] / 1000:.1f} s', count + 1, len(chosen))
    film = cv2.Animation()
    film.frames, film.durations = frames, [round(1000 / rate_hz)] * len(frames)
    out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwriteanimation(str(out), film, HOW[out.suffix]):
        raise DataError(f'{out}: OpenCV {cv2.__version__} was built without this kind of file')
    return out


def _spaced(moments: Sequence[Mapping[str, Any]], span_s: tuple[float, float], rate_hz: float) -> list[int]:
    """Return the places of moments in a span, no more of them a second than `rate_hz`."""
    chosen, next_ms = [], 1000 * span_s[0]
    for at, moment in enumerate(moments):
        if next_ms <= moment['t'] <= 1000 * span_s[1]:
            chosen.append(at)
            next_ms += 1000 / rate_hz * (1 + (moment['t'] - next_ms) // (1000 / rate_hz))
    return chosen


def frame(told: Mapping[str, Any], at: int) -> np.ndarray:
    """Return (HIGH, WIDE, 3) of one moment of a scene as the page of a report takes it."""
    now = told['moments'][at]
    above = _Above(now['ego'])
    if (terrain := _newest(told['moments'], at, 'terrain')) is not None:
        above.terrain(terrain)
    above.grid()
    for row in _newest(told['moments'], at, 'lines') or ():
        above.line(row[1:], LINES.get(row[0], MUTED), 1)
    for way in now.get('candidates', {}).get('paths', ()):
        above.line(way, GHOST, 1)
    for paths in now.get('paths', ()):
        for mode, percent, *way in paths:
            above.line(way, FUTURES[mode % len(FUTURES)], 2 if percent >= 50 else 1)
    for row in now.get('objects', ()):
        above.thing(row)
    for key, colour, thick in (('drive', WAY, 5), ('plan', WAY, 1), ('stop', STOP, 2)):
        if key in now:
            above.line(np.reshape(now[key], (-1, 3))[:, :2].ravel(), colour, thick)
    above.ego(told['body'])
    canvas = np.full((HIGH, WIDE, 3), CARD, np.uint8)
    canvas[:, :SIDE] = above.canvas
    _tell(canvas, now, _nearest(told['pictures'], now['t']))
    return canvas


class _Above:
    """The scene from above, heading up; rows are whole centimetres in odom, as in a report."""

    def __init__(self, ego: Sequence[int]) -> None:
        self.canvas = np.full((HIGH, SIDE, 3), GROUND[0], np.uint8)
        self.place, heading = np.array(ego[:2]) / 100.0, ego[2] / 1000.0
        sine, cosine = np.sin(heading), np.cos(heading)
        self.turn = SCALE * np.array([[sine, -cosine], [-cosine, -sine]])  # metres in odom to pixels

    def pixels(self, xy_m: np.ndarray) -> np.ndarray:
        """Return (N, 2) whole pixels of (N, 2) places."""
        return np.rint((xy_m - self.place) @ self.turn.T + EGO_AT).astype(np.int32)

    def terrain(self, told: Mapping[str, Any]) -> None:
        """Draw the cells of the ground."""
        nx, ny = told['shape']
        cells = GROUND[(np.frombuffer(told['cells'].encode(), np.uint8) - ord('0')).reshape(nx, ny)]  # row: x
        size_m, origin = told['cell'] / 100.0, np.array(told['origin']) / 100.0
        swap = size_m * np.array([[0.0, 1.0], [1.0, 0.0]])  # a picture's first coordinate is the column: y
        linear = self.turn @ swap
        shift = (origin + 0.5 * size_m - self.place) @ self.turn.T + EGO_AT
        matrix = np.column_stack([linear, shift])
        ground = cv2.warpAffine(cells, matrix, (SIDE, HIGH), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_TRANSPARENT)
        known = cv2.warpAffine(np.ones((nx, ny), np.uint8), matrix, (SIDE, HIGH), flags=cv2.INTER_NEAREST) > 0
        self.canvas[known] = ground[known]

    def grid(self) -> None:
        """Draw a scale: a line each 10 m ahead."""
        for metres in range(-10, 60, 10):
            row = int(EGO_AT[1] - SCALE * metres)
            cv2.line(self.canvas, (0, row), (SIDE, row), (60, 52, 46), 1)
            _write(self.canvas, f'{metres} m', (6, row - 4), 0.36, MUTED)

    def line(self, flat_cm: Sequence[int] | np.ndarray, colour: tuple[int, int, int], thick: int) -> None:
        """Draw x, y, x, y, ..."""
        points = self.pixels(np.reshape(flat_cm, (-1, 2)) / 100.0)
        cv2.polylines(self.canvas, [points], False, colour, thick, cv2.LINE_AA)

    def box(self, corners_m: np.ndarray, colour: tuple[int, int, int]) -> None:
        """Draw (4, 2) corners, half transparent."""
        points, drawn = self.pixels(corners_m), self.canvas.copy()
        cv2.fillConvexPoly(drawn, points, colour, cv2.LINE_AA)
        cv2.addWeighted(drawn, 0.45, self.canvas, 0.55, 0.0, dst=self.canvas)
        cv2.polylines(self.canvas, [points], True, colour, 1, cv2.LINE_AA)

    def thing(self, row: Sequence[Any]) -> None:
        """Draw a tracked object, with its class where that is known."""
        name, label, x, y, heading, length, width, *_ = row
        colour = PEOPLE if label in (7, 8) else BIKES if label in (5, 6) else CARS if 1 <= label <= 4 else MUTED
        half_m = length / 200.0
        self.box(_corners(np.array([x, y]) / 100.0, heading / 1000.0, half_m, half_m, width / 200.0), colour)
        if label:
            at = self.pixels(np.array([[x, y]]) / 100.0)[0] + (8, -6)
            _write(self.canvas, f'{Label(label).name.lower()} {name[:4]}', (int(at[0]), int(at[1])), 0.36, colour)

    def ego(self, body: Mapping[str, Any] | None) -> None:
        """Draw the vehicle."""
        front, rear, half = (body['front_m'], body['rear_m'], body['width_m'] / 2.0) if body else (3.0, 1.0, 0.9)
        heading = float(np.arctan2(self.turn[0, 0], -self.turn[0, 1]))
        self.box(_corners(self.place, heading, front, rear, half), EGO)


def _corners(xy: np.ndarray, heading: float, ahead: float, behind: float, half: float) -> np.ndarray:
    local = np.array([(ahead, half), (ahead, -half), (-behind, -half), (-behind, half)])
    along = np.array([np.cos(heading), np.sin(heading)])
    return xy + local[:, :1] * along + local[:, 1:] * np.array([-along[1], along[0]])


def _tell(canvas: np.ndarray, now: Mapping[str, Any], picture: Mapping[str, Any] | None) -> None:
    """Draw the camera, the mode and the words beside the scene."""
    left, wide, below = SIDE + 14, WIDE - SIDE - 28, 14
    if picture is not None:
        image: Any = cv2.imdecode(np.frombuffer(base64.b64decode(picture['jpeg']), np.uint8), cv2.IMREAD_COLOR)
        high = round(wide * picture['height'] / picture['width'])
        canvas[below : below + high, left : left + wide] = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
        below += high + 14
    cv2.rectangle(canvas, (left, below), (left + 104, below + 24), MODES.get(now['mode'], MUTED), -1)
    _write(canvas, now['mode'], (left + 8, below + 17), 0.46, (24, 20, 17))
    _write(canvas, f'{now["t"] / 1000:.1f} s   {now["ego"][3] / 100:.1f} m/s', (left + 120, below + 17), 0.5, TEXT)
    _write(canvas, f'stamp {now["stamp"]}', (left, below + 44), 0.38, MUTED)
    words = now.get('decision', {})
    rows = [('chosen', words.get('chosen', ''), TEXT), ('because', words.get('reason', ''), TEXT)]
    if now.get('spans'):
        rows.append(('this sweep took', f'{now["spans"][-1][2]:.0f} ms from LiDAR to trajectory', TEXT))
    below += 70
    for name, told, colour in rows:
        _write(canvas, name, (left, below), 0.4, MUTED)
        for line in textwrap.wrap(told, 46)[:3]:
            below += 20
            _write(canvas, line, (left, below), 0.44, colour)
        below += 26
    for line, row in ((LEGEND[0], HIGH - 34), (LEGEND[1], HIGH - 16)):
        _write(canvas, line, (left, row), 0.36, MUTED)


def _write(canvas: np.ndarray, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    cv2.putText(canvas, text, at, LETTERS, size, colour, 1, cv2.LINE_AA)


def _newest(moments: Sequence[Mapping[str, Any]], at: int, key: str) -> Any:
    """Return the newest layer at or before a moment, None where it is too old."""
    for moment in reversed(moments[: at + 1]):
        if moments[at]['t'] - moment['t'] > OLDEST_MS:
            return None
        if key in moment:
            found = moment[key]
            return found['row'] if isinstance(found, dict) and 'row' in found else found
    return None


def _nearest(pictures: Sequence[Mapping[str, Any]], t_ms: int) -> Mapping[str, Any] | None:
    first = [each for each in pictures if each['camera'] == pictures[0]['camera']]
    return min(first, key=lambda each: abs(each['t'] - t_ms), default=None)
