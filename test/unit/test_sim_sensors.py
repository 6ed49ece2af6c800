from dataclasses import replace

import numpy as np
import pytest
from sim_worlds import CAR, plain, world

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.common.objects import Label
from autonomy_nodes.sim.bodies import Cast, ego_bodies, ego_meshes
from autonomy_nodes.sim.camera import CameraSettings, model_of
from autonomy_nodes.sim.dynamics import GRAVITY_MPS2, Dynamics, DynamicsSettings
from autonomy_nodes.sim.inertial import Gnss, GnssSettings, Inertial, InertialSettings, Wheels, WheelSettings
from autonomy_nodes.sim.lidar import BEAM_TABLES, LidarSettings, beams_of
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import box
from autonomy_nodes.sim.raycast import Rays
from autonomy_nodes.sim.rig import Camera, Lidar, Moment
from autonomy_nodes.sim.traffic import Traffic
from autonomy_nodes.sim.world import Actor, Paint, Solid

QUIET = LidarSettings(columns=360, range_noise_m=0.0, dropout=0.0, half_lost_m=1e6, rolling=False, self_hits=False)
MOUNT = CAR.mounts['top']


def moments(a_world, count=1, speed=0.0, turn=0.0):
    """Return where everybody was, 20 ms apart; the vehicle drives with a steady speed and turn."""
    dynamics, traffic, found = Dynamics(CAR, a_world.ground, DynamicsSettings()), Traffic(a_world), []
    x = y = heading = 0.0
    for step in range(count):
        motion = replace(dynamics.start(x, y, heading, speed), twist=np.array([speed, 0, 0, 0, 0, turn]))
        movers = tuple((actor, traffic.stands[actor.id]) for actor in a_world.actors)
        found.append(Moment(step * 20_000_000, motion, movers, ego_bodies(CAR, dynamics, motion, ego_meshes(CAR))))
        traffic.advance(step * 0.02, 0.02, [])
        x, y, heading = x + 0.02 * speed * np.cos(heading), y + 0.02 * speed * np.sin(heading), heading + 0.02 * turn
    return found


def sweep(a_world, settings, *args, seed=(1,)):
    return Lidar(Rays(a_world), Cast(a_world), MOUNT, settings, seed).sweep(moments(a_world, *args))


def room(half_m=20.0):
    """Return four walls about the vehicle."""
    walls = [
        (half_m + 0.5, 0, 1.0, 42),
        (-half_m - 0.5, 0, 1.0, 42),
        (0, half_m + 0.5, 42, 1.0),
        (0, -half_m - 0.5, 42, 1.0),
    ]
    return tuple(
        Solid(Semantic.STRUCTURE, box(length, width, 9.0, Material.WALL).shifted(x, y)) for x, y, length, width in walls
    )


def test_beams_lie_in_their_rings_and_turn_once():
    for name, table in BEAM_TABLES.items():
        beams = beams_of(LidarSettings(beams=name, columns=90))
        assert len(beams.directions) == 90 * len(table)
        assert np.arcsin(beams.directions[:, 2]) == pytest.approx(table[beams.rings], abs=1e-6)
        assert np.linalg.norm(beams.directions, axis=1) == pytest.approx(np.ones(90 * len(table)), abs=1e-6)
        assert (np.diff(table) > 0.0).all()


def test_a_sweep_of_the_plain_lies_on_the_grains_of_the_plain():
    cloud = sweep(world(), QUIET)
    assert len(cloud) > 3000
    above = cloud.xyz[:, 2] + 1.95
    assert above.min() > -1e-3 and 0.005 < above.max() < 0.007 and np.median(above) == pytest.approx(0.0015, abs=3e-4)
    meadow = sweep(world(ground=plain(material=Material.GRASS), grass_m=0.2), QUIET).xyz[:, 2] + 1.95
    assert meadow.min() > -1e-3 and 0.19 < meadow.max() < 0.201
    assert cloud.frame == 'lidar_top'
    assert set(np.unique(cloud.ring)) <= set(range(32))


