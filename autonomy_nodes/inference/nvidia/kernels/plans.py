"""What is launched, in which order, on which memory: the same on the GPU and on the CPU.

A plan holds addresses only; whoever runs it keeps the memory alive. Sizes are checked where they are born, in the
dataclasses: a kernel would write beyond its memory without a word.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

THREADS = 256  # of a block
MOST_THREADS = 2**31
CELL_BYTES, LIGHT_BYTES, PEAK_BYTES, FOUND_BYTES = 56, 776, 72, 1032  # as the sources assert
MOST_SLICES, CHANNELS_TOGETHER = 31, 8
BEFORE_SLICES, AFTER_SLICES = 5, 3  # channels of a raster
CLASS_COLUMNS, BOX_CHANNELS, ROW = 6, 8, 4
SURPLUS = 4  # as many peaks are looked at as may stay, times this


@dataclass(frozen=True)
class Clear:
    """Set bytes to 0."""

    address: int
    size: int


@dataclass(frozen=True)
class Launch:
    """Run a kernel on at least so many threads.

    arguments: numpy scalars of the kernel's types; np.uintp: addresses.
    """

    kernel: str
    threads: int
    arguments: tuple[np.generic, ...]

    def __post_init__(self) -> None:
        if not 0 < self.threads <= MOST_THREADS - THREADS:
            raise ValueError(f'{self.kernel} cannot run on {self.threads} threads')

    @property
    def blocks(self) -> int:
        """How many blocks of THREADS cover the threads."""
        return -(-self.threads // THREADS)


@dataclass(frozen=True)
class Plan:
    """Steps, one after another. source: one of sources.NAMES."""

    source: str
    steps: tuple[Clear | Launch, ...]


@dataclass(frozen=True)
class Cells:
    """A grid seen from above: cell [i, j] begins at origin_m + (i, j) * cell_m."""

    origin_m: tuple[float, float]
    cell_m: float
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if not (self.cell_m > 0.0 and np.isfinite((*self.origin_m, self.cell_m)).all()):
            raise ValueError(f'cell_m={self.cell_m} must be above 0, origin_m={self.origin_m} finite')
        if not 0 < self.shape[0] * self.shape[1] <= MOST_THREADS // 64 or min(self.shape) < 1:
            raise ValueError(f'shape={self.shape} of a grid must be above 0, and not huge')

    @property
    def count(self) -> int:
        """How many cells there are."""
        return self.shape[0] * self.shape[1]

    @property
    def scalars(self) -> tuple[np.generic, ...]:
        """The place of the grid as kernels take it."""
        return np.float64(self.origin_m[0]), np.float64(self.origin_m[1]), np.float64(self.cell_m)


@dataclass(frozen=True)
class Splat:
    """One sweep of `points` points into cells, with so many slices of height."""

    cells: Cells
    slices: int
    points: int

    def __post_init__(self) -> None:
        if not 0 < self.slices <= MOST_SLICES or not 0 <= self.points < MOST_THREADS // 4:
            raise ValueError(f'slices={self.slices} must be 1 to {MOST_SLICES}, points={self.points} not huge')

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Channels and cells of what comes out, float32."""
        return BEFORE_SLICES + self.slices + AFTER_SLICES, *self.cells.shape

    @property
    def scratch_bytes(self) -> int:
        """How much memory it needs beside."""
        return LIGHT_BYTES + CELL_BYTES * self.cells.count

    def plan(self, *, points: int, heights: int, edges: int, scratch: int, out: int) -> Plan:
        """Return the steps. points: (N, 4) float32, heights: (N,) float32, edges: (slices + 1,) float32."""
        light, cells = np.uintp(scratch), np.uintp(scratch + LIGHT_BYTES)
        slices, shape = np.int32(self.slices), tuple(np.int32(side) for side in self.cells.shape)
        cloud = (np.uintp(points), np.uintp(heights), np.int32(self.points), np.uintp(edges), slices)
        given: tuple[np.generic, ...] = (*cloud, *self.cells.scalars, *shape, cells, light)
        steps = (
            Clear(scratch, self.scratch_bytes),
            Launch('splat_points', max(self.points, 1), given),  # of no points one thread finds that there is none
            Launch('splat_light', 1, (light,)),
            Launch('splat_channels', self.cells.count, (cells, light, slices, *shape, np.uintp(out))),
        )
        return Plan('splat', steps)


