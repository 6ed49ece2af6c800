"""What goes into the network and what comes out: one grid seen from above, the names and shapes of all tensors.

Frame: base_link at the stamp of the sweep. Arrays are (channels, X, Y); cell [i, j] begins at ORIGIN_M + (i, j) * size.
Camera and map enter at the middle scale, each with a flag whether it is given, so that a vehicle without them runs the
same network.
"""

import numpy as np

FINE_M, CELL_M, MIDDLE_M = 0.2, 0.4, 0.8  # cells of the points, of everything that comes out, of camera and map
ORIGIN_M = np.array([-40.0, -40.0])
SIZE_M = np.array([96.0, 80.0])
FINE, CELLS, MIDDLE = ((int(SIZE_M[0] / size), int(SIZE_M[1] / size)) for size in (FINE_M, CELL_M, MIDDLE_M))

LOW_M, HIGH_M = -1.0, 4.0  # heights above the ground within which points are looked at
SLICES_M = (-1.0, -0.2, 0.15, 0.4, 0.8, 1.2, 1.7, 2.3, 4.0)  # edges of the slices of height above the ground
POINTS = (
    'count', 'highest', 'lowest', 'mean', 'intensity',
    *(f'slice_{number}' for number in range(len(SLICES_M) - 1)),
    'before', 'contrast', 'rough',
)  # fmt: skip
PRIOR = ('ground', 'known', 'passed')  # of the geometric channel: height [m], whether it is known, whether rays passed
CAMERA_CHANNELS = 16
# Of the map, by the prior that the map node publishes (mapping/raster.py), turned into base_link: which share of a cell
# the map tells anything of, and which is of lanes for vehicles; whether lines between lanes, edges of the road, stop
# lines or crossings are in it; the direction of travel, 0 where there is none. All 0 where the map tells nothing.
MAP = ('known', 'drivable', 'divider', 'boundary', 'across', 'along_x', 'along_y')
MAP_CHANNELS = len(MAP)

CLASSES = ('vehicle', 'truck', 'pedestrian', 'two_wheeler', 'animal')  # truck: with buses and trailers
BOX = ('x', 'y', 'z', 'log_length', 'log_width', 'log_height', 'sin', 'cos', 'moved_x', 'moved_y')  # see below
# x, y: from the cell's middle; z: of the box's middle above the prior ground; moved: over ground in STEP_S
STEP_S = 0.1  # between the sweep before and this one, in training
TERRAIN = ('paved', 'loose', 'low_vegetation', 'high_vegetation', 'wet', 'rubble', 'obstacle')
GROUND_KINDS = 3  # the first of TERRAIN, of which alone a map has a word

# name: channels, cells
INPUTS = {
    'points': (len(POINTS), FINE),
    'prior': (len(PRIOR), CELLS),
    'camera': (CAMERA_CHANNELS, MIDDLE),
    'map': (MAP_CHANNELS, MIDDLE),
    'given': (2, (1, 1)),  # camera, map: 0 or 1
}
OUTPUTS = {
    'heat': (len(CLASSES), CELLS),  # logit of an object's middle in the cell
    'box': (len(BOX), CELLS),
    'box_spread': (3, CELLS),  # log variance of x, y, heading
    'overlap': (1, CELLS),  # logit of how well the box will fit
    'ground': (2, CELLS),  # height [m] to be added to the prior, log variance
    'terrain': (len(TERRAIN), CELLS),  # logits
    'top': (1, CELLS),  # height [m] of the highest obstacle below HIGH_M above the ground
    'blocked': (1, CELLS),  # logit that a vehicle must not enter the cell: obstacle, water, hole
    'occupied': (len(SLICES_M) - 1, CELLS),  # logits of the slices of height
}

# The far ring: ahead alone, in coarse cells. A truck at 25 m/s needs 140 m to stop; to both sides so far as a road that
# bends by 1/350 m has gone there. A network has it or lacks it.
FAR_M = 0.8
FAR_ORIGIN_M = np.array([0.0, -32.0])
FAR = (192, 80)  # to 153.6 m
FAR_LOW_M, FAR_HIGH_M = -3.0, 6.0  # heights that are looked at: ground so far away is known less well
FAR_POINTS = ('count', 'highest', 'lowest', 'mean', 'ground', 'known', 'passed')
FAR_TOLD = ('ground', 'log_variance', 'obstacle', 'free')  # height [m] to be added to the prior; logits
FAR_STANDS_M = 0.35  # what is higher is an obstacle there
FAR_INPUTS = {'far': (len(FAR_POINTS), FAR)}
FAR_OUTPUTS = {'far_told': (len(FAR_TOLD), FAR)}

# Lines of the road and what stands beside it, by a network of their own: fine cells near the vehicle.
LANES_ORIGIN_M = np.array([-24.0, -20.0])
LANES = (160, 100)  # cells of CELL_M, to 40 m ahead
LANE_KINDS = ('divider', 'boundary', 'stop_line', 'crossing', 'centre')
# divider: paint along lanes, dashed or not. boundary: edge of what is driven on. crossing: the way of those on foot.
# centre: of a lane, in the direction of travel
LANDMARKS = ('pole', 'sign')
LINE_TOLD = ('sure', 'x', 'y', 'cos', 'sin')  # logit of a line in the cell; from its middle to the line [m]; direction,
# of twice the angle: lines have no begin
TRAVEL_TOLD = ('cos', 'sin')  # direction of travel in the middle of a lane
MARK_TOLD = ('sure', 'x', 'y')
LANE_FINE = (2 * LANES[0], 2 * LANES[1])  # cells of FINE_M
# bright: how much brighter than the ground around the brightest point of the ground is, see brightness.py
LANE_INPUTS = {'points': (len(POINTS), LANE_FINE), 'prior': (len(PRIOR), LANES), 'bright': (1, LANE_FINE)}
LANE_OUTPUTS = {
    'lines': (len(LANE_KINDS) * len(LINE_TOLD), LANES), 'marks': (len(LANDMARKS) * len(MARK_TOLD), LANES),
    'travel': (len(TRAVEL_TOLD), LANES),
}  # fmt: skip


def middles(size_m: float = CELL_M) -> np.ndarray:
    """Return (X, Y, 2) x y of the middles of all cells of a size [m]."""
    return _middles(ORIGIN_M, size_m, tuple(round(size / size_m) for size in SIZE_M))


def far_middles() -> np.ndarray:
    """Return (*FAR, 2) x y of the middles of the cells of the far ring."""
    return _middles(FAR_ORIGIN_M, FAR_M, FAR)


def lane_middles() -> np.ndarray:
    """Return (*LANES, 2) x y of the middles of the cells of lanes."""
    return _middles(LANES_ORIGIN_M, CELL_M, LANES)


def lane_part(fine: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of (C, *FINE) and (C, *CELLS) what LANE_INPUTS asks for."""
    i, j = (int(round((LANES_ORIGIN_M[axis] - ORIGIN_M[axis]) / CELL_M)) for axis in (0, 1))
    rows, columns = (slice(2 * at, 2 * (at + size)) for at, size in zip((i, j), LANES))
    return fine[:, rows, columns], cells[:, i : i + LANES[0], j : j + LANES[1]]


def _middles(origin_m: np.ndarray, size_m: float, cells: tuple[int, ...]) -> np.ndarray:
    x, y = (origin_m[axis] + size_m * (np.arange(cells[axis]) + 0.5) for axis in (0, 1))
    return np.stack(np.meshgrid(x, y, indexing='ij'), axis=-1)
