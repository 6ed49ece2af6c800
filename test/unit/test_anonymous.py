"""A recording without its place: nothing of where it was made is left in the bytes, the way driven stays the same."""

import math
import struct
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import samples
from pyproj import Geod

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.sensing import Fix, Image, Transforms
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import SECOND_NS, DataError, Goal, Pose
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.anonymous.copying import anonymise
from autonomy_nodes.messages.anonymous.exif import without_exif
from autonomy_nodes.messages.anonymous.mover import Mover
from autonomy_nodes.messages.bags import BagError, BagWriter, Definition, Recording
from autonomy_nodes.messages.cdr import Cursor
from autonomy_nodes.messages.images import read_compressed, write_compressed
from autonomy_nodes.messages.motion import (
    read_ego,
    read_fix,
    read_pose,
    read_transforms,
    write_ego,
    write_fix,
    write_goal,
    write_pose,
    write_transforms,
)
from autonomy_nodes.messages.objects import read_tracked, write_tracked
from autonomy_nodes.messages.point_rows import read_points, write_points
from autonomy_nodes.messages.store import decode, encode, header_of, new
from autonomy_nodes.messages.words import write_status

PLACE = (48.137154, 11.576124, 519.25)  # in the middle of Munich
MAP = np.array([691_607.5, 5_334_760.25, 519.25])  # there, in UTM
STEPS = 12
EXIF = b'Exif\0\0GPSLatitude 48.137154 N'


def fixes():
    """North by 11 m and east by 7 m, about, with each step."""
    for step in range(STEPS):
        llh = np.array([PLACE[0] + 1e-4 * step, PLACE[1] + 1e-4 * step, PLACE[2] + step])
        yield Fix(step * SECOND_NS, 'gnss', llh, np.eye(3))


def placed(step):
    return MAP + [7.0 * step, 11.0 * step, step]


def picture(height=24, notes=True):
    """A JPEG with an EXIF block, as a camera with GPS writes it."""
    message = write_compressed(Image(5, 'front', np.full((height, 32, 3), 90, np.uint8)))
    data = decode('sensor_msgs/msg/CompressedImage', message)
    if notes:
        block = b'\xff\xe1' + struct.pack('>H', len(EXIF) + 2) + EXIF
        data.data = np.frombuffer(data.data.tobytes()[:2] + block + data.data.tobytes()[2:], np.uint8)
    return encode('sensor_msgs/msg/CompressedImage', data)


def marker(points, position=(0.0, 0.0, 0.0), frame='map'):
    names = ('x', 'y', 'z')
    one = {
        'header': header_of(5, frame), 'pose': {'position': dict(zip(names, position)), 'orientation': {'w': 1.0}},
        'points': [dict(zip(names, map(float, point))) for point in points],
    }  # fmt: skip
    return encode('visualization_msgs/msg/MarkerArray', new('visualization_msgs/msg/MarkerArray', markers=[one]))


def table(frame='map'):
    rows = np.zeros(2, [('x', '<f8'), ('y', '<f8'), ('z', '<f8'), ('id_low', '<u4')])
    rows['x'], rows['y'], rows['z'], rows['id_low'] = *(MAP[axis] + np.arange(2.0) for axis in range(3)), (8, 9)
    return write_points(5, frame, rows)