@dataclass(frozen=True)
class Lift:
    """Features of so many cameras and channels, (high, wide) a picture, into so many places."""

    cameras: int
    channels: int
    high: int
    wide: int
    places: int

    def __post_init__(self) -> None:
        sizes = (self.cameras, self.channels, self.high, self.wide, self.places)
        if min(sizes) < 1 or max(self.high * self.wide, self.places * max(self.cameras, self.channels)) >= MOST_THREADS:
            raise ValueError(f'lift of {sizes} cameras, channels, rows, columns, places: must be above 0, and not huge')

    @property
    def _sizes(self) -> tuple[np.generic, ...]:
        return tuple(np.int32(x) for x in (self.cameras, self.channels, self.high, self.wide, self.places))

    @property
    def _threads(self) -> int:
        return self.places * -(-self.channels // CHANNELS_TOGETHER)

    def forward(self, *, features: int, places: int, weights: int, out: int) -> Plan:
        """Return the steps to the mean at each place, (channels, places)."""
        pointers = tuple(np.uintp(x) for x in (features, places, weights))
        return Plan('lift', (Launch('lift_forward', self._threads, (*pointers, *self._sizes, np.uintp(out))),))

    def to_features(self, *, told: int, places: int, weights: int, out: int, size: int) -> Plan:
        """Return the steps from the gradient told at each place to that of the features. size: bytes of a number."""
        pointers = tuple(np.uintp(x) for x in (told, places, weights))
        launch = Launch('lift_features', self._threads, (*pointers, *self._sizes, np.uintp(out)))
        clear = Clear(out, size * self.cameras * self.channels * self.high * self.wide)
        return Plan('lift', (clear, launch))

    def to_weights(self, *, told: int, features: int, lifted: int, places: int, weights: int, out: int) -> Plan:
        """Return the steps from the gradient told at each place to that of the weights."""
        pointers = tuple(np.uintp(x) for x in (told, features, lifted, places, weights))
        launch = Launch('lift_weights', self.places * self.cameras, (*pointers, *self._sizes, np.uintp(out)))
        return Plan('lift', (launch,))


@dataclass(frozen=True)
class Peaks:
    """At most `most` middles of so many classes in cells. fit: how much the told fit counts, 0 to 1."""

    cells: Cells
    classes: int
    fit: float
    most: int

    def __post_init__(self) -> None:
        if not (0.0 <= self.fit < 1.0 and 0 < self.most <= 10_000 and 0 < self.classes <= 64):
            raise ValueError(f'fit={self.fit} must be 0 to 1, most={self.most} 1 to 10000, classes={self.classes} 1-64')

    @property
    def room(self) -> int:
        """How many peaks there can be: one in each two by two cells."""
        return self.classes * -(-self.cells.shape[0] // 2) * -(-self.cells.shape[1] // 2)

    @property
    def limit(self) -> int:
        """How many of the surest are looked at."""
        return SURPLUS * self.most

    @property
    def _words(self) -> int:
        return -(-self.limit // 32)

    @property
    def _parts(self) -> tuple[int, ...]:
        """Bytes of: how many were found, bits gone, values, peaks, places, bits hidden; those of doubles first."""
        first = -(-(FOUND_BYTES + 4 * self._words) // 8) * 8
        return first, 8 * self.room, PEAK_BYTES * self.limit, 4 * self.room, 4 * self.limit * self._words

    @property
    def scratch_bytes(self) -> int:
        """How much memory it needs beside."""
        return sum(self._parts)

    def plan(self, *, heat: int, overlap: int, box: int, told: int, scratch: int, out: int, kept: int) -> Plan:
        """Return the steps. told: (classes, 6) float64, see host.class_table; out: (most, 4) float64, kept: int32."""
        found, values, peaks, places, hidden = (np.uintp(scratch + at) for at in accumulate((0, *self._parts[:-1])))
        shape = (np.int32(self.cells.shape[0]), np.int32(self.cells.shape[1]))
        limit, words, table = np.int32(self.limit), np.int32(self._words), np.uintp(told)
        maps = (np.uintp(heat), np.uintp(overlap), table, np.int32(self.classes), *shape, np.float64(self.fit))
        listed = (found, values, places, table, np.uintp(box))
        last = (np.int32(self.most), np.uintp(scratch + FOUND_BYTES), np.uintp(out), np.uintp(kept))
        steps: tuple[Clear | Launch, ...] = (
            Clear(scratch, self._parts[0]),
            Clear(out, 8 * ROW * self.most),
            Launch('peaks_found', self.classes * self.cells.count, (*maps, found, values, places)),
            Launch('peaks_counted', 1, (found, limit)),
            Launch('peaks_ranked', self.room, (*listed, *shape, *self.cells.scalars, limit, peaks)),
            Launch('peaks_hidden', self.limit * int(words), (found, peaks, limit, words, hidden)),
            Launch('peaks_kept', 1, (found, peaks, hidden, *shape, limit, words, *last)),
        )
        return Plan('decode', steps)
