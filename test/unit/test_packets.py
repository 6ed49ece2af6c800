"""Raw packets of LiDARs: single points by hand, broken ones, and the recordings of others with what they decoded."""

import struct
from pathlib import Path

import numpy as np
import pytest
from real_data import recorded, sensors

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.packets import differences, evaluate
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.messages.formats import packets_hesai, packets_velodyne
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import detected, drives
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.messages.formats.packets import _unpacked, scans


def pandar(angles, cells, mode=0x38, unit_mm=4):
    """One packet. angles: six, in 0.01 degrees. cells: {(block, channel): (distance in units, intensity)}."""
    packet = np.zeros(1194, np.uint8)
    packet[:6] = [0xEE, 0xFF, 64, 6, 0, unit_mm]
    for block in range(6):
        start = 8 + 194 * block
        packet[start : start + 2] = list(struct.pack('<H', angles[block]))
        for channel in range(64):
            distance, light = cells.get((block, channel), (0, 0))
            packet[start + 2 + 3 * channel : start + 5 + 3 * channel] = [*struct.pack('<H', distance), light]
    packet[packets_hesai.RETURN_MODE] = mode
    return packet


def puck(angles, cells, mode=0x37):
    """One packet. cells: {(block, firing, laser): (distance in 2 mm, intensity)}."""
    packet = np.zeros(1206, np.uint8)
    for block in range(12):
        start = 100 * block
        packet[start : start + 4] = [0xFF, 0xEE, *struct.pack('<H', angles[block])]
        for firing in range(2):
            for laser in range(16):
                place = start + 4 + 48 * firing + 3 * laser
                distance, light = cells.get((block, firing, laser), (0, 0))
                packet[place : place + 3] = [*struct.pack('<H', distance), light]
    packet[1204:] = [mode, 0x22]
    return packet


def test_a_point_of_a_pandar_lies_where_its_angles_say():
    """Channel 12 (0 from 11): up 1.031, aside -1.042 degrees; rotor at 91.042: all along x. 1000 units of 4 mm: 4 m."""
    found = packets_hesai.returns(pandar([9104] * 6, {(2, 11): (1000, 77)})[None])
    up, aside = np.radians([1.031, 91.04 - 1.042])
    wanted = 4.0 * np.array([np.cos(up) * np.sin(aside), np.cos(up) * np.cos(aside), np.sin(up)])
    np.testing.assert_allclose(found.xyz, [wanted], atol=1e-5)
    assert found.intensity[0] == 77 and found.ring[0] == 63 - 11
    assert found.offset_ns[0] == -(42_580 + 3 * 55_560)  # third of six blocks


def test_two_returns_of_one_firing_are_two_points_unless_they_are_one_thing():
    """Dual: blocks 0 and 1 share an angle. 4 m and 4.08 m are one (the second stays); 4 m and 4.12 m are two."""
    cells = {(0, 5): (1000, 1), (1, 5): (1020, 2), (2, 5): (1000, 3), (3, 5): (1030, 4)}
    found = packets_hesai.returns(pandar([1000, 1000, 1020, 1020, 1040, 1040], cells, mode=0x39)[None])
    assert list(found.intensity) == [2.0, 3.0, 4.0]


def test_a_point_belongs_to_the_turn_in_which_its_own_angle_lies():
    """Channel 9 points 5.208 degrees ahead: at 358 it is in the next turn; channel 10 as far behind."""
    angles = [35_780, 35_790, 35_800, 190, 200, 210]
    found = packets_hesai.returns(pandar(angles, {(2, 8): (1000, 1), (4, 9): (1000, 2)})[None])
    assert list(found.turn) == [1, 0]
    np.testing.assert_allclose(found.angle_deg, [3.208, 356.792], atol=1e-9)


def test_a_point_of_a_puck_turns_on_while_its_block_is_fired():
    """Laser 4 of the second firing comes 55.296 + 9.216 us after its block's start, of 110.592 until the next block.

    With 0.4 degrees to the next block it points 0.2333 degrees on, rounded to 0.23, and 11 degrees down.
    """
    angles = [9000 + 40 * block for block in range(12)]
    found = packets_velodyne.returns(puck(angles, {(1, 1, 4): (2000, 9)})[None])
    down, around = np.radians([-11.0, 90.63])
    wanted = 4.0 * np.array([np.cos(down) * np.cos(around), -np.cos(down) * np.sin(around), np.sin(down)])
    np.testing.assert_allclose(found.xyz, [wanted], atol=1e-5)
    assert found.ring[0] == 2 and found.offset_ns[0] == 2 * 55_296 + 55_296 + 4 * 2_304


