"""Pictures without what cameras write beside the pixels: EXIF of JPEG, text of PNG; both may tell place and owner."""

import struct

import numpy as np

from autonomy_nodes.messages.cdr import Cursor, Parts, write_header, write_text
from autonomy_nodes.messages.images import JPEG_ALONE, JPEG_START, PNG_START

JPEG_NOTES = frozenset((0xFE, 0xE1, *range(0xE3, 0xEE), 0xEF))  # comments and application data but JFIF, ICC, Adobe
JPEG_SCAN = 0xDA  # from here on there are pixels
PNG_NOTES = frozenset((b'eXIf', b'tEXt', b'iTXt', b'zTXt', b'tIME'))


def without_exif(data: bytes) -> bytes:
    """Return a sensor_msgs/CompressedImage without notes; raises DataError on one that is cut off."""
    cursor = Cursor(data)
    stamp_ns, frame = cursor.header()
    told = cursor.text()
    packed = cursor.array('u1', cursor.count(1)).tobytes()
    cursor.end()
    if packed.startswith(JPEG_START):
        packed = _jpeg(packed)
    elif packed.startswith(PNG_START):
        packed = _png(packed)
    message = Parts(write_header(stamp_ns, frame))
    message.add(write_text(told), 4)
    message.add_count(len(packed))
    message.add(np.frombuffer(packed, np.uint8).data, 1)
    return message.joined()


def _jpeg(packed: bytes) -> bytes:
    """Leave out segments of notes (ITU-T T.81, B.1.1.4)."""
    kept, place = [JPEG_START], len(JPEG_START)
    while place + 4 <= len(packed) and packed[place] == 0xFF and packed[place + 1] != JPEG_SCAN:
        marker = packed[place + 1]
        if marker == 0xFF:
            length = 1
        elif marker in JPEG_ALONE:
            length = 2
        else:
            length = 2 + struct.unpack_from('>H', packed, place + 2)[0]
        if marker not in JPEG_NOTES:
            kept.append(packed[place : place + length])
        place += length
    return b''.join([*kept, packed[place:]])


def _png(packed: bytes) -> bytes:
    """Leave out chunks of notes (PNG, third edition, 11.3)."""
    kept, place = [PNG_START], len(PNG_START)
    while place + 8 <= len(packed):
        (length,), kind = struct.unpack_from('>I', packed, place), packed[place + 4 : place + 8]
        if kind not in PNG_NOTES:
            kept.append(packed[place : place + 12 + length])
        place += 12 + length
    return b''.join(kept)
