"""What a data report counts, ranks and tells of sweeps."""

import json
from dataclasses import replace

import numpy as np
import pytest
from flat_examples import SIZES_M, example_of, examples
from real_data import sensors
from recordings import record

from autonomy_nodes.common.objects import Label, no_objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.frames import ids_of, truth_of
from autonomy_nodes.training.census.cards import beams_of, card_of
from autonomy_nodes.training.census.cases import corner_cases
from autonomy_nodes.training.census.doubts import Eyes, between, contradictions
from autonomy_nodes.training.census.rarity import rarities, same
from autonomy_nodes.training.census.report import CASES, PAGE, REPORT, Asked, report
from autonomy_nodes.training.census.statistics import statistics
from autonomy_nodes.training.census.sweeps import Reading, labels_of, parts_of, sweep_of, sweeps_of
from autonomy_nodes.training.shards import add, packed

VEHICLE, TRUCK, PERSON = 0, 1, 2


def box(kind, x, y, heading=0.0):
    """A row of boxes of an example, that stands on the ground."""
    size = SIZES_M[kind]
    return [x, y, size[2] / 2.0, *size, heading, 0.0, 0.0]


def example(kinds_at, seed=0, **more):
    rows = [box(*each) for each in kinds_at]
    return replace(example_of(rows, [each[0] for each in kinds_at], np.random.default_rng(seed)), **more)


def objects(*rows):
    """Sure cars (x, y) or (x, y, label, existence) in base_link."""
    rows = [(*row, Label.CAR, 1.0)[:4] if len(row) == 2 else row for row in rows]
    if not rows:
        return no_objects(0, 'base_link', tracked=False)
    centres = np.array([[x, y, 0.75] for x, y, _, _ in rows])
    sizes, names = np.tile(SIZES_M[VEHICLE], (len(rows), 1)), ids_of(range(len(rows)))
    labels = [label for _, _, label, _ in rows]
    found = truth_of(0, ['x'] * len(rows), labels, centres, np.zeros(len(rows)), sizes, names).objects
    return replace(found, ids=None, existence=np.array([existence for *_, existence in rows]))


@pytest.fixture(scope='module')
def alike():
    """Cards of a dozen places with two cars each, here and there."""
    places = [[(VEHICLE, 8.0 + seed / 3.0, 5.0), (VEHICLE, -9.0, 4.0 + seed / 4.0)] for seed in range(12)]
    return [card_of(sweep_of(f'{seed:07d}-0', example(place, seed))) for seed, place in enumerate(places)]


def test_a_lidar_has_as_many_beams_as_there_are_elevations_in_a_sector():
    around, up = np.meshgrid(np.linspace(-np.pi, np.pi, 900), np.radians(np.linspace(-15.0, 15.0, 16)))
    rng = np.random.default_rng(0)
    reach = rng.uniform(6.0, 40.0, around.shape)
    xyz = np.stack([reach * np.cos(around), reach * np.sin(around), reach * np.tan(up) + 1.8], axis=-1).reshape(-1, 3)
    cloud = PointCloud(0, 'base_link', xyz.astype(np.float32), np.zeros(len(xyz), np.float32))
    assert beams_of(cloud, np.array([0.0, 0.0, 1.8])) == 16
    assert beams_of(replace(cloud, ring=np.arange(len(xyz), dtype=np.uint16) % 40), np.zeros(3)) == 40


def test_points_on_labelled_objects_are_counted_and_unknown_kinds_left_out():
    truth = objects((10.0, 0.0), (10.0, 8.0, Label.BUS, 1.0), (0.0, 9.0, Label.UNKNOWN, 1.0))
    xyz = np.array([[10.0, 0.0, 0.5], [12.1, 0.8, 1.4], [12.4, 0.0, 0.5], [10.0, 8.0, 0.1]], np.float32)
    labels = labels_of(truth, PointCloud(0, 'base_link', xyz, np.zeros(4, np.float32)))
    assert labels.kinds.tolist() == [VEHICLE, TRUCK]
    assert labels.hits.tolist() == [2, 1]  # the third point lies 0.2 m before the car


