"""Pictures of training places: each pixel where the projection puts it, the truth exact, air and light as told."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from autonomy_nodes.sim.lens import CHANGES, exposed
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.sim.plots.photos import Air, Eye, Photographer, drawn_air, drawn_eyes
from autonomy_nodes.sim.plots.plots import plot
from autonomy_nodes.sim.plots.sight import Sight
from autonomy_nodes.training.places import PlaceSettings, examples

MATRIX = np.array([[240.0, 0.0, 207.5], [0.0, 240.0, 79.5], [0.0, 0.0, 1.0]])
DOWN = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])  # optical axes of a camera that looks down
DAY = Air()


@pytest.fixture(scope='module')
def place():
    here = plot(5, '')
    return here, Photographer(here, Sight(here))


def above(here, s=0.0, n=0.0, height_m=30.0):
    """Return a camera that looks straight down, and its place in map."""
    x, y = here.relief.to_map(np.array(s), np.array(n))
    pose = np.eye(4)
    pose[:3, :3] = DOWN
    pose[:3, 3] = x, y, height_m
    return Eye(416, 160, MATRIX, np.zeros(5), pose)


def ahead(here, s=-45.0):
    """Return map_from_base of a vehicle on the road, and its front camera."""
    yaw = float(here.relief.heading(np.array((s, 0.0, 0.0))))
    x, y = here.relief.to_map(np.array(s), np.array(0.0))
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = x, y, float(here.relief.height(np.array([x, y])))
    camera = np.eye(4)
    camera[:3, :3], camera[:3, 3] = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), (1.5, 0.0, 1.6)
    return pose, Eye(416, 160, MATRIX, np.zeros(5), camera)


def taken(place, air=DAY, seed=3):
    here, photographer = place
    pose, eye = ahead(here)
    return photographer.photo(eye, pose, None, air, np.random.default_rng(seed))


def test_depths_seen_from_above_are_heights_of_the_ground(place):
    """Each ground pixel of a picture taken straight down tells the height of the relief right there."""
    here, photographer = place
    eye = above(here)
    photo = photographer.photo(eye, np.eye(4), None, DAY, np.random.default_rng(0))
    ground = np.isin(photo.semantics, [Semantic.PAVED, Semantic.LOOSE, Semantic.LOW_VEGETATION])
    rows, columns = np.nonzero(ground)
    depth = photo.depth_m[rows, columns].astype(float)
    pixels = np.stack([columns, rows, np.ones(len(rows))])
    places = eye.base_from_camera[:3, :3] @ (np.linalg.inv(MATRIX) @ pixels * depth) + eye.base_from_camera[:3, 3:]
    off = places[2] - here.relief.height(places[:2].T)
    assert len(rows) > 20_000
    assert np.percentile(np.abs(off), 90) < 0.03


def test_what_is_hidden_is_not_seen(place):
    """Depth along the axis never exceeds that of the plane below the camera, but for pixels of the sky."""
    photo = taken(place)
    assert (photo.semantics[~np.isfinite(photo.depth_m)] == Semantic.NOTHING).all()
    assert (photo.semantics[np.isfinite(photo.depth_m)] != Semantic.NOTHING).all()
    assert photo.depth_m[140:].min() > 0.5 and np.isfinite(photo.depth_m[150:]).all()


def test_the_same_seed_takes_the_same_picture_and_another_one_does_not(place):
    one, two, other = taken(place), taken(place), taken(place, seed=4)
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert (one.pixels != other.pixels).any()
    np.testing.assert_array_equal(one.depth_m, other.depth_m)  # truth knows no lens


def test_fog_takes_contrast_from_what_is_far_and_leaves_what_is_near(place):
    plain, fog = (raw(place, air) for air in (DAY, replace(DAY, visibility_m=60.0)))
    depth = taken(place).depth_m
    far, near = (depth > 50.0) & (depth < 200.0), depth < 6.0
    assert fog[far].std() < 0.5 * plain[far].std()
    assert fog[near].std() > 0.7 * plain[near].std()


def test_at_night_the_headlamps_light_the_ground_right_ahead(place):
    plain, dark = (raw(place, air) for air in (DAY, replace(DAY, darkness=0.98)))
    depth = taken(place).depth_m
    assert dark[40:].mean() < 0.4 * plain[40:].mean()
    near, far = (depth < 12.0) & (depth > 6.0), (depth > 60.0) & (depth < 200.0)
    assert dark[near].mean() > 3.0 * dark[far].mean()


def test_a_wet_road_is_another_road_and_the_sky_is_the_same(place):
    plain, wet = (raw(place, air) for air in (DAY, replace(DAY, wetness=1.0)))
    photo = taken(place)
    road, sky = photo.semantics == Semantic.PAVED, photo.semantics == Semantic.NOTHING
    assert np.abs(wet[road] - plain[road]).mean() > 0.02
    np.testing.assert_array_equal(wet[sky], plain[sky])


def raw(place, air):
    """Return (H, W) linear light, before any lens."""
    from autonomy_nodes.sim.plots import photos

    kept = []
    taken_before = photos.taken
    photos.taken = lambda light, *more: kept.append(light) or taken_before(light, *more)
    try:
        taken(place, air)
    finally:
        photos.taken = taken_before
    return kept[0].mean(axis=-1)


def test_rays_of_a_lens_that_bends_go_back_to_their_pixels():
    bent = np.array([-0.30, 0.08, 0.001, -0.001, 0.0])
    rays = Eye(416, 160, MATRIX, bent, np.eye(4)).rays()
    pixels = cv2.projectPoints(rays.astype(float), np.zeros(3), np.zeros(3), MATRIX, bent)[0][:, 0]
    u, v = np.meshgrid(np.arange(416), np.arange(160))
    off = np.abs(pixels - np.stack([u.ravel(), v.ravel()], axis=-1))
    assert np.percentile(off, 95) < 0.2


def test_cameras_look_around_from_the_vehicle():
    rng = np.random.default_rng(5)
    for count in range(1, 7):
        eyes = drawn_eyes(rng, count)
        assert len(eyes) == count
        axis = eyes[0].base_from_camera[:3, 2]
        assert axis[0] > 0.9 and -0.4 < axis[2] <= 0.1  # ahead, a little down
        assert all(0.9 < eye.base_from_camera[2, 3] < 3.2 for eye in eyes)
    assert not eyes[0].distortion.any() and drawn_eyes(rng, 1, distorted=True)[0].distortion.any()


def test_airs_are_of_all_kinds():
    airs = [drawn_air(np.random.default_rng(seed)) for seed in range(200)]
    assert 15 < sum(air.darkness > 0.7 for air in airs) < 50
    assert 8 < sum(air.visibility_m < 300.0 and not air.precipitation for air in airs) < 40
    assert 10 < sum(air.precipitation > 0.0 for air in airs) < 50


@pytest.mark.parametrize('name', CHANGES)
def test_each_change_of_the_lens_changes_a_picture_and_repeats(name):
    picture = exposed(np.random.default_rng(1).random((60, 120, 3)).astype(np.float32))
    one, two = (CHANGES[name](picture.copy(), np.random.default_rng(2)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one.shape == picture.shape and np.abs(one - picture).max() > 0.01


def test_exposure_brings_dark_and_bright_scenes_to_the_same_mean():
    light = np.random.default_rng(1).random((60, 120, 3)).astype(np.float32)
    np.testing.assert_allclose(exposed(light), exposed(0.3 * light), atol=2e-3)


def test_photos_change_nothing_of_what_the_lidar_sees():
    plain = list(examples(11, PlaceSettings(views=2)))
    seen = list(examples(11, PlaceSettings(views=2, photos=True)))
    for one, two in zip(plain, seen):
        np.testing.assert_array_equal(one.points, two.points)
        np.testing.assert_array_equal(one.boxes, two.boxes)
        assert not one.photos and two.photos and one.air is None and two.air is not None
