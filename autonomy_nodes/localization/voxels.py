"""A map of voxels, each with the surface that its points make: a plane, or an upright line such as a pole.

Points gather over many sweeps, so that the rings of a LiDAR on the ground grow into planes; a voxel that holds one ring
alone tells nothing and is not used. What a voxel knows is only how far a point lies off its surface, never where on it.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

EMPTY = -1
PLANE, LINE = 1, 2
UPRIGHT = 0.85  # of the direction of a line; rings of the LiDAR on the ground are lines too, and lie flat
LEVEL = 0.7  # of the normal of a plane, from which it is ground or roof
ROUND = 9.0  # variance of the second direction against the first: above it may be a plane, below a line, no strip
TINY = 1e-150  # its square is still more than 0
JACOBI_SWEEPS = 10  # four or five are enough
BITS = 21  # of a cell's number along one axis


class Cells(NamedTuple):
    """A hash table of S slots with open addressing.

    keys: (S,) of the cell, EMPTY where free. counts: (S,) points; no more than the map remembers. means: (S, 3).
    scatters: (S, 6) sums of squares about the mean, xx xy xz yy yz zz. kinds: (S,) 0, PLANE or LINE. directions: (S, 3)
    normal of the plane, or along the line. variances: (S,) of the points off the surface. wobbles: (S,) of
    the normal, of noise on few points. touched: (S,) number of the insertion that came last.
    """

    keys: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    scatters: np.ndarray
    kinds: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    wobbles: np.ndarray
    touched: np.ndarray


def no_cells(slots: int) -> Cells:
    """Return an empty table; `slots` is a power of two."""
    return Cells(
        np.full(slots, EMPTY, np.int64), np.zeros(slots), np.zeros((slots, 3)), np.zeros((slots, 6)),
        np.zeros(slots, np.int8), np.zeros((slots, 3)), np.zeros(slots), np.zeros(slots),
        np.zeros(slots, np.int64),
    )  # fmt: skip


@njit(cache=True)
def key_of(x, y, z, size):
    """Return the number of the cell at a place."""
    half = 1 << (BITS - 1)
    i, j, k = math.floor(x / size) + half, math.floor(y / size) + half, math.floor(z / size) + half
    return (np.int64(i) << (2 * BITS)) | (np.int64(j) << BITS) | np.int64(k)


@njit(cache=True)
def slot_of(keys, key):
    """Return where a key is, or where it would go."""
    mask = keys.shape[0] - 1
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(mask))
    while keys[slot] != EMPTY and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True)
def thinned(xyz, size, reach, keys):
    """Return the indices of the first point of each cell within `reach` of the z axis; `keys` is room to work in."""
    keys[:] = EMPTY
    chosen = np.empty(len(xyz), np.int64)
    count = 0
    for index in range(len(xyz)):
        x, y, z = float(xyz[index, 0]), float(xyz[index, 1]), float(xyz[index, 2])
        if x * x + y * y > reach * reach:
            continue
        key = key_of(x, y, z, size)
        slot = slot_of(keys, key)
        if keys[slot] == EMPTY:
            keys[slot] = key
            chosen[count] = index
            count += 1
    return chosen[:count]


@njit(cache=True)
def moved(pose, x, y, z):
    """Return where a (4, 4) pose puts a point."""
    return (
        pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3],
        pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3],
        pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3],
    )


@njit(cache=True)
def gathered(cells, points, pose, size, remembered, number, slots):
    """Add points (N, 3), moved by the (4, 4) pose; write the slots that changed and return how many, and new cells."""
    changed = added = 0
    keys, counts, means, scatters, touched = cells.keys, cells.counts, cells.means, cells.scatters, cells.touched
    for index in range(len(points)):
        x, y, z = moved(pose, points[index, 0], points[index, 1], points[index, 2])
        key = key_of(x, y, z, size)
        slot = slot_of(keys, key)
        if keys[slot] == EMPTY:
            keys[slot], counts[slot], touched[slot], cells.kinds[slot] = key, 0.0, -1, 0
            means[slot, :], scatters[slot, :] = 0.0, 0.0
            added += 1
        if counts[slot] >= remembered:  # old points fade
            for part in range(6):
                scatters[slot, part] *= (remembered - 1.0) / remembered
            counts[slot] = remembered - 1.0
        counts[slot] += 1.0
        dx, dy, dz = x - means[slot, 0], y - means[slot, 1], z - means[slot, 2]  # Welford
        means[slot, 0] += dx / counts[slot]
        means[slot, 1] += dy / counts[slot]
        means[slot, 2] += dz / counts[slot]
        ex, ey, ez = x - means[slot, 0], y - means[slot, 1], z - means[slot, 2]
        scatters[slot, 0] += dx * ex
        scatters[slot, 1] += dx * ey
        scatters[slot, 2] += dx * ez
        scatters[slot, 3] += dy * ey
        scatters[slot, 4] += dy * ez
        scatters[slot, 5] += dz * ez
        if touched[slot] != number:
            touched[slot], slots[changed] = number, slot
            changed += 1
    return changed, added


@njit(cache=True)
def shaped(cells, slots, few, flat, wide):
    """Find the surface in each of these cells: within `flat` of a plane or line, and spread over `wide` along it."""
    matrix, axes = np.empty((3, 3)), np.empty((3, 3))
    for slot in slots:
        cells.kinds[slot] = 0
        if cells.counts[slot] < few:
            continue
        place = 0
        for row in range(3):
            for column in range(row, 3):
                matrix[row, column] = matrix[column, row] = cells.scatters[slot, place] / (cells.counts[slot] - 1.0)
                place += 1
        least, middle, most = spread_along(matrix, axes)
        first, second, third = matrix[least, least], matrix[middle, middle], matrix[most, most]
        if first < flat**2 and second > wide**2 and second > ROUND * first:
            cells.kinds[slot], cells.variances[slot] = PLANE, max(first, 0.0)
            cells.wobbles[slot] = max(first, 0.0) / (cells.counts[slot] * second)
            chosen = least
        elif second < min(2.0 * flat**2, ROUND * first) and third > wide**2 and abs(axes[2, most]) > UPRIGHT:
            cells.kinds[slot], cells.variances[slot] = LINE, max(second, 0.0)
            cells.wobbles[slot] = max(second, 0.0) / (cells.counts[slot] * third)
            chosen = most
        else:
            continue
        for axis in range(3):
            cells.directions[slot, axis] = axes[axis, chosen]


@njit(cache=True)
def spread_along(matrix, axes):
    """Turn a symmetric (3, 3) matrix into a diagonal one in place, by Jacobi's rotations; return its order.

    That is where the least, the middle and the largest value lie on it. axes: (3, 3) is filled with the eigenvectors,
    in columns. Quicker than a library, which is made for larger ones.
    """
    axes[:, :] = 0.0
    for axis in range(3):
        axes[axis, axis] = 1.0
    for _ in range(JACOBI_SWEEPS):
        off = abs(matrix[0, 1]) + abs(matrix[0, 2]) + abs(matrix[1, 2])
        if off <= 1e-15 * (abs(matrix[0, 0]) + abs(matrix[1, 1]) + abs(matrix[2, 2])):
            break
        for p in range(2):
            for q in range(p + 1, 3):
                _rotate(matrix, axes, p, q)
    a, b, c = matrix[0, 0], matrix[1, 1], matrix[2, 2]
    least = 0 if a <= b and a <= c else 1 if b <= c else 2
    most = 2 if c >= a and c >= b else 1 if b >= a else 0
    return least, 3 - least - most, most


@njit(cache=True)
def _rotate(matrix, axes, p, q):
    """Rotate a symmetric matrix so that its element (p, q) is 0, and the axes with it."""
    off = matrix[p, q]
    if abs(off) < TINY:
        return
    half = 0.5 * (matrix[q, q] - matrix[p, p])
    tangent = off / (abs(half) + math.sqrt(half * half + off * off)) * (1.0 if half >= 0.0 else -1.0)
    cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
    sine, r = tangent * cosine, 3 - p - q
    matrix[p, p] -= tangent * off
    matrix[q, q] += tangent * off
    matrix[p, q] = matrix[q, p] = 0.0
    one, two = matrix[r, p], matrix[r, q]
    matrix[r, p] = matrix[p, r] = cosine * one - sine * two
    matrix[r, q] = matrix[q, r] = sine * one + cosine * two
    for axis in range(3):
        one, two = axes[axis, p], axes[axis, q]
        axes[axis, p], axes[axis, q] = cosine * one - sine * two, sine * one + cosine * two


@njit(cache=True)
def normal_of(axis, kind, number):
    """Return the direction, one of those across a surface, along which a place may be off it."""
    if kind == PLANE:
        return axis[0], axis[1], axis[2]
    length = math.sqrt(axis[0] * axis[0] + axis[2] * axis[2])
    first, third = axis[2] / length, -axis[0] / length  # across the line, without y
    if number == 0:
        return first, 0.0, third
    return axis[1] * third, axis[2] * first - axis[0] * third, -axis[1] * first


@njit(cache=True)
def summed(cells, points, pose, size, noise, tolerance, information, pull):
    """Sum the normal equations of points (N, 3) at a (4, 4) pose.

    Return how many met a surface, how many fit it, and the same of those on upright surfaces: the ground fits anywhere.
    And how much they seem to tell of each direction that they tell nothing of, since normals wobble.

    information: (6, 6) and pull: (6,) are written, for a small motion x y z roll pitch yaw along the axes of base_link.
    noise: sigma of a point. tolerance: distance at which a point has lost three quarters of its weight (Geman and
    McClure), so that what moved counts little.
    """
    information[:, :], pull[:] = 0.0, 0.0
    met = fitting = upright = upright_fitting = 0
    seeming = 0.0
    slope = np.empty(6)
    for index in range(len(points)):
        px, py, pz = points[index, 0], points[index, 1], points[index, 2]
        x, y, z = moved(pose, px, py, pz)
        slot = slot_of(cells.keys, key_of(x, y, z, size))
        kind = cells.kinds[slot]
        if cells.keys[slot] == EMPTY or kind == 0:
            continue
        met, fits = met + 1, True
        dx, dy, dz = x - cells.means[slot, 0], y - cells.means[slot, 1], z - cells.means[slot, 2]
        for number in range(1 if kind == PLANE else 2):
            nx, ny, nz = normal_of(cells.directions[slot], kind, number)
            off = nx * dx + ny * dy + nz * dz
            loss = 1.0 + (off / tolerance) ** 2
            weight = 1.0 / (loss * loss * (cells.variances[slot] + noise * noise))
            fits &= abs(off) < tolerance
            seeming += weight * cells.wobbles[slot]
            for axis in range(3):
                slope[axis] = pose[0, axis] * nx + pose[1, axis] * ny + pose[2, axis] * nz
            slope[3] = py * slope[2] - pz * slope[1]
            slope[4] = pz * slope[0] - px * slope[2]
            slope[5] = px * slope[1] - py * slope[0]
            for row in range(6):
                pull[row] -= weight * slope[row] * off
                for column in range(row, 6):
                    information[row, column] += weight * slope[row] * slope[column]
        fitting += fits
        if kind == LINE or abs(cells.directions[slot, 2]) < LEVEL:
            upright += 1
            upright_fitting += fits
    for row in range(6):
        for column in range(row):
            information[row, column] = information[column, row]
    return met, fitting, upright, upright_fitting, seeming


@njit(cache=True)
def kept(old, new, centre, reach, since):
    """Copy the cells within `reach` of a (3,) place that were touched since then to an empty table; return how many."""
    count = 0
    for slot in range(len(old.keys)):
        if old.keys[slot] == EMPTY or old.touched[slot] < since:
            continue
        if np.abs(old.means[slot] - centre).max() > reach:
            continue
        place = slot_of(new.keys, old.keys[slot])
        new.keys[place], new.counts[place], new.means[place] = old.keys[slot], old.counts[slot], old.means[slot]
        new.scatters[place], new.kinds[place] = old.scatters[slot], old.kinds[slot]
        new.directions[place], new.variances[place] = old.directions[slot], old.variances[slot]
        new.wobbles[place], new.touched[place] = old.wobbles[slot], old.touched[slot]
        count += 1
    return count
