"""Lanelet2 maps as OSM XML, with Autoware's additions, in and out.

Coordinates: Autoware's tags local_x, local_y, ele where the nodes have them (latitude and longitude may then all be
zero: such a map read by latitude has no extent), else latitude and longitude around an origin. Format: the docs of
Lanelet2 (docs/LaneletAndAreaTagging.md) and of autoware_lanelet2_extension.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.mapping.model import MapLine, Member, Relation, RoadMap, lanelet_of
from autonomy_nodes.mapping.projection import Projection

LOCAL = ('local_x', 'local_y')
SMALLEST_EXTENT_M = 0.5
REMEDY = 'export it with local_x and local_y, or with latitude and longitude'
EMPTY_DEGREES = ('', '0', '0.0')


def read_osm(path: Path | str, origin_deg: tuple[float, ...] = ()) -> RoadMap:
    """Return the map of a Lanelet2 file.

    origin_deg: latitude and longitude of x = y = 0, for maps without local_x; empty: the map's first node.
    Raises DataError naming the file, what is wrong and what would help.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}); give the path of a Lanelet2 .osm file') from error
    try:
        return _Reader(data).road_map(origin_deg)
    except (DataError, ElementTree.ParseError) as error:
        raise DataError(f'{path}: {error}') from error


class _Reader:
    """Collects the elements of one file, then puts them together."""

    def __init__(self, data: bytes) -> None:
        self.digest = hashlib.sha256(data).hexdigest()[:16]
        self.nodes: dict[int, tuple[dict[str, str], str, str]] = {}  # id: tags, latitude, longitude
        self.ways: dict[int, tuple[list[int], dict[str, str]]] = {}
        self.relations: dict[int, Relation] = {}
        for element in _elements(data):
            if element.get('action') == 'delete':  # JOSM keeps what it deleted
                continue
            id_ = _integer(element, 'id')
            tags = {tag.get('k', ''): tag.get('v', '') for tag in element.iter('tag')}
            if element.tag == 'node':
                self.nodes[id_] = tags, element.get('lat', ''), element.get('lon', '')
            elif element.tag == 'way':
                self.ways[id_] = [_integer(nd, 'ref') for nd in element.iter('nd')], tags
            else:
                listed = element.iter('member')
                members = (Member(m.get('type', ''), _integer(m, 'ref'), m.get('role', '')) for m in listed)
                self.relations[id_] = Relation(id_, tuple(members), tags)

    def road_map(self, origin_deg: tuple[float, ...]) -> RoadMap:
        """Return the map, complete."""
        kinds: dict[str, dict[int, Relation]] = {'lanelet': {}, 'regulatory_element': {}, 'multipolygon': {}, '': {}}
        for id_, relation in self.relations.items():
            kind = relation.tags.get('type', '')
            kinds[kind if kind in kinds else ''][id_] = relation
        if not kinds['lanelet']:
            raise DataError('holds no lanelets; it is a plain OpenStreetMap extract or empty, give a Lanelet2 map')
        points, latlon, projection = self._places(origin_deg)
        row = {id_: index for index, id_ in enumerate(self.nodes)}
        lines = {}
        for id_, (refs, tags) in self.ways.items():
            if missing := [ref for ref in refs if ref not in row]:
                raise DataError(f'line {id_} refers to node {missing[0]}, which is missing; export the map whole')
            lines[id_] = MapLine(id_, np.array(refs, np.int64), points[[row[ref] for ref in refs]].reshape(-1, 3), tags)
        return RoadMap(
            np.array(list(self.nodes), np.int64), points, latlon, lines,
            {id_: lanelet_of(relation, lines) for id_, relation in kinds['lanelet'].items()},
            kinds['regulatory_element'], kinds['multipolygon'], kinds[''],
            {id_: left for id_, (tags, _, _) in self.nodes.items() if (left := _own(tags))}, projection, self.digest,
        )  # fmt: skip

    def _places(self, origin_deg: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, Projection]:
        """Return (P, 3) points in map, (P, 2) latitude and longitude or NaN, and what connects them."""
        used = {ref for refs, _ in self.ways.values() for ref in refs if ref in self.nodes}
        local = {id_ for id_ in used if all(self.nodes[id_][0].get(key) for key in LOCAL)}
        latlon = np.array([_degrees(id_, lat, lon) for id_, (_, lat, lon) in self.nodes.items()]).reshape(-1, 2)
        heights = [_number(id_, 'ele', tags.get('ele') or '0') for id_, (tags, _, _) in self.nodes.items()]
        if local:
            if bare := sorted(used - local):
                some = f'{len(bare)} of {len(used)} nodes, such as {bare[0]},'
                raise DataError(f'{some} lack local_x or local_y; give all or none')
            told = [[tags.get(key) or 'nan' for key in LOCAL] for tags, _, _ in self.nodes.values()]
            xy = np.array(
                [[_number(id_, 'local_x', x), _number(id_, 'local_y', y)] for id_, (x, y) in zip(self.nodes, told)]
            )
            return self._checked(np.column_stack([xy, heights]), used), latlon, Projection()
        known = np.isfinite(latlon).all(axis=1)
        if not known.any():
            raise DataError(f'nodes have neither local_x and local_y nor latitude and longitude; {REMEDY}')
        projection = Projection(*map(float, origin_deg or latlon[known][0]))
        xy = np.full((len(latlon), 2), np.nan)
        xy[known] = projection.forward(latlon[known])
        return self._checked(np.column_stack([xy, heights]), used), latlon, projection

    def _checked(self, points: np.ndarray, used: set[int]) -> np.ndarray:
        """Return the points; those that a line uses must be known, and must not lie all in one place."""
        rows = np.array([id_ in used for id_ in self.nodes], bool)
        if not np.isfinite(points[rows]).all():
            lost = [id_ for id_, bad in zip(self.nodes, rows & ~np.isfinite(points).all(axis=1)) if bad]
            raise DataError(f'{len(lost)} nodes, such as {lost[0]}, have no place; {REMEDY}')
        if not rows.any() or np.ptp(points[rows, :2], axis=0).max() < SMALLEST_EXTENT_M:
            raise DataError(f'all points lie in one place; {REMEDY}')
        return points


