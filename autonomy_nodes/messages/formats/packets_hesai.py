"""Packets of Hesai's Pandar64 as points.

Source: Hesai, Pandar64 User Manual, chapter 3 (data structure) and appendix I (angles of the channels): a packet has 6
blocks of 64 channels, each block the angle of the rotor in 0.01 degrees; in dual return mode two blocks share an angle.
The frame is the manual's: y lies at angle 0, x at 90 degrees, z up.
"""

import numpy as np

from autonomy_nodes.messages.formats.packets_returns import Returns, little, unwrapped

SIZES = (1194, 1198)  # without and with a sequence number
BLOCKS, CHANNELS, HEAD, BLOCK = 6, 64, 8, 194
RETURN_MODE = HEAD + BLOCKS * BLOCK + 14
DUAL = 0x39
NEAREST_M, FARTHEST_M = 0.3, 200.0
BLOCK_NS, LAST_BLOCK_NS = 55_560, 42_580  # from block to block, and from the last one to the packet's time
SAME_M = 0.1  # returns of one firing that lie nearer together are one thing, of which the second in the packet is kept
ELEVATIONS_DEG = np.array([
    14.9, 11.05, 8.077, 5.075, 3.058, 2.046, 1.878, 1.706, 1.54, 1.369, 1.202, 1.031, 0.864, 0.693, 0.526, 0.355,
    0.187, 0.018, -0.151, -0.319, -0.49, -0.657, -0.827, -0.995, -1.166, -1.333, -1.504, -1.67, -1.842, -2.01, -2.18,
    -2.347, -2.518, -2.682, -2.855, -3.022, -3.192, -3.357, -3.53, -3.694, -3.866, -4.032, -4.203, -4.367, -4.54,
    -4.702, -4.874, -5.039, -5.211, -5.373, -5.547, -5.708, -5.88, -6.043, -7.045, -8.041, -9.042, -10.027, -11.014,
    -11.988, -12.956, -13.912, -18.871, -24.879,
])  # fmt: skip
# channels 7 to 54 stand in six columns, the others in one
OFFSETS_DEG = np.array([*[-1.042] * 6, *[1.042, 3.125, 5.208, -5.208, -3.125, -1.042] * 8, *[-1.042] * 10])
MARGIN_DEG = float(np.abs(OFFSETS_DEG).max())


def whole(packets: np.ndarray) -> np.ndarray:
    """Return (P,) which of the (P, L) packets are of this sensor."""
    head = np.array([0xEE, 0xFF, CHANNELS, BLOCKS], np.uint8)
    return (packets[:, :4] == head).all(axis=1) & (packets[:, 5] > 0)


def returns(packets: np.ndarray) -> Returns:
    """Return the points of (P, L) packets in order: by firing, by channel, by return.

    A point belongs to the turn of the rotor in which its own angle lies, not that of the rotor.
    """
    blocks = packets[:, HEAD : HEAD + BLOCKS * BLOCK].reshape(-1, BLOCKS, BLOCK)
    units = blocks[:, :, 2:].reshape(-1, BLOCKS, CHANNELS, 3)
    distances = little(units[..., :2]) * (packets[:, 5].astype(float) / 1000.0)[:, None, None]
    each = 2 if (packets[:, RETURN_MODE] == DUAL).all() else 1
    firings = BLOCKS // each
    rotor, turns = unwrapped(little(blocks[:, ::each, :2]).ravel())
    # (F, channels, returns)
    distances = distances.reshape(-1, each, CHANNELS).transpose(0, 2, 1)
    light = units[..., 2].reshape(-1, each, CHANNELS).transpose(0, 2, 1)
    kept = (distances >= NEAREST_M) & (distances <= FARTHEST_M)
    if each == 2:
        kept[..., 0] &= np.abs(distances[..., 0] - distances[..., 1]) >= SAME_M
    firing, channel, _ = np.nonzero(kept)
    reach, angle = distances[kept], rotor[firing] + OFFSETS_DEG[channel]
    up, around = np.radians(ELEVATIONS_DEG[channel]), np.radians(angle)
    flat = reach * np.cos(up)
    xyz = np.column_stack([flat * np.sin(around), flat * np.cos(around), reach * np.sin(up)])
    block = firing % firings * each + each - 1
    return Returns(
        xyz.astype(np.float32), light[kept].astype(np.float32), (CHANNELS - 1 - channel).astype(np.uint16),
        firing // firings, -(LAST_BLOCK_NS + (BLOCKS - 1 - block) // each * BLOCK_NS),
        turns[firing] + np.floor(angle / 360.0).astype(int), angle % 360.0, turns * 360.0 + rotor, firings, MARGIN_DEG,
    )  # fmt: skip
