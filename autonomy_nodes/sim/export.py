"""The lane map of a world as a Lanelet2 file, for the stack's map node."""

from pathlib import Path

import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.lanelet2_osm import write_osm
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.mapping.projection import Projection
from autonomy_nodes.sim.scenes import made
from autonomy_nodes.sim.world import LaneMap, World

_TAGS = {
    Line.UNKNOWN: ('virtual', ''),
    Line.CENTERLINE: ('virtual', ''),
    Line.DIVIDER: ('line_thin', 'dashed'),
    Line.SOLID: ('line_thin', 'solid'),
    Line.BOUNDARY: ('road_border', ''),
    Line.STOP_LINE: ('stop_line', ''),
    Line.CROSSWALK: ('pedestrian_marking', ''),
}


def road_map_of(world: World) -> tuple[RoadMap, dict[int, int]]:
    """Return the map, and the id of the rule that stands for each signal: {signal: regulatory element}.

    Raises ValueError where the world has no lanes.
    """
    lanes = world.lanes
    if lanes is None:
        raise ValueError(f'a world of family {world.family!r} has no lanes, so it has no map')
    latitude, longitude, _ = world.origin_llh
    draft = Draft(Projection(latitude, longitude))
    lines = {number: draft.line(border.points, *_TAGS[border.kind]) for number, border in lanes.borders.items()}
    rules = {number: _light(draft, lanes, number, lines) for number in lanes.signals}
    for lane in lanes.lanes.values():
        tags = {'turn_direction': lane.turn} if lane.turn else {}
        rule = (rules[lane.signal],) if lane.signal else ()
        draft.lanelet(lines[lane.left], lines[lane.right], lane.speed_limit_mps * 3.6, rules=rule, **tags)
    for crossing in lanes.crossings:
        draft.lanelet(lines[crossing.left], lines[crossing.right], subtype='crosswalk')
    return draft.finished(), rules


def _light(draft: Draft, lanes: LaneMap, number: int, lines: dict[int, int]) -> int:
    """Add a traffic light with the stop lines of the lanes that it controls."""
    heads = []
    for x, y, z in lanes.signals[number].heads:
        heads.append(
            draft.line(np.array([(x, y, z), (x + 0.3, y, z)]), 'traffic_light', 'red_yellow_green', height='0.9')
        )
    stops = [lines[lane.stop_line] for lane in lanes.lanes.values() if lane.signal == number and lane.stop_line]
    return draft.rule('traffic_light', heads, list(dict.fromkeys(stops)))


def export_map(family: str, seed: int, path: Path | str) -> bool:
    """Write the map of a scenario; False, and no file, where the family has no lanes."""
    world = made(family, seed)
    if world.lanes is None:
        return False
    write_osm(road_map_of(world)[0], path)
    return True
