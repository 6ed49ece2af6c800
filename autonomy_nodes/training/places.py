"""Examples from small made-up places: one place, seen by several LiDARs from several poses, with all that is true.

A place is built once and shared by its views; each view draws a rig, a pose and the traffic anew.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of_rpy
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.perception import bev
from autonomy_nodes.sim.plots.photos import Air, Photo, Photographer, drawn_air, drawn_eyes
from autonomy_nodes.sim.plots.plot import HALF_S_M, Plot
from autonomy_nodes.sim.plots.plots import plot
from autonomy_nodes.sim.plots.rigs import Rig, drawn_rig
from autonomy_nodes.sim.plots.roads import road_map
from autonomy_nodes.sim.plots.sight import NOBODY, Faces, Seen, Sight, bodies_faces, poses_of, standing
from autonomy_nodes.sim.plots.users import User, body
from autonomy_nodes.sim.triangles import Triangles
from autonomy_nodes.training.cover import Cover, cells_of, cover_of, far_of
from autonomy_nodes.training.examples import Chart, Example
from autonomy_nodes.training.lane_truth import lanes_of
from autonomy_nodes.training.scenes import FIRST_SEED

Someone = tuple[int, User, np.ndarray]  # number, who, (4, 4) pose in map
_EGO_M = np.array([4.4, 1.8, 1.6])
_BEGIN_M = 45.0  # of a long way, so far from its begin stands the vehicle


@dataclass(frozen=True)
class PlaceSettings:
    """How examples are made. views: of one place. before_share: of views with the sweep before.

    jitter_m, jitter_rad: by how much the sweep before is off, as odometry is. half_s_m: of the places; longer ones tell
    the far ring as well. farthest_m: from what to what the LiDARs reach at most; None: as their makes do. photos:
    whether cameras look as well. maps: whether the lane map of a place is told, of some without its kerbs.
    """

    views: int = 4
    before_share: float = 0.75
    jitter_m: float = 0.01
    jitter_rad: float = 0.0009
    recipe: str = ''
    half_s_m: float = HALF_S_M
    farthest_m: tuple[float, float] | None = None
    photos: bool = False
    maps: bool = False

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ValueError(f'views={self.views} must be at least 1')
        if not 0.0 <= self.before_share <= 1.0:
            raise ValueError(f'before_share={self.before_share} must lie between 0 and 1')
        if self.jitter_m < 0.0 or self.jitter_rad < 0.0:
            raise ValueError(f'jitter_m={self.jitter_m} and jitter_rad={self.jitter_rad} must not be below 0')
        if not HALF_S_M <= self.half_s_m <= 200.0:
            raise ValueError(f'half_s_m={self.half_s_m} must lie between {HALF_S_M} and 200')
        if self.farthest_m is not None and not 0.0 < self.farthest_m[0] <= self.farthest_m[1]:
            raise ValueError(f'farthest_m={self.farthest_m} must be two ranges above 0, the shorter first')

    @property
    def is_long(self) -> bool:
        """Whether places reach as far as the far ring does."""
        return self.half_s_m > HALF_S_M


@dataclass(frozen=True, eq=False)
class _Place:
    plot: Plot
    sight: Sight
    cover: Cover
    parked: list[Someone]
    photographer: Photographer | None
    road_map: RoadMap | None


def examples(seed: int, settings: PlaceSettings | None = None) -> Iterator[Example]:
    """Yield the views of one place; the same for the same seed, in every process."""
    if not 0 <= seed < FIRST_SEED:
        raise ValueError(f'seed={seed} must lie between 0 and {FIRST_SEED}: worlds from there on are held out')
    settings = settings or PlaceSettings()
    here = plot(seed, settings.recipe, settings.half_s_m)
    sight = Sight(here)
    parked = [(number, user, pose) for number, (user, pose) in enumerate(zip(here.parked, sight.parked))]
    photographer = Photographer(here, sight) if settings.photos else None
    drawn = road_map(here, kerbs=seed % 2 == 0) if settings.maps else None
    place = _Place(here, sight, cover_of(here, sight), parked, photographer, drawn)
    for view in range(settings.views):
        yield _view(place, settings, np.random.default_rng([seed, 83, view]))


def _view(place: _Place, settings: PlaceSettings, rng: np.random.Generator) -> Example:
    rig, relief = drawn_rig(rng), place.plot.relief
    if settings.farthest_m is not None:
        rig = replace(rig, farthest_m=rng.uniform(*settings.farthest_m))
    ego, speed_mps = _stand(place.plot, rng)
    users = place.plot.traffic(rng, ego, place.plot.taken.copy())
    first = len(place.parked)
    movers = _numbered(first, users, poses_of(relief, users))
    map_from_base = _ego_pose(place.plot, ego, 0.0)
    seen = place.sight.sweep(rig, map_from_base, bodies_faces(movers), _columns(rig, map_from_base, movers), rng)
    before = np.zeros((0, 4), np.float32)
    if rng.random() < settings.before_share:
        then = _numbered(first, users, poses_of(relief, users, bev.STEP_S))
        pose = _ego_pose(place.plot, ego, speed_mps * bev.STEP_S)
        earlier = place.sight.sweep(rig, pose, bodies_faces(then), _columns(rig, pose, then), rng)
        off = matrix_of_rpy(rng.normal(size=3) * settings.jitter_m, rng.normal(size=3) * settings.jitter_rad)
        before = _moved(earlier.points, off @ inverse(map_from_base) @ pose)
    cells = cells_of(place.plot, place.cover, map_from_base, movers)
    boxes, kinds, hits, shares, bodies = _told(rig, seen, [*place.parked, *movers], map_from_base)
    photos, air = _photos(place, map_from_base, bodies_faces(movers), rng)
    return Example(
        seen.points, before, rig.at_m.astype(np.float32), boxes, kinds, hits, shares, seen.semantics, bodies,
        cells.ground_m, cells.terrain, cells.top_m, cells.blocked,
        far=far_of(place.plot, place.cover, map_from_base, movers) if settings.is_long else None,
        photos=photos, air=air, lanes=lanes_of(place.plot, map_from_base),
        chart=None if place.road_map is None else Chart(place.road_map, map_from_base),
    )  # fmt: skip


def _photos(
    place: _Place, map_from_base: np.ndarray, movers: Faces | None, rng: np.random.Generator
) -> tuple[tuple[Photo, ...], Air | None]:
    """Return what drawn cameras take, and the air that they look through; nothing where none look."""
    if place.photographer is None:
        return (), None
    air = drawn_air(rng)
    eyes = drawn_eyes(rng)
    return tuple(place.photographer.photo(eye, map_from_base, movers, air, rng) for eye in eyes), air


def _numbered(first: int, users: list[User], poses: np.ndarray) -> list[Someone]:
    return [(first + number, user, pose) for number, (user, pose) in enumerate(zip(users, poses))]


def _moved(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    xyz = points[:, :3] @ transform[:3, :3].T.astype(np.float32) + transform[:3, 3].astype(np.float32)
    return np.column_stack([xyz, points[:, 3]]).astype(np.float32)


def _stand(plot: Plot, rng: np.random.Generator) -> tuple[tuple[float, float, float], float]:
    """Return where the vehicle is, s n heading of base_link, clear of what stands, and its speed."""
    tracks = [track for track in plot.tracks if track.ego]
    for _ in range(30):
        track = tracks[int(rng.integers(len(tracks)))]
        middle = 0.5 * track.length_m - 8.0 if plot.half_s_m == HALF_S_M else _BEGIN_M
        d = middle + rng.uniform(-12.0, 12.0)
        s, n, heading = track.at(d, rng.normal() * 0.25)
        turn = rng.normal() * 0.03 + (rng.normal() * 0.35 if rng.random() < 0.2 else 0.0)
        ego = (s, n, heading + turn)
        x, y = 1.3 * math.cos(ego[2]), 1.3 * math.sin(ego[2])
        if plot.taken.copy().take(s + x, n + y, 2.0 * abs(math.cos(heading)) + 1.0, 2.0 * abs(math.sin(heading)) + 1.0):
            break
    speed = 0.0 if rng.random() < 0.25 else rng.uniform(*track.speeds_mps)
    return ego, speed


def _ego_pose(plot: Plot, ego: tuple[float, float, float], back_m: float) -> np.ndarray:
    """Return (4, 4) map_from_base, so many metres before, with base_link at the rear axle on the ground."""
    relief = plot.relief
    yaw = float(relief.heading(np.array(ego)))
    ahead = np.array([math.cos(yaw), math.sin(yaw)])
    middle = relief.to_map(ego[0], ego[1]) + (1.3 - back_m) * ahead
    pose = standing(relief, middle[None], np.array([yaw]), _EGO_M[None], np.array([False]))[0]
    pose[:3, 3] -= 1.3 * pose[:3, 0]
    return pose


def _columns(rig: Rig, map_from_base: np.ndarray, movers: list[Someone]) -> np.ndarray:
    """Return (C,) the columns in which movers may be met."""
    mask = np.zeros(rig.shape[0], bool)
    base_from_map = inverse(map_from_base)
    for _, user, pose in movers:
        mask |= _towards(rig, (base_from_map @ pose)[:3, 3], user)
    return mask


def _towards(rig: Rig, foot: np.ndarray, user: User) -> np.ndarray:
    """Return (C,) the columns that may meet somebody whose foot (3,) is there in base_link."""
    offset = foot[:2] - rig.at_m[:2]
    distance, radius = float(np.linalg.norm(offset)), 0.5 * float(np.linalg.norm(user.size)) + 0.3
    if distance <= radius + 0.2:
        return np.ones(rig.shape[0], bool)
    half = math.asin(radius / distance) + 0.06
    away = np.abs(rig.turned - math.atan2(offset[1], offset[0]))
    return np.minimum(away, 2.0 * np.pi - away) < half


def _told(
    rig: Rig, seen: Seen, everybody: list[Someone], map_from_base: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes, kinds, hits, shares of those inside the grid, and the rows of the points."""
    base_from_map = inverse(map_from_base)
    rows = np.full(len(everybody) + 1, NOBODY, np.int32)
    boxes: list[list[float]] = []
    kinds: list[int] = []
    shares: list[float] = []
    counts = np.bincount(seen.bodies + 1, minlength=len(everybody) + 1)[1:]
    for number, user, pose in everybody:
        base_from_user = base_from_map @ pose
        middle = base_from_user[:3, 3] + base_from_user[:3, 2] * user.size[2] / 2
        if not ((middle[:2] >= bev.ORIGIN_M) & (middle[:2] < bev.ORIGIN_M + bev.SIZE_M)).all():
            continue
        heading = math.atan2(base_from_user[1, 0], base_from_user[0, 0])
        velocity = user.speed_mps * base_from_user[:2, 0]
        rows[number] = len(boxes)
        boxes.append([*middle, *user.size, heading, *velocity])
        kinds.append(user.label)
        shares.append(_share(rig, seen, number, user, base_from_user) if counts[number] else 0.0)
    hits = counts[rows[:-1] >= 0].astype(np.int32)
    table = np.array(boxes, np.float32).reshape(-1, 9)
    return table, np.array(kinds, np.int64), hits, np.array(shares, np.float32), rows[seen.bodies]


