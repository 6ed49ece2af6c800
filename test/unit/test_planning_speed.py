"""The speed of planning: a road that is as crowded as it says, a baseline that does its work, parts of the whole."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from planning_scenes import boxes_overlap, car, users

from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures import speed
from autonomy_nodes.evaluation.measures.crowded_road import (
    LANES,
    Bend,
    crowd_of,
    grids_of,
    predictions_of,
    situation_of,
    start_of,
)
from autonomy_nodes.evaluation.measures.planning_pieces import STEP_S, looked_up, rasters, rolled_out
from autonomy_nodes.evaluation.measures.planning_speed import LATTICES, PARTS
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.planning.distinct import distinct
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.rollout import Wishes, roll_out
from autonomy_nodes.planning.speeds import Caps, Leads

SIMULATED = Path('simulated')


def test_a_place_beside_a_bend_is_found_again():
    for curvature in (0.005, -0.005):
        bend = Bend(curvature)
        assert bend.at(0.0, 2.0) == pytest.approx([0.0, 2.0, 0.0])
        places = bend.at(np.array([0.0, 30.0, 60.0]), np.array([1.5, -4.0, 0.0]))
        assert bend.beside(places[:, :2]) == pytest.approx([1.5, -4.0, 0.0])
        assert places[:, 2] == pytest.approx(curvature * np.array([0.0, 30.0, 60.0]))


@pytest.mark.parametrize('seed', range(4))
def test_nobody_stands_in_another_and_everybody_goes_six_ways(seed):
    told = predictions_of(crowd_of(seed), SECOND_NS, 0.0)
    poses, half = told.paths[:, 0, 0], told.objects.dimensions_m[:, :2] / 2.0
    assert told.paths.shape[:2] == (32, 6)
    one, two = np.triu_indices(32, 1)
    assert not boxes_overlap(poses[one], half[one], poses[two], half[two]).any()
    ego = start_of(crowd_of(seed).bend, seed, SECOND_NS)
    mine = np.tile([*ego.position_m[:2], ego.heading_rad], (32, 1))
    assert not boxes_overlap(mine, np.tile([4.0, 1.0], (32, 1)), poses, half).any()
    ways = told.paths.reshape(32, 6, -1)
    assert all(len(np.unique(way, axis=0)) == 6 for way in ways)


def test_the_road_is_known_and_free_and_the_map_tells_its_lanes():
    crowd = crowd_of(2)
    ego, grids = start_of(crowd.bend, 2, SECOND_NS), grids_of(crowd.bend, SECOND_NS, 2)
    told = situation_of(crowd, ego, 0.0, grids, 0.0)
    on_road = crowd.bend.at(np.linspace(-20.0, 70.0, 50)[:, None], np.linspace(-5.0, 8.5, 9))[..., :2]
    for grid in grids:
        assert (grid.at('observed', on_road) == 1.0).all() and (grid.at('occupancy', on_road) < 0.5).all()
        assert (grid.layers['occupancy'] > 0.6).any() and np.isnan(grid.layers['elevation']).any()
    line = told.pieces.line(1, LANES[1][0])
    place = ego.odom_from_base[:2, :2] @ line[50, :2] + ego.position_m[:2]
    assert crowd.bend.beside(place) == pytest.approx(LANES[1][1], abs=1e-3)


def test_the_baseline_drives_to_its_line_and_reaches_its_speed():
    poses = rolled_out(np.array([0.0, 2.0, -3.0]), np.array([10.0, 6.0, 0.0]), 10.0)
    assert poses[:2, -1, 1] == pytest.approx([0.0, 2.0], abs=0.15)
    assert np.diff(poses[:, -2:, 0], axis=1)[:, 0] / STEP_S == pytest.approx([10.0, 6.0, 0.0], abs=0.1)


def test_the_baseline_finds_who_is_hit_and_when():
    grids = rasters(users(car(20.0, 0.0), car(40.0, 30.0)))  # they stand
    assert grids.shape[0] == 1 and 30 < grids[0, 0].sum() < 2 * 9 * 4 * 1.5
    still = np.zeros((3, 20, 3))
    still[:, :, 0] = np.array([[12.0], [18.0], [40.0]])  # before it, in it, beside the other
    assert looked_up(still, grids)[:, 0].tolist() == [False, True, False]


def test_the_parts_make_the_whole_and_all_ways_are_judged(tmp_path):
    found = speed.evaluate(Task(SIMULATED, tmp_path, limit=1, options={'of': 'planning'})).figures
    assert found['n_candidates.mean'] >= 500
    assert (found['n_scenes'], found['n_users.mean'], found['n_ways.mean']) == (1, 32, 192)
    parts = sum(found[f'{part}.cpu_ms.p50'] for part in PARTS)
    assert 0.0 < parts <= found['cpu_ms.p50'] and 0 < found['n_drives.mean'] < found['n_candidates.mean']
    assert found['cpu_ratio'] == pytest.approx(found['cpu_ms.p50'] / found['peer.numpy.cpu_ms.p50'])
    few = Task(SIMULATED, tmp_path, limit=1, options={'of': 'planning', 'blocks': '1'})
    assert speed.evaluate(few).figures['n_candidates.mean'] <= 64
    assert len((tmp_path / 'timing.csv').read_text().splitlines()) == 2


def test_the_finer_lattice_begins_with_the_shipped_one_and_has_no_candidate_twice():
    crowd = crowd_of(1)
    told = situation_of(crowd, start_of(crowd.bend, 1, SECOND_NS), 0.0, grids_of(crowd.bend, SECOND_NS, 1), 0.0)
    names = {}
    for lattice, settings in LATTICES.items():
        planner = Planner(PlannerConfig(proposals=settings))
        names[lattice] = planner.generate(planner.look_around(told))[1].names
    assert len(names['shipped']) < 128 and names['fine'][: len(names['shipped'])] == names['shipped']
    assert len(set(names['fine'])) == len(names['fine']) == 512


def test_what_else_is_asked_for_is_refused(tmp_path):
    with pytest.raises(DataError, match='--set of=planning'):
        speed.evaluate(Task(SIMULATED, tmp_path))
    with pytest.raises(DataError, match='lattice=coarse: must be one of fine, shipped'):
        speed.evaluate(Task(SIMULATED, tmp_path, options={'of': 'planning', 'lattice': 'coarse'}))
    with pytest.raises(DataError, match='blocks=0'):
        speed.evaluate(Task(SIMULATED, tmp_path, options={'of': 'planning', 'blocks': '0'}))


def test_candidates_that_are_one_drive_by_several_names_are_simulated_once():
    careful, curves = np.full((3, 9), 25.0), np.full((3, 9), 25.0)
    careful[1, 8] = -1.0  # there path 1 is blocked
    nobody, still = np.full((3, 41), np.inf), np.zeros((3, 41))
    crossing = nobody.copy()
    crossing[2, 5] = 12.0
    told = Caps(curves, careful), Leads(nobody, still, crossing, still)
    rows = [(path, kind, '', 0.7, 4.0) for path in range(3) for kind in ('follow', 'cruise', 'yield')]
    firsts, of = distinct([*rows, (0, 'cruise', '', 0.7, 3.0), (0, 'arrive', '', 0.7, 4.0)], *told)
    assert of.tolist() == [0, 0, 0, 1, 2, 1, 3, 3, 4, 5, 6]
    assert firsts == [0, 3, 4, 6, 8, 9, 10]


def test_who_has_several_names_is_judged_as_each_would_be_alone():
    crowd = crowd_of(3)
    told = situation_of(crowd, start_of(crowd.bend, 3, SECOND_NS), 0.0, grids_of(crowd.bend, SECOND_NS, 3), 0.0)
    planner = Planner(PlannerConfig(proposals=LATTICES['fine']))
    around = planner.look_around(told)
    paths, proposals = planner.generate(around)
    drives = planner.simulate(around, paths, proposals)
    each = Wishes(*(getattr(proposals.wishes, field.name)[proposals.of] for field in fields(Wishes)))
    alone = roll_out(around.start, paths, each, planner.config.vehicle)
    assert len(drives) < 450 and len(alone) == len(proposals.names) == 512
    assert np.array_equal(drives.poses[proposals.of], alone.poses)
    seen, vetoes = planner.judge(around, drives)
    _, vetoes_alone = planner.judge(around, alone)
    for name, times in vetoes.each(proposals.of).times_s.items():
        assert np.array_equal(times, vetoes_alone.times_s[name])
    assert np.array_equal(vetoes.each(proposals.of).contacts.times_s, vetoes_alone.contacts.times_s)
    marks, marks_alone = (planner.mark(around, of) for of in (seen, planner.judge(around, alone)[0]))
    for name, values in marks.each(proposals.of).marks.items():
        assert np.array_equal(values, marks_alone.marks[name])
