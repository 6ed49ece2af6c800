"""Where the goal lies in odom, the frame of plans, and whether a route leads there."""

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, moved, wrapped
from autonomy_nodes.common.lanes import Route
from autonomy_nodes.common.types import SECOND_NS, EgoState, Goal, Pose

KEPT_S = 1.0  # so long a step without a pose in map goes by the last one: odom drifts slowly
SAME_M = 0.3  # a goal that seems to have moved less is where it was: a pose in map jitters
SAME_RAD = 0.05
ROUTE_M = 1.0


class GoalPlace:
    """Remembers how map lay in odom, and where the goal was."""

    def __init__(self) -> None:
        self._goal: Goal | None = None
        self._placed: Goal | None = None
        self._odom_from_map: np.ndarray | None = None
        self._stamp_ns = 0

    def in_odom(self, goal: Goal | None, ego: EgoState, pose: Pose | None) -> tuple[Goal | None, str]:
        """Return the goal in odom, else None and why. pose: in map, of the same moment as `ego`."""
        if pose is not None:
            self._odom_from_map = ego.odom_from_base @ inverse(matrix_of(pose.position_m, pose.orientation))
            self._stamp_ns = ego.stamp_ns
        if goal is None or goal.frame == 'odom':
            return goal, ''
        if goal.frame != 'map':
            return None, f'goal in {goal.frame} is not approached: it must be in map or in odom'
        if self._odom_from_map is None or not 0 <= ego.stamp_ns - self._stamp_ns <= KEPT_S * SECOND_NS:
            return None, 'goal in map is not approached: no pose in map'
        placed = _moved(goal, self._odom_from_map)
        if self._placed is None or goal != self._goal or _apart(placed, self._placed):
            self._goal, self._placed = goal, placed
        return self._placed, ''


def route_to(goal: Goal | None, route: Route | None) -> Route | None:
    """Return the route unless it leads to another goal than this one, in map, for an old route stays on its topic."""
    if goal is None or route is None or goal.frame != 'map':
        return route
    away_m = np.linalg.norm(np.array(goal.position_m[:2]) - route.goal[:2])
    return route if away_m < ROUTE_M else None


def _moved(goal: Goal, odom_from_map: np.ndarray) -> Goal:
    x, y, z = moved(np.array(goal.position_m), odom_from_map).tolist()
    turn = float(np.arctan2(odom_from_map[1, 0], odom_from_map[0, 0]))
    return Goal(goal.stamp_ns, 'odom', (x, y, z), float(wrapped(goal.heading_rad + turn)))


def _apart(one: Goal, other: Goal) -> bool:
    """Return whether two places of a goal differ by more than jitter."""
    gap_m = float(np.linalg.norm(np.array(one.position_m[:2]) - other.position_m[:2]))
    return gap_m > SAME_M or abs(float(wrapped(one.heading_rad - other.heading_rad))) > SAME_RAD
