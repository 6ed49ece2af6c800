"""The ground about a vehicle and what stands on it, from sweeps before and after, and from where it drove itself.

Heights are a weighted median of what all sweeps saw of a cell: near looks count more, moments far away on the path
less. A cell is called blocked where nearly every sweep saw something stand, free where many saw flat ground and none
anything else, or where the vehicle drove. What is in between stays unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.perception.bev import CELL_M, CELLS, HIGH_M, ORIGIN_M, SIZE_M
from autonomy_nodes.perception.fusion import holding
from autonomy_nodes.perception.surface import steps_of
from autonomy_nodes.training.pseudo.played import Sweep
from autonomy_nodes.training.pseudo.tracks import Track

_COUNT = CELLS[0] * CELLS[1]
_HIGHEST_MM = 1 << 19


@dataclass(frozen=True)
class HindsightSettings:
    """How sweeps are put together.

    reach_s: so long before and after a moment. height_sigma_m, lean_rad, drift: variance of a height seen at a range,
    from a place so far along the way. looks: sweeps that must have seen a cell to call it free or blocked. standing:
    share of them that saw something stand where it is blocked; tall_m: and how high, since low plants are none.
    step_m: of ground beside a cell that is called free. margin_m: about who moves, that is not taken for what stands.
    """

    reach_s: float = 4.0
    height_sigma_m: float = 0.03
    lean_rad: float = 0.007
    drift: float = 0.003
    looks: int = 4
    standing: float = 0.7
    tall_m: float = 1.0
    step_m: float = 0.2
    margin_m: float = 0.3

    def __post_init__(self) -> None:
        for name in ('reach_s', 'height_sigma_m', 'tall_m', 'step_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'hindsight.{name}={getattr(self, name)} must be above 0')
        for name in ('lean_rad', 'drift', 'margin_m'):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f'hindsight.{name}={getattr(self, name)} must not be below 0')
        if self.looks < 1 or not 0.5 < self.standing <= 1.0:
            raise ValueError(f'hindsight.looks={self.looks} must be above 0, standing={self.standing} within 0.5 to 1')


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Cells of bev.CELLS about one moment.

    ground_m: (X, Y) NaN where not known. driven: (X, Y) the vehicle was there at some time; under: it is there now.
    blocked, free: (X, Y) what is known; neither where it is not. top_m: (X, Y) height of what stands where blocked.
    """

    ground_m: np.ndarray
    driven: np.ndarray
    under: np.ndarray
    blocked: np.ndarray
    free: np.ndarray
    top_m: np.ndarray


def standing_still(sweeps: Sequence[Sweep], tracks: Sequence[Track], margin_m: float) -> list[np.ndarray]:
    """Return (L, 4) of each sweep: what stood there, as `Sweep.standing`, without who was on his way."""
    kept = []
    for place, sweep in enumerate(sweeps):
        boxes = [box for track in tracks if track.moving and (box := track.at(place)) is not None]
        inside = holding(
            sweep.standing[:, :2].astype(np.float64), flat_in_base(np.array(boxes).reshape(-1, 9), sweep), margin_m
        )
        kept.append(sweep.standing[inside < 0])
    return kept


def flat_in_base(boxes: np.ndarray, sweep: Sweep) -> np.ndarray:
    """Return (N, 5) x y length width heading in base_link of boxes (N, 9) in odom."""
    base_from_odom = inverse(sweep.ego.odom_from_base)
    turn = np.arctan2(base_from_odom[1, 0], base_from_odom[0, 0])
    xy = moved(boxes[:, :3], base_from_odom)[:, :2]
    return np.ascontiguousarray(np.column_stack([xy, boxes[:, 3:5], boxes[:, 6] + turn]))


def surroundings(
    place: int,
    sweeps: Sequence[Sweep],
    standing: Sequence[np.ndarray],
    vehicle: Vehicle,
    settings: HindsightSettings,
) -> Surroundings:
    """Return what is known of the cells about the sweep at a place among all. standing: of `standing_still`."""
    mine = sweeps[place]
    base_from_odom = inverse(mine.ego.odom_from_base)
    near = [
        each for each, sweep in enumerate(sweeps)
        if sweep.leg == mine.leg and abs(sweep.stamp_ns - mine.stamp_ns) <= settings.reach_s * 1e9
    ]  # fmt: skip
    ground_looks, standing_looks = np.zeros(_COUNT, np.int32), np.zeros(_COUNT, np.int32)
    driven = np.zeros(_COUNT, bool)
    rows, tops = [], []
    for each in near:
        here = base_from_odom @ sweeps[each].ego.odom_from_base
        if np.linalg.norm(here[:2, 3]) > np.linalg.norm(SIZE_M):
            continue
        tall = _tops(standing[each], here)
        stood = np.zeros(_COUNT, bool)
        stood[tall[:, 0].astype(np.int64)] = True
        ground = _heights(sweeps[each].ground, here, settings)
        ground = ground[~stood[ground[:, 0].astype(np.int64)]]  # the foot of a thing is not the ground
        ground_looks[np.unique(ground[:, 0].astype(np.int64))] += 1
        standing_looks += stood
        rows += [ground, _under(here, vehicle)]
        tops.append(tall)
        driven[_footprint(here, vehicle)] = True
    ground_m = _middling(np.concatenate(rows), 0.5)
    top_m = np.nan_to_num(_middling(np.concatenate(tops), 0.9))
    looks = ground_looks + standing_looks
    blocked = (standing_looks >= settings.looks) & (standing_looks >= settings.standing * looks)
    blocked &= top_m >= settings.tall_m
    steps = np.nan_to_num(steps_of(ground_m.reshape(CELLS)).ravel(), nan=np.inf)
    free = (ground_looks >= settings.looks) & (standing_looks == 0) & (steps < settings.step_m)
    free = (free | driven) & np.isfinite(ground_m)
    blocked &= ~driven
    top_m = np.where(blocked, np.minimum(top_m, HIGH_M), 0.0).astype(np.float32)
    under = np.zeros(_COUNT, bool)
    under[_footprint(np.eye(4), vehicle)] = True
    return Surroundings(*(layer.reshape(CELLS) for layer in (ground_m, driven, under, blocked, free, top_m)))


