"""What the live viewer draws of each topic, in the terms of Rerun: places in odom in metres, colours, labels.

Rerun is given as `rr`, its module: it is an extra, and is imported only where a viewer is asked for.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from autonomy_nodes.common.grid import Grid, kinds
from autonomy_nodes.common.lanes import LaneObservations, LanePieces, Line
from autonomy_nodes.common.objects import Label, Objects, Predictions
from autonomy_nodes.common.sensing import CameraModel, Image, PointCloud
from autonomy_nodes.common.types import EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle

ODOM, BASE = 'odom', 'odom/base_link'
GROUND = np.array(  # a colour a place in common.grid.KINDS; the unknown is not drawn at all
    [(0, 0, 0), (74, 92, 80), (70, 120, 84), (150, 146, 72), (186, 132, 60), (206, 122, 62), (150, 104, 214),
     (206, 98, 84)], np.uint8,
)  # fmt: skip
MODES = ((251, 171, 60), (197, 139, 255), (69, 196, 221), (247, 120, 182), (166, 209, 90), (163, 177, 194))
GREY, WHITE, ORANGE, BLUE = (150, 160, 172), (235, 240, 245), (255, 130, 60), (110, 165, 235)
STOP, DRIVEN, PLANNED = (255, 70, 85), (70, 220, 160), (240, 240, 120)
PERSON, BIKE = (255, 144, 87), (76, 208, 208)
COLOURS: dict[int, tuple[int, int, int]] = {
    Label.CAR: BLUE, Label.TRUCK: BLUE, Label.BUS: BLUE, Label.TRAILER: BLUE, Label.MOTORCYCLE: BIKE,
    Label.BICYCLE: BIKE, Label.PEDESTRIAN: PERSON, Label.ANIMAL: PERSON,
}  # fmt: skip
LINES: dict[int, tuple[int, int, int]] = {
    Line.CENTERLINE: (110, 120, 150), Line.BOUNDARY: (222, 227, 234), Line.STOP_LINE: STOP,
}  # fmt: skip
LEAST = 0.05  # paths less probable than this are not drawn
OCCUPIED = 0.5  # from which a far cell counts as an obstacle
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 70)


@dataclass(frozen=True)
class Drawing:
    """Something to draw at a path of the viewer's tree; `lasting` is drawn whatever the moment."""

    path: str
    archetype: Any
    lasting: bool = False


