"""A vehicle from above and from its right, with its sensors, their fields of view and the ground that none sees."""

import cv2
import numpy as np

from autonomy_nodes.common.vehicle import CameraView, LidarView, Vehicle
from autonomy_nodes.evaluation.vehicles.sight import Ground, Seen, body_boxes

SCALE, LEFT, TOP, GAP, SIDE_M = 22, 60, 46, 60, 6.0  # px a metre; borders in px; height of the view from the side
LEGEND, ROW = 360, 24
INK, PALE, BODY = (40, 40, 40), (215, 215, 215), (120, 120, 120)  # BGR, as all colours here
COLOURS = {
    Seen.BLIND: (120, 120, 235), Seen.UNSURE: (120, 200, 250), Seen.CAMERA: (240, 215, 170),
    Seen.BETWEEN: (200, 238, 205), Seen.BEAM: (130, 205, 140), Seen.BODY: (225, 225, 225),
}  # fmt: skip
WORDS = {
    Seen.BEAM: 'met by a beam of a LiDAR', Seen.BETWEEN: 'between beams of a LiDAR', Seen.CAMERA: 'in a picture alone',
    Seen.UNSURE: 'in sight if the body does not hide it', Seen.BLIND: 'blind: no beam, no picture',
    Seen.BODY: 'the body',
}  # fmt: skip
SENSORS = (
    (30, 120, 30), (170, 80, 20), (150, 30, 150), (20, 110, 190), (20, 20, 170), (120, 120, 20), (0, 0, 0),
    (110, 110, 110), (60, 60, 110), (190, 60, 110),
)  # fmt: skip
FIELD_M = 9.0  # how long the lines of a field of view are drawn


class Sheet:
    """A drawing in metres. origin: pixel of x, y = 0, 0; x goes right, the second axis up."""

    def __init__(self, image: np.ndarray, origin: tuple[float, float], low: np.ndarray, high: np.ndarray) -> None:
        self.image, self.low, self.high = image, low, high
        self._origin = np.array(origin)

    def pixels(self, places: np.ndarray) -> np.ndarray:
        """Return (N, 2) int32 pixels of (N, 2) places [m]."""
        flipped = np.atleast_2d(places) * (SCALE, -SCALE) + self._origin
        return np.clip(flipped, -9999, 9999).round().astype(np.int32)

    def line(self, places: np.ndarray, colour: tuple[int, int, int], thick: int = 1, closed: bool = False) -> None:
        """Draw a line through (N, 2) places, cut where the sheet ends."""
        (x0, y1), (x1, y0) = self.pixels(np.stack([self.low, self.high]))
        part = self.image[y0:y1, x0:x1]
        cv2.polylines(part, [self.pixels(places) - (x0, y0)], closed, colour, thick, cv2.LINE_AA)

    def axes(self, title: str, across: str, up: str) -> None:
        """Draw a frame with a grid each 5 m, numbers in metres and the names of both axes."""
        corners = np.array([self.low, [self.high[0], self.low[1]], self.high, [self.low[0], self.high[1]]])
        for axis in (0, 1):
            for metres in range(int(np.ceil(self.low[axis] / 5.0)) * 5, int(self.high[axis]) + 1, 5):
                ends = np.stack([self.low, self.high])
                ends[:, axis] = metres
                self.line(ends, PALE if metres else BODY)
                x, y = self.pixels(ends)[0].tolist()
                words(self.image, str(metres), (x - 8, y + 16) if axis == 0 else (x - 34, y + 5))
        cv2.polylines(self.image, [self.pixels(corners)], True, INK, 1)
        (x0, y1), (x1, y0) = self.pixels(np.stack([self.low, self.high])).tolist()
        words(self.image, title, (x0, y0 - 10), 0.5)
        words(self.image, across, (x1 - 110, y1 + 34))
        words(self.image, up, (4, y0 - 10))


def words(image: np.ndarray, text: str, place: tuple[int, int], size: float = 0.42) -> None:
    """Write a line."""
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)


