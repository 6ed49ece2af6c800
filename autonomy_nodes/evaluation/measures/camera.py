"""What cameras alone tell, held against what a LiDAR measured at the same moment: heights, free cells, vehicles.

Truth is the geometric channel's terrain of the sweep (or of a dense depth picture, where a data set has no sweep), and
vehicles of `--set beside=` (a network for LiDAR; none: vehicles are not judged) within 30 m. What counts lies in a
picture. `flat.` is who says that the ground is flat and all of it free. Mounts are those that the data set tells, one
for all frames, as on a vehicle; where it does not tell how the sensors stand on the ground, as the ground of the first
frame of a drive shows it. Where people or the simulator tell more, `known.` is what they say: classes of cells,
labelled vehicles and people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import moved
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.camera_picture import picture
from autonomy_nodes.evaluation.measures.camera_truth import cells_told, labelled, shown, source_of
from autonomy_nodes.evaluation.measures.channels import Channel, look
from autonomy_nodes.evaluation.measures.labelled_ground import Source
from autonomy_nodes.evaluation.measures.precision import (
    Judged,
    Scene,
    average_precision,
    judged,
    most_recall,
    most_recall_at,
    within,
)
from autonomy_nodes.evaluation.measures.single import AT_REST
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, bootstrap, over, timed
from autonomy_nodes.evaluation.measures.terrain import Counts, shares
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.frames import Frame
from autonomy_nodes.perception.bev import middles
from autonomy_nodes.perception.camera.channel import CameraChannel, Shot, Sighted, opened
from autonomy_nodes.perception.confidence import chance
from autonomy_nodes.perception.decode import DecodeSettings
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig
from autonomy_nodes.sensors.levelling import level_of

REACH_M, NEAR_M = 30.0, 2.0
FREE = 0.5  # chance of 'blocked' below which a cell is called free
LEAST = 0.02  # existence below which nothing is listed
VEHICLES = (Label.CAR, Label.TRUCK, Label.BUS, Label.TRAILER)
EVERY_PX = 2  # of a depth picture
_FARTHEST_M, _ABOUT_M = 80.0, 15.0


@dataclass(frozen=True)
class Looking:
    """Who is measured: folders of the camera networks and of the LiDAR's, the latter None; the engine of both."""

    model: Path
    beside: Path | None
    backend: str


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame, and the first one of its drive; source: of what is known of its cells. name: of the raw answers."""

    name: str
    frame: Frame
    first: Frame
    source: Source


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame, measured. figures: by name; vehicles: what was found of them, None where nobody tells of any.

    counts, known: as camera_truth.cells_told and labelled give them.
    """

    figures: Figures
    vehicles: Judged | None
    counts: Counts
    known: dict[str, Judged]


def evaluate(task: Task) -> Result:
    """Measure on every frame of a folder that has a picture and depths."""
    if task.model == 'none':
        raise SettingsError('camera needs --model: a folder of models/ with eyes/ and above/')
    beside = task.options.get('beside', 'lidar_small')
    looking = Looking(_folder_of(task.model), None if beside == 'none' else folder_of(beside), task.backend)
    items = moments_of(task.data)
    result = Result(worst_by='free_iou')
    found = over(task, items, partial(measured, looking=looking, out=task.out), result)
    by_name = dict(items)
    for name, seen in found:
        result.frames.append(Scored(name, seen.figures, partial(drawn, by_name[name], looking, name)))
    result.figures |= {'n_frames': len(found)} | _summed([seen for _, seen in found], task.seed)
    return result


def moments_of(data: Path) -> list[tuple[str, Moment]]:
    """Return (name, moment) of every frame of a folder that has a picture."""
    found = drives(data)
    moments = [
        Moment(
            f'{drive.name}_{frame.name}' if len(found) > 1 else frame.name, frame, drive.frames[0],
            source_of(data, drive.name, frame),
        )
        for drive in found for frame in drive if frame.pictures
    ]  # fmt: skip
    return [(moment.name, moment) for moment in moments]


def _folder_of(model: str) -> Path:
    return folder_of(f'{model}/above').parent