@dataclass(frozen=True)
class Pen:
    """Draws values. most_points: of a cloud. picture_px: pictures are made no wider. vehicle: whose body is drawn."""

    rr: Any
    vehicle: Vehicle
    most_points: int
    picture_px: int

    def ego(self, ego: EgoState) -> list[Drawing]:
        """Return where base_link lies."""
        rotation = self.rr.Quaternion(xyzw=ego.orientation)
        return [
            Drawing(BASE, self.rr.Transform3D(translation=ego.position_m, rotation=rotation)),
            Drawing('speed/measured', self.rr.Scalars(ego.speed_mps)),
        ]

    def body(self) -> list[Drawing]:
        """Return the body of the vehicle, once."""
        car = self.vehicle
        centre = [(car.front_m - car.rear_m) / 2.0, 0.0, car.height_m / 2.0]
        half = [car.length_m / 2.0, car.width_m / 2.0, car.height_m / 2.0]
        box = self.rr.Boxes3D(centers=[centre], half_sizes=[half], colors=[WHITE], radii=0.04)
        axes = self.rr.Arrows3D(vectors=2.0 * np.eye(3), colors=255 * np.eye(3, dtype=np.uint8))
        world = Drawing(ODOM, self.rr.ViewCoordinates.RIGHT_HAND_Z_UP, lasting=True)
        return [world, Drawing(f'{BASE}/body', box, lasting=True), Drawing(f'{BASE}/axes', axes, lasting=True)]

    def cloud(self, path: str, colour: tuple[int, int, int], cloud: PointCloud) -> list[Drawing]:
        """Return points of a cloud in base_link, every so many of them."""
        xyz = cloud.xyz[:: -(-len(cloud) // self.most_points) or 1]
        return [Drawing(f'{BASE}/{path}', self.rr.Points3D(xyz, colors=[colour], radii=-1.5))]  # negative: in pixels

    def terrain(self, grid: Grid) -> list[Drawing]:
        """Return the cells that were seen, at their height."""
        return self._cells(f'{ODOM}/terrain', grid, kinds(grid))

    def far(self, grid: Grid) -> list[Drawing]:
        """Return the far cells that were seen: ground, or obstacle."""
        seen = np.nan_to_num(grid.layers['observed']) > 0.0
        occupied = grid.layers['occupancy'] >= OCCUPIED  # a comparison with NaN is false
        return self._cells(f'{ODOM}/terrain_far', grid, np.where(occupied, 7, np.where(seen, 1, 0)))

    def _cells(self, path: str, grid: Grid, kind: np.ndarray) -> list[Drawing]:
        height = grid.layers['elevation']
        i, j = np.nonzero((kind > 0) & np.isfinite(height))
        xy = grid.origin_m + grid.resolution_m * (np.column_stack([i, j]) + 0.5)
        radius_m = 0.25 * grid.resolution_m
        xyz = np.column_stack([xy, height[i, j] - radius_m]).astype(np.float32)  # what lies on the ground stays seen
        return [Drawing(path, self.rr.Points3D(xyz, colors=GROUND[kind[i, j]], radii=radius_m))]

    def predictions(self, told: Predictions) -> list[Drawing]:
        """Return boxes with class, id and speed, and the probable paths, coloured by mode; unknown: the id alone."""
        paths, colours, radii = [], [], []
        floor = told.objects.positions_m[:, 2] - told.objects.dimensions_m[:, 2] / 2.0 + 0.2
        for row, mode in np.argwhere(told.probabilities >= LEAST):
            xy = told.paths[row, mode, :, :2]
            paths.append(np.column_stack([xy, np.full(len(xy), floor[row])]))
            colours.append(MODES[mode % len(MODES)])
            radii.append(0.03 + 0.1 * told.probabilities[row, mode])
        return [
            Drawing(f'{ODOM}/objects', self._boxes(told.objects)),
            Drawing(f'{ODOM}/predictions', self.rr.LineStrips3D(paths, colors=colours, radii=radii)),
        ]

    def _boxes(self, objects: Objects) -> Any:
        half = objects.headings_rad / 2.0
        turns = np.column_stack([np.zeros((len(half), 2)), np.sin(half), np.cos(half)])
        labels = [
            f'{Label(label).name.lower()} {name[:4]}{_speed(velocity)}' if label else name[:4]
            for label, name, velocity in zip(objects.labels, objects.names(), objects.velocities_mps)
        ]
        colours = [COLOURS.get(int(label), GREY) for label in objects.labels]
        return self.rr.Boxes3D(
            centers=objects.positions_m, half_sizes=objects.dimensions_m / 2.0, quaternions=turns, colors=colours,
            labels=labels, show_labels=True, radii=0.04,
        )  # fmt: skip

    def line(self, path: str, colour: tuple[int, int, int], width_m: float, told: Trajectory) -> list[Drawing]:
        """Return a trajectory in odom."""
        strip = told.poses[:, :3] + [0.0, 0.0, 0.15]
        return [Drawing(f'{ODOM}/{path}', self.rr.LineStrips3D([strip], colors=[colour], radii=width_m / 2.0))]

    def candidates(self, told: tuple[int, list[np.ndarray]]) -> list[Drawing]:
        """Return the best candidates of the planner, in odom."""
        return [Drawing(f'{ODOM}/candidates', self.rr.LineStrips3D(told[1], colors=[GREY], radii=0.03))]

    def map_lines(self, pieces: LanePieces) -> list[Drawing]:
        """Return the lines of the map, in base_link."""
        strips = [points[np.isfinite(points[:, 0])] for points in pieces.points]
        colours = [LINES.get(int(kind), WHITE) for kind in pieces.classes]
        return [Drawing(f'{BASE}/map', self.rr.LineStrips3D(strips, colors=colours, radii=0.05))]

    def paint(self, seen: LaneObservations) -> list[Drawing]:
        """Return paint and edges that were seen, in base_link."""
        return [Drawing(f'{BASE}/paint', self.rr.LineStrips3D(seen.segments, colors=[ORANGE], radii=0.06))]

    def picture(self, name: str, image: Image) -> list[Drawing]:
        """Return a rectified picture, made small."""
        height, width = image.pixels.shape[:2]
        scale = min(1.0, self.picture_px / width)
        size = round(width * scale), round(height * scale)
        small = cv2.cvtColor(cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
        data = cv2.imencode('.jpg', small, JPEG)[1].tobytes()
        return [Drawing(f'{BASE}/camera/{name}', self.rr.EncodedImage(contents=data, media_type='image/jpeg'))]

    def camera(self, name: str, model: CameraModel, base_from_camera: np.ndarray) -> list[Drawing]:
        """Return where a rectified camera sits and how it projects, once: then boxes and paths show in its picture."""
        scale = min(1.0, self.picture_px / model.width)
        matrix = np.diag([scale, scale, 1.0]) @ model.projection[:, :3]
        turn = base_from_camera[:3, :3] @ model.rectification.T
        size = [round(model.width * scale), round(model.height * scale)]
        place = self.rr.Transform3D(translation=base_from_camera[:3, 3], mat3x3=turn)
        lens = self.rr.Pinhole(image_from_camera=matrix, resolution=size, image_plane_distance=1.5)
        path = f'{BASE}/camera/{name}'
        return [Drawing(path, place, lasting=True), Drawing(path, lens, lasting=True)]


def _speed(velocity_mps: np.ndarray) -> str:
    return f' {math.hypot(*velocity_mps):.1f} m/s' if np.isfinite(velocity_mps).all() else ''