def test_statistics_count_labels_by_class_range_and_points():
    place = example([(VEHICLE, 8.0, 0.0), (PERSON, 15.0, 0.0), (PERSON, 30.0, 0.0)], hits=np.array([150, 7, 0]))
    told = statistics([card_of(sweep_of('0000001-0', place))])
    people = told['objects']['pedestrian']
    assert people['by_range'] == {'0-10 m': 0, '10-20 m': 1, '20-40 m': 1, '40-70 m': 0}
    assert people['by_points'] == {'0+': 1, '1+': 0, '5+': 1, '20+': 0, '100+': 0}
    assert told['objects']['vehicle']['by_points']['100+'] == 1
    assert sum(told['terrain'].values()) == pytest.approx(1.0)


def test_what_is_unlike_all_others_is_the_rarest_and_the_reason_is_named(alike):
    crowd = example([(PERSON, 6.0 + k, 3.0) for k in range(9)], 50)
    cards = [*alike, card_of(sweep_of('0000099-0', crowd))]
    far, words = rarities(cards, cards)
    assert np.argmax(far) == 12 and far[12] > 5.0 * np.median(far)
    assert 'pedestrian 9 (usually 0)' in words[12]
    assert corner_cases(cards)[0].card.name == '0000099-0'


def test_views_of_one_place_do_not_make_each_other_common(alike):
    crowd = example([(PERSON, 6.0 + k, 3.0) for k in range(9)], 50)
    alone = [*alike, card_of(sweep_of('0000099-0', crowd))]
    seen_thrice = [*alone, *(replace(alone[-1], name=f'0000099-{view}') for view in (1, 2))]
    assert rarities(seen_thrice, seen_thrice)[0][12] > 0.7 * rarities(alone, alone)[0][12]
    apart = [replace(card, drive=card.name) for card in seen_thrice]
    assert rarities(apart, apart)[0][12] < 0.7 * rarities(alone, alone)[0][12]


def test_what_was_there_before_and_is_not_now_has_vanished():
    now, before = example([(VEHICLE, 9.0, 5.0)], 3), example([(VEHICLE, 9.0, 5.0), (VEHICLE, -8.0, -6.0)], 3)
    _, doubts = Eyes().see(sweep_of('0000003-0', replace(now, before=before.points)))
    assert (len(doubts.appeared), len(doubts.vanished)) == (0, 1)
    assert doubts.vanished[0, :2] == pytest.approx([-8.0, -6.0], abs=0.4)


def test_an_object_that_moves_or_grows_unsure_stays_and_a_far_one_is_not_asked_for():
    then = objects((10.0, 0.0), (0.0, 20.0, Label.CAR, 0.3), (34.0, 20.0))
    doubts = between(objects((11.9, 0.0), (0.0, 20.0)), then, gap_s=0.1)  # 0.6 + 4.4 / 4 + 1 m may lie between
    assert (len(doubts.appeared), len(doubts.vanished), doubts.asked) == (0, 0, 3)
    assert len(between(objects((13.0, 0.0), (0.0, 20.0)), then, gap_s=0.1).appeared) == 1


def test_boxes_where_nothing_stands_and_clusters_that_nobody_explains_are_told():
    eyes = Eyes()
    seen, _ = eyes.see(sweep_of('0000003-0', example([(VEHICLE, 9.0, 5.0), (VEHICLE, -8.0, -6.0)], 3)))
    alone, unexplained = contradictions(objects((9.0, 5.0), (20.0, -10.0)), seen.clusters, eyes._config)
    assert alone[:, :2].tolist() == [[20.0, -10.0]]
    assert unexplained[:, :2] == pytest.approx(np.array([[-8.0, -6.0]]), abs=0.4)


def test_equal_sweeps_and_ones_that_tell_nothing_new_are_found(alike):
    still = [replace(alike[0], name=f'drive/{k}', print=f'{k}') for k in range(3)]
    groups, nearly = same([*alike, replace(alike[4], name='again')])
    assert groups == [['0000004-0', 'again']] and nearly['again'] == '0000004-0' and '0000000-0' not in nearly
    assert same(still) == ([], {'drive/1': 'drive/0', 'drive/2': 'drive/0'})


