"""Pictures and camera calibrations: sensor_msgs/Image, CompressedImage and CameraInfo."""

import struct
import zlib

import cv2
import numpy as np

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.cdr import Cursor, Parts, write_header, write_text
from autonomy_nodes.messages.store import decode, encode, header_of, new, stamp_of

CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
MAX_PIXELS = 16_000_000  # 48 MB as RGB; the size is read from the picture's head before anything is decoded
ENCODINGS = {  # name: bytes a channel, channels, how OpenCV calls the way to RGB
    'rgb8': (1, 3, None),
    'bgr8': (1, 3, cv2.COLOR_BGR2RGB),
    'rgba8': (1, 4, cv2.COLOR_RGBA2RGB),
    'bgra8': (1, 4, cv2.COLOR_BGRA2RGB),
    'mono8': (1, 1, cv2.COLOR_GRAY2RGB),
    'mono16': (2, 1, cv2.COLOR_GRAY2RGB),
    '8UC1': (1, 1, cv2.COLOR_GRAY2RGB),
    '8UC3': (1, 3, cv2.COLOR_BGR2RGB),  # as OpenCV keeps pictures
    'yuv422': (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': (1, 2, cv2.COLOR_YUV2RGB_YUYV),
    'yuyv': (1, 2, cv2.COLOR_YUV2RGB_YUYV),
}
BAYER = {  # ROS names the first two pixels of both rows, OpenCV those from the second row and column on
    'bayer_rggb': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg': cv2.COLOR_BayerGB2RGB,
}
ENCODINGS |= {f'{name}{8 * size}': (size, 1, way) for name, way in BAYER.items() for size in (1, 2)}
DISTORTIONS = {  # model: numbers of coefficients
    'plumb_bob': (0, 4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
ALIASES = {'fisheye': 'equidistant', '': 'plumb_bob'}
PNG_START, JPEG_START, JPEG_END = b'\x89PNG\r\n\x1a\n', b'\xff\xd8', b'\xff\xd9'
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that tell the size
JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a length


def read_image(data: bytes) -> Image:
    """Read a raw picture of any of `ENCODINGS` as RGB; raises DataError on others and on sizes that disagree."""
    cursor = Cursor(data)
    stamp_ns, frame = cursor.header()
    height, width = cursor.unpack('<II')
    encoding = cursor.text()
    bigendian, step, count = *cursor.unpack('<B'), *cursor.unpack('<I'), cursor.count(1)
    if encoding not in ENCODINGS:
        raise DataError(f'encoding {encoding!r} is not one of {", ".join(ENCODINGS)}')
    size, channels, way = ENCODINGS[encoding]
    if not (0 < width * height <= MAX_PIXELS) or (channels == 2 and width % 2):
        raise DataError(f'{encoding} picture has {width} x {height} pixels, more than none and at most {MAX_PIXELS}')
    if step < width * channels * size:
        raise DataError(f'step {step} is less than {width} pixels of {channels * size} bytes')
    if count < step * height:
        raise DataError(f'data of {count} bytes is shorter than step {step} times height {height}')
    rows = cursor.array('u1', count)[: step * height].reshape(height, step)[:, : width * channels * size]
    cursor.end()
    pixels = np.ascontiguousarray(rows)
    if size == 2:  # the upper byte of each
        pixels = np.ascontiguousarray(pixels[:, 0 if bigendian else 1 :: 2])
    pixels = pixels.reshape(height, width, channels) if channels > 1 else pixels
    return Image(stamp_ns, frame, pixels if way is None else cv2.cvtColor(pixels, way))


def write_image(image: Image) -> bytes:
    """Write a picture as rgb8."""
    height, width, _ = image.pixels.shape
    message = Parts(write_header(image.stamp_ns, image.frame))
    message.add(struct.pack('<II', height, width), 4)
    message.add(write_text('rgb8') + b'\0', 4)  # little endian
    message.add(struct.pack('<II', 3 * width, 3 * width * height), 4)
    message.add(np.ascontiguousarray(image.pixels).data.cast('B'), 1)
    return message.joined()


def read_compressed(data: bytes) -> Image:
    """Read a JPEG or PNG picture; raises DataError on other formats, on cut off ones, and on ones too large.

    What the message says about its format is ignored: the bytes tell. Damage inside a JPEG that keeps its end is
    not noticed, since the format has no checksums.
    """
    cursor = Cursor(data)
    stamp_ns, frame = cursor.header()
    cursor.text()
    packed = cursor.array('u1', cursor.count(1))
    cursor.end()
    width, height = picture_size(packed.tobytes())
    if not 0 < width * height <= MAX_PIXELS:
        raise DataError(f'picture of {width} x {height} pixels has none or more than {MAX_PIXELS}')
    try:
        pixels = cv2.imdecode(packed, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DataError(f'picture cannot be decoded: {error}') from error
    if pixels is None or pixels.shape != (height, width, 3):
        raise DataError(f'picture of {width} x {height} pixels cannot be decoded')
    return Image(stamp_ns, frame, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def write_compressed(image: Image, quality: int = 90) -> bytes:
    """Write a picture as JPEG; quality 1 to 100."""
    if not 1 <= quality <= 100:
        raise ValueError(f'quality={quality} must lie between 1 and 100')
    swapped = cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
    done, packed = cv2.imencode('.jpg', swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f'picture of {image.pixels.shape} cannot be encoded')
    message = Parts(write_header(image.stamp_ns, image.frame))
    message.add(write_text('rgb8; jpeg compressed bgr8'), 4)
    message.add_count(packed.size)
    message.add(packed.data.cast('B'), 1)
    return message.joined()


def picture_size(packed: bytes) -> tuple[int, int]:
    """Return width and height of a whole JPEG or PNG, without decoding it."""
    if packed.startswith(PNG_START):
        return _png_size(packed)
    if packed.startswith(JPEG_START):
        if not packed.rstrip(b'\0').endswith(JPEG_END):  # cameras may fill up with zeros
            raise DataError('jpeg is cut off: it has no end')
        return _jpeg_size(packed)
    raise DataError(f'picture is neither JPEG nor PNG: it begins with {packed[:8].hex()!r}')


def _png_size(packed: bytes) -> tuple[int, int]:
    """Walk through the chunks of a PNG; each has a checksum."""
    place, size, kind = len(PNG_START), (0, 0), b''
    while kind != b'IEND':
        if place + 12 > len(packed):
            raise DataError('png is cut off: it has no end')
        (length,), kind = struct.unpack_from('>I', packed, place), packed[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(packed):
            raise DataError(f'png is cut off in its part {kind!r}')
        if zlib.crc32(packed[place + 4 : end]) != struct.unpack_from('>I', packed, end)[0]:
            raise DataError(f'png is damaged in its part {kind!r}')
        if kind == b'IHDR' and length == 13:
            size = struct.unpack_from('>II', packed, place + 8)
        place = end + 4
    return size


def _jpeg_size(packed: bytes) -> tuple[int, int]:
    """Walk through the segments of a JPEG up to the one that tells its size (ITU-T T.81)."""
    place = len(JPEG_START)
    while place + 9 <= len(packed):
        if packed[place] != 0xFF:
            raise DataError(f'jpeg has no marker at {place}')
        marker = packed[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in JPEG_ALONE:
            place += 2
        elif marker in JPEG_FRAMES:
            height, width = struct.unpack_from('>HH', packed, place + 5)
            return width, height
        else:
            place += 2 + struct.unpack_from('>H', packed, place + 2)[0]
    raise DataError('jpeg tells no size')


def read_camera_info(data: bytes) -> CameraModel:
    """Read a calibration; raises DataError on a camera that nobody calibrated and on unknown models."""
    message = decode(CAMERA_INFO, data)
    model = ALIASES.get(message.distortion_model, message.distortion_model)
    if model not in DISTORTIONS or len(message.d) not in DISTORTIONS[model]:
        raise DataError(f'distortion {message.distortion_model!r} with {len(message.d)} coefficients is not known')
    if message.binning_x > 1 or message.binning_y > 1:
        raise DataError(f'calibration is for another size: binning {message.binning_x} x {message.binning_y}')
    return CameraModel(
        stamp_ns=stamp_of(message.header.stamp),
        frame=message.header.frame_id,
        width=message.width,
        height=message.height,
        matrix=message.k.reshape(3, 3).copy(),
        model=model,
        distortion=message.d.astype(float),
        rectification=message.r.reshape(3, 3).copy() if message.r.any() else np.eye(3),
        projection=message.p.reshape(3, 4).copy(),
    )


def write_camera_info(camera: CameraModel) -> bytes:
    """Write a calibration."""
    message = new(
        CAMERA_INFO,
        header=header_of(camera.stamp_ns, camera.frame),
        height=camera.height,
        width=camera.width,
        distortion_model=camera.model,
        d=camera.distortion,
        k=camera.matrix,
        r=camera.rectification,
        p=camera.projection,
    )
    return encode(CAMERA_INFO, message)
