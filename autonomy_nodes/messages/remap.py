"""Recordings with other names: a yaml file says which of their topics is which of ours; docs/remap.yaml is one.

`topics` are lines RECORDED: OURS. Types stay, but Odometry and TwistStamped become the VelocityReport of the wheels.
`frames` are lines RECORDED: OURS for the frames of /tf_static, such as base_footprint: base_link.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from autonomy_nodes.common.sensing import Transforms, WheelSpeed
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.motion import read_transforms, write_transforms, write_velocity
from autonomy_nodes.messages.store import decode, stamp_of

FOREIGN = ('vehicle', 'people')  # whose topics the stack reads from a recording
EXAMPLE = 'docs/remap.yaml is an example'


TWISTS: Mapping[str, Callable[[Any], Any]] = {  # types that tell a speed, and where in them
    'nav_msgs/msg/Odometry': lambda message: message.twist.twist,
    'geometry_msgs/msg/TwistStamped': lambda message: message.twist,
    'geometry_msgs/msg/TwistWithCovarianceStamped': lambda message: message.twist.twist,
}


def _speed(message: Any, twist_of: Callable[[Any], Any]) -> bytes:
    twist = twist_of(message)
    speed = WheelSpeed(stamp_of(message.header.stamp), twist.linear.x, twist.linear.y, twist.angular.z)
    return write_velocity(speed)


@dataclass(frozen=True)
class Way:
    """What becomes of a recorded topic: our name, our type, and how a message is made that, None where it is that."""

    name: str
    type: str
    made: Callable[[bytes], bytes] | None


@dataclass(frozen=True)
class Remap:
    """topics: {name in the recording: ours}, without first slashes. frames: {name in its /tf_static: ours}."""

    topics: Mapping[str, str] = field(default_factory=dict)
    frames: Mapping[str, str] = field(default_factory=dict)

    def way(self, topic: str, kind: str) -> 'Way':
        """Return what becomes of a recorded topic; raises DataError where its type cannot become that of ours."""
        plain = topic.lstrip('/')
        ours = topics.find(self.topics[plain]) if plain in self.topics else None
        name = topic if ours is None else f'/{ours.name.lstrip("/")}'
        if self.frames and name == topics.TF_STATIC.name:
            return Way(name, kind, self._renamed)
        if ours is None or ours.type == kind:
            return Way(name, kind, None)
        if ours.name == topics.VELOCITY.name and kind in TWISTS:
            return Way(name, ours.type, lambda data: _speed(decode(kind, data), TWISTS[kind]))
        raise DataError(f'topic {topic} is {kind}, but {ours.name} is {ours.type}; remap another one')

    def _renamed(self, data: bytes) -> bytes:
        found = read_transforms(data)
        ours = {name: self.frames.get(name, name) for pair in found.matrices for name in pair}
        renamed = {(ours[parent], ours[child]): each for (parent, child), each in found.matrices.items()}
        return write_transforms(Transforms(found.stamp_ns, renamed))

    def check(self, recorded: Iterable[str]) -> list[str]:
        """Return which topics a recording lacks; raises DataError where it lacks all, or has one of ours besides."""
        names = {name.lstrip('/') for name in recorded}
        missing = sorted(self.topics.keys() - names)
        if self.topics and len(missing) == len(self.topics):
            raise DataError(f'has no topic that is remapped; it has {", ".join(sorted(names))}')
        for name in self.topics.keys() & names:
            if (ours := self.topics[name]) in names - self.topics.keys():
                raise DataError(f'has {ours} besides {name}, which is remapped to it; take one line out')
        return missing


def read_remap(path: Path) -> Remap:
    """Read a remap file; raises DataError naming what is wrong with it."""
    try:
        told = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f'{path}: cannot be read ({error}); {EXAMPLE}') from error
    if not isinstance(told, dict) or not told.keys() <= {'topics', 'frames'}:
        raise DataError(f'{path}: must hold topics: and frames:, and nothing else; {EXAMPLE}')
    parts = {key: told.get(key) or {} for key in ('topics', 'frames')}
    for key, part in parts.items():
        if not isinstance(part, dict) or not all(isinstance(word, str) for pair in part.items() for word in pair):
            raise DataError(f'{path}: {key} must be lines RECORDED: OURS; {EXAMPLE}')
    names = {recorded.lstrip('/'): ours.lstrip('/') for recorded, ours in parts['topics'].items()}
    if twice := sorted({ours for ours in names.values() if list(names.values()).count(ours) > 1}):
        raise DataError(f'{path}: two topics become {", ".join(twice)}; take one out')
    for ours in names.values():
        topic = topics.find(ours)
        if topic is None or topic.given_by not in FOREIGN:
            known = ', '.join(each.name for each in topics.TABLE if each.given_by in FOREIGN)
            raise DataError(f'{path}: {ours} is no topic that the stack reads from a recording; these are: {known}')
    return Remap(names, parts['frames'])
