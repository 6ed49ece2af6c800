"""The loops along lanes that numpy cannot say, compiled. All arrays are float64; nothing here knows of maps."""

import numpy as np
from numba import njit

LATERAL_MPS2, BRAKING_MPS2 = 2.5, 1.5
STOP_SHORT_M = 2.0  # centres of vehicles stand this far before a line, and more
STOP_BRAKING_MPS2, HARDEST_MPS2 = 2.0, 4.0


@njit(cache=True)
def projected(lines: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return s, d, direction of the place on each of (R, M, 2) lines nearest to its (R, 2) point; NaN ends a line.

    The fourth value is how far the point lies beyond the end of the line.
    """
    count = len(lines)
    s, d, direction, over = np.zeros(count), np.full(count, np.inf), np.zeros(count), np.full(count, np.inf)
    for row in range(count):
        nearest, before = np.inf, 0.0
        for place in range(lines.shape[1] - 1):
            x, y = lines[row, place]
            dx, dy = lines[row, place + 1, 0] - x, lines[row, place + 1, 1] - y
            length = np.sqrt(dx * dx + dy * dy)
            if np.isnan(length):
                break
            if length > 1e-6:
                ux, uy = dx / length, dy / length
                ahead = (xy[row, 0] - x) * ux + (xy[row, 1] - y) * uy
                aside = (xy[row, 1] - y) * ux - (xy[row, 0] - x) * uy
                beyond = max(-ahead, ahead - length, 0.0)
                gap = aside * aside + beyond * beyond
                if gap < nearest:
                    nearest = gap
                    s[row], d[row], over[row] = before + ahead, aside, beyond
                    direction[row] = np.arctan2(uy, ux)
            before += length
    return s, d, direction, over


@njit(cache=True)
def laid_out(
    pieces: np.ndarray, counts: np.ndarray, outward: np.ndarray, rows: np.ndarray, firsts: np.ndarray, beyond_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (Q, M, 2) points and (Q, M) distances along ways of which each ends far beyond its pieces, straight on.

    pieces: (R, 20, 2), of which `counts` (R,) points count; a piece begins where the one before ends. rows: pieces of
    way after way, that of way q from `firsts[q]` on. outward: (R,) direction in which each piece ends.
    """
    ways, longest = len(firsts) - 1, 0
    for way in range(ways):
        length = 0
        for row in rows[firsts[way] : firsts[way + 1]]:
            length += counts[row] - 1
        longest = max(longest, length + 2)
    points, along = np.empty((ways, longest, 2)), np.zeros((ways, longest))
    for way in range(ways):
        place = 0
        for row in rows[firsts[way] : firsts[way + 1]]:
            points[way, place : place + counts[row]] = pieces[row, : counts[row]]
            place += counts[row] - 1
        last = outward[rows[firsts[way + 1] - 1]]
        for rest in range(place + 1, longest):
            points[way, rest, 0] = points[way, place, 0] + beyond_m * np.cos(last)
            points[way, rest, 1] = points[way, place, 1] + beyond_m * np.sin(last)
        for place in range(longest - 1):
            dx, dy = points[way, place + 1] - points[way, place]
            along[way, place + 1] = along[way, place] + np.sqrt(dx * dx + dy * dy)
    return points, along


@njit(cache=True)
def stop_places(points: np.ndarray, along: np.ndarray, starts: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return (Q,) where the next of (S, 3) stop lines (x, y of its middle, half its width) lies ahead, or inf."""
    found = np.full(len(points), np.inf)
    for way in range(len(points)):
        for line in range(len(lines)):
            nearest, s = np.inf, np.inf
            for place in range(points.shape[1]):
                dx, dy = points[way, place, 0] - lines[line, 0], points[way, place, 1] - lines[line, 1]
                gap = np.sqrt(dx * dx + dy * dy)
                if gap < nearest:
                    nearest, s = gap, along[way, place]
            if nearest < lines[line, 2] + 0.5 and s > starts[way]:
                found[way] = min(found[way], s)
    return found


@njit(cache=True)
def placed(points: np.ndarray, along: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (Q, P, 2) places and (Q, P) directions at ascending distances `s` (Q, P) along (Q, M, 2) points."""
    places, directions = np.empty((*s.shape, 2)), np.empty(s.shape)
    for row in range(len(points)):
        segment = 0
        for step in range(s.shape[1]):
            while segment < points.shape[1] - 2 and along[row, segment + 1] <= s[row, step]:
                segment += 1
            length = max(along[row, segment + 1] - along[row, segment], 1e-6)
            dx = (points[row, segment + 1, 0] - points[row, segment, 0]) / length
            dy = (points[row, segment + 1, 1] - points[row, segment, 1]) / length
            ahead = s[row, step] - along[row, segment]
            places[row, step, 0] = points[row, segment, 0] + ahead * dx
            places[row, step, 1] = points[row, segment, 1] + ahead * dy
            directions[row, step] = np.arctan2(dy, dx)
    return places, directions


@njit(cache=True)
def bend_speeds(points: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return (Q, M) speeds for bends: by lateral acceleration where the bend is, before it by gentle braking.

    A bend is taken over three points, for drawn corners are no bends of one metre.
    """
    count, length = along.shape
    speeds = np.full((count, length), 1e3)
    bend = np.zeros(length)
    for row in range(count):
        for place in range(1, length - 1):
            x0, y0 = points[row, place] - points[row, place - 1]
            x1, y1 = points[row, place + 1] - points[row, place]
            turn = abs(np.arctan2(x0 * y1 - y0 * x1, x0 * x1 + y0 * y1))
            bend[place] = turn / max((along[row, place + 1] - along[row, place - 1]) / 2.0, 0.5)
        for place in range(1, length - 1):
            smooth = (bend[place - 1] + bend[place] + bend[min(place + 1, length - 2)]) / 3.0
            if smooth > 1e-4:
                speeds[row, place] = np.sqrt(LATERAL_MPS2 / smooth)
        for place in range(length - 2, -1, -1):
            step = along[row, place + 1] - along[row, place]
            speeds[row, place] = min(
                speeds[row, place], np.sqrt(speeds[row, place + 1] ** 2 + 2.0 * BRAKING_MPS2 * step)
            )
    return speeds


@njit(cache=True)
def travelled(
    along: np.ndarray, caps: np.ndarray, starts: np.ndarray, stops: np.ndarray, wanted: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Return (Q, P) metres along lanes at (Q, P) speeds, but slower in bends, and standing before `stops` (Q,)."""
    found = np.zeros(wanted.shape)
    for row in range(len(wanted)):
        speed, place = wanted[row, 0], 0
        for step in range(len(times) - 1):
            length_s = times[step + 1] - times[step]
            s = starts[row] + found[row, step]
            while place < along.shape[1] - 2 and along[row, place + 1] <= s + speed * length_s:
                place += 1
            to_stop = max(stops[row] - s - STOP_SHORT_M, 0.0)
            allowed = min(caps[row, place], np.sqrt(2.0 * STOP_BRAKING_MPS2 * to_stop))
            after = max(min(wanted[row, step + 1], max(allowed, speed - HARDEST_MPS2 * length_s)), 0.0)
            found[row, step + 1] = found[row, step] + (speed + after) / 2.0 * length_s
            speed = after
    return found


@njit(cache=True)
def drawn_along(ahead: np.ndarray, now: np.ndarray, travelled_m: np.ndarray, axles_m: np.ndarray) -> np.ndarray:
    """Return (Q, P) headings of bodies whose rear is drawn along while the front goes in directions `ahead` (Q, P).

    They begin with now (Q,) and turn by metres (Q, P), the more slowly the further apart their axles (Q,) are: long
    vehicles swing wide.
    """
    found = np.empty(ahead.shape)
    for row in range(len(ahead)):
        heading, length = now[row], max(axles_m[row], 0.1)
        found[row, 0] = heading
        for step in range(1, ahead.shape[1]):
            off = (ahead[row, step] - heading + np.pi) % (2.0 * np.pi) - np.pi
            heading += off * (1.0 - np.exp((travelled_m[row, step - 1] - travelled_m[row, step]) / length))
            found[row, step] = heading
    return found