def messages():
    """Every kind of message that may tell the place, and some that do not."""
    for step, fix in enumerate(fixes()):
        at_ns, map_from_odom = step * SECOND_NS, np.eye(4)
        map_from_odom[:3, 3] = placed(0)
        yield topics.GNSS_FIX.name, topics.GNSS_FIX.type, at_ns, write_fix(fix)
        pose = Pose(at_ns, 'map', placed(step), samples.NORTH, np.eye(6))
        yield topics.GNSS_POSE.name, topics.GNSS_POSE.type, at_ns, write_pose(pose)
        yield topics.TRUTH_EGO.name, topics.TRUTH_EGO.type, at_ns, write_ego(samples.ego(at_ns, placed(step)), 'map')
        yield topics.ODOMETRY.name, topics.ODOMETRY.type, at_ns, write_ego(samples.ego(at_ns, placed(step) - MAP))
        frames = {('map', 'odom'): map_from_odom, ('odom', 'base_link'): np.eye(4)}
        yield topics.TF.name, topics.TF.type, at_ns, write_transforms(Transforms(at_ns, frames))
    yield topics.GOAL.name, topics.GOAL.type, 12 * SECOND_NS, goal()
    yield topics.TRUTH.name, topics.TRUTH.type, 12 * SECOND_NS, write_tracked(users())
    yield topics.CHANGES.name, topics.CHANGES.type, 12 * SECOND_NS, table()
    yield topics.CHANGE_MARKERS.name, topics.CHANGE_MARKERS.type, 12 * SECOND_NS, marker([MAP, MAP + 1.0])
    yield topics.IMAGE_COMPRESSED.named('front').name, topics.IMAGE_COMPRESSED.type, 12 * SECOND_NS, picture()
    yield topics.DIAGNOSTICS.name, topics.DIAGNOSTICS.type, 12 * SECOND_NS, write_status(status('localization'))
    yield '/notes', 'std_msgs/msg/String', 12 * SECOND_NS, text(f'parked at {PLACE[0]} {PLACE[1]}')
    yield '/nmea', 'nmea_msgs/msg/Sentence', 12 * SECOND_NS, b'\0\1\0\0$GPGGA,4808.22924,N,01134.56744,E'
    yield '/others', topics.DIAGNOSTICS.type, 12 * SECOND_NS, foreign_status()


def goal():
    return write_goal(Goal(5, 'map', tuple(MAP + 3.0), 1.0))


def users():
    return replace(samples.objects(tracked=True, frame='map'), positions_m=MAP + np.arange(9.0).reshape(3, 3))


def status(node):
    return Status(5, node, Level.OK, 'NOMINAL', values={'driven_m': '12.0'})


def foreign_status():
    item = {'name': 'gps driver', 'message': f'fix {PLACE[0]} {PLACE[1]}'}
    return encode(topics.DIAGNOSTICS.type, new(topics.DIAGNOSTICS.type, header=header_of(5, ''), status=[item]))


def text(words):
    return encode('std_msgs/msg/String', new('std_msgs/msg/String', data=words))


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp('bag') / 'drive.mcap'
    nmea = {'nmea_msgs/msg/Sentence': Definition('string sentence\n', '')}
    with BagWriter(path, definitions=nmea) as bag:
        for message in messages():
            bag.write(*message)
    return path


@pytest.fixture(scope='module')
def moved(recorded):
    out = recorded.with_name('moved.mcap')
    return out, anonymise(Recording(recorded), out, Mover())


def of(path, topic, read):
    return [read(data) for _, _, _, data in Recording(path).messages([topic.name])]


def originals():
    """Every way in which a latitude, a longitude or a place in the map may lie in bytes."""
    numbers = [value for fix in fixes() for value in fix.llh[:2].tolist()]
    numbers += [value for step in range(STEPS) for value in placed(step)[:2].tolist()]
    for value in numbers:
        yield from (struct.pack(code, value) for code in ('<d', '>d', '<f', '>f'))
        yield f'{math.trunc(value * 1e3) / 1e3:.3f}'.encode()  # 111 m of a degree
    yield from (b'4808.2', b'01134.5', b'GPSLatitude')


def test_no_original_latitude_longitude_or_place_in_the_map_is_left_in_the_bytes(recorded, moved):
    before, after = recorded.read_bytes(), moved[0].read_bytes()
    found = [pattern for pattern in originals() if pattern in before]
    assert len(found) > 4 * STEPS  # the search finds them where they are
    assert [pattern for pattern in originals() if pattern in after] == []


