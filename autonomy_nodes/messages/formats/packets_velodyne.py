"""Packets of Velodyne's VLP-16 (and Puck LITE) as points.

Source: Velodyne, VLP-16 User Manual (63-9243), chapter 9: table 9-1 (angles of the lasers), 9.3 (a packet has 12 blocks
of two firings of 16 lasers; in dual return mode two blocks share an angle), 9.4 (times), 9.5 (the angle of each point,
between those of two blocks). The vertical offsets of the lasers (table 9-1, 11 mm at most) are left out, as the
drivers of ROS do. The frame is that of ROS: x lies at angle 0, y at -90 degrees, z up.
"""

import numpy as np

from autonomy_nodes.messages.formats.packets_returns import Returns, little, unwrapped

SIZE = 1206
BLOCKS, FIRINGS, LASERS = 12, 2, 16
PRODUCT, DUAL, VLP16 = 1205, 0x39, 0x22
UNIT_M, NEAREST_M, FARTHEST_M = 0.002, 0.3, 300.0
FIRING_NS, LASER_NS = 55_296, 2_304
ELEVATIONS_DEG = np.array([-15, 1, -13, 3, -11, 5, -9, 7, -7, 9, -5, 11, -3, 13, -1, 15], float)
RINGS = np.argsort(np.argsort(ELEVATIONS_DEG)).astype(np.uint16)
AFTER_NS = np.arange(FIRINGS)[:, None] * FIRING_NS + np.arange(LASERS) * LASER_NS  # within a block


def whole(packets: np.ndarray) -> np.ndarray:
    """Return (P,) which of the (P, 1206) packets are of this sensor."""
    flags = packets[:, :1200].reshape(-1, BLOCKS, 100)[:, :, :2]
    return (flags == np.array([0xFF, 0xEE], np.uint8)).all(axis=(1, 2)) & (packets[:, PRODUCT] == VLP16)


def returns(packets: np.ndarray, as_nebula: bool = False) -> Returns:
    """Return the points of (P, 1206) packets in order: by block, by firing, by laser.

    A point belongs to the turn in which the angle of its block lies. as_nebula: angles as that driver gives them, to
    be held against its answers: nothing between the last block and the next packet, and a second return of a dual
    pair at the angle of the block that follows; both put points up to half a degree off.
    """
    blocks = packets[:, :1200].reshape(-1, BLOCKS, 100)
    units = blocks[:, :, 4:].reshape(-1, BLOCKS, FIRINGS, LASERS, 3)
    raw = little(units[..., :2])
    each = 2 if (packets[:, PRODUCT - 1] == DUAL).all() else 1
    rotor, turns = unwrapped(little(blocks[:, ::each, 2:4]).ravel())
    whole_angle = (turns * 360.0 + rotor).reshape(-1, BLOCKS // each)
    angle, rise = (array.repeat(each, axis=1) for array in _between(whole_angle))
    if as_nebula:
        rise[:, -each:] = 0.0
        if each == 2:
            angle[:, 1:-1:2], rise[:, 1::2] = angle[:, 2::2], 0.0
    kept = (raw * UNIT_M > NEAREST_M) & (raw * UNIT_M < FARTHEST_M)
    if each == 2:  # both returns are the same: one point
        kept[:, 1::2] &= raw[:, ::2] != raw[:, 1::2]
    packet, block, firing, laser = np.nonzero(kept)
    share = AFTER_NS[firing, laser] / (2.0 * FIRING_NS)
    turn = np.floor(angle[packet, block] / 360.0).astype(int)
    pointed = np.round(angle[packet, block] + rise[packet, block] * share, 2) - turn * 360.0
    reach, up, around = raw[kept] * UNIT_M, np.radians(ELEVATIONS_DEG[laser]), np.radians(pointed)
    flat = reach * np.cos(up)
    xyz = np.column_stack([flat * np.cos(around), -flat * np.sin(around), reach * np.sin(up)])
    return Returns(
        xyz.astype(np.float32), units[..., 2][kept].astype(np.float32), RINGS[laser], packet,
        block // each * 2 * FIRING_NS + AFTER_NS[firing, laser], turn, pointed, whole_angle.ravel(),
        BLOCKS // each, 0.0,
    )  # fmt: skip


def _between(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (P, B) angles and how far each is from the next, of the next packet too."""
    rise = np.diff(angles.ravel())
    rise = np.append(rise, rise[-1:] if len(rise) else 0.0)
    return angles, rise.reshape(angles.shape)
