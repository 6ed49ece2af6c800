"""One drive perceived on each rung of the ladder: what is lost without cameras, without a LiDAR, without networks.

`--data` is a folder of `autonomy data holdout --camera front`; `--model` the networks of cameras (eyes/ and above/),
`--set beside=` that of the LiDAR (lidar_small). Each rung perceives the whole drive by itself, with the true poses;
every fifth moment is judged, from the second second on. Cells count within 30 m, `ahead.` those within 30 degrees of
straight ahead, which a front camera shows; vehicles that a sweep has met count within 40 m, likewise. Known: how far
straight ahead, on the width of a car, all cells are told to be free, up to 30 m. `truth.` is how far they truly are.
Caps are those of a vehicle that has all sensors. Returns from the own body are taken out, as the LiDAR node does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.measures.camera import VEHICLES
from autonomy_nodes.evaluation.measures.cell_truth import UNKNOWN, CellTruth, simulated
from autonomy_nodes.evaluation.measures.labelled_ground import Source
from autonomy_nodes.evaluation.measures.ladder_picture import Panel, picture
from autonomy_nodes.evaluation.measures.ladder_rungs import Looking, stage_of, vehicle_of
from autonomy_nodes.evaluation.measures.precision import Judged, Scene, average_precision, judged, within
from autonomy_nodes.evaluation.measures.task import Figures, Result, Task, over, timed
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame
from autonomy_nodes.messages.formats.simulated import RIG, SEQUENCES
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M, middles
from autonomy_nodes.perception.ladder import CapSettings, Channel, cap_mps

RUNGS = (Channel.FUSED, Channel.LEARNED, Channel.CAMERAS, Channel.GEOMETRIC)
REACH_M, VEHICLES_M, AHEAD_RAD, NEAR_M = 30.0, 40.0, np.radians(30.0), 2.0
FREE, LEAST_POINTS = 0.5, 5
FIRST, EVERY = 10, 5  # frames of a drive: the first that is judged, and one of so many
WAY_HALF_M, FROM_M = 1.2, 4.0  # of the way straight ahead; nearer than the bumper nobody asks
SIDES = ('', 'ahead.')

Counts = dict[str, tuple[float, float]]  # {figure: (part, whole)}, summed over moments


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known of a frame. cells: of those within REACH_M, (N, 2) indices of bev.CELLS; height_m: (N,) of map."""

    frame: Frame
    cells: tuple[np.ndarray, ...]
    truth: CellTruth
    height_m: np.ndarray


@dataclass(frozen=True, eq=False)
class Rung:
    """One rung, measured over a drive. vehicles: {side of SIDES: a moment each}. panel: of the middle moment."""

    counts: Counts
    vehicles: dict[str, list[Judged]]
    known_m: list[float]
    spent_s: float
    cap_mps: float
    panel: Panel


@dataclass(frozen=True, eq=False)
class Seen:
    """One drive. truth_m: how far ahead all is free in truth, a moment each. drawn: PNG of its middle moment."""

    rungs: dict[Channel, Rung]
    truth_m: list[float]
    drawn: bytes


def evaluate(task: Task) -> Result:
    """Measure every drive of a folder that has pictures, on each rung."""
    if task.model == 'none':
        raise SettingsError('ladder needs --model: a folder of models/ with eyes/ and above/')
    beside = folder_of(task.options.get('beside', 'lidar_small'))
    looking = Looking(folder_of(f'{task.model}/above').parent, beside, task.backend)
    items = [(drive.name, (task.data, drive.name)) for drive in drives(task.data)]
    result = Result()
    found = over(task, items, partial(measured, looking=looking, out=task.out), result)
    for name, seen in found:
        (task.out / f'{name}.png').write_bytes(seen.drawn)
        result.pictures[f'drive {name}'] = partial(_of, seen)
    for rung in RUNGS:
        told = summed([seen.rungs[rung] for _, seen in found])
        result.figures |= {f'{rung.value}.{figure}': value for figure, value in told.items()}
    truth_m = [value for _, seen in found for value in seen.truth_m]
    result.figures |= {'truth.known_m': float(np.mean(truth_m)), 'n_drives': len(found), 'n_moments': len(truth_m)}
    return result


def _of(seen: Seen) -> bytes:
    return seen.drawn


