"""Recordings of raw packets of LiDARs: pandar_msgs/PandarScan (Hesai Pandar64) and velodyne_msgs/VelodyneScan (VLP-16).

A frame is one turn of the rotor, seen whole; what comes before the first and after the last is left out. Its name is
the time of receipt of the message that completes it, its stamp the time of its first point by the packets' stamps.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.bags import BagError, Recording
from autonomy_nodes.messages.formats import packets_hesai, packets_velodyne
from autonomy_nodes.messages.formats.frames import Drive, Frame
from autonomy_nodes.messages.formats.packets_returns import Returns

LIDAR = 'lidar_top'
HESAI, VELODYNE = 'pandar_msgs/msg/PandarScan', 'velodyne_msgs/msg/VelodyneScan'


@dataclass(frozen=True, eq=False)
class Scan:
    """One turn of the rotor. name: time of receipt of the message that completes it. angle_deg: (N,) of each point."""

    name: str
    cloud: PointCloud
    angle_deg: np.ndarray


def drives(folder: Path) -> list[Drive]:
    """Return a drive a recording: of the folder itself, or of those in it."""
    found, broken = [], []
    for bag in bags(folder):
        try:
            kept, lost = scans(bag)
        except DataError as error:
            broken.append(str(error))
            continue
        frames = [Frame(scan.name, scan.cloud.stamp_ns, {}, {'top': partial(_cloud, scan)}) for scan in kept]
        notes = ['raw packets: where the LiDAR sits is not told', f'{lost} packets are none of this sensor']
        found.append(Drive(bag.name, frames, notes=notes[: 2 if lost else 1]))
    if not found:
        raise DataError(broken[0] if broken else f'{folder}: holds no recording of {HESAI} or {VELODYNE}')
    return [*found[:-1], Drive(found[-1].name, found[-1].frames, notes=found[-1].notes, broken=broken)]


def fits(folder: Path) -> bool:
    """Return whether a folder is a recording of packets, or holds some."""
    return any(True for _ in bags(folder))


def bags(folder: Path) -> Iterator[Path]:
    """Yield the recordings of packets: the folder itself, or those in it."""
    folder = Path(folder)
    if not folder.is_dir():
        return
    for place in [folder] if (folder / 'metadata.yaml').is_file() else sorted(folder.iterdir()):
        if (place / 'metadata.yaml').is_file() and any(kind in _told(place) for kind in (HESAI, VELODYNE)):
            yield place


def scans(bag: Path, as_nebula: bool = False) -> tuple[list[Scan], int]:
    """Return the whole turns of a recording, and how many packets were none of its sensor's.

    as_nebula: see `packets_velodyne.returns`.
    """
    recording = Recording(bag)
    topics = [topic for topic, kind in recording.types.items() if kind in (HESAI, VELODYNE)]
    if len(topics) != 1:
        raise DataError(f'{bag}: has {len(topics)} topics of packets: {", ".join(topics)}; expected one')
    hesai = recording.types[topics[0]] == HESAI
    packets, stamps_ns, received_ns = [], [], []
    for _, _, receive_ns, data in recording.messages(topics):
        rows, stamps = _unpacked(data, bag, *((8 + 1500 + 4, max(packets_hesai.SIZES)) if hesai else (1216, 1206)))
        packets.append(rows)
        stamps_ns.append(stamps)
        received_ns += [receive_ns] * len(rows)
    rows, stamps = np.concatenate(packets), np.concatenate(stamps_ns)
    whole = (packets_hesai if hesai else packets_velodyne).whole(rows)
    if not whole.any():
        raise DataError(f'{bag}: not one packet is of a {"Pandar64" if hesai else "VLP-16"}; others are not read')
    returns = packets_hesai.returns(rows[whole]) if hesai else packets_velodyne.returns(rows[whole], as_nebula)
    return _cut(returns, stamps[whole], np.array(received_ns)[whole]), int((~whole).sum())


def _cut(returns: Returns, stamps_ns: np.ndarray, received_ns: np.ndarray) -> list[Scan]:
    times = stamps_ns[returns.packet] + returns.offset_ns
    found = []
    for turn, last in returns.whole_turns():
        mine = returns.turn == turn
        if not mine.any():
            continue
        start_ns = int(times[mine].min())
        cloud = PointCloud(
            start_ns, LIDAR, returns.xyz[mine], returns.intensity[mine], returns.ring[mine], times[mine] - start_ns
        )
        found.append(Scan(str(received_ns[min(last, len(received_ns) - 1)]), cloud, returns.angle_deg[mine]))
    return found


def _unpacked(data: bytes, bag: Path, stride: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, size) bytes of the packets of a message in CDR, and (P,) their stamps [ns]."""
    try:
        (length,) = struct.unpack_from('<I', data, 12)
        start = 16 + -(-length // 4) * 4
        (count,) = struct.unpack_from('<I', data, start)
    except struct.error as error:
        raise DataError(f'{bag}: a message of {len(data)} bytes holds no packets') from error
    held = np.frombuffer(data, np.uint8, offset=start + 4)
    if data[1] != 1 or len(held) < count * stride - 2:  # the last packet may lack the bytes that fill it up
        raise DataError(f'{bag}: a message of {len(data)} bytes is too short for {count} packets')
    rows = np.zeros(count * stride, np.uint8)
    rows[: min(len(held), len(rows))] = held[: len(rows)]
    rows = rows.reshape(count, stride)
    stamps = np.ascontiguousarray(rows[:, :8]).view('<u4').astype(np.int64)
    return rows[:, 8 : 8 + size], stamps[:, 0] * SECOND_NS + stamps[:, 1]


def _cloud(scan: Scan) -> PointCloud:
    return scan.cloud


@lru_cache(maxsize=8)
def _told(bag: Path) -> str:
    try:
        return (bag / 'metadata.yaml').read_text()
    except OSError as error:
        raise BagError(f'{bag}: metadata.yaml cannot be read ({error})') from error
