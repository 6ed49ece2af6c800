"""Labels of KITTI's raw drives: tracklet_labels.xml, a track an item, its boxes on the ground in the LiDAR's frame.

Format: readTracklets of the development kit of the raw drives: poses of consecutive frames from first_frame on, tx ty
tz of the bottom's centre, rz the heading; occlusion 0 to 2, truncation 0 to 2 (99: not in the picture).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.frames import Truth, truth_of

UNSET = (-1.0, 99.0)  # of truncation and occlusion


@dataclass(frozen=True)
class Tracklet:
    """A box of one track in one frame, in the LiDAR's frame."""

    kind: str
    track: int
    size_m: tuple[float, float, float]  # length, width, height
    bottom_m: tuple[float, float, float]
    heading_rad: float
    occluded: float
    truncated: float


def read_tracklets(path: Path) -> dict[int, list[Tracklet]]:
    """Return {frame: boxes}; frames before the last labelled one have a list, be it empty."""
    found: dict[int, list[Tracklet]] = {}
    try:
        items = ElementTree.fromstring(path.read_text()).findall('tracklets/item')
        for track, item in enumerate(items):
            first, size = int(_number(item, 'first_frame')), tuple(_number(item, name) for name in 'lwh')
            for later, pose in enumerate(item.findall('poses/item')):
                found.setdefault(first + later, []).append(_box(item, pose, track, size))
    except (OSError, UnicodeDecodeError, ElementTree.ParseError, ValueError) as error:
        raise DataError(f'{path}: holds no tracklets ({error}); fetch it again') from error
    return {number: found.get(number, []) for number in range(max(found, default=-1) + 1)}


def _box(item: ElementTree.Element, pose: ElementTree.Element, track: int, size: tuple[float, ...]) -> Tracklet:
    length, width, height = size
    x, y, z, heading = (_number(pose, name) for name in ('tx', 'ty', 'tz', 'rz'))
    occluded, truncated = (
        math.nan if (value := _number(pose, name)) in UNSET else value for name in ('occlusion', 'truncation')
    )
    kind = (item.findtext('objectType') or '').strip()
    return Tracklet(kind, track, (length, width, height), (x, y, z), heading, occluded, truncated)


def _number(item: ElementTree.Element, name: str) -> float:
    """Return a finite number; ValueError where there is none."""
    value = float(item.findtext(name) or 'nan')
    if not math.isfinite(value):
        raise ValueError(f'{name} of {item.tag} is no number')
    return value


def tracklet_truth(
    stamp_ns: int, boxes: list[Tracklet], base_from_velo: np.ndarray, labels: Mapping[str, Label]
) -> Truth:
    """Return the boxes of one frame in base_link, of which the LiDAR's frame is not turned; ids are tracks."""
    count = len(boxes)
    sizes = np.array([box.size_m for box in boxes]).reshape(count, 3)
    bottoms = np.array([box.bottom_m for box in boxes]).reshape(count, 3)
    ids = np.zeros((count, 16), np.uint8)
    for row, box in enumerate(boxes):
        ids[row, :4] = np.frombuffer(box.track.to_bytes(4, 'big'), np.uint8)
    kinds = [box.kind for box in boxes]
    centres = bottoms + [0.0, 0.0, 0.5] * sizes
    headings = np.array([box.heading_rad for box in boxes])
    truth = truth_of(
        stamp_ns, kinds, [labels.get(kind, Label.UNKNOWN) for kind in kinds],
        centres @ base_from_velo[:3, :3].T + base_from_velo[:3, 3], headings, sizes, ids,
    )  # fmt: skip
    return replace(
        truth,
        truncated=np.array([box.truncated for box in boxes], float),
        occluded=np.array([box.occluded for box in boxes], float),
    )
