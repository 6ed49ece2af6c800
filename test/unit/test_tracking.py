"""Objects over time: ids, speeds, what is hidden, what is gone, and other detectors."""

from dataclasses import replace

import numpy as np
import pytest
from perception_scenes import STEP_NS, ego

from autonomy_nodes.common.objects import Label, Objects, no_objects
from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.tracking import Tracker, TrackingConfig
from autonomy_nodes.perception.tracks import born, predicted

START_NS = 7_000_000_000
CAR, WALKER = (4.3, 1.8, 1.5), (0.6, 0.5, 1.7)


def detected(places, headings=None, sizes=None, labels=None, stamp_ns=START_NS, velocities=None, sigma_m=0.15):
    """Return detections in base_link at places (x, y)."""
    count = len(places)
    classes = np.full((count, len(Label)), 0.2 / (len(Label) - 1))
    classes[np.arange(count), labels or [Label.CAR] * count] = 0.8
    return Objects(
        stamp_ns=stamp_ns,
        frame='base_link',
        positions_m=np.column_stack([np.reshape(places, (count, 2)), np.full(count, 0.75)]),
        headings_rad=np.zeros(count) if headings is None else np.array(headings, float),
        dimensions_m=np.array(sizes or [CAR] * count, float).reshape(count, 3),
        existence=np.full(count, 0.9),
        class_probabilities=classes,
        velocities_mps=np.full((count, 2), np.nan) if velocities is None else np.array(velocities, float),
        heading_rates_rps=np.full(count, np.nan),
        pose_covariances=np.tile(np.diag([sigma_m**2, sigma_m**2, 0.05**2]), (count, 1, 1)),
        velocity_covariances=np.tile(np.eye(2) * (1e4 if velocities is None else 0.25), (count, 1, 1)),
    )


def run(scene, steps, tracker=None, start=0, state=lambda time_s: ego(), **more):
    """Track `scene(time_s)`, a list of arguments of `detected`; return the tracker and all answers."""
    tracker, answers = tracker or Tracker(TrackingConfig()), []
    for step in range(start, start + steps):
        stamp_ns = START_NS + step * STEP_NS
        here = replace(state(step * 0.1), stamp_ns=stamp_ns)
        answers.append(tracker.track(detected(stamp_ns=stamp_ns, **scene(step * 0.1)), here, **more))
    return tracker, answers


def one_car(speed_mps=10.0, x=5.0, y=3.0):
    return lambda time_s: {'places': [(x + speed_mps * time_s, y)]}


def test_speed_heading_and_id_of_a_car_that_drives():
    _, answers = run(one_car(), steps=20)
    last = answers[-1]
    assert last.frame == 'odom' and last.stamp_ns == START_NS + 19 * STEP_NS and len(last) == 1
    np.testing.assert_allclose(last.positions_m[0, :2], [24.0, 3.0], atol=0.1)
    np.testing.assert_allclose(last.velocities_mps[0], [10.0, 0.0], atol=0.3)
    assert last.labels[0] == Label.CAR and last.existence[0] > 0.95
    assert len({name for answer in answers for name in answer.names()}) == 1


def test_a_car_at_highway_speed_is_followed_from_its_second_sighting_on():
    _, answers = run(one_car(speed_mps=-40.0, x=90.0), steps=12)
    assert [len(answer) for answer in answers] == [0] + [1] * 11
    np.testing.assert_allclose(answers[-1].velocities_mps[0], [-40.0, 0.0], atol=1.0)


def test_our_own_motion_is_not_taken_for_theirs():
    def state(time_s):
        return ego(x=8.0 * time_s, heading=0.3 * time_s)

    def parked(time_s):
        c, s = np.cos(-0.3 * time_s), np.sin(-0.3 * time_s)
        x, y = 30.0 - 8.0 * time_s, 6.0
        return {'places': [(c * x - s * y, s * x + c * y)], 'headings': [0.5 - 0.3 * time_s]}

    _, answers = run(parked, steps=15, state=state)
    np.testing.assert_allclose(answers[-1].positions_m[0, :2], [30.0, 6.0], atol=0.05)
    np.testing.assert_allclose(answers[-1].headings_rad[0], 0.5, atol=0.02)
    np.testing.assert_array_equal(answers[-1].velocities_mps, 0.0)