def _summed(found: Sequence[Seen], seed: int) -> Figures:
    figures: Figures = {}
    for key in found[0].figures:
        values = [seen.figures[key] for seen in found if np.isfinite(seen.figures[key])]
        figures[key] = float(np.mean(values)) if values else float('nan')
    for key, sign in (('height_mae_m', -1.0), ('free_iou', 1.0)):
        gains = [sign * (seen.figures[key] - seen.figures[f'flat.{key}']) for seen in found]
        gains = [gain for gain in gains if np.isfinite(gain)]
        figures[f'{key}.gain'] = float(np.mean(gains)) if gains else float('nan')
        figures[f'{key}.gain.low95'], figures[f'{key}.gain.high95'] = bootstrap(gains, seed)
    vehicles = [seen.vehicles for seen in found if seen.vehicles is not None]
    if vehicles and sum(one.labels for one in vehicles):
        figures |= {
            'vehicle.recall_at_half_precision': most_recall_at(vehicles, 0.5)[0] / 100.0,
            'vehicle.most_recall': most_recall(vehicles),
            'vehicle.ap_2m': average_precision(vehicles), 'n_vehicles': sum(one.labels for one in vehicles),
        }  # fmt: skip
    for name, value in shares([seen.counts for seen in found]).items():
        figures[f'known.{name}'] = value
    for group in found[0].known:
        told = [seen.known[group] for seen in found if seen.known]
        figures[f'known.{group}.ap'], figures[f'n_known_{group}'] = average_precision(told), sum(t.labels for t in told)
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def measured(moment: Moment, looking: Looking, out: Path) -> Seen:
    """Let the cameras tell of one frame, leave that under `out`, and score it."""
    shots, xyz, sensor_m, cloud = taken(moment)
    channel = _channel(looking)
    told, spent_s = timed(lambda: channel.perceive(0, shots))
    ground, blocked = (told.outputs[name].astype(np.float16) for name in ('ground', 'blocked'))
    np.savez_compressed(
        out / f'{moment.name}.npz', ground=ground, blocked=blocked, flat=told.objects.flat,
        existence=told.objects.existence, labels=told.objects.labels,
    )  # fmt: skip
    figures = scores(told, truth_of(xyz, sensor_m)) | {'cpu_s': spent_s}
    known = cells_told(told, moment.source, REACH_M), labelled(told, moment.frame, REACH_M)
    if looking.beside is None or cloud is None:
        return Seen(figures, None, *known)
    there = look(Channel('fused', looking.beside, looking.backend), cloud, sensor_m).shipped
    return Seen(figures, judged(_scene(told, there), within(NEAR_M)), *known)


def taken(moment: Moment) -> tuple[list[Shot], np.ndarray, np.ndarray, PointCloud | None]:
    """Return pictures, (N, 3) points, where the LiDAR is (3,), and its sweep, in base_link."""
    frame = moment.frame
    name, xyz, cloud = _measured(frame)
    try:
        base_from = frame.base_from(name)
    except DataError:  # tied to nothing that stands on the ground
        base_from = _levelled(moment.first)
    shots = [
        Shot(picture.image().pixels, picture.matrix, base_from @ frame.a_from_b(name, picture.frame))
        for picture in frame.pictures.values()
    ]
    there = moved(xyz, base_from).astype(np.float32)
    sweep = None if cloud is None else PointCloud(cloud.stamp_ns, 'base_link', there, cloud.intensity)
    return shots, there, base_from[:3, 3], sweep


def _levelled(frame: Frame) -> np.ndarray:
    """Return (4, 4) base_link from the frame of what measures depth, by the ground that it sees."""
    name, xyz, _ = _measured(frame)
    tops = {parent for parent, _ in frame.mounts} - {child for _, child in frame.mounts}
    base_from = frame.a_from_b(sorted(tops)[0], name)
    near = moved(xyz, base_from)
    near = near[np.hypot(near[:, 0], near[:, 1]) < _ABOUT_M]
    if not len(near):
        raise DataError(f'frame {frame.name}: sees no ground within {_ABOUT_M} m')
    lowered = np.eye(4)
    lowered[2, 3] = -np.percentile(near[:, 2], 20.0)
    base_from = lowered @ base_from
    return level_of(moved(xyz, base_from)).true_from_told @ base_from


