import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomy_nodes.common.geometry import inverse, matrix_of_rpy
from autonomy_nodes.common.sensing import Transforms
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Mount
from autonomy_nodes.sensors.calibration import Calibration, stated_transforms

TOP = Mount('lidar_top', (1.0, 0.0, 2.0), (0.0, 0.0, 0.1))


def pose(x=0.0, y=0.0, z=0.0, yaw=0.0, roll=0.0):
    return matrix_of_rpy(np.array([x, y, z]), np.array([roll, 0.0, yaw]))


def told(**edges):
    """{'parent__child': matrix}."""
    return Transforms(1, {tuple(name.split('__')): matrix for name, matrix in edges.items()})


def test_a_chain_of_transforms_is_multiplied():
    calibration = Calibration({})
    calibration.take(told(kit__lidar=pose(x=1.0)))
    calibration.take(told(base_link__kit=pose(z=2.0, yaw=math.pi / 2)))
    assert calibration.base_from('lidar')[:3, 3] == pytest.approx([0.0, 1.0, 2.0])  # x of the kit points left


def test_frames_beside_base_link_are_reached_over_their_common_parent():
    calibration = Calibration({})
    calibration.take(told(footprint__base_link=pose(z=0.3), footprint__lidar=pose(z=2.0)))
    assert calibration.base_from('lidar')[:3, 3] == pytest.approx([0.0, 0.0, 1.7])


def test_mounts_stand_in_where_tf_is_silent():
    assert np.allclose(Calibration({'top': TOP}).base_from('lidar_top'), TOP.base_from_sensor)


def test_what_is_told_later_counts():
    calibration = Calibration({'top': TOP})
    calibration.take(told(base_link__kit=pose(x=1.0)))
    assert calibration.base_from('kit')[0, 3] == 1.0 and calibration.base_from('lidar_top')[0, 3] == 1.0
    calibration.take(told(base_link__kit=pose(x=2.0), base_link__lidar_top=pose(x=2.0)))
    assert calibration.base_from('kit')[0, 3] == 2.0
    with pytest.raises(DataError, match='differs'):
        calibration.base_from('lidar_top')


def test_a_frame_nobody_knows_is_named_with_what_helps_and_found_once_it_is_told():
    calibration = Calibration({'top': TOP})
    with pytest.raises(DataError, match="'lidar_left'.*known frames: lidar_top.*/tf_static.*vehicle.mounts"):
        calibration.base_from('lidar_left')
    calibration.take(told(base_link__lidar_left=pose(y=1.0)))
    assert calibration.base_from('lidar_left')[1, 3] == 1.0


def test_a_frame_that_hangs_on_nothing_has_no_place():
    calibration = Calibration({})
    calibration.take(told(kit__lidar=pose()))
    with pytest.raises(DataError, match='no transform'):
        calibration.base_from('lidar')


@pytest.mark.parametrize(
    'change, words',
    [
        (pose(x=0.009), None),
        (pose(x=0.011), '1.1 cm'),
        (pose(roll=math.radians(0.09)), None),
        (pose(roll=math.radians(0.11)), '0.11 deg'),
    ],
)
def test_tf_and_yaml_may_differ_by_one_centimetre_and_a_tenth_of_a_degree(change, words):
    calibration = Calibration({'top': TOP})
    calibration.take(told(base_link__lidar_top=TOP.base_from_sensor @ change))
    if words is None:
        assert np.allclose(calibration.base_from('lidar_top'), TOP.base_from_sensor @ change)
    else:
        with pytest.raises(DataError, match=f"'lidar_top' differs by {words}"):
            calibration.base_from('lidar_top')


def test_a_conflict_is_never_forgotten():
    calibration = Calibration({'top': TOP})
    calibration.take(told(base_link__lidar_top=pose(x=5.0)))
    with pytest.raises(DataError, match='differs'):
        calibration.base_from('lidar_top')
    calibration.take(told(base_link__lidar_top=TOP.base_from_sensor))
    with pytest.raises(DataError, match='differs'):
        calibration.base_from('lidar_top')


def test_circles_and_second_parents_are_refused():
    calibration = Calibration({})
    calibration.take(told(a__b=pose(), b__c=pose()))
    with pytest.raises(DataError, match='circle'):
        calibration.take(told(c__a=pose()))
    with pytest.raises(DataError, match="two parents: 'b' and 'a'"):
        calibration.take(told(a__c=pose()))


def test_a_sensor_that_sends_the_frame_of_another_is_noticed():
    calibration = Calibration({'top': TOP})
    calibration.check_frame('top', 'lidar_top')
    calibration.check_frame('left', 'anything')
    with pytest.raises(DataError, match='swapped'):
        calibration.check_frame('top', 'lidar_left')


def test_two_mounts_of_one_frame_are_refused():
    with pytest.raises(ValueError, match='twice'):
        Calibration({'top': TOP, 'roof': TOP})


def test_what_is_published_from_the_yaml_agrees_with_it():
    calibration = Calibration({'top': TOP})
    calibration.take(stated_transforms({'top': TOP}, stamp_ns=5))
    assert np.allclose(calibration.base_from('lidar_top'), TOP.base_from_sensor)


@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 6), min_size=1, max_size=6))
def test_any_chain_equals_the_product_of_its_links(links):
    matrices = [matrix_of_rpy(np.array(link[:3]), np.array(link[3:])) for link in links]
    names = ['base_link', *(f'f{number}' for number in range(len(links)))]
    calibration = Calibration({})
    for parent, child, matrix in list(zip(names, names[1:], matrices))[::-1]:
        calibration.take(Transforms(1, {(parent, child): matrix}))
    product = np.eye(4)
    for matrix in matrices:
        product = product @ matrix
    assert np.allclose(calibration.base_from(names[-1]), product)
    assert np.allclose(inverse(product) @ calibration.base_from(names[-1]), np.eye(4), atol=1e-9)
