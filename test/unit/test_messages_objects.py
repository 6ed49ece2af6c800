"""Objects: what the wire means, and what other makers send."""

import numpy as np
import pytest
import samples

from autonomy_nodes.common.objects import Label, Predictions, no_objects
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import objects, store
from autonomy_nodes.messages.object_rows import DETECTED, POLYGON, PREDICTED, TRACKED, decode_objects, encode_objects

UNKNOWN = 1e6


def one(**changes):
    """A car that faces north (+y) and drives there with 3 m/s."""
    found = samples.objects(1, tracked=changes.pop('tracked', False))
    values = {'headings_rad': np.array([np.pi / 2]), 'velocities_mps': np.array([[0.0, 3.0]]), **changes}
    return type(found)(**{name: values.get(name, getattr(found, name)) for name in found.__dataclass_fields__})


def test_a_twist_lies_along_the_axes_of_the_object():
    given = one(velocity_covariances=np.array([[[4.0, 0.0], [0.0, 1.0]]]))
    kinematics = store.decode(DETECTED.type, objects.write_detected(given)).objects[0].kinematics
    twist = kinematics.twist_with_covariance
    assert twist.twist.linear.x == pytest.approx(3.0)
    assert twist.twist.linear.y == pytest.approx(0.0, abs=1e-9)
    covariance = twist.covariance.reshape(6, 6)
    assert (covariance[0, 0], covariance[1, 1]) == pytest.approx((1.0, 4.0))  # along y of the frame, along x
    assert (kinematics.has_twist, kinematics.has_twist_covariance, kinematics.has_position_covariance) == (True,) * 3


def test_a_pose_covariance_stands_at_x_y_and_yaw():
    given = one(pose_covariances=np.array([[[1.0, 2.0, 3.0], [2.0, 5.0, 6.0], [3.0, 6.0, 9.0]]]))
    message = store.decode(DETECTED.type, objects.write_detected(given))
    covariance = message.objects[0].kinematics.pose_with_covariance.covariance.reshape(6, 6)
    assert (covariance[0, 1], covariance[0, 5], covariance[5, 5], covariance[2, 2]) == (2.0, 3.0, 9.0, 0.0)


@pytest.mark.parametrize('tracked', [False, True])
@pytest.mark.parametrize('rate', [0.25, np.nan])
def test_a_velocity_that_is_not_known_stays_so(tracked, rate):
    write, read = (
        (objects.write_tracked, objects.read_tracked) if tracked else (objects.write_detected, objects.read_detected)
    )
    given = one(tracked=tracked, velocities_mps=np.full((1, 2), np.nan), heading_rates_rps=np.array([rate]))
    found = read(write(given))
    assert np.isnan(found.velocities_mps).all()
    np.testing.assert_array_equal(found.velocity_covariances[0], UNKNOWN * np.eye(2))
    if tracked:  # a detected object has one flag for its whole twist
        np.testing.assert_array_equal(found.heading_rates_rps, [rate])


def test_a_velocity_without_a_known_turn_rate_stays_so():
    for found in (
        objects.read_detected(objects.write_detected(one(heading_rates_rps=np.array([np.nan])))),
        objects.read_tracked(objects.write_tracked(one(tracked=True, heading_rates_rps=np.array([np.nan])))),
    ):
        np.testing.assert_allclose(found.velocities_mps, [[0.0, 3.0]], atol=1e-12)
        assert np.isnan(found.heading_rates_rps).all()


