"""The bodies that rays meet and the boxes that the truth tells, of everybody who moves."""

import math
from collections.abc import Sequence

import numpy as np

from autonomy_nodes.common.kinematics import body_of, body_of_trailer
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.sim import shapes
from autonomy_nodes.sim.dynamics import Dynamics, EgoMotion, standing
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.sim.mesh import Mesh
from autonomy_nodes.sim.raycast import Body
from autonomy_nodes.sim.traffic import Stand, Traffic
from autonomy_nodes.sim.world import Actor, World

EGO = 0  # number of the vehicle's own bodies; actors count from 1
_UPRIGHT = (Label.PEDESTRIAN, Label.BICYCLE, Label.MOTORCYCLE, Label.ANIMAL)
_PAINT = (0.75, 0.76, 0.78)
_TRUCK_M = 2.4  # what is higher looks like a truck


class Cast:
    """Gives actors their bodies."""

    def __init__(self, world: World) -> None:
        self._ground = world.ground
        self._poses: dict[int, tuple[Stand, np.ndarray]] = {}  # of each actor, as it was asked for last

    def pose(self, actor: Actor, stand: Stand) -> np.ndarray:
        """Return the (4, 4) pose in map of an actor's body, its middle on the ground."""
        if actor.id not in self._poses or self._poses[actor.id][0] is not stand:  # who parks keeps his stand
            self._poses[actor.id] = stand, pose_of(self._ground, actor, stand)
        return self._poses[actor.id][1]

    def bodies(self, movers: Sequence[tuple[Actor, Stand]], centre: np.ndarray, within_m: float) -> list[Body]:
        """Return the bodies of those present whose middle is near (2,) `centre`."""
        found = []
        for actor, stand in movers:
            if stand.gone or math.dist((stand.x_m, stand.y_m), centre) > within_m + actor.dimensions_m[0]:
                continue
            pose = self.pose(actor, stand)
            mesh = shapes.body(actor.shape, actor.dimensions_m, actor.style)
            velocity = pose[:3, 0] * stand.speed_mps
            found.append(Body(actor.id, mesh, pose, actor.tint, Semantic.ACTOR, velocity, stand.turn_rps))
        return found


def pose_of(ground: HeightField, actor: Actor, stand: Stand) -> np.ndarray:
    """Return the (4, 4) pose in map of an actor's body, its middle on the ground."""
    length, width, _ = actor.dimensions_m
    place = np.array([stand.x_m, stand.y_m])
    if actor.label not in _UPRIGHT:
        return standing(ground, place, stand.heading_rad, (-0.3 * length, 0.3 * length), 0.45 * width)
    cos, sin = math.cos(stand.heading_rad), math.sin(stand.heading_rad)
    pose = np.eye(4)
    pose[:2, :2] = [[cos, -sin], [sin, cos]]
    pose[:3, 3] = [*place, float(ground.height(place))]
    return pose


def ego_mesh(vehicle: Vehicle) -> Mesh:
    """Return the shape of the vehicle about its base_link."""
    size = (vehicle.length_m, vehicle.width_m, vehicle.height_m)
    shape = 'tractor' if vehicle.trailer.present else 'truck' if vehicle.height_m > _TRUCK_M else 'car'
    return shapes.body(shape, size).shifted(x=body_of(vehicle).middle_m)


def ego_bodies(vehicle: Vehicle, dynamics: Dynamics, motion: EgoMotion, meshes: Sequence[Mesh]) -> tuple[Body, ...]:
    """Return the vehicle and its trailer; meshes: of both, as `ego_meshes` gives them."""
    velocity, turn = motion.map_from_base[:3, 0] * motion.speed_mps, float(motion.twist[5])
    poses = [motion.map_from_base]
    if vehicle.trailer.present:
        poses.append(dynamics.trailer_pose(motion))
    return tuple(Body(EGO, mesh, pose, _PAINT, Semantic.EGO, velocity, turn) for mesh, pose in zip(meshes, poses))


def ego_meshes(vehicle: Vehicle) -> tuple[Mesh, ...]:
    """Return the shapes of the vehicle about base_link and of its trailer about its axle."""
    if not vehicle.trailer.present:
        return (ego_mesh(vehicle),)
    body = body_of_trailer(vehicle.trailer)
    size = (body.front_m + body.rear_m, body.width_m, max(3.9, vehicle.height_m))
    return ego_mesh(vehicle), shapes.body('trailer', size).shifted(x=body.middle_m)


def truth_of(stamp_ns: int, traffic: Traffic, cast: Cast) -> Objects:
    """Return everybody as tracked objects in map."""
    present = [(actor, traffic.stands[actor.id]) for actor in traffic.actors if traffic.present(actor.id)]
    count = len(present)
    poses = [cast.pose(actor, stand) for actor, stand in present]
    size = np.array([actor.dimensions_m for actor, _ in present]).reshape(count, 3)
    middles = np.array(
        [pose[:3, 3] + pose[:3, 2] * actor.dimensions_m[2] / 2 for pose, (actor, _) in zip(poses, present)]
    )
    headings = np.array([stand.heading_rad for _, stand in present]).reshape(count)
    speeds = np.array([stand.speed_mps for _, stand in present]).reshape(count)
    classes = np.zeros((count, len(Label)))
    classes[np.arange(count), [int(actor.label) for actor, _ in present]] = 1.0
    ids = np.zeros((count, 16), np.uint8)
    ids[:, :4] = np.array([actor.id for actor, _ in present], '>u4').reshape(count, 1).view(np.uint8)
    return Objects(
        stamp_ns,
        'map',
        middles.reshape(count, 3),
        (headings + np.pi) % (2.0 * np.pi) - np.pi,
        size,
        np.ones(count),
        classes,
        speeds[:, None] * np.stack([np.cos(headings), np.sin(headings)], axis=-1),
        np.array([stand.turn_rps for _, stand in present]).reshape(count),
        np.tile(1e-6 * np.eye(3), (count, 1, 1)),
        np.tile(1e-6 * np.eye(2), (count, 1, 1)),
        ids,
    )
