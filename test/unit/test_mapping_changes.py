"""Evidence for and against the map: hand-worked ratios, traversals, suspects."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mapping_roads import ego_at, pose_at, straight

from autonomy_nodes.common.lanes import Landmark, LaneObservations, Line
from autonomy_nodes.mapping.changes import JUDGED, ChangesConfig, ChangeWatch
from autonomy_nodes.mapping.chunks import chunks_of, common_shift
from autonomy_nodes.mapping.evidence import EvidenceConfig, odds, probability, ratio
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.mapping.suspects import write_suspects

STEP_NS = 100_000_000
CONFIG = ChangesConfig()


def test_twenty_empty_frames_of_one_traversal_are_worth_three_of_log_odds():
    # Beta(4.02, 1.98): chance of 0 in 20 about 4e-4; hidden 0.04 x Beta(1, 19): 19/39 = 0.487; against 0.93 x 0.487
    expected = np.log((0.96 * 3.9e-4 + 0.04 * 0.487) / (0.93 * 0.487))
    assert ratio(0, 20, EvidenceConfig()) == pytest.approx(expected, abs=0.05)
    assert expected == pytest.approx(-3.1, abs=0.05)


def test_more_empty_frames_of_the_same_traversal_say_hardly_more():
    assert ratio(0, 200, EvidenceConfig()) > ratio(0, 20, EvidenceConfig()) - 0.2


def test_paint_seen_in_half_of_the_frames_speaks_for_the_map():
    assert ratio(10, 20, EvidenceConfig()) > 1.0


def test_one_traversal_makes_suspect_and_three_leave_little_doubt():
    prior, empty = odds(0.95), ratio(0, 20, EvidenceConfig())
    gone = [1.0 - probability(prior + passes * empty) for passes in range(4)]
    assert gone[0] == pytest.approx(0.05)
    assert 0.5 < gone[1] < 0.9
    assert gone[3] > 0.99


def road():
    return straight(length_m=200.0, lanes=3, width_m=3.5)


def paint(road_map, x, y, skip=None, ahead_m=15.0, moved_m=0.0, more=(), unlike=()):
    """What a sensor sees of the map's paint from (x, y): segments of 2 m, none of the line `skip`.

    unlike: (class, y in map [m]) of what else is told along the road.
    """
    segments, classes = [], []
    for line in road_map.lines.values():
        kind = {'dashed': Line.DIVIDER, 'solid': Line.SOLID}.get(line.subtype)
        if kind is None or line.id == skip:
            continue
        for start in np.arange(-ahead_m, ahead_m, 4.0):
            aside = line.points[0, 1] - y + moved_m
            segments.append([[start, aside, 0.0], [start + 2.0, aside, 0.0]])
            classes.append(kind)
    for ends in more:
        segments.append([[px - x, py - y, 0.0] for px, py in ends])
        classes.append(Line.SOLID)
    for kind, aside_m in unlike:
        aside = aside_m - y
        upright = kind in (Landmark.POLE, Landmark.SIGN)
        for start in np.arange(-ahead_m, ahead_m, 2.0):
            end = [start, aside, 2.0] if upright else [start + 2.0, aside, 0.0]
            segments.append([[start, aside, 0.0], end])
            classes.append(kind)
    count = len(segments)
    return np.array(segments).reshape(-1, 2, 3), np.array(classes, np.uint8), np.full(count, 0.9)


def drive(watch, road_map, start_ns=1, skip=None, moved_m=0.0, seen_m=40.0, more=(), y=1.75, unlike=()):
    """Pass once along the right lane, a frame each metre."""
    guide = MapGuide(road_map, GuideConfig())
    for frame, x in enumerate(np.arange(20.0, 180.0, 2.0)):
        stamp_ns = start_ns + frame * STEP_NS
        pose = pose_at(x, y, stamp_ns=stamp_ns)
        view = guide.step(ego_at(x, y, stamp_ns=stamp_ns), pose)
        segments, classes, sure = paint(road_map, x, y, skip, moved_m=moved_m * (x > 100.0), more=more, unlike=unlike)
        seen = LaneObservations(stamp_ns, segments, classes, sure, np.full(72, seen_m))
        watch.step(seen, view.pieces, view.match, pose)
    return stamp_ns


def divider_of(road_map):
    return next(line.id for line in road_map.lines.values() if line.subtype == 'dashed')


def test_a_map_that_is_right_has_no_suspects_not_even_a_border_of_a_class_that_the_detector_never_finds():
    road_map, _ = road()
    watch = ChangeWatch(CONFIG)
    for pass_ in range(3):
        drive(watch, road_map, start_ns=1 + pass_ * 60_000_000_000)
    assert watch.changes(0).kinds == ()


def test_a_divider_that_is_gone_is_suspect_after_one_pass_and_surer_after_each():
    road_map, _ = road()
    gone, watch, sure = divider_of(road_map), ChangeWatch(CONFIG), []
    for pass_ in range(3):
        stamp_ns = drive(watch, road_map, start_ns=1 + pass_ * 60_000_000_000, skip=gone)
        found = watch.changes(stamp_ns)
        assert set(found.ids.tolist()) == {gone}
        assert set(found.kinds) == {'removed'}
        assert (found.traversals == pass_ + 1).all()
        sure.append(np.median(found.probabilities))
    assert 0.5 < sure[0] < sure[1] < sure[2]
    assert sure[2] > 0.99
    assert len(found.ids) >= 14  # 160 m in chunks of about 10 m
    assert found.positions_m[:, 1] == pytest.approx(3.5)  # in map


def test_a_chunk_is_one_element_however_its_place_is_rounded():
    road_map, _ = straight(length_m=201.0, lanes=3)  # pieces from 0 on in steps of 1 m: middles on borders of cells
    watch = ChangeWatch(CONFIG)
    for pass_ in range(2):
        drive(watch, road_map, start_ns=1 + pass_ * 60_000_000_000, y=1.75 + 0.013 * pass_)
    places = [element.middle for line in watch._chunks.values() for element in line.values()]
    gaps = np.linalg.norm(np.array(places)[:, None] - np.array(places), axis=2) + 100.0 * np.eye(len(places))
    assert gaps.min() > 1.0


def test_what_was_never_in_sight_is_no_suspect():
    road_map, _ = road()
    watch = ChangeWatch(CONFIG)
    drive(watch, road_map, skip=divider_of(road_map), seen_m=3.0)
    assert watch.changes(0).kinds == ()


def test_a_pose_that_is_off_sideways_is_no_change_of_the_map():
    road_map, _ = road()
    watch = ChangeWatch(CONFIG)
    drive(watch, road_map, moved_m=0.8)  # from the middle of the road on
    assert watch.changes(0).kinds == ()


def test_a_new_line_is_found_where_it_lies():
    road_map, _ = road()
    watch = ChangeWatch(CONFIG)
    new = (((100.0, -3.0), (103.0, -3.0)),)
    for pass_ in range(2):
        stamp_ns = drive(watch, road_map, start_ns=1 + pass_ * 60_000_000_000, more=new)
    found = watch.changes(stamp_ns)
    assert found.kinds == ('added',)
    assert found.ids.tolist() == [0]
    assert found.positions_m[0] == pytest.approx([101.5, -3.0, 0.0], abs=0.3)


UNLIKE = (Line.CENTERLINE, Line.CROSSWALK, Landmark.POLE, Landmark.SIGN)


@pytest.mark.parametrize('kind', UNLIKE)
def test_what_is_no_paint_is_never_taken_for_a_line_of_the_map(kind):
    """Told on the very place of a divider that is gone, it hides nothing."""
    road_map, _ = road()
    gone, watch = divider_of(road_map), ChangeWatch(CONFIG)
    stamp_ns = drive(watch, road_map, skip=gone, unlike=[(kind, road_map.lines[gone].points[0, 1])])
    found = watch.changes(stamp_ns)
    assert set(found.ids.tolist()) == {gone} and set(found.kinds) == {'removed'} and len(found.ids) >= 14


@pytest.mark.parametrize('kind', UNLIKE)
def test_what_is_no_paint_is_nothing_new_on_the_map(kind):
    road_map, _ = road()
    watch = ChangeWatch(CONFIG)
    for pass_ in range(2):
        stamp_ns = drive(watch, road_map, start_ns=1 + pass_ * 60_000_000_000, unlike=[(kind, -3.0)])
    assert watch.changes(stamp_ns).kinds == ()


@pytest.mark.parametrize('kind', [*UNLIKE, Line.BOUNDARY, Line.STOP_LINE])
def test_only_paint_tells_how_far_the_pose_is_off(kind):
    """Lanes of 2.6 m: what lies in their middles is 1.2 m right of paint, within shift_m. Paint is seen 0.2 m aside."""
    road_map, _ = straight(length_m=200.0, lanes=3, width_m=2.6)
    view = MapGuide(road_map, GuideConfig()).step(ego_at(100.0, 1.3), pose_at(100.0, 1.3))
    chunks = chunks_of(view.pieces, JUDGED, 25.0)
    told = paint(road_map, 100.0, 1.3, moved_m=0.2, unlike=[(kind, 1.4), (kind, 4.0), (kind, 6.6)])
    seen = LaneObservations(1, *told, np.full(72, 40.0))
    assert common_shift(seen, chunks, CONFIG.sight) == pytest.approx(0.2, abs=1e-6)


def test_frames_without_a_sure_lane_are_not_judged():
    road_map, _ = road()
    watch, guide = ChangeWatch(CONFIG), MapGuide(road_map, GuideConfig())
    for y, words in ((3.5, 'the lane is not sure'), (200.0, 'the lane is not sure'), (1.75, '')):
        view = guide.step(ego_at(50.0, y), pose_at(50.0, y))
        seen = LaneObservations(1, *paint(road_map, 50.0, y), np.full(72, 40.0))
        assert watch.step(seen, view.pieces, view.match, pose_at(50.0, y)) == words


def test_where_a_class_is_found_nowhere_its_detector_is_blind_and_nothing_is_suspect():
    road_map, _ = straight(length_m=200.0, lanes=2)  # its only divider is gone: that may be the detector
    watch = ChangeWatch(CONFIG)
    drive(watch, road_map, skip=divider_of(road_map))
    assert watch.changes(0).kinds == ()


def test_where_paint_is_hard_to_see_a_missing_line_weighs_less():
    often, seldom = (ratio(0, 10, replace(EvidenceConfig(), found_rate=rate)) for rate in (0.67, 0.25))
    assert often < seldom < 0.0


def test_it_tells_once_a_second():
    watch = ChangeWatch(ChangesConfig())
    told = [stamp for stamp in range(0, 3_000_000_000, STEP_NS) if watch.due(stamp)]
    assert told == [0, 1_000_000_000, 2_000_000_000]


def test_suspects_are_written_as_json_lines(tmp_path):
    road_map, _ = road()
    watch = ChangeWatch(CONFIG)
    stamp_ns = drive(watch, road_map, skip=divider_of(road_map))
    write_suspects(watch.changes(stamp_ns), tmp_path / 'suspects.jsonl')
    rows = [json.loads(line) for line in (tmp_path / 'suspects.jsonl').read_text().splitlines()]
    assert {(row['id'], row['kind'], row['class'], row['state']) for row in rows} == {
        (divider_of(road_map), 'removed', 'DIVIDER', 'suspect')
    }
    assert [path.name for path in tmp_path.iterdir()] == ['suspects.jsonl']


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match='present=1.0'):
        replace(EvidenceConfig(), present=1.0)
    with pytest.raises(ValueError, match='period_s=0.0'):
        ChangesConfig(period_s=0.0)