def test_covariances_that_a_radar_does_not_give_are_not_zero():
    stamp_ns, frame, rows = decode_objects(DETECTED, objects.write_detected(one()))
    rows['has_position_covariance'] = rows['has_twist_covariance'] = False
    found = objects.read_detected(encode_objects(DETECTED, stamp_ns, frame, rows))
    np.testing.assert_array_equal(found.pose_covariances[0], UNKNOWN * np.eye(3))
    np.testing.assert_allclose(found.velocity_covariances[0], UNKNOWN * np.eye(2), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(found.velocities_mps, [[0.0, 3.0]], atol=1e-12)
    assert np.isfinite(found.heading_rates_rps).all()


def test_no_class_with_a_probability_is_lost():
    given = samples.objects(20, classes=12)
    found = objects.read_detected(objects.write_detected(given))
    np.testing.assert_allclose(found.class_probabilities, given.class_probabilities, atol=1e-6)


def test_labels_of_another_list_and_no_labels_count_as_unknown():
    stamp_ns, frame, rows = decode_objects(DETECTED, objects.write_detected(samples.objects(2, classes=1)))
    rows['class']['label'][0] = 200
    rows['class']['probability'][1] = 0.0
    found = objects.read_detected(encode_objects(DETECTED, stamp_ns, frame, rows))
    assert found.labels.tolist() == [Label.UNKNOWN, Label.UNKNOWN]
    np.testing.assert_array_equal(found.class_probabilities.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    'field, value, reason',
    [
        ('orientation', 0.0, 'unit quaternion'),
        ('position', np.nan, 'positions_m'),
        ('dimensions', -1.0, 'negative size'),
        ('twist', np.inf, 'speed that is not finite'),
        ('existence', np.nan, 'existence'),
        ('pose_covariance', np.nan, 'pose_covariances'),
    ],
)
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_an_object_of_nonsense_is_refused(field, value, reason):
    stamp_ns, frame, rows = decode_objects(TRACKED, objects.write_tracked(one(tracked=True)))
    rows[field] = value
    with pytest.raises(DataError, match=reason):
        objects.read_tracked(encode_objects(TRACKED, stamp_ns, frame, rows))


@pytest.mark.parametrize(
    'write, read, frame',
    [
        (objects.write_detected, objects.read_detected, 'odom'),
        (objects.write_tracked, objects.read_tracked, 'base_link'),
    ],
)
def test_objects_in_another_frame_are_refused(write, read, frame):
    with pytest.raises(DataError, match=f"frame '{frame}'"):
        read(write(samples.objects(1, tracked=read is objects.read_tracked, frame=frame)))


def test_no_objects_is_an_answer():
    assert len(objects.read_detected(objects.write_detected(no_objects(5, 'base_link', False)))) == 0
    assert objects.read_tracked(objects.write_tracked(no_objects(5, 'odom', True))).ids.shape == (0, 16)
    empty = objects.read_predictions(objects.write_predictions(samples.predictions(0)))
    assert (empty.paths.shape, empty.step_s) == ((0, 1, 17, 3), 0.5)


def test_tracked_objects_without_ids_are_a_bug():
    with pytest.raises(ValueError, match='need ids'):
        objects.write_tracked(samples.objects(1, frame='odom'))


def test_more_paths_than_the_stack_sends_are_a_bug():
    with pytest.raises(ValueError, match='2 paths of 18 poses are more than 6 of 17'):
        objects.write_predictions(samples.predictions(1, 2, 18))


def foreign(paths, count=2):
    """A message of another maker: `paths` are (poses, confidence) of the last object; the others have one of three."""

    def path(poses, confidence, step_ns=500_000_000):
        places = [{'position': {'x': float(i)}, 'orientation': {'w': 1.0}} for i in range(poses)]
        return {'path': places, 'confidence': confidence, 'time_step': {'nanosec': step_ns}}

    def item(given):
        pose = {'pose': {'orientation': {'w': 1.0}}}
        return {'kinematics': {'initial_pose_with_covariance': pose, 'predicted_paths': [path(*one) for one in given]}}

    items = [item([(3, 1.0)]) for _ in range(count - 1)] + [item(paths)]
    return store.encode(PREDICTED.type, store.new(PREDICTED.type, header={'frame_id': 'map'}, objects=items))


def test_objects_with_fewer_paths_get_copies_without_probability():
    found = objects.read_predictions(foreign([(3, 0.75), (3, 0.25)]))
    np.testing.assert_array_equal(found.probabilities, [[1.0, 0.0], [0.75, 0.25]])
    np.testing.assert_array_equal(found.paths[0, 1], found.paths[0, 0])
    np.testing.assert_array_equal(found.paths[1, 1, :, 0], [0.0, 1.0, 2.0])


def test_of_many_paths_the_six_most_probable_are_kept_and_of_long_ones_the_first_eight_seconds():
    found = objects.read_predictions(foreign([(21, float(k)) for k in range(1, 9)], count=1))
    assert found.paths.shape == (1, 6, 17, 3)
    np.testing.assert_allclose(found.probabilities[0], np.arange(8.0, 2.0, -1.0) / 33.0)


@pytest.mark.parametrize(
    'paths, reason',
    [
        ([(5, 1.0)], 'paths have'),
        ([(3, 1.0, 100_000_000)], 'paths have'),
        ([], 'no predicted path'),
        ([(3, 0.0)], 'all zero'),
        ([(3, -1.0), (3, 2.0)], 'negative'),
        ([(3, 0.5), (0, 0.5)], None),  # an empty path is as good as none
    ],
)
def test_paths_that_do_not_fit_together_are_refused(paths, reason):
    if reason is None:
        np.testing.assert_array_equal(objects.read_predictions(foreign(paths)).probabilities[1], [1.0, 0.0])
        return
    with pytest.raises(DataError, match=reason):
        objects.read_predictions(foreign(paths))


def test_a_path_is_told_pose_by_pose():
    given = samples.predictions(1, 2, 3)
    message = store.decode(PREDICTED.type, objects.write_predictions(given))
    second = message.objects[0].kinematics.predicted_paths[1]
    assert (second.time_step.sec, second.time_step.nanosec, second.confidence) == (0, 500_000_000, 0.5)
    np.testing.assert_array_equal([pose.position.x for pose in second.path], given.paths[0, 1, :, 0])
    assert {pose.position.z for pose in second.path} == {given.objects.positions_m[0, 2]}


def test_equal_rows_and_unequal_ones_give_the_same_values():
    both = samples.objects(2, tracked=True, classes=2)
    stamp_ns, frame, rows = decode_objects(TRACKED, objects.write_tracked(both))
    message = store.decode(TRACKED.type, objects.write_tracked(both))
    message.objects[0].classification.append(type(message.objects[0].classification[0])(3, 0.0))
    slow = objects.read_tracked(store.encode(TRACKED.type, message))
    fast = objects.read_tracked(encode_objects(TRACKED, stamp_ns, frame, rows))
    for name in fast.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(slow, name), getattr(fast, name))


