"""Which ground near a vehicle its sensors see: beams and pictures met with flat ground, behind the boxes of its body.

Pinholes without distortion, beams evenly spread, no trailer but one straight behind. Where one box is all that tells
of the body, as long, wide and high as it is anywhere, sight through it is UNSURE, and not counted as seen: a bonnet
hides less.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.vehicle import CameraView, LidarView, Part, Vehicle

CELL_M, AROUND_M = 0.2, 15.0
SKIN_M = 0.02  # a sensor that sits on a part is not inside it
NEAR_M = 5.0  # from the body, within which blind ground is told in m2
WAYS = {'ahead': (0, 1), 'behind': (0, -1), 'left': (1, 1), 'right': (1, -1)}  # axis, sign


class Seen(IntEnum):
    """What meets a cell of ground. BETWEEN: within the field of a LiDAR, between two of its beams."""

    BLIND = 0
    UNSURE = 1
    CAMERA = 2
    BETWEEN = 3
    BEAM = 4
    BODY = 5


@dataclass(frozen=True, eq=False)
class Ground:
    """Cells about a vehicle.

    xy: (X, Y, 2) middles in base_link, x and y rising. seen: (X, Y) `Seen`, the best of all sensors.
    each: {sensor: (X, Y) bool} what each sees, unsure cells left out. unplaced: sensors without a mount.
    """

    xy: np.ndarray
    seen: np.ndarray
    each: Mapping[str, np.ndarray]
    unplaced: tuple[str, ...]

    def first_m(self, vehicle: Vehicle, way: str, levels: tuple[Seen, ...]) -> float:
        """Return from which distance to the body on all ground is seen by one of `levels`; inf where it ends blind."""
        axis, sign = WAYS[way]
        half = 0.5 * vehicle.width_m
        beside = np.abs(self.xy[..., 1]) < half if axis == 0 else (
            (self.xy[..., 0] > -vehicle.rear_m) & (self.xy[..., 0] < vehicle.front_m)
        )  # fmt: skip
        end_m = {'ahead': vehicle.front_m, 'behind': vehicle.rear_m}.get(way, half)
        away = sign * self.xy[..., axis] - end_m
        rows = beside & (away > 0.0) & ~np.isin(self.seen, [*levels, Seen.BODY])
        last_m = float(away[rows].max()) + 0.5 * CELL_M if rows.any() else 0.0
        return last_m if last_m < float(away[beside].max()) else float('inf')

    def blind_m2(self, vehicle: Vehicle) -> float:
        """Return how much ground within NEAR_M of the body no sensor sees for certain."""
        ahead = self.xy[..., 0] - np.clip(self.xy[..., 0], -vehicle.rear_m, vehicle.front_m)
        aside = self.xy[..., 1] - np.clip(self.xy[..., 1], -0.5 * vehicle.width_m, 0.5 * vehicle.width_m)
        near = np.hypot(ahead, aside) < NEAR_M
        return float((near & np.isin(self.seen, [Seen.BLIND, Seen.UNSURE])).sum()) * CELL_M**2


def ground_seen(vehicle: Vehicle) -> Ground:
    """Return what the sensors of a vehicle see of flat ground, from AROUND_M behind its body to AROUND_M ahead."""
    bodies = body_boxes(vehicle)
    ends = np.array([[low, high] for box in bodies for low, high in [(box.x_m, box.y_m)]])
    behind, ahead = float(ends[:, 0].min()) - AROUND_M, float(ends[:, 0].max()) + AROUND_M
    aside = float(np.abs(ends[:, 1]).max()) + AROUND_M
    x, y = (np.arange(low, high, CELL_M) + 0.5 * CELL_M for low, high in ((behind, ahead), (-aside, aside)))
    xy = np.stack(np.meshgrid(x, y, indexing='ij'), axis=-1)
    seen, each, unplaced = np.full(xy.shape[:2], Seen.BLIND, int), {}, []
    for views in (vehicle.lidar_views, vehicle.camera_views):
        for name, view in views.items():
            if name not in vehicle.mounts:
                unplaced.append(name)
                continue
            base_from_sensor = vehicle.mounts[name].base_from_sensor
            met = _by_lidar if isinstance(view, LidarView) else _by_camera
            levels = met(xy, base_from_sensor, view)  # type: ignore[arg-type]
            hidden, unsure = _hidden(xy, base_from_sensor[:3, 3], bodies, bool(vehicle.parts))
            levels = np.where(hidden, Seen.BLIND, np.where(unsure & (levels > 0), Seen.UNSURE, levels))
            each[name] = levels > Seen.UNSURE
            seen = np.maximum(seen, levels)
    for box in bodies:
        inside = (xy[..., 0] > box.x_m[0]) & (xy[..., 0] < box.x_m[1])
        seen[inside & (xy[..., 1] > box.y_m[0]) & (xy[..., 1] < box.y_m[1])] = Seen.BODY
    return Ground(xy, seen, each, tuple(unplaced))


def body_boxes(vehicle: Vehicle) -> list[Part]:
    """Return the boxes that hide ground: the parts, or one box about the body; and a trailer straight behind."""
    half, trailer = 0.5 * vehicle.width_m, vehicle.trailer
    whole = Part((-vehicle.rear_m, vehicle.front_m), (-half, half), (0.0, vehicle.height_m))
    boxes = list(vehicle.parts.values()) or [whole]
    if trailer.present:
        axle_m = trailer.hitch_ahead_m - trailer.length_m
        x_m = axle_m - trailer.behind_axle_m, trailer.hitch_ahead_m + trailer.ahead_of_hitch_m
        half = 0.5 * trailer.width_m
        boxes.append(Part(x_m, (-half, half), (0.0, vehicle.height_m)))  # its height is told nowhere
    return boxes


def _by_lidar(xy: np.ndarray, base_from_lidar: np.ndarray, view: LidarView) -> np.ndarray:
    points = moved(np.concatenate([xy, np.zeros((*xy.shape[:2], 1))], axis=-1), inverse(base_from_lidar))
    away = np.linalg.norm(points, axis=-1)
    elevation = np.arcsin(points[..., 2] / away)
    azimuth = np.arctan2(points[..., 1], points[..., 0])
    turned = (azimuth - view.right_rad) % (2.0 * np.pi) <= view.left_rad - view.right_rad
    # half of what a cell spans in elevation, from one side to the other along both axes
    reach = 0.5 * np.sum(np.abs(np.gradient(elevation)), axis=0)
    within = (elevation >= view.lowest_rad - reach) & (elevation <= view.highest_rad + reach)
    step = (view.highest_rad - view.lowest_rad) / max(view.beams - 1, 1)
    number = np.clip(np.round((elevation - view.lowest_rad) / step), 0, view.beams - 1) if step > 0.0 else 0.0
    on_beam = np.abs(elevation - (view.lowest_rad + step * number)) <= reach
    field = within & turned & (away < view.range_m)
    return np.where(field, np.where(on_beam, Seen.BEAM, Seen.BETWEEN), Seen.BLIND)


def _by_camera(xy: np.ndarray, base_from_camera: np.ndarray, view: CameraView) -> np.ndarray:
    points = moved(np.concatenate([xy, np.zeros((*xy.shape[:2], 1))], axis=-1), inverse(base_from_camera))
    aside = np.hypot(points[..., 0], points[..., 1])
    if view.fisheye:
        grows = np.arctan2(aside, points[..., 2]) / np.maximum(aside, 1e-9)  # equidistant: r = f theta
        ahead = np.ones_like(aside, bool)
    else:
        ahead = points[..., 2] > 0.0
        grows = 1.0 / np.where(ahead, points[..., 2], 1.0)
    pixels = np.asarray(view.focal_px) * points[..., :2] * grows[..., None] + np.asarray(view.centre_px)
    within = (pixels >= 0.0).all(axis=-1) & (pixels < (view.width_px, view.height_px)).all(axis=-1)
    return np.where(ahead & within, Seen.CAMERA, Seen.BLIND)


def _hidden(
    xy: np.ndarray, eye_m: np.ndarray, boxes: list[Part], has_parts: bool
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return (X, Y) which cells a box hides from an eye, and which the only box of the body may hide."""
    hidden, unsure = np.zeros(xy.shape[:2], bool), np.zeros(xy.shape[:2], bool)
    for box in boxes:
        only = not has_parts and box is boxes[0]
        low, high = np.array([box.x_m, box.y_m, box.z_m]).T + SKIN_M * np.array([[1.0], [-1.0]])
        if (eye_m > low).all() and (eye_m < high).all():
            unsure |= only  # of several parts, it looks out of the one in which it sits
            continue
        ways = np.concatenate([xy, np.zeros((*xy.shape[:2], 1))], axis=-1) - eye_m
        ways = np.where(np.abs(ways) < 1e-9, 1e-9, ways)
        enter, leave = np.sort(np.stack([(low - eye_m) / ways, (high - eye_m) / ways]), axis=0)
        behind = np.maximum(enter.max(axis=-1), 0.0) < np.minimum(leave.min(axis=-1), 1.0)
        unsure, hidden = (unsure | behind, hidden) if only else (unsure, hidden | behind)
    return hidden, unsure


