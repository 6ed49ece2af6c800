"""A lane map as it was drawn: points, lines, lanelets, rules. Everything of the file is kept, known or not.

Coordinates are those of the frame map: x y z in metres. The layout is that of Lanelet2 (Poggenhans et al. 2018).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.mapping.polylines import middle, oriented, resampled
from autonomy_nodes.mapping.projection import Projection

CENTERLINE_STEP_M = 1.0
DRAWN_END_M = 2.0  # a drawn centerline that ends farther from the lane's middle is not believed
ROADS = {'', 'road', 'highway', 'play_street', 'private', 'bus_lane', 'emergency_lane', 'exit'}  # '': road by default
SPEED_UNITS = {'': 1 / 3.6, 'km/h': 1 / 3.6, 'kmh': 1 / 3.6, 'kph': 1 / 3.6, 'mph': 0.44704, 'm/s': 1.0, 'mps': 1.0}


@dataclass(frozen=True)
class Member:
    """One entry of a relation. kind: 'node', 'way' or 'relation'."""

    kind: str
    ref: int
    role: str


@dataclass(frozen=True)
class Relation:
    """A relation of the file as it stands there: a rule, an area, or what no reader knows."""

    id: int
    members: tuple[Member, ...]
    tags: Mapping[str, str]

    @property
    def subtype(self) -> str:
        """What kind of rule or area: 'traffic_light', 'right_of_way', ... or ''."""
        return self.tags.get('subtype', '')

    def refs(self, role: str, kind: str = 'way') -> tuple[int, ...]:
        """Return the ids of its members of this role and kind, in order."""
        return tuple(member.ref for member in self.members if member.role == role and member.kind == kind)


@dataclass(frozen=True, eq=False)
class MapLine:
    """A line: a border, a mark, a stop line, a light. node_ids: (N,) int64; points: (N, 3); N is 1 or more."""

    id: int
    node_ids: np.ndarray
    points: np.ndarray
    tags: Mapping[str, str]

    @property
    def type(self) -> str:
        """'line_thin', 'curbstone', 'stop_line', ... or ''."""
        return self.tags.get('type', '')

    @property
    def subtype(self) -> str:
        """'solid', 'dashed', ... or ''."""
        return self.tags.get('subtype', '')


@dataclass(frozen=True, eq=False)
class Lanelet:
    """A piece of lane between two lines.

    left, right: (N, 3) and (M, 3), both in the direction of travel; left_ends, right_ends: (2,) ids of their first
    and last node. centerline: (C, 3) about 1 m apart. left_turned: the line of that side is stored the other way.
    """

    relation: Relation
    left_id: int
    right_id: int
    left: np.ndarray
    right: np.ndarray
    left_turned: bool
    right_turned: bool
    centerline: np.ndarray

    @property
    def id(self) -> int:
        """Id of the lanelet; lines have ids of their own, which may be the same numbers."""
        return self.relation.id

    @property
    def rules(self) -> tuple[int, ...]:
        """Ids of the regulatory elements that hold here."""
        return self.relation.refs('regulatory_element', 'relation')

    @property
    def for_vehicles(self) -> bool:
        """Whether a motor vehicle may drive here."""
        told = self.relation.tags.get('participant:vehicle', self.relation.tags.get('participant:vehicle:car'))
        return self.relation.subtype in ROADS if told is None else told == 'yes'

    @property
    def one_way(self) -> bool:
        """Whether traffic runs only from start to end; lanes for vehicles do unless the map says otherwise."""
        return self.relation.tags.get('one_way', 'yes' if self.for_vehicles else 'no') == 'yes'

    @property
    def turn_direction(self) -> str:
        """'left', 'straight', 'right', or '' outside of crossings."""
        return self.relation.tags.get('turn_direction', '')


@dataclass(frozen=True, eq=False)
class RoadMap:
    """A whole map.

    node_ids: (P,) int64; node_points: (P, 3) in map; latlon: (P, 2) degrees as the file tells, NaN where it does not.
    node_tags: {node id: tags that are not coordinates}. rules: regulatory elements of any kind; areas: multipolygons;
    others: relations of kinds unknown here. digest: of the file's bytes, '' for a map that was never a file.
    """

    node_ids: np.ndarray
    node_points: np.ndarray
    latlon: np.ndarray
    lines: Mapping[int, MapLine]
    lanelets: Mapping[int, Lanelet]
    rules: Mapping[int, Relation] = field(default_factory=dict)
    areas: Mapping[int, Relation] = field(default_factory=dict)
    others: Mapping[int, Relation] = field(default_factory=dict)
    node_tags: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    projection: Projection = field(default_factory=Projection)
    digest: str = ''

    @property
    def is_flat(self) -> bool:
        """Whether the map tells no heights at all: every z is 0."""
        return not self.node_points[:, 2].any()

    def speed_limit_mps(self, lanelet: Lanelet) -> float:
        """Return the limit that the lanelet, or a speed limit rule on it, tells; NaN where neither does."""
        rules = [self.rules[id_] for id_ in lanelet.rules if id_ in self.rules]
        texts = [lanelet.relation.tags.get('speed_limit', '')]
        texts += [rule.tags.get('sign_type', '') for rule in rules if rule.subtype == 'speed_limit']
        return next((speed for text in texts if np.isfinite(speed := speed_of(text))), float('nan'))


def speed_of(text: str) -> float:
    """Return m/s of '30' (km/h), '10 km/h', '25 mph', '8.3 m/s'; NaN of anything else."""
    number = text.strip().rstrip('abcdefghijklmnopqrstuvwxyz/ ')
    unit = text.strip()[len(number) :].strip()
    try:
        speed = float(number) * SPEED_UNITS.get(unit, float('nan'))
    except ValueError:
        return float('nan')
    return speed if speed > 0.0 else float('nan')


def lanelet_of(relation: Relation, lines: Mapping[int, MapLine]) -> Lanelet:
    """Return the lanelet of a relation; raises DataError where a side is missing or is no line."""
    sides = []
    for role in ('left', 'right'):
        refs = relation.refs(role)
        if len(refs) != 1:
            raise DataError(f'lanelet {relation.id} has {len(refs)} lines as its {role} side; give exactly one')
        if refs[0] not in lines or len(lines[refs[0]].points) < 2:
            raise DataError(f'lanelet {relation.id}: its {role} side, line {refs[0]}, is missing or has one point only')
        sides.append(lines[refs[0]])
    left_turned, right_turned = oriented(sides[0].points, sides[1].points)
    left, right = (
        side.points[::-1] if turned else side.points for side, turned in zip(sides, (left_turned, right_turned))
    )
    return Lanelet(
        relation, sides[0].id, sides[1].id, left, right, left_turned, right_turned,
        _centerline(relation, lines, left, right),
    )  # fmt: skip


def _centerline(relation: Relation, lines: Mapping[int, MapLine], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the line to follow: the drawn one where the map has one that runs from end to end, else the middle."""
    centre = middle(left, right, CENTERLINE_STEP_M)
    for ref in relation.refs('centerline'):
        drawn = lines[ref].points if ref in lines else centre
        if len(drawn) > 1:
            forward = np.linalg.norm(drawn[[0, -1], :2] - centre[[0, -1], :2], axis=1)
            backward = np.linalg.norm(drawn[[-1, 0], :2] - centre[[0, -1], :2], axis=1)
            if min(forward.max(), backward.max()) < DRAWN_END_M:
                drawn = drawn if forward.sum() <= backward.sum() else drawn[::-1]
                return resampled(drawn, CENTERLINE_STEP_M)
    return centre