def test_range_noise_has_its_spread_and_returns_are_lost_in_their_share():
    clean = sweep(world(solids=room()), QUIET)
    settings = replace(QUIET, columns=1800, range_noise_m=0.03, dropout=0.2)
    noisy = sweep(world(solids=room()), settings)
    assert len(noisy) / (5 * len(clean)) == pytest.approx(0.8, abs=0.01)
    at_wall = (np.abs(noisy.xyz[:, 1]) < 5.0) & (noisy.xyz[:, 0] > 15.0) & (noisy.xyz[:, 2] > -1.0)
    along = np.linalg.norm(noisy.xyz[at_wall], axis=1)
    truth = (20.0 - 1.3) * along / noisy.xyz[at_wall, 0]
    assert (along - truth).std() == pytest.approx(0.03, rel=0.1)
    assert abs((along - truth).mean()) < 0.003


def test_dark_and_far_surfaces_are_lost_more_often():
    near, far = (sweep(world(solids=room(half)), replace(QUIET, half_lost_m=30.0)) for half in (12.0, 40.0))
    shares = []
    for cloud, half in ((near, 12.0), (far, 40.0)):
        shares.append(((cloud.xyz[:, 0] > half - 2.0) & (np.abs(cloud.xyz[:, 1]) < 0.3 * half)).sum())
    assert shares[0] > 1.2 * shares[1]


def test_paint_is_brighter_than_the_road():
    stripe = Paint(Line.SOLID, np.array([[-20.0, 3.0], [20.0, 3.0]]), width_m=0.3)
    cloud = sweep(world(paint=(stripe,)), replace(QUIET, columns=1800))
    on = (np.abs(cloud.xyz[:, 1] - 3.0) < 0.1) & (np.abs(cloud.xyz[:, 0] + 1.3) < 10.0)
    off = np.abs(cloud.xyz[:, 1] + 3.0) < 0.1
    assert on.sum() > 20
    assert np.median(cloud.intensity[on]) > 4.0 * np.median(cloud.intensity[off])


def test_the_own_body_is_seen_where_asked_and_only_there():
    seen, spared = (sweep(world(), replace(QUIET, self_hits=hits, nearest_m=0.1)) for hits in (True, False))
    for cloud, expected in ((seen, True), (spared, False)):
        base = cloud.xyz + MOUNT.xyz_m
        own = (base[:, 0] > -0.95) & (base[:, 0] < 3.65) & (np.abs(base[:, 1]) < 0.95) & (base[:, 2] > 0.1)
        assert own.any() == expected


def test_while_it_drives_a_rolling_sweep_sees_from_where_it_is():
    drive = world(solids=room(), ground=plain())
    cloud = sweep(drive, replace(QUIET, rolling=True), 6, 10.0)
    assert cloud.stamp_ns == 0
    assert cloud.offset_ns.min() == 0
    assert cloud.offset_ns.max() == pytest.approx(99_700_000, abs=200_000)
    ahead = (cloud.xyz[:, 0] > 10.0) & (np.abs(cloud.xyz[:, 1]) < 8.0) & (cloud.xyz[:, 2] > -1.0)
    moved = 10.0 * cloud.offset_ns[ahead] / 1e9
    assert cloud.xyz[ahead, 0] == pytest.approx(20.0 - 1.3 - moved, abs=0.01)


def test_deskewed_by_its_offsets_a_turning_sweep_is_straight_again():
    cloud = sweep(world(solids=room()), replace(QUIET, rolling=True), 6, 0.0, 0.8)
    turned = 0.8 * cloud.offset_ns / 1e9
    base = cloud.xyz + MOUNT.xyz_m
    x = np.cos(turned) * base[:, 0] - np.sin(turned) * base[:, 1]
    wall = (x > 15.0) & (np.abs(base[:, 1]) < 10.0) & (base[:, 2] > 0.5)
    assert wall.sum() > 500
    assert x[wall] == pytest.approx(np.full(wall.sum(), 20.0), abs=0.01)


