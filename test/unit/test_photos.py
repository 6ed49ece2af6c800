"""Pictures of plots: where things appear, what lies how far, and what weather, light and lens each do to them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from autonomy_nodes.sim import lens
from autonomy_nodes.sim.light import Lens, light_of
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import box
from autonomy_nodes.sim.plots.eyes import pixel_rays
from autonomy_nodes.sim.plots.looks import looks_of
from autonomy_nodes.sim.plots.photos import Air, Eye, Photographer, drawn_air, drawn_eyes
from autonomy_nodes.sim.plots.plot import Placed, Plot
from autonomy_nodes.sim.plots.relief import BARE, Relief
from autonomy_nodes.sim.plots.rigs import drawn_rig
from autonomy_nodes.sim.plots.sight import Sight, bodies_faces
from autonomy_nodes.sim.plots.solids import Thing, rod, solid
from autonomy_nodes.sim.plots.users import User
from autonomy_nodes.sim.shading import shade

FOCAL, MIDDLE, HEIGHT_M = 200.0, (207.5, 79.5), 1.5
OPTICAL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, HEIGHT_M], [0, 0, 0, 1]])
HERE = np.eye(4)
DIRTY = Lens(0.5, 0.5, 2.0, 0.5, 0.5, 0.5, noise=0.02, quality=70, warmth=0.3)


def eye(**changed):
    matrix = np.array([[FOCAL, 0.0, MIDDLE[0]], [0.0, FOCAL, MIDDLE[1]], [0.0, 0.0, 1.0]])
    return replace(Eye(416, 160, matrix, np.zeros(5), OPTICAL), **changed)


def placed(thing, x, y):
    pose = np.eye(4)
    pose[:2, 3] = x, y
    return Placed(thing, pose, 0.3)


def place(*things):
    """A level place of asphalt, 120 by 100 m, with things on it."""
    s, n = np.linspace(-60.0, 60.0, 61), np.linspace(-50.0, 50.0, 51)
    cells = np.full((60, 50), Material.ASPHALT, np.uint8)
    skin = np.full((1, 1), BARE, np.uint8)
    relief = Relief(s, n, np.zeros((61, 51)), cells, np.zeros((60, 50), bool), 0.0, skin, np.zeros(2))
    plot = Plot('level', relief, np.random.default_rng(0), list(things))
    return plot, Sight(plot)


def car(number=0, x=10.0, y=0.0, variant=3, speed_mps=0.0):
    pose = np.eye(4)
    pose[:2, 3] = x, y
    return number, User('saloon', variant, (x, y, 0.0), 0.4, speed_mps=speed_mps), pose


def photo(*things, movers=None, air=None, seed=0, of=None):
    plot, sight = place(*things)
    photographer = Photographer(plot, sight)
    return photographer.photo(of or eye(), HERE, movers, air or Air(), np.random.default_rng(seed))


def pole():
    return Thing(rod(4.0, 0.1, sides=16), Semantic.POLE, np.zeros((0, 2)))


def test_a_pole_stands_in_the_columns_and_at_the_depth_that_the_projection_gives():
    seen = photo(placed(pole(), 20.0, 2.0))
    row = 79  # level with the camera: at half the height of the pole its radius is about 0.09 m, 0.9 pixels
    columns = np.flatnonzero(seen.semantics[row] == Semantic.POLE)
    assert columns.tolist() == [187, 188]  # 207.5 - 200 * 2 / 20 = 187.5
    assert seen.depth_m[row, columns] == pytest.approx(19.91, abs=0.05)
    assert 39 <= np.flatnonzero(seen.semantics[:, 187] == Semantic.POLE).min() <= 56  # 4 m: 79.5 - 200 * 2.5 / 20


def test_the_depth_of_level_ground_is_that_of_its_plane():
    seen = photo()
    for row in (100, 120, 159):
        assert seen.depth_m[row] == pytest.approx(HEIGHT_M * FOCAL / (row - MIDDLE[1]), rel=1e-4)
        assert (seen.semantics[row] == Semantic.PAVED).all()
    assert np.isinf(seen.depth_m[0]).all() and (seen.semantics[0] == Semantic.NOTHING).all()


def test_beyond_the_plot_land_and_woods_have_the_depth_and_the_kind_at_which_they_are_drawn():
    seen = photo()
    assert seen.depth_m[84, 207] == pytest.approx(1.6 * FOCAL / 4.5, rel=1e-3)  # 0.1 m below the plot, 71 m away
    assert seen.semantics[84, 207] == Semantic.LOW_VEGETATION
    assert seen.depth_m[79, 207] == pytest.approx(140.0, rel=1e-3)  # the ring
    assert seen.semantics[79, 207] in (Semantic.HIGH_VEGETATION, Semantic.STRUCTURE)


def test_who_moves_hides_what_stands_behind_and_is_hidden_by_what_stands_before():
    before = photo(placed(pole(), 20.0, 0.0))
    assert (before.semantics == Semantic.POLE).any()
    hidden = photo(placed(pole(), 20.0, 0.0), movers=bodies_faces([car(x=6.0)]))
    assert not (hidden.semantics[90:] == Semantic.POLE).any() and (hidden.semantics == Semantic.ACTOR).any()
    wall = solid(box(0.3, 8.0, 3.0, Material.WALL))
    assert not (photo(placed(wall, 5.0, 0.0), movers=bodies_faces([car()])).semantics == Semantic.ACTOR).any()


def test_rays_of_a_distorting_lens_meet_the_pixels_that_projection_gives():
    bent = eye(distortion=np.array([-0.12, 0.02, 4e-4, -3e-4, 0.0]))
    rays = pixel_rays(bent).astype(float)
    found = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), bent.matrix, bent.distortion)[0][:, 0]
    columns, rows = np.meshgrid(np.arange(416), np.arange(160))
    assert np.abs(found - np.column_stack([columns.ravel(), rows.ravel()])).max() < 1e-3
    assert np.abs(rays - pixel_rays(eye())).max() > 0.05


def test_drawn_distortion_can_be_taken_out_at_every_pixel():
    for seed in range(30):
        for drawn in drawn_eyes(np.random.default_rng(seed), 2, distorted=True):
            rays = pixel_rays(drawn).astype(float)
            found = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), drawn.matrix, drawn.distortion)[0][:, 0]
            columns, rows = np.meshgrid(np.arange(416), np.arange(160))
            assert np.abs(found - np.column_stack([columns.ravel(), rows.ravel()])).max() < 5e-3


def test_a_picture_is_that_of_its_seed_and_its_truth_is_that_of_the_place():
    air = Air(precipitation=0.5, wetness=0.5, lens=DIRTY)
    first, again, other = (photo(movers=bodies_faces([car()]), air=air, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.pixels, again.pixels) and not np.array_equal(first.pixels, other.pixels)
    plain = photo(movers=bodies_faces([car()]))
    for name in ('depth_m', 'semantics'):
        assert np.array_equal(getattr(first, name), getattr(other, name))
        assert np.array_equal(getattr(first, name), getattr(plain, name))


def test_taking_pictures_leaves_what_lidars_see_as_it_was():
    plot, sight = place(placed(pole(), 8.0, 1.0))
    rig, movers = drawn_rig(np.random.default_rng(1)), bodies_faces([car()])
    mask = np.ones(rig.shape[0], bool)
    before = sight.sweep(rig, HERE, movers, mask, np.random.default_rng(4))
    Photographer(plot, sight).photo(eye(), HERE, movers, Air(wetness=1.0, darkness=1.0), np.random.default_rng(0))
    after = sight.sweep(rig, HERE, replace(movers, users=()), mask, np.random.default_rng(4))
    for name in ('points', 'semantics', 'bodies', 'first'):
        assert np.array_equal(getattr(before, name), getattr(after, name))


def lit(air, distance_m=10.0, material=Material.ASPHALT, normal=(0.0, 0.0, 1.0), aim=(0.6, 0.0, -0.8), glow=0.0):
    """Linear light of one surface, seen from so far."""
    aims, ranges = np.array([aim], np.float32), np.array([distance_m], np.float32)
    ones, kinds = np.ones(1, np.float32), np.array([material], np.uint8)
    own, glows = np.full((1, 3), -1.0, np.float32), np.full((1, 3), glow, np.float32)
    ego = np.array([[500.0, 0.0, 1.0], [1.0, 0.0, 0.0]], np.float32)
    lamps = np.zeros((0, 3), np.float32)
    normals = np.array([normal], np.float32)
    origin = np.zeros(3, np.float32)
    return shade(
        origin, aims, ranges, normals, kinds, ones, own, glows, ones, ones, 0.005, light_of(air), lamps, ego
    )[0]


@pytest.mark.parametrize('distance_m, left', [(100.0, 0.05), (50.0, 0.05**0.5), (10.0, 0.05**0.1)])
def test_fog_leaves_a_twentieth_of_the_contrast_at_its_visibility(distance_m, left):
    fog = Air(visibility_m=100.0)
    found = lit(fog, distance_m, glow=1.0) - lit(fog, distance_m)
    assert found == pytest.approx(left, rel=1e-3)


def test_dust_is_brown_and_fog_is_not():
    fog, dust = (lit(Air(visibility_m=50.0, cloudiness=1.0, dust=dust), 200.0) for dust in (0.0, 1.0))
    assert fog[0] == pytest.approx(fog[2], rel=0.25) and dust[0] > 1.5 * dust[2]


def test_wet_ground_is_darker_from_above_and_brighter_along_it_and_walls_stay_as_they_are():
    dry, wet = Air(), Air(wetness=1.0)
    steep, along = (0.0, 0.0, -1.0), (0.998, 0.0, -0.0632)
    assert (lit(wet, aim=steep) < 0.85 * lit(dry, aim=steep)).all()
    assert (lit(wet, aim=along) > 1.15 * lit(dry, aim=along)).all()
    wall = {'material': Material.WALL, 'normal': (-1.0, 0.0, 0.0)}
    assert np.array_equal(lit(wet, **wall), lit(dry, **wall))


def test_night_is_darker_and_headlamps_light_what_is_near():
    day, night = photo(), photo(air=Air(darkness=1.0))
    assert night.pixels[:60].mean() < 0.3 * day.pixels[:60].mean()  # the sky
    assert night.pixels[130:, 150:260].mean() > 3.0 * night.pixels[84:88, 150:260].mean()


def test_lamps_of_who_drives_glow_at_night_and_those_of_parked_ones_do_not():
    def brightest(speed_mps):
        number, user, pose = car(x=30.0, speed_mps=speed_mps)
        movers = bodies_faces([(number, user, pose @ np.diag([-1.0, -1.0, 1.0, 1.0]))])  # it comes
        seen = photo(movers=movers, air=Air(darkness=1.0))
        return int(seen.pixels[seen.semantics == Semantic.ACTOR][:, 0].max())

    assert brightest(5.0) > brightest(0.0) + 15


def test_what_stands_between_ground_and_sun_throws_a_shadow_there():
    sun = Air(sun=(0.0, 1.0, 1.0), cloudiness=0.0)  # from the left: the shadow of 3 m lies 3 m to the right
    wall = solid(box(8.0, 0.2, 3.0, Material.WALL))
    shadowed, free = photo(placed(wall, 10.0, 2.0), air=sun), photo(air=sun)
    row = 109  # 10.2 m ahead; y = 0 is in the shadow, y = -4 is not
    ratio = shadowed.pixels[row].astype(float).mean(axis=1) / free.pixels[row].astype(float).mean(axis=1)
    assert ratio[200:214].mean() < 0.75 * ratio[284:296].mean()


def test_users_have_colours_of_their_own_which_stay_theirs():
    first, again = (looks_of([car(number) for number in range(40)]).colours[:, 0] for _ in range(2))
    assert np.array_equal(first, again) and len(np.unique(first, axis=0)) > 30
    people = [(number, User('person', 1, (0.0, 0.0, 0.0), 0.3), np.eye(4)) for number in range(5, 9)]
    found = looks_of(people, first=5).colours
    assert found.shape == (4, 3, 3) and len(np.unique(found.reshape(4, 9), axis=0)) == 4


AMOUNTS = {
    'precipitation': Air(precipitation=0.8), 'bloom': Air(lens=Lens(bloom=0.8)), 'blur': Air(lens=Lens(blur_px=3.0)),
    'drops': Air(lens=Lens(drops=0.8)), 'dirt': Air(lens=Lens(dirt=0.8)), 'softness': Air(lens=Lens(softness=0.8)),
    'vignette': Air(lens=Lens(vignette=0.8)),
}  # fmt: skip


@pytest.fixture(scope='module')
def grating():
    """Linear light of stripes, with a lamp in the middle."""
    light = np.where(np.arange(208) % 16 < 8, 0.1, 0.6)[None, :, None] * np.ones((80, 1, 3))
    light[38:42, 100:104] = 12.0
    return light.astype(np.float32)


def test_every_effect_is_named_and_tested():
    assert set(AMOUNTS) == set(lens.EFFECTS)


@pytest.mark.parametrize('name', lens.EFFECTS)
def test_an_effect_acts_alone_by_its_seed_and_not_at_all_where_there_is_nothing_of_it(name, grating):
    amount, effect = lens.EFFECTS[name]
    assert amount(Air()) == 0.0 and [n for n, (each, _) in lens.EFFECTS.items() if each(AMOUNTS[name]) > 0] == [name]
    found, again = (effect(grating.copy(), AMOUNTS[name], np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(found, again) and found.dtype == np.float32 and np.isfinite(found).all()
    assert found.shape == grating.shape and np.abs(found - grating).max() > 0.02


def test_blur_and_soft_lenses_lose_contrast_and_a_vignette_darkens_corners_only(grating):
    def contrast(light):
        return light[70:, 150:].std()

    for name in ('blur', 'softness'):
        found = lens.EFFECTS[name][1](grating, AMOUNTS[name], np.random.default_rng(0))
        assert contrast(found) < 0.97 * contrast(grating)
    shaded = lens.vignetted(grating, AMOUNTS['vignette'], np.random.default_rng(0)) / grating
    assert shaded[40, 104] == pytest.approx(1.0, abs=0.001) and (shaded[0, 0] < 0.8).all()


def test_exposure_brightens_warmth_reddens_and_noise_and_jpeg_cost_what_they_are_told(grating):
    dark, bright = (lens.exposed(grating, Air(exposure=e)).mean() for e in (0.5, 1.5))
    assert bright > dark + 0.1
    red, _, blue = lens.exposed(grating, Air(lens=Lens(warmth=0.8))).mean(axis=(0, 1))
    assert red > blue + 0.05
    grey = np.full((100, 100, 3), 0.4, np.float32)
    clean = lens.recorded(grey, Lens(), np.random.default_rng(0))
    assert (clean == 102).all()
    noisy = lens.recorded(grey, Lens(noise=0.02), np.random.default_rng(0))
    assert noisy.std() == pytest.approx(255 * 0.02 * np.hypot(0.7, 0.4), rel=0.05)  # at 0.4 the factor is 1
    packed = lens.recorded(noisy / 255.0, Lens(quality=40), np.random.default_rng(0))
    assert np.abs(packed - noisy.astype(int)).max() > 3


def test_drawn_eyes_are_those_of_vehicles():
    drawn = [drawn_eyes(np.random.default_rng(seed)) for seed in range(400)]
    counts = np.bincount([len(eyes) for eyes in drawn], minlength=7)
    assert 160 < counts[1] < 240 and (counts[1:] > 0).all() and counts[0] == 0
    for each in (each for eyes in drawn for each in eyes):
        assert 1.2 <= each.base_from_camera[2, 3] <= 2.9 and not each.distortion.any()
        assert 44.9 <= np.degrees(2 * np.arctan(208.0 / each.matrix[0, 0])) <= 110.1
    ahead = np.array([eyes[0].base_from_camera[:3, 2] for eyes in drawn])
    assert (ahead[:, 0] > 0.95).all() and (ahead[:, 2] < 0.06).all()  # x of base_link, at most 15 degrees down


def test_six_of_ten_drawn_airs_are_plain_days():
    kinds = [drawn_air(np.random.default_rng(seed)).kind for seed in range(500)]
    assert 270 < kinds.count('day') < 330 and set(kinds) >= {'night', 'dusk', 'fog', 'rain', 'dust', 'low_sun', 'snow'}


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match='cloudiness=1.5'):
        Air(cloudiness=1.5)
    with pytest.raises(ValueError, match='visibility_m=0'):
        Air(visibility_m=0.0)
    with pytest.raises(ValueError, match='dirt=-1'):
        Lens(dirt=-1.0)
    with pytest.raises(ValueError, match='quality=101'):
        Lens(quality=101)
    with pytest.raises(ValueError, match='count=7'):
        drawn_eyes(np.random.default_rng(0), 7)
    with pytest.raises(ValueError, match='distortion'):
        eye(distortion=np.zeros(4))
