"""Each defect that vehicles have in their first weeks, planted into a sound recording: the doctor names its remedy."""

from dataclasses import replace

import numpy as np
import pytest
import samples

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.sensing import (
    CameraModel,
    ControlMode,
    Fix,
    Imu,
    PointCloud,
    Steering,
    Transforms,
    WheelSpeed,
)
from autonomy_nodes.evaluation.doctor import diagnose
from autonomy_nodes.evaluation.survey import Offer, of_recording
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.driving import write_control_mode, write_steering, write_velocity
from autonomy_nodes.messages.images import write_camera_info, write_compressed, write_image
from autonomy_nodes.messages.motion import write_fix, write_imu, write_transforms
from autonomy_nodes.nodes.launcher import resolved, settings_files

START_NS, SECONDS = 1_700_000_000_000_000_000, 4
SPEED_MPS, TURN_RPS, WHEELBASE_M = 6.0, 0.2, 2.85  # that of config/vehicles/recorded.yaml
LIDAR = topics.LIDAR_RAW.named('top')
PICTURES = {name: topics.IMAGE_COMPRESSED.named(name) for name in ('left', 'right')}
INFOS = {name: topics.CAMERA_INFO.named(name) for name in ('left', 'right')}
IMU, WHEELS, STEERING, FIX, MODE = topics.IMU, topics.VELOCITY, topics.STEERING, topics.GNSS_FIX, topics.CONTROL_MODE
WRITE = {LIDAR: write_cloud, IMU: write_imu, WHEELS: write_velocity, STEERING: write_steering, FIX: write_fix}
WRITE |= {MODE: write_control_mode, topics.TF_STATIC: write_transforms}
WRITE |= dict.fromkeys(PICTURES.values(), write_compressed) | dict.fromkeys(INFOS.values(), write_camera_info)


def mount(x, y, z, columns=((1, 0, 0), (0, 1, 0), (0, 0, 1))):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.array(columns, float).T, (x, y, z)
    return matrix


MOUNTS = {
    ('base_link', 'lidar_top'): mount(1.2, 0.0, 1.8),
    ('base_link', 'camera_left'): mount(1.0, 0.8, 1.5, ((1, 0, 0), (0, 0, -1), (0, 1, 0))),  # x right, y down, z ahead
    ('base_link', 'camera_right'): mount(1.0, -0.8, 1.5, ((-1, 0, 0), (0, 0, -1), (0, -1, 0))),
    ('base_link', 'imu_link'): mount(0.0, 0.0, 0.5),
    ('base_link', 'gnss_link'): mount(0.5, 0.0, 1.7),
}


