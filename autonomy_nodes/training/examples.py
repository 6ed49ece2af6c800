"""What a network learns from: a sweep, the one before, and all that is true of them, in base_link of the sweep."""

from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.sim.plots.photos import Air, Photo

NO_OBSTACLE = 254  # class of terrain
MASKS = ('objects_asked', 'stands_asked')  # of examples that do not know all; others have none


@dataclass(frozen=True, eq=False)
class Far:
    """What is true of the cells of bev.FAR: ground_m: (X, Y) height, NaN where none is known; obstacle, free: (X, Y).

    obstacle: something stands there, higher than bev.FAR_STANDS_M, that would touch a car. free: one may drive there.
    What is neither is low things, water, holes.
    """

    ground_m: np.ndarray
    obstacle: np.ndarray
    free: np.ndarray


@dataclass(frozen=True, eq=False)
class Lanes:
    """The road about the vehicle. lines: place in bev.LANE_KINDS and (M, 2) x y, of centres in the direction of travel.

    marks: (K, 3) place in bev.LANDMARKS, x y, where it stands.
    """

    lines: tuple[tuple[int, np.ndarray], ...]
    marks: np.ndarray

    def moved(self, matrix: np.ndarray) -> 'Lanes':
        """Return them with each place taken through (2, 2)."""
        lines = tuple((kind, line @ matrix.T) for kind, line in self.lines)
        return Lanes(lines, np.column_stack([self.marks[:, 0], self.marks[:, 1:] @ matrix.T]))


@dataclass(frozen=True, eq=False)
class Chart:
    """The lane map of a place, and where the vehicle is in it: (4, 4) map_from_base."""

    road_map: RoadMap
    map_from_base: np.ndarray


@dataclass(frozen=True, eq=False)
class Example:
    """One sweep with its truth. Cells are those of perception/bev.py at CELL_M.

    points: (N, 4) float32 x y z intensity (0 to 1). before: (M, 4), the sweep 0.1 s earlier, moved into the same
    base_link (empty where there is none). sensor_m: (3,) where the LiDAR sits.
    boxes: (B, 9) middle x y z, length width height, heading, velocity over ground x y. kinds: (B,) place in
    bev.CLASSES. hits: (B,) how many points of the sweep lie on each. shares: (B,) which part of the rays towards it met
    it (1: nothing hides it).
    semantics: (N,) `Semantic` of what each point lies on; bodies: (N,) its row in boxes, -1 for none.
    ground_m: (X, Y) true height of the ground, NaN where none is known. terrain: (X, Y) place in bev.TERRAIN of what
    the cell is of, 255 where not known; what stands on the ground counts before it. top_m: (X, Y) height of the highest
    obstacle up to bev.HIGH_M above the ground, 0 where free. blocked: (X, Y) whether no vehicle may enter: obstacles
    above 0.25 m, moving or not, plants above a bumper (0.35 m), water, holes and ditches.
    Of recordings not all is known. terrain is NO_OBSTACLE where all that is known is that it is none. objects_asked:
    (X, Y) where all objects are among the boxes; None: everywhere. stands_asked: (X, Y) where top_m and blocked are
    known; None: wherever ground_m is. far: of long places alone. photos: what cameras of the vehicle took, in `air`.
    lanes: None where nobody tells of the road. chart: its lane map, as true as it was drawn, which follows no change of
    the example; None where it has none.
    """

    points: np.ndarray
    before: np.ndarray
    sensor_m: np.ndarray
    boxes: np.ndarray
    kinds: np.ndarray
    hits: np.ndarray
    shares: np.ndarray
    semantics: np.ndarray
    bodies: np.ndarray
    ground_m: np.ndarray
    terrain: np.ndarray
    top_m: np.ndarray
    blocked: np.ndarray
    objects_asked: np.ndarray | None = None
    stands_asked: np.ndarray | None = None
    far: Far | None = None
    photos: tuple[Photo, ...] = ()
    air: Air | None = None
    lanes: Lanes | None = None
    chart: Chart | None = None


def with_points(example: Example, kept: np.ndarray, kept_before: np.ndarray, hides: bool = False) -> Example:
    """Return the example with some of its points. hides: what went counts as hidden."""
    bodies = example.bodies[kept]
    hits = np.bincount(bodies + 1, minlength=len(example.boxes) + 1)[1:].astype(example.hits.dtype)
    shares = example.shares
    if hides:
        shares = (shares * hits / np.maximum(example.hits, 1)).astype(np.float32)
    return replace(
        example, points=example.points[kept], semantics=example.semantics[kept], bodies=bodies, hits=hits,
        shares=shares, before=example.before[kept_before],
    )  # fmt: skip
