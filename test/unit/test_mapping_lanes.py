"""How lanes connect, the way to a goal, stop lines ahead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_roads import fork, straight
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.lane_graph import LaneGraph, lane_graph
from autonomy_nodes.mapping.stops import ahead, crossing_of, stops_of


def test_a_lane_goes_on_where_both_of_its_sides_do():
    road_map, (first, on, left) = fork()
    graph = lane_graph(road_map)
    assert graph.successors == {first: (on, left), on: (), left: ()}
    assert graph.lengths_m[first] == pytest.approx(30.0)
    assert graph.straightness(first, on) == pytest.approx(1.0)
    assert graph.straightness(first, left) == pytest.approx(0.0, abs=0.05)


def test_lanes_side_by_side_are_neighbours_and_dashes_may_be_crossed():
    road_map, (right, left) = straight(lanes=2)
    graph = lane_graph(road_map)
    assert (graph.left, graph.right) == ({right: left}, {left: right})
    assert graph.beside(right) == (left,)
    assert graph.beside(left) == (right,)


@pytest.mark.parametrize(
    'subtype, may', [('solid', (False, False)), ('dashed_solid', (False, True)), ('solid_dashed', (True, False))]
)
def test_paint_of_two_kinds_is_crossed_from_its_dashed_side(subtype, may):
    draft = Draft()
    lines = [draft.line([(0, y), (50, y)], 'line_thin', kind) for y, kind in ((0, 'solid'), (3, subtype), (6, 'solid'))]
    right, left = draft.lanelet(lines[1], lines[0]), draft.lanelet(lines[2], lines[1])
    graph = lane_graph(draft.finished())
    assert (bool(graph.beside(right)), bool(graph.beside(left))) == may  # to the left, to the right


def test_opposite_lanes_are_no_neighbours():
    draft = Draft()
    middle = draft.line([(0, 0), (50, 0)], 'line_thin', 'dashed')
    right, left = draft.line([(0, -3), (50, -3)], 'road_border'), draft.line([(50, 3), (0, 3)], 'road_border')
    one, other = draft.lanelet(middle, right), draft.lanelet(middle, left)
    graph = lane_graph(draft.finished())
    assert (graph.left, graph.right) == ({}, {})
    assert graph.successors == {one: (), other: ()}


def test_the_route_changes_lanes_where_the_goal_is_beside():
    road_map, ids = straight(length_m=90.0, lanes=2, pieces=3)  # ids: right, left of each piece
    graph = lane_graph(road_map)
    route = graph.route(ids[0], ids[5])
    assert (route[0], route[-1], len(route)) == (ids[0], ids[5], 4)
    assert graph.route(ids[4], ids[0]) == ()  # nothing leads back
    assert graph.route(ids[4], ids[5], ahead=False) == ()  # nor to what lies behind in the lane beside
    assert graph.route(ids[4], ids[4], ahead=False) == ()


def ring(parts=8):
    draft, ids = Draft(), []
    for k in range(parts):
        angles = np.linspace(2 * np.pi * k / parts, 2 * np.pi * (k + 1) / parts, 9)
        sides = [draft.line(np.column_stack([r * np.cos(angles), r * np.sin(angles)]), 'road_border') for r in (18, 22)]
        ids.append(draft.lanelet(*sides))
    return draft.finished(), ids


def test_in_a_ring_the_way_to_what_is_behind_leads_once_round():
    road_map, ids = ring()
    graph = lane_graph(road_map)
    assert graph.route(ids[2], ids[2]) == (ids[2],)
    assert graph.route(ids[2], ids[2], ahead=False) == (*ids[2:], *ids[:3])


def test_a_light_without_a_stop_line_stops_before_the_crossing():
    draft = Draft()
    lamp = draft.line([(90, 0, 5), (91, 0, 5)], 'traffic_light')
    rule = draft.rule('traffic_light', [lamp])
    sides = [[draft.line([(x, y), (x + 40, y)], 'virtual') for y in (2, -2)] for x in (0, 40)]
    before, across = (
        draft.lanelet(*sides[0], rules=[rule]),
        draft.lanelet(*sides[1], rules=[rule], turn_direction='straight'),
    )
    stops = stops_of(draft.finished())
    assert [stop.s_m for stop in stops[before]] == [pytest.approx(40.0)]
    assert [stop.s_m for stop in stops[across]] == [0.0]


def web(rng, places=30, lanes=150):
    """Lanes between random places, up to three times as long as the way by air."""
    spots = rng.uniform(0, 300, (places, 2))
    pairs = [rng.choice(places, 2, replace=False).tolist() for _ in range(lanes)]
    gaps = {k: float(np.hypot(*(spots[b] - spots[a]))) for k, (a, b) in enumerate(pairs)}
    follow = {k: tuple(n for n, (c, _) in enumerate(pairs) if c == b) for k, (_, b) in enumerate(pairs)}
    return LaneGraph(
        follow,
        {},
        {},
        frozenset(),
        frozenset(),
        {k: gap * float(rng.uniform(1.0, 3.0)) for k, gap in gaps.items()},
        {k: spots[b] for k, (_, b) in enumerate(pairs)},
        {k: np.array([1.0, 0.0]) for k in gaps},
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_routes_are_as_short_as_those_of_dijkstra(seed, drawn):
    rng = np.random.default_rng(seed)
    graph = lane_graph(straight(lanes=3, pieces=4)[0]) if drawn else web(rng)
    rows = {id_: row for row, id_ in enumerate(graph.lengths_m)}
    costs = np.zeros((len(rows), len(rows)))
    for id_, row in rows.items():
        for other in graph.successors[id_]:
            costs[row, rows[other]] = graph.lengths_m[other]
        for other in graph.beside(id_):
            costs[row, rows[other]] = 30.0
    start, goal = rng.choice(list(rows), 2, replace=False).tolist()
    shortest = dijkstra(csr_array(costs), indices=rows[start])[rows[goal]]
    route = graph.route(start, goal)
    if np.isinf(shortest):
        assert route == ()
    else:
        assert sum(costs[rows[a], rows[b]] for a, b in zip(route, route[1:])) == pytest.approx(shortest)


def test_a_stop_line_across_a_lane_is_found_where_it_crosses():
    path = np.array([[0.0, 0, 0], [10, 0, 0], [20, 0, 0]])
    assert crossing_of(path, np.array([[12.5, -2, 0], [12.5, 2, 0]])) == pytest.approx(12.5)
    assert crossing_of(path, np.array([[12.5, 1, 0], [12.5, 2, 0]])) is None
    assert crossing_of(path, np.array([[23.0, -2, 0], [23.0, 2, 0]])) == pytest.approx(20.0)  # just past its end
    assert crossing_of(path, np.array([[-3.0, -2, 0], [-3.0, 2, 0]])) == 0.0  # just before it
    assert crossing_of(path, np.array([[26.0, -2, 0], [26.0, 2, 0]])) is None


def test_the_next_stop_line_and_light_are_told_over_several_lanes():
    road_map, ids = straight(length_m=120.0, lanes=1, pieces=3, stop_at_m=100.0)
    graph, stops = lane_graph(road_map), stops_of(road_map)
    (light,) = road_map.rules
    assert ahead(graph, stops, ids[0], 10.0, 150.0) == (pytest.approx(90.0), pytest.approx(90.0), light)
    assert stops[ids[2]][0].s_m == pytest.approx(20.0)
    assert ahead(graph, stops, ids[2], 21.0, 150.0)[0] == np.inf


def test_beyond_reach_there_is_no_stop_line():
    road_map, ids = straight(length_m=120.0, lanes=1, pieces=1, stop_at_m=100.0)
    graph, stops = lane_graph(road_map), stops_of(road_map)
    assert ahead(graph, stops, ids[0], 10.0, 50.0) == (np.inf, np.inf, 0)
