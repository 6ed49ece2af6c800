"""Pictures: every encoding gives the same colours, and what is damaged or too large is refused before it is decoded."""

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
import samples

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import store
from autonomy_nodes.messages.images import read_camera_info, read_compressed, read_image, write_compressed, write_image

IMAGE, COMPRESSED, INFO = (f'sensor_msgs/msg/{name}' for name in ('Image', 'CompressedImage', 'CameraInfo'))
RED, GREEN, BLUE = 200, 100, 50


def raw(name, pixels, padding=0, **changes):
    """Give an Image of (H, W, ...) pixels; `changes` break it."""
    height, width = pixels.shape[:2]
    lines = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
    data = np.hstack([lines, np.full((height, padding), 0x55, np.uint8)])
    given = {'height': height, 'width': width, 'encoding': name, 'step': data.shape[1], 'data': data, **changes}
    return store.encode(IMAGE, store.new(IMAGE, header={'frame_id': 'camera'}, **given))


def filled(*channels, dtype=np.uint8):
    return np.tile(np.array(channels, dtype), (4, 4, 1))


def bayer(pattern, dtype=np.uint8, scale=1):
    pixels = np.zeros((8, 8), dtype)
    for place, colour in enumerate(pattern):
        pixels[place // 2 :: 2, place % 2 :: 2] = {'r': RED, 'g': GREEN, 'b': BLUE}[colour] * scale
    return pixels


@pytest.mark.parametrize(
    'encoding, pixels, colour',
    [
        ('rgb8', filled(RED, GREEN, BLUE), (RED, GREEN, BLUE)),
        ('bgr8', filled(BLUE, GREEN, RED), (RED, GREEN, BLUE)),
        ('8UC3', filled(BLUE, GREEN, RED), (RED, GREEN, BLUE)),
        ('rgba8', filled(RED, GREEN, BLUE, 7), (RED, GREEN, BLUE)),
        ('bgra8', filled(BLUE, GREEN, RED, 7), (RED, GREEN, BLUE)),
        ('mono8', filled(RED), (RED, RED, RED)),
        ('mono16', filled(RED * 256 + 9, dtype='<u2'), (RED, RED, RED)),
        *((f'bayer_{name}8', bayer(name), (RED, GREEN, BLUE)) for name in ('rggb', 'bggr', 'gbrg', 'grbg')),
        ('bayer_rggb16', bayer('rggb', '<u2', 256), (RED, GREEN, BLUE)),
    ],
)
@pytest.mark.parametrize('padding', [0, 3])
def test_every_encoding_gives_the_same_colours(encoding, pixels, colour, padding):
    found = read_image(raw(encoding, pixels, padding)).pixels
    assert found.shape == (*pixels.shape[:2], 3)
    np.testing.assert_array_equal(found, np.broadcast_to(np.array(colour, np.uint8), found.shape))


def test_the_upper_byte_of_big_endian_pixels_counts():
    pixels = filled(RED * 256 + 9, dtype='>u2')
    assert (read_image(raw('mono16', pixels, is_bigendian=1)).pixels == RED).all()


@pytest.mark.parametrize(
    'encoding, order',
    [('yuv422', (1, 0, 2, 0)), ('uyvy', (1, 0, 2, 0)), ('yuv422_yuy2', (0, 1, 0, 2)), ('yuyv', (0, 1, 0, 2))],
)
def test_both_orders_of_yuv_are_red_where_v_is_high(encoding, order):
    pixels = np.tile(np.array([81, 90, 240], np.uint8)[list(order)].reshape(1, 2, 2), (2, 2, 1))  # BT.601 red
    found = read_image(raw(encoding, pixels)).pixels
    np.testing.assert_allclose(found, np.broadcast_to([255, 0, 0], (2, 4, 3)), atol=2)


@pytest.mark.parametrize(
    'changes, reason',
    [
        ({'encoding': 'rgb'}, "encoding 'rgb' is not one of rgb8"),
        ({'encoding': ''}, "encoding ''"),
        ({'step': 11}, 'step 11 is less than 4 pixels of 3 bytes'),
        ({'height': 5}, 'data of 48 bytes is shorter than step 12 times height 5'),
        ({'height': 0}, '4 x 0 pixels'),
        ({'width': 2**31, 'height': 2**31}, 'pixels, more than none and at most 16000000'),
        ({'encoding': 'yuyv', 'width': 3}, '3 x 4 pixels'),
    ],
)
def test_a_raw_picture_that_contradicts_itself_is_refused(changes, reason):
    with pytest.raises(DataError, match=reason):
        read_image(raw('rgb8', filled(RED, GREEN, BLUE), **changes))


def test_a_picture_survives_its_bytes_and_nearly_survives_jpeg():
    before = samples.image()
    after = read_image(write_image(before))
    assert (after.stamp_ns, after.frame) == (before.stamp_ns, before.frame)
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert np.abs(read_compressed(write_compressed(before, 95)).pixels.astype(int) - before.pixels).mean() < 3.0


def compressed(packed, text='jpeg'):
    data = np.frombuffer(bytes(packed), np.uint8)
    return store.encode(COMPRESSED, store.new(COMPRESSED, header={'frame_id': 'camera'}, format=text, data=data))


def packed(suffix, options=()):
    return cv2.imencode(suffix, samples.image().pixels[:, :, ::-1], list(options))[1].tobytes()


def test_png_and_progressive_jpeg_are_read_whatever_the_message_calls_them():
    np.testing.assert_array_equal(read_compressed(compressed(packed('.png'), 'jpeg')).pixels, samples.image().pixels)
    progressive = packed('.jpg', (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    assert read_compressed(compressed(progressive + bytes(9), 'bgr8; png')).pixels.shape == (48, 64, 3)  # filled up


def test_grey_png_becomes_rgb():
    grey = cv2.imencode('.png', samples.image().pixels[:, :, 0])[1].tobytes()
    np.testing.assert_array_equal(read_compressed(compressed(grey)).pixels[:, :, 2], samples.image().pixels[:, :, 0])


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_a_compressed_picture_cut_off_anywhere_is_refused(suffix):
    whole = packed(suffix)
    for length in range(0, len(whole) - 1, 3):  # not all versions of OpenCV notice
        with pytest.raises(DataError, match='cut off|neither JPEG nor PNG'):
            read_compressed(compressed(whole[:length]))


def test_a_png_with_one_changed_byte_is_refused():
    whole = bytearray(packed('.png'))
    for place in range(8, len(whole), 7):
        damaged = whole.copy()
        damaged[place] ^= 0x10
        with pytest.raises(DataError, match='png is (damaged|cut off)'):
            read_compressed(compressed(damaged))


@pytest.mark.parametrize(
    'data, reason', [(b'', 'neither JPEG nor PNG'), (b'GIF89a', '474946'), (b'\xff\xd8\xff\xd9', 'no size')]
)
def test_what_is_no_picture_is_refused(data, reason):
    with pytest.raises(DataError, match=reason):
        read_compressed(compressed(data))


def jpeg_bomb():
    """A JPEG whose head says 10000 x 10000."""
    whole = bytearray(packed('.jpg'))
    place = whole.index(b'\xff\xc0')
    struct.pack_into('>HH', whole, place + 5, 10_000, 10_000)
    return whole


def png_bomb():
    """A PNG of 30000 x 30000 black pixels, 110 MB packed into 110 kB."""

    def part(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    head = struct.pack('>IIBBBBB', 30_000, 30_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(30_000 * 3751), 9)
    return b'\x89PNG\r\n\x1a\n' + part(b'IHDR', head) + part(b'IDAT', pixels) + part(b'IEND', b'')


@pytest.mark.parametrize('bomb, size', [(jpeg_bomb, '10000 x 10000'), (png_bomb, '30000 x 30000')])
def test_a_bomb_is_refused_before_it_is_unpacked(bomb, size, monkeypatch):
    data = compressed(bomb())
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('it was decoded'))
    tracemalloc.start()
    with pytest.raises(DataError, match=size):
        read_compressed(data)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize('quality', [0, 101])
def test_a_quality_that_is_none_is_refused(quality):
    with pytest.raises(ValueError, match=f'quality={quality}'):
        write_compressed(samples.image(), quality)


def info(**changes):
    camera = samples.camera()
    given = {'width': 640, 'height': 480, 'distortion_model': 'plumb_bob', 'd': camera.distortion, 'k': camera.matrix}
    return store.encode(INFO, store.new(INFO, header={'frame_id': 'camera'}, **{**given, **changes}))


@pytest.mark.parametrize(
    'changes, reason',
    [
        ({'k': np.zeros(9)}, 'has no calibration'),
        ({'distortion_model': 'magic'}, "'magic' with 5 coefficients"),
        ({'distortion_model': 'equidistant'}, "'equidistant' with 5 coefficients"),
        ({'width': 0}, 'has size 0 x 480'),
        ({'binning_x': 2}, 'binning 2'),
        ({'k': np.full(9, np.nan)}, 'not finite'),
    ],
)
def test_a_calibration_that_is_none_is_refused(changes, reason):
    with pytest.raises(DataError, match=reason):
        read_camera_info(info(**changes))


def test_fisheye_goes_by_both_its_names():
    assert read_camera_info(info(distortion_model='fisheye', d=np.zeros(4))).model == 'equidistant'
