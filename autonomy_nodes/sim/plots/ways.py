"""Middles of the lanes of a plot as a map holds them: where roads cross, each way in forks into straight and turns."""

from collections.abc import Iterator, Sequence

import numpy as np

from autonomy_nodes.sim.plots.plot import Plot, Track

CORNER_M = 1.5  # lanes fork so far before the edge of the other road
TURN = 0.55  # of the way to where the lanes would meet: a quarter of a circle, nearly
_STEP_M = 1.0


def middles_of(plot: Plot) -> list[np.ndarray]:
    """Return lines (M, 2) s and n in the direction of travel, of all lanes on which the vehicle itself may be.

    From the lane next to the middle of the road it may turn left, from the one next to its edge right.
    """
    tracks = [track for track in plot.tracks if track.ego]
    across = [track for track in tracks if not _runs_along(track)]
    if not across:
        return [_straight(track, 0.0, track.length_m) for track in tracks]
    middle, reach = np.mean([track.s for track in across]), np.ptp([track.s for track in across])
    half = -float(plot.relief.skin_at[1])
    centre, room = np.array([middle, 0.0]), np.array([reach, half]) + CORNER_M
    lines = []
    for track in tracks:
        enters, leaves = _within(track, centre, room)
        lines += [_straight(track, *part) for part in ((0.0, enters), (enters, leaves), (leaves, track.length_m))]
    for one, other in _turns(tracks, centre):
        begin, end = (_straight(one, 0.0, _within(one, centre, room)[0])[-1],
                      _straight(other, _within(other, centre, room)[1], other.length_m)[0])  # fmt: skip
        lines.append(_bent(begin, end, _runs_along(one)))
    return [line for line in lines if np.linalg.norm(line[-1] - line[0]) > _STEP_M]


def _runs_along(track: Track) -> bool:
    return abs(np.sin(track.heading)) < 0.5


def _straight(track: Track, low_m: float, high_m: float) -> np.ndarray:
    steps = np.linspace(low_m, high_m, max(2, int(max(high_m - low_m, 0.0) / _STEP_M) + 1))
    return np.array([track.at(d)[:2] for d in steps])


def _within(track: Track, centre: np.ndarray, room: np.ndarray) -> tuple[float, float]:
    """Return between which metres of a track it lies where the roads cross: room (2,) to both sides of the centre."""
    axis = 0 if _runs_along(track) else 1
    ahead = np.cos(track.heading) if axis == 0 else np.sin(track.heading)
    at = float(ahead * (centre[axis] - (track.s, track.n)[axis]))
    low, high = np.clip([at - room[axis], at + room[axis]], 0.0, track.length_m)
    return float(low), float(high)


def _turns(tracks: Sequence[Track], centre: np.ndarray) -> Iterator[tuple[Track, Track]]:
    """Yield from which lane vehicles turn into which."""
    for one in tracks:
        for other in tracks:
            turn = np.sin(other.heading - one.heading)  # 1 to the left, -1 to the right
            if abs(turn) < 0.5:
                continue
            if all(_is_last(track, tracks, centre, turn) for track in (one, other)):
                yield one, other


def _is_last(track: Track, tracks: Sequence[Track], centre: np.ndarray, turn: float) -> bool:
    """Return whether no lane of the same direction lies farther to the side of a turn."""
    alike = [other for other in tracks if np.cos(other.heading - track.heading) > 0.5]
    return all(turn * (_right(other, centre) - _right(track, centre)) > -1e-6 for other in alike)


def _right(track: Track, centre: np.ndarray) -> float:
    """Return how far [m] a track lies to the right of the middle of its road."""
    s, n = np.array([track.s, track.n]) - centre
    return float(s * np.sin(track.heading) - n * np.cos(track.heading))


def _bent(begin: np.ndarray, end: np.ndarray, along: bool) -> np.ndarray:
    """Return a turn (M, 2), as a cubic Bezier curve, by a quarter. along: whether it begins along the road."""
    corner = np.array([end[0], begin[1]] if along else [begin[0], end[1]])
    points = np.stack([begin, begin + TURN * (corner - begin), end + TURN * (corner - end), end])
    t = np.linspace(0.0, 1.0, 25)[:, None]
    shares = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    return np.asarray(sum(share * point for share, point in zip(shares, points)))