def test_the_way_driven_stays_the_same_on_the_earth_and_in_the_map(moved):
    earth = Geod(ellps='WGS84')
    for before, after in zip(fixes(), of(moved[0], topics.GNSS_FIX, read_fix), strict=True):
        way = earth.inv(PLACE[1], PLACE[0], before.llh[1], before.llh[0])
        home = earth.inv(0.5, 0.5, after.llh[1], after.llh[0])
        assert home[2] == pytest.approx(way[2], abs=1e-3) and home[0] == pytest.approx(way[0], abs=1e-3)
        assert after.llh[2] == pytest.approx(before.llh[2] - PLACE[2])
    poses = of(moved[0], topics.GNSS_POSE, read_pose)
    assert np.allclose([pose.position_m for pose in poses], [placed(step) - MAP for step in range(STEPS)])
    assert np.allclose(poses[3].orientation, samples.NORTH)


def test_all_that_speaks_of_the_map_moves_by_the_same(moved):
    out = moved[0]
    egos = of(out, topics.TRUTH_EGO, lambda data: read_ego(data, 'map'))
    assert np.allclose(egos[5].position_m, [35.0, 55.0, 5.0])
    frames = of(out, topics.TF, read_transforms)[0].matrices
    assert np.allclose(frames['map', 'odom'][:3, 3], 0.0) and ('odom', 'base_link') in frames
    assert np.allclose(of(out, topics.TRUTH, read_tracked)[0].positions_m, np.arange(9.0).reshape(3, 3))
    rows = of(out, topics.CHANGES, read_points)[0].rows
    assert rows['x'].tolist() == rows['z'].tolist() == [0.0, 1.0] and rows['id_low'].tolist() == [8, 9]
    (array,) = of(out, topics.CHANGE_MARKERS, lambda data: decode(topics.CHANGE_MARKERS.type, data))
    assert [(point.x, point.y, point.z) for point in array.markers[0].points] == [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0)]
    (there,) = of(out, topics.GOAL, lambda data: decode(topics.GOAL.type, data))
    assert there.pose.position.x == 3.0


def test_what_tells_no_place_stays_byte_for_byte_and_what_may_is_left_out_with_its_reason(recorded, moved):
    out, outcome = moved
    for topic in (topics.ODOMETRY, topics.DIAGNOSTICS):
        assert of(out, topic, bytes) == of(recorded, topic, bytes)
    assert {'/notes', '/nmea', '/others'}.isdisjoint(Recording(out).types)
    told = outcome.lines()
    assert '/nmea: 1 left out: its type is not known here, so it may tell a place' in told
    assert '/notes: 1 left out: free text may tell a place' in told
    assert f'/{topics.GNSS_FIX.name}: {STEPS} moved' in told and told[-1].startswith('what remains: pictures')


def test_a_picture_loses_its_notes_and_not_a_pixel(moved):
    name = topics.IMAGE_COMPRESSED.named('front').name
    (data,) = (data for _, _, _, data in Recording(moved[0]).messages([name]))
    assert np.array_equal(read_compressed(data).pixels, read_compressed(picture()).pixels)
    assert without_exif(picture(notes=False)) == picture(notes=False)


