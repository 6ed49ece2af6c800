"""How messages lie on the wire: encapsulation, alignment, std_msgs/Header, and rows of equal size.

ROS 2 writes CDR (XCDR version 1, little endian): four bytes of encapsulation, then each value at a
multiple of its own size, counted from behind the encapsulation (OMG DDS-XTypes 7.4). A string is its length
with the closing zero, then its bytes. A sequence is its count, then its items.
"""

import struct

import numpy as np

from autonomy_nodes.common.types import SECOND_NS, DataError

LITTLE_ENDIAN = bytes((0, 1, 0, 0))
MAX_BYTES = 64 * 2**20  # no sensor of a vehicle sends more in one message
SLACK_BYTES = 3  # middlewares round the length of a message up to a multiple of four


def padding(offset: int, size: int) -> int:
    """Return how many bytes to leave free at `offset` so that a value of `size` bytes is aligned."""
    return -(offset - len(LITTLE_ENDIAN)) % size


def write_text(text: str) -> bytes:
    """Return a string as it lies on the wire, at an aligned place."""
    data = text.encode() + b'\0'
    return struct.pack('<I', len(data)) + data


def write_header(stamp_ns: int, frame: str) -> bytes:
    """Return the encapsulation and the header."""
    return LITTLE_ENDIAN + struct.pack('<iI', *divmod(int(stamp_ns), SECOND_NS)) + write_text(frame)


def write_rows(head: bytes, rows: np.ndarray, lead: int) -> bytes:
    """Return `head` and the sequence of `rows`; the first value of 8 bytes lies `lead` bytes into a row.

    A row must be a multiple of 8 bytes and its padding zero: then only the first row may need a gap before that value.
    """
    head += bytes(padding(len(head), 4)) + struct.pack('<I', len(rows))
    data = np.ascontiguousarray(rows).view(np.uint8).data
    gap = padding(len(head) + lead, 8) if len(rows) else 0
    return b''.join((head, data[:lead], bytes(gap), data[lead:]))


class Parts:
    """A message that is written part by part, each at its alignment."""

    def __init__(self, head: bytes) -> None:
        self._parts: list[bytes | memoryview] = [head]
        self._size = len(head)

    def add(self, data: bytes | memoryview, alignment: int) -> None:
        """Append bytes at the next multiple of `alignment`."""
        gap = padding(self._size, alignment)
        self._parts += [bytes(gap), data]
        self._size += gap + len(data)

    def add_count(self, count: int) -> None:
        """Append the count of a sequence."""
        self.add(struct.pack('<I', count), 4)

    def joined(self) -> bytes:
        """Return the message."""
        return b''.join(self._parts)


def stamp_ns_of(sec: int, nanosec: int) -> int:
    """Return a moment in nanoseconds; raises DataError on nanoseconds of a second or more."""
    if nanosec >= SECOND_NS:
        raise DataError(f'stamp has {nanosec} nanoseconds, a second or more')
    return sec * SECOND_NS + nanosec


class Cursor:
    """Reads a message from front to back; raises DataError where it ends too early or is no little-endian CDR.

    Every count is compared with the bytes that are left before anything of that size is made.
    """

    def __init__(self, data: bytes, limit: int = MAX_BYTES) -> None:
        if len(data) > limit:
            raise DataError(f'message of {len(data)} bytes is larger than {limit}')
        if bytes(data[:4]) != LITTLE_ENDIAN:
            raise DataError(f'encapsulation {bytes(data[:4]).hex()!r} is not that of little-endian CDR')
        self.data, self.offset = data, len(LITTLE_ENDIAN)

    def align(self, size: int) -> None:
        """Go on to where a value of `size` bytes may lie."""
        self.offset += padding(self.offset, size)

    def take(self, length: int) -> int:
        """Go on by `length` bytes and return where they start."""
        start, self.offset = self.offset, self.offset + length
        if self.offset > len(self.data):
            raise DataError(f'message of {len(self.data)} bytes is cut off: {self.offset} are needed')
        return start

    def unpack(self, layout: str) -> tuple:
        """Read values that lie without gaps; `layout` is `<` and a letter a value, the first the most aligned."""
        self.align(struct.calcsize(layout[:2]))
        return struct.unpack_from(layout, self.data, self.take(struct.calcsize(layout)))

    def count(self, item_bytes: int) -> int:
        """Read the count of a sequence whose items take `item_bytes` or more each."""
        (count,) = self.unpack('<I')
        if count * item_bytes > len(self.data) - self.offset:
            raise DataError(f'message of {len(self.data)} bytes is cut off: it cannot hold {count} items')
        return count

    def text(self) -> str:
        """Read a string."""
        (length,) = self.unpack('<I')
        start = self.take(length)
        data = bytes(self.data[start : self.offset])
        if not data.endswith(b'\0'):
            raise DataError(f'string of {length} bytes has no end')
        try:
            return data[:-1].decode()
        except UnicodeDecodeError as error:
            raise DataError(f'string is not UTF-8: {error}') from error

    def array(self, dtype: str | np.dtype, count: int) -> np.ndarray:
        """Read (count,) values without copying them."""
        kind = np.dtype(dtype)
        if count:
            self.align(kind.itemsize if kind.names is None else 1)
        start = self.take(kind.itemsize * count)
        return np.frombuffer(self.data, kind, count, start)

    def stamp_ns(self) -> int:
        """Read a builtin_interfaces/Time."""
        return stamp_ns_of(*self.unpack('<iI'))

    def header(self) -> tuple[int, str]:
        """Read a std_msgs/Header: stamp_ns and frame."""
        return self.stamp_ns(), self.text()

    def rows(self, count: int, dtype: np.dtype, lead: int) -> np.ndarray:
        """Read (count,) rows as `write_rows` wrote them, behind their count."""
        if not count:
            return np.zeros(0, dtype)
        first = self.take(lead)
        self.align(8)
        rest = self.take(count * dtype.itemsize - lead)
        rows = np.empty(count, dtype)
        data = rows.view(np.uint8)
        data[:lead] = np.frombuffer(self.data, np.uint8, lead, first)
        data[lead:] = np.frombuffer(self.data, np.uint8, len(data) - lead, rest)
        return rows

    def end(self) -> None:
        """Raise DataError unless the message ends here."""
        if len(self.data) - self.offset > SLACK_BYTES:
            raise DataError(f'message of {len(self.data)} bytes goes on behind its end at {self.offset}')
