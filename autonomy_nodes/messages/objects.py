"""Objects and predictions as autoware_perception_msgs, and back.

On the wire a twist is told along the axes of the object itself; in `Objects` along those of the frame.
"""

from collections.abc import Collection

import numpy as np

from autonomy_nodes.common.objects import Label, Objects, Predictions, no_objects
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.object_rows import DETECTED, PREDICTED, TRACKED, Layout, decode_objects, encode_objects
from autonomy_nodes.messages.poses import (
    UNKNOWN_VARIANCE,
    XYH,
    headings_of,
    orientations_of,
    turned,
    turned_covariances,
)

MAX_PATHS, MAX_POSES, STEP_S = 6, 17, 0.5
FIXED_FRAMES = ('odom', 'map')
AVAILABLE = 2  # orientation_availability: the heading is known, front from rear


def write_detected(objects: Objects) -> bytes:
    """Write objects as DetectedObjects."""
    rows = np.zeros(len(objects), DETECTED.row(_most_classes(objects)))
    _fill(rows, objects)
    rows['has_position_covariance'] = True
    rows['has_twist'] = rows['has_twist_covariance'] = np.isfinite(objects.velocities_mps).all(axis=1)
    rows['orientation_availability'] = AVAILABLE
    return encode_objects(DETECTED, objects.stamp_ns, objects.frame, rows)


def read_detected(data: bytes) -> Objects:
    """Read DetectedObjects in base_link; a covariance that is not given is unknown: 1e6 on its diagonal."""
    stamp_ns, frame, rows = _decode(DETECTED, data, ('base_link',))
    given, told = rows['has_position_covariance'] != 0, rows['has_twist_covariance'] != 0
    rows['pose_covariance'][~given] = rows['twist_covariance'][~told] = UNKNOWN_VARIANCE * np.eye(6)
    moving = rows['has_twist'] != 0
    turning = moving & ~(told & (rows['twist_covariance'][:, 5, 5] >= UNKNOWN_VARIANCE))
    return _objects(stamp_ns, frame, rows, moving=moving, turning=turning)


def write_tracked(objects: Objects) -> bytes:
    """Write objects with ids as TrackedObjects; a velocity that is not known has a variance of 1e6."""
    rows = np.zeros(len(objects), TRACKED.row(_most_classes(objects)))
    _fill(rows, objects)
    rows['orientation_availability'] = AVAILABLE
    return encode_objects(TRACKED, objects.stamp_ns, objects.frame, rows)


def read_tracked(data: bytes) -> Objects:
    """Read TrackedObjects in odom or map."""
    stamp_ns, frame, rows = _decode(TRACKED, data, FIXED_FRAMES)
    return _tracked(stamp_ns, frame, rows)


def read_labels(data: bytes) -> Objects:
    """Read TrackedObjects that people labelled, in base_link at their stamp."""
    stamp_ns, frame, rows = _decode(TRACKED, data, ('base_link',))
    return _tracked(stamp_ns, frame, rows)


def write_predictions(predictions: Predictions) -> bytes:
    """Write predictions as PredictedObjects; the poses of a path have the height of their object.

    Raises ValueError on more than 6 paths or 17 poses, which readers of this stack would cut off.
    """
    objects, (_, paths, poses, _) = predictions.objects, predictions.paths.shape
    if paths > MAX_PATHS or poses > MAX_POSES:
        raise ValueError(f'{paths} paths of {poses} poses are more than {MAX_PATHS} of {MAX_POSES}')
    rows = np.zeros(len(objects), PREDICTED.row(_most_classes(objects), paths, poses))
    _fill(rows, objects)
    path = rows['path']
    path['sec'], path['nanosec'] = divmod(round(predictions.step_s * SECOND_NS), SECOND_NS)
    path['confidence'] = predictions.probabilities
    path['pose']['position'][..., :2] = predictions.paths[..., :2]
    path['pose']['position'][..., 2] = objects.positions_m[:, None, None, 2]
    half = predictions.paths[..., 2] / 2.0
    path['pose']['orientation'][..., 2], path['pose']['orientation'][..., 3] = np.sin(half), np.cos(half)
    return encode_objects(PREDICTED, objects.stamp_ns, objects.frame, rows)


def read_predictions(data: bytes) -> Predictions:
    """Read PredictedObjects in odom or map; of other makers' the 6 most probable paths, 17 poses each.

    An object with fewer paths than others has copies of its first one, of probability 0. Raises DataError where
    paths differ in length or step, or an object has none.
    """
    stamp_ns, frame, rows = _decode(PREDICTED, data, FIXED_FRAMES)
    if len(rows) == 0:
        return Predictions(no_objects(stamp_ns, frame, True), np.zeros((0, 1, MAX_POSES, 3)), np.zeros((0, 1)), STEP_S)
    objects = _tracked(stamp_ns, frame, rows)
    path, step_s = _equal_paths(rows['path'])
    confidence = path['confidence'].astype(float)
    if not (confidence >= 0.0).all() or not (confidence.sum(axis=1) > 0.0).all():
        raise DataError('confidences of an object are negative or all zero')
    places = path['pose'][:, :, :MAX_POSES]
    paths = np.concatenate([places['position'][..., :2], headings_of(places['orientation'])[..., None]], axis=-1)
    return Predictions(objects, paths, confidence / confidence.sum(axis=1, keepdims=True), step_s)


