"""The kernels that pick middles of objects, run on the CPU, against perception's decoding and by hand."""

import shutil

import numpy as np
import pytest

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.nvidia.kernels import host
from autonomy_nodes.inference.nvidia.kernels.plans import Cells, Peaks
from autonomy_nodes.perception.bev import CELL_M, CELLS, CLASSES, ORIGIN_M, OUTPUTS
from autonomy_nodes.perception.confidence import Confidence, Confidences
from autonomy_nodes.perception.decode import FAMILIES, RADII_M, DecodeSettings, objects_of

pytestmark = pytest.mark.skipif(shutil.which('g++') is None, reason='g++ is not here')
GRID = Cells(tuple(ORIGIN_M), CELL_M, CELLS)
SMALL = Cells((0.0, 0.0), 1.0, (9, 12))
MEASURED = Confidences(
    {name: Confidence(0.3 + 0.05 * n, 0.7 + 0.2 * n, 0.4 - 0.2 * n) for n, name in enumerate(CLASSES)}
)


def maps(seed, level):
    chance, spreads = np.random.default_rng(seed), {'heat': 2.0, 'box': 3.0}  # sizes and places beyond all bounds too
    return {
        name: chance.normal(level if name == 'heat' else 0.0, spreads.get(name, 1.0), (channels, *cells))
        .astype(np.float32)
        .round(2 if seed == 1 else 7)  # of the coarser ones many are equal
        for name, (channels, cells) in OUTPUTS.items()
    }


@pytest.mark.parametrize('seed, level, most', [(0, -7.0, 300), (1, -7.0, 300), (2, -3.0, 300), (3, -6.0, 20)])
@pytest.mark.parametrize('confidences', [Confidences(), MEASURED], ids=['plain', 'measured'])
def test_the_same_middles_come_in_the_same_order_as_perception_decodes_them(seed, level, most, confidences):
    out, fit = maps(seed, level), 0.3
    wanted = objects_of(out, np.zeros(CELLS, np.float32), 0, 0.0, DecodeSettings(most=most, fit=fit), confidences)
    columns = (confidences.column(name) for name in ('temperature', 'offset'))
    table = host.class_table(confidences.floors(confidences.column('least')), *columns, FAMILIES, RADII_M, fit)
    rows, count = host.peaks(out['heat'], out['overlap'][0], out['box'], table, GRID, fit, most)
    assert count == len(wanted) and (count == most) == (level > -7.0 or most == 20) and count > 10
    i, j = rows[:count, 2:].astype(int).T
    places = ORIGIN_M + (rows[:count, 2:] + 0.5) * CELL_M + np.clip(out['box'][:2, i, j].T.astype(float), -2.0, 2.0)
    assert np.array_equal(places, wanted.positions_m[:, :2])
    assert rows[:count, 0] == pytest.approx(wanted.existence, abs=1e-13)
    kinds = out['heat'][rows[:count, 1].astype(int), i, j]
    assert (kinds <= out['heat'][:, i, j].max(axis=0)).all() and not rows[count:].any()


def picked(places, most=50, least=0.3, boxes=None, fit=0.0):
    """Return rows of middles (class, i, j, logit) on a small grid, of two classes of one family and one of another."""
    heat, box = np.full((3, 9, 12), -9.0, np.float32), np.zeros((8, 9, 12), np.float32)
    box[3:5], box[7] = np.log(0.5), 1.0
    for kind, i, j, value in places:
        heat[kind, i, j] = value
    for (i, j), values in (boxes or {}).items():
        box[:, i, j] = values
    table = host.class_table([least] * 3, [1.0] * 3, [0.0] * 3, [0, 0, 1], [1.2, 1.2, 1.2], fit)
    rows, count = host.peaks(heat, np.zeros((9, 12), np.float32), box, table, SMALL, fit, most)
    return [(int(kind), int(i), int(j)) for _, kind, i, j in rows[:count]], rows[:count, 0]


def test_the_surest_comes_first_and_of_equal_ones_the_first_in_the_maps():
    told, existence = picked([(2, 1, 1, 0.0), (0, 5, 9, 0.0), (0, 5, 2, 0.0), (1, 8, 11, 1.0), (0, 0, 5, -1.0)])
    assert told == [(1, 8, 11), (0, 5, 2), (0, 5, 9), (2, 1, 1)]  # the last has a chance of 0.27, below 0.3
    assert existence == pytest.approx([1.0 / (1.0 + np.exp(-1.0)), 0.5, 0.5, 0.5])


