"""What the sensors of a vehicle see of the ground about it, worked out by hand, and the picture of it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.vehicle import CameraView, LidarView, Mount, Part, Trailer, Vehicle
from autonomy_nodes.evaluation.vehicles.sight import Seen, ground_seen, lines

FLAT = Part((-0.5, 2.5), (-0.5, 0.5), (0.0, 0.1))  # hides next to nothing
CART = Vehicle(2.0, 2.5, 0.5, 1.0, 1.0, parts={'floor': FLAT})
DOWN_45 = LidarView(-np.pi / 4, 0.0, 46, 50.0)  # a beam each degree
LOOK = (-np.pi / 2, 0.0, -np.pi / 2)


def with_lidar(vehicle=CART, xyz=(1.0, 0.0, 2.0), rpy=(0.0, 0.0, 0.0), view=DOWN_45):
    return replace(vehicle, mounts={'top': Mount('lidar_top', xyz, rpy)}, lidar_views={'top': view})


def with_camera(vehicle=CART, xyz=(1.0, 0.0, 2.0), rpy=LOOK, fisheye=False):
    view = CameraView(200, 100, (100.0, 100.0), (100.0, 50.0), fisheye)
    return replace(vehicle, mounts={'front': Mount('camera_front', xyz, rpy)}, camera_views={'front': view})


def at(ground, x, y):
    cell = np.abs(ground.xy - (x, y)).sum(axis=-1).argmin()
    return Seen(int(ground.seen.flat[cell]))


def test_a_lidar_sees_the_ground_from_its_height_over_the_tangent_of_its_lowest_beam():
    ground = ground_seen(with_lidar())
    assert at(ground, 1.0, 1.5) == Seen.BLIND and at(ground, 1.0, 2.5) == Seen.BEAM  # 2 m high, 45 deg down
    assert at(ground, 1.0, -1.5) == Seen.BLIND and at(ground, -2.0, 0.0) == Seen.BEAM
    assert at(ground, 1.0, 0.0) == Seen.BODY
    # from 2.0 m beside its middle, which is 1.5 m from the side; ahead at x = 3.0, 0.5 m from the front
    assert ground.first_m(CART, 'left', (Seen.BEAM, Seen.BETWEEN)) == pytest.approx(1.5, abs=0.3)
    assert ground.first_m(CART, 'ahead', (Seen.BEAM, Seen.BETWEEN)) == pytest.approx(0.5, abs=0.3)


def test_far_away_lie_cells_between_the_beams_and_none_beyond_its_range():
    sparse = ground_seen(with_lidar(view=LidarView(-np.pi / 4, 0.0, 4, 12.0)))  # 45, 30, 15 and 0 deg down
    assert at(sparse, 1.0, 2.0 / np.tan(np.pi / 12)) == Seen.BEAM  # 7.46 m
    assert at(sparse, 1.0, 5.5) == Seen.BETWEEN and at(sparse, 1.0, 14.0) == Seen.BLIND


def test_a_field_to_the_front_leaves_the_rear_blind_and_a_turned_mount_turns_it():
    half = replace(DOWN_45, right_rad=-np.pi / 2, left_rad=np.pi / 2)
    ahead, left = ground_seen(with_lidar(view=half)), ground_seen(with_lidar(view=half, rpy=(0.0, 0.0, np.pi / 2)))
    assert at(ahead, 5.0, 0.5) == Seen.BEAM and at(ahead, -5.0, 0.5) == Seen.BLIND
    assert at(left, 1.5, 5.0) == Seen.BEAM and at(left, 1.5, -5.0) == Seen.BLIND
    assert ahead.first_m(CART, 'behind', (Seen.BEAM, Seen.BETWEEN)) == np.inf


def test_a_lidar_upside_down_with_beams_upwards_sees_the_ground():
    up = LidarView(0.0, np.pi / 4, 46, 50.0)
    assert at(ground_seen(with_lidar(view=up)), 5.0, 0.0) == Seen.BLIND
    assert at(ground_seen(with_lidar(view=up, rpy=(np.pi, 0.0, 0.0))), 5.0, 0.0) == Seen.BEAM


def test_a_part_hides_the_ground_behind_it():
    wall = Part((2.0, 2.5), (-0.5, 0.5), (0.0, 1.0))
    ground = ground_seen(with_lidar(replace(CART, parts={'floor': FLAT, 'wall': wall})))
    # from 2 m above x = 1 over the edge at x = 2.5, 1 m high: to the ground at x = 4
    assert at(ground, 3.8, 0.0) == Seen.BLIND and at(ground, 4.2, 0.0) == Seen.BEAM
    assert at(ground, 3.8, 3.0) == Seen.BEAM  # beside its shadow


def test_without_parts_one_box_is_the_body_and_sight_through_it_is_not_sure():
    whole = replace(CART, parts={})
    above = ground_seen(with_lidar(whole))
    assert at(above, 3.8, 0.0) == Seen.UNSURE and not above.each['top'].all()  # behind the edge at x = 2.5, 1 m high
    assert at(above, 4.2, 0.0) == Seen.BEAM
    assert any('one box is all that tells of its body' in line for line in lines(whole, above))
    inside = ground_seen(with_camera(whole, xyz=(1.0, 0.0, 0.9)))
    assert at(inside, 8.0, 0.0) == Seen.UNSURE and not inside.each['front'].any()
    cabin = replace(CART, parts={'cabin': Part((0.0, 1.5), (-0.5, 0.5), (0.1, 1.0))})
    sure = ground_seen(with_camera(cabin, (1.0, 0.0, 0.9)))
    assert at(sure, 8.0, 0.0) == Seen.CAMERA  # it looks out of the part in which it sits


def test_a_camera_sees_the_ground_below_its_horizon_as_wide_as_its_picture():
    ground = ground_seen(with_camera())
    # 50 px below the centre at focal length 100: 2 m high, from 4 m ahead on; 100 px aside: 45 deg
    assert at(ground, 4.7, 0.0) == Seen.BLIND and at(ground, 5.3, 0.0) == Seen.CAMERA
    assert at(ground, 9.0, 7.7) == Seen.CAMERA and at(ground, 9.0, 8.3) == Seen.BLIND
    assert at(ground, -6.0, 0.0) == Seen.BLIND


def test_a_fisheye_sees_by_the_angle():
    ground = ground_seen(with_camera(fisheye=True))
    # 50 px at 100 px a radian: 0.5 rad down, 2 m / tan(0.5) = 3.66 m ahead; a pinhole there sees from 4 m on
    assert at(ground, 4.9, 0.0) == Seen.CAMERA and at(ground, 4.3, 0.0) == Seen.BLIND


def test_a_trailer_hides_what_is_behind_it():
    trailer = Trailer(True, length_m=5.0, hitch_ahead_m=0.0, behind_axle_m=1.0, ahead_of_hitch_m=0.5, width_m=1.0)
    alone, pulling = ground_seen(with_lidar()), ground_seen(with_lidar(replace(CART, trailer=trailer)))
    assert at(alone, -7.0, 0.0) == Seen.BEAM and at(pulling, -7.0, 0.0) == Seen.BLIND
    assert at(pulling, -3.0, 0.0) == Seen.BODY


def test_blind_ground_near_the_body_is_told_and_a_view_without_mount_named():
    car = with_lidar()
    ground = ground_seen(replace(car, lidar_views={'top': DOWN_45, 'rear': DOWN_45}))
    assert ground.unplaced == ('rear',)
    text = '\n'.join(lines(car, ground))
    assert 'rear: has a view but no mount' in text and 'left   by LiDARs 1.' in text
    # a circle of 2 m about (1, 0) less the body of 3 m x 1 m; cells that its rim crosses, 0.2 m of it, are met
    assert np.pi * 1.8**2 - 3.0 < ground.blind_m2(car) < np.pi * 2.0**2 - 3.0
    assert 'nothing tells what its sensors see' in lines(CART, ground_seen(CART))[0]


@pytest.mark.parametrize('name', ['car', 'truck', 'offroad'])
def test_a_vehicle_is_drawn_with_blind_ground_in_red(name, tmp_path, capsys):
    out = tmp_path / 'v.png'
    assert main(['vehicle', 'show', name, '--out', str(out)]) == 0
    picture = cv2.imread(str(out))
    shares = {level: (picture == colour).all(axis=-1).mean() for level, colour in
              (('blind', (120, 120, 235)), ('beam', (130, 205, 140)), ('body', (225, 225, 225)))}  # fmt: skip
    assert all(share > 0.002 for share in shares.values()), shares
    assert 'by LiDARs' in capsys.readouterr().out


def test_show_needs_a_place_for_its_picture(capsys):
    assert main(['vehicle', 'show', 'car']) == 2
    assert '--out' in capsys.readouterr().err


@pytest.mark.parametrize(
    'make, error',
    [
        (lambda: LidarView(0.3, -0.3, 16, 100.0), 'must lie below highest_rad'),
        (lambda: LidarView(-25.0, 15.0, 16, 100.0), 'in radians'),
        (lambda: LidarView(-0.3, 0.3, 0, 100.0), 'must be above 0'),
        (lambda: LidarView(-0.3, 0.3, 16, 100.0, 1.0, 1.0), 'must lie below left_rad'),
        (lambda: CameraView(640, 480, (500.0,), (320.0, 240.0)), 'need two numbers'),
        (lambda: CameraView(640, 480, (0.0, 500.0), (320.0, 240.0)), 'must be above 0'),
        (lambda: Part((1.0, 0.0), (0.0, 1.0), (0.0, 1.0)), 'the smaller one first'),
    ],
)
def test_a_view_or_part_that_cannot_be_is_refused(make, error):
    with pytest.raises(ValueError, match=error):
        make()