@lru_cache(maxsize=2048)
def _alone(kind: str, variant: int) -> Triangles:
    mesh = body(kind, variant).mesh
    return Triangles(mesh.vertices, mesh.faces)


def _share(rig: Rig, seen: Seen, number: int, user: User, base_from_user: np.ndarray) -> float:
    """Return which part of the rays that would meet somebody alone met him."""
    columns = np.flatnonzero(_towards(rig, base_from_user[:3, 3], user))
    middle = base_from_user[:3, 3] + base_from_user[:3, 2] * user.size[2] / 2 - rig.at_m
    distance, radius = float(np.linalg.norm(middle)), 0.5 * float(np.linalg.norm(user.size))
    rings = np.arange(rig.shape[1])
    if distance > radius:
        half = math.asin(radius / distance) + 0.06
        rings = np.flatnonzero(np.abs(rig.raised - math.asin(middle[2] / distance)) < half)
    rays = (columns[:, None] * rig.shape[1] + rings).ravel()
    if distance > radius:
        rays = rays[rig.directions[rays] @ middle.astype(np.float32) > math.sqrt(distance**2 - radius**2) * 0.9999]
    inward = inverse(base_from_user)
    start = ((inward[:3, :3] @ rig.at_m + inward[:3, 3]) / user.scale).astype(np.float32)
    aims = np.ascontiguousarray(rig.directions[rays] @ (inward[:3, :3].T / user.scale), np.float32)
    origins = np.ascontiguousarray(np.broadcast_to(start, aims.shape))
    limits = np.full(len(rays), rig.farthest_m, np.float32)
    would = _alone(user.kind, user.variant).blocked(origins, aims, limits)
    met = seen.first[rays] == number
    return float(met.sum() / max(would.sum(), met.sum(), 1))
