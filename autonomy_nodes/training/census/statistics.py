"""What a set of sweeps holds: counts by class, range and points, beams, kinds of ground."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from autonomy_nodes.perception.bev import CLASSES, TERRAIN
from autonomy_nodes.training.census.cards import Card
from autonomy_nodes.training.census.channels import BANDS, BANDS_M

HITS = (0, 1, 5, 20, 100)  # least points on an object of each column
BEAMS = (8, 20, 40, 80)  # edges between LiDARs of about 16, 32, 64 and more beams
_PERCENTILES = (5, 50, 95)


def statistics(cards: Sequence[Card]) -> dict[str, Any]:
    """Return everything that can be counted, by name; what nobody told is left out."""
    told: dict[str, Any] = {
        'sweeps': len(cards),
        'drives': len({card.drive for card in cards}),
        'with_sweep_before': sum(card.with_before for card in cards),
        'labelled_sweeps': sum(card.labels is not None for card in cards),
        'points': _spread([card.points for card in cards]),
        'beams': {name: count for name, count in _beams(cards).items() if count},
        'sensor_height_m': _spread([card.sensor_height_m for card in cards]),
        'cells_with_points': {
            band: _spread([card.values.means[0, place] for card in cards]) for place, band in enumerate(BANDS)
        },
        'clusters_within_35_m': _spread([np.expm1(card.features['clusters']) for card in cards]),
    }
    if told['labelled_sweeps']:
        told['objects'] = _objects(cards)
    covers = [card.terrain for card in cards if card.terrain is not None]
    if covers:
        cells = np.sum(covers, axis=0)
        told['terrain'] = {name: float(count / max(cells.sum(), 1)) for name, count in zip(TERRAIN, cells)}
    return told


def _objects(cards: Sequence[Card]) -> dict[str, dict[str, dict[str, int]]]:
    """Return {class: {range: count, ...}} and by points on the object, of labelled ones."""
    labels = [card.labels for card in cards if card.labels is not None]
    kinds, hits = (np.concatenate([getattr(each, name) for each in labels]) for name in ('kinds', 'hits'))
    reach = np.hypot(*np.concatenate([each.boxes[:, :2] for each in labels]).T)
    bands, columns = np.digitize(reach, BANDS_M) - 1, np.digitize(hits, HITS) - 1
    return {
        name: {
            'by_range': {band: int(((kinds == kind) & (bands == place)).sum()) for place, band in enumerate(BANDS)},
            'by_points': {
                f'{least}+': int(((kinds == kind) & (columns == place)).sum()) for place, least in enumerate(HITS)
            },
        }
        for kind, name in enumerate(CLASSES)
    }


def _beams(cards: Sequence[Card]) -> dict[str, int]:
    groups = np.digitize([card.beams for card in cards], BEAMS)
    names = ('not known', 'about 16', 'about 32', 'about 64', 'more')
    return {name: int((groups == place).sum()) for place, name in enumerate(names)}


def _spread(values: Sequence[float]) -> list[float] | None:
    """Return the 5th, 50th and 95th percentile, None where nothing is known."""
    known = np.array([value for value in values if np.isfinite(value)])
    return [float(value) for value in np.percentile(known, _PERCENTILES)] if len(known) else None
