"""From a stretch of a recording to examples: hindsight, tracks and pictures put together, sweep by sweep.

What nobody can tell is not made up. Objects are asked for where the LiDAR looked and nothing stands but what a sure
track explains. Cells tell whether they are blocked where hindsight knows it, and of where the vehicle drove that it is
no obstacle. Which part of a road user is hidden, no recording tells: all that points met counts as shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse, moved, wrapped
from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.bev import CELLS, HIGH_M, ORIGIN_M, SIZE_M, TERRAIN
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.ground import GROUND, OBSTACLE, OVERHEAD, Ground, GroundSplitter
from autonomy_nodes.perception.learned import rows_of
from autonomy_nodes.perception.raster import rasterised
from autonomy_nodes.perception.semantics import asked_of
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.training.examples import NO_OBSTACLE, Example
from autonomy_nodes.training.pseudo.hindsight import (
    HindsightSettings,
    Surroundings,
    cells_at,
    covered,
    joined_cells,
    standing_still,
    surroundings,
)
from autonomy_nodes.training.pseudo.pictures import Told, told_of
from autonomy_nodes.training.pseudo.played import STANDS_M, Played, Sweep, Taken
from autonomy_nodes.training.pseudo.tracks import Track, TrackSettings, tracks_of
from autonomy_nodes.training.shards import REACH_M

UNKNOWN = 255  # terrain
OBSTACLE_CLASS = TERRAIN.index('obstacle')
ON_M, EXPLAINED_M = 0.1, 0.4  # points so near to a box lie on it; so near to it they are explained by it
PASSED = 0.7  # of bev.PRIOR: a ray went on so low over the cell
MOST_GAP_NS = 350_000_000  # an earlier sweep farther in time tells of no motion


@dataclass(frozen=True)
class LabelSettings:
    """How labels are made of what was recorded."""

    tracks: TrackSettings = field(default_factory=TrackSettings)
    hindsight: HindsightSettings = field(default_factory=HindsightSettings)


@dataclass(frozen=True, eq=False)
class Moment:
    """An example, and what it tells of the pictures taken about the same time: {camera: (picture, what is told)}."""

    stamp_ns: int
    example: Example
    pictures: Mapping[str, tuple[Taken, Told]]


def moments(stretch: Played, settings: LabelSettings) -> Iterator[Moment]:
    """Yield the examples of a stretch in order of time."""
    sweeps = stretch.sweeps
    tracks = tracks_of(sweeps, stretch.tracking, settings.tracks)
    standing = standing_still(sweeps, tracks, settings.hindsight.margin_m)
    config = stretch.perception
    splitter = GroundSplitter(config.ground, config.vehicle.height_m)
    for place, sweep in enumerate(sweeps):
        if not sweep.example or sweep.cloud is None:
            continue
        around = surroundings(place, sweeps, standing, config.vehicle, settings.hindsight)
        example = _example(place, stretch, tracks, around, splitter)
        yield Moment(sweep.stamp_ns, example, _pictures(sweep, example, stretch))


def _example(
    place: int, stretch: Played, tracks: Sequence[Track], around: Surroundings, splitter: GroundSplitter
) -> Example:
    sweep = stretch.sweeps[place]
    assert sweep.cloud is not None
    points = rows_of(sweep.cloud, sweep.cloud.xyz)
    points = points[np.abs(points[:, :3]).max(axis=1, initial=0.0) < REACH_M]  # as they are stored: rows stay theirs
    xyz = np.ascontiguousarray(points[:, :3])
    ground = splitter.split(xyz)
    boxes, kinds = _boxes(place, sweep, tracks)
    bodies = _bodies(xyz, boxes)
    bodies[~np.isin(ground.kinds, (OBSTACLE, OVERHEAD))] = -1  # the road below a box is not of it
    hits = np.bincount(bodies + 1, minlength=len(boxes) + 1)[1:].astype(np.int32)
    before = _before(place, stretch.sweeps)
    inside = joined_cells(covered(box[[0, 1, 3, 4, 6]]) for box in boxes)
    prior = _prior(points, ground, stretch.sensor_m)
    stray = _stray(xyz, ground, boxes)
    clear = (_seen_ground(xyz, ground) | (prior[2] > PASSED) | around.under) & ~stray  # nobody stands there now
    terrain = np.full(CELLS, UNKNOWN, np.uint8)
    terrain[around.driven & clear] = NO_OBSTACLE
    terrain[inside] = OBSTACLE_CLASS
    top_m = np.where(around.blocked, around.top_m, 0.0).astype(np.float32)
    for box in boxes:
        cells = covered(box[[0, 1, 3, 4, 6]])
        top_m.ravel()[cells] = min(float(box[5]), HIGH_M)
    return Example(
        points=points, before=before, sensor_m=stretch.sensor_m.astype(np.float32), boxes=boxes, kinds=kinds, hits=hits,
        shares=(hits > 0).astype(np.float32),
        semantics=np.where(bodies >= 0, Semantic.ACTOR, Semantic.NOTHING).astype(np.uint8), bodies=bodies,
        ground_m=around.ground_m, terrain=terrain, top_m=top_m, blocked=around.blocked | inside,
        objects_asked=_objects_asked(prior, stray, boxes),
        stands_asked=inside | around.blocked | (around.free & clear),
    )  # fmt: skip


def _boxes(place: int, sweep: Sweep, tracks: Sequence[Track]) -> tuple[np.ndarray, np.ndarray]:
    """Return (B, 9) float32 boxes of sure tracks within the grid, in base_link, and (B,) places in bev.CLASSES."""
    told = [(box, track.kind) for track in tracks if track.sure and (box := track.at(place)) is not None]
    found = np.array([box for box, _ in told]).reshape(-1, 9)
    base_from_odom = inverse(sweep.ego.odom_from_base)
    found[:, :3] = moved(found[:, :3], base_from_odom)
    found[:, 6] = wrapped(found[:, 6] + np.arctan2(base_from_odom[1, 0], base_from_odom[0, 0]))
    found[:, 7:] = found[:, 7:] @ base_from_odom[:2, :2].T
    inside = ((found[:, :2] >= ORIGIN_M) & (found[:, :2] < ORIGIN_M + SIZE_M)).all(axis=1)
    return found[inside].astype(np.float32), np.array([kind for _, kind in told], np.int64)[inside]


def _bodies(xyz: np.ndarray, boxes: np.ndarray, margin_m: float = ON_M) -> np.ndarray:
    """Return (N,) int32 the row of the box in which each point lies, -1 for none."""
    bodies = np.full(len(xyz), -1, np.int32)
    for row, box in enumerate(boxes):
        reach = float(np.hypot(box[3], box[4])) / 2.0 + margin_m
        near = np.flatnonzero((np.abs(xyz[:, 0] - box[0]) < reach) & (np.abs(xyz[:, 1] - box[1]) < reach))
        away, (c, s) = xyz[near] - box[:3], (np.cos(box[6]), np.sin(box[6]))
        along, across = np.abs(away[:, 0] * c + away[:, 1] * s), np.abs(away[:, 1] * c - away[:, 0] * s)
        within = (along < box[3] / 2.0 + margin_m) & (across < box[4] / 2.0 + margin_m)
        bodies[near[within & (np.abs(away[:, 2]) < box[5] / 2.0 + margin_m)]] = row
    return bodies


def _before(place: int, sweeps: Sequence[Sweep]) -> np.ndarray:
    """Return (M, 4) the sweep before in base_link of this one; none where there was a pause."""
    if place == 0:
        return np.zeros((0, 4), np.float32)
    now, then = sweeps[place], sweeps[place - 1]
    if then.cloud is None or then.leg != now.leg or now.stamp_ns - then.stamp_ns > MOST_GAP_NS:
        return np.zeros((0, 4), np.float32)
    return rows_of(then.cloud, moved(then.cloud.xyz, inverse(now.ego.odom_from_base) @ then.ego.odom_from_base))


def _stray(xyz: np.ndarray, ground: Ground, boxes: np.ndarray) -> np.ndarray:
    """Return (X, Y) where something stands in this sweep that no box explains."""
    stands = (ground.kinds == OBSTACLE) & (ground.heights_m > STANDS_M)
    alone = xyz[stands][_bodies(xyz[stands], boxes, EXPLAINED_M) < 0]
    cells, inside = cells_at(alone[:, :2].astype(np.float64))
    return joined_cells([cells[inside]])


def _prior(points: np.ndarray, ground: Ground, sensor_m: np.ndarray) -> np.ndarray:
    """Return (3, X, Y) bev.PRIOR of a sweep."""
    at_m = sensor_m.astype(np.float64)
    passed = rays(np.ascontiguousarray(points[:, :3]), ground.kinds, at_m)
    return rasterised(points, points[:0], ground, passed, at_m)['prior']


def _seen_ground(xyz: np.ndarray, ground: Ground) -> np.ndarray:
    """Return (X, Y) where this sweep saw the ground."""
    cells, inside = cells_at(xyz[ground.kinds == GROUND, :2].astype(np.float64))
    return joined_cells([cells[inside]])


def _objects_asked(prior: np.ndarray, stray: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return (X, Y) where all objects are known: the LiDAR looked there, and what stands is explained; and at boxes."""
    about = np.ones((3, 3), np.uint8)
    looked = asked_of(prior)
    unexplained = cv2.dilate(stray.astype(np.uint8), about) > 0
    known = looked & ~unexplained
    return np.asarray(known | joined_cells(covered(box[[0, 1, 3, 4, 6]], EXPLAINED_M) for box in boxes))


def _pictures(sweep: Sweep, example: Example, stretch: Played) -> dict[str, tuple[Taken, Told]]:
    found = {}
    for name, taken in sweep.pictures.items():
        try:
            base_from_camera = stretch.mounts.base_from(taken.model.frame)
        except DataError:  # nobody says where it sits: nothing can be told of its pictures
            continue
        found[name] = taken, told_of(taken, example, sweep.ego, base_from_camera)
    return found
