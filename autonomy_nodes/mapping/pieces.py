"""A map cut into pieces of 20 points, found by place: what a look-up hands out is cut once, when the map is read."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.lanes import PIECE_POINTS, Line
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.mapping.polylines import arc_lengths, resampled
from autonomy_nodes.mapping.rules import LineRules, rules_of

STEP_M = 1.0
CELL_M = 32.0
PAINT = {'line_thin', 'line_thick'}
EDGES = {'road_border', 'curbstone', 'wall', 'fence', 'guard_rail', 'jersey_barrier'}
CROSSINGS = {'pedestrian_marking', 'zebra_marking'}
CONFIDENCE = {Line.UNKNOWN: 0.5}  # the border of a lane that nothing marks on the ground


@dataclass(frozen=True, eq=False)
class Pieces:
    """N pieces of a whole map, ordered by class, then by line, then along it.

    points: (N, 20, 3) in map, NaN beyond a piece's end. classes: (N,) uint8. ids: (N,) int64. lengths_m: (N,).
    rules: (N,) uint8 and rule_ids: (N,) int64 as in `LanePieces`.
    starts_m: (N,) where on its line the piece begins. middles: (N, 2).
    cells: cell of `CELL_M` to the rows whose middle lies in it.
    """

    points: np.ndarray
    classes: np.ndarray
    ids: np.ndarray
    lengths_m: np.ndarray
    starts_m: np.ndarray
    middles: np.ndarray
    rules: np.ndarray
    rule_ids: np.ndarray
    cells: dict[tuple[int, int], np.ndarray]

    def __len__(self) -> int:
        return len(self.points)

    def near(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return rows, ascending, of the pieces that can reach into the box from `low` (2,) to `high` (2,) in map."""
        reach = PIECE_POINTS * STEP_M / 2.0
        i0, j0 = np.floor((low - reach) / CELL_M).astype(int).tolist()
        i1, j1 = np.floor((high + reach) / CELL_M).astype(int).tolist()
        found = [self.cells[i, j] for i in range(i0, i1 + 1) for j in range(j0, j1 + 1) if (i, j) in self.cells]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)


def class_of(type_: str, subtype: str) -> Line:
    """Return the class of a line of the map."""
    if type_ in PAINT:
        return Line.DIVIDER if subtype == 'dashed' else Line.SOLID
    if type_ in EDGES:
        return Line.BOUNDARY
    if type_ in CROSSINGS:
        return Line.CROSSWALK
    return Line.STOP_LINE if type_ == 'stop_line' else Line.UNKNOWN


def cut(road_map: RoadMap) -> Pieces:
    """Cut centerlines and lines of a map into pieces."""
    rules = rules_of(road_map)
    rows = [
        (int(class_), id_, start, length, piece)
        for class_, id_, points in _lines(road_map, rules)
        for start, length, piece in pieces_along(points)
    ]
    rows.sort(key=lambda row: row[:3])
    told = [rules.at(class_, id_) for class_, id_, *_ in rows]
    points = np.array([row[4] for row in rows]).reshape(-1, PIECE_POINTS, 3)
    middles = np.nanmean(points[:, :, :2], axis=1) if rows else np.zeros((0, 2))
    keys = np.floor(middles / CELL_M).astype(int).tolist()
    cells: dict[tuple[int, int], list[int]] = {}
    for row, (i, j) in enumerate(keys):
        cells.setdefault((i, j), []).append(row)
    return Pieces(
        points, np.array([row[0] for row in rows], np.uint8), np.array([row[1] for row in rows], np.int64),
        np.array([row[3] for row in rows]), np.array([row[2] for row in rows]), middles,
        np.array([rule for rule, _ in told], np.uint8), np.array([id_ for _, id_ in told], np.int64),
        {key: np.array(found, np.int64) for key, found in cells.items()},
    )  # fmt: skip


def _lines(road_map: RoadMap, rules: LineRules) -> Iterator[tuple[Line, int, np.ndarray]]:
    """Yield class, id and (N, 3) points, in the direction of travel, of all that a vehicle has to know."""
    turned: dict[int, bool] = {}
    crossing: set[int] = set()
    for lanelet in road_map.lanelets.values():
        sides = ((lanelet.left_id, lanelet.left_turned), (lanelet.right_id, lanelet.right_turned))
        if lanelet.for_vehicles:
            yield Line.CENTERLINE, lanelet.id, lanelet.centerline
            for id_, is_turned in sides:
                turned[id_] = turned.get(id_, True) and is_turned
        elif lanelet.relation.subtype == 'crosswalk':
            crossing |= {id_ for id_, _ in sides}
    for line in road_map.lines.values():
        class_ = class_of(line.type, line.subtype)
        if class_ == Line.UNKNOWN and line.id in crossing:
            class_ = Line.CROSSWALK
        if len(line.points) > 1 and (class_ != Line.UNKNOWN or line.id in turned):
            yield class_, line.id, line.points[::-1] if turned.get(line.id, False) else line.points
    for rule_id, points in rules.places:
        yield Line.STOP_PLACE, rule_id, points


def pieces_along(points: np.ndarray) -> Iterator[tuple[float, float, np.ndarray]]:
    """Yield start, length and (20, 3) points of each piece; a piece begins with the point that ends the last."""
    even = resampled(points, STEP_M)
    along = arc_lengths(even)
    for first in range(0, len(even) - 1, PIECE_POINTS - 1):
        part = even[first : first + PIECE_POINTS]
        piece = np.full((PIECE_POINTS, 3), np.nan)
        piece[: len(part)] = part
        yield float(along[first]), float(along[first + len(part) - 1] - along[first]), piece
