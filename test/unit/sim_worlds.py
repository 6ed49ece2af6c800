"""Small worlds for tests of the simulator: a plain with what a test puts on it."""

import numpy as np

from autonomy_nodes.common.vehicle import Mount, Vehicle
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.world import Task, World

CAR = Vehicle(
    mounts={
        'top': Mount('lidar_top', (1.3, 0.0, 1.95)),
        'front': Mount('camera_front', (1.8, 0.0, 1.45), (-np.pi / 2, 0.0, -np.pi / 2)),
        'imu': Mount('imu_link', (0.0, 0.0, 0.5)),
    }
)


def plain(slope=0.0, half_m=60.0, cell_m=2.0, material=Material.ASPHALT):
    """Return ground that rises by `slope` a metre towards x."""
    count = int(2 * half_m / cell_m) + 1
    x = -half_m + cell_m * np.arange(count)
    heights = np.repeat((slope * x)[:, None], count, axis=1)
    return HeightField(np.full(2, -half_m), cell_m, heights, np.full((count - 1, count - 1), material, np.uint8))


def world(**parts):
    """Return a plain without anything, on which `parts` of the world are put."""
    start, goal = (0.0, 0.0, 0.0), (50.0, 0.0, 0.0)
    given = {'areas': (), 'paint': (), 'solids': (), 'actors': (), 'lanes': None, 'task': Task(start, goal)}
    given |= {'ground': plain(), 'route': np.array([[0.0, 0.0], [25.0, 0.0], [50.0, 0.0]])}
    return World(family='test', seed=1, **{**given, **parts})
