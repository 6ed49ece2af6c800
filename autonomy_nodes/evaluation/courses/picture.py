"""A course as it was driven, from above."""

import cv2
import numpy as np

from autonomy_nodes.common.kinematics import body_of, body_of_trailer, trailer_poses
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.courses.drive import Driven

PIXELS, EACH_S = 900, 1.5
OURS, TRAILER, LAST, GOAL, LINE = (220, 60, 0), (220, 160, 0), (0, 0, 220), (0, 160, 0), (0, 160, 0)


def drawn(
    ground: np.ndarray, corner: np.ndarray, cell_m: float, line: np.ndarray, goal: np.ndarray, drive: Driven,
    vehicle: Vehicle, words: str,
) -> bytes:  # fmt: skip
    """Return a PNG. ground: (X, Y) from 0, where nobody may be, to 1; line: (N, 2), one way that can be driven."""
    scale = PIXELS / (max(ground.shape) * cell_m)
    grey = (90.0 + 145.0 * np.nan_to_num(ground)).astype(np.uint8)[:, ::-1].T  # columns are x, the top is the largest y
    size = tuple(max(round(side * cell_m * scale), 1) for side in ground.shape)
    image = cv2.cvtColor(cv2.resize(np.ascontiguousarray(grey), size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)

    def pixels(xy: np.ndarray) -> np.ndarray:
        place = (xy - corner) * scale
        return np.column_stack([place[:, 0], size[1] - place[:, 1]]).round().astype(np.int32)

    cv2.polylines(image, [pixels(line)], False, LINE, 1, cv2.LINE_AA)
    cv2.polylines(image, [pixels(drive.rows[:, 1:3])], False, OURS, 1, cv2.LINE_AA)
    x, y = pixels(goal[None])[0].tolist()
    cv2.circle(image, (x, y), round(3.0 * scale), GOAL, 2, cv2.LINE_AA)
    states, step = drive.states, float(drive.rows[1, 0] - drive.rows[0, 0])
    for n in [*range(0, len(states) - 1, round(EACH_S / step)), len(states) - 1]:
        last = n == len(states) - 1
        bodies = [(body_of(vehicle), states[n, :3], OURS)]
        if vehicle.trailer.present:
            behind = trailer_poses(states[n, :3], states[n, 3], vehicle.trailer)
            bodies.append((body_of_trailer(vehicle.trailer), behind, TRAILER))
        for body, pose, colour in bodies:
            cv2.polylines(image, [pixels(body.corners(pose))], True, LAST if last else colour, 2 if last else 1)
    cv2.putText(image, words, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.45, LAST, 1, cv2.LINE_AA)
    return bytes(cv2.imencode('.png', image)[1])