def drawn(vehicle: Vehicle, ground: Ground, title: str) -> bytes:
    """Return a PNG of a vehicle and of what its sensors see of flat ground."""
    half = 0.5 * (ground.xy[1, 1] - ground.xy[0, 0])
    low, high = ground.xy[0, 0] - half, ground.xy[-1, -1] + half
    wide, tall = (int(side) for side in np.ceil((high - low) * SCALE))
    side_px = int(SIDE_M * SCALE)
    image = np.full((TOP + tall + GAP + TOP + side_px + GAP, LEFT + wide + LEGEND, 3), 255, np.uint8)
    above = Sheet(image, (LEFT - low[0] * SCALE, TOP + high[1] * SCALE), low, high)
    side_low, side_high = np.array([low[0], -0.5]), np.array([high[0], SIDE_M - 0.5])
    base_y = TOP + tall + GAP + TOP + side_px - 0.5 * SCALE
    beside = Sheet(image, (LEFT - low[0] * SCALE, base_y), side_low, side_high)
    cells = np.array([COLOURS[level] for level in Seen], np.uint8)[ground.seen].transpose(1, 0, 2)[::-1]
    filled = cv2.resize(np.ascontiguousarray(cells), (wide, tall), interpolation=cv2.INTER_NEAREST)
    image[TOP : TOP + tall, LEFT : LEFT + wide] = filled
    above.axes(f'{title} from above, on flat ground', 'x ahead [m]', 'y [m]')
    beside.axes('from its right', 'x ahead [m]', 'z [m]')
    for box in body_boxes(vehicle):
        for sheet, (y0, y1) in ((above, box.y_m), (beside, box.z_m)):
            x0, x1 = box.x_m
            sheet.line(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), INK, 2, closed=True)
    for wheel in (0.0, vehicle.wheelbase_m):  # as large as they look: their size is told nowhere
        cv2.circle(image, beside.pixels(np.array([wheel, 0.35]))[0].tolist(), round(0.35 * SCALE), BODY, 2, cv2.LINE_AA)
    for number, name in enumerate(vehicle.mounts):
        _sensor(vehicle, name, above, beside, SENSORS[number % len(SENSORS)])
    _legend(image, vehicle, ground, LEFT + wide + 24)
    return bytes(cv2.imencode('.png', image)[1])


def _sensor(vehicle: Vehicle, name: str, above: Sheet, beside: Sheet, colour: tuple[int, int, int]) -> None:
    base_from_sensor = vehicle.mounts[name].base_from_sensor
    place = base_from_sensor[:3, 3]
    view = vehicle.lidar_views.get(name) or vehicle.camera_views.get(name)
    for flat, steep in _rays(view):
        for sheet, axes, rays in ((above, [0, 1], flat), (beside, [0, 2], steep)):
            turned = rays @ base_from_sensor[:3, :3].T
            for ray in turned[:, axes]:
                if np.linalg.norm(ray) > 0.2:  # else it points out of the sheet
                    sheet.line(np.stack([place[axes], place[axes] + FIELD_M * ray]), colour)
    for sheet, axes in ((above, [0, 1]), (beside, [0, 2])):
        x, y = sheet.pixels(place[axes])[0].tolist()
        cv2.circle(sheet.image, (x, y), 5, colour, -1, cv2.LINE_AA)


def _rays(view: LidarView | CameraView | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the edges of a field of view in the sensor's frame: (N, 3) seen from above, and from the side."""
    if isinstance(view, LidarView):
        around = np.array([view.right_rad, view.left_rad])
        full = view.left_rad - view.right_rad > 2.0 * np.pi - 0.01
        flat = np.column_stack([np.cos(around), np.sin(around), np.zeros(2)])[: 0 if full else 2]
        edges = [(turn, up) for turn in (0.0, np.pi)[: 2 if full else 1] for up in (view.lowest_rad, view.highest_rad)]
        steep = np.array([[np.cos(turn) * np.cos(up), 0.0, np.sin(up)] for turn, up in edges])
        return [(flat, steep)]
    if isinstance(view, CameraView):
        size, focal, centre = (np.array(pair, float) for pair in (
            (view.width_px, view.height_px), view.focal_px, view.centre_px))  # fmt: skip
        low, high = -centre / focal, (size - centre) / focal
        if not view.fisheye:
            low, high = np.arctan(low), np.arctan(high)
        flat = np.array([[np.sin(angle), 0.0, np.cos(angle)] for angle in (low[0], high[0])])
        steep = np.array([[0.0, np.sin(angle), np.cos(angle)] for angle in (low[1], high[1])])
        return [(flat, steep)]
    return []


def _legend(image: np.ndarray, vehicle: Vehicle, ground: Ground, x: int) -> None:
    y = TOP + 10
    words(image, 'ground', (x, y), 0.5)
    for level, text in WORDS.items():
        y += ROW
        cv2.rectangle(image, (x, y - 12), (x + 18, y + 2), COLOURS[level], -1)
        cv2.rectangle(image, (x, y - 12), (x + 18, y + 2), BODY, 1)
        words(image, text, (x + 28, y))
    y += 2 * ROW
    words(image, 'sensors, with the edges of their fields', (x, y), 0.5)
    for number, (name, mount) in enumerate(vehicle.mounts.items()):
        y += ROW
        cv2.circle(image, (x + 9, y - 5), 5, SENSORS[number % len(SENSORS)], -1, cv2.LINE_AA)
        kind = 'LiDAR ' * (name in vehicle.lidar_views) + 'camera ' * (name in vehicle.camera_views)
        place = ' '.join(f'{value:.2f}' for value in mount.xyz_m)
        words(image, f'{kind}{name} ({place})', (x + 28, y))
    for name in ground.unplaced:
        y += ROW
        words(image, f'{name}: no mount, not drawn', (x + 28, y))
