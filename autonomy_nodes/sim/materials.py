"""What surfaces are made of: how they look, how they answer a laser, how they carry a wheel."""

from enum import IntEnum

import numpy as np

BELOW_M = 2.0  # what hangs higher above the ground touches no vehicle
LEAST_M = 0.05  # what stands less high is the ground
BUMPER_M = 0.35  # vegetation that stands higher is not driven through


class Material(IntEnum):
    """Materials of ground and of things."""

    ASPHALT = 0
    CONCRETE = 1
    GRAVEL = 2
    DIRT = 3
    GRASS = 4
    SAND = 5
    MUD = 6
    WATER = 7
    ROCK = 8
    SNOW = 9
    PAINT_WHITE = 10
    PAINT_YELLOW = 11
    BUSH = 12
    LEAVES = 13
    BARK = 14
    WALL = 15
    ROOF = 16
    GLASS = 17
    METAL = 18
    BODY = 19  # sheet metal in the colour of its owner
    RUBBER = 20
    SKIN = 21
    CLOTH = 22
    SIGN = 23  # retroreflective
    WOOD = 24
    LAMP = 25
    DARK = 26  # undersides, gaps, grilles


class Semantic(IntEnum):
    """What a surface belongs to: the truth that perception is held against."""

    NOTHING = 0  # sky
    PAVED = 1
    LOOSE = 2  # dirt, gravel, sand
    LOW_VEGETATION = 3
    HIGH_VEGETATION = 4
    WET = 5  # water, mud
    RUBBLE = 6
    STRUCTURE = 7  # building, wall, fence, guard rail
    POLE = 8
    SIGN = 9
    CURB = 10
    ACTOR = 11
    EGO = 12


# material: (red, green, blue) in 0 to 1; part of the light of a laser of 905 nm that returns; friction
_TABLE = {
    Material.ASPHALT: ((0.27, 0.27, 0.28), 0.12, 0.8),
    Material.CONCRETE: ((0.56, 0.55, 0.52), 0.28, 0.8),
    Material.GRAVEL: ((0.52, 0.48, 0.42), 0.25, 0.6),
    Material.DIRT: ((0.42, 0.32, 0.22), 0.22, 0.55),
    Material.GRASS: ((0.30, 0.42, 0.16), 0.38, 0.5),
    Material.SAND: ((0.72, 0.62, 0.44), 0.35, 0.45),
    Material.MUD: ((0.28, 0.21, 0.15), 0.12, 0.3),
    Material.WATER: ((0.20, 0.28, 0.33), 0.01, 0.3),
    Material.ROCK: ((0.46, 0.44, 0.42), 0.25, 0.7),
    Material.SNOW: ((0.92, 0.93, 0.96), 0.80, 0.25),
    Material.PAINT_WHITE: ((0.90, 0.90, 0.88), 0.75, 0.7),
    Material.PAINT_YELLOW: ((0.88, 0.70, 0.15), 0.65, 0.7),
    Material.BUSH: ((0.22, 0.34, 0.12), 0.42, 0.4),
    Material.LEAVES: ((0.18, 0.33, 0.12), 0.45, 0.4),
    Material.BARK: ((0.30, 0.23, 0.17), 0.25, 0.6),
    Material.WALL: ((0.72, 0.64, 0.54), 0.35, 0.7),
    Material.ROOF: ((0.50, 0.24, 0.18), 0.25, 0.6),
    Material.GLASS: ((0.18, 0.23, 0.28), 0.04, 0.4),
    Material.METAL: ((0.58, 0.60, 0.62), 0.45, 0.5),
    Material.BODY: ((0.60, 0.60, 0.60), 0.40, 0.5),
    Material.RUBBER: ((0.07, 0.07, 0.07), 0.05, 0.8),
    Material.SKIN: ((0.78, 0.58, 0.47), 0.40, 0.5),
    Material.CLOTH: ((0.35, 0.35, 0.42), 0.30, 0.6),
    Material.SIGN: ((0.85, 0.86, 0.88), 2.50, 0.5),
    Material.WOOD: ((0.45, 0.33, 0.20), 0.30, 0.6),
    Material.LAMP: ((0.85, 0.80, 0.62), 0.50, 0.5),
    Material.DARK: ((0.05, 0.05, 0.06), 0.06, 0.6),
}
COLOURS = np.array([_TABLE[material][0] for material in Material], np.float32)  # (M, 3)
REFLECTIVITIES = np.array([_TABLE[material][1] for material in Material], np.float32)  # (M,)
# up to which height above the ground beams may end in what lies on it [m]; that of grass is a place's own
_RELIEF = {
    Material.ASPHALT: 0.006, Material.CONCRETE: 0.005, Material.GRAVEL: 0.03, Material.DIRT: 0.03, Material.SAND: 0.02,
    Material.MUD: 0.025, Material.ROCK: 0.05, Material.SNOW: 0.02, Material.PAINT_WHITE: 0.006,
    Material.PAINT_YELLOW: 0.006,
}  # fmt: skip
RELIEFS_M = np.array([_RELIEF.get(material, 0.0) for material in Material], np.float32)  # (M,)
FRICTIONS = np.array([_TABLE[material][2] for material in Material])  # (M,)
TINTED = np.isin(np.arange(len(Material)), [Material.BODY, Material.CLOTH, Material.WALL])  # (M,) shown in own colour

_GROUND = {
    Material.GRAVEL: Semantic.LOOSE,
    Material.DIRT: Semantic.LOOSE,
    Material.SAND: Semantic.LOOSE,
    Material.SNOW: Semantic.LOOSE,
    Material.GRASS: Semantic.LOW_VEGETATION,
    Material.MUD: Semantic.WET,
    Material.WATER: Semantic.WET,
    Material.ROCK: Semantic.RUBBLE,
}
GROUND_SEMANTICS = np.array([_GROUND.get(material, Semantic.PAVED) for material in Material], np.uint8)  # (M,)
