"""What is kept of each cell of a terrain, and how a sweep or pictures change it, in compiled loops.

Heights are filtered cell by cell; evidence for obstacles is in log odds, 0 where nothing is known.
"""

import numpy as np
from numba import njit

from autonomy_nodes.perception import cells as columns
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M
from autonomy_nodes.perception.cells import seen_through

ELEVATION, VARIANCE, EVIDENCE, TOP, CEILING, SCATTER, SEEN, HELD = range(8)  # what is kept of a cell
NEW = np.array([np.nan, np.nan, 0.0, np.nan, np.inf, 0.0, 0.0, 0.0], np.float32)
_DOUBT = 0.003  # of the squared difference: some twenty sweeps that contradict known ground convince
_ONCE_FREE = -0.4  # what was seen free fades to a guess, not to unknown: the vehicle does not see what is close to it
FAINT = 0.1  # evidence that says nothing
HIDDEN, SHOWN = 1, 2  # how a cell lies in pictures
DOUBT = 0.25  # see `look`


@njit(cache=True)
def renew(
    state: np.ndarray,
    sums: np.ndarray,
    rows: np.ndarray,
    rays: np.ndarray,
    sensor: np.ndarray,
    rotation: np.ndarray,
    place: np.ndarray,
    passed_s: float,
    limits: np.ndarray,
) -> None:
    """Change (X, Y, 8) `state` by the sums of one sweep, as `gathered` gives them.

    place: (3,) base_link from the grid's corner, its height.
    limits: sigma of a height, growth of variance, time of fading, resolution, height of an obstacle.
    """
    fading = np.exp(-passed_s / limits[2])
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            row = rows[i, j]
            grown = min(state[i, j, VARIANCE] + limits[1] * passed_s, 1.0)
            state[i, j, VARIANCE] = grown if state[i, j, SEEN] > 0.0 else np.nan
            if state[i, j, EVIDENCE] > 0.0 or state[i, j, EVIDENCE] < _ONCE_FREE:
                state[i, j, EVIDENCE] *= fading
            above = 0.0
            if sums[row, columns.GROUND_COUNT] > 0 and sums[row, columns.OBSTACLE_COUNT] == 0:  # no foot of a thing
                above = see_ground(state[i, j], sums[row, :3], place[2], limits[0])
            elif sums[row, columns.BELOW_COUNT] > 3 and state[i, j, SEEN] == 0.0:  # the bottom beside an edge
                see_ground(state[i, j], sums[row, 3:6], place[2], limits[0])
            hits, top = sums[row, columns.OBSTACLE_COUNT], sums[row, columns.OBSTACLE_TOP]
            if above > limits[4]:
                hits, top = hits + sums[row, columns.GROUND_COUNT], max(above, top)
            if hits > 0:
                state[i, j, EVIDENCE] = min(state[i, j, EVIDENCE] + (1.2 if hits > 1 else 0.5), 3.5)
                state[i, j, TOP] = top if not state[i, j, TOP] > top else 0.5 * (top + state[i, j, TOP])
            elif sums[row, columns.GROUND_COUNT] > 0:
                state[i, j, EVIDENCE] = max(state[i, j, EVIDENCE] - 1.2, -2.5)
            elif state[i, j, EVIDENCE] > 0.1 and len(rays) > 0:
                x, y = (i + 0.5) * limits[3] - place[0], (j + 0.5) * limits[3] - place[1]
                ground = state[i, j, ELEVATION] - place[2] if state[i, j, SEEN] > 0.0 else 0.0
                ahead = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * ground
                left = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * ground
                up = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * ground
                if seen_through(rays, ahead, left, up + 0.5 * state[i, j, TOP], sensor):
                    # no obstacle there, but no ground seen either
                    state[i, j, EVIDENCE] = max(state[i, j, EVIDENCE] - 1.2, 0.0)
            state[i, j, HELD] = state[i, j, HELD] + passed_s if state[i, j, EVIDENCE] > 0.0 else 0.0
            # a ceiling stays: it is above the vehicle, and what hangs there seldom moves
            state[i, j, CEILING] = min(state[i, j, CEILING], sums[row, columns.OVERHEAD_LOW])


