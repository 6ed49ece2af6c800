"""What both channels' word on a cell is worth: worked out by hand, kept on a card, fitted on rows with a known rule."""

import json

import numpy as np
import pytest

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.perception.bev import TERRAIN
from autonomy_nodes.perception.cell_judge import FEATURES, KEY, CellJudge, features, judge_of, odds
from autonomy_nodes.training.calibrate_cells import fit_cells, judged_cells
from autonomy_nodes.training.cell_rows import CellRows


def judge_by(name, weight=2.0, offset=-1.0):
    """Return a judge that looks at one feature alone: weight * max(it - 0.5, 0) + offset."""
    first = np.zeros((len(FEATURES), 2), np.float32)
    first[FEATURES.index(name), 0] = 1.0
    return CellJudge(first, np.float32([-0.5, 0.0]), np.float32([weight, 3.0]), offset)


def test_odds_are_those_worked_out_by_hand():
    row = np.zeros(len(FEATURES), np.float32)
    for step, expected in ((0.2, -1.0), (1.5, 1.0)):
        row[FEATURES.index('step')] = step
        assert odds(row, *judge_by('step').tables) == pytest.approx(expected, abs=1e-6)


def test_features_are_cut_and_what_is_not_known_has_a_value_of_its_own():
    terrain, row = np.zeros((len(TERRAIN), 2, 2), np.float32), np.empty(len(FEATURES), np.float32)
    terrain[:, 1, 0] = -100.0
    blocked, top = np.full((2, 2), 9.0, np.float32), np.full((2, 2), 2.0, np.float32)
    prior = np.full((3, 2, 2), -8.0, np.float32)
    shapes = np.full((5, 3, 3), np.nan, np.float32)
    shapes[1] = 0.25
    features(terrain, blocked, top, prior, 1, 0, np.float32(0.0), shapes, 2, 2, row)
    told = dict(zip(FEATURES, row.tolist()))
    assert told['log_paved'] == -7.0 and told['blocked'] == 7.0 and told['top'] == 2.0 and told['ground'] == -5.0
    assert told['step'] == 0.25 and told['slope'] == told['obstacle_height'] == -1.0


def test_a_card_gives_back_the_same_judge():
    random = np.random.default_rng(0)
    judge = CellJudge(*(random.normal(size=size).astype(np.float32) for size in ((len(FEATURES), 3), 3, 3)), 0.1)
    again = judge_of(json.loads(json.dumps({KEY: judge.card()})))
    assert all(np.array_equal(one, other) for one, other in zip(judge.tables, again.tables))
    assert judge_of({}) is None


@pytest.mark.parametrize(
    ('change', 'why'),
    [
        ({'first': {'log_paved': [0.0]}}, 'first is of log_paved, not of'),
        ({'bias': [0.0]}, 'do not fit'),
        ({'second': [np.nan, 0.0]}, 'not finite'),
        ({'offset': 'much'}, 'could not convert'),
    ],
)
def test_a_card_that_does_not_fit_is_refused_by_name(change, why):
    with pytest.raises(SettingsError, match=f"'cells' on the card: .*{why}"):
        judge_of({KEY: judge_by('step').card() | change})


def rows(count, seed):
    """Return cells that nobody may enter where the network says so or a step is high, and no sooner."""
    random = np.random.default_rng(seed)
    told = random.normal(0.0, 1.0, (count, len(FEATURES))).astype(np.float32)
    barred = (told[:, FEATURES.index('blocked')] > 1.0) | (told[:, FEATURES.index('step')] > 1.0)
    return CellRows(np.arange(count), told, barred)


def test_what_both_are_worth_is_found_and_beats_one_alone():
    judge = fit_cells(rows(20_000, 1))
    both, one = judged_cells(rows(10_000, 2), judge), judged_cells(rows(10_000, 2), None)
    assert both['barred_called_free'] < 0.02 < 0.3 < one['barred_called_free']
    assert both['free_at_half'] > 0.97 and both['ece'] < 0.02
    few = rows(100, 3)
    assert fit_cells(few) is None
    again = fit_cells(rows(20_000, 1))
    assert all(np.array_equal(mine, other) for mine, other in zip(judge.tables, again.tables))
