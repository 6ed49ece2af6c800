"""Pictures alone: what they hide stays unknown, and what becomes of rungs, stamps and caps when the LiDAR goes."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from perception_scenes import SENSOR_M, ego, scan
from test_camera_channel import MATRIX, mounted
from test_camera_hearing import Engine, lidar
from test_sensors_nodes import Notes

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.common.vehicle import Mount, Vehicle
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud, write_cloud
from autonomy_nodes.messages.grids import read_grid
from autonomy_nodes.messages.images import write_camera_info, write_image
from autonomy_nodes.messages.motion import write_ego
from autonomy_nodes.messages.objects import read_detected
from autonomy_nodes.messages.words import read_words
from autonomy_nodes.nodes import perception_node
from autonomy_nodes.nodes.perception_node import Perception
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M
from autonomy_nodes.perception.camera.channel import GRID, PICTURE, SIGHT, TOLD, CameraChannel, Shot
from autonomy_nodes.perception.camera.places import HEIGHT, SHRINK, WIDTH
from autonomy_nodes.perception.camera.sight import SightSettings
from autonomy_nodes.perception.ladder import Channel, LadderSettings
from autonomy_nodes.perception.learned import NETWORK
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

TENTH = SECOND_NS // 10
SHOT = Shot(np.zeros((HEIGHT, WIDTH, 3), np.uint8), MATRIX, mounted())  # 1 m ahead of the rear axle, 1.6 m above ground
SCREEN_M = 10.0  # from the camera: 4 m wide, from the ground to above the camera


def depths(screen):
    """Return (2, h, w) log depths of flat ground, with a screen before it or without, and log spreads."""
    u, v = np.meshgrid(np.arange(WIDTH // SHRINK), np.arange(HEIGHT // SHRINK))
    right, down = ((SHRINK * (u + 0.5) - 0.5 - 207.5) / 240.0, (SHRINK * (v + 0.5) - 0.5 - 79.5) / 240.0)
    depth = np.where(down > 1.6 / 200.0, 1.6 / np.maximum(down, 1e-6), 200.0)
    if screen:
        depth = np.where(np.abs(right) * SCREEN_M < 2.0, np.minimum(depth, SCREEN_M), depth)
    return np.stack([np.log(depth), np.full(depth.shape, -3.0)]).astype(np.float32)


class Eyes(Engine):
    """Sees flat ground, and a screen."""

    def __init__(self, screen=True, spread=-3.0):
        super().__init__(PICTURE, SIGHT)
        self.depth = depths(screen)
        self.depth[1] = spread

    def run(self, inputs):
        """Answer so."""
        return super().run(inputs) | {'depth': self.depth[None]}


class Above(Engine):
    """Says of every cell that it is free and level, but those 20 to 21 m ahead and 6 to 8 m to the left."""

    def __init__(self):
        super().__init__(GRID, TOLD)

    def run(self, inputs):
        """Answer so."""
        told = super().run(inputs)
        told['ground'][0, 1], told['blocked'][:] = np.log(0.01), -3.0
        corners = np.array([[20.0, 6.0], [21.0, 8.0]])
        first, last = np.round((corners - ORIGIN_M) / CELL_M).astype(int)
        told['blocked'][..., first[0] : last[0], first[1] : last[1]], told['top'][:] = 3.0, 1.2
        return told


def looked(eyes, count=1, config=None):
    """Return what is perceived of the last of so many pictures, the vehicle at rest."""
    perceiver = Perceiver(config or PerceptionConfig(), cameras=CameraChannel(eyes, Above()))
    return [perceiver.look(n * TENTH, [SHOT], ego(n * TENTH)) for n in range(1, count + 1)][-1]


def line(y, low, high):
    return np.stack([np.arange(low, high, 0.4), np.full(len(np.arange(low, high, 0.4)), y)], axis=1)


@pytest.mark.parametrize('count', [1, 10])
def test_behind_what_stands_nothing_is_known_however_often_it_is_told_to_be_free(count):
    """The screen hides all that lies behind it: straight ahead from x = 11 m on."""
    terrain = looked(Eyes(), count).terrain
    for layer in ('elevation', 'occupancy', 'traversability'):
        assert np.isnan(terrain.at(layer, line(0.0, 14.0, 50.0))).all(), layer
    assert (terrain.at('observed', line(0.0, 14.0, 50.0)) == 0.0).all()


def test_ground_that_pictures_show_is_free_with_the_spread_that_they_tell():
    terrain, beside = looked(Eyes(), 10).terrain, line(10.0, 18.0, 34.0)
    assert (terrain.at('occupancy', beside) < 0.3).all() and (terrain.at('traversability', beside) > 0.5).all()
    assert terrain.at('elevation', beside) == pytest.approx(0.0, abs=1e-3)
    least = 0.25 * (0.01 + 0.1**2)  # ten pictures that err alike are not ten times as sure
    assert (terrain.at('variance', beside) >= least).all()


def test_without_the_screen_the_way_is_free_up_to_the_reach_and_unknown_beyond():
    terrain = looked(Eyes(screen=False), 10).terrain
    assert (terrain.at('occupancy', line(0.0, 8.0, 38.0)) < 0.3).all()
    assert np.isnan(terrain.at('occupancy', line(0.0, 41.6, 50.0))).all()
    assert np.isnan(terrain.at('occupancy', line(0.0, -20.0, -4.0))).all()  # no camera looks back


def test_surfaces_of_which_nobody_knows_how_far_they_are_show_nothing():
    terrain = looked(Eyes(screen=False, spread=0.0), 3).terrain
    assert np.isnan(terrain.at('occupancy', line(0.0, 8.0, 50.0))).all()


def test_what_is_told_to_be_blocked_is_an_obstacle_with_points_of_its_own():
    seen = looked(Eyes(screen=False), 5)
    blocked = np.array([[20.3, 6.5], [20.6, 7.4]])
    assert (seen.terrain.at('occupancy', blocked) > 0.5).all() and not seen.terrain.at('traversability', blocked).any()
    assert seen.terrain.at('obstacle_height', blocked) == pytest.approx(1.2)
    xyz = seen.obstacles.xyz
    assert len(xyz) and (xyz[:, 0] > 19.5).all() and (xyz[:, 0] < 21.5).all() and (np.abs(xyz[:, 1] - 7.0) < 1.5).all()
    assert seen.terrain_far.at('occupancy', blocked[:1]) > 0.5


def test_the_far_grid_knows_nothing_behind_the_screen_either():
    far = looked(Eyes(), 5).terrain_far
    assert np.isnan(far.at('occupancy', line(0.0, 14.0, 60.0))).all()
    assert (far.at('occupancy', line(10.4, 19.0, 33.0)) < 0.4).all()


def test_sweeps_soon_overrule_what_pictures_told_and_where_they_see_nothing_it_stays():
    """20 m ahead pictures are wrong, and rays pass through what they told; all else is free ground to both."""
    perceiver = Perceiver(PerceptionConfig(), cameras=CameraChannel(Eyes(screen=False), Above()))

    def swept(n):
        cloud = scan(stamp_ns=n * TENTH, beams=64, azimuths=900)
        return perceiver.perceive(perceiver.segment(cloud, SENSOR_M), ego(n * TENTH)).terrain

    looks = [perceiver.look(n * TENTH, [SHOT], ego(n * TENTH)).terrain for n in range(1, 6)]
    seen = [swept(n) for n in range(6, 12)]
    wrong, between_rings = np.array([[20.3, 6.5]]), np.array([[24.3, -6.1]])
    assert looks[-1].at('occupancy', wrong) > 0.8 and looks[-1].at('traversability', wrong) == 0.0
    assert not seen[-1].at('occupancy', wrong) > 0.5 and seen[-1].at('traversability', wrong) != 0.0
    assert seen[-1].at('occupancy', between_rings) < 0.5


def test_pictures_alone_are_told_as_such_with_their_cap_and_a_sight_that_is_not_good():
    seen = looked(Eyes())
    assert seen.channel is Channel.CAMERAS and seen.cap_mps == 5.5
    values = seen.environment.values
    assert (values['rung'], values['speed_cap_mps'], values['visibility']) == ('cameras', '5.50', 'reduced')
    assert 30.0 < float(values['visibility_m']) <= 40.0 and seen.environment.level is Level.WARN


def test_without_networks_for_pictures_nobody_looks():
    with pytest.raises(DataError, match='camera_model'):
        Perceiver(PerceptionConfig()).look(TENTH, [SHOT], ego(TENTH))


@pytest.mark.parametrize('wrong', [{'reach_m': 0.0}, {'rises': 0.0}, {'falls': 1.5}, {'sigma_m': -1.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match='sight'):
        SightSettings(**wrong)


# The node: the cloud stops, pictures go on, the cloud returns.
AHEAD_RPY = (-np.pi / 2, 0.0, -np.pi / 2)
CAR = Vehicle(mounts={'top': Mount('top', (0.0, 0.0, 1.8)), 'front': Mount('cam', (1.0, 0.0, 1.6), AHEAD_RPY)})
FLAT = np.hstack([MATRIX, np.zeros((3, 1))])
MODEL = CameraModel(0, 'cam', WIDTH, HEIGHT, MATRIX, 'plumb_bob', np.zeros(5), np.eye(3), FLAT)
FRONT_PICTURE, FRONT_INFO = topics.IMAGE_RECT.named('front').name, topics.IMAGE_RECT_INFO.named('front').name


def events(clouds, count, odometry=True):
    """Yield pictures all the time, ten a second, clouds of these numbers, and the odometry of both."""
    for n in range(1, count + 1):
        stamp_ns = n * TENTH
        if odometry:
            yield Event(topics.ODOMETRY.name, stamp_ns, write_ego(ego(stamp_ns)))
        yield Event(FRONT_INFO, stamp_ns, write_camera_info(replace(MODEL, stamp_ns=stamp_ns)))
        yield Event(FRONT_PICTURE, stamp_ns, write_image(Image(stamp_ns, 'cam', SHOT.pixels)))
        if n in clouds:
            cloud = scan(stamp_ns=stamp_ns, beams=16, azimuths=360)
            yield Event(topics.CLOUD.name, stamp_ns, write_cloud(cloud))


@pytest.fixture
def play(monkeypatch):
    """Give what plays events through a perception node whose networks are doubles."""
    engines = {NETWORK: lidar, f'{perception_node.CAMERAS}:eyes': Eyes, f'{perception_node.CAMERAS}:above': Above}
    monkeypatch.setattr(perception_node, 'wanted', lambda model, network, *_: ('double', engines[network]()))
    monkeypatch.setattr(perception_node, 'folder_of', Path)
    usual = PerceptionConfig(cameras=('front',), model='beside', camera_model='seen', vehicle=CAR)

    def played(told, **more):
        notes = Notes()
        with closing(Lockstep([Perception()], {'perception': replace(usual, **more)}, notes)) as player:
            player.start(0)
            player.play(told)
            player.run_to(player.now_ns + SECOND_NS)
        return notes

    return played


def stamps(notes, topic, read):
    return [round(read(data).stamp_ns / TENTH) for data in notes.of(topic)]


def test_pictures_stand_in_for_a_lidar_that_falls_silent_until_it_is_back(play):
    """Clouds up to 0.5 s and from 1.6 s on: silent_s=0.25, so the pictures of 0.8 to 1.6 s are perceived.

    That of 1.6 s comes before the sweep of the same stamp, which then tells nothing newer.
    """
    clouds = {*range(1, 6), *range(16, 31)}
    notes = play(events(clouds, 30))
    expected = [*range(1, 6), *range(8, 31)]
    assert stamps(notes, topics.TERRAIN, read_grid) == expected
    assert stamps(notes, topics.OBJECTS, read_detected) == expected
    assert stamps(notes, topics.OBSTACLES, read_cloud) == expected
    told = {round(words.stamp_ns / TENTH): words.values for words in map(read_words, notes.of(topics.ENVIRONMENT))}
    assert [n for n in expected if told[n]['rung'] == 'cameras'] == [*range(8, 17)]
    assert {told[n]['rung'] for n in (*range(1, 6), *range(17, 31))} == {'fused'}
    # the sweep of 1.6 s comes late, ten more in time are good: 1.7 to 2.6 s
    assert [n for n in expected if 'speed_cap_mps' in told[n]] == [*range(8, 26)]
    assert {told[n]['speed_cap_mps'] for n in range(8, 26)} == {'5.50'}


def test_the_status_of_each_step_names_the_rung_and_why(play):
    notes = play(events({*range(1, 6), *range(16, 31)}, 30))
    found = {round(s.stamp_ns / TENTH): s for s in notes.statuses if s.duration_ms is not None}
    assert found[5].level is Level.OK and found[5].values['rung'] == 'fused'
    assert found[9].level is Level.ERROR and 'by cameras alone, no faster than 5.5 m/s' in found[9].text
    assert found[9].lineage[FRONT_PICTURE] == 9 * TENTH
    assert found[20].level is Level.WARN and 'back for a moment only' in found[20].text
    assert found[27].level is Level.OK
    assert set(found) == {*range(1, 6), *range(8, 31)}  # a picture beside a sweep is no step


@pytest.mark.parametrize('more', [{'ladder': LadderSettings(by_cameras=False)}])
def test_where_cameras_alone_are_not_wanted_nothing_is_told_without_sweeps(play, more):
    assert stamps(play(events(range(1, 6), 15), **more), topics.TERRAIN, read_grid) == [*range(1, 6)]


def test_before_the_first_sweep_pictures_wait(play):
    assert stamps(play(events({9, 10}, 10)), topics.TERRAIN, read_grid) == [9, 10]


def test_a_vehicle_without_a_lidar_is_told_of_by_pictures_from_the_first_on(play):
    notes = play(events((), 4), lidars=(), model='')
    assert stamps(notes, topics.TERRAIN, read_grid) == [1, 2, 3, 4]
    assert {read_words(data).values['speed_cap_mps'] for data in notes.of(topics.ENVIRONMENT)} == {'5.50'}


def test_pictures_without_odometry_of_their_stamp_are_dropped_with_the_reason(play):
    notes = play(events((), 3, odometry=False), lidars=(), model='')
    assert not notes.of(topics.TERRAIN)
    assert any('no localization/kinematic_state with its stamp' in status.text for status in notes.statuses)