def measured(item: tuple[Path, str], looking: Looking, out: Path) -> Seen:
    """Perceive one drive on each rung, leave the cells of every judged moment under `out`, and score them."""
    data, name = item
    drive = next(drive for drive in drives(data) if drive.name == name)
    if not all(frame.pictures and frame.clouds and frame.placed for frame in drive):
        raise DataError(
            f'drive {name}: not every frame has a sweep, a picture and a pose; write it with --camera front'
        )
    chosen = range(FIRST, len(drive.frames), EVERY)
    if not chosen:
        raise DataError(f'drive {name}: has {len(drive.frames)} frames, more than {FIRST} are needed')
    moments = {number: moment_of(drive.frames[number], data / SEQUENCES / name) for number in chosen}
    middle, vehicle = middle_of(moments), vehicle_of(data / SEQUENCES / name / RIG)
    rungs = {rung: climbed(drive, moments, rung, looking, vehicle, out) for rung in RUNGS}
    truth_m = [known_m(_laid(each.truth.free, each.cells)) for each in moments.values()]
    frame = drive.frames[middle]
    drawn = picture(
        f'drive {name}, {(frame.stamp_ns - drive.frames[0].stamp_ns) / 1e9:.1f} s', _pixels(frame),
        [*(rungs[rung].panel for rung in RUNGS), _true_panel(moments[middle], vehicle)],
    )  # fmt: skip
    return Seen(rungs, truth_m, drawn)


def moment_of(frame: Frame, folder: Path) -> Moment:
    """Return what the simulator knows of the cells about a frame."""
    source, places = Source(frame, folder), middles()
    sweep, grid = source.read(), Grid(0, BASE, CELL_M, ORIGIN_M, {'none': np.zeros(places.shape[:2], np.float32)})
    cells = np.nonzero(np.hypot(places[..., 0], places[..., 1]) < REACH_M)
    assert sweep.raster is not None
    flat = places[cells]
    z = np.column_stack([flat, sweep.raster.at(flat)]) @ frame.map_from(BASE)[2, :3] + frame.map_from(BASE)[2, 3]
    return Moment(frame, cells, simulated(source, sweep, grid, flat), z)


def climbed(
    drive: Drive, moments: Mapping[int, Moment], rung: Channel, looking: Looking, vehicle: Vehicle, out: Path
) -> Rung:
    """Perceive a drive on one rung."""
    perceive, counts = stage_of(rung, looking, vehicle), Counts()
    vehicles: dict[str, list[Judged]] = {side: [] for side in SIDES}
    known, spent, kept, panel, middle = [], [], [], None, middle_of(moments)
    cap = cap_mps(rung, Channel.FUSED, rung is not Channel.CAMERAS, CapSettings())
    for number, frame in enumerate(drive.frames):
        found, spent_s = timed(partial(perceive, frame))
        spent.append(spent_s)
        if number not in moments:
            continue
        moment, free = moments[number], freedom(found.terrain, frame)
        kept.append(free.astype(np.float16))
        scored(counts, free, found.terrain, moment)
        for side in SIDES:
            vehicles[side].append(met(found.objects, moment.frame, side))
        known.append(known_m(np.nan_to_num(free) > FREE))
        if number == middle:
            truth = frame.truth().objects if frame.truth else None
            panel = Panel(words_of(rung, cap), free, found.objects, truth, vehicle)
    assert panel is not None
    np.savez_compressed(out / f'{drive.name}_{rung.value}.npz', p_free=np.stack(kept), known_m=np.array(known))
    return Rung(counts, vehicles, known, float(np.median(spent)), cap, panel)


