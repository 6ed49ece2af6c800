"""What the simulator knows of a point in the words of SemanticKITTI (semantic-kitti.org/dataset.html)."""

import numpy as np

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.sim.lidar import Met
from autonomy_nodes.sim.materials import Material, Semantic

OUTLIER, ROAD, SIDEWALK, OTHER_GROUND, BUILDING, MARKING, VEGETATION, TRUNK, TERRAIN = 1, 40, 48, 49, 50, 60, 70, 71, 72
POLE, SIGN, OTHER_OBJECT = 80, 81, 99
SEMANTICS = {
    Semantic.PAVED: ROAD, Semantic.LOOSE: TERRAIN, Semantic.LOW_VEGETATION: TERRAIN,
    Semantic.HIGH_VEGETATION: VEGETATION, Semantic.WET: OTHER_GROUND, Semantic.RUBBLE: OTHER_OBJECT,
    Semantic.STRUCTURE: BUILDING, Semantic.POLE: POLE, Semantic.SIGN: SIGN, Semantic.CURB: SIDEWALK,
    Semantic.ACTOR: OTHER_OBJECT, Semantic.EGO: OUTLIER, Semantic.NOTHING: OUTLIER,
}  # fmt: skip
ACTORS = {
    Label.CAR: 10, Label.TRUCK: 18, Label.BUS: 13, Label.TRAILER: 20, Label.MOTORCYCLE: 32, Label.BICYCLE: 31,
    Label.PEDESTRIAN: 30, Label.ANIMAL: OTHER_OBJECT,
}  # fmt: skip


def labels_of(met: Met, objects: Objects, above_m: np.ndarray) -> np.ndarray:
    """Return (N,) uint32 as a .label file has them: class in the lower half, number of the mover in the upper.

    above_m: (N,) how high the points lie above the ground: a rock that lies in the ground is ground.
    """
    table = np.zeros(max(SEMANTICS) + 1, np.uint32)
    table[[int(semantic) for semantic in SEMANTICS]] = list(SEMANTICS.values())
    ids = table[met.semantics]
    paved = met.semantics == Semantic.PAVED
    ids[paved & (met.materials == Material.CONCRETE)] = SIDEWALK
    ids[paved & np.isin(met.materials, [Material.PAINT_WHITE, Material.PAINT_YELLOW])] = MARKING
    ids[(met.semantics == Semantic.LOW_VEGETATION) & (met.materials == Material.BUSH)] = VEGETATION
    ids[(met.semantics == Semantic.HIGH_VEGETATION) & (met.materials == Material.BARK)] = TRUNK
    ids[(met.semantics == Semantic.RUBBLE) & (met.materials == Material.ROCK) & (above_m < 0.1)] = TERRAIN
    numbers = numbers_of(objects)
    for number, label in zip(numbers.tolist(), objects.labels.tolist()):
        ids[met.bodies == number] = ACTORS.get(Label(label), OTHER_OBJECT)
    instances = np.where(met.bodies > 0, met.bodies, 0).astype(np.uint32)
    return ids | instances << np.uint32(16)


def numbers_of(objects: Objects) -> np.ndarray:
    """Return (N,) the numbers under which rays meet the simulator's objects."""
    assert objects.ids is not None
    return np.ascontiguousarray(objects.ids[:, :4]).view('>u4').ravel().astype(np.int64)
