"""Drawing a lane map line by line: for simulated worlds, for tests, for what reconstruction finds."""

from collections.abc import Sequence

import numpy as np

from autonomy_nodes.mapping.model import MapLine, Member, Relation, RoadMap, lanelet_of
from autonomy_nodes.mapping.projection import Projection

SHARED_M = 1e-3  # ends nearer than this are one node, which is how lanelets connect


class Draft:
    """Collects lines, lanelets and rules; gives ids from 1 in the order of the calls, nodes after them."""

    def __init__(self, projection: Projection | None = None) -> None:
        self.projection = projection or Projection()
        self._next_id = 1
        self._lines: dict[int, tuple[np.ndarray, dict[str, str]]] = {}
        self._lanelets: dict[int, Relation] = {}
        self._rules: dict[int, Relation] = {}

    def line(self, points: np.ndarray, type_: str, subtype: str = '', **tags: str) -> int:
        """Add a line of (N, 2 or 3) points, such as 'line_thin' 'dashed', 'road_border', 'stop_line'; return its id."""
        points = np.asarray(points, float)
        heights = points[:, 2:3] if points.shape[1] > 2 else np.zeros((len(points), 1))
        told = {'type': type_, 'subtype': subtype} if subtype else {'type': type_}
        return self._added(self._lines, (np.hstack([points[:, :2], heights]), {**told, **tags}))

    def lanelet(
        self, left: int, right: int, speed_limit_kmh: float | None = None, subtype: str = 'road',
        rules: Sequence[int] = (), **tags: str,
    ) -> int:  # fmt: skip
        """Add a lanelet between two lines; return its id. tags: turn_direction, one_way, ..."""
        members = [Member('way', left, 'left'), Member('way', right, 'right')]
        members += [Member('relation', rule, 'regulatory_element') for rule in rules]
        told = {'type': 'lanelet', 'subtype': subtype, **tags}
        if speed_limit_kmh is not None:
            told['speed_limit'] = f'{speed_limit_kmh:g}'
        return self._added(self._lanelets, Relation(self._next_id, tuple(members), told))

    def rule(self, subtype: str, refers: Sequence[int] = (), ref_line: Sequence[int] = (), **tags: str) -> int:
        """Add a regulatory element on lines, such as a 'traffic_light' with its stop line; return its id."""
        members = [Member('way', id_, 'refers') for id_ in refers]
        members += [Member('way', id_, 'ref_line') for id_ in ref_line]
        told = {'type': 'regulatory_element', 'subtype': subtype, **tags}
        return self._added(self._rules, Relation(self._next_id, tuple(members), told))

    def finished(self) -> RoadMap:
        """Return the map."""
        nodes: dict[tuple[int, ...], int] = {}
        places, lines = [], {}
        for id_, (points, tags) in self._lines.items():
            refs = []
            for point, key in zip(points, np.round(points / SHARED_M).astype(np.int64).tolist()):
                if tuple(key) not in nodes:
                    nodes[tuple(key)] = self._next_id + len(nodes)
                    places.append(point)
                refs.append(nodes[tuple(key)])
            lines[id_] = MapLine(id_, np.array(refs, np.int64), points, tags)
        points = np.array(places).reshape(-1, 3)
        latlon = np.full((len(points), 2), np.nan)
        if self.projection.latitude_deg is not None:
            latlon = self.projection.inverse(points[:, :2])
        lanelets = {id_: lanelet_of(relation, lines) for id_, relation in self._lanelets.items()}
        return RoadMap(
            np.array(list(nodes.values()), np.int64), points, latlon, lines, lanelets, dict(self._rules),
            projection=self.projection,
        )  # fmt: skip

    def _added(self, group: dict, entry: object) -> int:
        id_ = self._next_id
        group[id_] = entry
        self._next_id += 1
        return id_