def _measured(frame: Frame) -> tuple[str, np.ndarray, PointCloud | None]:
    """Return the frame of what measures depth, (N, 3) places in it, and the sweep where it is one."""
    if not frame.clouds:
        return *_lifted(frame), None
    cloud = next(iter(frame.clouds.values()))()
    return cloud.frame, cloud.xyz.astype(float), cloud


def _lifted(frame: Frame) -> tuple[str, np.ndarray]:
    """Return the frame of a camera and (N, 3) places in it, of its depth picture."""
    if not frame.depths:
        raise DataError(f'frame {frame.name}: neither a sweep nor depths')
    camera, read = next(iter(frame.depths.items()))
    depth, picture = read(), frame.pictures[camera]
    rows, columns = np.meshgrid(*(np.arange(0, size, EVERY_PX) for size in depth.shape), indexing='ij')
    z = depth[rows, columns].ravel().astype(float)
    kept = np.isfinite(z) & (z > 1.0) & (z < _FARTHEST_M)
    pixels = np.stack([columns.ravel()[kept], rows.ravel()[kept], np.ones(kept.sum())])
    return picture.frame, (np.linalg.inv(picture.matrix) @ pixels * z[kept]).T


def truth_of(xyz: np.ndarray, sensor_m: np.ndarray) -> Grid:
    """Return the terrain of the geometric channel, of one sweep, the vehicle at rest."""
    perceiver = Perceiver(PerceptionConfig())
    cloud = PointCloud(AT_REST.stamp_ns, 'base_link', xyz, np.zeros(len(xyz), np.float32))
    return perceiver.perceive(perceiver.segment(cloud, sensor_m), AT_REST).terrain


def scores(told: Sighted, truth: Grid) -> Figures:
    """Return how far off heights of measured ground are, and how well free cells are told, beside flat ground."""
    places = middles()
    inside = told.seen & (np.hypot(places[..., 0], places[..., 1]) < REACH_M) & (places[..., 0] > 0.0)
    height, occupied = truth.at('elevation', places), truth.at('occupancy', places)
    observed, easy = truth.at('observed', places) == 1.0, truth.at('traversability', places)
    stands = np.nan_to_num(occupied) > 0.5
    ground = inside & observed & ~stands & np.isfinite(height)
    known = inside & (stands | (observed & np.isfinite(easy)))
    free = known & ~stands & (easy > 0.0)
    said = known & (chance(told.outputs['blocked'][0]) < FREE)
    off = np.abs(told.ground_m + told.outputs['ground'][0] - height)
    return {
        'height_mae_m': _mean(off, ground), 'flat.height_mae_m': _mean(np.abs(height), ground),
        'free_iou': _iou(said, free), 'flat.free_iou': _iou(known, free), 'n_ground_cells': float(ground.sum()),
        'n_known_cells': float(known.sum()),
    }  # fmt: skip


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean()) if where.any() else float('nan')


def _iou(one: np.ndarray, two: np.ndarray) -> float:
    both = (one | two).sum()
    return float((one & two).sum() / both) if both else float('nan')


def _scene(told: Sighted, there: Objects) -> Scene:
    """Return vehicles of the LiDAR's channel within REACH_M in a picture, and those that the cameras told."""
    theirs = there.kept(np.isin(there.labels, VEHICLES))
    mine = told.objects.kept(np.isin(told.objects.labels, VEHICLES))
    out, quiet = (~shown(told, one.flat, REACH_M) for one in (theirs, mine))
    return Scene(theirs.flat, out, mine.flat, mine.existence, quiet)


def drawn(moment: Moment, looking: Looking, name: str) -> bytes:
    """Return a PNG of what cameras tell of a frame, and what the LiDAR measured."""
    shots, xyz, sensor_m, _ = taken(moment)
    return picture(name, shots[0].pixels, _channel(looking).perceive(0, shots), truth_of(xyz, sensor_m))


@lru_cache(maxsize=1)
def _channel(looking: Looking) -> CameraChannel:
    return opened(looking.model, looking.backend, settings=DecodeSettings(least=LEAST))
