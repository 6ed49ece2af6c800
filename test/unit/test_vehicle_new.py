"""A vehicle's yaml from a description, a recording and answers; what nobody tells is asked for, never made up."""

from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.sensing import CameraModel, Image, PointCloud, Transforms
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.vehicles.facts import Facts
from autonomy_nodes.evaluation.vehicles.made import Dialogue, Sources, gathered, lines, load, make_vehicle
from autonomy_nodes.evaluation.vehicles.questions import ALL, BODY, LIMITS, asked
from autonomy_nodes.evaluation.vehicles.recorded import lidar_view, recorded
from autonomy_nodes.evaluation.vehicles.sensor_words import of_option
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.images import write_camera_info, write_compressed
from autonomy_nodes.messages.motion import write_transforms
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import vehicle_of

EXAMPLE = Path(__file__).parents[2] / 'config' / 'vehicles' / 'example.urdf.xacro'
START_NS = 1_700_000_000_000_000_000
OPTICAL = np.array([[0, 0, 1, 2.0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])  # x right, y down, z ahead
NUMBERS = ['--front-m', '3.7', '--rear-m', '0.8', '--width-m', '1.9', '--height-m', '1.7', '--wheelbase-m', '2.8']
TOP = '--lidar=top frame=lidar_top xyz_m=1.3,0,2 elevation_deg=-25,15 beams=32 range_m=120'
PLAIN = """<robot name="cart">
  <link name="base_link"/>
  {body}
  {wheels}
  {more}
</robot>"""
BOX = '<collision><origin xyz="1 0 0.5"/><geometry><box size="3 1.2 0.8"/></geometry></collision>'
ON_BASE = '<parent link="base_link"/><child link="{}"/>'
BODY_LINK = f'<link name="body">{BOX}</link><joint name="b" type="fixed">{ON_BASE.format("body")}</joint>'


def wheel(name, xyz, shape='<cylinder radius="0.3" length="0.2"/>'):
    place = f'<origin xyz="{xyz}"/><axis xyz="0 1 0"/>'
    round_ = f'<collision><origin rpy="1.570796 0 0"/><geometry>{shape}</geometry></collision>' if shape else ''
    joint = f'<joint name="{name}" type="continuous">{ON_BASE.format(f"wheel_{name}")}{place}</joint>'
    return f'<link name="wheel_{name}">{round_}</link>{joint}'


def cart(path, body=BODY_LINK, up_m=0.3, ahead_m=0.0, shape='<cylinder radius="0.3" length="0.2"/>', more=''):
    spots = {'rl': (0, 0.6), 'rr': (0, -0.6), 'fl': (2.1, 0.6), 'fr': (2.1, -0.6)}
    wheels = ''.join(wheel(name, f'{x - ahead_m} {y} {up_m}', shape) for name, (x, y) in spots.items())
    path.write_text(PLAIN.format(body=body, wheels=wheels, more=more))
    return path


def hung(link, xyz, parent='base_link', rpy='0 0 0'):
    joint = f'<parent link="{parent}"/><child link="{link}"/><origin xyz="{xyz}" rpy="{rpy}"/>'
    return f'<link name="{link}"/><joint name="{link}_j" type="fixed">{joint}</joint>'


def bare(links):
    return PLAIN.format(body=links, wheels='', more='')


def told(path):
    return vehicle_of('lidar', settings_files(resolved({'vehicle': str(path)})))


def test_the_example_in_xacro_becomes_a_yaml_that_every_node_takes(tmp_path, capsys):
    pytest.importorskip('xacro', reason='the extra import')
    out = tmp_path / 'mine.yaml'
    assert main(['vehicle', 'new', str(out), '--urdf', str(EXAMPLE), '--defaults', 'wheelbase:=3.0']) == 0
    printed = capsys.readouterr().out
    load(out)
    car = told(out)
    # the chassis is 3.0 + 1.7 m long about 1.5 m; the mirrorless box 1.8 m is narrower than wheels at 0.8 +- 0.11
    assert (car.wheelbase_m, car.front_m, car.rear_m, car.width_m, car.height_m) == (3.0, 3.85, 0.85, 1.82, 1.6)
    assert car.limits.wheel_angle_rad == 0.6 and car.blind_m == 4.3  # 2.0 / tan(0.4363)
    assert list(car.mounts) == ['top', 'bumper', 'front', 'left', 'right', 'rear', 'imu', 'gnss']
    assert car.mounts['left'].frame == 'camera_left_optical'
    looks = car.mounts['left'].base_from_sensor[:3, 2]  # left, and 0.6 rad down
    np.testing.assert_allclose(looks, [0.0, np.cos(0.6), -np.sin(0.6)], atol=1e-5)
    bumper = car.lidar_views['bumper']
    assert bumper.beams == 16 and bumper.left_rad == pytest.approx(np.pi / 2, abs=1e-5)
    assert car.camera_views['front'].focal_px[0] == pytest.approx(640 / np.tan(0.7), abs=1e-3)
    assert list(car.parts) == ['chassis', 'cabin']
    assert 'autonomy doctor' in printed and f'vehicle:={out}' in printed
    assert 'default, not measured: self_box_margin_m, limits.speed_mps' in printed


def test_a_number_that_nobody_tells_is_asked_for_by_the_name_of_its_option(tmp_path, capsys):
    out = tmp_path / 'mine.yaml'
    assert main(['vehicle', 'new', str(out), *NUMBERS[2:], TOP]) == 2
    error = capsys.readouterr().err
    assert '--front-m [m]' in error and '--speed-mps [m/s]' in error and '--defaults' in error
    assert '--rear-m' not in error and not out.exists()


def test_options_alone_make_a_vehicle_without_a_terminal(tmp_path, capsys):
    limits = [word for question in LIMITS for word in (question.option, str(question.default))]
    out = tmp_path / 'mine.yaml'
    rear = '--camera=rear frame=camera_rear xyz_m=-0.8,0,1.2 looks_deg=180,-30'
    assert main(['vehicle', 'new', str(out), *NUMBERS, *limits, '--self-box-margin-m', '0.1', TOP, rear]) == 1
    assert 'missing  camera rear: what it sees' in capsys.readouterr().out
    car = told(out)
    assert car.front_m == 3.7 and car.self_box_margin_m == 0.1 and car.lidar_views['top'].range_m == 120.0
    matrix = car.mounts['rear'].base_from_sensor
    np.testing.assert_allclose(matrix[:3, 2], [-np.cos(np.pi / 6), 0.0, -0.5], atol=1e-5)  # behind and down
    np.testing.assert_allclose(matrix[:3, 0], [0.0, 1.0, 0.0], atol=1e-5)  # right of its picture is our left
    assert main(['vehicle', 'new', str(out), *NUMBERS, *limits, '--self-box-margin-m', '0.1', TOP]) == 2
    assert 'is there already' in capsys.readouterr().err


@pytest.mark.parametrize(
    'words, error',
    [
        (['--front-m', '3700'], '--front-m: front_m: 3700 must lie between 0.3 and 20 m'),
        (['--front-m', 'long'], "'long' is no number"),
        (['--lidar', 'top xyz=1,0,2'], "'xyz' is none of frame=... xyz_m=..."),
        (['--lidar', 'top xyz_m=1,0'], "xyz_m='1,0' must be 3 numbers, such as 1.5,0,2"),
        (['--lidar', 'top elevation_deg=-15,15'], 'beams, range_m must be told as well'),
        (['--lidar', 'top elevation_deg=15,-15 beams=4 range_m=9'], 'must lie below'),
        (['--camera', '9front'], 'is no name of a topic'),
        (['--lidar', ''], 'begin with the name of the sensor'),
        (['--lidar', 'front frame=a', '--camera', 'front frame=b'], 'have one name, but mounts are one table'),
        (['--urdf', 'nowhere.urdf'], 'no such file; give a .urdf or .xacro'),
    ],
)
def test_a_wrong_answer_tells_what_would_be_right(words, error, tmp_path, capsys):
    assert main(['vehicle', 'new', str(tmp_path / 'v.yaml'), '--defaults', *words]) == 2
    assert error in capsys.readouterr().err


def test_a_front_behind_the_front_axle_is_refused_and_nothing_written(tmp_path, capsys):
    out = tmp_path / 'mine.yaml'
    assert main(['vehicle', 'new', str(out), '--defaults', '--wheelbase-m', '4', '--front-m', '3', TOP]) == 2
    assert f'{out} (not written)' in capsys.readouterr().err and not out.exists()


def test_a_terminal_is_asked_with_unit_default_and_use_until_the_answer_is_right():
    prompts, said, answers = [], [], iter(['far', '99', '3,9'])
    value, is_usual = asked(BODY[1], lambda prompt: prompts.append(prompt) or next(answers), said.append)
    assert (value, is_usual) == (3.9, False)
    assert prompts[0].startswith('front_m [m], from the middle of the REAR axle') and '(3.6)' in prompts[0]
    assert said[0].strip() == "front_m: 'far' is no number: answer one, in m" and 'between 0.3 and 20 m' in said[1]


def test_answers_on_a_terminal_make_a_vehicle_with_a_trailer(tmp_path):
    answers = {
        'wheelbase_m': '3.8', 'front_m': ['3.0', '5.2'], 'a LiDAR, its NAME': ['top', ''], '  xyz_m': '4.6 0 3.95',
        '  elevation_deg': '-25 15', '  beams': '32', '  range_m': '100', 'does it pull a trailer': 'yes',
        'trailer.length_m': '8',
    }  # fmt: skip
    said = []

    def answer(prompt):
        key = next((key for key in answers if prompt.startswith(key)), None)
        if key is None:
            return ''
        return answers[key].pop(0) if isinstance(answers[key], list) else answers[key]

    facts = gathered(Sources(), Dialogue(answer, said.append))
    out = tmp_path / 'truck.yaml'
    make_vehicle(facts, out)
    car = told(out)
    assert any('front_m: 3 must lie between 3.8' in text for text in said)  # the bumper is ahead of the front axle
    assert car.front_m == 5.2 and car.trailer.present and car.trailer.length_m == 8.0
    assert car.mounts['top'].frame == 'lidar_top' and car.mounts['top'].xyz_m == (4.6, 0.0, 3.95)
    assert car.blind_m == 8.5  # 3.95 / tan(25 deg)
    assert 'width_m' in next(line for line in lines(facts, out) if 'not measured' in line)
    replay = next(line for line in lines(facts, out, Path('names.yaml')) if 'autonomy replay' in line)
    assert replay.endswith(f'vehicle:={out} --remap names.yaml')


def test_a_urdf_tells_axles_sizes_and_sensors_in_base_link(tmp_path):
    more = hung('velodyne', '1 0 1.4') + hung('camera_front', '1.5 0 1')
    more += hung('camera_front_optical', '0 0 0', 'camera_front', '-1.5708 0 -1.5708')
    facts = gathered(Sources(urdf=cart(tmp_path / 'cart.urdf', more=more), defaults=True), None)
    values = {key: each.value for key, each in facts.values.items()}
    assert values['wheelbase_m'] == pytest.approx(2.1)
    assert (values['front_m'], values['rear_m'], values['height_m']) == (2.5, 0.5, 0.9)  # a box of 3 m about 1 m
    assert values['width_m'] == 1.4  # wheels: 0.6 + 0.1
    assert [(each.kind, each.name, each.frame) for each in facts.sensors] == [
        ('lidar', 'velodyne', 'velodyne'), ('camera', 'front', 'camera_front_optical')]  # fmt: skip
    assert any('taken for a lidar by the name of its link: velodyne' in note for note in facts.notes)
    assert any('lidar velodyne: what it sees' in text for text in facts.missing)


def test_a_base_link_that_is_not_on_the_ground_below_the_rear_axle_is_told_and_mounts_count_from_there(tmp_path):
    path = cart(tmp_path / 'cart.urdf', up_m=0.0, ahead_m=1.05, more=hung('lidar_top', '0 0 1'))
    facts = gathered(Sources(urdf=path, defaults=True), None)
    np.testing.assert_allclose(facts.sensors[0].base_from[:3, 3], [1.05, 0.0, 1.3], atol=1e-9)
    assert any('which lies -1.05 +0.00 -0.30 m from where it is' in note for note in facts.notes)


def test_wheels_without_a_radius_need_one(tmp_path):
    path = cart(tmp_path / 'cart.urdf', shape='<mesh filename="wheel.stl"/>', more=hung('lidar_top', '0 0 1'))
    with pytest.raises(DataError, match='--wheel-radius-m'):
        gathered(Sources(urdf=path, defaults=True), None)
    facts = gathered(Sources(urdf=path, defaults=True, wheel_radius_m=0.3), None)
    assert facts.sensors[0].base_from[2, 3] == pytest.approx(1.0)


def test_a_body_of_meshes_has_no_size_and_a_camera_without_optical_frame_no_mount(tmp_path):
    body = BODY_LINK.replace('<box size="3 1.2 0.8"/>', '<mesh filename="b.dae"/>')
    path = cart(tmp_path / 'cart.urdf', body=body, more=hung('camera_front', '1 0 1'))
    with pytest.raises(DataError, match=r'--front-m \[m\]'):
        gathered(Sources(urdf=path), None)
    facts = gathered(Sources(urdf=path, defaults=True), None)
    assert any('body told by meshes alone' in note for note in facts.notes)
    assert any('add a link camera_front_optical' in text for text in facts.missing) and not facts.sensors


@pytest.mark.parametrize(
    'text, error',
    [
        ('<!DOCTYPE r [<!ENTITY a "aaaa">]><robot name="r"/>', 'declares a DOCTYPE or entities'),
        ('<robot', 'is no XML'),
        ('<sdf/>', 'begins with <sdf>, not <robot>'),
        ('<robot name="r"/>', '0 links hang on nothing'),
        ('<robot name="r"><link name="a"/><link name="b"/></robot>', '2 links hang on nothing'),
        ('<robot name="r"><link/></robot>', 'a <link> has no name'),
        (bare(hung('a', '1 2')), "'1 2' where 3 finite numbers are needed"),
        (bare(hung('a', '0 0 0', 'nobody')), "names link 'nobody', which there is not"),
        (bare(hung('a', '0 0 0', 'b') + hung('b', '0 0 0', 'a')), 'hangs below itself'),
    ],
)
def test_a_broken_description_is_refused_with_what_is_wrong(text, error, tmp_path):
    path = tmp_path / 'broken.urdf'
    path.write_text(text)
    with pytest.raises(DataError, match=error):
        gathered(Sources(urdf=path, defaults=True), None)


def scan(right_deg=-180.0, left_deg=180.0):
    azimuth = np.radians(np.arange(right_deg, left_deg, 0.5) + 0.25)
    elevation = np.radians(np.linspace(-20.0, 10.0, 16))
    turn, up = (each.ravel() for each in np.meshgrid(azimuth, elevation))
    ring = np.repeat(np.arange(16, dtype=np.uint16), len(azimuth))
    xyz = 30.0 * np.column_stack([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)])
    return PointCloud(START_NS, 'lidar_top', xyz.astype(np.float32), np.ones(len(xyz), np.float32), ring)


