"""Cells of the ground: truth by labels and by the simulator, answers counted by hand, folders from end to end."""

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.evaluation.measures.cell_truth import (
    LOW_VEGETATION,
    OBSTACLE,
    PAVED,
    UNKNOWN,
    CellTruth,
    ditches,
    holds_water,
    labelled,
    truth_of,
)
from autonomy_nodes.evaluation.measures.labelled_ground import Sweep, sources
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.evaluation.measures.terrain import LIMITS, Answer, counted, evaluate, limited, shares, threshold
from autonomy_nodes.messages.formats.simulated import GROUND, TrueGround, read_ground
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.training.holdout import write_holdout
from autonomy_nodes.training.scenes import Choice


def grid(cells=8, resolution=1.0):
    return Grid(0, 'base_link', resolution, np.zeros(2), {'class': np.zeros((cells, cells), np.float32)})


def test_shares_are_those_worked_out_by_hand():
    """Of four seen cells two are paved, one of them told so, and a low one is told paved: 1 of 3. Free: 2 of 3."""
    kinds = np.array([[PAVED, PAVED, PAVED, OBSTACLE, PAVED]], np.uint8)
    answer = Answer(kinds, np.array([[0.9, 0.2, 0.8, 0.0, np.nan]], np.float32), np.ones((1, 5), bool))
    told = np.array([PAVED, OBSTACLE, LOW_VEGETATION, OBSTACLE, PAVED])
    seen = np.array([True, True, True, True, False])
    water = np.array([True, False, False, False, True])
    mud = np.array([False, False, True, False, False])
    truth = CellTruth(told, seen, {'water': water}, {'mud': mud}, np.array([True, True, True, False, True]))
    counts = counted(answer, truth, (np.zeros(5, int), np.arange(5)))
    assert counts['iou.paved'] == (1, 3) and counts['iou.obstacle'] == (1, 2) and counts['iou.low_vegetation'] == (0, 1)
    assert counts['never_free.water'] == counts['never_free_called_free'] == (1, 2)  # mud is told, and not among them
    assert counts['never_free.mud'] == (1, 1)
    assert counts['free_called_free'] == (2, 3) and counts['free_found'] == (2, 4)
    assert shares([counts, counts])['miou'] == pytest.approx((1 / 3 + 1 / 2 + 0) / 3)


def test_a_cell_is_what_its_points_are_and_an_obstacle_by_a_fifth_of_them(tmp_path):
    """Of ten points 2 of a car make an obstacle, of eleven they do not; two points alone tell nothing."""
    rows = []
    for x, ids in ((10.5, [9] * 8 + [1] * 2), (12.5, [9] * 9 + [1] * 2), (14.5, [17] * 3 + [9] * 2), (16.5, [9] * 2)):
        rows += [(x - 0.76, 0.5, -1.73, label) for label in ids]
    rows = np.array(rows)
    np.savez(tmp_path / '01_000000.npz', xyz=rows[:, :3].astype(np.float32), learn=rows[:, 3].astype(np.uint8))
    (_, (_, source)) = sources(tmp_path)[0]
    middles = np.array([[10.5, 0.5], [12.5, 0.5], [14.5, 0.5], [16.5, 0.5]])
    truth = labelled(source, source.read(), grid(20), middles)
    assert truth.kind.tolist() == [OBSTACLE, PAVED, LOW_VEGETATION, UNKNOWN]


def test_the_threshold_calls_what_rises_above_its_surroundings_an_obstacle_and_looks_below_bridges():
    places = [(0.5, 0.5, 0.0), (1.5, 0.5, 0.2), (2.5, 0.5, 0.4), (4.5, 0.5, 0.0), (4.5, 0.5, 3.0)]
    xyz = np.array(places, np.float32)
    nothing = np.zeros(len(xyz), bool)
    told = threshold(Sweep(xyz, np.zeros(len(xyz)), np.zeros(3), nothing, nothing, {}, None), grid())
    assert told.kind[:5, 0].tolist() == [PAVED, PAVED, OBSTACLE, UNKNOWN, PAVED]
    assert told.p_free[2, 0] == 0.0 and told.p_free[4, 0] == 1.0 and np.isnan(told.p_free[3, 0])


def test_a_ditch_rises_on_both_sides_and_a_step_does_not():
    x = np.arange(100) * 0.2
    trench = np.where(np.abs(x - 10.0) < 1.0, -0.8, 0.0)
    for profile, is_ditch in ((trench, True), (np.where(x > 10.0, 0.8, 0.0), False), (0.3 * x, False)):
        z = np.tile(profile[:, None], (1, 60)).astype(np.float32)
        true = TrueGround(np.zeros(2), 0.2, z, np.zeros_like(z), np.zeros_like(z), np.zeros_like(z))
        found = ditches(true)[:, 20:40]
        assert found.any() == is_ditch
        assert not is_ditch or (found.all(axis=1) == (profile < -0.5)).all()