def test_predictions_keep_their_step():
    given = samples.predictions(1)
    found = objects.read_predictions(
        objects.write_predictions(Predictions(given.objects, given.paths, given.probabilities, 0.1))
    )
    assert found.step_s == 0.1


@pytest.mark.parametrize('counts', [(1, 2), (2, 1), (2, 1, 3), (1, 0)])
def test_objects_with_different_numbers_of_classes_are_read(counts):
    message = store.decode(DETECTED.type, objects.write_detected(samples.objects(len(counts), classes=1)))
    label = type(message.objects[0].classification[0])
    for item, count in zip(message.objects, counts):
        item.classification = [label(5 + number, 1.0) for number in range(count)]
    found = objects.read_detected(store.encode(DETECTED.type, message))
    np.testing.assert_array_equal(found.positions_m, samples.objects(len(counts), classes=1).positions_m)
    for row, count in zip(found.class_probabilities, counts):
        assert np.count_nonzero(row) == max(count, 1)
        assert row[Label.UNKNOWN if count == 0 else 5] == 1.0 / max(count, 1)


def test_one_polygon_has_the_size_of_the_box_about_its_centre():
    message = store.decode(DETECTED.type, objects.write_detected(samples.objects(1)))
    shape = message.objects[0].shape
    shape.type, shape.dimensions.x, shape.dimensions.y = POLYGON, 0.0, 0.0
    shape.footprint.points = [
        store.new('geometry_msgs/msg/Point32', x=x, y=y) for x, y in ((2, 1), (-1, 0.5), (0, -1.5))
    ]
    found = objects.read_detected(store.encode(DETECTED.type, message))
    np.testing.assert_array_equal(found.dimensions_m[0, :2], [4.0, 3.0])
