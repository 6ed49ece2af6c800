"""Tables of numbers as sensor_msgs/PointCloud2: one row an item. Their columns stand in messages/topics.py."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from autonomy_nodes.common.lanes import PIECE_POINTS, LaneMatch, LaneObservations, LanePieces, MapChanges
from autonomy_nodes.common.objects import INTENTS as WORDS
from autonomy_nodes.common.objects import SIGMA_TIMES_S, EgoProposals, Intents, SceneModes
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.point_rows import Points, read_points, write_points
from autonomy_nodes.messages.topics import (
    CHANGES,
    EGO_PROPOSALS,
    INTENTS,
    LANE_MATCH,
    LANE_OBSERVATIONS,
    LOCAL_VECTORS,
    MARKS,
    SCENE_MODES,
    Topic,
)

SEEN = 255  # class of the rows of lane observations that tell how far ground was seen
SECTORS_RAD = np.deg2rad(np.arange(-180.0, 180.0, 5.0) + 2.5)  # middle of each
KINDS = ('removed', 'added')  # of map changes, numbered from 0
DEFAULT_STEP_S = 0.5
MORE = '*'  # stands in a list of columns for any number of further ones
SIGMAS = [f'{side}_{time:.0f}s' for time in SIGMA_TIMES_S for side in ('along', 'across')]
LATER = ('rule', 'rule_low', 'rule_high')  # columns that older recordings lack


def write_lane_pieces(pieces: LanePieces) -> bytes:
    """Write map lines: a line of the message a piece, 20 points wide."""
    rows = _rows(LOCAL_VECTORS, len(pieces.points) * PIECE_POINTS)
    rows['x'], rows['y'], rows['z'] = pieces.points.reshape(-1, 3).T
    _write_ids(rows, np.repeat(pieces.ids, PIECE_POINTS))
    _write_ids(rows, np.repeat(pieces.rule_ids, PIECE_POINTS), 'rule')
    columns = {'class': pieces.classes, 'confidence': pieces.confidence, 'valid_length': pieces.valid_lengths_m}
    columns['rule'] = pieces.rules
    for name, column in columns.items():
        rows[name] = np.repeat(column, PIECE_POINTS)
    return write_points(pieces.stamp_ns, pieces.frame, rows, height=len(pieces.points))


def read_lane_pieces(data: bytes) -> LanePieces:
    """Read map lines; of a table without columns for rules none is known."""
    table = _read(LOCAL_VECTORS, data)
    if len(table.rows) and table.width != PIECE_POINTS:
        raise DataError(f'pieces are {table.width} points wide, expected {PIECE_POINTS}')
    rows = table.rows.reshape(-1, PIECE_POINTS)
    points = np.stack([rows[axis] for axis in 'xyz'], axis=-1)
    if np.isinf(points).any():
        raise DataError('a point of a piece is infinite')
    first = rows[:, 0]
    ids, classes = _read_ids(first), first['class'].copy()
    confidence, lengths = first['confidence'].astype(float), first['valid_length'].astype(float)
    found = LanePieces(table.stamp_ns, table.frame, points, classes, ids, confidence, lengths)
    if not set(LATER) <= set(first.dtype.names or ()):
        return found
    return replace(found, rules=first['rule'].copy(), rule_ids=_read_ids(first, 'rule'))


def write_lane_match(match: LaneMatch) -> bytes:
    """Write in which lane the vehicle may be, a row a lane."""
    rows = _rows(LANE_MATCH, len(match.ids))
    _write_ids(rows, match.ids)
    rows['s'], rows['d'], rows['heading_error'] = match.s_m, match.d_m, match.heading_errors_rad
    rows['probability'], rows['sigma'] = match.probabilities, match.sigmas_m
    rows['speed_limit'] = match.speed_limits_mps
    return write_points(match.stamp_ns, LANE_MATCH.frame, rows)


def read_lane_match(data: bytes) -> LaneMatch:
    """Read in which lane the vehicle may be; only the speed limit may be NaN."""
    table = _read(LANE_MATCH, data)
    return LaneMatch(
        stamp_ns=table.stamp_ns,
        ids=_read_ids(table.rows),
        s_m=_finite(table.rows, 's'),
        d_m=_finite(table.rows, 'd'),
        heading_errors_rad=_finite(table.rows, 'heading_error'),
        probabilities=_finite(table.rows, 'probability'),
        sigmas_m=_finite(table.rows, 'sigma'),
        speed_limits_mps=table.rows['speed_limit'].astype(float),
    )


def write_lane_observations(seen: LaneObservations) -> bytes:
    """Write paint and edges, two rows a segment, and then a row a sector at the farthest ground seen there."""
    count = len(seen.segments)
    rows = _rows(LANE_OBSERVATIONS, 2 * count + len(SECTORS_RAD))
    lines, sectors = rows[: 2 * count], rows[2 * count :]
    lines['x'], lines['y'], lines['z'] = seen.segments.reshape(-1, 3).T
    lines['class'], lines['confidence'] = np.repeat(seen.classes, 2), np.repeat(seen.confidence, 2)
    lines['line'], sectors['line'] = np.repeat(np.arange(count), 2), np.arange(len(SECTORS_RAD))
    sectors['x'], sectors['y'] = seen.seen_range_m * np.cos(SECTORS_RAD), seen.seen_range_m * np.sin(SECTORS_RAD)
    sectors['class'], sectors['confidence'] = SEEN, 1.0
    return write_points(seen.stamp_ns, LANE_OBSERVATIONS.frame, rows)


def read_lane_observations(data: bytes) -> LaneObservations:
    """Read paint and edges; ranges are exact to a millionth."""
    table = _read(LANE_OBSERVATIONS, data)
    far = table.rows['class'] == SEEN
    lines, sectors = table.rows[~far], table.rows[far]
    if len(sectors) != len(SECTORS_RAD) or len(lines) % 2:
        raise DataError(f'{len(lines)} ends of segments and {len(sectors)} sectors, expected pairs and 72')
    points = np.stack([lines[axis] for axis in 'xyz'], axis=-1).astype(float).reshape(-1, 2, 3)
    classes, confidence = lines['class'][::2].copy(), lines['confidence'][::2].astype(float)
    ranges = np.hypot(sectors['x'].astype(float), sectors['y'].astype(float))
    return LaneObservations(table.stamp_ns, points, classes, confidence, ranges)


def write_scene_modes(modes: SceneModes) -> bytes:
    """Write the probabilities of joint futures."""
    rows = _rows(SCENE_MODES, len(modes.probabilities))
    rows['mode'], rows['probability'] = np.arange(len(rows)), modes.probabilities
    return write_points(modes.stamp_ns, SCENE_MODES.frame, rows)


def read_scene_modes(data: bytes) -> SceneModes:
    """Read the probabilities of joint futures, in the order of their modes."""
    table = _read(SCENE_MODES, data)
    _check_counting('mode', table.rows['mode'], np.arange(len(table.rows)))
    return SceneModes(table.stamp_ns, _finite(table.rows, 'probability'))


def write_intents(intents: Intents) -> bytes:
    """Write what each object is about to do, a row an object."""
    rows = _rows(INTENTS, len(intents.chances))
    rows['object'] = np.arange(len(rows))
    for name, column in zip(WORDS, intents.chances.T):
        rows[name] = column
    for name, column in zip(SIGMAS, intents.sigmas_m.reshape(len(rows), len(SIGMAS)).T):
        rows[name] = column
    return write_points(intents.stamp_ns, INTENTS.frame, rows)


def read_intents(data: bytes) -> Intents:
    """Read what each object is about to do; only sigmas may be NaN."""
    table = _read(INTENTS, data)
    rows = table.rows
    _check_counting('object', rows['object'], np.arange(len(rows)))
    sigmas = np.stack([rows[name] for name in SIGMAS], axis=-1).astype(float)
    return Intents(
        table.stamp_ns, np.stack([_finite(rows, name) for name in WORDS], axis=-1),
        sigmas.reshape(len(rows), len(SIGMA_TIMES_S), 2),
    )  # fmt: skip


def write_ego_proposals(proposals: EgoProposals) -> bytes:
    """Write drives, a row a step."""
    count, steps, _ = proposals.drives.shape
    rows = _rows(EGO_PROPOSALS, count * steps)
    rows['proposal'], rows['step'] = np.repeat(np.arange(count), steps), np.tile(np.arange(steps), count)
    for name, column in zip(('x', 'y', 'z', 'heading', 'speed'), proposals.drives.reshape(-1, 5).T):
        rows[name] = column
    rows['probability'] = np.repeat(proposals.probabilities, steps)
    rows['time'] = rows['step'] * proposals.step_s
    return write_points(proposals.stamp_ns, EGO_PROPOSALS.frame, rows)


def read_ego_proposals(data: bytes) -> EgoProposals:
    """Read drives of equally many steps, equally far apart."""
    table = _read(EGO_PROPOSALS, data)
    rows = table.rows
    steps = int(rows['step'].max(initial=0)) + 1
    if len(rows) % steps:
        raise DataError(f'{len(rows)} rows are no drives of {steps} steps')
    count = len(rows) // steps
    _check_counting('step', rows['step'], np.tile(np.arange(steps), count))
    _check_counting('proposal', rows['proposal'], np.repeat(np.arange(count), steps))
    drives = np.stack([_finite(rows, name) for name in ('x', 'y', 'z', 'heading', 'speed')], axis=-1)
    step_s = round(float(rows['time'][steps - 1]) / (steps - 1), 6) if steps > 1 else DEFAULT_STEP_S
    if not (step_s > 0.0 and np.allclose(rows['time'], rows['step'] * step_s, atol=1e-4)):
        raise DataError('steps of drives are not equally far apart in time')
    probabilities = _finite(rows, 'probability').reshape(count, steps)[:, 0]
    return EgoProposals(table.stamp_ns, step_s, drives.reshape(count, steps, 5), probabilities)


def write_changes(changes: MapChanges) -> bytes:
    """Write suspect elements of the map."""
    rows = _rows(CHANGES, len(changes.ids))
    _write_ids(rows, changes.ids)
    rows['x'], rows['y'], rows['z'] = changes.positions_m.T
    rows['kind'] = [KINDS.index(kind) for kind in changes.kinds]
    rows['class'], rows['log_odds'], rows['probability'] = changes.classes, changes.log_odds, changes.probabilities
    rows['traversals'], rows['frames'] = changes.traversals, changes.frames
    return write_points(changes.stamp_ns, CHANGES.frame, rows)


def read_changes(data: bytes) -> MapChanges:
    """Read suspect elements of the map."""
    table = _read(CHANGES, data)
    rows = table.rows
    if (rows['kind'] >= len(KINDS)).any():
        raise DataError(f'kinds of changes {np.unique(rows["kind"])} are not all among {KINDS}')
    return MapChanges(
        stamp_ns=table.stamp_ns,
        ids=_read_ids(rows),
        kinds=tuple(KINDS[kind] for kind in rows['kind']),
        classes=rows['class'].copy(),
        positions_m=np.stack([_finite(rows, axis) for axis in 'xyz'], axis=-1),
        log_odds=_finite(rows, 'log_odds'),
        probabilities=_finite(rows, 'probability'),
        traversals=rows['traversals'].astype(np.int64),
        frames=rows['frames'].astype(np.int64),
    )


def write_marks(stamp_ns: int, columns: Mapping[str, np.ndarray]) -> bytes:
    """Write what the planner made of each candidate: the columns of topics.MARKS and one more a gate or term."""
    fixed = _names(MARKS)
    if missing := [name for name in fixed if name not in columns]:
        raise ValueError(f'marks lack the columns {missing}')
    more = [name for name in columns if name not in fixed]
    rows = _rows(MARKS, len(columns[fixed[0]]), more)
    for name in [*fixed, *more]:
        rows[name] = columns[name]
    return write_points(stamp_ns, MARKS.frame, rows)


def read_marks(data: bytes) -> tuple[int, dict[str, np.ndarray]]:
    """Read what the planner made of each candidate: the stamp and the columns, those of topics.MARKS first."""
    table = _read(MARKS, data)
    return table.stamp_ns, {name: table.rows[name].copy() for name in table.rows.dtype.names or ()}


def _names(topic: Topic) -> list[str]:
    return [name for name, _, _ in (column.partition(':') for column in topic.fields) if name != MORE]


def _row(columns: Sequence[str], more: Sequence[str] = ()) -> np.dtype:
    """Return the type of a row from `name:type` texts; each value lies at a multiple of its size."""
    parts = [column.partition(':') for column in columns]
    kinds = {name: f'<{kind}' for name, _, kind in parts}
    kind_of_more = kinds.pop(MORE, '<f4')
    return np.dtype([*kinds.items(), *((name, kind_of_more) for name in more)], align=True)


def _rows(topic: Topic, count: int, more: Sequence[str] = ()) -> np.ndarray:
    return np.zeros(count, _row(topic.fields, more))


def _read(topic: Topic, data: bytes) -> Points:
    """Read a table; raises DataError unless it has the columns and the frame of its topic."""
    table = read_points(data)
    if table.frame != topic.frame:
        raise DataError(f'{topic.name} is in frame {table.frame!r}, expected {topic.frame!r}')
    have = table.rows.dtype
    want = _row(topic.fields)
    there = have.names or ()
    names = [name for name in want.names or () if name in there or name not in LATER]
    wrong = [name for name in names if name not in there or have[name] != want[name]]
    if wrong or any(have[name].shape for name in have.names or ()):
        columns = [f'{name}:{have[name].str[1:]}' for name in have.names or ()]
        raise DataError(f'{topic.name} has columns {columns}, expected {list(topic.fields)}')
    return table


def _finite(rows: np.ndarray, name: str) -> np.ndarray:
    """Return a column as float64."""
    values = rows[name].astype(float)
    if not np.isfinite(values).all():
        raise DataError(f'column {name!r} holds a value that is not finite')
    return values


def _check_counting(name: str, have: np.ndarray, want: np.ndarray) -> None:
    if not np.array_equal(have, want):
        raise DataError(f'column {name!r} does not count the rows')


def _write_ids(rows: np.ndarray, ids: np.ndarray, name: str = 'id') -> None:
    """Write 64-bit ids as two halves, since PointField has no 64-bit integers in every distribution."""
    whole = np.asarray(ids, np.int64).view(np.uint64)
    rows[f'{name}_low'], rows[f'{name}_high'] = whole & np.uint64(0xFFFFFFFF), whole >> np.uint64(32)


def _read_ids(rows: np.ndarray, name: str = 'id') -> np.ndarray:
    low, high = (rows[f'{name}_{part}'].astype(np.uint64) for part in ('low', 'high'))
    return (low | high << np.uint64(32)).view(np.int64)