def test_a_png_loses_its_texts_too():
    packed = cv2.imencode('.png', np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    note = b'Comment\0' + str(PLACE).encode()
    chunk = struct.pack('>I', len(note)) + b'tEXt' + note + struct.pack('>I', zlib.crc32(b'tEXt' + note))
    kind = 'sensor_msgs/msg/CompressedImage'

    def message(content):
        return encode(kind, new(kind, header=header_of(5, 'front'), format='png', data=list(content)))

    assert without_exif(message(packed[:33] + chunk + packed[33:])) == without_exif(message(packed))
    assert read_compressed(without_exif(message(packed))).pixels.shape == (4, 4, 3)


def test_positions_can_be_left_out_instead(recorded):
    out = recorded.with_name('removed.mcap')
    anonymise(Recording(recorded), out, Mover(remove=True))
    left = Recording(out)
    gone = (topics.GNSS_FIX, topics.GNSS_POSE, topics.TRUTH_EGO, topics.GOAL, topics.TRUTH, topics.CHANGES)
    assert {'/' + topic.name for topic in gone}.isdisjoint(left.types)
    assert {tuple(each.matrices) for each in of(out, topics.TF, read_transforms)} == {(('odom', 'base_link'),)}
    assert [pattern for pattern in originals() if pattern in out.read_bytes()] == []


def bag_of(path, *given):
    with BagWriter(path) as bag:
        for number, (name, kind, data) in enumerate(given):
            bag.write(name, kind, number, data)
    return Recording(path)


def test_a_place_in_numbers_that_nobody_knows_of_is_found_and_the_recording_removed(tmp_path):
    array = encode('std_msgs/msg/Float64MultiArray', new('std_msgs/msg/Float64MultiArray', data=list(PLACE)))
    fix = write_fix(next(fixes()))
    given = (topics.GNSS_FIX.name, topics.GNSS_FIX.type, fix), ('/raw', 'std_msgs/msg/Float64MultiArray', array)
    recording, out = bag_of(tmp_path / 'a.mcap', *given), tmp_path / 'b.mcap'
    with pytest.raises(BagError, match='/raw still tells 48.1372 degrees.*leave it out with --without /raw'):
        anonymise(recording, out, Mover())
    assert not out.exists()
    anonymise(recording, out, Mover(), without=['raw'])
    assert list(Recording(out).types) == [f'/{topics.GNSS_FIX.name}']


def test_odometry_that_is_no_local_frame_is_refused_until_it_is_named(tmp_path):
    far = write_ego(samples.ego(5, MAP))
    recording = bag_of(tmp_path / 'a.mcap', (topics.ODOMETRY.name, topics.ODOMETRY.type, far))
    with pytest.raises(BagError, match='frame odom lies 5379 km off its origin.*--frame odom'):
        anonymise(recording, tmp_path / 'b.mcap', Mover())
    anonymise(recording, tmp_path / 'c.mcap', Mover(frames=('map', 'odom')))
    assert of(tmp_path / 'c.mcap', topics.ODOMETRY, read_ego)[0].position_m.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    'kind, data, why',
    [
        ('visualization_msgs/msg/MarkerArray', marker([MAP], position=(1.0, 0.0, 0.0)), 'turned or moved itself'),
        ('visualization_msgs/msg/MarkerArray', marker([MAP], frame='utm'), 'frame utm'),
        ('sensor_msgs/msg/PointCloud2', table('earth'), 'frame earth'),
        ('geometry_msgs/msg/Pose', b'', 'names no frame'),
    ],
)
def test_what_cannot_be_moved_is_left_out(kind, data, why):
    with pytest.raises(DataError, match=why):
        Mover().made(kind, data)


def test_a_point_in_the_map_that_is_no_pose_is_left_out():
    kind = 'geometry_msgs/msg/PointStamped'
    data = encode(kind, new(kind, header=header_of(5, 'map'), point=dict(zip('xyz', MAP.tolist()))))
    with pytest.raises(DataError, match='cannot be moved'):
        Mover().made(kind, data)
    local = encode(kind, new(kind, header=header_of(5, 'base_link'), point={'x': 1.0}))
    assert Mover().made(kind, local) == (local, 'as it was')


def test_the_command_says_what_became_of_each_topic(recorded, capsys):
    out = recorded.with_name('told.mcap')
    assert main(['bag', 'anonymise-gnss', str(recorded), '--out', str(out), '--without', 'planning/route']) == 0
    told = capsys.readouterr().out.splitlines()
    assert f'/{topics.GOAL.name}: 1 moved' in told and told[-1].startswith('what remains')
    assert Cursor(next(Recording(out).messages([topics.GNSS_FIX.name]))[3]).header()[1] == 'gnss'