def lines(vehicle: Vehicle, ground: Ground) -> list[str]:
    """Return in words from where on the ground is seen, and how much near the body is not."""
    by_lidar, by_any = (Seen.BEAM, Seen.BETWEEN), (Seen.BEAM, Seen.BETWEEN, Seen.CAMERA)
    if not ground.each:
        return ['nothing tells what its sensors see: add lidar_views, camera_views; config/vehicles/car.yaml has some']
    told = [f'from the body to where ground is seen, and on from there as far as {AROUND_M:g} m:']
    for way in WAYS:
        parts = []
        for name, levels in (('by LiDARs', by_lidar), ('by any sensor', by_any)):
            metres = ground.first_m(vehicle, way, levels)
            parts.append(f'{name} {metres:.1f} m' if np.isfinite(metres) else f'{name} nowhere')
        told.append(f'  {way:<7}{", ".join(parts)}')
    told.append(f'{ground.blind_m2(vehicle):.1f} m2 within {NEAR_M:g} m of the body are seen by none for certain')
    if not vehicle.parts:
        told.append('one box is all that tells of its body: boxes of a URDF, or vehicle.parts, tell what is hidden')
    told += [f'{name}: has a view but no mount: left out' for name in ground.unplaced]
    blind = [name for name in vehicle.mounts if name not in ground.each]
    told += [f'no view is told of: {", ".join(blind)}'] * bool(blind)
    return told