def test_the_same_return_twice_is_one_point():
    angles = np.repeat([100 + 40 * pair for pair in range(6)], 2)
    cells = {(0, 0, 1): (2000, 1), (1, 0, 1): (2000, 2), (2, 0, 1): (2000, 3), (3, 0, 1): (2001, 4)}
    found = packets_velodyne.returns(puck(angles, cells, mode=0x39)[None])
    assert list(found.intensity) == [1.0, 3.0, 4.0]


def test_packets_of_others_are_told_apart():
    good, other = pandar([0] * 6, {}), np.zeros(1194, np.uint8)
    assert list(packets_hesai.whole(np.stack([good, other]))) == [True, False]
    hires = puck([0] * 12, {})
    hires[1205] = 0x24
    assert list(packets_velodyne.whole(np.stack([puck([0] * 12, {}), hires]))) == [True, False]


@pytest.mark.parametrize('size', [0, 10, 24, 500])
def test_a_message_that_is_cut_off_is_refused(size):
    head = b'\0\1\0\0' + struct.pack('<III', 1, 2, 6) + b'hesai\0\0\0' + struct.pack('<I', 2)
    message = head + bytes(2 * 1512)
    assert _unpacked(message, Path('bag'), 1512, 1198)[0].shape == (2, 1198)
    with pytest.raises(DataError, match='bag: a message of'):
        _unpacked(message[:size], Path('bag'), 1512, 1198)


def test_points_are_compared_one_by_one_and_with_the_nearest_where_counts_differ():
    reference = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    assert differences(reference + [0.0, 0.0, 0.003], reference)['max_error_m'] == pytest.approx(0.003)
    assert differences(reference[::-1], reference)['max_error_m'] == 1.0
    assert differences(reference[:1], reference)['max_error_m'] == 1.0


def test_the_recordings_decode_to_what_another_decoder_made_of_them(tmp_path):
    figures = evaluate(Task(sensors('rosbag2_nebula'), tmp_path)).figures
    assert figures['n_compared'] == 2 and figures['count_difference'] == 0
    assert figures['64.n_points'] == 93591 and figures['64.max_error_m'] < 2e-5
    assert figures['vlp16.n_points'] == 14831 and figures['vlp16.max_error_m'] < 0.002
    told = recorded('packets')
    for name in ('64.max_error_m', 'vlp16.max_error_m', '64.n_points', 'vlp16.n_points'):
        assert figures[name] == pytest.approx(told[f'packets.{name}'], abs=1e-5)
    stored = np.load(tmp_path / '64_1673403880898440686.npz')
    assert stored['xyz'].shape == (93591, 3) and (stored['offset_ns'] >= 0).all()


def test_by_the_manual_each_return_of_a_firing_has_one_angle():
    """The other decoder puts second returns at the angle of the next block; of one firing both must lie on one ray."""
    cells = {(0, 0, 1): (2000, 1), (1, 0, 1): (3000, 2)}
    angles = np.repeat([100 + 40 * pair for pair in range(6)], 2)
    packet = puck(angles, cells, mode=0x39)[None]
    one, two = packets_velodyne.returns(packet).xyz
    np.testing.assert_allclose(one * 1.5, two, rtol=1e-5)
    one, two = packets_velodyne.returns(packet, as_nebula=True).xyz
    assert np.abs(one * 1.5 - two).max() > 0.01


def test_recordings_of_packets_are_imported_as_sweeps(tmp_path):
    folder = sensors('rosbag2_nebula')
    assert detected(folder).name == 'packets'
    found = drives(folder)
    assert [drive.name for drive in found] == ['64', 'vlp16'] and [len(drive.frames) for drive in found] == [2, 3]
    first, second = (frame.stamp_ns for frame in found[0].frames)
    assert 0.099e9 < second - first < 0.101e9  # ten turns a second
    assert scans(folder / 'vlp16')[0][0].cloud.ring.max() == 15
    drive = found[1].mounted({(BASE, 'lidar_top'): np.eye(4)})
    assert any('3' in line for line in write_drive(drive, tmp_path / 'bag').lines())
