"""What the network is asked for, on examples worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from flat_examples import example_of

from autonomy_nodes.perception.bev import BOX, CELL_M, CELLS, ORIGIN_M, TERRAIN
from autonomy_nodes.training.examples import NO_OBSTACLE
from autonomy_nodes.training.targets import LEAST_HITS, NOT_TOLD, targets_of

CAR = [10.1, 5.3, 0.75, 4.4, 1.8, 1.5, 0.5, 3.0, -1.0]
PERSON = [12.0, -6.0, 0.9, 0.6, 0.6, 1.8, 0.0, 0.0, 0.0]


def prior_of(height=0.0):
    prior = np.zeros((3, *CELLS), np.float32)
    prior[0], prior[1] = height, 1.0
    return prior


def cell_of(box):
    return tuple(np.floor((np.array(box[:2]) - ORIGIN_M) / CELL_M).astype(int).tolist())


def made(**changes):
    return replace(example_of([CAR, PERSON], [0, 2], np.random.default_rng(0)), **changes)


def test_a_middle_is_one_and_the_bell_falls_with_the_size_of_the_object():
    heat = targets_of(made(), prior_of())['heat']
    car, person = cell_of(CAR), cell_of(PERSON)
    assert heat[0][car] == 1.0 and heat[2][person] == 1.0
    assert (heat == 1.0).sum() == 2
    assert heat[0][car[0] + 1, car[1]] > heat[2][person[0] + 1, person[1]] > 0.0
    assert heat[1].max() == heat[3].max() == heat[4].max() == 0.0


def test_the_box_of_a_middle_is_told_from_its_cell():
    told = targets_of(made(), prior_of(0.25))
    i, j = cell_of(CAR)
    row = dict(zip(BOX, told['box'][:, i, j].tolist()))
    middle = ORIGIN_M + (np.array([i, j]) + 0.5) * CELL_M
    assert (row['x'], row['y']) == pytest.approx(tuple(np.array(CAR[:2]) - middle), abs=1e-5)
    assert row['z'] == pytest.approx(0.5)
    assert np.exp([row['log_length'], row['log_width'], row['log_height']]) == pytest.approx(CAR[3:6], rel=1e-5)
    assert (row['sin'], row['cos']) == pytest.approx((np.sin(0.5), np.cos(0.5)))
    assert (row['moved_x'], row['moved_y']) == pytest.approx((0.3, -0.1))  # in the 0.1 s between two sweeps
    assert told['box_weight'][0, i, j] == 1.0 and 0.0 < told['box_weight'][0, i + 1, j] < 1.0


@pytest.mark.parametrize('changes', [{'hits': np.array([LEAST_HITS - 1, 150])}, {'shares': np.array([0.14, 1.0])}])
def test_what_hardly_shows_is_neither_asked_for_nor_wrong(changes):
    told = targets_of(made(**changes), prior_of())
    assert told['heat'][0].max() == 0.0
    assert told['heat_weight'][0][cell_of(CAR)] == 0.0
    assert told['heat_weight'][0][cell_of(PERSON)] == 1.0
    assert told['box_weight'][0][cell_of(CAR)] == 0.0
    area = (told['heat_weight'] == 0.0).sum() * CELL_M**2
    assert area == pytest.approx((4.4 + 1.2) * (1.8 + 1.2), rel=0.1)


def test_a_person_beside_a_hidden_car_is_still_asked_for():
    boxes = np.array([CAR, [*CAR[:2], *PERSON[2:]]])
    told = targets_of(made(boxes=boxes, hits=np.array([0, 150])), prior_of())
    assert told['heat'][2].max() == 1.0 and told['heat_weight'][0][cell_of(CAR)] == 1.0


def test_objects_beyond_the_grid_are_left_out():
    told = targets_of(made(boxes=np.array([[80.0, *CAR[1:]], [-41.0, *PERSON[1:]]])), prior_of())
    assert told['heat'].max() == 0.0


def test_the_ground_is_asked_for_as_what_is_to_be_added_to_the_prior():
    ground = np.full(CELLS, 0.3, np.float32)
    ground[:50], ground[100] = np.nan, 9.0
    prior = prior_of(0.1)
    prior[1, 150:] = 0.0
    told = targets_of(made(ground_m=ground), prior)
    assert told['ground'][0, 60, 0] == pytest.approx(0.2)
    assert told['ground_weight'][0, [0, 60, 100, 140, 200], 0].tolist() == pytest.approx([0.0, 1.0, 0.0, 1.0, 0.2])


def test_water_is_asked_for_only_of_who_sees_light():
    wet = np.full(CELLS, TERRAIN.index('wet'), np.uint8)
    lit = made(terrain=wet, stands_asked=np.ones(CELLS, bool))
    dark = replace(lit, points=lit.points * np.array([1.0, 1.0, 1.0, 0.0], np.float32))
    told, untold = targets_of(lit, prior_of()), targets_of(dark, prior_of())
    assert (told['terrain'] == TERRAIN.index('wet')).all() and told['seen'].all()
    assert (untold['terrain'] == NOT_TOLD).all() and not untold['seen'].any()


def test_cells_that_nobody_saw_are_not_asked_for_but_those_that_rays_grazed_are():
    prior = prior_of()
    prior[1] = 0.0
    prior[1, 20, 20], prior[2, 100, 100], prior[2, 140, 140] = 1.0, 0.97, 0.9
    told = targets_of(made(), prior)
    assert told['seen'].sum() == 10.0  # a cell with the eight beside it, and the one that a ray grazed
    assert (told['terrain'] != NOT_TOLD).sum() == 10
    assert told['terrain'][20, 20] == TERRAIN.index('paved')


def test_slices_hold_the_ground_what_stands_on_it_and_every_point():
    told = targets_of(made(points=np.array([[20.1, 20.1, 3.0, 0.0]], np.float32)), prior_of())
    free, car, point = cell_of([0.0, 0.0]), cell_of(CAR), cell_of([20.1, 20.1])
    assert told['occupied'][:, free[0], free[1]].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert told['occupied'][:, car[0], car[1]].tolist() == [0, 1, 1, 1, 1, 1, 0, 0]
    assert told['occupied'][:, point[0], point[1]].tolist() == [0, 1, 0, 0, 0, 0, 0, 1]
    assert told['top'][0][car] == pytest.approx(1.5)
    assert (told['blocked'][0][car], told['blocked'][0][free]) == (1.0, 0.0)


def test_where_a_recording_does_not_know_of_objects_none_are_asked_for_and_none_are_wrong():
    asked = np.ones(CELLS, bool)
    asked[:100] = False
    told = targets_of(made(objects_asked=asked), prior_of())
    assert not told['heat_weight'][0, :100].any() and told['heat_weight'][0, 100:].all()
    assert told['heat'][0][cell_of(CAR)] == 1.0 and told['heat_weight'][0][cell_of(CAR)] == 1.0


def test_what_stands_is_asked_for_where_it_is_known_and_not_where_the_ground_is():
    asked, ground = np.zeros(CELLS, bool), np.full(CELLS, np.nan, np.float32)
    asked[30, 40] = asked[31, 40] = True
    ground[:, 50] = 0.0
    blocked = np.zeros(CELLS, bool)
    blocked[30, 40] = True
    told = targets_of(made(stands_asked=asked, ground_m=ground, blocked=blocked), prior_of())
    np.testing.assert_array_equal(told['seen'][0], asked)
    assert (told['blocked'][0, 30, 40], told['blocked'][0, 31, 40]) == (1.0, 0.0)
    assert told['ground_weight'][0, 30, 50] == 1.0 and told['ground_weight'][0, 30, 40] == 0.0


def test_ground_that_is_only_known_to_be_free_is_asked_for_as_such():
    terrain = np.full(CELLS, NOT_TOLD, np.uint8)
    terrain[80, 90] = NO_OBSTACLE
    told = targets_of(made(terrain=terrain, stands_asked=np.zeros(CELLS, bool)), prior_of())
    assert told['no_obstacle'].sum() == told['no_obstacle'][0, 80, 90] == 1.0
    assert (told['terrain'] == NOT_TOLD).all()
    assert targets_of(made(), prior_of())['no_obstacle'].sum() == 0.0
