"""Reasons are asked for their truth: what is named is taken away, and only that."""

import json

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.evaluation.measures.explanations import Asked, cause_of, figures, scene_of, without
from autonomy_nodes.planning.planner import Planner, PlannerConfig


def scene(seed):
    return scene_of(seed, np.random.default_rng([seed, 9]))


def ids(situation):
    return [bytes(id_).hex()[:8] for id_ in situation.predictions.objects.ids]


def test_a_road_user_is_left_out_and_all_others_stay():
    before = next(told for told in map(scene, range(20)) if len(ids(told)) > 2)
    after = without(before, 'user', ids(before)[1])
    assert ids(after) == [ids(before)[0], *ids(before)[2:]]
    assert (after.predictions.paths == np.delete(before.predictions.paths, 1, axis=0)).all()


def test_ground_becomes_free_and_stop_lines_go_and_nothing_else_changes():
    lit = next(told for told in map(scene, range(30)) if told.lights is not None)
    assert (lit.pieces.classes == Line.STOP_LINE).sum() == 1
    unlit = without(lit, 'stop_line', 'stop_line')
    assert len(unlit.pieces.points) == len(lit.pieces.points) - 1 and ids(unlit) == ids(lit)
    free = without(lit, 'ground', 'ground')
    assert (free.terrain.layers['traversability'] == 1.0).all() and (free.terrain_far.layers['observed'] == 1.0).all()
    assert free.pieces is lit.pieces and (lit.terrain.layers['observed'] == 0.0).any()


def test_scenes_repeat_and_differ_by_seed():
    assert ids(scene(3)) == ids(scene(3)) and (scene(3).pieces.points[0] != scene(4).pieces.points[0]).any()


def test_a_red_light_is_what_is_named_and_without_it_the_choice_is_another():
    lit = next(told for told in map(scene, range(60)) if told.lights is not None)
    for who in ids(lit):
        lit = without(lit, 'user', who)
    held = Planner(PlannerConfig()).plan(lit)
    assert cause_of(held) == ('stop_line', 'stop_line')
    freed = Planner(PlannerConfig()).plan(without(lit, *cause_of(held)))
    assert freed.trajectory.poses[-1, 0] > held.trajectory.poses[-1, 0] + 20.0


def test_shares_are_of_what_can_be_taken_away():
    asked = [
        Asked(0, 'user', 'a', 3.0, 0.0, ''), Asked(1, 'user', 'b', 0.1, 2.0, ''),
        Asked(2, 'none', 'end', np.nan, np.nan, ''), Asked(3, 'ground', 'ground', 9.0, 0.0, ''),
    ]  # fmt: skip
    found = figures(asked, 0)
    assert (found['n_scenes'], found['n_named'], found['n_control']) == (4, 3, 3)
    assert found['flipped'] == pytest.approx(2 / 3) and found['control.flipped'] == pytest.approx(1 / 3)
    assert found['user.flipped'] == 0.5 and found['ground.flipped'] == 1.0


def test_the_command_leaves_what_became_of_each_scene(tmp_path):
    words = ['evaluate', 'explanations', '--data', 'simulated', '--set', 'scenes=6', '--out', str(tmp_path / 'out')]
    assert main([*words, '--json', str(tmp_path / 'f.json')]) == 0
    told = json.loads((tmp_path / 'f.json').read_text())
    rows = [json.loads((tmp_path / f'out/seed_{seed}.json').read_text()) for seed in range(1000, 1006)]
    assert told['n_scenes'] == 6 and all(row['reason'] for row in rows)
    flips = [row['moved_m'] > 0.5 for row in rows if row['cause'] != 'none']
    assert told['explanations.flipped'] == pytest.approx(np.mean(flips))
    assert main([*words[:5], 'scenes=x', '--out', str(tmp_path / 'other')]) == 2
