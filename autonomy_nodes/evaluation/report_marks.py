"""The planner's table of marks as a report shows it: the best candidates with their gates and terms."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autonomy_nodes.common.types import Decision
from autonomy_nodes.messages.topics import MARKS
from autonomy_nodes.planning.proposals import KINDS

MOST_ROWS, MOST_VETOED = 8, 4
MOST_ENDS = 300
GATE, WHEN, TERM = 'gate_', 'when_', 'term_'  # how columns begin; one with none of these counts as a term
FIXED = tuple(field.partition(':')[0] for field in MARKS.fields)
NEVER_S = 99.0  # what a column of moments holds where a gate is never violated
SAME_M = 0.1


def marks_rows(
    columns: Mapping[str, np.ndarray], decision: Decision | None = None, end: np.ndarray | None = None
) -> dict[str, Any]:
    """Return the chosen candidate, the best others, and the best of those with a veto, as the page takes them.

    end: (2,) where the planned trajectory ends, in odom. Each row has id, kind, score, its gates (1 passes), the
    moments of vetoes [s], and terms; None where something was not judged.
    """
    score = np.nan_to_num(columns['score'].astype(float), nan=-1.0)
    order = np.argsort(-score, kind='stable')
    chosen = chosen_row(columns, order, decision, end)
    gates = [name.removeprefix(GATE) for name in columns if name.startswith(GATE)]
    terms = [name for name in columns if name not in FIXED and not name.startswith((GATE, WHEN))]
    open_ = np.all([columns[GATE + name] > 0.0 for name in gates], axis=0) if gates else np.ones(len(score), bool)
    worth = np.nan_to_num(np.mean([_share(columns[name]) for name in terms], axis=0)) if terms else score
    best = [row for row in order.tolist() if open_[row] and row != chosen][: MOST_ROWS - 1]
    vetoed = [row for row in np.argsort(-worth, kind='stable').tolist() if not open_[row] and row != chosen]
    shown = [chosen, *best, *vetoed[:MOST_VETOED]] if len(order) else []
    return {
        'count': len(score),
        'gates': gates,
        'terms': [name.removeprefix(TERM) for name in terms],
        'rows': [
            {
                'id': int(columns['candidate'][row]), 'kind': _kind(columns['kind'][row]), 'chosen': row == chosen,
                'score': _rounded(columns['score'][row]), 'terms': [_rounded(columns[name][row]) for name in terms],
                'gates': [_rounded(columns[GATE + name][row]) for name in gates],
                'whens': [_moment(columns.get(WHEN + name), row) for name in gates],
            }
            for row in shown
        ],
    }  # fmt: skip


def chosen_row(
    columns: Mapping[str, np.ndarray], order: np.ndarray, decision: Decision | None, end: np.ndarray | None
) -> int:
    """Return the row of the chosen candidate, -1 where there is none.

    It is the one that the decision names by its number, else one that ends where the trajectory ends, else the best.
    """
    told = '' if decision is None else decision.values.get('candidate', '')
    if told.isdigit() and len(rows := np.flatnonzero(columns['candidate'] == int(told))):
        return int(rows[0])
    if end is not None and len(order):
        away_m = np.hypot(columns['x'] - end[0], columns['y'] - end[1])
        near = [row for row in order.tolist() if away_m[row] < SAME_M]
        if near:
            return near[0]
    return int(order[0]) if len(order) else -1


def ends(columns: Mapping[str, np.ndarray], origin: np.ndarray) -> list[int]:
    """Return x, y, x, y, ... [cm] of where candidates end, at most MOST_ENDS of them evenly chosen."""
    stride = -(-len(columns['x']) // MOST_ENDS) or 1
    xy = np.column_stack([columns['x'], columns['y']])[::stride].astype(float) - origin
    return np.rint(100 * xy[np.isfinite(xy).all(axis=1)]).astype(int).ravel().tolist()


def _rounded(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


def _share(values: np.ndarray) -> np.ndarray:
    """Return values as shares of the largest where they are no shares: metres of progress, for example."""
    return values / max(1.0, float(np.nanmax(values, initial=0.0)))


def _kind(number: float) -> str:
    return KINDS[int(number)] if 0 <= int(number) < len(KINDS) else str(int(number))


def _moment(column: np.ndarray | None, row: int) -> float | None:
    return None if column is None or not column[row] < NEVER_S else round(float(column[row]), 1)