@njit(cache=True)
def see_ground(cell: np.ndarray, sums: np.ndarray, height: float, sigma: float) -> float:
    """Filter the elevation of one cell; return how far above known ground the new height lies if it contradicts it.

    A lower surface than was known starts anew: something stood on it. A higher one stands on what was known, such as
    the bonnet of who passes by; only if it is seen again and again is it the ground.
    """
    count, mean = sums[0], sums[1] / sums[0]
    spread2 = max(0.0, sums[2] / count - mean * mean)
    measured, variance = mean + height, (sigma**2 + spread2) / min(count, 4.0) + 0.25 * sigma**2
    off = measured - cell[ELEVATION]
    contradicts = off * off > 16.0 * (cell[VARIANCE] + variance)
    if cell[SEEN] > 0.0 and contradicts and off > 0.0:
        cell[VARIANCE] += _DOUBT * off * off
        return off
    if cell[SEEN] == 0.0 or contradicts:
        cell[ELEVATION], cell[VARIANCE], cell[SEEN], cell[SCATTER] = measured, variance, 1.0, np.sqrt(spread2)
        return 0.0
    cell[SCATTER] = 0.7 * cell[SCATTER] + 0.3 * np.sqrt(spread2)
    gain = cell[VARIANCE] / (cell[VARIANCE] + variance)
    cell[ELEVATION] += gain * off
    cell[VARIANCE] *= 1.0 - gain
    return 0.0


@njit(cache=True)
def stand(state: np.ndarray, body: np.ndarray, rotation: np.ndarray, place: np.ndarray, resolution: float) -> None:
    """Note ground under the vehicle, which stands on it, where no sweep has seen it.

    Its height is that of the wheels, moved by what the ground seen around differs from that: springs give way.
    """
    reach = int((max(body[1], body[0]) + 4.0) / resolution)
    rows = range(max(int(place[0] / resolution) - reach, 0), min(int(place[0] / resolution) + reach, state.shape[0]))
    lines = range(max(int(place[1] / resolution) - reach, 0), min(int(place[1] / resolution) + reach, state.shape[1]))
    total = count = 0.0
    for under in (False, True):
        for i in rows:
            for j in lines:
                x, y = (i + 0.5) * resolution - place[0], (j + 0.5) * resolution - place[1]
                ahead = rotation[0, 0] * x + rotation[1, 0] * y
                left = rotation[0, 1] * x + rotation[1, 1] * y
                wheels = place[2] + rotation[2, 0] * ahead + rotation[2, 1] * left
                cell = state[i, j]
                if not under and cell[SEEN] > 0.0 and abs(cell[ELEVATION] - wheels) < 0.3:
                    total, count = total + cell[ELEVATION] - wheels, count + 1.0
                elif under and -body[0] <= ahead <= body[1] and abs(left) <= body[2]:
                    cell[EVIDENCE] = min(cell[EVIDENCE], -1.0)
                    if cell[SEEN] == 0.0:
                        cell[ELEVATION] = wheels + total / max(count, 1.0)
                        cell[VARIANCE], cell[SEEN] = 0.01, 1.0


