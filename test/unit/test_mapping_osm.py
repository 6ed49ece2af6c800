"""Lanelet2 files in and out: coordinates, what is kept, what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_roads import fork, straight

from autonomy_nodes.common.types import DataError
from autonomy_nodes.mapping.lanelet2_osm import read_osm, write_osm
from autonomy_nodes.mapping.model import speed_of
from autonomy_nodes.mapping.polylines import arc_lengths, middle, oriented, resampled
from autonomy_nodes.mapping.projection import Projection

DATA = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'maps'
LARGE_BYTES = 100_000
NODE = '<node id="{id}" lat="{lat}" lon="{lon}">{tags}</node>'
ROAD = """<way id="11"><nd ref="1"/><nd ref="2"/><tag k="type" v="line_thin"/><tag k="subtype" v="dashed"/></way>
<way id="12"><nd ref="4"/><nd ref="3"/><tag k="type" v="road_border"/></way>
<relation id="21"><member type="way" ref="11" role="left"/><member type="way" ref="12" role="right"/>
<member type="relation" ref="31" role="regulatory_element"/>
<tag k="type" v="lanelet"/><tag k="subtype" v="road"/><tag k="speed_limit" v="36"/></relation>
<relation id="31"><member type="way" ref="11" role="wobble"/><tag k="type" v="regulatory_element"/>
<tag k="subtype" v="never_heard_of"/></relation>
<relation id="41"><tag k="type" v="route"/><tag k="name" v="a &amp; &quot;b&quot;"/></relation>"""


def local(x, y, z=None):
    height = '' if z is None else f'<tag k="ele" v="{z}"/>'
    return f'<tag k="local_x" v="{x}"/><tag k="local_y" v="{y}"/>{height}'


def osm(tmp_path, nodes, road=ROAD, root='osm'):
    path = tmp_path / 'map.osm'
    path.write_text(f'<?xml version="1.0"?><{root}>{nodes}{road}</{root}>')
    return path


def four(lat='', lon='', tags=('', '', '', '')):
    return ''.join(NODE.format(id=n + 1, lat=lat, lon=lon, tags=tag) for n, tag in enumerate(tags))


CORNERS = (local(0, 3.5, 1), local(10, 3.5, 2), local(0, 0, 1), local(10, 0, 2))


def test_local_coordinates_rule_over_latitudes_that_are_all_zero(tmp_path):
    lane = read_osm(osm(tmp_path, four('0', '0', CORNERS))).lanelets[21]
    assert np.allclose(lane.centerline[[0, -1]], [[0, 1.75, 1], [10, 1.75, 2]])
    assert len(lane.centerline) == 11  # 10 m in steps of 1 m


def test_a_side_stored_the_other_way_is_turned_with_the_lane(tmp_path):
    lane = read_osm(osm(tmp_path, four(tags=CORNERS))).lanelets[21]
    assert (lane.left_turned, lane.right_turned) == (False, True)
    assert np.allclose(lane.right, [[0, 0, 1], [10, 0, 2]])


def test_a_file_without_any_coordinates_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r'map.osm.*neither local_x.*export'):
        read_osm(osm(tmp_path, four('0', '0')))


def test_a_map_whose_points_all_lie_in_one_place_is_refused(tmp_path):
    with pytest.raises(DataError, match='all points lie in one place'):
        read_osm(osm(tmp_path, four('49.0', '8.4')))


def test_coordinates_that_only_some_nodes_have_are_refused(tmp_path):
    with pytest.raises(DataError, match='1 of 4 nodes, such as 3, lack local_x'):
        read_osm(osm(tmp_path, four('49.0', '8.4', (*CORNERS[:2], '', CORNERS[3]))))


def test_latitudes_become_metres_from_the_first_node(tmp_path):
    # one second of arc of latitude is 30.89 m at 49 degrees (WGS 84: 111 209 m a degree)
    places = [('49.0', '8.4'), ('49.001', '8.4'), ('49.0', '8.40005'), ('49.001', '8.40005')]
    nodes = ''.join(NODE.format(id=n + 1, lat=lat, lon=lon, tags='') for n, (lat, lon) in enumerate(places))
    road_map = read_osm(osm(tmp_path, nodes))
    assert np.allclose(road_map.node_points[0], 0.0, atol=1e-9)
    assert road_map.node_points[1, 1] == pytest.approx(111.21, abs=0.02)
    assert road_map.projection.name == 'tmerc 49.00000000 8.40000000'
    moved = read_osm(osm(tmp_path, nodes), (49.001, 8.4))
    assert moved.node_points[0, 1] == pytest.approx(-111.21, abs=0.02)


def test_unknown_rules_and_relations_are_kept(tmp_path):
    road_map = read_osm(osm(tmp_path, four(tags=CORNERS)))
    assert road_map.rules[31].subtype == 'never_heard_of'
    assert road_map.rules[31].refs('wobble') == (11,)
    assert road_map.others[41].tags['name'] == 'a & "b"'
    assert road_map.speed_limit_mps(road_map.lanelets[21]) == pytest.approx(10.0)


@pytest.mark.parametrize(
    'road, root, words',
    [
        ('', 'osm', 'no lanelets'),
        (ROAD, 'kml', 'is <kml>, not <osm>'),
        (ROAD.replace('ref="4"', 'ref="9"'), 'osm', 'line 12 refers to node 9, which is missing'),
        (ROAD.replace('ref="12" role', 'ref="13" role'), 'osm', 'lanelet 21: its right side, line 13, is missing'),
        (ROAD.replace('role="left"', 'role="west"'), 'osm', 'lanelet 21 has 0 lines as its left side'),
        (ROAD.replace('id="12"', 'id="twelve"'), 'osm', "id='twelve', expected a whole number"),
        (ROAD.replace('id="12"', f'id="{2**63}"'), 'osm', "id='9223372036854775808', expected a whole number"),
        (ROAD.replace('</relation>', ''), 'osm', 'mismatched tag'),
    ],
)
def test_a_broken_file_is_refused_and_the_reason_named(tmp_path, road, root, words):
    with pytest.raises(DataError, match=f'map.osm.*{words}'):
        read_osm(osm(tmp_path, four(tags=CORNERS), road, root))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match='none.osm: cannot be read'):
        read_osm(tmp_path / 'none.osm')


def test_a_document_type_is_refused_and_comments_that_xml_forbids_are_not(tmp_path):
    path = osm(tmp_path, f'<!-- a -- b --><!-- c -->{four(tags=CORNERS)}')
    assert len(read_osm(path).lanelets) == 1
    path.write_text('<!DOCTYPE osm [<!ENTITY a "b">]>' + path.read_text().partition('?>')[2])
    with pytest.raises(DataError, match='document type'):
        read_osm(path)


def test_what_was_deleted_in_an_editor_is_not_read(tmp_path):
    road = ROAD.replace('<relation id="41">', '<relation id="41" action="delete">')
    assert not read_osm(osm(tmp_path, four(tags=CORNERS), road)).others


def same(one, other):
    assert np.abs(one.node_points - other.node_points).max() <= 1e-3
    assert {id_: lane.relation for id_, lane in one.lanelets.items()} == {
        id_: lane.relation for id_, lane in other.lanelets.items()
    }
    assert (one.rules, one.areas, one.others, one.node_tags) == (
        other.rules,
        other.areas,
        other.others,
        other.node_tags,
    )
    for id_, line in one.lines.items():
        assert line.tags == other.lines[id_].tags
        assert (line.node_ids == other.lines[id_].node_ids).all()


def test_a_written_map_reads_back_the_same_and_is_written_the_same_again(tmp_path):
    drawn, _ = straight(pieces=3, stop_at_m=90.0, projection=Projection(47.0, 11.0))
    write_osm(drawn, tmp_path / 'a.osm')
    read = read_osm(tmp_path / 'a.osm')
    same(drawn, read)
    zero = np.argmin(np.hypot(*read.node_points[:, :2].T))
    assert read.latlon[zero] == pytest.approx([47.0, 11.0], abs=1e-9)
    write_osm(drawn, tmp_path / 'b.osm')
    assert (tmp_path / 'a.osm').read_bytes() == (tmp_path / 'b.osm').read_bytes()


@pytest.mark.skipif(not DATA.is_dir(), reason='AUTONOMY_DATA/maps is missing')
def test_every_lanelet2_map_of_the_data_loads_whole_and_survives_a_round_trip(tmp_path):
    counts, refused = {}, []
    for path in sorted(DATA.rglob('*.osm')):
        try:
            road_map = read_osm(path)
        except DataError as error:
            assert path.name in str(error)
            refused.append(path.name)
            continue
        counts[str(path.relative_to(DATA))] = len(road_map.lanelets)
        if path.stat().st_size > LARGE_BYTES and len(counts) % 8:
            continue  # the large ones are much alike
        write_osm(road_map, tmp_path / 'again.osm')
        same(road_map, read_osm(tmp_path / 'again.osm'))
    assert len(counts) >= 119
    assert counts['lanelet2/lanelet2_maps/res/mapping_example.osm'] == 371
    assert counts['autoware_core/testing/autoware_test_utils/test_map/2km_test.osm'] == 160
    assert counts['autoware_core/testing/autoware_test_utils/test_map/lanelet2_map.osm'] == 48
    assert 'munich.osm' in refused  # a plain extract of OpenStreetMap


@pytest.mark.parametrize(
    'text, mps',
    [
        ('36', 10.0),
        ('36 km/h', 10.0),
        ('10 mph', 4.4704),
        ('8.5 m/s', 8.5),
        ('36kmh', 10.0),
        ('none', np.nan),
        ('', np.nan),
    ],
)
def test_speed_limits_have_units(text, mps):
    assert speed_of(text) == pytest.approx(mps, nan_ok=True)


def test_the_middle_of_a_quarter_ring_is_the_ring_between():
    angles = np.linspace(0.0, np.pi / 2.0, 91)
    inner, outer = (np.column_stack([r * np.sin(angles), -r * np.cos(angles), 0 * angles]) for r in (18.0, 22.0))
    centre = middle(inner, outer, 1.0)
    assert np.abs(np.hypot(centre[:, 0], centre[:, 1]) - 20.0).max() < 0.02
    assert len(centre) == 33  # 20 pi / 2 = 31.4 m, in 32 steps


@given(st.floats(-3.0, 3.0), st.booleans(), st.booleans(), st.floats(3.0, 60.0), st.floats(2.0, 6.0))
def test_sides_are_turned_so_that_left_is_left(heading, swap_left, swap_right, length, width):
    forward, leftward = (
        np.array([np.cos(heading), np.sin(heading), 0]),
        np.array([-np.sin(heading), np.cos(heading), 0]),
    )
    along = np.linspace(0.0, length, 5)[:, None] * forward
    left, right = along + width / 2 * leftward, along - width / 2 * leftward
    turned = oriented(left[::-1] if swap_left else left, right[::-1] if swap_right else right)
    assert turned == (swap_left, swap_right)


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=8, unique=True),
    st.floats(0.5, 3.0),
)
def test_resampled_lines_keep_their_ends_and_are_even(places, step):
    line = np.column_stack([np.array(places), np.zeros(len(places))])
    even = resampled(line, step)
    assert np.allclose(even[[0, -1]], line[[0, -1]])
    assert (np.diff(arc_lengths(even)) <= step + 1e-6).all()


def test_a_fork_drawn_by_hand_has_shared_nodes():
    road_map, (first, ahead, left) = fork()
    ends = {road_map.lines[road_map.lanelets[first].left_id].node_ids[-1]}
    starts = {road_map.lines[road_map.lanelets[id_].left_id].node_ids[0] for id_ in (ahead, left)}
    assert ends == starts
