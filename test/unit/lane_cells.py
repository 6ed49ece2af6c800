"""Cells that tell of given lines and marks as a perfect network of lanes would, and an engine that answers so."""

import numpy as np

from autonomy_nodes.inference.manifest import Manifest, Tensor
from autonomy_nodes.perception.bev import (
    LANDMARKS,
    LANE_INPUTS,
    LANE_KINDS,
    LANE_OUTPUTS,
    LANES,
    LINE_TOLD,
    MARK_TOLD,
    lane_middles,
)

SURE, NOTHING = 4.0, -6.0  # logits
CENTRE = LANE_KINDS.index('centre')


def along(*corners, step_m=0.1):
    """A line (M, 2) through corners, its points at most step_m apart."""
    corners = np.array(corners, float)
    parts = [
        np.linspace(a, b, int(np.ceil(np.linalg.norm(b - a) / step_m)) + 1)[:-1] for a, b in zip(corners, corners[1:])
    ]
    return np.concatenate([*parts, corners[-1:]])


def arc(radius_m, start_rad, end_rad, middle=(0.0, 0.0)):
    """A piece of a circle (M, 2)."""
    angles = np.linspace(start_rad, end_rad, int(abs(end_rad - start_rad) * radius_m / 0.1) + 2)
    return np.array(middle) + radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def line_cells(*lines, sure=SURE, on_m=0.3, beside_m=0.7):
    """The tensor `lines` of bev.LANE_OUTPUTS; lines: (kind, (M, 2)) with close points. Each cell tells of the nearest.

    A cell is sure where its middle lies within on_m, and tells where the line is within beside_m.
    """
    table = np.zeros((len(LANE_KINDS), len(LINE_TOLD), *LANES), np.float32)
    table[:, 0] = NOTHING
    middles, nearest = lane_middles(), np.full((len(LANE_KINDS), *LANES), np.inf)
    for kind, line in lines:
        steps = np.gradient(line, axis=0)
        angles = 2.0 * np.arctan2(steps[:, 1], steps[:, 0])
        away = np.linalg.norm(middles[:, :, None] - line, axis=-1)  # (X, Y, M)
        place, distance = away.argmin(axis=2), away.min(axis=2)
        mine = (distance <= beside_m) & (distance < nearest[kind])
        nearest[kind][mine] = distance[mine]
        told = (*(line[place[mine]] - middles[mine]).T, np.cos(angles[place[mine]]), np.sin(angles[place[mine]]))
        table[kind, 1:, mine] = np.stack(told, axis=-1)
        table[kind, 0][mine] = np.where(distance[mine] < on_m, sure, NOTHING)
    return table.reshape(LANE_OUTPUTS['lines'][0], *LANES)


def travel_cells(*lines, beside_m=0.7):
    """The tensor `travel` of bev.LANE_OUTPUTS, of the lines that are middles of lanes."""
    table, middles = np.zeros(LANE_OUTPUTS['travel'][:1] + LANES, np.float32), lane_middles()
    for _, line in (one for one in lines if one[0] == CENTRE):
        away = np.linalg.norm(middles[:, :, None] - line, axis=-1)
        steps = np.gradient(line, axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        near = away.min(axis=2) <= beside_m
        table[:, near] = steps[away.argmin(axis=2)[near]].T
    return table


def mark_cells(*marks, stands_m=0.6):
    """The tensor `marks` of bev.LANE_OUTPUTS; marks: (kind, x, y, logit)."""
    table = np.zeros((len(LANDMARKS), len(MARK_TOLD), *LANES), np.float32)
    table[:, 0] = NOTHING
    middles = lane_middles()
    for kind, x, y, logit in marks:
        near = (np.linalg.norm(middles - (x, y), axis=-1) <= stands_m) & (table[kind, 0] < logit)
        table[kind, 0][near] = logit
        table[kind, 1:, near] = (x, y) - middles[near]
    return table.reshape(LANE_OUTPUTS['marks'][0], *LANES)


class LaneEngine:
    """Answers the same to whatever it is asked; keeps what it was given."""

    name = 'double'

    def __init__(self, lines=None, marks=None, travel=None, shapes=None):
        inputs, outputs = (
            {name: Tensor((1, channels, *cells), -1e3, 1e3) for name, (channels, cells) in side.items()}
            for side in (LANE_INPUTS, shapes or LANE_OUTPUTS)
        )
        self.manifest, self.given = Manifest('double', 'ci', inputs, outputs, {}), []
        self.answer = {
            'lines': (line_cells() if lines is None else lines)[None],
            'marks': (mark_cells() if marks is None else marks)[None],
            'travel': (travel_cells() if travel is None else travel)[None],
        }

    def run(self, inputs):
        self.given.append(inputs)
        return self.answer

    def close(self):
        self.given = None