def odom_from_base(seconds):
    heading = TURN_RPS * seconds
    radius_m = SPEED_MPS / TURN_RPS
    pose = mount(radius_m * np.sin(heading), radius_m * (1.0 - np.cos(heading)), 0.0)
    pose[:2, :2] = [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
    return pose


def sweep(stamp_ns, number):
    random = np.random.default_rng(0)
    poles = np.repeat(random.uniform(-35.0, 35.0, (40, 2)), 40, axis=0)
    poles = np.column_stack([poles, random.uniform(0.6, 2.9, len(poles))])
    ground = np.random.default_rng(number).uniform(-20.0, 20.0, (4000, 2))
    seen = moved(poles, inverse(odom_from_base(number / 10.0)))
    base = np.vstack([seen, np.column_stack([ground, np.zeros(len(ground))])])
    xyz = moved(base, inverse(MOUNTS['base_link', 'lidar_top'])).astype(np.float32)
    return PointCloud(stamp_ns, 'lidar_top', xyz, np.ones(len(xyz), np.float32), None, np.zeros(len(xyz), np.int64))


def sound():
    """{topic: [(sent_ns, value)]} of a vehicle that drives a left bend of 30 m at 6 m/s."""
    told = {topic: [] for topic in WRITE}
    told[topics.TF_STATIC].append((START_NS, Transforms(START_NS, dict(MOUNTS))))
    for number in range(SECONDS * 10):
        now_ns = START_NS + number * 100_000_000
        told[LIDAR].append((now_ns, sweep(now_ns, number)))
        east, north = odom_from_base(number / 10.0)[:2, 3]  # a degree is 111.2 km, of longitude there 74.4 km
        llh = np.array([48.1 + north / 111_200.0, 11.5 + east / 74_400.0, 500.0])
        told[FIX].append((now_ns, Fix(now_ns, 'gnss_link', llh, np.eye(3))))
        for name in PICTURES:
            pixels = np.roll(samples.image(48, 64).pixels, number, axis=1)
            frame = f'camera_{name}'
            told[PICTURES[name]].append((now_ns, type(samples.image(48, 64))(now_ns, frame, pixels)))
            matrix = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
            flat = np.hstack([matrix, np.zeros((3, 1))])
            info = CameraModel(now_ns, frame, 64, 48, matrix, 'plumb_bob', np.zeros(5), np.eye(3), flat)
            told[INFOS[name]].append((now_ns, info))
    for number in range(SECONDS * 100):
        now_ns = START_NS + number * 10_000_000
        told[IMU].append((now_ns, Imu(now_ns, 'imu_link', np.array([0, 0, TURN_RPS]), np.array([0, 1.2, 9.81]))))
        if number % 2 == 0:
            told[WHEELS].append((now_ns, WheelSpeed(now_ns, SPEED_MPS, 0.0, TURN_RPS)))
            angle_rad = float(np.arctan(WHEELBASE_M * TURN_RPS / SPEED_MPS))
            told[STEERING].append((now_ns, Steering(now_ns, angle_rad)))
    told[MODE].append((START_NS, ControlMode(START_NS, 'MANUAL')))
    return told


def edited(topic, edit):
    """A defect: each value of a topic as `edit` makes it; its stamp when it was sent stays."""
    def plant(told):
        told[topic] = [(sent_ns, edit(value, place)) for place, (sent_ns, value) in enumerate(told[topic])]
    return plant


def points(edit):
    return edited(LIDAR, lambda cloud, place: replace(cloud, xyz=edit(cloud.xyz).astype(np.float32)))


def later(topic, seconds):
    return edited(topic, lambda value, place: replace(value, stamp_ns=value.stamp_ns + round(seconds * 1e9)))


def kept(topic, wanted):
    def plant(told):
        told[topic] = [message for place, message in enumerate(told[topic]) if wanted(place)]
    return plant


def mounted(edit):
    def plant(told):
        (sent_ns, transforms), = told[topics.TF_STATIC]
        told[topics.TF_STATIC] = [(sent_ns, Transforms(transforms.stamp_ns, edit(dict(transforms.matrices))))]
    return plant


def without_lidar(matrices):
    del matrices['base_link', 'lidar_top']
    return matrices


def cameras_swapped(told):
    for name, other in (('left', 'right'), ('right', 'left')):
        edited(PICTURES[name], lambda value, place, other=other: replace(value, frame=f'camera_{other}'))(told)
        edited(INFOS[name], lambda value, place, other=other: replace(value, frame=f'camera_{other}'))(told)


def stamps_back(value, place):
    return replace(value, stamp_ns=value.stamp_ns - 150_000_000 * (place % 4 == 3))


def first_again(told):
    first = told[LIDAR][0][1]
    edited(LIDAR, lambda cloud, place: replace(first, stamp_ns=cloud.stamp_ns))(told)


def degrees(imu, place):
    return replace(imu, angular_rps=np.degrees(imu.angular_rps))


def in_g(imu, place):
    return replace(imu, acceleration_mps2=imu.acceleration_mps2 / 9.81)


DEFECTS = {  # name: (what is planted, where it is found, words of the finding, words of its remedy)
    'a frame that nobody places': (
        edited(LIDAR, lambda cloud, place: replace(cloud, frame='velodyne')), LIDAR, "from 'velodyne'", '/tf_static'),
    'a missing transform': (mounted(without_lidar), LIDAR, "no transform from 'lidar_top'", '/tf_static'),
    'stamps of another epoch': (later(LIDAR, -1.6e9), LIDAR, 's old when received', 'PTP'),
    'swapped cameras': (cameras_swapped, PICTURES['left'], 'looks the other way', 'exchange their cables'),
    'half the rate': (kept(LIDAR, lambda place: place % 2 == 0), LIDAR, '5.0 Hz, 10 expected', 'raise the rate'),
    'y mirrored': (points(lambda xyz: xyz * [1, -1, 1]), LIDAR, 'turns against', 'do not mirror y'),
    'millimetres': (points(lambda xyz: xyz * 1000.0), LIDAR, 'in millimetres', 'divide by 1000'),
    'stamps that go back': (edited(LIDAR, stamps_back), LIDAR, 'stamps go back', 'leave one of them'),
    'a frozen LiDAR': (first_again, LIDAR, 'frozen: 39 of 40', 'start the sensor'),
    'a LiDAR upside down': (points(lambda xyz: xyz * [1, -1, -1]), LIDAR, 'hangs upside down', 'by roll 3.14159'),
    'no intensity': (
        edited(LIDAR, lambda cloud, place: replace(cloud, intensity=np.zeros_like(cloud.intensity))),
        LIDAR, 'no intensity', 'send a field intensity'),
    'a fix at 0, 0': (
        edited(FIX, lambda fix, place: replace(fix, llh=np.zeros(3))),
        FIX, '40 of 40 fixes lie at latitude 0', 'NO_FIX'),
    'a fix that stands still': (
        edited(FIX, lambda fix, place: replace(fix, llh=np.array([48.1, 11.5, 500.0]))),
        FIX, 'its track is 0.0 m long', 'NO_FIX'),
    'a fix in radians': (
        edited(FIX, lambda fix, place: replace(fix, llh=np.radians(fix.llh))), FIX, 'the wheels went', 'in degrees'),
    'latitude and longitude exchanged': (
        edited(FIX, lambda fix, place: replace(fix, llh=fix.llh[[1, 0, 2]])),
        FIX, 'longitude exchanged', 'in this order'),
    'a fix in metres': (
        edited(FIX, lambda fix, place: replace(fix, llh=np.array([5.3e6, 4.5e6, 500.0]))),
        FIX, 'is not on earth', 'in degrees'),
    'a camera without optical frame': (
        mounted(lambda matrices: matrices | {('base_link', 'camera_left'): mount(1.0, 0.8, 1.5)}),
        PICTURES['left'], 'no optical frame', 'x right, y down, z ahead'),
    'acceleration in g': (edited(IMU, in_g), IMU, 'it is in g', 'm/s2'),
    'turns in degrees': (edited(IMU, degrees), IMU, 'turns at 11.5', 'publish rad/s'),
    'speed in km/h': (
        edited(WHEELS, lambda value, place: replace(value, longitudinal_mps=3.6 * SPEED_MPS)),
        WHEELS, 'moved 3.6 times less', 'publish m/s'),
    'the sign of steering': (
        edited(STEERING, lambda value, place: replace(value, wheel_angle_rad=-value.wheel_angle_rad)),
        STEERING, 'turns against', 'left is positive'),
    'the sign of the IMU': (
        edited(IMU, lambda imu, place: replace(imu, angular_rps=-imu.angular_rps)), IMU, 'turns against', 'z is up'),
    'a clock that is late': (later(PICTURES['left'], -0.3), PICTURES['left'], '+0.30 s older', 'PTP'),
    'gaps': (kept(LIDAR, lambda place: place not in (12, 13, 25)), LIDAR, '2 holes', 'config/fastdds.xml'),
    'a picture of another size': (
        edited(INFOS['left'], lambda info, place: replace(info, width=128, height=96, matrix=info.matrix * 2)),
        INFOS['left'], 'the pictures have 64 x 48', 'scale K'),
}  # fmt: skip


@pytest.fixture(scope='module')
def drive():
    return sound()


def surveyed(told, folder, latched=True):
    with BagWriter(folder / 'drive.mcap') as bag:
        for topic, messages in told.items():
            for sent_ns, value in messages:
                data = value if isinstance(value, bytes) else WRITE[topic](value)
                bag.write(topic.name, topic.type, sent_ns, data, latched=latched and topic is topics.TF_STATIC)
    return of_recording(folder / 'drive.mcap')


def found(survey, vehicle='recorded'):
    return diagnose(survey, settings_files(resolved({'vehicle': vehicle})))


def told(findings, where, words, remedy):
    return [
        each for each in findings
        if each.where.lstrip('/') == where.name.lstrip('/') and words in each.what and remedy in each.remedy
    ]  # fmt: skip


def test_a_sound_recording_has_no_finding(drive, tmp_path):
    assert [str(finding) for finding in found(surveyed(drive, tmp_path))] == []


@pytest.mark.parametrize('name', DEFECTS)
def test_a_planted_defect_is_found_and_its_remedy_named(name, drive, tmp_path):
    plant, where, words, remedy = DEFECTS[name]
    spoilt = dict(drive)
    plant(spoilt)
    findings = found(surveyed(spoilt, tmp_path))
    assert told(findings, where, words, remedy), [str(finding) for finding in findings]


def test_a_camera_info_of_zeros_needs_a_calibration(drive, tmp_path):
    spoilt = dict(drive)
    decoded = write_camera_info(drive[INFOS['left']][0][1])
    zeros = decoded.replace(np.float64(50.0).tobytes(), bytes(8))
    spoilt[INFOS['left']] = [(sent_ns, zeros) for sent_ns, _ in drive[INFOS['left']]]
    findings = found(surveyed(spoilt, tmp_path))
    assert told(findings, INFOS['left'], 'no calibration', 'calibrate the camera')


def test_a_static_transform_that_is_not_latched_is_told_in_a_recording_and_live(drive, tmp_path):
    survey = surveyed(drive, tmp_path, latched=False)
    assert told(found(survey), topics.TF_STATIC, 'recorded as volatile', 'ros2 bag play')
    survey.live = True
    survey.offers = {'tf_static': [Offer('mounts', topics.TF_STATIC.type, reliable=True, latched=False)]}
    assert told(found(survey), topics.TF_STATIC, 'transient local', 'TRANSIENT_LOCAL')


def test_mounts_that_differ_between_yaml_and_tf_static_are_told(drive, tmp_path):
    findings = found(surveyed(drive, tmp_path), 'kitti')
    assert told(findings, LIDAR, 'differs by', 'correct one of them')


def test_single_moments_whose_sensors_lie_milliseconds_apart_are_no_other_clock(drive, tmp_path):
    moment = {topic: messages[:1] for topic, messages in drive.items()}
    later(PICTURES['left'], 0.02)(moment)
    texts = [str(finding) for finding in found(surveyed(moment, tmp_path))]
    assert texts and not [text for text in texts if 'its stamps lie' in text]


def test_an_encoding_that_nobody_reads_is_told_with_those_that_are(drive, tmp_path):
    raw = topics.IMAGE_RAW.named('left')
    spoilt = {topic: messages for topic, messages in drive.items() if topic is not PICTURES['left']}
    for sent_ns, image in drive[PICTURES['left']]:
        spoilt.setdefault(raw, []).append((sent_ns, write_image(image).replace(b'rgb8', b'rgbx')))
    assert told(found(surveyed(spoilt, tmp_path)), raw, "encoding 'rgbx'", 'publish rgb8')


def test_a_publisher_that_is_less_reliable_than_the_stack_requests_is_told_live(drive, tmp_path):
    survey, lights = surveyed(drive, tmp_path), topics.TRAFFIC_LIGHTS
    survey.live = True
    survey.offers = {each.name: [Offer('can', each.type, reliable=False, latched=False)] for each in (WHEELS, lights)}
    findings = found(survey)
    assert told(findings, lights, 'the stack requests reliable', 'RELIABLE')
    assert not told(findings, WHEELS, 'requests reliable', '')  # sensors may: that is what is requested of them