def test_a_wet_cell_is_water_where_any_quarter_is_and_else_mud():
    water, mud, soil = Material.WATER, Material.MUD, Material.DIRT
    quarters = np.array([[water] * 4, [mud] * 4, [mud, mud, mud, water], [soil] * 4], np.uint8).T
    assert holds_water(quarters).tolist() == [True, False, True, False]


def test_mud_is_told_of_beside_what_nobody_may_enter_and_is_not_free(tmp_path):
    write_holdout(tmp_path / 'made', Choice(5, 1, 1), 1, lambda *told: None)
    (_, (_, source)) = sources(tmp_path / 'made')[0]
    sweep, around = source.read(), Grid(0, 'base_link', 0.4, np.array([-8.0, -8.0]), {'class': np.zeros((40, 40))})
    middles = around.origin_m + 0.4 * (np.argwhere(np.ones((40, 40), bool)) + 0.5)
    for material, name in ((Material.MUD, 'mud'), (Material.WATER, 'water')):
        path = source.folder / GROUND
        arrays = dict(np.load(path))
        arrays['material'] = np.full_like(arrays['material'], material)
        np.savez_compressed(path, **arrays)
        read_ground.cache_clear()
        truth = truth_of(source, sweep, around, middles)
        told = {**truth.never, **truth.beside}
        assert set(truth.beside) == {'mud'} and truth.free is not None and not truth.free.any()
        assert told[name].sum() > 1000 and not told['water' if name == 'mud' else 'mud'].any()


def test_a_simulated_folder_is_measured_and_its_answers_are_as_promised(tmp_path):
    write_holdout(tmp_path / 'made', Choice(5, 3, 2), 1, lambda *told: None)
    out, both = tmp_path / 'out', {}
    for jobs in (1, 2):
        result = evaluate_into(tmp_path / 'made', tmp_path / f'{jobs}', jobs)
        both[jobs] = [np.load(tmp_path / f'{jobs}' / f'{name}.npz') for name in result.items]
    for a, b in zip(both[1], both[2]):
        assert all(np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == 'f') for k in a.files)
    figures, stored = result.figures, both[1][0]
    assert stored['class'].dtype == np.uint8 and stored['observed'].dtype == bool
    assert stored['p_free'].shape == stored['class'].shape and float(np.nanmax(stored['p_free'])) <= 1.0
    assert figures['n_frames'] == 6 and figures['free_called_free'] > 0.9
    assert figures['n_cells.never_free_called_free'] > 100 and figures['never_free_called_free'] < 0.15
    assert figures['never_free_called_free'] <= figures['peer.height_threshold.never_free_called_free'] + 0.02
    command = ['evaluate', 'terrain', '--data', str(tmp_path / 'made'), '--out', str(out), '--limit', '1']
    assert main(command) == 0
    page = (out / 'page.html').read_text()
    assert page.index('data:image/png') < page.index('By part') < page.index('All figures')


def evaluate_into(data, out, jobs):
    out.mkdir()
    return evaluate(Task(data, out, jobs=jobs))


def test_a_folder_whose_points_have_no_labels_ends_with_two(tmp_path):
    np.savez(tmp_path / '000000.npz', xyz=np.zeros((3, 3), np.float32), intensity=np.zeros(3, np.float32))
    assert main(['evaluate', 'terrain', '--data', str(tmp_path), '--out', str(tmp_path / 'out')]) == 2


def test_the_limit_is_the_highest_above_which_enough_of_the_free_cells_lie():
    """Of 100 free cells 4 lie at 0.2 and 96 at 0.6, of 10 that never are 3 at 0.1, 5 at 0.4 and 2 at 0.7."""
    spread = np.zeros((2, LIMITS), int)
    spread[0, [LIMITS // 5, 3 * LIMITS // 5]] = 4, 96
    spread[1, [LIMITS // 10, 2 * LIMITS // 5, 7 * LIMITS // 10]] = 3, 5, 2
    figures = limited(spread)
    assert figures == {'free95.limit': 0.6, 'free95.never_free_called_free': 0.2}
    spread[0, LIMITS // 5] = 6
    assert limited(spread) == {'free95.limit': 0.2, 'free95.never_free_called_free': 0.7}
    assert limited(np.zeros((2, LIMITS), int)) == {}