def test_what_a_sweep_loses_depends_on_its_seed_alone():
    settings = replace(QUIET, dropout=0.3, range_noise_m=0.02)
    first, again, other = (sweep(world(), settings, seed=seed) for seed in ((1,), (1,), (2,)))
    assert np.array_equal(first.xyz, again.xyz)
    assert len(first) != len(other) or not np.array_equal(first.xyz, other.xyz)


@pytest.mark.parametrize('values', [{'beams': '48'}, {'dropout': 1.0}, {'nearest_m': 200.0}, {'columns': 0}])
def test_settings_of_the_lidar_refuse_nonsense(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        LidarSettings(**values)


def view(a_world, **settings):
    camera = Camera(Rays(a_world), Cast(a_world), CAR.mounts['front'], CameraSettings(**settings), (1,))
    return camera.shoot(moments(a_world)[0], a_world.weather)


def test_a_picture_has_sky_above_road_below_and_a_car_where_it_stands():
    car = Actor(4, Label.CAR, 'car', (4.4, 1.8, 1.5), place=(15.0, 0.0, 0.0))
    seen = view(world(actors=(car,), ground=plain(half_m=300.0, cell_m=10.0)), width=160, height=100)
    assert seen.image.pixels.shape == (100, 160, 3)
    assert (seen.semantics[:40] == Semantic.NOTHING).all()
    assert (seen.semantics[-5:] == Semantic.PAVED).all()
    rows, columns = np.nonzero(seen.bodies == 4)
    focal = CameraSettings(width=160, height=100).focal_px
    rear_m = 15.0 - 2.2 - 1.8
    assert columns.min() == pytest.approx(79.5 - focal * 0.9 / rear_m, abs=2.0)
    assert columns.max() == pytest.approx(79.5 + focal * 0.9 / rear_m, abs=2.0)
    assert seen.depth_m[rows, columns].min() == pytest.approx(rear_m, abs=0.3)


def test_the_calibration_projects_a_place_to_the_pixel_that_shows_it():
    mark = Solid(Semantic.SIGN, box(0.3, 0.3, 0.3, Material.SIGN).shifted(12.0, 2.0, 2.5))
    settings = {'width': 320, 'height': 200}
    seen = view(world(solids=(mark,)), **settings)
    rows, columns = np.nonzero(seen.semantics == Semantic.SIGN)
    model = model_of(0, 'camera_front', CameraSettings(**settings))
    x, y, z, _ = inverse(CAR.mounts['front'].base_from_sensor) @ (12.0, 2.0, 2.65, 1.0)
    column, row, scale = model.matrix @ (x, y, z)
    assert (columns.mean(), rows.mean()) == pytest.approx((column / scale, row / scale), abs=1.0)


def test_sun_lights_the_road_and_a_wall_shades_it():
    wall = Solid(Semantic.STRUCTURE, box(30.0, 0.5, 8.0, Material.WALL).shifted(15.0, 6.0))
    bright = world(solids=(wall,))
    bright = replace(
        bright, weather=replace(bright.weather, sun_azimuth_rad=np.pi / 2, cloudiness=0.0, sun_elevation_rad=0.6)
    )
    lit = view(bright, width=160, height=100, noise=0.0).image.pixels[-10:, :, 0].astype(float).mean()
    dark = replace(bright, weather=replace(bright.weather, sun_azimuth_rad=-np.pi / 2))
    assert view(dark, width=160, height=100, noise=0.0).image.pixels[-10:, :, 0].astype(float).mean() > 1.2 * lit


def test_fog_takes_the_contrast():
    clear = world(solids=room(40.0))
    foggy = replace(clear, weather=replace(clear.weather, fog_visibility_m=20.0))
    spans = [
        np.ptp(view(one, width=160, height=100, noise=0.0).image.pixels[45:55, :, 2].astype(float))
        for one in (clear, foggy)
    ]
    assert spans[1] < 0.5 * spans[0]


def test_a_standing_unit_feels_gravity_and_noise_of_its_size():
    dynamics = Dynamics(CAR, plain(), DynamicsSettings())
    motion = dynamics.start(0.0, 0.0, 0.0, 0.0)
    settings = InertialSettings(turn_bias_rps=0.0, acceleration_bias_mps2=0.0)
    unit = Inertial(settings, CAR.mounts['imu'], (1,))
    samples = [unit.sample(k, motion, 0.02) for k in range(2000)]
    force = np.array([sample.acceleration_mps2 for sample in samples])
    assert force.mean(axis=0) == pytest.approx([0.0, 0.0, GRAVITY_MPS2], abs=0.005)
    assert force.std(axis=0) == pytest.approx(np.full(3, 0.05), rel=0.1)
    assert np.array([sample.angular_rps for sample in samples]).std(axis=0) == pytest.approx(np.full(3, 0.002), rel=0.1)


def test_on_a_slope_gravity_pulls_backwards():
    motion = Dynamics(CAR, plain(slope=0.1), DynamicsSettings()).start(0.0, 0.0, 0.0, 0.0)
    quiet = InertialSettings(
        turn_noise_rps=0.0, turn_bias_rps=0.0, acceleration_noise_mps2=0.0, acceleration_bias_mps2=0.0
    )
    force = Inertial(quiet, CAR.mounts['imu'], (1,)).sample(0, motion, 0.02).acceleration_mps2
    assert force == pytest.approx(GRAVITY_MPS2 * np.array([0.1, 0.0, 1.0]) / np.sqrt(1.01), abs=1e-6)


def test_wheels_tell_the_speed_within_their_errors_and_zero_at_rest():
    dynamics = Dynamics(CAR, plain(), DynamicsSettings())
    wheels = Wheels(WheelSettings(scale=0.0, noise_mps=0.02, step_mps=0.0), (1,))
    speeds = [wheels.sample(k, dynamics.start(0.0, 0.0, 0.0, 7.0)).longitudinal_mps for k in range(2000)]
    assert np.mean(speeds) == pytest.approx(7.0, abs=0.002)
    assert np.std(speeds) == pytest.approx(0.02, rel=0.1)
    assert wheels.sample(0, dynamics.start(0.0, 0.0, 0.0, 0.0)).longitudinal_mps == 0.0


def test_a_receiver_errs_as_told_and_is_silent_in_an_outage():
    motion = Dynamics(CAR, plain(), DynamicsSettings()).start(3.0, 4.0, 0.5, 0.0)
    settings = GnssSettings(noise_m=0.05, wander_m=0.0, outages_s=(2.0, 4.0))
    receiver = Gnss(settings, (1,))
    poses = [receiver.sample(k, k * 0.01, motion) for k in range(1000)]
    assert [k for k, pose in enumerate(poses) if pose is None] == list(range(200, 400))
    places = np.array([pose.position_m for pose in poses if pose is not None])
    assert places.mean(axis=0) == pytest.approx([3.0, 4.0, 0.0], abs=0.006)
    assert places.std(axis=0) == pytest.approx(np.full(3, 0.05), rel=0.1)
    wandering = Gnss(GnssSettings(noise_m=0.0, wander_m=0.5, wander_s=30.0), (2,))
    errors = np.array([wandering.sample(k, 0.2 * k, motion).position_m[0] - 3.0 for k in range(6000)])
    assert errors.std() == pytest.approx(0.5, rel=0.35)
    assert np.corrcoef(errors[:-1], errors[1:])[0, 1] > 0.98


def test_points_hang_no_higher_over_rising_ground_than_its_grass_is():
    rising = plain(slope=0.2, material=Material.GRASS)
    above = sweep(world(ground=rising, grass_m=0.2), QUIET).xyz[:, 2] + 1.95  # the vehicle lies on the slope
    assert above.min() > -0.02 and 0.19 < above.max() < 0.21
