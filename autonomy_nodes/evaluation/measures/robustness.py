"""How much of what is found is still found when a sensor suffers: each trouble of troubles.py, each channel.

The protocol is that of detection (see there). A loss is in per cent of the same figure on the same sweeps unharmed.
`stale_200ms`: what was told of a sweep 0.2 s earlier, carried on by the vehicle's own motion alone, against the labels
of now; only where labelled frames lie so far apart in time. `--set visibility=100` [m] of fog, `--set rain=50` [mm/h].
With `--model` plain names are those of the network (`--set channel=fused`: of what the stack makes of both), and
`geometric.` those of the other channel.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved, wrapped
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures.channels import GEOMETRIC, Channel, Told, asked_of, look
from autonomy_nodes.evaluation.measures.detected import GROUPS, Place, Seen, drives_of, seen_of, sweep_of
from autonomy_nodes.evaluation.measures.detection import FARTHEST_M, drawn, named_places
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.odometry import legs
from autonomy_nodes.evaluation.measures.precision import Judged, average_precision, between, judged, within
from autonomy_nodes.evaluation.measures.reliability import CLOSE_M
from autonomy_nodes.evaluation.measures.sweeps import ours, read_sweep
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.evaluation.measures.troubles import (
    RAIN_MMPH,
    STALE_S,
    TROUBLES,
    VISIBILITY_M,
    Struck,
    drawn_for,
    impossible,
)

STALE, FRESH = 'stale_200ms', 'stale_200ms.fresh'
SLACK_S = 0.03
EVERY_TENTH = 10  # sweep is put through what is impossible
ROUNDS = 200


@dataclass(frozen=True, eq=False)
class Suffered:
    """One frame. seen: {channel: {trouble: what was found}}. faults: errors that are none of bad data."""

    seen: Mapping[str, Mapping[str, Seen]]
    faults: Sequence[str]


def evaluate(task: Task) -> Result:
    """Harm every labelled sweep in each way and measure what is still found."""
    channels = [asked_of(task)]
    channels += [GEOMETRIC] if channels[0] != GEOMETRIC else []
    air = _air(task)
    work = partial(suffered, channels=channels, seed=task.seed, air=air)
    result = Result(worst_by='vehicle.recall_2m')
    told = over(task, named_places(task), work, result)
    for channel in channels:
        head = '' if channel is channels[0] else f'{channel.kind}.'
        figures = losses([frame.seen[channel.kind] for _, frame in told], task.seed)
        result.figures |= {f'{head}{name}': value for name, value in figures.items()}
    first = channels[0].kind
    for name, frame in told:
        result.answers[name] = short(json.dumps(_answers(frame), sort_keys=True))
        seen = frame.seen[first]['clean']
        recall = _recall(seen)
        if np.isfinite(recall):
            result.frames.append(Scored(name, {'vehicle.recall_2m': recall}, partial(drawn, seen)))
    _write(task.out, [(name, frame) for name, frame in told])
    faults = [fault for _, frame in told for fault in frame.faults]
    result.refused |= {f'fault {number}': fault for number, fault in enumerate(dict.fromkeys(faults))}
    result.figures |= {'n_frames': len(told), 'n_faults': len(faults), 'visibility_m': air[0], 'rain_mmph': air[1]}
    result.figures['n_stale'] = sum(STALE in frame.seen[first] for _, frame in told)
    return result


def _air(task: Task) -> tuple[float, float]:
    """Return how far one sees in the fog [m], and how much it rains [mm/h]."""
    try:
        visibility_m = float(task.options.get('visibility', VISIBILITY_M))
        rain_mmph = float(task.options.get('rain', RAIN_MMPH))
    except ValueError as error:
        raise SettingsError(f'visibility and rain must be numbers: {error}') from error
    if not (visibility_m > 1.0 and 0.0 <= rain_mmph <= 200.0):
        raise SettingsError(f'visibility={visibility_m} must be above 1, rain={rain_mmph} between 0 and 200')
    return visibility_m, rain_mmph


def suffered(place: Place, channels: Sequence[Channel], seed: int, air: tuple[float, float]) -> Suffered:
    """Harm one sweep in every way; each channel looks at it."""
    _, drive, frame = place.found()
    cloud, sensor_m = sweep_of(frame)
    seen: dict[str, dict[str, Seen]] = {channel.kind: {} for channel in channels}
    faults: list[str] = []
    earlier = _earlier(place)
    for name, trouble in TROUBLES.items():
        struck = Struck(cloud, sensor_m, drawn_for(f'{drive.name}/{frame.name}/{name}', seed), *air)
        harmed = trouble(struck)
        for channel in channels:
            told = look(channel, harmed, sensor_m)
            seen[channel.kind][name] = seen_of(place, told, cloud.xyz, sensor_m[:2])
    for channel in channels:
        if earlier is not None:
            then, now_from_then = earlier
            told = look(channel, *sweep_of(then.found()[2]))
            late = Told(carried(told.shipped, now_from_then), carried(told.every, now_from_then), told.seconds)
            seen[channel.kind] |= {
                STALE: seen_of(place, late, cloud.xyz, sensor_m[:2]), FRESH: seen[channel.kind]['clean'],
            }  # fmt: skip
        if place.frame % EVERY_TENTH == 0:
            for name, make in impossible(cloud).items():
                try:
                    look(channel, make(), sensor_m)
                except DataError:
                    continue  # refused, as it should be
                except Exception as error:  # whatever it is, it would end the process on the vehicle
                    faults.append(f'{channel.kind} fails at {name}: {type(error).__name__}: {error}')
    return Suffered(seen, faults)


def carried(objects: Objects, now_from_then: np.ndarray) -> Objects:
    """Return objects of an earlier base_link in that of now, as if none of them had moved meanwhile."""
    turn = float(np.arctan2(now_from_then[1, 0], now_from_then[0, 0]))
    c, s = np.cos(turn), np.sin(turn)
    flat = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return replace(
        objects, positions_m=moved(objects.positions_m, now_from_then),
        headings_rad=np.asarray(wrapped(objects.headings_rad + turn)),
        pose_covariances=flat @ objects.pose_covariances @ flat.T,
    )  # fmt: skip


def _earlier(place: Place) -> tuple[Place, np.ndarray] | None:
    """Return the frame STALE_S before, and (4, 4) base_link of now from that of then; None where there is none."""
    _, drive, frame = place.found()
    for number in range(place.frame - 1, -1, -1):
        then = drive.frames[number]
        passed_s = (frame.stamp_ns - then.stamp_ns) / SECOND_NS
        if passed_s > STALE_S + SLACK_S:
            return None
        if abs(passed_s - STALE_S) <= SLACK_S and then.clouds and not drive.stills:
            poses = _poses(place.data, place.drive)
            if frame.stamp_ns not in poses or then.stamp_ns not in poses:
                return None
            return replace(place, frame=number), inverse(poses[frame.stamp_ns]) @ poses[then.stamp_ns]
    return None


@lru_cache(maxsize=2)
def _poses(data: Path, drive: int) -> dict[int, np.ndarray]:
    """Return {stamp: (4, 4) pose of base_link} of a drive: as the data set tells, else by the stack's own odometry."""
    chosen = drives_of(data)[1][drive]
    told = {frame.stamp_ns: frame.map_from('base_link') for frame in chosen.frames if frame.placed is not None}
    if told:
        return told
    for leg in legs(Task(data, data), chosen.name, chosen.frames):
        try:
            way, _ = ours(read_sweep(chosen.frames[number]) for number in leg.frames)
        except DataError:
            continue
        told |= dict(zip(way.stamps_ns, way.poses))
    return told