@njit(cache=True)
def look(
    state: np.ndarray,
    told: np.ndarray,
    shown: np.ndarray,
    rotation: np.ndarray,
    place: np.ndarray,
    passed_s: float,
    limits: np.ndarray,
) -> np.ndarray:
    """Change (X, Y, 8) `state` by what pictures alone tell; return (X, Y) which cells lie in a picture and are hidden.

    told: (4, A, B) of cells of bev: height of the ground in base_link, variance of it, log odds that the cell is
    blocked, height of what stands there. shown: (A, B) SHOWN, HIDDEN or 0. place: (3,) base_link from the grid's
    corner, its height. limits: growth of variance, time of fading, resolution, shares by which evidence rises and
    falls. A coarse cell is as bad as the worst of the cells in it. Pictures err alike from one to the next: a height
    told again is never surer than DOUBT of its variance, and evidence comes no nearer to certainty than what is told.
    """
    hidden = np.zeros(state.shape[:2], np.bool_)
    fading, parts, found = np.exp(-passed_s / limits[1]), max(int(limits[2] / CELL_M + 0.5), 1), np.zeros(4)
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            grown = min(state[i, j, VARIANCE] + limits[0] * passed_s, 1.0)
            state[i, j, VARIANCE] = grown if state[i, j, SEEN] > 0.0 else np.nan
            if state[i, j, EVIDENCE] > 0.0 or state[i, j, EVIDENCE] < _ONCE_FREE:
                state[i, j, EVIDENCE] *= fading
            up = state[i, j, ELEVATION] - place[2] if state[i, j, SEEN] > 0.0 else 0.0
            x, y = i * limits[2] - place[0], j * limits[2] - place[1]
            how = _worst(told, shown, rotation, x, y, up, limits[2] / parts, parts, found)
            hidden[i, j] = how == HIDDEN
            if how == SHOWN:
                _see_told(state[i, j], found, found[0] + place[2], limits[3], limits[4])
            state[i, j, HELD] = state[i, j, HELD] + passed_s if state[i, j, EVIDENCE] > 0.0 else 0.0
    return hidden


@njit(cache=True)
def _worst(
    told: np.ndarray, shown: np.ndarray, rotation: np.ndarray, x: float, y: float, up: float, size: float, parts: int,
    found: np.ndarray,
) -> int:  # fmt: skip
    """Fill (4,) `found` with what is told of a cell whose corner lies at x, y from base_link, along odom.

    Of its parts x parts cells the likeliest to be blocked counts. found: height above base_link along odom's z,
    variance, log odds, top. Returns HIDDEN where any is, SHOWN where all are, else 0.
    """
    found[2] = -np.inf
    worst = SHOWN
    for n in range(parts * parts):
        dx, dy = x + (n // parts + 0.5) * size, y + (n % parts + 0.5) * size
        ahead = rotation[0, 0] * dx + rotation[1, 0] * dy + rotation[2, 0] * up
        left = rotation[0, 1] * dx + rotation[1, 1] * dy + rotation[2, 1] * up
        a, b = int(np.floor((ahead - ORIGIN_M[0]) / CELL_M)), int(np.floor((left - ORIGIN_M[1]) / CELL_M))
        if a < 0 or b < 0 or a >= shown.shape[0] or b >= shown.shape[1] or shown[a, b] == 0:
            return 0
        if shown[a, b] == HIDDEN:
            worst = HIDDEN
        elif told[2, a, b] > found[2]:
            found[0] = rotation[2, 0] * ahead + rotation[2, 1] * left + rotation[2, 2] * told[0, a, b]
            found[1], found[2], found[3] = told[1, a, b], told[2, a, b], told[3, a, b]
    return worst


@njit(cache=True)
def _see_told(cell: np.ndarray, found: np.ndarray, height: float, rise: float, fall: float) -> None:
    """Filter one cell by what `_worst` found; height: of the ground, in odom."""
    odds = found[2]
    cell[EVIDENCE] += (rise if odds > cell[EVIDENCE] else fall) * (odds - cell[EVIDENCE])
    if cell[EVIDENCE] > 0.0 and odds > 0.0:
        cell[TOP] = found[3]
    if odds > 0.0:  # nobody sees the ground below what stands on it
        return
    if cell[SEEN] == 0.0:
        cell[ELEVATION], cell[VARIANCE], cell[SEEN], cell[SCATTER] = height, found[1], 1.0, 0.0
        return
    variance = found[1] / DOUBT
    gain = cell[VARIANCE] / (cell[VARIANCE] + variance)
    cell[ELEVATION] += gain * (height - cell[ELEVATION])
    cell[VARIANCE] = max((1.0 - gain) * cell[VARIANCE], min(cell[VARIANCE], DOUBT * found[1]))