def middle_of(moments: Mapping[int, Moment]) -> int:
    """Return which frame is drawn."""
    return list(moments)[len(moments) // 2]


def freedom(terrain: Grid, frame: Frame) -> np.ndarray:
    """Return (X, Y) of bev.CELLS how surely a cell is free, as measures.terrain has it; NaN where nothing is known."""
    xy = on_map(frame)
    return np.asarray((1.0 - terrain.at('occupancy', xy)) * terrain.at('traversability', xy), np.float32)


def on_map(frame: Frame) -> np.ndarray:
    """Return (X, Y, 2) where the middles of bev.CELLS lie in map."""
    map_from_base, flat = frame.map_from(BASE), middles()
    return np.asarray(flat @ map_from_base[:2, :2].T + map_from_base[:2, 3])


def scored(counts: Counts, free: np.ndarray, terrain: Grid, moment: Moment) -> None:
    """Add one moment to the counts: free cells, cells that never are, heights of the ground."""
    truth, flat = moment.truth, middles()[moment.cells]
    assert truth.free is not None
    told, said = free[moment.cells], np.nan_to_num(free[moment.cells]) > FREE
    judged_cells, never = truth.kind != UNKNOWN, np.logical_or.reduce(list(truth.never.values()))
    height = terrain.at('elevation', on_map(moment.frame)[moment.cells])
    off = np.abs(height - moment.height_m)
    for side in SIDES:
        here = judged_cells & (np.abs(np.arctan2(flat[:, 1], flat[:, 0])) < AHEAD_RAD if side else True)
        ground = here & truth.free & np.isfinite(off)
        _add(counts, f'{side}free_iou', (said & truth.free & here).sum(), ((said | truth.free) & here).sum())
        _add(counts, f'{side}told', (np.isfinite(told) & here).sum(), here.sum())
        _add(counts, f'{side}never_free_called_free', (said & never & here).sum(), (never & here).sum())
        _add(counts, f'{side}ground_mae_m', off[ground].sum(), ground.sum())


def _add(counts: Counts, name: str, part: float, whole: float) -> None:
    before = counts.get(name, (0.0, 0.0))
    counts[name] = before[0] + float(part), before[1] + float(whole)


def met(objects: Objects, frame: Frame, side: str) -> Judged:
    """Return which of the true vehicles that a sweep has met are told."""
    assert frame.truth is not None
    truth = frame.truth()
    there, said = np.isin(truth.objects.labels, VEHICLES), objects.kept(np.isin(objects.labels, VEHICLES))
    labels = truth.objects.flat[there]
    out = (truth.points[there] < LEAST_POINTS) | ~counts_here(labels, side)
    return judged(Scene(labels, out, said.flat, said.existence, ~counts_here(said.flat, side)), within(NEAR_M))


def counts_here(flat: np.ndarray, side: str) -> np.ndarray:
    """Return (N,) which rectangles (N, 5) count on a side of SIDES."""
    near = np.hypot(flat[:, 0], flat[:, 1]) < VEHICLES_M
    return np.asarray(near & (np.abs(np.arctan2(flat[:, 1], flat[:, 0])) < AHEAD_RAD) if side else near)


def known_m(free: np.ndarray) -> float:
    """Return how far straight ahead of base_link all cells (X, Y) of the way are free [m], 0 where none is."""
    places = middles()
    ahead = (places[:, 0, 0] > FROM_M) & (places[:, 0, 0] < REACH_M)
    way = free[np.ix_(ahead, np.abs(places[0, :, 1]) < WAY_HALF_M)].all(axis=1)
    count = len(way) if way.all() else int(np.argmin(way))
    return float(places[ahead, 0, 0][count - 1] + 0.5 * CELL_M) if count else 0.0


def summed(rungs: Sequence[Rung]) -> Figures:
    """Return the figures of one rung over drives."""
    figures: Figures = {}
    for name in rungs[0].counts:
        part, whole = (sum(rung.counts[name][k] for rung in rungs) for k in (0, 1))
        figures[name] = part / whole if whole else float('nan')
    for side in SIDES:
        told = [one for rung in rungs for one in rung.vehicles[side]]
        labels, right = sum(one.labels for one in told), sum(int(one.right.sum()) for one in told)
        count = sum(len(one.right) for one in told)
        figures[f'{side}vehicle_recall'] = right / labels if labels else float('nan')
        figures[f'{side}vehicle_precision'] = right / count if count else float('nan')
        figures[f'{side}vehicle_ap'] = average_precision(told) if labels else float('nan')
        figures[f'{side}n_vehicles'] = labels
    known = [value for rung in rungs for value in rung.known_m]
    cap = min(rung.cap_mps for rung in rungs)
    figures |= {'known_m': float(np.mean(known)), 'cpu_s': float(np.median([rung.spent_s for rung in rungs]))}
    figures |= {'rate_hz': 1.0 / figures['cpu_s']} | ({'cap_mps': cap} if np.isfinite(cap) else {})
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def words_of(rung: Channel, cap_mps: float) -> tuple[str, str]:
    """Return the heading of a panel, and how fast one may drive."""
    names = {
        Channel.FUSED: 'LiDAR and camera', Channel.LEARNED: 'LiDAR alone', Channel.CAMERAS: 'camera alone',
        Channel.GEOMETRIC: 'geometric channel (LiDAR, no network)',
    }  # fmt: skip
    return names[rung], f'no faster than {cap_mps:.1f} m/s' if np.isfinite(cap_mps) else 'no limit of speed'


def _laid(values: np.ndarray | None, cells: tuple[np.ndarray, ...]) -> np.ndarray:
    laid = np.zeros(middles().shape[:2], bool)
    laid[cells] = values
    return laid


def _true_panel(moment: Moment, vehicle: Vehicle) -> Panel:
    free = np.full(middles().shape[:2], np.nan, np.float32)
    known = moment.truth.kind != UNKNOWN
    assert moment.truth.free is not None and moment.frame.truth is not None
    free[tuple(axis[known] for axis in moment.cells)] = moment.truth.free[known]
    objects = moment.frame.truth().objects
    return Panel(('truth', 'as the simulator knows it'), free, None, objects, vehicle)


def _pixels(frame: Frame) -> np.ndarray:
    return next(iter(frame.pictures.values())).image().pixels
