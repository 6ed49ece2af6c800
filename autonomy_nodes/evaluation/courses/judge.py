"""What truly happened on a drive, by exact outlines and the cells as they are; nothing of it comes from the planner."""

import math

import numpy as np

from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.courses.drive import REACHED, Driven
from autonomy_nodes.evaluation.courses.offroad import Country, is_blocked, wheel_places
from autonomy_nodes.evaluation.courses.place import Place, outlines
from autonomy_nodes.evaluation.measures.task import Figures
from autonomy_nodes.planning.ground import GroundSettings

REVERSE_MPS = -0.05
REVERSE_RAD, REVERSE_RPS = math.radians(35.0), math.radians(10.0)  # of the hitch, backwards, which nothing makes stable
RATE_S = 0.1  # over which a rate is taken
NEAR_M = 0.3


def of_truck(place: Place, drive: Driven, vehicle: Vehicle) -> Figures:
    """Return figures of a truck's drive; `violation`: a body was beyond the edge, or the hitch at its limit."""
    clearance = float(place.clearances(outlines(drive.states, vehicle)).min())
    angle, rate, bent = hitch(drive.rows, vehicle)
    return {
        'clearance_m': clearance, 'hitch_deg': math.degrees(angle), 'hitch_rate_dps': math.degrees(rate),
        'off_path': float(clearance < 0.0), 'hitch_violation': float(bent),
        'violation': float(clearance < 0.0 or bent), **_common(drive), 'witness_m': place.witness_m,
    }  # fmt: skip


def hitch(rows: np.ndarray, vehicle: Vehicle) -> tuple[float, float, bool]:
    """Return the largest hitch angle, its largest rate, and whether a limit was reached, of (T, 7) rows."""
    times, speeds, joints = rows[:, 0], rows[:, 4], rows[:, 6]
    apart = max(round(RATE_S / float(times[1] - times[0])), 1)
    rates = np.abs(joints[apart:] - joints[:-apart]) / (times[apart:] - times[:-apart])
    angle, backwards = np.abs(joints), speeds < REVERSE_MPS
    bent = bool((angle >= vehicle.trailer.max_angle_rad - 1e-6).any())
    bent |= bool((angle[backwards] > REVERSE_RAD).any() or (rates[backwards[apart:]] > REVERSE_RPS).any())
    return float(angle.max()), float(rates.max(initial=0.0)), bent


def of_country(truth: Country, drive: Driven, vehicle: Vehicle) -> Figures:
    """Return figures of a drive off the road.

    `violation` is 1 where a wheel stood on a cell that cannot be driven (traversability 0) or a body over a thing.
    hard: the share of the moments with a wheel on a cell below what the planner itself asks for.
    """
    easy = truth.at('traversability', wheel_places(drive.states, vehicle))
    never = ~(easy > 0.0)  # nor beyond the land
    hit = is_blocked(truth, _under(drive.states, vehicle)).any(axis=1)
    wheel, hard = never.any(axis=1), ~(easy >= GroundSettings().traversability)
    return {
        'least_traversability': float(np.nan_to_num(easy).min()), 'hard': float(hard.any(axis=1).mean()),
        'wheel_violation': float(wheel.any()), 'touched': float(hit.any()),
        'violation': float(wheel.any() or hit.any()), **_common(drive),
    }  # fmt: skip


def _under(states: np.ndarray, vehicle: Vehicle) -> np.ndarray:
    """Return (N, K, 2) places all over the body, so near to one another that no cell lies between them."""
    along = np.linspace(-vehicle.rear_m, vehicle.front_m, math.ceil(vehicle.length_m / NEAR_M) + 1)
    across = 0.5 * np.linspace(-vehicle.width_m, vehicle.width_m, math.ceil(vehicle.width_m / NEAR_M) + 1)
    ahead, left = (told.ravel() for told in np.meshgrid(along, across))
    cos, sin = np.cos(states[:, 2, None]), np.sin(states[:, 2, None])
    x, y = (states[:, axis, None] for axis in range(2))
    return np.stack([x + ahead * cos - left * sin, y + ahead * sin + left * cos], axis=-1)


def _common(drive: Driven) -> Figures:
    return {
        'reached': float(drive.outcome == REACHED), 'seconds': float(drive.rows[-1, 0]), 'driven_m': drive.driven_m,
    }  # fmt: skip
