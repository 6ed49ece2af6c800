"""A first draft of a remap file: what the topics of a recording are likely to be, by their types and names."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.remap import TWISTS
from autonomy_nodes.messages.topics import Topic

SINGLE = (  # topics of which there is one, with the types that can become it, the likeliest first
    (topics.IMU, (topics.IMU.type,)),
    (topics.GNSS_FIX, (topics.GNSS_FIX.type,)),
    (topics.VELOCITY, (topics.VELOCITY.type, 'geometry_msgs/msg/TwistStamped', *TWISTS)),
    (topics.STEERING, (topics.STEERING.type,)),
    (topics.CONTROL_MODE, (topics.CONTROL_MODE.type,)),
    (topics.GEAR, (topics.GEAR.type,)),
)
OF_CAMERA = {  # what follows a camera's own name, by type
    topics.IMAGE_COMPRESSED: re.compile(r'/?(image\w*/)?compressed$|/?image\w*$'),
    topics.IMAGE_RAW: re.compile(r'/?(image\w*|rgb|color)$'),
    topics.CAMERA_INFO: re.compile(r'/?camera_info$'),
}
PICTURES = (topics.IMAGE_COMPRESSED, topics.IMAGE_RAW)
WHEELS = re.compile(r'wheel|vehicle|can\b|speed|chassis')  # of several speeds that of the wheels comes first
COMMON = {
    'points', 'point', 'cloud', 'cloud2', 'pointcloud', 'pointcloud2', 'lidar', 'camera', 'cam', 'sensor', 'sensors',
    'sensing', 'raw', 'driver', 'scan',
}  # fmt: skip
GROUND_FRAMES = ('base_footprint', 'vehicle', 'ego_vehicle', 'rear_axle', 'base')
Line = tuple[str, str, bool]  # name in the recording, ours, whether another one is likelier


def drafted(types: Mapping[str, str], frames: Collection[str]) -> str:
    """Return a remap file as text. types: {topic: type} of a recording. frames: those of its /tf_static.

    Raises DataError where no topic has a type that could be one of ours.
    """
    foreign = {name.lstrip('/'): kind for name, kind in sorted(types.items()) if topics.find(name) is None}
    lines = [*_lidars(foreign), *_cameras(foreign), *_singles(foreign, set(types.values()))]
    if not lines:
        raise DataError('nothing to draft: no topic with another name has a type that the stack reads')
    text = ['# Drafted by types and names: look it through. To a line with # another one was preferred.']
    text += ['topics:', *(f'  {"# " * other}/{name}: {ours}' for name, ours, other in lines)]
    if 'base_link' not in frames and (base := next((each for each in GROUND_FRAMES if each in frames), '')):
        text += ['frames:  # base_link is the middle of the rear axle, on the ground', f'  {base}: base_link']
    return '\n'.join(text) + '\n'


def _lidars(foreign: Mapping[str, str]) -> Iterator[Line]:
    found = [name for name, kind in foreign.items() if kind == topics.LIDAR_RAW.type]
    for name, called in zip(found, _called(found, 'top')):
        yield name, topics.LIDAR_RAW.name.format(name=called), False


def _cameras(foreign: Mapping[str, str]) -> Iterator[Line]:
    of: dict[str, dict[Topic, list[str]]] = {}
    for name, kind in foreign.items():
        for topic, ending in OF_CAMERA.items():
            if kind == topic.type and (end := ending.search(name)):
                of.setdefault(name[: end.start()], {}).setdefault(topic, []).append(name)
    seeing = [camera for camera, told in of.items() if set(told) - {topics.CAMERA_INFO}]
    for camera, called in zip(seeing, _called(seeing, 'front')):
        pictures = [(told, name) for told in PICTURES for name in of[camera].get(told, ())]
        for place, (told, name) in enumerate(pictures):
            yield name, told.name.format(name=called), place > 0
        for place, name in enumerate(of[camera].get(topics.CAMERA_INFO, ())):
            yield name, topics.CAMERA_INFO.name.format(name=called), place > 0


def _singles(foreign: Mapping[str, str], there: set[str]) -> Iterator[Line]:
    for topic, kinds in SINGLE:
        found = [name for kind in dict.fromkeys(kinds) for name, of in foreign.items() if of == kind]
        found.sort(key=lambda name: topic is topics.VELOCITY and not WHEELS.search(name))
        for place, name in enumerate(found):
            yield name, topic.name, place > 0


def _called(names: list[str], only: str) -> list[str]:
    """Return what sensors are called: `only` where there is one, else the words in which their names differ."""
    if len(names) < 2:
        return [only] * len(names)
    words = [[word for word in re.split(r'\W+|_', name.lower()) if word and word not in COMMON] for name in names]
    shared = set.intersection(*(set(each) for each in words))
    called = ['_'.join(word for word in each if word not in shared) or only for each in words]
    return [f'{each}_{1 + called[:n].count(each)}' if each in called[:n] else each for n, each in enumerate(called)]


def write_draft(path: Path, types: Mapping[str, str], frames: Collection[str]) -> None:
    """Write a draft; raises DataError where a file is there already."""
    if path.exists():
        raise DataError(f'{path}: is there already: give another name, or take it away')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drafted(types, frames))