def _elements(data: bytes) -> Iterator[ElementTree.Element]:
    """Yield nodes, ways and relations; memory stays that of one element."""
    if b'<!DOCTYPE' in data[:4096]:
        raise DataError('declares a document type, which no map needs; remove it')
    data = re.sub(rb'<!--.*?-->', b'', data, flags=re.DOTALL)  # some carry comments that XML does not allow
    root = None
    for event, element in ElementTree.iterparse(BytesIO(data), events=('start', 'end')):
        if root is None:
            root = element
            if root.tag != 'osm':
                raise DataError(f'is <{root.tag}>, not <osm>; give a Lanelet2 .osm file')
        if event == 'end' and element.tag in ('node', 'way', 'relation'):
            yield element
            root.clear()


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key not in (*LOCAL, 'ele')}


def _integer(element: ElementTree.Element, key: str) -> int:
    try:
        return int(np.int64(int(element.get(key, ''))))  # ids travel as 64 bits
    except (ValueError, OverflowError) as error:
        raise DataError(f'a <{element.tag}> has {key}={element.get(key)!r}, expected a whole number') from error


def _number(id_: int, key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f'node {id_} has {key}={text!r}, expected a number') from error


def _degrees(id_: int, latitude: str, longitude: str) -> tuple[float, float]:
    """Return degrees; NaN where the node tells none (empty, or 0 0 as Autoware's tools write it)."""
    if latitude in EMPTY_DEGREES and longitude in EMPTY_DEGREES:
        return float('nan'), float('nan')
    return _number(id_, 'lat', latitude or 'nan'), _number(id_, 'lon', longitude or 'nan')


def write_osm(road_map: RoadMap, path: Path | str) -> None:
    """Write a map so that `read_osm` gives it again, within 0.1 mm; the same map gives the same bytes."""
    rows = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6" generator="autonomy_nodes">']
    latlon = road_map.latlon
    if road_map.projection.latitude_deg is not None:
        latlon = road_map.projection.inverse(road_map.node_points[:, :2])
    for id_, (x, y, z), (lat, lon) in zip(road_map.node_ids.tolist(), road_map.node_points, latlon):
        place = f'lat="{lat:.11f}" lon="{lon:.11f}"' if np.isfinite(lat) else 'lat="" lon=""'
        rows += [f'  <node id="{id_}" {place}>']
        here = {'local_x': f'{x:.4f}', 'local_y': f'{y:.4f}', 'ele': f'{z:.4f}'} if np.isfinite(x) else {}
        rows += [*_tag_rows({**road_map.node_tags.get(id_, {}), **here}), '  </node>']
    for line in road_map.lines.values():
        rows += [f'  <way id="{line.id}">', *(f'    <nd ref="{ref}"/>' for ref in line.node_ids.tolist())]
        rows += [*_tag_rows(line.tags), '  </way>']
    lanelets = {id_: lanelet.relation for id_, lanelet in road_map.lanelets.items()}
    for group in (lanelets, road_map.areas, road_map.rules, road_map.others):
        for relation in group.values():
            rows += [f'  <relation id="{relation.id}">']
            rows += [f'    <member type="{m.kind}" ref="{m.ref}" role={quoteattr(m.role)}/>' for m in relation.members]
            rows += [*_tag_rows(relation.tags), '  </relation>']
    Path(path).write_text('\n'.join([*rows, '</osm>', '']), encoding='utf-8')


def _tag_rows(tags: Mapping[str, str]) -> list[str]:
    return [f'    <tag k={quoteattr(key)} v={quoteattr(value)}/>' for key, value in tags.items()]