def test_ids_are_uuids_and_the_same_in_every_run():
    first, second = (run(one_car(), steps=3)[1][-1].ids for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.uint8 and first.shape == (1, 16)
    assert first[0, 6] >> 4 == 5 and first[0, 8] >> 6 == 2  # version and variant of RFC 4122


def test_two_that_pass_each_other_keep_their_ids():
    def scene(time_s):
        return {'places': [(5.0 + 10.0 * time_s, 2.0), (35.0 - 10.0 * time_s, -1.5)]}

    _, answers = run(scene, steps=30)
    ways = {name: answer.velocities_mps[row, 0] for answer in answers[3:] for row, name in enumerate(answer.names())}
    assert len(ways) == 2 and sorted(np.sign(list(ways.values()))) == [-1.0, 1.0]


def test_what_is_gone_is_forgotten_soon():
    tracker, _ = run(one_car(0.0, x=10.0), steps=20)
    _, answers = run(lambda time_s: {'places': []}, steps=10, tracker=tracker, start=20)
    assert len(answers[0]) == 1 and len(answers[-1]) == 0


def test_what_is_hidden_is_remembered_longer():
    tracker, _ = run(one_car(0.0, x=30.0, y=0.0), steps=20)
    truck = {'places': [(12.0, 0.0)], 'sizes': [(3.0, 6.0, 3.0)], 'labels': [Label.TRUCK]}
    _, answers = run(lambda time_s: truck, steps=15, tracker=tracker, start=20)
    near_car = [np.hypot(*(answer.positions_m[:, :2] - [30.0, 0.0]).T).min() < 1.0 for answer in answers]
    assert all(near_car)


def test_the_heading_follows_the_motion_where_front_and_rear_look_alike():
    def reversed_box(time_s):
        return {'places': [(5.0 + 8.0 * time_s, 3.0)], 'headings': [np.pi - 0.02]}

    _, answers = run(reversed_box, steps=20)
    assert abs(answers[-1].headings_rad[0]) < 0.1


def test_a_turn_is_followed():
    def turning(time_s):  # a circle of radius 20 m at 8 m/s: 0.4 rad/s
        angle = 0.4 * time_s
        return {'places': [(20.0 * np.sin(angle), 30.0 - 20.0 * np.cos(angle))], 'headings': [angle]}

    _, answers = run(turning, steps=25)
    np.testing.assert_allclose(answers[-1].heading_rates_rps[0], 0.4, atol=0.1)
    np.testing.assert_allclose(np.hypot(*answers[-1].velocities_mps[0]), 8.0, atol=0.5)


def test_a_part_that_is_seen_later_does_not_move_the_whole():
    tracker, before = run(one_car(0.0, x=20.0, y=0.0), steps=15)
    rear = {'places': [(18.5, 0.0)], 'sizes': [(1.3, 1.8, 1.5)]}  # its rear end stays at 17.85
    _, after = run(lambda time_s: rear, steps=3, tracker=tracker, start=15)
    np.testing.assert_allclose(after[-1].positions_m[0, 0], 20.0, atol=0.3)
    assert after[-1].names() == before[-1].names() and after[-1].dimensions_m[0, 0] > 3.5


def test_a_bus_of_which_more_and_more_is_seen_keeps_its_speed():
    def bus(time_s):  # its front at 40 m comes nearer at 10 m/s; of its 12 m the first 4 to 12 are seen
        front, length = 40.0 - 10.0 * time_s, 4.0 + 5.0 * time_s
        return {'places': [(front + length / 2.0, 3.0)], 'sizes': [(length, 2.5, 3.0)], 'labels': [Label.BUS]}

    _, answers = run(bus, steps=16)
    np.testing.assert_allclose([answer.velocities_mps[0, 0] for answer in answers[8:]], -10.0, atol=1.0)


def test_between_sightings_a_turn_goes_on():
    found = replace(detected([(0.0, 0.0)], velocities=[(8.0, 0.0)]), frame='odom')
    track = born(found, lambda: np.zeros(16), doubt=0.0)
    track = predicted(replace(track, turning=np.array([[0.0, 0.5]])), 0.4, acceleration_mps2=1.0, turn_rps2=1.0)
    np.testing.assert_allclose(track.motion[0, 2:], [8.0 * np.cos(0.2), 8.0 * np.sin(0.2)])
    np.testing.assert_allclose(track.motion[0, :2], [3.2 * np.cos(0.1), 3.2 * np.sin(0.1)])  # along the chord


def test_classes_gather_over_time():
    def scene(time_s):
        odd = round(time_s * 10) % 4 == 3
        return {'places': [(8.0, 2.0)], 'sizes': [WALKER], 'labels': [Label.BICYCLE if odd else Label.PEDESTRIAN]}

    _, answers = run(scene, steps=12)
    assert answers[-1].labels[0] == Label.PEDESTRIAN and answers[-1].class_probabilities[0, Label.PEDESTRIAN] > 0.9


def test_one_sighting_alone_is_not_published():
    tracker, answers = run(one_car(), steps=1)
    assert len(answers[0]) == 0
    _, answers = run(lambda time_s: {'places': [(60.0, -20.0)]}, steps=1, tracker=tracker, start=1)
    assert len(answers[0]) == 0


def test_what_is_surely_there_is_published_at_once():
    sure = replace(detected([(5.0, 3.0)]), existence=np.array([0.99]))
    assert len(Tracker(TrackingConfig()).track(sure, replace(ego(), stamp_ns=START_NS))) == 1


def test_who_tracks_tells_which_detection_each_object_was_seen_as():
    both = {'places': [(5.0, 3.0), (20.0, -3.0)]}
    tracker, _ = run(lambda time_s: both, steps=3)
    run(lambda time_s: {'places': [(20.0, -3.0)]}, steps=1, tracker=tracker, start=3)
    assert tracker.sources.tolist() == [-1, 0]


@pytest.mark.parametrize('label, sizes, left', [(Label.UNKNOWN, (1.0, 1.0, 1.0), 1), (Label.PEDESTRIAN, WALKER, 2)])
def test_where_something_else_is_seen_nothing_but_people_is_remembered(label, sizes, left):
    both = {'places': [(10.0, 3.0), (11.7, 3.6)], 'labels': [Label.CAR, label], 'sizes': [CAR, sizes]}
    tracker, answers = run(lambda time_s: both, steps=5)
    assert len(answers[-1]) == 2
    _, answers = run(lambda time_s: {'places': [(10.0, 3.0)]}, steps=1, tracker=tracker, start=5)
    assert len(answers[-1]) == left


def test_the_size_of_what_is_seen_whole_is_the_mean_of_what_was_seen():
    lengths = [4.0, 4.4] * 10
    _, answers = run(lambda time_s: {'places': [(5.0, 3.0)], 'sizes': [(lengths[round(10 * time_s)], 1.8, 1.5)],
                                     'sigma_m': 0.05}, steps=20)  # fmt: skip
    assert abs(answers[-1].dimensions_m[0, 0] - 4.2) < 0.06


def test_a_radar_gives_the_speed_at_once_and_its_own_objects():
    tracker = Tracker(TrackingConfig(externals=('radar',)))
    radar = detected([(5.0, 3.0), (70.0, 0.0)], velocities=[(12.0, 0.0), (-20.0, 0.0)], stamp_ns=START_NS)
    tracker.track(detected([(5.0, 3.0)]), ego(START_NS), [radar])
    later = START_NS + STEP_NS
    radar = detected([(5.6, 3.0), (69.0, 0.0)], velocities=[(12.0, 0.0), (-20.0, 0.0)], stamp_ns=later - STEP_NS // 2)
    found = tracker.track(detected([(6.2, 3.0)], stamp_ns=later), ego(later), [radar])
    rows = np.argsort(found.positions_m[:, 0])
    np.testing.assert_allclose(found.positions_m[rows, 0], [6.2, 68.0], atol=0.3)
    np.testing.assert_allclose(found.velocities_mps[rows, 0], [12.0, -20.0], atol=1.0)


def test_what_another_detector_says_too_late_is_left_out():
    tracker = Tracker(TrackingConfig())
    old = detected([(50.0, 0.0)], velocities=[(0.0, 0.0)], stamp_ns=START_NS - 10 * STEP_NS)
    for step in range(3):
        stamp_ns = START_NS + step * STEP_NS
        found = tracker.track(no_objects(stamp_ns, 'base_link', tracked=False), ego(stamp_ns), [old])
    assert len(found) == 0


def test_a_jump_of_time_forgets_all_and_a_late_sweep_is_refused():
    tracker, answers = run(one_car(), steps=5)
    with pytest.raises(DataError, match='not newer'):
        tracker.track(detected([(5.0, 3.0)], stamp_ns=START_NS), ego(START_NS))
    assert len(tracker.track(detected([(5.0, 3.0)], stamp_ns=START_NS - 10**10), ego(START_NS - 10**10))) == 0
    _, after = run(one_car(), steps=5)
    assert after[-1].names() == answers[-1].names()


def test_nothing_gives_nothing():
    _, answers = run(lambda time_s: {'places': []}, steps=3)
    assert [len(answer) for answer in answers] == [0, 0, 0] and answers[-1].ids.shape == (0, 16)


@pytest.mark.parametrize('name, value', [('lost', 0.7), ('visible', 1.0), ('farthest_m', 0.0)])
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f'{name}={value}'):
        TrackingConfig(**{name: value})
