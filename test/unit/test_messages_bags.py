"""Recordings: written as rosbag2 reads them, read as they come, and refused with a remedy when broken."""

import os
from pathlib import Path

import pytest
import samples
import yaml
from message_samples import SMALL
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from autonomy_nodes.messages.bags import BagError, BagWriter, Definition, Recording, in_order
from autonomy_nodes.messages.motion import write_transforms
from autonomy_nodes.messages.store import store
from autonomy_nodes.messages.trajectory import write_trajectory

TRAJECTORY = 'autoware_planning_msgs/msg/Trajectory'
EVENTS = [
    ('tf_static', 'tf2_msgs/msg/TFMessage', 10, write_transforms(SMALL['transforms'][1])),
    ('planning/trajectory', TRAJECTORY, 20, write_trajectory(samples.drive())),
    ('/planning/trajectory', TRAJECTORY, 30, write_trajectory(samples.drive(speed=5.0))),
]
ABSOLUTE = [('/' + name.lstrip('/'), *rest) for name, *rest in EVENTS]


def written(path, storage='mcap', events=EVENTS):
    with BagWriter(path, storage) as bag:
        for name, type_name, stamp_ns, data in events:
            bag.write(name, type_name, stamp_ns, data, latched='tf_static' in name)
    return path


@pytest.mark.parametrize('name, storage', [('a', 'mcap'), ('a', 'sqlite3'), ('a.mcap', 'mcap'), ('a.db3', 'mcap')])
def test_messages_survive_a_recording(tmp_path, name, storage):
    found = Recording(written(tmp_path / name, storage))
    assert list(found.messages()) == ABSOLUTE
    assert found.types == {'/planning/trajectory': TRAJECTORY, '/tf_static': 'tf2_msgs/msg/TFMessage'}
    assert found.counts == {'/planning/trajectory': 2, '/tf_static': 1}
    assert (found.latched, found.start_ns, found.end_ns) == ({'/tf_static'}, 10, 31)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_topics_and_times_can_be_chosen(tmp_path):
    found = Recording(written(tmp_path / 'a'))
    assert [message[2] for message in found.messages(topics=['planning/trajectory'])] == [20, 30]
    assert [message[2] for message in found.messages(topics=['/tf_static'])] == [10]
    assert [message[2] for message in found.messages(start_ns=20, end_ns=30)] == [20]
    assert list(found.messages(topics=['nothing'])) == []


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_the_same_messages_give_the_same_bytes_under_any_name(tmp_path, storage):
    first, second = (written(tmp_path / name, storage) for name in ('one', 'another'))
    files = sorted(path.name for path in first.iterdir())
    assert files == sorted(path.name for path in second.iterdir())
    for name in files:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_metadata_tell_types_hashes_and_quality_of_service(tmp_path):
    info = yaml.safe_load((written(tmp_path / 'a') / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    topics = {item['topic_metadata']['name']: item['topic_metadata'] for item in info['topics_with_message_count']}
    assert topics['/planning/trajectory']['type_description_hash'] == store().hash_rihs01(TRAJECTORY)
    (latched,), (volatile,) = (topics[name]['offered_qos_profiles'] for name in ('/tf_static', '/planning/trajectory'))
    assert (latched['durability'], volatile['durability']) == ('transient_local', 'volatile')
    assert (latched['reliability'], latched['depth']) == ('reliable', 1)
    assert info['message_count'] == 3


def test_messages_of_unknown_types_are_copied_with_their_definition(tmp_path):
    text = 'uint8 kind\nother_msgs/Part part\n' + '=' * 80 + '\nMSG: other_msgs/Part\nfloat32 x\n'
    with BagWriter(tmp_path / 'a', definitions={'other_msgs/msg/Whole': Definition(text, '')}) as bag:
        bag.write('/foreign', 'other_msgs/msg/Whole', 5, b'\0\1\0\0abc')
        bag.write('/unheard', 'strange_msgs/msg/Thing', 6, b'xyz')
    found = Recording(tmp_path / 'a')
    assert [message[3] for message in found.messages()] == [b'\0\1\0\0abc', b'xyz']
    assert found.definitions['other_msgs/msg/Whole'].text == text
    with BagWriter(tmp_path / 'b', definitions=found.definitions) as bag:
        for message in found.messages():
            bag.write(*message)
    assert (tmp_path / 'a' / 'recording.mcap').read_bytes() == (tmp_path / 'b' / 'recording.mcap').read_bytes()


def test_an_existing_recording_is_never_overwritten(tmp_path):
    path = written(tmp_path / 'a.mcap')
    with pytest.raises(BagError, match='a.mcap: exists already; remove it or write elsewhere'):
        BagWriter(path)
    unfinished = BagWriter(tmp_path / 'b')
    with pytest.raises(BagError, match='b.part: exists already'):
        BagWriter(tmp_path / 'b')
    unfinished.close()
    unfinished.close()
    with pytest.raises(ValueError, match="storage='rosbag1'"):
        BagWriter(tmp_path / 'c', 'rosbag1')


def test_a_failure_while_writing_leaves_a_readable_recording(tmp_path):
    with pytest.raises(RuntimeError), BagWriter(tmp_path / 'a') as bag:
        bag.write(*EVENTS[0])
        raise RuntimeError
    assert len(list(Recording(tmp_path / 'a').messages())) == 1


def test_messages_come_in_order_of_receipt(tmp_path):
    shuffled = [EVENTS[2], EVENTS[0], EVENTS[1]]
    assert list(Recording(written(tmp_path / 'a', events=shuffled)).messages()) == ABSOLUTE


def split(path, parts):
    """Write a recording of several files whose times overlap."""
    files = []
    for number, events in enumerate(parts):
        part = written(path.with_name(f'part{number}'), 'sqlite3', events) / 'recording.db3'
        files.append(f'part{number}.db3')
        path.mkdir(exist_ok=True)
        part.rename(path / files[-1])
    metadata = yaml.safe_load((path.with_name('part0') / 'metadata.yaml').read_text())
    info = metadata['rosbag2_bagfile_information']
    info['relative_file_paths'], info['files'] = files, []
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    return path


def test_files_of_a_split_recording_may_overlap_a_little(tmp_path):
    second = 10**9
    parts = [
        [(*EVENTS[1][:2], stamp, bytes([stamp % 251])) for stamp in stamps]
        for stamps in ((1, 5, second), (3, second + 9))
    ]
    found = Recording(split(tmp_path / 'split', parts))
    assert [message[2] for message in found.messages()] == [1, 3, 5, second, second + 9]


def test_a_message_that_comes_far_too_late_is_refused():
    connection = None
    with pytest.raises(BagError, match='message at 5 ns follows one at 10 ns; `ros2 bag convert`'):
        list(in_order([(connection, 10, b''), (connection, 3 * 10**9, b''), (connection, 5, b'')]))


@pytest.mark.parametrize(
    'plugin, mode',
    [
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
    ],
)
def test_compressed_recordings_are_read(tmp_path, plugin, mode):
    writer = Writer(tmp_path / 'a', version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection('/planning/trajectory', TRAJECTORY, typestore=store())
        writer.write(connection, 20, EVENTS[1][3])
    assert list(Recording(tmp_path / 'a').messages()) == [ABSOLUTE[1]]


def test_a_directory_without_metadata_is_read_if_it_holds_one_file(tmp_path):
    path = written(tmp_path / 'a')
    (path / 'metadata.yaml').unlink()
    assert len(list(Recording(path).messages())) == 3
    (path / 'second.mcap').write_bytes(b'')
    with pytest.raises(BagError, match='`ros2 bag reindex a`'):
        Recording(path)


@pytest.mark.parametrize(
    'name, content, reason',
    [
        ('missing', None, 'does not exist; give a rosbag2 directory, or an .mcap or .db3 file'),
        ('old.bag', b'#ROSBAG V2.0\n', 'is of ROS 1; `rosbags-convert --src old.bag --dst DIR`'),
        ('notes.txt', b'hello', 'is no recording; give'),
        ('a.mcap.zstd', b'', '`zstd -d a.mcap.zstd`'),
        ('empty.mcap', b'', '`mcap recover empty.mcap'),
        ('junk.mcap', b'x' * 99, '`mcap recover junk.mcap'),
        ('junk.db3', b'x' * 9999, '`sqlite3 junk.db3 .recover`'),
        (
            'foreign.mcap',
            b'\x89MCAP0\r\n\x01' + (8).to_bytes(8, 'little') + bytes(8) + bytes(99),
            'not recorded by ROS 2',
        ),
    ],
)
def test_what_is_no_recording_is_refused_with_a_remedy(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=reason):
        Recording(tmp_path / name)


def test_an_empty_recording_is_refused(tmp_path):
    with pytest.raises(BagError, match='holds no topics; record with'):
        Recording(written(tmp_path / 'a', events=[]))


@pytest.mark.parametrize('name', ['a.mcap', 'a.db3'])
def test_a_recording_cut_off_or_damaged_is_refused_or_read_but_never_crashes(tmp_path, name):
    whole = written(tmp_path / name, events=EVENTS * 20).read_bytes()
    broken = tmp_path / f'broken{Path(name).suffix}'
    refused = 0
    for place in range(0, len(whole) - 8, len(whole) // 40):
        for data in (whole[:place], whole[:place] + b'\xff' * 8 + whole[place + 8 :]):
            broken.write_bytes(data)
            try:
                list(Recording(broken).messages())
            except BagError:
                refused += 1
    assert refused >= 40  # every one that is cut off


@pytest.mark.skipif(not os.environ.get('AUTONOMY_DATA'), reason='AUTONOMY_DATA names no folder of real data')
def test_a_real_recording_of_types_unknown_to_us_is_read():
    path = Path(os.environ['AUTONOMY_DATA']) / 'sensors' / 'rosbag2_nebula' / '64'
    if not path.exists():
        pytest.skip(f'{path} is missing')
    found = Recording(path)
    assert found.types == {'/pandar_packets': 'pandar_msgs/msg/PandarScan'}
    assert len(list(found.messages())) == found.counts['/pandar_packets'] == 4
