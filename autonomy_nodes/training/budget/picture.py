"""A roofline: how many operations a second a device can do at so many operations a byte, and where layers lie."""

from collections.abc import Sequence

import cv2
import numpy as np

HIGH, WIDE, LEFT, LOW, ABOVE, RIGHT = 560, 860, 90, 60, 40, 190
RANGE = (0.1, 1000.0)  # operations a byte
_INK, _ROOF, _REACHED = (60, 60, 60), (40, 40, 200), (200, 120, 40)
_COLOURS = (
    (180, 119, 31), (14, 127, 255), (44, 160, 44), (40, 39, 214), (189, 103, 148), (75, 86, 140), (194, 119, 227),
    (127, 127, 127), (34, 189, 188), (207, 190, 23), (0, 90, 160), (120, 180, 60), (160, 60, 160), (60, 160, 200),
)  # fmt: skip


def roofline(
    name: str, flops: float, bytes_s: float, reached: float, moved: float, points: Sequence[tuple[str, float, float]]
) -> bytes:
    """Return a PNG with both axes logarithmic. points: (group, operations, bytes) of each layer.

    The upper line is the data sheet's peak, the lower one what is taken to be reached.
    """
    top = 10.0 ** np.ceil(np.log10(flops))
    low = top * 1e-4
    picture = np.full((HIGH, WIDE, 3), 255, np.uint8)

    def at(intensity: float, rate: float) -> tuple[int, int]:
        x = np.log(intensity / RANGE[0]) / np.log(RANGE[1] / RANGE[0])
        y = np.log(rate / low) / np.log(top / low)
        return int(LEFT + x * (WIDE - LEFT - RIGHT)), int(HIGH - LOW - y * (HIGH - LOW - ABOVE))

    for power in range(-1, 4):
        cv2.line(picture, at(10.0**power, low), at(10.0**power, top), (225, 225, 225), 1)
        _write(picture, f'{10.0**power:g}', (at(10.0**power, low)[0] - 14, HIGH - LOW + 20))
    for power in np.arange(np.log10(low), np.log10(top) + 0.5):
        cv2.line(picture, at(RANGE[0], 10.0**power), at(RANGE[1], 10.0**power), (225, 225, 225), 1)
        _write(picture, f'{10.0 ** (power - 9):g}', (28, at(RANGE[0], 10.0**power)[1] + 4))
    _write(picture, f'{name}: operations a byte (right), 10^9 operations a second (up), half precision', (LEFT, 22))
    for share, band, colour in ((1.0, 1.0, _ROOF), (reached, moved, _REACHED)):
        knee = flops * share / (bytes_s * band)
        start = at(max(RANGE[0], low / (bytes_s * band)), max(bytes_s * band * RANGE[0], low))
        cv2.polylines(picture, [np.array([start, at(knee, flops * share), at(RANGE[1], flops * share)])], False, colour,
                      2, cv2.LINE_AA)  # fmt: skip
    groups = list(dict.fromkeys(group for group, _, _ in points))
    for group, work, size in points:
        intensity = float(np.clip(work / max(size, 1.0), *RANGE))
        rate = max(min(flops * reached, intensity * bytes_s * moved), low)
        cv2.circle(picture, at(intensity, rate), 5, _COLOURS[groups.index(group) % len(_COLOURS)], -1, cv2.LINE_AA)
    for row, (words, colour) in enumerate([('data sheet', _ROOF), ('taken to be reached', _REACHED)]):
        cv2.line(picture, (WIDE - RIGHT + 8, 60 + 20 * row), (WIDE - RIGHT + 28, 60 + 20 * row), colour, 2)
        _write(picture, words, (WIDE - RIGHT + 34, 64 + 20 * row))
    for row, group in enumerate(groups, 3):
        colour = _COLOURS[groups.index(group) % len(_COLOURS)]
        cv2.circle(picture, (WIDE - RIGHT + 18, 60 + 20 * row), 5, colour, -1, cv2.LINE_AA)
        _write(picture, group, (WIDE - RIGHT + 34, 64 + 20 * row))
    return cv2.imencode('.png', picture)[1].tobytes()


def _write(picture: np.ndarray, words: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
