"""What the answer of a network means, on answers made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.bev import BOX, CELL_M, CELLS, ORIGIN_M, OUTPUTS
from autonomy_nodes.perception.decode import DecodeSettings, cells_of, checked, objects_of
from autonomy_nodes.perception.learned import others

SETTINGS = DecodeSettings(least=0.1, fit=0.3, speeds=True)
LEVEL = np.zeros(CELLS, np.float32)
CAR = (0.2, -0.1, 0.8, np.log(4.4), np.log(1.8), np.log(1.5), 0.0, 1.0, 0.2, 0.0)  # 0.2 m between two sweeps


def silent():
    out = {name: np.zeros((channels, *cells), np.float32) for name, (channels, cells) in OUTPUTS.items()}
    out['heat'] -= 10.0
    out['overlap'] += 10.0
    return out


def put(out, kind, i, j, chance=0.9, box=CAR):
    out['heat'][kind, i, j] = np.log(chance / (1.0 - chance))
    out['box'][:, i, j] = box
    return out


def found(out, gap_s=0.1, prior=LEVEL, config=SETTINGS):
    return objects_of(out, prior, 7, gap_s, config)


def test_a_middle_becomes_an_object_where_and_as_it_is_told():
    out = put(silent(), 0, 130, 90)
    out['box_spread'][:, 130, 90] = np.log([0.04, 0.09, 0.01])
    car = found(out, prior=LEVEL + 0.5)
    assert len(car) == 1 and car.stamp_ns == 7 and car.frame == 'base_link'
    x, y = ORIGIN_M + (np.array([130, 90]) + 0.5) * CELL_M + [0.2, -0.1]
    assert car.positions_m[0] == pytest.approx([x, y, 1.3])
    assert car.dimensions_m[0] == pytest.approx([4.4, 1.8, 1.5])
    assert car.headings_rad[0] == 0.0 and car.labels[0] == Label.CAR
    assert car.existence[0] == pytest.approx(0.9**0.7, rel=1e-3)
    assert car.class_probabilities.sum(axis=1) == pytest.approx(1.0)
    assert np.diag(car.pose_covariances[0]) == pytest.approx([0.04, 0.09, 0.01])
    assert car.velocities_mps[0] == pytest.approx([2.0, 0.0])


def test_a_car_in_which_the_lidar_itself_sits_is_the_vehicle_and_no_road_user():
    i, j = np.floor((np.array([1.0, 0.2]) - ORIGIN_M) / CELL_M).astype(int)
    cars = found(put(put(silent(), 0, i, j), 0, i + 20, j))  # middles at x 1.2 and 9.2, y 0.1; 4.4 m long, 1.8 wide
    assert others(cars, np.array([-0.9, 0.0, 1.8])).positions_m[:, 0] == pytest.approx([9.2])
    assert len(others(cars, np.array([-1.1, 0.0, 1.8]))) == len(others(cars, np.array([1.2, 1.1, 1.8]))) == 2
    assert others(cars, None) is cars and len(others(cars.kept([]), np.zeros(3))) == 0


def test_speeds_are_told_only_with_an_earlier_sweep_and_by_its_gap():
    out = put(silent(), 0, 130, 90)
    assert np.isnan(found(out, gap_s=0.0).velocities_mps).all()
    assert found(out, gap_s=0.05).velocities_mps[0, 0] == pytest.approx(4.0)
    assert np.isnan(found(out, config=DecodeSettings()).velocities_mps).all()  # of a network nobody measured


def test_of_neighbours_the_surer_is_the_middle_and_of_equal_ones_the_first():
    out = put(put(put(silent(), 2, 50, 50, 0.6), 2, 50, 51, 0.8), 2, 51, 52, 0.7)
    assert len(found(out)) == 1 and found(out).positions_m[0, 1] == pytest.approx(-40.0 + 51.5 * 0.4 - 0.1)
    out = put(put(silent(), 2, 80, 80, 0.6), 2, 80, 81, 0.6)
    assert found(out).positions_m[0, 1] == pytest.approx(-40.0 + 80.5 * 0.4 - 0.1)


def test_a_neighbour_of_a_middle_is_none_even_where_it_tells_of_another_place():
    ahead, behind = (2.0, *CAR[1:]), (-2.0, *CAR[1:])
    out = put(put(silent(), 2, 50, 50, 0.6, behind), 2, 51, 50, 0.8, ahead)  # 4.4 m apart, were both middles
    assert found(out).positions_m[:, 0] == pytest.approx([-40.0 + 51.5 * 0.4 + 2.0])


def test_what_is_told_within_a_surer_one_of_its_family_is_the_same_and_takes_part_in_its_class():
    out = put(put(silent(), 0, 130, 90, 0.9), 1, 134, 90, 0.6)  # 1.6 m ahead: within the car
    assert found(out).labels.tolist() == [Label.CAR]
    out = put(put(silent(), 0, 130, 90, 0.9), 2, 134, 90, 0.6)  # a person there is no part of a car
    assert sorted(found(out).labels.tolist()) == [Label.CAR, Label.PEDESTRIAN]
    out = put(silent(), 0, 130, 90, 0.8)
    out['heat'][1, 130, 90] = np.log(0.2 / 0.8)
    assert found(out).class_probabilities[0, [Label.CAR, Label.TRUCK]] == pytest.approx([0.8, 0.2], abs=1e-3)


def test_cars_side_by_side_stay_two():
    assert len(found(put(put(silent(), 0, 130, 90), 0, 130, 96))) == 2


def test_the_surest_come_first_and_no_more_than_the_most():
    out = put(put(put(silent(), 2, 20, 20, 0.5), 2, 60, 60, 0.9), 2, 90, 90, 0.7)
    assert np.diff(found(out).existence).max() < 0.0 and len(found(out)) == 3
    assert found(out, config=DecodeSettings(least=0.1, most=1)).existence == pytest.approx([0.9**0.7], rel=1e-3)


def test_a_bad_fit_makes_less_of_an_object():
    out = put(silent(), 0, 130, 90)
    out['overlap'][:] = 0.0
    assert found(out).existence[0] == pytest.approx(0.9**0.7 * 0.5**0.3, rel=1e-4)
    assert len(found(out, config=DecodeSettings(least=0.8))) == 0


def test_cells_tell_height_variance_classes_and_chances():
    out = silent()
    out['ground'][0], out['ground'][1] = 0.2, np.log(0.01)
    out['terrain'][3] = np.log(6.0)
    out['blocked'][0, :2] = np.log(3.0)
    out['top'] -= 1.0
    cells = cells_of(out, LEVEL + 1.0)
    assert cells.ground_m == pytest.approx(1.2) and cells.variance_m2 == pytest.approx(0.01)
    assert cells.terrain[3] == pytest.approx(0.5) and cells.terrain.sum(axis=0) == pytest.approx(1.0)
    assert cells.blocked[0, 0] == pytest.approx(0.75) and cells.blocked[5, 0] == 0.5
    assert cells.top_m.max() == 0.0 and cells.occupied == pytest.approx(0.5)


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        (lambda out: out.pop('box'), "no 'box'"),
        (lambda out: out.update(top=out['top'][..., :-1]), "'top' of shape"),
        (lambda out: out['ground'].__setitem__((0, 0, 5, 5), np.nan), "'ground' that is not finite"),
    ],
)
def test_answers_that_are_none_are_refused(change, match):
    out = {name: value[None] for name, value in silent().items()}
    assert checked(out)['heat'].shape == (5, *CELLS)
    change(out)
    with pytest.raises(DataError, match=match):
        checked(out)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 60.0))
def test_whatever_the_network_says_objects_are_in_range(seed, loud):
    rng = np.random.default_rng(seed)
    out = {name: rng.normal(0.0, loud, value.shape).astype(np.float32) for name, value in silent().items()}
    objects = found(out)
    assert len(objects) <= SETTINGS.most
    assert ((objects.existence >= 0.1) & (objects.existence <= 1.0)).all()
    assert ((objects.dimensions_m > 0.09) & (objects.dimensions_m < 41.0)).all()
    assert objects.class_probabilities.sum(axis=1) == pytest.approx(1.0)
    assert (abs(objects.positions_m[:, :2] - [8.0, 0.0]) <= [50.0, 42.0]).all()


def test_nonsense_settings_are_refused():
    for wrong in ({'least': 1.0}, {'fit': 1.0}, {'most': 0}, {'velocity_sigma_mps': 0.0}):
        with pytest.raises(ValueError, match=f'decode.{next(iter(wrong))}='):
            DecodeSettings(**wrong)


def test_the_box_has_its_channels_in_the_order_that_is_read_here():
    assert BOX == ('x', 'y', 'z', 'log_length', 'log_width', 'log_height', 'sin', 'cos', 'moved_x', 'moved_y')
