"""What the planner is told, and what it answers."""

import math
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LaneMatch, LanePieces, Route, TrafficLights
from autonomy_nodes.common.objects import EgoProposals, Predictions, SceneModes
from autonomy_nodes.common.sensing import ControlMode, Steering
from autonomy_nodes.common.types import Articulation, Decision, EgoState, Goal, Trajectory


@dataclass(frozen=True, eq=False)
class GoalWindow:
    """Where to be when, and how. from_ns, until_ns: stamps between which the rest must be so at one moment at least.

    places: outlines (N, 2) in odom: the middle of the body must lie in one of them; none: anywhere.
    speeds_mps, headings_rad: the lowest and the highest; None: any.
    """

    from_ns: int
    until_ns: int
    places: tuple[np.ndarray, ...] = ()
    speeds_mps: tuple[float, float] | None = None
    headings_rad: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Situation:
    """All that is known at one stamp. What is None was not told: nothing is put in its place.

    terrain, terrain_far: in odom. pieces: in base_link. goal: in odom. windows: one of
    them is to be met, where a time is set too. visibility_m: how far the sensors see today.
    cap_mps: how fast one may drive by what is left of them, inf for no limit.
    """

    ego: EgoState
    predictions: Predictions
    scene_modes: SceneModes | None = None
    proposals: EgoProposals | None = None
    terrain: Grid | None = None
    terrain_far: Grid | None = None
    pieces: LanePieces | None = None
    lane: LaneMatch | None = None
    route: Route | None = None
    goal: Goal | None = None
    lights: TrafficLights | None = None
    visibility_m: float | None = None
    steering: Steering | None = None
    articulation: Articulation | None = None
    mode: ControlMode | None = None
    windows: tuple[GoalWindow, ...] = ()
    cap_mps: float = math.inf

    @property
    def stamp_ns(self) -> int:
        """The stamp of the sweep behind it."""
        return self.ego.stamp_ns


@dataclass(frozen=True, eq=False)
class Marks:
    """How every candidate was judged.

    kinds: (N,) uint8, an index of `KINDS` in planning/proposals.py. ends: (N, 3) x y z of the last pose, in odom.
    scores: (N,). columns: name to (N,): gates 0 or 1, terms 0 to 1, each with its group before it ('gate_contact').
    """

    kinds: np.ndarray
    ends: np.ndarray
    scores: np.ndarray
    columns: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Plan:
    """What to drive, what to do if that fails, and why.

    trajectory and contingency start at the vehicle's state and carry its stamp; the contingency ends standing.
    candidates: the best, the chosen one first, (B, T, 4) x y z heading in odom, with their scores (B,).
    """

    trajectory: Trajectory
    contingency: Trajectory
    decision: Decision
    marks: Marks
    candidates: np.ndarray
    candidate_scores: np.ndarray
    words: tuple[str, ...] = field(default=())  # what the operator should know besides: missing inputs
