import numpy as np
import pytest
import samples
from recordings import record

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.sensing import CameraModel, Imu, PointCloud, Transforms, WheelSpeed
from autonomy_nodes.evaluation.doctor import diagnose
from autonomy_nodes.evaluation.survey import Offer, Survey
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.driving import write_velocity
from autonomy_nodes.messages.images import write_camera_info, write_compressed
from autonomy_nodes.messages.motion import write_imu, write_transforms
from autonomy_nodes.nodes.launcher import resolved, settings_files

START_NS, PERIOD_NS = 1_700_000_000_000_000_000, 100_000_000
LIDAR, INFO = topics.LIDAR_RAW.named('top'), topics.CAMERA_INFO.named('front')
PICTURE, STATIC = topics.IMAGE_COMPRESSED.named('front'), topics.TF_STATIC
LOOK = np.array([[0.0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.4], [0, 0, 0, 1]])  # optical: z ahead
UP = np.eye(4) + np.outer([0, 0, 1.8, 0], [0, 0, 0, 1])


def cloud(stamp_ns, frame='lidar_top', count=2000, times=True):
    random = np.random.default_rng(stamp_ns % 2**32)
    offsets = np.arange(count) * 1000 if times else None
    xyz = random.normal(0, 20, (count, 3)).astype(np.float32)
    return PointCloud(stamp_ns, frame, xyz, np.ones(count, np.float32), None, offsets)


def camera(stamp_ns, width=64, height=48, centre=(32.0, 24.0)):
    matrix = np.array([[50.0, 0, centre[0]], [0, 50, centre[1]], [0, 0, 1]])
    flat = np.hstack([matrix, np.zeros((3, 1))])
    return CameraModel(stamp_ns, 'camera_front', width, height, matrix, 'plumb_bob', np.zeros(5), np.eye(3), flat)


class Car:
    """A vehicle whose inputs are as they should be; a test changes one thing."""

    def __init__(self):
        self.sweeps = self.imus = 30
        self.mounts = {('base_link', 'lidar_top'): UP, ('base_link', 'camera_front'): LOOK, ('base_link', 'imu'): UP}
        self.lidar_ns = self.sent_ns = [START_NS + k * PERIOD_NS for k in range(30)]
        self.frame, self.times, self.live, self.picture_size, self.info = 'lidar_top', True, False, (48, 64), camera
        self.gravity, self.lidar_topic, self.static = 9.81, LIDAR.name, STATIC.name

    def survey(self):
        survey = Survey(self.live)
        survey.latched = {'tf_static'}
        told = [(self.static, STATIC.type, START_NS, write_transforms(Transforms(START_NS, self.mounts)))]
        for sent_ns, stamp_ns in zip(self.sent_ns, self.lidar_ns):
            data = write_cloud(cloud(stamp_ns, self.frame, times=self.times))
            told.append((self.lidar_topic, LIDAR.type, sent_ns, data))
        for number in range(30):
            now_ns = START_NS + number * PERIOD_NS
            picture = samples.image(*self.picture_size)
            picture = type(picture)(now_ns, 'camera_front', np.roll(picture.pixels, number, axis=1))
            told.append((PICTURE.name, PICTURE.type, now_ns, write_compressed(picture)))
            if self.info:
                told.append((INFO.name, INFO.type, now_ns, write_camera_info(self.info(now_ns))))
        for number in range(300):
            now_ns = START_NS + number * 10_000_000
            imu = Imu(now_ns, 'imu', np.zeros(3), np.array([0.0, 0.0, self.gravity]))
            told.append((topics.IMU.name, topics.IMU.type, now_ns, write_imu(imu)))
            if number % 2 == 0:
                wheels = write_velocity(WheelSpeed(now_ns, 5.0, 0.0, 0.0))
                told.append((topics.VELOCITY.name, topics.VELOCITY.type, now_ns, wheels))
        for topic in (topics.STEERING, topics.CONTROL_MODE):
            survey.note_type(topic.name, topic.type)
        for message in told:
            survey.take(*message)
        return survey

    def found(self):
        return diagnose(self.survey(), settings_files(resolved({'vehicle': 'recorded'})))


def texts(found, level='mend'):
    return [f'{finding.where}: {finding.what}' for finding in found if finding.level == level]


def test_a_vehicle_whose_inputs_are_right_has_nothing_to_mend():
    assert [str(finding) for finding in Car().found()] == []


def test_a_lidar_under_another_name_is_offered_as_the_one_that_is_missing():
    car = Car()
    car.lidar_topic = '/velodyne_points'
    (first,) = [finding for finding in car.found() if finding.level == 'mend']
    assert 'is missing' in first.what and '/velodyne_points' in first.remedy


def test_a_topic_of_another_type_is_named_with_both_types():
    survey = Car().survey()
    survey.note_type(topics.VELOCITY.name, 'nav_msgs/msg/Odometry')
    found = diagnose(survey, settings_files(resolved({'vehicle': 'recorded'})))
    assert texts(found) == [f'{topics.VELOCITY.name}: is nav_msgs/msg/Odometry, not {topics.VELOCITY.type}']


@pytest.mark.parametrize('every, level', [(2, 'note'), (3, 'mend')])
def test_a_slow_lidar_is_noted_and_one_of_less_than_half_the_rate_must_be_mended(every, level):
    car = Car()
    car.lidar_ns = car.sent_ns = [START_NS + k * every * PERIOD_NS for k in range(10)]
    assert [text for text in texts(car.found(), level) if 'Hz, 10 expected' in text]