def losses(frames: Sequence[Mapping[str, Seen]], seed: int) -> Figures:
    """Return AP of each trouble in per cent, and how much of that of the unharmed sweep is lost; plain names: clean."""
    figures: Figures = {}
    for group in GROUPS:
        name = f'ap_{CLOSE_M[group]:.0f}m'
        results = {
            trouble: [_judged(frame[trouble], group) for frame in frames if trouble in frame]
            for trouble in (*TROUBLES, STALE, FRESH)
        }
        clean = average_precision(results['clean'])
        if not np.isfinite(clean):
            continue
        figures[f'{group}.{name}'] = clean
        figures[f'n_{group}_labels'] = sum(each.labels for each in results['clean'])
        for trouble, harmed in results.items():
            before = results[FRESH] if trouble == STALE else results['clean']
            if trouble in ('clean', FRESH) or not harmed or not average_precision(before) > 0.0:
                continue
            head = f'{trouble}.{group}.{name}'
            low, high = _interval(before, harmed, seed)
            figures |= {
                head: average_precision(harmed), f'{head}_loss': _loss(before, harmed), f'{head}_loss_low': low,
                f'{head}_loss_high': high,
            }  # fmt: skip
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _judged(seen: Seen, group: str) -> Judged:
    scene = between(seen.scene(GROUPS[group]), seen.lidar_xy, 0.0, FARTHEST_M)
    return judged(scene, within(CLOSE_M[group]))


def _recall(seen: Seen) -> float:
    told = _judged(seen, 'vehicle')
    return 100.0 * float(told.right.sum()) / told.labels if told.labels else float('nan')


def _loss(before: Sequence[Judged], after: Sequence[Judged]) -> float:
    whole = average_precision(before)
    return 100.0 * (whole - average_precision(after)) / whole if whole > 0.0 else float('nan')


def _interval(before: Sequence[Judged], after: Sequence[Judged], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the loss, frames drawn anew in pairs; NaN of a single frame."""
    if len(before) < 2:
        return float('nan'), float('nan')
    chosen = np.random.default_rng(seed).integers(0, len(before), (ROUNDS, len(before))).tolist()
    values = [_loss([before[k] for k in which], [after[k] for k in which]) for which in chosen]
    low, high = np.nanpercentile(values, [2.5, 97.5]) if np.isfinite(values).any() else (np.nan, np.nan)
    return float(low), float(high)


def _answers(frame: Suffered) -> dict[str, list]:
    return {
        f'{kind}.{trouble}': seen.answers
        for kind, told in frame.seen.items()
        for trouble, seen in told.items()
        if trouble != FRESH
    }


def _write(out: Path, told: Sequence[tuple[str, Suffered]]) -> None:
    """Write CHANNEL.TROUBLE.json: {frame: answers as detection gives them}."""
    files: dict[str, dict[str, list]] = {}
    for name, frame in told:
        for file, answers in _answers(frame).items():
            files.setdefault(file, {})[name] = answers
    for file, frames in files.items():
        (out / f'{file}.json').write_text(json.dumps(frames, sort_keys=True) + '\n')
