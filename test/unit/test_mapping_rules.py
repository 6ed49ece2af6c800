"""Which rule the map tells at a stop line: of its light, of a sign, of who goes first, of none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_roads import ego_at, pose_at, straight

from autonomy_nodes.common.lanes import Line, Rule
from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.messages.tables import read_lane_pieces, write_lane_pieces


def pieces_at(road_map, x=60.0):
    return MapGuide(road_map, GuideConfig()).step(ego_at(x, 1.75), pose_at(x, 1.75)).pieces


def told(pieces, class_=Line.STOP_LINE):
    rows = pieces.classes == class_
    return sorted(zip(pieces.rules[rows].tolist(), pieces.rule_ids[rows].tolist()))


def road(*rules, lines=1, turn=''):
    """A lane of 100 m along x with stop lines at 80 m; rules: (subtype, sign, whether it names the line)."""
    draft = Draft()
    stops = [draft.line([(80 + k, 0), (80 + k, 3.5)], 'stop_line') for k in range(lines)]
    left, right = (draft.line([(0, y), (100, y)], 'line_thin', 'solid') for y in (3.5, 0.0))
    ids = []
    for subtype, sign, named in rules:
        post = draft.line([(90, 0, 5), (91, 0, 5)], 'traffic_sign', sign)
        ids.append(draft.rule(subtype, [post], stops[:1] if named else []))
    draft.lanelet(left, right, rules=ids, turn_direction=turn)
    return draft.finished(), ids


KINDS = [
    ('traffic_light', '', Rule.LIGHT),
    ('virtual_traffic_light', '', Rule.LIGHT),
    ('traffic_sign', 'de206', Rule.STOP),
    ('traffic_sign', 'de205', Rule.GIVE_WAY),
    ('traffic_sign', 'never heard of', Rule.STOP),
    ('right_of_way', '', Rule.GIVE_WAY),
    ('crosswalk', '', Rule.GIVE_WAY),
    ('all_way_stop', '', Rule.STOP),
]


@pytest.mark.parametrize('subtype, sign, rule', KINDS)
def test_a_stop_line_carries_its_rule_over_the_wire(subtype, sign, rule):
    road_map, (id_,) = road((subtype, sign, True))
    pieces = read_lane_pieces(write_lane_pieces(pieces_at(road_map)))
    assert told(pieces) == [(rule, id_)]
    assert set(told(pieces, Line.CENTERLINE)) == {(Rule.LIGHT, id_) if rule == Rule.LIGHT else (Rule.NONE, 0)}


def test_a_line_that_no_rule_names_has_none():
    assert told(pieces_at(road()[0])) == [(Rule.NONE, 0)]


@given(st.permutations(['traffic_light', 'traffic_sign', 'right_of_way']))
def test_of_several_rules_the_light_counts_whatever_their_order(subtypes):
    road_map, ids = road(*[(subtype, '', True) for subtype in subtypes])
    assert told(pieces_at(road_map)) == [(Rule.LIGHT, ids[subtypes.index('traffic_light')])]


def test_a_second_light_at_a_line_becomes_a_stop_place_there():
    road_map, (first, second) = road(('traffic_light', '', True), ('traffic_light', '', True))
    pieces = pieces_at(road_map)
    assert told(pieces) == [(Rule.LIGHT, first)]
    assert told(pieces, Line.STOP_PLACE) == [(Rule.LIGHT, second)]
    assert pieces.line(Line.STOP_PLACE, second)[:, 0] == pytest.approx(20.0)  # 80 m, seen from 60 m
    assert set(told(pieces, Line.CENTERLINE)) == {(Rule.NONE, 0)}  # no light alone controls the lane


@pytest.mark.parametrize('turn, x', [('', 40.0), ('left', -60.0)])
def test_a_light_that_names_no_line_stops_where_the_crossing_begins(turn, x):
    road_map, (light,) = road(('traffic_light', '', False), turn=turn)
    pieces = pieces_at(road_map, 60.0 if x > 0.0 else 0.0)
    assert told(pieces, Line.STOP_PLACE) == [(Rule.LIGHT, light)]
    place = pieces.line(Line.STOP_PLACE, light)
    assert place[:, 0] == pytest.approx(40.0 if x > 0.0 else 0.0)
    assert np.ptp(place[:, 1]) == pytest.approx(3.5)


def test_a_light_of_pedestrians_is_no_rule_of_ours():
    draft = Draft()
    stop = draft.line([(80, 0), (80, 3.5)], 'stop_line')
    walk = draft.rule('traffic_light', [], [stop])
    sides = [draft.line([(0, y), (100, y)], 'line_thin', 'solid') for y in (3.5, 0.0)]
    over = [draft.line([(x, 0), (x, 3.5)], 'pedestrian_marking') for x in (84, 87)]
    draft.lanelet(*sides)
    draft.lanelet(*over, subtype='crosswalk', rules=[walk])
    assert told(pieces_at(draft.finished())) == [(Rule.NONE, 0)]


def test_a_map_of_another_maker_without_rules_tells_of_none():
    road_map, _ = straight(stop_at_m=80.0)
    pieces = pieces_at(road_map)
    bare = type(pieces)(*[getattr(pieces, name) for name in (
        'stamp_ns', 'frame', 'points', 'classes', 'ids', 'confidence', 'valid_lengths_m')])  # fmt: skip
    assert set(bare.rules.tolist()) == {Rule.UNKNOWN}
