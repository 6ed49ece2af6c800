"""Where the goal lies in odom, the frame of plans, and whether a route leads there."""

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, moved, wrapped
from autonomy_nodes.common.lanes import Route
from autonomy_nodes.common.types import SECOND_NS, EgoState, Goal, Pose
from autonomy_nodes.planning.ground import OUTSIDE, UNSEEN, Ground

KEPT_S = 1.0  # so long a step without a pose in map goes by the last one: odom drifts slowly
SAME_M = 0.3  # a goal that seems to have moved less is where it was: a pose in map jitters
SAME_RAD = 0.05
ROUTE_M = 1.0
BELOW_M, SEEN_M = 3.0, 25.0  # nearer than that our own body hides the ground; further it may not be seen well
STANDING_MPS = 0.3


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
    """Return the route unless it leads to another goal than this one, for an old route stays on its topic.

    A route to a goal in odom is found after the goal was set; where it ends in map drifts against odom.
    """
    if goal is None or route is None:
        return route
    if goal.frame != 'map':
        return route if route.stamp_ns >= goal.stamp_ns else None
    away_m = np.linalg.norm(np.array(goal.position_m[:2]) - route.goal[:2])
    return route if away_m < ROUTE_M else None


def objection(goal: np.ndarray, ego: EgoState, ground: Ground, radius_m: float) -> tuple[str, bool]:
    """Return what speaks against a goal (2,) in odom, '' for nothing, and whether it is to be given up for that.

    Ground that cannot be driven is no goal. Unknown ground may come into sight: it is an objection only to who stands
    near it and still does not see it, and never driven on. Far away little is seen surely, and nothing below ourselves.
    """
    away_m = float(np.linalg.norm(goal - ego.position_m[:2]))
    clear = float(ground.clearance(goal[None])[0])
    if not BELOW_M < away_m < SEEN_M or clear == OUTSIDE or clear >= radius_m:
        return '', False
    what = ground.why_blocked(goal, radius_m)
    if what == UNSEEN and abs(ego.speed_mps) > STANDING_MPS:
        return '', False
    return f'it lies on {what}', what != UNSEEN


def _moved(goal: Goal, odom_from_map: np.ndarray) -> Goal:
    x, y, z = moved(np.array(goal.position_m), odom_from_map).tolist()
    turn = float(np.arctan2(odom_from_map[1, 0], odom_from_map[0, 0]))
    return Goal(goal.stamp_ns, 'odom', (x, y, z), float(wrapped(goal.heading_rad + turn)))


def _apart(one: Goal, other: Goal) -> bool:
    """Return whether two places of a goal differ by more than jitter."""
    gap_m = float(np.linalg.norm(np.array(one.position_m[:2]) - other.position_m[:2]))
    return gap_m > SAME_M or abs(float(wrapped(one.heading_rad - other.heading_rad))) > SAME_RAD
