"""What the network for LiDAR hears of cameras: features while they answer well, nothing where they fail."""

from types import SimpleNamespace

import numpy as np
import pytest
from perception_scenes import ego, scan

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import Manifest, Tensor
from autonomy_nodes.nodes.perception_node import Perception
from autonomy_nodes.perception.bev import CAMERA_CHANNELS, INPUTS, MIDDLE, OUTPUTS
from autonomy_nodes.perception.camera.channel import GRID, PICTURE, SIGHT, TOLD, CameraChannel, Shot
from autonomy_nodes.perception.camera.hearing import Hearing
from autonomy_nodes.perception.ladder import Channel, LadderSettings
from autonomy_nodes.perception.learned import LearnedChannel
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

SETTINGS = LadderSettings(good=2, most=8)
SHOT = Shot(
    np.zeros((96, 128, 3), np.uint8), np.array([[100.0, 0.0, 63.5], [0.0, 100.0, 47.5], [0.0, 0.0, 1.0]]),
    np.array([[0.0, 0.0, 1.0, 1.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 1.5], [0.0, 0.0, 0.0, 1.0]]),
)  # fmt: skip


def tensors(shapes):
    return {name: Tensor(shape, -1e3, 1e3) for name, shape in shapes.items()}


class Engine:
    """Answers zeros of the told shapes, features of 2; keeps what it was given."""

    name = 'double'

    def __init__(self, inputs, outputs):
        self.manifest = Manifest('double', 'ci', tensors(inputs), tensors(outputs), {})
        self.spoilt, self.given = False, []

    def run(self, inputs):
        self.given.append(inputs)
        shapes = {name: one.shape for name, one in self.manifest.outputs.items()}
        answer = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        if 'camera' in answer:
            answer['camera'] += 2.0
        if 'heat' in answer:
            answer['heat'] -= 9.0
        if self.spoilt:
            next(iter(answer.values())).flat[0] = np.nan
        return answer

    def close(self):
        pass


@pytest.fixture
def eyes():
    return Engine(PICTURE, SIGHT)


@pytest.fixture
def cameras(eyes):
    return CameraChannel(eyes, Engine(GRID, TOLD))


def lidar():
    inputs, outputs = ({name: (1, channels, *cells) for name, (channels, cells) in side.items()}
                       for side in (INPUTS, OUTPUTS))  # fmt: skip
    return Engine(inputs, outputs)


def perceived(cameras, sweeps):
    """Return what is perceived sweep by sweep, and what the LiDAR's network was given; sweeps: pictures of each."""
    engine = lidar()
    perceiver = Perceiver(PerceptionConfig(ladder=SETTINGS), LearnedChannel(engine), cameras=cameras)
    found = []
    for number, shots in enumerate(sweeps, 1):
        stamp_ns = number * 100_000_000
        cloud = scan(stamp_ns=stamp_ns, beams=16, azimuths=360)
        found.append(perceiver.perceive(perceiver.segment(cloud), ego(stamp_ns), shots=shots))
    return found, engine.given


def test_features_reach_the_network_with_the_flag_that_they_are_given(cameras):
    (seen,), (given,) = perceived(cameras, [[SHOT]])
    assert seen.channel is Channel.FUSED and not seen.blind
    assert given['given'].ravel().tolist() == [1.0, 0.0]
    assert given['camera'].shape == (1, CAMERA_CHANNELS, *MIDDLE) and (given['camera'] == 2.0).all()
    assert set(seen.air) == {'darkness', 'fog', 'rain', 'wetness'}


def test_without_pictures_the_lidar_is_alone_and_says_why(cameras):
    (seen,), (given,) = perceived(cameras, [[]])
    assert seen.channel is Channel.LEARNED and 'no picture' in seen.blind
    assert not given['given'].any() and not given['camera'].any()


def test_a_vehicle_without_camera_networks_says_nothing_of_them():
    (seen,), (given,) = perceived(None, [[SHOT]])
    assert seen.channel is Channel.LEARNED and not seen.blind and not seen.air
    assert not given['given'].any()


def test_cameras_that_failed_are_heard_again_after_good_answers_in_a_row(cameras):
    """good=2: one failure, then a good answer that is not yet believed, then one that is."""
    seen, given = perceived(cameras, [[SHOT], [], [SHOT], [SHOT]])
    assert [one.channel for one in seen] == [Channel.FUSED, Channel.LEARNED, Channel.LEARNED, Channel.FUSED]
    assert [bool(one['given'].any()) for one in given] == [True, False, False, True]


def test_eyes_that_tell_no_number_are_not_heard(cameras, eyes):
    eyes.spoilt = True
    (seen,), (given,) = perceived(cameras, [[SHOT]])
    assert seen.channel is Channel.LEARNED and 'not finite' in seen.blind and not given['given'].any()


def test_networks_of_other_shapes_are_refused(eyes):
    from autonomy_nodes.common.settings import SettingsError

    with pytest.raises(SettingsError, match='camera channel needs'):
        CameraChannel(Engine(GRID, TOLD), eyes)


def test_hearing_without_cameras_asks_nobody():
    assert Hearing(None, SETTINGS).of(scan(beams=4, azimuths=90), [SHOT], lambda _: None) is None


@pytest.mark.parametrize(
    ('config', 'words'),
    [
        ({'camera_model': 'seen', 'cameras': ('front',)}, 'needs a model'),
        ({'camera_model': 'seen', 'model': 'lidar_small'}, 'cameras'),
        ({'camera_age_s': 0.0}, 'camera_age_s'),
    ],
)
def test_settings_that_make_no_sense_are_refused(config, words):
    with pytest.raises(ValueError, match=words):
        PerceptionConfig(**config)


def stage(pose):
    """Return a perception stage with one calibrated camera. pose: (4, 4), or an error."""

    def base_from(_):
        if isinstance(pose, Exception):
            raise pose
        return pose

    flat = np.hstack([SHOT.matrix, np.zeros((3, 1))])
    model = CameraModel(0, 'cam', 128, 96, SHOT.matrix, 'plumb_bob', np.zeros(5), np.eye(3), flat)
    node = Perception()
    node.config = PerceptionConfig(cameras=('front',))
    node.models = {'front': lambda: model, 'back': lambda: None}
    node.calibration = SimpleNamespace(base_from=base_from)
    return node


@pytest.mark.parametrize(('late_ms', 'taken'), [(0, 1), (119, 1), (-119, 1), (121, 0), (-121, 0)])
def test_pictures_count_for_sweeps_of_nearly_their_stamp(late_ms, taken):
    picture = Image(10**9 + late_ms * 10**6, 'cam', SHOT.pixels)
    assert len(stage(np.eye(4))._shots(10**9, {'front': picture})) == taken


def test_pictures_without_calibration_or_mounting_are_left_out():
    picture = Image(10**9, 'cam', SHOT.pixels)
    assert not stage(np.eye(4))._shots(10**9, {'back': picture})
    assert not stage(DataError('no mount'))._shots(10**9, {'front': picture})
