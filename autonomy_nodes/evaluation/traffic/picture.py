"""A drive in traffic at its end, from above."""

import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.evaluation.scene_picture import drawn as scene_drawn
from autonomy_nodes.evaluation.traffic.drive import OURS, Course, Drive, begun
from autonomy_nodes.messages.formats.trajectories import RecordedScene
from autonomy_nodes.sim.flow.flow import DT_S

AROUND_M = 45.0


def drawn(course: Course, drive: Drive) -> bytes:
    """Return a PNG: who was where when it ended and how all came there, ours in black; see scene_picture.py."""
    return scene_drawn(scene_of(course, drive), drive.shown.shape[1] - 1, around_m=AROUND_M)


def scene_of(course: Course, drive: Drive) -> RecordedScene:
    """Return the last steps of a drive as a recording, ours as the recorder."""
    flow, row = begun(course)
    place, count = flow.place, drive.shown.shape[1]
    times_s = drive.rows[-1, 0] - DT_S * np.arange(count)[::-1]
    lights = {lane: np.array([place.signals[signal].colour(time_s) for time_s in times_s])
              for lane, signal in place.lights.items()}  # fmt: skip
    others = [other for other in range(len(flow.states)) if other != row]
    labels = np.array([flow.members[other].label for other in [*others, row]], np.int64)
    sizes = np.concatenate([flow.traits[others, :2], [[OURS.length_m, OURS.width_m]]])
    groups = (list(place.lanes.values()), place.lines, place.edges, place.crossings)
    kinds = np.repeat([Line.CENTERLINE, Line.UNKNOWN, Line.BOUNDARY, Line.CROSSWALK], [len(group) for group in groups])
    lines = [line for group in groups for line in group] or [way.points for way in place.ways if not way.on_foot]
    kinds = kinds if len(kinds) else np.full(len(lines), Line.UNKNOWN)
    names = [*place.lanes, *(f'line{k}' for k in range(len(lines) - len(place.lanes)))]
    return RecordedScene(
        course.name, drive.shown.astype(float), labels, sizes, lines, kinds, names, list(place.follows), lights,
        len(labels) - 1,
    )  # fmt: skip
