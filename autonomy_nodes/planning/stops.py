"""Stop lines: who has stood long enough before one without a light may go on; lights that nobody tells are named."""

from dataclasses import replace

from autonomy_nodes.common.lanes import Light, Rule
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.planning.course import Course
from autonomy_nodes.planning.situation import Situation

STANDING_MPS = 0.1
AT_LINE_M = 3.0
FREED = (Rule.NONE, Rule.STOP)  # a line of which the map tells no rule, or a light, is never freed by waiting


class StopWatch:
    """Remembers before which lines the vehicle stands, and since when."""

    def __init__(self, wait_s: float, front_m: float) -> None:
        self._wait_s, self._front_m = wait_s, front_m
        self._since_ns: dict[int, int] = {}
        self._released: set[int] = set()

    def without_released(self, course: Course, situation: Situation) -> Course:
        """Return the course without the lines before which the vehicle has stood for long enough."""
        lines = [line for line in course.road.stop_lines if line.rule in FREED]
        if not lines or self._wait_s <= 0.0:
            return course
        ahead = {line.id: line.station_m - course.station_m - self._front_m for line in reversed(lines)}
        stands = abs(situation.ego.speed_mps) < STANDING_MPS
        at = [id_ for id_, left_m in ahead.items() if stands and -0.5 < left_m < AT_LINE_M]
        self._since_ns = {id_: self._since_ns.get(id_, situation.stamp_ns) for id_ in at}
        for id_, since_ns in self._since_ns.items():
            if situation.stamp_ns - since_ns >= self._wait_s * SECOND_NS:
                self._released.add(id_)
        self._released &= ahead.keys()
        kept = tuple(
            line for line in course.road.stop_lines if line.rule not in FREED or line.id not in self._released
        )
        return replace(course, road=replace(course.road, stop_lines=kept))


def untold_lights(course: Course, front_m: float) -> tuple[str, ...]:
    """Return in words the next line ahead whose light nobody tells."""
    for line in course.road.stop_lines:
        left_m = line.station_m - course.station_m - front_m
        if left_m > -0.5 and line.has_light and line.light == Light.UNKNOWN:
            name = f'light {line.rule_id} of stop line {line.id}' if line.rule_id else f'rule of stop line {line.id}'
            return (f'{name} is not told: it counts as red, {max(left_m, 0.0):.0f} m ahead',)
    return ()