@pytest.mark.parametrize('ends', [(-180.0, 180.0), (-60.0, 60.0), (120.0, 240.0)])
def test_the_field_of_a_lidar_is_what_its_points_fill(ends):
    view = lidar_view([scan(*ends)])
    assert view.beams == 16 and view.range_m == pytest.approx(30.0, abs=1.0)
    found = np.degrees([view.lowest_rad, view.highest_rad, view.right_rad, view.left_rad])
    np.testing.assert_allclose(found, [-20.0, 10.0, *ends], atol=0.1)


@pytest.fixture
def bag(tmp_path):
    """A recording of a LiDAR and two cameras; where the right camera sits, nobody tells."""
    mounts = {('base_link', 'lidar_top'): np.eye(4), ('base_link', 'camera_front'): OPTICAL}
    mounts['base_link', 'lidar_top'] = np.eye(4) + np.outer([1.2, 0, 1.9, 0], [0, 0, 0, 1])
    with BagWriter(tmp_path / 'drive.mcap') as bag:
        static = write_transforms(Transforms(START_NS, mounts))
        bag.write(topics.TF_STATIC.name, topics.TF_STATIC.type, START_NS, static, latched=True)
        lidar = topics.LIDAR_RAW.named('top')
        bag.write(lidar.name, lidar.type, START_NS, write_cloud(scan()))
        for name in ('front', 'right'):
            topic, info = topics.IMAGE_COMPRESSED.named(name), topics.CAMERA_INFO.named(name)
            picture = Image(START_NS, f'camera_{name}', np.full((48, 64, 3), 90, np.uint8))
            bag.write(topic.name, topic.type, START_NS, write_compressed(picture))
            matrix = np.array([[50.0, 0, 31], [0, 51, 24], [0, 0, 1]])
            flat = np.hstack([matrix, np.zeros((3, 1))])
            model = CameraModel(START_NS, f'camera_{name}', 64, 48, matrix, 'equidistant', np.zeros(4), np.eye(3), flat)
            bag.write(info.name, info.type, START_NS, write_camera_info(model))
    return tmp_path / 'drive.mcap'


