"""What a report plots over time: figures as lines, and spells of complaints. Times in ms after the run's start."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from autonomy_nodes.common.sensing import Steering
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import SECOND_NS, Command, Decision, EgoState, Trajectory
from autonomy_nodes.planning.proposals import KINDS

Points = Sequence[tuple[int, float]]  # stamp_ns, value
MOST_POINTS = 900
TOGETHER_MS = 1000  # complaints of one kind nearer than this are one
SMOOTH_S = 0.3  # over which the measured acceleration is taken


def line(name: str, points: Points, start_ns: int) -> dict[str, Any] | None:
    """Return a line of a plot: t, value, t, value, ...; None where there is nothing to draw."""
    stride = -(-len(points) // MOST_POINTS) or 1
    flat = [number for at, value in points[::stride] for number in (round((at - start_ns) / 1e6), round(value, 3))]
    return {'name': name, 'points': flat} if flat else None


def series(
    egos: Mapping[int, EgoState],
    steering: Sequence[Steering],
    commands: Sequence[Command],
    driven: Sequence[Trajectory],
    latency_ms: Mapping[int, float],
    start_ns: int,
) -> list[dict[str, Any]]:
    """Return the plots: name, unit, the least height of their axis, lines."""
    speeds = [(at, ego.speed_mps) for at, ego in sorted(egos.items())]
    wheel = [(each.stamp_ns, float(np.degrees(each.wheel_angle_rad))) for each in steering]
    found: dict[tuple[str, str, float], dict[str, Points]] = {
        ('Speed', 'm/s', 2.0): {
            'measured': speeds,
            'commanded': [(each.stamp_ns, each.speed_mps) for each in commands],
            'planned, 1 s ahead': [(each.stamp_ns, ahead(each, 1.0)) for each in driven],
        },
        ('Acceleration', 'm/s²', 2.0): {
            'measured': acceleration(speeds),
            'commanded': [(each.stamp_ns, each.acceleration_mps2) for each in commands],
        },
        ('Wheel angle, left is positive', '°', 4.0): {
            'measured': wheel,
            'commanded': [(each.stamp_ns, float(np.degrees(each.wheel_angle_rad))) for each in commands],
            'planned': [(each.stamp_ns, float(np.degrees(each.wheel_angles_rad[0]))) for each in driven],
        },
        ('Sweep to trajectory', 'ms', 20.0): {'': sorted(latency_ms.items())},
    }
    plots = []
    for (name, unit, least), lines in found.items():
        drawn = [drawing for label, points in lines.items() if (drawing := line(label, points, start_ns))]
        if drawn:
            plots.append({'name': name, 'unit': unit, 'least': least, 'lines': drawn})
    return plots


def ahead(trajectory: Trajectory, time_s: float) -> float:
    """Return the planned speed some time after the stamp."""
    return float(np.interp(time_s, trajectory.times_s, trajectory.speeds_mps))


def acceleration(speeds: Points) -> Points:
    """Return the change of speed a second, over SMOOTH_S around each moment; nothing across a gap of a second."""
    if len(speeds) < 2:
        return []
    at_s = (np.array([at for at, _ in speeds]) - speeds[0][0]) / SECOND_NS
    values = np.array([value for _, value in speeds])
    first = np.searchsorted(at_s, at_s - SMOOTH_S / 2 - 1e-6)
    last = np.searchsorted(at_s, at_s + SMOOTH_S / 2 + 1e-6, side='right') - 1
    first, last = np.where(first == last, np.maximum(first - 1, 0), first), last
    span_s = at_s[last] - at_s[first]
    whole = (span_s > 0.0) & (span_s < 1.0)
    slope = (values[last] - values[first])[whole] / span_s[whole]
    return [(speeds[place][0], float(value)) for place, value in zip(np.flatnonzero(whole).tolist(), slope)]


def choices(
    decisions: Sequence[Decision], marks: Mapping[int, Mapping[str, np.ndarray]], start_ns: int
) -> dict[str, list[list[Any]]]:
    """Return spells [from, to, name, words of the first] by row: which kind of candidate was chosen, what decided."""
    rows: dict[str, list[list[Any]]] = {'chosen': [], 'decided by': []}
    for decision in decisions:
        at_ms = round((decision.stamp_ns - start_ns) / 1e6)
        why = decision.values.get('gate') or decision.values.get('term', '')
        kind = _chosen_kind(decision, marks.get(decision.stamp_ns, {}))
        for row, name, told in (('chosen', kind, decision.chosen), ('decided by', why, decision.reason)):
            spells = rows[row]
            if spells and at_ms - spells[-1][1] <= TOGETHER_MS:
                spells[-1][1] = at_ms  # until the next one
            if name and not (spells and spells[-1][1] == at_ms and spells[-1][2] == name):
                spells.append([at_ms, at_ms, name, told])
    return {row: spells for row, spells in rows.items() if spells}


def _chosen_kind(decision: Decision, columns: Mapping[str, np.ndarray]) -> str:
    told = decision.values.get('candidate', '')
    if 'candidate' not in columns or not told.isdigit():
        return ''
    kinds = columns['kind'][columns['candidate'] == int(told)]
    return KINDS[int(kinds[0])] if len(kinds) and int(kinds[0]) < len(KINDS) else ''


def alerts(log: Iterable[Status], start_ns: int) -> list[list[Any]]:
    """Return [stage, from, to, level, text, steps] of each spell of one complaint; numbers in it may differ."""
    spells: list[list[Any]] = []
    newest: dict[tuple[str, str, str], list[Any]] = {}
    for status in log:
        if status.level is Level.OK:
            continue
        kind = (status.node, status.level.name, re.sub(r'\d+', '0', status.text))
        at_ms = round((status.stamp_ns - start_ns) / 1e6)
        spell = newest.get(kind)
        if spell and at_ms - spell[2] <= TOGETHER_MS:
            spell[2], spell[5] = max(at_ms, spell[2]), spell[5] + 1
            continue
        text = spell[4] if spell else status.text
        newest[kind] = [status.node, at_ms, at_ms, status.level.name, text, 1]
        spells.append(newest[kind])
    return spells
