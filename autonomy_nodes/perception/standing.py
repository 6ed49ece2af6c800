"""What the terrain makes of objects: what stands where something stood, and what is no road user."""

from dataclasses import replace

import numpy as np

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.perception.clustering import Clusters
from autonomy_nodes.perception.terrain import Terrain

_HELD_S, _STANDING, _STANDING_SIGMA_MPS = 1.0, 0.4, 0.3
_NO_ROAD_USER, _SURELY_STANDING_MPS = 0.7, 0.8
_PART_M, _CAR_LENGTH_M, _CAR_HEIGHT_M = 0.8, 5.6, 2.3  # what is so long, and no longer and taller, may be seen of a car


def stood(clusters: Clusters, ego: EgoState, near: Terrain, far: Terrain) -> Objects:
    """Return the objects with what the terrain tells of their speed: what stands stands where something stood before.

    Of a thing of length L that drives at v, all but v * 1 s / L stands where it stood a second ago. A side of what is
    half hidden wanders with our own motion, and would be taken for motion by who sees no more than boxes.
    """
    objects = clusters.objects
    mine = clusters.owners >= 0
    places = clusters.places_m[mine] @ ego.odom_from_base[:2, :2].T + ego.position_m[:2]
    held = near.held_s(places)
    held = np.where(np.isnan(held), far.held_s(places), held) > _HELD_S  # false beyond both
    cells = np.bincount(clusters.owners[mine], minlength=len(objects))
    share = np.bincount(clusters.owners[mine], weights=held, minlength=len(objects)) / np.maximum(cells, 1)
    sigmas = _STANDING_SIGMA_MPS + (1.0 - share) * objects.dimensions_m[:, 0] / _HELD_S
    told = share > _STANDING
    velocities, covariances = objects.velocities_mps.copy(), objects.velocity_covariances.copy()
    velocities[told], covariances[told] = 0.0, (sigmas[told] ** 2)[:, None, None] * np.eye(2)
    return replace(objects, velocities_mps=velocities, velocity_covariances=covariances)


def apart(clusters: Objects) -> Objects:
    """Return the objects without what by its size is no road user and surely stands, of which the terrain tells.

    Plants, poles and bits of walls are most of what stands around a road; as soon as one moves it is an object again.
    What may be a part of a car stays: of one that stands behind another, no more than a part is seen.
    """
    unknown = clusters.class_probabilities[:, Label.UNKNOWN] > _NO_ROAD_USER
    longest = clusters.dimensions_m[:, :2].max(axis=1, initial=0.0)
    unknown &= ~((longest > _PART_M) & (longest < _CAR_LENGTH_M) & (clusters.dimensions_m[:, 2] < _CAR_HEIGHT_M))
    told = np.isfinite(clusters.velocities_mps).all(axis=1)  # only of what stands where something stood before
    spread = np.sqrt(clusters.velocity_covariances[:, [0, 1], [0, 1]].max(axis=1, initial=0.0))
    ground = unknown & told & (spread < _SURELY_STANDING_MPS)
    return clusters.kept(~ground) if ground.any() else clusters
