"""A scenario as it was driven, from above."""

import cv2
import numpy as np

from autonomy_nodes.evaluation.commonroad.blame import corners
from autonomy_nodes.evaluation.commonroad.run import Run
from autonomy_nodes.evaluation.commonroad.scenario import Scenario

PIXELS, BORDER_M = 800, 15.0
ROAD, EDGE, GOAL, OTHERS, OURS = (235, 235, 235), (200, 200, 200), (150, 220, 150), (200, 120, 0), (0, 0, 220)


def drawn(scenario: Scenario, run: Run, words: str) -> bytes:
    """Return a PNG: lanes grey, the goal green, our box red each second, others at our last step blue."""
    way = np.array([state.middle for state in run.states])
    goals = [place for target in scenario.targets for place in target.places if not target.lanelets]
    seen = np.concatenate([way, *goals])
    low, high = seen.min(axis=0) - BORDER_M, seen.max(axis=0) + BORDER_M
    scale = PIXELS / float((high - low).max())
    width, height = (int(side) for side in np.ceil((high - low) * scale))
    image = np.full((height, width, 3), 255, np.uint8)

    def pixels(xy: np.ndarray) -> np.ndarray:
        flat = np.column_stack([(xy[:, 0] - low[0]) * scale, (high[1] - xy[:, 1]) * scale])
        return np.clip(flat, -20000, 20000).round().astype(np.int32)

    for lane in scenario.lanes:
        cv2.fillPoly(image, [pixels(lane.outline)], ROAD)
    for target in scenario.targets:
        for place in target.places:
            cv2.fillPoly(image, [pixels(place)], GOAL)
    for lane in scenario.lanes:
        cv2.polylines(image, [pixels(lane.outline)], isClosed=True, color=EDGE, thickness=1, lineType=cv2.LINE_AA)
    last = run.first_step + len(run.states) - 1
    for user in scenario.users:
        if (told := user.at(last)) is not None:
            cv2.polylines(image, [pixels(corners(told[0]))], isClosed=True, color=OTHERS, thickness=1)
            x, y = pixels(told[0][None, :2])[0].tolist()
            cv2.putText(image, str(user.id), (x, y), cv2.FONT_HERSHEY_PLAIN, 0.8, OTHERS, 1, cv2.LINE_AA)
    cv2.polylines(image, [pixels(way)], isClosed=False, color=OURS, thickness=1, lineType=cv2.LINE_AA)
    each_second = max(round(1.0 / scenario.dt_s), 1)
    for step in [*range(run.first_step, last, each_second), last]:
        thickness = 2 if step == last else 1
        cv2.polylines(image, [pixels(corners(run.box(step)))], isClosed=True, color=OURS, thickness=thickness)
    cv2.putText(image, words, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return bytes(cv2.imencode('.png', image)[1])