def cells_at(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) numbers of the cells of places (N, 2) in base_link, and (N,) whether they lie inside the grid."""
    cells = np.floor((xy - ORIGIN_M) / CELL_M).astype(np.int64)
    inside = ((cells >= 0) & (cells < CELLS)).all(axis=1)
    return cells[:, 0] * CELLS[1] + cells[:, 1], inside


def _heights(columns: np.ndarray, here: np.ndarray, settings: HindsightSettings) -> np.ndarray:
    """Return (K, 3) cell, height, weight in base_link of columns (K, 4) of ground, seen from `here` (4, 4)."""
    local = columns.astype(np.float64)
    xyz = moved(local[:, :3], here)
    cells, inside = cells_at(xyz[:, :2])
    squares = (local[:, :2] ** 2).sum(axis=1)
    way2 = float((here[:3, 3] ** 2).sum())
    variance = settings.height_sigma_m**2 + settings.lean_rad**2 * squares + settings.drift**2 * way2
    weights = np.minimum(local[:, 3], 4.0) / variance
    return np.column_stack([cells, xyz[:, 2], weights])[inside]


def _tops(columns: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Return (L, 3) cell, height above the ground, weight of columns (L, 4) of what stands."""
    flat = columns[:, :2] @ here[:2, :2].T + here[:2, 3]
    cells, inside = cells_at(flat)
    return np.column_stack([cells, columns[:, 2], np.ones(len(cells))])[inside]


def _under(here: np.ndarray, vehicle: Vehicle) -> np.ndarray:
    """Return (K, 3) cell, height, weight of the ground between the rear wheels: base_link lies on it."""
    across = np.arange(-vehicle.width_m / 2.0, vehicle.width_m / 2.0, CELL_M / 2.0)
    xyz = moved(np.column_stack([np.zeros_like(across), across, np.zeros_like(across)]), here)
    cells, inside = cells_at(xyz[:, :2])
    return np.column_stack([cells, xyz[:, 2], np.full(len(cells), 1.0 / 0.05**2)])[inside]


def _footprint(here: np.ndarray, vehicle: Vehicle) -> np.ndarray:
    """Return the cells whose middles lie under the vehicle."""
    middle = (vehicle.front_m - vehicle.rear_m) / 2.0
    size = (vehicle.front_m + vehicle.rear_m, vehicle.width_m)
    box = np.array([*(here[:2, :2] @ [middle, 0.0] + here[:2, 3]), *size, np.arctan2(here[1, 0], here[0, 0])])
    return covered(box)


def covered(box: np.ndarray, margin_m: float = 0.0) -> np.ndarray:
    """Return the numbers of the cells whose middles lie in a box (5,) x y length width heading, or so near to it."""
    reach = (np.hypot(box[2], box[3]) / 2.0 + margin_m) / CELL_M
    low, high = (np.floor((box[:2] - ORIGIN_M) / CELL_M + sign * reach).astype(int) for sign in (-1, 1))
    low, high = np.clip(low, 0, CELLS), np.clip(high + 1, 0, CELLS)
    i, j = (part.ravel() for part in np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high)), indexing='ij'))
    middles = ORIGIN_M + (np.column_stack([i, j]) + 0.5) * CELL_M
    inside = holding(middles, np.array([box], np.float64), margin_m) >= 0
    return (i * CELLS[1] + j)[inside]


def _middling(rows: np.ndarray, share: float) -> np.ndarray:
    """Return (cells,) float32 the value of each cell up to which lies that share of the weights; NaN for none.

    rows: (K, 3) cell, value, weight.
    """
    found = np.full(_COUNT, np.nan, np.float32)
    heights = np.clip(np.round(rows[:, 1] * 1000.0), -_HIGHEST_MM, _HIGHEST_MM).astype(np.int64)
    rows = rows[np.argsort(rows[:, 0].astype(np.int64) * 2 * _HIGHEST_MM + heights, kind='stable')]
    total = np.cumsum(rows[:, 2])
    cells, starts = np.unique(rows[:, 0].astype(np.int64), return_index=True)
    ends = np.append(starts[1:], len(rows))[: len(starts)]
    before = np.where(starts > 0, total[starts - 1], 0.0) if len(rows) else np.zeros(0)
    wanted = before + share * (total[ends - 1] - before) if len(rows) else np.zeros(0)
    found[cells] = rows[np.clip(np.searchsorted(total, wanted), starts, ends - 1), 1] if len(rows) else []
    return found


def joined_cells(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return (X, Y) which cells are among any of the lists of numbers."""
    layer = np.zeros(_COUNT, bool)
    for part in parts:
        layer[part] = True
    return layer.reshape(CELLS)
