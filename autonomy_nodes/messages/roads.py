"""Routes and traffic lights of autoware's packages."""

import hashlib
from typing import Any

import numpy as np

from autonomy_nodes.common.lanes import Light, Route, TrafficLights
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.poses import headings_of, orientations_of
from autonomy_nodes.messages.store import decode, encode, header_of, new, stamp_of, time_of

ROUTE = 'autoware_planning_msgs/msg/LaneletRoute'
LIGHTS = 'autoware_perception_msgs/msg/TrafficLightGroupArray'
PRIMITIVE = 'lane'
CIRCLE, SOLID_OFF, SOLID_ON = 1, 1, 2  # of TrafficLightElement, where a shape and a status share the number 1
STRICTEST = (Light.RED, Light.AMBER, Light.GREEN)


def write_route(route: Route) -> bytes:
    """Write a route; its uuid is a hash of its lanelets and its goal, so that one route has one name."""
    lanes = [{'id': int(id_), 'primitive_type': PRIMITIVE} for id_ in route.lanelet_ids]
    name = hashlib.sha256(np.array([*route.lanelet_ids], '<i8').tobytes() + np.array(route.goal, '<f8').tobytes())
    message = new(
        ROUTE,
        header=header_of(route.stamp_ns, 'map'),
        start_pose=_pose(route.start),
        goal_pose=_pose(route.goal),
        segments=[{'preferred_primitive': lane, 'primitives': [lane]} for lane in lanes],
        uuid={'uuid': np.frombuffer(name.digest()[:16], np.uint8)},
    )
    return encode(ROUTE, message)


def read_route(data: bytes) -> Route:
    """Read a route in map."""
    message = decode(ROUTE, data)
    if message.header.frame_id != 'map':
        raise DataError(f'route is in frame {message.header.frame_id!r}, expected map')
    ids = tuple(segment.preferred_primitive.id for segment in message.segments)
    return Route(stamp_of(message.header.stamp), _place(message.start_pose), _place(message.goal_pose), ids)


def write_traffic_lights(lights: TrafficLights) -> bytes:
    """Write states of lights, each as one lamp."""
    groups = []
    for id_, light in lights.states.items():
        lamp = {'color': light.value, 'shape': CIRCLE, 'status': SOLID_ON, 'confidence': 1.0}
        groups.append({'traffic_light_group_id': int(id_), 'elements': [lamp]})
    return encode(LIGHTS, new(LIGHTS, stamp=time_of(lights.stamp_ns), traffic_light_groups=groups))


def read_traffic_lights(data: bytes) -> TrafficLights:
    """Read states of lights: of the round lamps of a group that are on the strictest counts; arrows allow nothing."""
    message = decode(LIGHTS, data)
    states: dict[int, Light] = {}
    for group in message.traffic_light_groups:
        on = {item.color for item in group.elements if item.shape == CIRCLE and item.status != SOLID_OFF}
        seen = next((light for light in STRICTEST if light.value in on), Light.UNKNOWN)
        states[int(group.traffic_light_group_id)] = seen
    return TrafficLights(stamp_of(message.stamp), states)


def _pose(place: tuple[float, float, float, float]) -> dict[str, Any]:
    *position, heading = place
    turn = orientations_of(np.array(heading))
    return {'position': dict(zip('xyz', map(float, position))), 'orientation': dict(zip('xyzw', map(float, turn)))}


def _place(pose: Any) -> tuple[float, float, float, float]:
    position = [getattr(pose.position, axis) for axis in 'xyz']
    if not np.isfinite(position).all():
        raise DataError(f'route ends at {position}')
    heading = headings_of(np.array([getattr(pose.orientation, axis) for axis in 'xyzw']))
    x, y, z = position
    return x, y, z, float(heading)
