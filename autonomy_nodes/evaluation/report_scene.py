"""What the page of a report draws: moments with their layers, pictures, and the plots beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.status import Mode, Status
from autonomy_nodes.common.types import SECOND_NS, EgoState, Trajectory
from autonomy_nodes.evaluation import report_layers as layers
from autonomy_nodes.evaluation.report_bag import Bag
from autonomy_nodes.evaluation.report_camera import picture_rows
from autonomy_nodes.evaluation.report_lineage import Lineage
from autonomy_nodes.evaluation.report_marks import ends, marks_rows
from autonomy_nodes.evaluation.report_numbers import mode_changes
from autonomy_nodes.evaluation.report_spans import Spans, waterfall
from autonomy_nodes.evaluation.runlog import Run
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.sensors.calibration import Calibration

NEAR_NS = SECOND_NS // 20  # ground truth and trailer angles belong to a sweep that is not farther than this
HEAVY = ('terrain', 'sweep', 'points', 'paths')  # most of a scene: a page opens without those of other moments
PACK = 40  # moments
HELD_NS = SECOND_NS // 5  # what safety sends between sweeps belongs to the sweep before, if that is not older


def scene(
    bag: Bag, run: Run, log: Sequence[Status], spans: Mapping[int, Spans], start_ns: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return moments, pictures and the vehicle's body as the page takes them, then packs of what weighs most.

    The t of moments is in ms after `start_ns`. A pack holds the layers HEAVY of PACK moments: {place: {layer: row}}.
    """
    calibration = Calibration(run.body.mounts if run.body else {})
    for transforms in bag.of(topics.TF_STATIC):
        calibration.take(transforms)
    tracks = _by_stamp(bag, topics.TRACKS)
    models = dict(bag.values[topics.IMAGE_RECT_INFO.name])
    frames = bag.values[topics.IMAGE_RECT.name]
    rows = moments(bag, log, spans, start_ns)
    packs = [
        {str(at): {key: rows[at].pop(key) for key in HEAVY if key in rows[at]} for at in range(first, last)}
        for first, last in ((first, min(first + PACK, len(rows))) for first in range(0, len(rows), PACK))
    ]
    drawn = {
        'moments': rows, 'pack': PACK,
        'layers': sorted({key for pack in packs for row in pack.values() for key in row}),
        'pictures': picture_rows(frames, models, calibration.base_from, bag.path, tracks, start_ns),
        'body': asdict(run.body) if run.body else None,
    }  # fmt: skip
    return drawn, packs


def moments(bag: Bag, log: Sequence[Status], spans: Mapping[int, Spans], start_ns: int) -> list[dict[str, Any]]:
    """Return each moment: t, stamp, ego, mode, and the layers that its sweep has."""
    lineage, words, modes = Lineage(log), _words(log), mode_changes(log)
    sent, tracks = _sent(bag), _by_stamp(bag, topics.TRACKS)
    marks, decisions = dict(bag.of(topics.MARKS)), _by_stamp(bag, topics.DECISION)
    paths = dict(bag.of(topics.CANDIDATES))
    joints = _by_stamp(bag, topics.ARTICULATION)
    truth = Truth(bag)
    found = []
    for at in bag.stamps:
        said = words.get(at, {})
        row: dict[str, Any] = {
            't': round((at - start_ns) / 1e6), 'stamp': str(at), 'ego': layers.ego_row(bag.path.states[at], bag.origin),
            'mode': _mode(modes, at), 'log': {stage: [s.level.name, s.text] for stage, s in said.items()},
            'lineage': lineage.of(at), 'spans': waterfall(spans, at), **_layers(bag.rows[at], at),
        }  # fmt: skip
        if at in tracks:
            row['objects'] = layers.object_rows(tracks[at], bag.origin)
        if at in sent:
            row['drive'] = layers.trajectory_row(sent[at], bag.origin)
            row.pop('plan', None)
        if at in decisions:
            row['decision'] = {name: value for name, value in asdict(decisions[at]).items() if name != 'stamp_ns'}
        if at in marks:
            row['marks'] = marks_rows(marks[at], decisions.get(at), _planned_end(bag, at))
            row['candidates'] = {'ends': ends(marks[at], bag.origin)}
        if at in paths:
            row.setdefault('candidates', {})['paths'] = [layers.way_row(way[:, :2], bag.origin) for way in paths[at]]
        if (near := _nearest(joints, at)) is not None:
            row['joints'] = layers.milli(near.angles_rad)
        if (objects := truth.at(at, bag.path.states[at])) is not None:
            row['truth'] = layers.object_rows(*objects)
        found.append(row)
    return found


