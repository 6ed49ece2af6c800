"""Hindsight on real recordings, held against what people labelled and surveyed; what was tuned on is left out."""

import numpy as np
import pytest
from real_data import sensors

from autonomy_nodes.common.geometry import inverse, moved, quaternion_of
from autonomy_nodes.common.objects import Label, no_objects
from autonomy_nodes.common.paths import share
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.evaluation.measures import sweeps as raw
from autonomy_nodes.evaluation.measures.elevation import REACH_M, perceived
from autonomy_nodes.evaluation.measures.labelled_ground import sources
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.perception.bev import middles
from autonomy_nodes.perception.ground import GroundSplitter
from autonomy_nodes.perception.perceiver import PerceptionConfig
from autonomy_nodes.training.pseudo.hindsight import HindsightSettings, surroundings
from autonomy_nodes.training.pseudo.played import StackSettings, Sweep, played, thinned
from autonomy_nodes.training.pseudo.stretches import CutSettings, source_of, stretches
from autonomy_nodes.training.pseudo.tracks import TrackSettings, tracks_of

CONFIG = PerceptionConfig()
VEHICLES = [Label.CAR, Label.TRUCK, Label.BUS, Label.TRAILER]
NEAR_M, FARTHEST_M = 2.0, 40.0


def way_of(frames, found):
    """Stamps and poses: as the data set tells them, else by the stack's odometry."""
    if frames[0].placed is not None:
        start = inverse(frames[0].map_from(BASE))
        return [frame.stamp_ns for frame in frames], [start @ frame.map_from(BASE) for frame in frames]
    clouds = [PointCloud((k + 1) * 100_000_000, 'lidar', each.xyz, each.intensity) for k, each in enumerate(found)]
    way, _ = raw.ours(raw.Sweep(cloud, np.eye(4), None) for cloud in clouds)
    return list(way.stamps_ns), list(way.poses)


@pytest.mark.parametrize(('name', 'more'), [('gndnet_seq00', 1.2), ('argoverse2_7fab2350', 1.15)])
def test_sweeps_put_together_know_more_of_the_surveyed_ground_and_are_no_worse(name, more):
    chosen = [source for _, (_, source) in sources(sensors(name), raster=True)]
    found = [source.read() for source in chosen]
    splitter = GroundSplitter(CONFIG.ground, CONFIG.vehicle.height_m)
    sweeps = []
    for (stamp_ns, pose), sweep in zip(zip(*way_of([source.frame for source in chosen], found)), found):
        ego = EgoState(stamp_ns, pose[:3, 3], quaternion_of(pose[:3, :3]), np.zeros(6))
        parts = thinned(sweep.xyz, splitter.split(sweep.xyz))
        sweeps.append(Sweep(stamp_ns, 0, ego, no_objects(stamp_ns, BASE, tracked=False), *parts, None, False))
    xy = middles().reshape(-1, 2)
    figures = []
    for place, sweep in enumerate(found):
        truth = np.where(np.hypot(*xy.T) <= REACH_M, sweep.raster.at(xy), np.nan)
        alone, _ = perceived(sweep)
        one = np.where(alone.at('observed', xy) == 1.0, alone.at('elevation', xy), np.nan)
        standing = [each.standing for each in sweeps]
        dense = surroundings(place, sweeps, standing, CONFIG.vehicle, HindsightSettings()).ground_m.ravel()
        known = [np.isfinite(z) & np.isfinite(truth) for z in (one, dense)]
        off = [np.abs(z - truth)[known[0] & known[1]].mean() for z in (one, dense)]
        figures.append([*(part.sum() for part in known), *off, np.abs(dense - truth)[known[1]].mean()])
    cells_one, cells_dense, off_one, off_dense, off_all = np.mean(figures, axis=0)
    assert cells_dense > more * cells_one
    assert off_dense < 1.05 * off_one and off_all < 0.12


def test_of_what_is_told_in_hindsight_far_less_is_wrong_and_its_places_are_no_farther_off():
    folder = sensors('kitti_seq0000')
    stack = StackSettings((share('config/vehicles/recorded.yaml'), share('config/stack.yaml')))
    stretch = stretches(source_of(folder), CutSettings(10.5, 0.5))[-1]  # frames 105 to 131
    found = played(stretch, stack, every=5, phase=0)
    frames = {frame.stamp_ns: frame for frame in drives(folder)[0] if int(frame.name) >= 100}
    tracks = tracks_of(found.sweeps, found.tracking, TrackSettings())
    scores = {'alone': [], 'hindsight': []}
    for place, sweep in enumerate(found.sweeps):
        frame = frames.get(sweep.stamp_ns)
        if frame is None or frame.truth is None:
            continue
        truth = frame.truth()
        range_m = np.hypot(*truth.objects.positions_m[:, :2].T)
        asked = np.isin(truth.kinds, ('Car', 'Van')) & (range_m < FARTHEST_M) & (truth.occluded <= 1)
        seen = sweep.objects.kept(sweep.objects.class_probabilities[:, VEHICLES].sum(axis=1) >= 0.5)
        boxes = [box[:3] for track in tracks if track.sure and track.kind < 2 and (box := track.at(place)) is not None]
        told = moved(np.array(boxes).reshape(-1, 3), inverse(sweep.ego.odom_from_base))
        for who, places in (('alone', seen.positions_m), ('hindsight', told)):
            scores[who].append(scored(truth.objects.positions_m[:, :2], asked, places[:, :2]))
    (wanted, hits, off, false), (_, told_hits, their_off, fewer) = (sums(scores[who]) for who in scores)
    assert wanted > 50
    # who is not sure is left out, not denied: what is told has to be right
    assert told_hits > 0.7 * hits and their_off < 1.1 * off and fewer < 0.35 * false


def scored(labels, asked, places):
    """Labels asked for, those that were found, how far off they were in all, and wrong places in the picture."""
    away = np.linalg.norm(labels[:, None] - places[None], axis=2)
    nearest = away.min(axis=1, initial=np.inf)[asked]
    ahead = (np.abs(np.arctan2(places[:, 1], places[:, 0] - 0.76)) < 0.6) & (np.hypot(*places.T) < 30.0)
    wrong = (away.min(axis=0, initial=np.inf) > NEAR_M) & ahead
    return [asked.sum(), (nearest < NEAR_M).sum(), nearest[nearest < NEAR_M].sum(), wrong.sum()]


def sums(rows):
    wanted, hits, off, wrong = np.sum(rows, axis=0)
    return wanted, hits, off / hits, wrong