def test_moments_of_one_drive_beside_each_other_come_after_all_that_tells_more(alike):
    second = 10**9
    drive = [replace(card, drive='d', stamp_ns=k * second // 4) for k, card in enumerate(alike[:4])]
    named = [case.card.stamp_ns for case in corner_cases([*drive, *alike[4:]]) if case.card.drive == 'd']
    cases = corner_cases([*drive, *alike[4:]])
    assert len(cases) == 12 and len(named) == 4
    assert [case.card.drive for case in cases[-3:]] == ['d', 'd', 'd']


def folder_of(path, places):
    import tarfile

    path.mkdir()
    with tarfile.open(path / 'examples-00000.tar', 'w') as shard:
        for number, one in enumerate(places):
            add(shard, f'{number:07d}-0.npz', packed(one))
    return path


def test_a_report_is_the_same_each_time_and_lies_in_one_page(tmp_path):
    folder = folder_of(tmp_path / 'data', [next(examples(seed)) for seed in range(4)])
    asked = Asked((folder,), (folder,), top=2)
    for out in ('a', 'b'):
        told = report(asked, tmp_path / out, {'command': 'a test'}, lambda *told: None)
    assert told['verdict'].startswith('no drift')
    for name in (REPORT, CASES, PAGE):
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()
    page = (tmp_path / 'a' / PAGE).read_text()
    assert page.count('data:image/png;base64,') == 2 + 9 and 'http' not in page
    cases = json.loads((tmp_path / 'a' / CASES).read_text())
    assert [case['place'] for case in cases] == [1, 2, 3, 4] and all(case['reasons'] for case in cases)


def test_beams_choose_what_a_set_is_held_against_and_an_empty_choice_is_refused(tmp_path):
    folder = folder_of(tmp_path / 'data', [next(examples(0))])
    with pytest.raises(DataError, match='no sweep'):
        report(Asked((folder,), (folder,), beams=(500, 600)), tmp_path / 'out', {}, lambda *told: None)


def test_augmented_examples_are_read_the_same_way_twice_and_differ_from_plain_ones(tmp_path):
    folder = folder_of(tmp_path / 'data', [next(examples(seed)) for seed in range(3)])
    (part,) = parts_of(folder)
    read = [[sweep.cloud.xyz for sweep in sweeps_of(part, Reading(augmented=told))] for told in (True, True, False)]
    assert all(np.array_equal(one, other) for one, other in zip(read[0], read[1]))
    assert not all(np.array_equal(one, other) for one, other in zip(read[0], read[2]))


def test_a_recording_gives_sweeps_with_the_one_before_and_where_the_lidar_sits(tmp_path):
    bag = record(tmp_path / 'bag.mcap', 0.8)
    (part,) = parts_of(bag)
    sweeps = list(sweeps_of(part, Reading()))
    assert len(sweeps) >= 6 and sweeps[0].before is None
    last = sweeps[-1]
    assert last.gap_s == pytest.approx(0.1) and last.sensor_m is not None
    assert last.now_from_last == pytest.approx(np.eye(4), abs=0.05)  # the vehicle stands
    assert len(last.before) == len(sweeps[-2].cloud)
    card = card_of(last)
    assert card.beams == 16 and card.with_before


def test_real_sweeps_are_played_with_labels_and_odometry():
    (part,) = parts_of(sensors('kitti_seq0000'))
    sweeps = list(sweeps_of(part, Reading(limit=5)))
    assert [sweep.name for sweep in sweeps] == [f'kitti_seq0000/{number:06d}' for number in range(5)]
    assert sweeps[-1].before is not None and -1.5 < sweeps[-1].now_from_last[0, 3] < -0.2  # it drives ahead
    assert sweeps[-1].labels.hits.max() > 500
    assert 58 <= card_of(sweeps[-1]).beams <= 74  # 64, of an older LiDAR whose beams do not meet in one point
