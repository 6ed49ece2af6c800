"""Cells of the grid in pictures: projected by hand, looked up as torch does it, and fitted to the network's size."""

import numpy as np
import pytest

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.perception.bev import MIDDLE
from autonomy_nodes.perception.camera.lift import lifted
from autonomy_nodes.perception.camera.places import (
    ANCHORS_M,
    FEATURES,
    HEIGHT,
    LIFTED,
    SHRINK,
    WIDTH,
    depths_seen,
    fitted,
    hushed,
    picture_of,
    places_of,
    projected,
)

MATRIX = np.array([[240.0, 0.0, 207.5], [0.0, 240.0, 79.5], [0.0, 0.0, 1.0]])
AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def mounted(x=1.0, y=0.0, z=1.6):
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = AHEAD, (x, y, z)
    return pose


def pixel(at):
    return (at + 1.0) * 0.5 * np.array([WIDTH, HEIGHT]) - 0.5


def test_a_place_lies_where_the_pinhole_puts_it():
    """24 m ahead, 2 m to the left, on the ground, seen from 1.6 m: 20 pixels left of the centre, 16 below it."""
    at, depth, seen = projected(MATRIX, mounted(), np.array([[25.0, 2.0, 0.0], [-5.0, 0.0, 0.0], [25.0, 30.0, 0.0]]))
    np.testing.assert_allclose(pixel(at[0]), (187.5, 95.5), atol=1e-4)
    assert depth[0] == pytest.approx(24.0)
    np.testing.assert_array_equal(seen, [1.0, 0.0, 0.0])  # behind the camera; beside the picture


def test_anchors_stand_on_the_ground_that_is_told():
    ground = np.full(MIDDLE, 0.5)
    flat, lifted_up = (places_of(MATRIX[None], mounted()[None], told) for told in (None, ground))
    assert flat.at.shape == (1, len(ANCHORS_M), *MIDDLE, 2)
    i, j = 90, 50  # ahead
    down = pixel(flat.at[0, 0, i, j])[1] - pixel(lifted_up.at[0, 0, i, j])[1]
    assert down == pytest.approx(240.0 * 0.5 / np.exp(flat.log_depths[0, 0, i, j]), rel=1e-4)


def test_what_is_lifted_is_what_torch_looks_up():
    torch = pytest.importorskip('torch', reason='the reference is in torch')
    from autonomy_nodes.perception.camera import network

    rng = np.random.default_rng(3)
    aside = mounted(y=0.5)
    c, s = np.cos(0.6), np.sin(0.6)
    aside[:3, :3] = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ AHEAD
    places = places_of(np.stack([MATRIX, MATRIX]), np.stack([mounted(), aside]))
    small = HEIGHT // SHRINK, WIDTH // SHRINK
    features = rng.normal(size=(2, FEATURES, *small)).astype(np.float32)
    depth = np.stack([rng.normal(2.7, 0.5, (2, *small)), rng.normal(-1.0, 1.0, (2, *small))], 1).astype(np.float32)
    arrays = (features, depth, places.at, places.log_depths, places.seen)
    wanted = network.lifted(*(torch.from_numpy(value) for value in arrays)).numpy()
    found = lifted(features, depth, places)
    assert found.shape == (LIFTED, *MIDDLE) and np.abs(wanted).max() > 1.0
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_features_count_where_the_surface_is_and_not_before_or_behind_it():
    """One camera, all at 20 m with a spread of 0.05: an anchor at 20 m takes the feature, one at 10 m next to none."""
    places = places_of(MATRIX[None], mounted()[None])
    small = HEIGHT // SHRINK, WIDTH // SHRINK
    features = np.ones((1, FEATURES, *small), np.float32)
    depth = np.stack([np.full((1, *small), np.log(20.0)), np.full((1, *small), np.log(0.05))], 1).astype(np.float32)
    told = lifted(features, depth, places).reshape(FEATURES + 3, len(ANCHORS_M), *MIDDLE)
    at, before, behind = ((int((x + 40.0) / 0.8), 50) for x in (21.0, 11.0, 41.0))
    assert told[(0, 1, *at)] > 0.6 and told[(FEATURES, 1, *at)] > 0.6
    for place, sign in ((before, 1.0), (behind, -1.0)):
        assert told[(0, 1, *place)] < 0.05
        assert np.sign(told[(FEATURES + 1, 1, *place)]) == sign
    assert not told[:, :, 10].any()  # behind the vehicle nobody looks


def test_a_picture_is_fitted_so_that_places_stay_where_they_are():
    """A white dot at (900, 500) of 1280 x 720 lies, after fitting, where the new matrix puts its ray."""
    pixels = np.zeros((720, 1280, 3), np.uint8)
    pixels[498:503, 898:903] = 255
    matrix = np.array([[1000.0, 0.0, 640.0], [0.0, 990.0, 360.0], [0.0, 0.0, 1.0]])
    small, told = fitted(pixels, matrix)
    assert small.shape == (HEIGHT, WIDTH, 3)
    ray = np.array([(900.0 - 640.0) / 1000.0, (500.0 - 360.0) / 990.0, 1.0])
    u, v = (told @ ray)[:2]
    row, column = np.unravel_index(small[..., 0].argmax(), small.shape[:2])
    assert abs(column - u) < 1.0 and abs(row - v) < 1.0


def test_a_low_picture_gets_black_rims_and_keeps_its_shape():
    small, told = fitted(np.full((100, 832, 3), 200, np.uint8), MATRIX)
    assert (small[:54] == 0).all() and (small[56:104] == 200).all() and (small[106:] == 0).all()
    assert told[0, 0] == pytest.approx(120.0) and told[1, 1] == pytest.approx(120.0)


def test_of_two_points_in_one_pixel_the_nearer_one_is_seen():
    xyz = np.array([[41.0, 0.0, 1.6], [21.0, 0.0, 1.6], [-3.0, 0.0, 1.0]])
    depths = depths_seen(xyz, MATRIX, mounted())
    assert depths.max() == pytest.approx(1.0 / 20.0) and (depths > 0.0).sum() == 1


def test_colours_lie_about_zero_and_depths_have_their_own_channel():
    depths = np.zeros((HEIGHT, WIDTH), np.float32)
    depths[3, 4] = 0.1
    picture = picture_of(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), depths, MATRIX, mounted())
    assert picture.shape == (5, HEIGHT, WIDTH)
    assert picture[0, 0, 0] == pytest.approx(2.2) and picture[3, 3, 4] == pytest.approx(1.0)


def test_the_plane_tells_how_far_flat_ground_is_along_each_ray():
    """24 pixels below the horizon, seen from 1.6 m by a focal length of 240: 16 m. Above it lies none."""
    nothing = np.zeros((HEIGHT, WIDTH), np.float32)
    low = mounted()
    low[2, 3] = 1.6
    plane = picture_of(np.zeros((HEIGHT, WIDTH, 3), np.uint8), nothing, MATRIX, low)[4]
    assert plane[103, 50] == pytest.approx(10.0 * 23.5 / 240.0 / 1.6, rel=1e-5)
    assert plane[40, 50] < 0.0 and plane[79, 50] == pytest.approx(-plane[80, 50])


def test_nothing_is_told_of_cells_that_no_camera_sees():
    places = places_of(MATRIX[None], mounted()[None])
    heat = hushed(np.zeros((5, 240, 200), np.float32), places.seen)
    assert (heat[:, :90] < -10.0).all() and (heat[:, 150:200, 100] == 0.0).all()
    assert inverse(mounted())[2, 3] == pytest.approx(-1.0)
