"""Where the map seems wrong: what should be seen and is not, and what is seen and is not in the map.

Each drive past an element is one traversal; its frames are counted, and speak when it ends. One traversal can make
an element suspect, never more; nothing is edited here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, moved, wrapped
from autonomy_nodes.common.lanes import LaneMatch, LaneObservations, LanePieces, Line, MapChanges
from autonomy_nodes.common.types import SECOND_NS, Pose
from autonomy_nodes.mapping.chunks import (
    SightConfig,
    chunks_of,
    common_shift,
    compatible,
    in_sight,
    matched,
    samples_of,
    unmatched,
    visible,
)
from autonomy_nodes.mapping.evidence import EvidenceConfig, odds, probability, ratio

JUDGED = (Line.DIVIDER, Line.SOLID, Line.BOUNDARY, Line.STOP_LINE)
NEW = (Line.DIVIDER, Line.SOLID, Line.BOUNDARY, Line.STOP_LINE)
AGREED = 4.0  # log odds above which neighbours cannot make an element suspect
PLACE_M = 0.5  # chunks are told apart by their line and their place in the map, which pose errors do not move


@dataclass(frozen=True)
class ChangesConfig:
    """Settings of change detection.

    match_probability: of the best lane, below which a frame is not judged. gone_s: a traversal ends when the element
    was not in sight for so long. frames: judged ones before anything is said. reports: frames that must show a class
    before its absence counts, for a detector may not know it. chain: share of the evidence of neighbouring chunks.
    same_...: segments this near to one another are one new thing. most_new, most_lines: kept at most.
    """

    sight: SightConfig = field(default_factory=SightConfig)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    match_probability: float = 0.6
    heading_rad: float = 0.3
    gone_s: float = 5.0
    frames: int = 8
    reports: int = 20
    chain: float = 0.5
    chain_m: float = 12.0
    chain_limit: float = 2.0
    same_aside_m: float = 0.6
    same_along_m: float = 4.0
    same_rad: float = 0.35
    period_s: float = 1.0
    most_new: int = 500
    most_lines: int = 20000

    def __post_init__(self) -> None:
        if self.frames < 1 or self.most_new < 1:
            raise ValueError(f'frames={self.frames} and most_new={self.most_new} must be 1 or more')
        for name in ('gone_s', 'period_s', 'same_aside_m', 'same_along_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')


@dataclass
class Element:
    """A chunk of the map, or something new, with what speaks for it. The direction matters for new things only."""

    id: int
    class_: int
    middle: np.ndarray
    log_odds: float  # that it is there
    heading_rad: float = 0.0
    traversals: int = 0
    frames: int = 0
    seen_now: int = 0
    matched_now: int = 0
    last_ns: int = 0

    def standing(self, config: EvidenceConfig) -> float:
        """Return the log odds that it is there, the traversal that still runs included."""
        return self.log_odds + (ratio(self.matched_now, self.seen_now, config) if self.seen_now else 0.0)

    def close(self, config: EvidenceConfig) -> None:
        """End the traversal."""
        self.log_odds = self.standing(config)
        self.traversals += 1
        self.frames += self.seen_now
        self.seen_now = self.matched_now = 0


class ChangeWatch:
    """Keeps the evidence of a drive."""

    def __init__(self, config: ChangesConfig) -> None:
        self.config = config
        self._chunks: dict[int, dict[tuple[int, int], Element]] = {}  # by line, then by place
        self._open: dict[tuple[int, int, int], Element] = {}  # in sight a while ago
        self._new: list[Element] = []
        self._reports = dict.fromkeys(map(int, JUDGED), 0)
        self._published_ns: int | None = None

    def step(self, seen: LaneObservations, pieces: LanePieces, match: LaneMatch | None, pose: Pose) -> str:
        """Take one frame in; return '' or why it was not judged. All must be of one moment."""
        self._end_traversals(seen.stamp_ns)
        if match is None or not len(match.ids) or match.probabilities[0] < self.config.match_probability:
            return 'the lane is not sure'
        if abs(match.heading_errors_rad[0]) > self.config.heading_rad:
            return 'the vehicle is not along its lane'
        for class_ in self._reports:
            self._reports[class_] += bool((compatible(class_, seen.classes) & (seen.classes != Line.UNKNOWN)).any())
        classes = tuple(class_ for class_, count in self._reports.items() if count >= self.config.reports)
        sight, map_from_base = self.config.sight, matrix_of(pose.position_m, pose.orientation)
        chunks = chunks_of(pieces, classes, sight.near_m)
        shift = common_shift(seen, chunks_of(pieces, JUDGED, sight.near_m + 10.0), sight)
        places, rows = samples_of(seen, sight)
        places = places - [0.0, shift]
        found = matched(chunks, places, seen.classes[rows], sight)
        middles = moved(chunks.middles, map_from_base)
        for row in np.nonzero(visible(chunks, seen.seen_range_m, sight))[0].tolist():
            self._count(int(chunks.ids[row]), int(chunks.classes[row]), middles[row], bool(found[row]), seen.stamp_ns)
        fresh = unmatched(places, rows, len(seen.segments), pieces, sight)
        self._take_new(seen, fresh[np.isin(seen.classes[fresh], NEW)], shift, map_from_base)
        return ''

    def due(self, stamp_ns: int) -> bool:
        """Return whether it is time to tell; at most once each period."""
        if self._published_ns is not None and 0 <= stamp_ns - self._published_ns < self.config.period_s * SECOND_NS:
            return False
        self._published_ns = stamp_ns
        return True

    def changes(self, stamp_ns: int) -> MapChanges:
        """Return what is suspect now: elements more probably gone than there, new ones more probably there than not."""
        found: list[tuple[str, Element, float]] = []
        for element in self._elements():
            if (
                element.frames + element.seen_now >= self.config.frames
                and element.standing(self.config.evidence) < AGREED
            ):
                gone = -self._chained(element)
                found += [('removed', element, gone)] if gone > 0.0 else []
        for element in self._new:
            there = element.standing(self.config.evidence)
            if there > 0.0 and element.frames + element.seen_now >= self.config.frames:
                found.append(('added', element, there))
        elements = [element for _, element, _ in found]
        log_odds = np.array([value for _, _, value in found])
        return MapChanges(
            stamp_ns,
            np.array([element.id for element in elements], np.int64),
            tuple(kind for kind, _, _ in found),
            np.array([element.class_ for element in elements], np.uint8),
            np.array([element.middle for element in elements]).reshape(-1, 3),
            log_odds,
            np.array([probability(value) for value in log_odds.tolist()]),
            np.array([element.traversals + (element.seen_now > 0) for element in elements], np.int64),
            np.array([element.frames + element.seen_now for element in elements], np.int64),
        )

    def _count(self, id_: int, class_: int, middle: np.ndarray, is_found: bool, stamp_ns: int) -> None:
        """Add one frame to a chunk of the map."""
        i, j = np.floor(middle[:2] / PLACE_M).astype(int).tolist()
        line = self._chunks.setdefault(id_, {})
        if (i, j) not in line:
            line[i, j] = Element(id_, class_, middle, odds(self.config.evidence.present))
        element = self._open[id_, i, j] = line[i, j]
        element.seen_now += 1
        element.matched_now += is_found
        element.last_ns = stamp_ns

    def _take_new(self, seen: LaneObservations, fresh: np.ndarray, shift: float, map_from_base: np.ndarray) -> None:
        """Add one frame to things that are not in the map: those that should be seen, then those that are."""
        base_from_map = inverse(map_from_base)
        hit: set[int] = set()
        for row in fresh.tolist():
            ends = moved(seen.segments[row] - [0.0, shift, 0.0], map_from_base)
            hit.add(self._placed(ends, int(seen.classes[row]), seen.stamp_ns))
        if not self._new:
            return
        spots = moved(np.array([element.middle for element in self._new]), base_from_map)[:, :2]
        looked_at = in_sight(spots, seen.seen_range_m, self.config.sight)
        for place, element in enumerate(self._new):
            if looked_at[place] or place in hit:
                element.seen_now += 1
                element.matched_now += place in hit
                element.last_ns = seen.stamp_ns

    def _placed(self, ends: np.ndarray, class_: int, stamp_ns: int) -> int:
        """Return the place, among the new things, of the one that this segment belongs to; it may be new itself."""
        middle, step = ends.mean(axis=0), ends[1] - ends[0]
        heading = float(np.arctan2(step[1], step[0]))
        for place, element in enumerate(self._new):
            away, cosine, sine = middle - element.middle, np.cos(element.heading_rad), np.sin(element.heading_rad)
            askew = abs(float(wrapped(2.0 * (heading - element.heading_rad)))) / 2.0
            along, aside = abs(cosine * away[0] + sine * away[1]), abs(cosine * away[1] - sine * away[0])
            near = along <= self.config.same_along_m and aside <= self.config.same_aside_m
            if near and askew <= self.config.same_rad and element.class_ == class_:
                return place
        self._new.append(Element(0, class_, middle, odds(self.config.evidence.born), heading, last_ns=stamp_ns))
        return len(self._new) - 1

    def _end_traversals(self, stamp_ns: int) -> None:
        """Close what has not been in sight for a while; new things with hardly any support are forgotten."""
        gone_ns = int(self.config.gone_s * SECOND_NS)
        for element in [*self._open.values(), *self._new]:
            if element.seen_now and not 0 <= stamp_ns - element.last_ns < gone_ns:
                element.close(self.config.evidence)
        self._open = {key: element for key, element in self._open.items() if element.seen_now}
        while len(self._chunks) > self.config.most_lines:
            del self._chunks[next(iter(self._chunks))]
        kept = [e for e in self._new if e.seen_now or e.log_odds > odds(self.config.evidence.born)]
        self._new = kept[-self.config.most_new :]

    def _chained(self, element: Element) -> float:
        """Return the log odds that a chunk is there, with what its neighbours on the line say."""
        evidence, limit = self.config.evidence, self.config.chain_limit
        own = element.standing(evidence)
        for other in self._chunks[element.id].values():
            gap = float(np.hypot(*(other.middle - element.middle)[:2]))
            if other is not element and gap <= self.config.chain_m:
                told = other.standing(evidence) - odds(evidence.present)
                own += self.config.chain * min(max(told, -limit), limit)
        return own

    def _elements(self) -> Iterator[Element]:
        for line in self._chunks.values():
            yield from line.values()