def test_holes_in_the_sweeps_are_counted():
    car = Car()
    car.lidar_ns = car.sent_ns = [START_NS + k * PERIOD_NS for k in range(30) if k not in (5, 6, 20)]
    assert f'{LIDAR.name}: 2 holes of 26 periods, the longest 0.30 s' in texts(car.found())


def test_zero_stamps_old_stamps_and_stamps_of_another_clock_must_be_mended():
    car = Car()
    car.lidar_ns = [0] * 30
    assert any('30 of 30 stamps are zero' in text for text in texts(car.found()))
    car.lidar_ns = [ns - 700_000_000 for ns in car.sent_ns]
    assert any('stamps are +0.70 s old' in text for text in texts(car.found()))
    car.lidar_ns = [ns - 3_600_000_000_000 for ns in car.sent_ns]
    assert any('its stamps lie +3600.0 s from those of' in text for text in texts(car.found()))


def test_stamps_that_come_twice_are_told():
    car = Car()
    car.lidar_ns = [START_NS + k // 2 * PERIOD_NS for k in range(30)]
    assert any('15 stamps come twice' in text for text in texts(car.found()))


def test_a_sensor_that_nobody_placed_must_be_mended():
    car = Car()
    del car.mounts['base_link', 'lidar_top']
    found = [finding for finding in car.found() if finding.level == 'mend']
    assert [f.where for f in found] == [LIDAR.name] and 'lidar_top' in found[0].what and 'tf_static' in found[0].remedy


def test_mounts_on_tf_alone_belong_on_tf_static():
    car = Car()
    car.static = topics.TF.name
    assert any("'lidar_top' is on /tf alone" in text for text in texts(car.found()))


def test_a_base_link_on_the_roof_and_a_camera_frame_that_is_not_optical_are_seen():
    car = Car()
    car.mounts['base_link', 'lidar_top'] = UP + np.outer([0, 0, -3.0, 0], [0, 0, 0, 1])
    car.mounts['base_link', 'camera_front'] = UP
    found = texts(car.found())
    assert any('sits at 0.00 0.00 -1.20 m' in text for text in found) and any('looks up' in text for text in found)


def test_a_tree_with_two_parents_is_no_tree():
    car = Car()
    car.mounts['chassis', 'lidar_top'] = UP
    assert any('two parents' in text for text in texts(car.found()))


def test_a_frame_of_another_sensor_is_seen_by_the_mounts_of_the_vehicle():
    survey = Car().survey()
    found = diagnose(survey, settings_files(resolved({'vehicle': 'kitti'})))
    assert any('differs by' in text for text in texts(found))
    car = Car()
    car.frame = 'lidar_left'
    found = diagnose(car.survey(), settings_files(resolved({'vehicle': 'kitti'})))
    assert any("vehicle.mounts.top says 'lidar_top'" in text for text in texts(found))


def test_camera_info_must_be_there_and_fit_the_pictures():
    car = Car()
    car.info = None
    assert texts(car.found()) == [f'{INFO.name}: is missing: camera front is not used']
    car.info = lambda stamp_ns: camera(stamp_ns, 128, 96, (64.0, 48.0))
    assert texts(car.found()) == [f'{INFO.name}: is for 128 x 96 pixels, the pictures have 64 x 48']
    car.info = lambda stamp_ns: camera(stamp_ns, centre=(5.0, 24.0))
    assert texts(car.found()) == [f'{INFO.name}: its centre lies at 8% 50% of the picture']
    car.info = lambda stamp_ns: camera(stamp_ns, centre=(30.0 + 4 * (stamp_ns > START_NS), 24.0))
    assert texts(car.found()) == [f'{INFO.name}: changes while it is published']


def test_acceleration_in_g_is_seen():
    car = Car()
    car.gravity = 1.0
    assert [text for text in texts(car.found()) if 'it is in g' in text]


def test_sweeps_without_times_are_noted():
    car = Car()
    car.times = False
    assert texts(car.found()) == [] and 'points tell no times' in texts(car.found(), 'note')[0]


def test_what_a_publisher_offers_is_held_against_what_is_requested():
    car = Car()
    car.live = True
    survey = car.survey()
    survey.offers = {
        'tf_static': [Offer('mounts', STATIC.type, reliable=True, latched=False)],
        topics.GOAL.name: [Offer('person', topics.GOAL.type, reliable=False, latched=False)],
        LIDAR.name: [Offer('a', LIDAR.type, False, False), Offer('b', LIDAR.type, False, False)],
    }
    found = texts(diagnose(survey, settings_files(resolved({'vehicle': 'recorded'}))))
    assert any('mounts offers volatile' in text for text in found)
    assert any('person offers best effort' in text for text in found)
    assert f'{LIDAR.name}: 2 publishers: a, b' in found


def test_a_recording_of_the_simulator_is_healthy_and_a_folder_that_is_none_ends_with_2(tmp_path, capsys):
    bag = record(tmp_path / 'drive.mcap', 1.5)
    assert main(['doctor', str(bag)]) == 0
    assert 'heard' in capsys.readouterr().out
    assert main(['doctor', str(bag), 'vehicle:=kitti']) == 1
    assert 'mend  ' in capsys.readouterr().out
    assert main(['doctor', str(tmp_path / 'none')]) == 2
