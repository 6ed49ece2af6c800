"""Clusters, their boxes and what their sizes tell."""

import numpy as np
import pytest
from perception_scenes import Box, scan

from autonomy_nodes.common.objects import Label
from autonomy_nodes.perception.clustering import ClusterConfig, clustered
from autonomy_nodes.perception.ground import GroundConfig, GroundSplitter

SPLITTER = GroundSplitter(GroundConfig(), vehicle_height_m=1.6)


def found(boxes, **more):
    cloud = scan(boxes, **more)
    return clustered(ClusterConfig(), 1, cloud.xyz, SPLITTER.split(cloud.xyz))


def nearest(objects, x, y):
    return int(np.argmin(np.hypot(objects.positions_m[:, 0] - x, objects.positions_m[:, 1] - y)))


def off_axis(heading, true):
    return abs((heading - true + np.pi / 2.0) % np.pi - np.pi / 2.0)


@pytest.mark.parametrize('heading', [0.0, 0.8, 1.2, 2.0])
def test_a_car_seen_from_a_corner_is_found_whole(heading):
    objects = found([Box(14.0, 5.0, heading=heading)], azimuths=1800).objects
    row = nearest(objects, 14.0, 5.0)
    assert objects.frame == 'base_link' and len(objects) == 1
    np.testing.assert_allclose(objects.positions_m[row, :2], [14.0, 5.0], atol=0.35)
    np.testing.assert_allclose(objects.dimensions_m[row], [4.4, 1.8, 1.5], atol=0.3)
    assert off_axis(objects.headings_rad[row], heading) < 0.1
    assert objects.labels[row] == Label.CAR and objects.existence[row] > 0.9
    assert np.isnan(objects.velocities_mps).all()


@pytest.mark.parametrize('x, y, heading', [(15.0, 0.0, 0.0), (0.0, 15.0, np.pi / 2.0)])
def test_of_a_car_seen_from_behind_the_hidden_length_is_completed_away_from_us_and_unsure(x, y, heading):
    objects = found([Box(x, y, heading=heading)]).objects
    row = nearest(objects, x, y)
    np.testing.assert_allclose(objects.positions_m[row, :2], [x, y], atol=0.3)
    assert off_axis(objects.headings_rad[row], heading) < 0.15
    along = np.array([np.cos(heading), np.sin(heading)])
    sigmas = np.sqrt(np.linalg.eigvalsh(objects.pose_covariances[row, :2, :2]))
    assert along @ objects.pose_covariances[row, :2, :2] @ along > 0.5**2 and sigmas[0] < 0.2


def test_people_bicycles_and_trucks_are_told_by_size():
    boxes = [
        Box(10.0, -4.0, length=0.5, width=0.6, high=1.75),
        Box(10.0, 4.0, heading=0.6, length=1.8, width=0.6, high=1.7),
        Box(25.0, 10.0, heading=1.0, length=9.0, width=2.5, high=3.4),
    ]
    objects = found(boxes, highest_deg=8.0).objects
    labels = [objects.labels[nearest(objects, box.x, box.y)] for box in boxes]
    assert labels == [Label.PEDESTRIAN, Label.BICYCLE, Label.TRUCK]
    np.testing.assert_allclose(objects.class_probabilities.sum(axis=1), 1.0)


def test_a_plate_of_a_persons_size_is_less_of_a_person_but_never_ruled_out():
    boxes = [Box(8.0, y, length=deep, width=0.6, high=1.75) for y, deep in ((-3.0, 0.04), (3.0, 0.5))]
    objects = found(boxes, azimuths=1800).objects
    plate, person = (objects.class_probabilities[nearest(objects, 8.0, y), Label.PEDESTRIAN] for y in (-3.0, 3.0))
    assert 0.15 < plate < 0.5 < person


def test_a_car_is_believed_more_than_a_bush_of_its_length():
    boxes = [Box(12.0, 6.0, length=4.3, width=1.8, high=1.5), Box(12.0, -6.0, length=4.3, width=0.3, high=1.5)]
    objects = found(boxes).objects
    car, bush = (objects.class_probabilities[nearest(objects, 12.0, y), Label.CAR] for y in (6.0, -6.0))
    assert car > 0.85 > 0.8 > bush > 0.4


def test_two_parked_cars_stay_two():
    objects = found([Box(10.0, 6.0), Box(15.5, 6.0)]).objects
    assert len(objects) == 2 and (objects.labels == Label.CAR).all()


def test_far_away_points_lie_farther_apart_and_still_belong_together():
    objects = found([Box(55.0, 8.0, heading=0.8)], beams=40, azimuths=720).objects
    assert len(objects) == 1
    np.testing.assert_allclose(objects.positions_m[0, :2], [55.0, 8.0], atol=1.0)


def test_a_car_beside_a_tall_wall_is_not_part_of_it():
    wall = Box(12.0, 9.4, length=40.0, width=0.3, high=8.0)
    objects = found([wall, Box(12.0, 8.0, length=4.4)], highest_deg=25.0).objects
    row = nearest(objects, 12.0, 8.0)
    np.testing.assert_allclose(objects.positions_m[row, :2], [12.0, 8.0], atol=0.5)
    assert objects.dimensions_m[row, 0] < 6.0


def test_a_building_is_left_to_the_terrain():
    objects = found([Box(0.0, 20.0, length=60.0, width=1.0, high=8.0)], highest_deg=20.0).objects
    assert not (objects.dimensions_m[:, 0] > 20.0).any()


def test_a_kerb_and_a_bridge_are_no_objects():
    assert len(found([Box(10.0, 5.0, length=8.0, high=0.2), Box(20.0, 0.0, 0.0, 4.0, 20.0, 4.0, 5.0)]).objects) == 0


def test_an_empty_road_has_no_objects_and_neither_has_an_empty_cloud():
    assert len(found([]).objects) == 0
    nothing = np.zeros((0, 3), np.float32)
    clusters = clustered(ClusterConfig(), 1, nothing, SPLITTER.split(nothing))
    assert len(clusters.objects) == 0 and clusters.clutter == 0


def test_lone_points_near_by_are_clutter_and_not_objects():
    cloud = scan()
    drops = np.random.default_rng(3).uniform([2.0, -10.0, 0.6], [12.0, 10.0, 1.6], (150, 3)).astype(np.float32)
    xyz = np.concatenate([cloud.xyz, drops])
    clusters = clustered(ClusterConfig(), 1, xyz, SPLITTER.split(xyz))
    assert clusters.clutter > 75 and len(clusters.objects) < 10


def test_each_object_owns_the_cells_that_it_stands_on():
    clusters = found([Box(14.0, 5.0), Box(12.0, -6.0)])
    for row, position in enumerate(clusters.objects.positions_m):
        mine = clusters.places_m[clusters.owners == row]
        assert len(mine) > 5 and (np.hypot(*(mine - position[:2]).T) < 2.6).all()


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match='clusters.cell_m=0.0'):
        ClusterConfig(cell_m=0.0)
