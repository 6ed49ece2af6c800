"""The planner's table of marks as a report shows it: the best candidates with their gates and terms."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autonomy_nodes.common.types import Decision
from autonomy_nodes.messages.topics import MARKS

MOST_ROWS, MOST_VETOED = 8, 4
MOST_ENDS = 300
GATE = 'gate_'  # how the columns of gates begin; what is neither a gate nor fixed is a term
FIXED = tuple(field.partition(':')[0] for field in MARKS.fields)


def marks_rows(columns: Mapping[str, np.ndarray], decision: Decision | None) -> dict[str, Any]:
    """Return the chosen candidate, the best others, and the best of those with a veto, as the page takes them.

    Each has id, kind, score, gates and terms; None where something was not judged.
    """
    score = np.nan_to_num(columns['score'].astype(float), nan=-1.0)
    order = np.argsort(-score, kind='stable')
    chosen = chosen_row(columns, order, decision)
    more = [name for name in columns if name not in FIXED]
    gates, terms = [[n for n in more if n.startswith(GATE) == gate] for gate in (True, False)]
    open_ = np.all([columns[name] > 0.0 for name in gates], axis=0) if gates else np.ones(len(score), bool)
    worth = np.nan_to_num(np.mean([columns[name] for name in terms], axis=0)) if terms else score
    best = [row for row in order.tolist() if open_[row] and row != chosen][: MOST_ROWS - 1]
    vetoed = [row for row in np.argsort(-worth, kind='stable').tolist() if not open_[row] and row != chosen]
    shown = [chosen, *best, *vetoed[:MOST_VETOED]] if len(order) else []

    def values(names: list[str], row: int) -> list[float | None]:
        return [_rounded(columns[name][row]) for name in names]

    return {
        'count': len(score),
        'gates': [name.removeprefix(GATE) for name in gates],
        'terms': terms,
        'rows': [
            {
                'id': int(columns['candidate'][row]), 'kind': str(columns['kind'][row]), 'chosen': row == chosen,
                'score': _rounded(columns['score'][row]), 'gates': values(gates, row), 'terms': values(terms, row),
            }
            for row in shown
        ],
    }  # fmt: skip


def chosen_row(columns: Mapping[str, np.ndarray], order: np.ndarray, decision: Decision | None) -> int:
    """Return the row of the chosen candidate: the one that the decision names by its number, else the best score."""
    told = '' if decision is None else decision.values.get('candidate', '')
    if told.isdigit() and len(rows := np.flatnonzero(columns['candidate'] == int(told))):
        return int(rows[0])
    return int(order[0]) if len(order) else -1


def ends(columns: Mapping[str, np.ndarray], origin: np.ndarray) -> list[int]:
    """Return x, y, x, y, ... [cm] of where candidates end, at most MOST_ENDS of them evenly chosen."""
    stride = -(-len(columns['x']) // MOST_ENDS) or 1
    xy = np.column_stack([columns['x'], columns['y']])[::stride].astype(float) - origin
    return np.rint(100 * xy[np.isfinite(xy).all(axis=1)]).astype(int).ravel().tolist()


def _rounded(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
