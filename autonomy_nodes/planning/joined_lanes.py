"""Lanes one after another as one line: with a lane change where they lie side by side, straight on where they part."""

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.lanes import LanePieces, Line

BLEND_M = 24.0  # length over which a route changes lanes
JOIN_M = 3.0  # lanes that follow one another meet within this


def joined(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return points with a lanelet's line after them; one that lies beside is reached by a lane change."""
    if len(points) < 2:
        return line
    if np.linalg.norm(line[0] - points[-1]) < JOIN_M:
        return np.concatenate([points, line[1:]])
    along = points[-1] - points[-2]
    along = along / np.linalg.norm(along)
    kept = points[(points - points[-1]) @ along < -BLEND_M / 2.0]
    ahead = line[(line - points[-1]) @ along > BLEND_M / 2.0]
    if len(kept) < 2 or len(ahead) < 2:
        return points
    return np.concatenate([kept, ahead])


def followed(points: np.ndarray, used: list[int], pieces: LanePieces) -> tuple[np.ndarray, list[int]]:
    """Return the lane continued by the straightest lanelet that begins where it ends, again and again."""
    ids = [int(id_) for id_ in dict.fromkeys(pieces.ids[pieces.classes == Line.CENTERLINE].tolist())]
    lines = {id_: line for id_ in ids if len(line := pieces.line(Line.CENTERLINE, id_)) > 1}
    while True:
        end, heading = points[-1], _direction(points[-2:])
        turns = {
            id_: abs(float(wrapped(_direction(line[:2]) - heading)))
            for id_, line in lines.items()
            if id_ not in used and np.linalg.norm(line[0] - end) < JOIN_M / 2.0
        }
        best = min(turns, key=lambda id_: turns[id_], default=None)
        if best is None or turns[best] > 0.8:
            return points, used
        points, used = joined(points, lines[best]), [*used, best]


def _direction(two: np.ndarray) -> float:
    return float(np.arctan2(two[1, 1] - two[0, 1], two[1, 0] - two[0, 0]))
