"""Stop lines without a light: who has stood before one long enough may go on."""

from dataclasses import replace

from autonomy_nodes.common.lanes import Light
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.planning.course import Course
from autonomy_nodes.planning.situation import Situation

STANDING_MPS = 0.1
AT_LINE_M = 3.0


class StopWatch:
    """Remembers before which line the vehicle stands, since when, and which lines belong to lights.

    A line that any message about traffic lights has named is the light's: it is never released here.
    """

    def __init__(self, wait_s: float, front_m: float) -> None:
        self._wait_s, self._front_m = wait_s, front_m
        self._lit: set[int] = set()
        self._since_ns: dict[int, int] = {}
        self._released: set[int] = set()

    def without_released(self, course: Course, situation: Situation) -> Course:
        """Return the course without the lines before which the vehicle has stood for long enough."""
        if situation.lights is not None:
            self._lit |= set(situation.lights.states)
        lines = course.road.stop_lines
        if not lines or self._wait_s <= 0.0:
            return course
        ahead = {line.id: line.station_m - course.station_m - self._front_m for line in lines}
        stands = abs(situation.ego.speed_mps) < STANDING_MPS
        at = [id_ for id_, left_m in ahead.items() if stands and -0.5 < left_m < AT_LINE_M]
        self._since_ns = {id_: self._since_ns.get(id_, situation.stamp_ns) for id_ in at}
        for id_, since_ns in self._since_ns.items():
            if situation.stamp_ns - since_ns >= self._wait_s * SECOND_NS:
                self._released.add(id_)
        self._released &= ahead.keys() - self._lit
        kept = tuple(line for line in lines if line.id not in self._released or line.light != Light.UNKNOWN)
        return replace(course, road=replace(course.road, stop_lines=kept))
