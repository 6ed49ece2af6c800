"""What rules say at stop lines: which light controls a line, where a sign stands, where to give way.

Kinds of regulatory elements and of signs are those of Lanelet2 (Poggenhans et al. 2018) and of Autoware's maps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.lanes import Line, Rule
from autonomy_nodes.mapping.model import Lanelet, Relation, RoadMap

LIGHTS = {'traffic_light', 'virtual_traffic_light'}
PRIORITIES = {'right_of_way', 'crosswalk'}
YIELD_SIGNS = {'de205', 'usR1-2', 'yield', 'yield_sign', 'give_way'}


@dataclass(frozen=True, eq=False)
class LineRules:
    """lines: {stop line: (rule, regulatory element)}. lanes: {lanelet: the light that controls it, if it is one alone}.

    places: (regulatory element, (2 or more, 3) points in map) where a light stops us and no line is left to tell it: it
    names none, or a line that another light has.
    """

    lines: Mapping[int, tuple[Rule, int]]
    lanes: Mapping[int, int]
    places: tuple[tuple[int, np.ndarray], ...]

    def at(self, class_: int, id_: int) -> tuple[Rule, int]:
        """Return the rule, and its id or 0, for a line of a class."""
        if class_ == Line.STOP_PLACE:
            return Rule.LIGHT, id_
        if class_ == Line.STOP_LINE:
            return self.lines.get(id_, (Rule.NONE, 0))
        light = self.lanes.get(id_, 0) if class_ == Line.CENTERLINE else 0
        return (Rule.LIGHT, light) if light else (Rule.NONE, 0)


def rules_of(road_map: RoadMap) -> LineRules:
    """Return what the rules of a map say at its stop lines; those that only pedestrians obey do not count."""
    lanes = [lane for lane in road_map.lanelets.values() if lane.for_vehicles]
    ours = {id_ for lane in lanes for id_ in lane.rules}
    others = {id_ for lane in road_map.lanelets.values() for id_ in lane.rules} - ours
    told: dict[int, list[tuple[Rule, int]]] = {}
    for rule in road_map.rules.values():
        for line in _lines_of(rule, road_map):
            if rule.id not in others:
                told.setdefault(line, []).append((_kind(rule, road_map), rule.id))
    places = [place for lane in lanes for place in _without_line(lane, road_map)]
    lines = {}
    for line, found in told.items():
        found.sort(key=lambda each: (-each[0], each[1]))
        lines[line] = found[0]
        more = [id_ for kind, id_ in found[1:] if kind == Rule.LIGHT]
        places += [(id_, road_map.lines[line].points) for id_ in more]
    return LineRules(lines, _lights(lanes, road_map), tuple(places))


def _kind(rule: Relation, road_map: RoadMap) -> Rule:
    """Return what a rule with a line wants there; what is not known here wants a stop."""
    if rule.subtype in LIGHTS:
        return Rule.LIGHT
    if rule.subtype in PRIORITIES:
        return Rule.GIVE_WAY
    signs = {road_map.lines[ref].subtype for ref in rule.refs('refers') if ref in road_map.lines}
    signs.add(rule.tags.get('sign_type', ''))
    return Rule.GIVE_WAY if signs & YIELD_SIGNS else Rule.STOP


def _lines_of(rule: Relation, road_map: RoadMap) -> list[int]:
    """Return the lines at which a rule holds."""
    return [ref for ref in rule.refs('ref_line') if ref in road_map.lines and len(road_map.lines[ref].points) > 1]


def _lights(lanes: list[Lanelet], road_map: RoadMap) -> dict[int, int]:
    """Return {lanelet: its light} of those with one light alone."""
    found = {}
    for lane in lanes:
        lights = {id_ for id_ in lane.rules if id_ in road_map.rules and road_map.rules[id_].subtype in LIGHTS}
        if len(lights) == 1:
            found[lane.id] = lights.pop()
    return found


def _without_line(lane: Lanelet, road_map: RoadMap) -> list[tuple[int, np.ndarray]]:
    """Return where the lights of a lane stop us that name no line: where the crossing begins."""
    end = 0 if lane.turn_direction else -1
    across = np.stack([lane.left[end], lane.right[end]])
    rules = [road_map.rules[id_] for id_ in lane.rules if id_ in road_map.rules]
    return [(rule.id, across) for rule in rules if rule.subtype in LIGHTS and not _lines_of(rule, road_map)]