def test_a_recording_tells_names_frames_mounts_and_lenses(bag, tmp_path):
    out = tmp_path / 'mine.yaml'
    assert main(['vehicle', 'new', str(out), *NUMBERS, '--defaults', '--bag', str(bag)]) == 1
    car = told(out)
    assert car.mounts.keys() == {'top', 'front'} and car.mounts['top'].xyz_m == (1.2, 0.0, 1.9)
    np.testing.assert_allclose(car.mounts['front'].base_from_sensor, OPTICAL, atol=1e-5)
    lens = car.camera_views['front']
    assert (lens.width_px, lens.height_px, lens.focal_px, lens.centre_px) == (64, 48, (50.0, 51.0), (31.0, 24.0))
    assert lens.fisheye and car.lidar_views['top'].beams == 16 and car.blind_m == 5.2  # 1.9 / tan(20 deg)
    assert '# missing: camera right: where it sits' in out.read_text()


def test_an_option_fills_what_a_recording_lacks_and_what_contradicts_it_is_told(bag):
    given = [of_option('camera', 'right xyz_m=1,-0.9,1.2 looks_deg=-90,0'), of_option('lidar', 'top xyz_m=1.25,0,1.9')]
    facts = gathered(Sources(bag=bag, sensors=given, defaults=True), None)
    right = next(each for each in facts.sensors if each.name == 'right')
    assert right.frame == 'camera_right' and right.base_from[:3, 2].tolist() == pytest.approx([0.0, -1.0, 0.0])
    assert right.view.fisheye and not facts.missing
    words = 'lidar top: its mount differs by 5.0 cm between given (taken) and drive.mcap'
    assert any(words in text for text in facts.notes)


def test_a_description_and_a_recording_meet_by_their_frames(bag, tmp_path):
    path = cart(tmp_path / 'cart.urdf', more=hung('lidar_top', '1.2 0 1.9'))
    facts = gathered(Sources(bag=bag, urdf=path, defaults=True), None)
    assert [str(each) for each in facts.sensors] == ['lidar top', 'camera front', 'camera right']
    assert not [text for text in facts.notes if 'differs' in text]


def test_a_recording_without_sensors_is_refused(tmp_path):
    with BagWriter(tmp_path / 'empty.mcap') as bag:
        data = write_transforms(Transforms(START_NS, {('base_link', 'lidar_top'): np.eye(4)}))
        bag.write(topics.TF_STATIC.name, topics.TF_STATIC.type, START_NS, data, latched=True)
    with pytest.raises(DataError, match='holds no topic of a sensor'):
        recorded(tmp_path / 'empty.mcap', Facts())


def test_each_question_has_a_default_within_its_bounds_and_an_option_of_its_own():
    assert all(question.low <= question.default <= question.high for question in ALL)
    assert len({question.option for question in ALL}) == len(ALL)