class Truth:
    """Where everybody truly is, by a simulator or by labels, placed around the vehicle as localization saw itself."""

    def __init__(self, bag: Bag) -> None:
        self._objects, self._egos = _by_stamp(bag, topics.TRUTH), _by_stamp(bag, topics.TRUTH_EGO)
        self._labels = _by_stamp(bag, topics.TRUTH_LABELS)
        self._path, self._origin = bag.path, bag.origin

    def at(self, stamp_ns: int, ego: EgoState) -> tuple[Objects, np.ndarray, np.ndarray] | None:
        """Return objects, the origin, and odom from the frame of the objects; None where the truth was not recorded."""
        if (labels := _nearest(self._labels, stamp_ns)) is not None:
            then = self._path.odom_from_base(labels.stamp_ns)
            return labels, self._origin, ego.odom_from_base if then is None else then
        objects = _nearest(self._objects, stamp_ns)
        true_ego = None if objects is None else _nearest(self._egos, objects.stamp_ns)
        if objects is None or true_ego is None:
            return None
        odom_from_base = self._path.odom_from_base(true_ego.stamp_ns)
        if odom_from_base is None:
            odom_from_base = ego.odom_from_base
        return objects, self._origin, odom_from_base @ inverse(true_ego.odom_from_base)


def _layers(rows: Mapping[str, Mapping[str, Any]], stamp_ns: int) -> dict[str, Any]:
    """Return the layers of a moment; one of another stamp tells by how much [ms] it is later."""
    return {
        key: layer['row']
        if layer['at'] == stamp_ns
        else {'later': round((layer['at'] - stamp_ns) / 1e6), 'row': layer['row']}
        for key, layer in rows.items()
    }


def _planned_end(bag: Bag, stamp_ns: int) -> np.ndarray | None:
    """Return (2,) where the planned trajectory of a moment ends, in odom."""
    plan = bag.rows[stamp_ns].get('plan')
    return None if plan is None else np.array(plan['row'][-3:-1]) / 100.0 + bag.origin


def _sent(bag: Bag) -> dict[int, Trajectory]:
    """Return the trajectory that safety sent for each moment: that of its stamp, else the last one soon after."""
    found: dict[int, Trajectory] = {}
    for trajectory in bag.of(topics.TRAJECTORY):
        at = bag.moment(trajectory.stamp_ns)
        exact = at is not None and at in found and found[at].stamp_ns == at
        if at is not None and not exact and trajectory.stamp_ns - at <= HELD_NS:
            found[at] = trajectory
    return found


def _words(log: Sequence[Status]) -> dict[int, dict[str, Status]]:
    """Return {stamp: {stage: how its step with inputs went}}."""
    found: dict[int, dict[str, Status]] = {}
    for status in log:
        if status.lineage:
            found.setdefault(status.stamp_ns, {})[status.node] = status
    return found


def _mode(changes: Sequence[tuple[int, str]], stamp_ns: int) -> str:
    return next((mode for at, mode in reversed(changes) if at <= stamp_ns), Mode.INIT.value)


def _by_stamp(bag: Bag, topic: Topic) -> dict[int, Any]:
    return {value.stamp_ns: value for value in bag.of(topic)}


def _nearest(values: Mapping[int, Any], stamp_ns: int) -> Any:
    """Return the value nearest to a moment, None where none lies within NEAR_NS."""
    if stamp_ns in values:
        return values[stamp_ns]
    at = min(values, key=lambda other: (abs(other - stamp_ns), other), default=None)
    return values[at] if at is not None and abs(at - stamp_ns) <= NEAR_NS else None
