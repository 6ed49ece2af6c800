"""One vector scene for prediction and learned behaviour: the same from live values, replays, simulation, recordings.

Every element (agent, piece of a line, cell of terrain) has a frame of its own and is told in it; how elements stand to
one another is told by pairs of frames alone. Nothing depends on where our vehicle is: any agent can be the one that is
asked. Sizes are fixed and neighbours are sought here, so that a network only gathers. What is missing is masked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from operator import attrgetter

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LanePieces, Route, TrafficLights
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.scene_ground import CELLS, LANES, ROUTE, Cells, Lines, cells_of, lines_of, route_of
from autonomy_nodes.common.scene_loops import links, nearest, relations
from autonomy_nodes.common.scene_tracks import AGENTS, Agents, Tracks
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.common.vehicle import Vehicle

NEIGHBOURS = 32
LOOK_S = 4.0  # so long straight on is the way ahead about which the ground matters
GAP_M, BESIDE_M = 1.0, 5.0  # a piece that begins so near to the end of another goes on from there; so far is beside
ENVIRONMENT = ('map', 'terrain', 'lights', 'route')


@dataclass(frozen=True, eq=False)
class Pairs:
    """The K neighbours of each of N elements, the nearest first.

    index: (N, K) int32 rows of the others, 0 where there is none. there: (N, K). relations: (N, K, 6) float32
    `scene_loops.RELATIONS`.
    """

    index: np.ndarray
    there: np.ndarray
    relations: np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """What a network is told at one moment. environment: (4,) float32 ENVIRONMENT, 1 where it is told at all.

    agents_agents, agents_lanes, agents_cells: neighbours of agents among agents, and so on. What not every network
    takes is worked out when it is first asked for.
    """

    stamp_ns: int
    agents: Agents
    lanes: Lines
    route: Lines
    cells: Cells
    environment: np.ndarray
    agents_agents: Pairs
    agents_lanes: Pairs
    agents_cells: Pairs

    @cached_property
    def lanes_lanes(self) -> Pairs:
        """Neighbours of lanes among lanes."""
        return _pairs(self.lanes.frames, self.lanes.there, self.lanes.frames, self.lanes.there, same=True)

    @cached_property
    def lane_links(self) -> np.ndarray:
        """(256, 32, 3) float32: whether each neighbour of a lane follows it, leads to it, runs beside it."""
        lanes, among = self.lanes, self.lanes_lanes
        return links(lanes.starts, lanes.ends, lanes.frames, among.index, among.there, GAP_M, BESIDE_M)

    @cached_property
    def ours_route(self) -> Pairs:
        """(1, 32) pieces of the route as they follow, from our vehicle."""
        return _along(self.agents, self.route)

    def tensors(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Return what a network is fed, by name: 'agents.states', 'agents_lanes.index', ...; no place in odom.

        names: those that are wanted; None for all.
        """
        return {name: attrgetter(name)(self) for name in (TENSORS if names is None else names)}


PAIRS = ('agents_agents', 'agents_lanes', 'agents_cells', 'lanes_lanes', 'ours_route')
FED: dict[str, tuple[str, ...]] = {'agents': ('states', 'told', 'traits', 'there')}
FED |= dict.fromkeys(('lanes', 'route'), ('points', 'told', 'traits', 'there'))
FED |= {'cells': ('values', 'told', 'there')} | dict.fromkeys(PAIRS, tuple(each.name for each in fields(Pairs)))
TENSORS = ('environment', 'lane_links', *(f'{table}.{key}' for table, keys in FED.items() for key in keys))


@dataclass(frozen=True)
class Surroundings:
    """What is told of the ground; each may be missing.

    pieces: in base_link, with odom_from_base (4, 4). terrain: in odom. limits_mps: speed limits by id of a lane.
    """

    odom_from_base: np.ndarray
    pieces: LanePieces | None = None
    terrain: Grid | None = None
    lights: TrafficLights | None = None
    route: Route | None = None
    limits_mps: Mapping[int, float] = field(default_factory=dict)


class SceneBuilder:
    """Hears tracks as they come; makes scenes of them. agents: how many, a size that the network was made for."""

    def __init__(self, vehicle: Vehicle, agents: int = AGENTS) -> None:
        self._vehicle, self._count, self._tracks = vehicle, agents, Tracks()
        self._stamp_ns = 0

    def hear(self, objects: Objects, ego: EgoState | None = None) -> None:
        """Remember tracked objects in odom, and where our vehicle is; a scene is of the last that was heard."""
        self._stamp_ns = objects.stamp_ns
        self._tracks.hear(objects, ego, self._vehicle)

    def scene(self, ground: Surroundings, wanted: np.ndarray | None = None) -> Scene:
        """Return the scene now. wanted: rows of the last objects that must be in it, and come first."""
        agents = self._tracks.agents(wanted, self._count)
        rows = np.flatnonzero(agents.there)
        about = agents.frames[rows], LOOK_S * agents.speeds_mps[rows]
        base, lights = ground.odom_from_base, ground.lights
        lanes = lines_of(ground.pieces, base, lights, ground.limits_mps, about, LANES)
        route = route_of(ground.pieces, base, ground.route.lanelet_ids if ground.route is not None else (), ROUTE)
        cells = cells_of(ground.terrain, lanes, about, CELLS)
        told = [ground.pieces is not None, ground.terrain is not None, lights is not None, ground.route is not None]
        return Scene(
            self._stamp_ns, agents, lanes, route, cells, np.array(told, np.float32),
            _pairs(agents.frames, agents.there, agents.frames, agents.there, same=True),
            _pairs(agents.frames, agents.there, lanes.frames, lanes.there, LOOK_S * agents.speeds_mps),
            _pairs(agents.frames, agents.there, cells.frames, cells.there, LOOK_S * agents.speeds_mps, directed=False),
        )  # fmt: skip


def _pairs(
    frames: np.ndarray, there: np.ndarray, others: np.ndarray, others_there: np.ndarray,
    ahead_m: np.ndarray | None = None, same: bool = False, directed: bool = True,
) -> Pairs:  # fmt: skip
    """Return the neighbours of elements by how far they are from its place, or from its way ahead of (N,) metres."""
    far = np.zeros(len(frames)) if ahead_m is None else ahead_m
    places = np.ascontiguousarray(others[:, :2])
    index, found = nearest(frames, there, far, places, others_there, NEIGHBOURS, same)
    return Pairs(index, found, relations(frames, others, index, found, directed))


def _along(agents: Agents, route: Lines) -> Pairs:
    """Return the pieces of a route as they follow, as our vehicle sees them."""
    index = np.arange(ROUTE, dtype=np.int32)[None]
    there = route.there[None] & (agents.ours >= 0)
    ours = agents.frames[[max(agents.ours, 0)]]
    return Pairs(np.where(there, index, 0).astype(np.int32), there, relations(ours, route.frames, index, there, True))