def _equal_paths(path: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (N, K) paths of equal length and the step between their poses."""
    there = path['poses'] > 0
    if not there[:, 0].all():
        raise DataError('an object has no predicted path')
    if path.shape[1] > MAX_PATHS:
        order = np.argsort(-path['confidence'], axis=1, kind='stable')[:, :MAX_PATHS]
        path, there = np.take_along_axis(path, order, axis=1), np.take_along_axis(there, order, axis=1)
    if not there.all():
        path = np.where(there, path, path[:, :1])
        path['confidence'][~there] = 0.0
    steps = np.unique(path['sec'].astype(np.int64) * SECOND_NS + path['nanosec'])
    if len(np.unique(path['poses'])) != 1 or len(steps) != 1 or steps[0] <= 0:
        raise DataError(f'paths have {np.unique(path["poses"])} poses, {steps / SECOND_NS} s apart; expected one each')
    return path, float(steps[0]) / SECOND_NS


def _decode(layout: Layout, data: bytes, frames: Collection[str]) -> tuple[int, str, np.ndarray]:
    stamp_ns, frame, rows = decode_objects(layout, data)
    if frame not in frames:
        raise DataError(f'objects are in frame {frame!r}, expected {" or ".join(frames)}')
    return stamp_ns, frame, rows


def _most_classes(objects: Objects) -> int:
    """Return how many classes a row must hold so that none with a probability is lost."""
    return max(1, int((objects.class_probabilities > 0.0).sum(axis=1).max(initial=0)))


def _fill(rows: np.ndarray, objects: Objects) -> None:
    """Write what all three messages have in common."""
    classes, count = rows.dtype['class'].shape[0], len(rows)
    order = np.argsort(-objects.class_probabilities, axis=1, kind='stable')[:, :classes]
    rows['class']['label'] = order
    rows['class']['probability'] = np.take_along_axis(objects.class_probabilities, order, axis=1)
    rows['existence'], rows['dimensions'] = objects.existence, objects.dimensions_m
    rows['position'], rows['orientation'] = objects.positions_m, orientations_of(objects.headings_rad)
    rows['pose_covariance'][np.ix_(range(count), XYH, XYH)] = objects.pose_covariances
    known = np.isfinite(objects.velocities_mps).all(axis=1)
    moves = np.where(known[:, None], objects.velocities_mps, 0.0)
    rows['twist'][:, :2] = turned(moves, -objects.headings_rad)
    spread = np.where(known[:, None, None], objects.velocity_covariances, UNKNOWN_VARIANCE * np.eye(2))
    rows['twist_covariance'][:, :2, :2] = turned_covariances(spread, -objects.headings_rad)
    rows['twist_covariance'][~known, :2, :2] = UNKNOWN_VARIANCE * np.eye(2)  # exactly, so that it is recognised
    turning = np.isfinite(objects.heading_rates_rps)
    rows['twist'][:, 5] = np.where(turning, objects.heading_rates_rps, 0.0)
    rows['twist_covariance'][~turning, 5, 5] = UNKNOWN_VARIANCE
    if 'id' in (rows.dtype.names or ()):
        if objects.ids is None:
            raise ValueError('tracked objects need ids')
        rows['id'] = objects.ids


def _tracked(stamp_ns: int, frame: str, rows: np.ndarray) -> Objects:
    """Read objects whose twist is known unless its variances say that it is not."""
    known = np.asarray(rows['twist_covariance'].diagonal(axis1=1, axis2=2) < UNKNOWN_VARIANCE)
    return _objects(stamp_ns, frame, rows, moving=np.all(known[:, :2], axis=1), turning=known[:, 5])


def _objects(stamp_ns: int, frame: str, rows: np.ndarray, moving: np.ndarray, turning: np.ndarray) -> Objects:
    """Read what all three messages have in common; (N,) `moving` and `turning` tell where the twist is known."""
    heading, spread = headings_of(rows['orientation']), rows['twist_covariance']
    if not (rows['dimensions'] >= 0.0).all():
        raise DataError('an object has a negative size')
    if not np.isfinite(rows['twist'][moving, :2]).all() or not np.isfinite(rows['twist'][turning, 5]).all():
        raise DataError('an object moves with a speed that is not finite')
    unknown = UNKNOWN_VARIANCE * np.eye(2)
    turned_spread = turned_covariances(spread[:, :2, :2], heading)
    return Objects(
        stamp_ns=stamp_ns,
        frame=frame,
        positions_m=rows['position'].copy(),
        headings_rad=heading,
        dimensions_m=rows['dimensions'].copy(),
        existence=rows['existence'].astype(float),
        class_probabilities=_probabilities(rows['class']),
        velocities_mps=turned(np.where(moving[:, None], rows['twist'][:, :2], np.nan), heading),
        heading_rates_rps=np.where(turning, rows['twist'][:, 5], np.nan),
        pose_covariances=rows['pose_covariance'][np.ix_(range(len(rows)), XYH, XYH)],
        velocity_covariances=np.where(moving[:, None, None], turned_spread, unknown),
        ids=rows['id'].copy() if 'id' in (rows.dtype.names or ()) else None,
    )


def _probabilities(classes: np.ndarray) -> np.ndarray:
    """Return (N, 12) probabilities that sum to 1; a class of another list counts as unknown, as does none at all."""
    probability = classes['probability'].astype(float)
    if not (probability >= 0.0).all() or not np.isfinite(probability).all():
        raise DataError('the probability of a class is not a number of 0 or more')
    label = np.where(classes['label'] < len(Label), classes['label'], Label.UNKNOWN)
    table = np.zeros((len(classes), len(Label)))
    np.add.at(table, (np.arange(len(classes))[:, None], label), probability)
    table[table.sum(axis=1) <= 0.0, Label.UNKNOWN] = 1.0
    return table / table.sum(axis=1, keepdims=True)