def test_of_equal_neighbours_the_first_is_the_peak_and_borders_are_no_neighbours():
    told, _ = picked([(0, 3, 3, 1.0), (0, 3, 4, 1.0), (0, 4, 2, 1.0), (0, 4, 11, 1.0), (0, 5, 0, 1.0)])
    assert told == [(0, 3, 3), (0, 4, 11), (0, 5, 0)]


def test_of_one_family_none_stays_that_stands_in_a_surer_one_or_too_near_it():
    told, _ = picked([(0, 3, 3, 3.0), (1, 3, 4, 2.0), (2, 3, 4, 1.0), (0, 3, 5, 1.0)])
    assert told == [(0, 3, 3), (0, 3, 5), (2, 3, 4)]  # 1 m is too near, 2 m is not; another family may
    long = [0.0, 0.0, 0.0, np.log(4.4), np.log(1.0), 0.0, 0.0, 1.0]  # reaches 2.2 m along x
    told, _ = picked([(0, 3, 3, 3.0), (0, 5, 3, 2.0), (0, 3, 5, 1.0)], boxes={(3, 3): long})
    assert told == [(0, 3, 3), (0, 3, 5)]
    turned = [*long[:6], 1.0, 0.0]  # along y
    told, _ = picked([(0, 3, 3, 3.0), (0, 5, 3, 2.0), (0, 3, 5, 1.0)], boxes={(3, 3): turned})
    assert told == [(0, 3, 3), (0, 5, 3)]
    for axis, away, other in ((0, 1.5, (5, 3)), (0, 9.0, (5, 3)), (1, -1.5, (3, 1)), (1, -9.0, (3, 1))):
        aside = [0.0, 0.0, 0.0, np.log(0.5), np.log(0.5), 0.0, 0.0, 1.0]
        aside[axis] = away  # its middle counts, not its cell, and that lies no more than 2 m away
        assert picked([(0, 3, 3, 3.0), (0, *other, 2.0)], boxes={(3, 3): aside})[0] == [(0, 3, 3)]


def test_who_was_hidden_hides_nobody():
    told, _ = picked([(0, 3, 3, 3.0), (1, 3, 4, 2.0), (0, 3, 5, 1.0)])
    assert told == [(0, 3, 3), (0, 3, 5)]


def test_no_more_than_asked_for_stay_and_none_of_an_empty_map():
    places = [(0, i, j, 0.1 * (i + j)) for i in (0, 3, 6) for j in (0, 3, 6, 9)]
    assert len(picked(places)[0]) == 12 and picked(places, most=2)[0] == [(0, 6, 9), (0, 3, 9)]
    assert picked([])[0] == []
    assert picked([(0, 3, 3, np.nan)])[0] == []


def test_what_does_not_fit_is_refused():
    zeros, table = np.zeros((3, 9, 12)), host.class_table([0.3] * 3, [1] * 3, [0] * 3, [0] * 3, [1] * 3, 0.3)
    with pytest.raises(DataError, match='not of cells'):
        host.peaks(zeros, zeros[0, :5], np.zeros((8, 9, 12)), table, SMALL, 0.3, 5)
    with pytest.raises(DataError, match='needs 8 channels'):
        host.peaks(zeros, zeros[0], np.zeros((7, 9, 12)), table, SMALL, 0.3, 5)
    with pytest.raises(DataError, match='6 columns'):
        host.peaks(zeros, zeros[0], np.zeros((8, 9, 12)), table[:2], SMALL, 0.3, 5)
    with pytest.raises(DataError, match='finite'):
        host.peaks(zeros, zeros[0], np.zeros((8, 9, 12)), np.nan * table, SMALL, 0.3, 5)
    with pytest.raises(ValueError, match='least='):
        host.class_table([0.0], [1.0], [0.0], [0], [1.0], 0.3)
    with pytest.raises(ValueError, match='fit=1.0'):
        Peaks(SMALL, 3, 1.0, 5)
