"""Measure how far a network is to be believed, in simulated places it never saw, and write that on its card.

Of each class: temperature and offset of its existence (least log loss), the threshold with the best F1, and the scale
at which told spreads hold nine in ten errors (split conformal prediction). Then what the geometric channel's opinion of
the same place is worth beside the network's, for people. All are fitted on two thirds of the places and judged on the
last third; nothing real is looked at. Places are those of the seeds from FIRST on: neither learned from nor reported.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.reliability import NINE_IN_TEN_1D, NINE_IN_TEN_2D, binned
from autonomy_nodes.inference.manifest import read_manifest, write_manifest
from autonomy_nodes.messages.formats.simulated import MANIFEST
from autonomy_nodes.perception.bev import CLASSES
from autonomy_nodes.perception.confidence import KEY, SUPPORT, Confidence, Confidences, Support, chance, log_odds
from autonomy_nodes.training.samples import HELD_OUT
from autonomy_nodes.training.told_frames import gather_frames
from autonomy_nodes.training.told_rows import FAMILIES, NEITHER, RIGHT, VIEWS, Gathered, Rows, gather

FIRST = HELD_OUT + 100  # seeds before are watched in training
PEOPLE = (2, 3)
FITTED, FEWEST, NINE_IN_TEN = 2.0 / 3.0, 30, 0.9
LEAST_PRECISION, HEARD = 0.5, 0.05
CALIBRATED = 'calibrated'


def calibrate(
    folder: Path, count: int, backend: str, jobs: int, tell: Callable[[str], None], drives: Sequence[Path] = (),
    only: Sequence[str] = CLASSES,
) -> dict[str, Any]:  # fmt: skip
    """Fit on `count` examples, write the card of a model's folder anew, and return what is new on it.

    drives: folders of labelled drives by which the thresholds are chosen, `only` those of these classes. Raises
    SettingsError naming a class that is none, DataError where a folder or the count is of no use.
    """
    if unknown := set(only) - set(CLASSES):
        raise SettingsError(f'--only {", ".join(sorted(unknown))}: the classes are {", ".join(CLASSES)}')
    manifest = read_manifest(folder)
    places = np.arange(FIRST, FIRST + -(-count // VIEWS))
    if len(places) < 3:
        raise DataError(f'count={count} are too few examples; 300 are enough for most classes')
    frames = gather_frames(folder, drives, backend, jobs, tell) if drives else None  # first: it may be refused
    gathered = gather(folder, places, backend, jobs, tell)
    fitted, judging = (gathered.of(part) for part in np.split(places, [int(FITTED * len(places))]))
    confidences = fit_confidences(fitted)
    support = fit_support(fitted, confidences)
    chosen: dict[str, Any] = {}
    if frames is not None:
        confidences, support = with_thresholds(frames, confidences, support, only)
        told = ', '.join(_made_by(path) for path in drives)
        chosen = {'thresholds': f'of {", ".join(only)} by {told}', 'there': judge(frames, confidences, support)}
    card = {
        KEY: {name: asdict(one) for name, one in confidences.classes.items()}, SUPPORT: asdict(support),
        CALIBRATED: {
            'data': f'places of seeds {places[0]} to {places[-1]}, {VIEWS} views each; the last third to judge by',
            'before': judge(judging, Confidences(dict.fromkeys(CLASSES, Confidence())), Support()),
            'after': judge(judging, confidences, support),
            'radius_90_m': radii(fitted, confidences), **chosen,
        },
    }  # fmt: skip
    write_manifest(folder, replace(manifest, card={**manifest.card, **card}))
    return card


def fit_confidences(gathered: Gathered) -> Confidences:
    """Return how far each class is to be believed; of one that was hardly ever met what its family tells."""
    rows, found = gathered.rows, {}
    for family in FAMILIES:
        for kind in family:
            own = rows.kept(rows.kinds == kind)
            some = own if (own.right == RIGHT).sum() >= FEWEST else rows.kept(np.isin(rows.kinds, family))
            if (some.right == RIGHT).sum() < FEWEST:
                continue
            temperature, offset = fit_odds(some)
            one = Confidence(temperature=temperature, offset=offset)
            believed = chance(log_odds(own.existence) / temperature + offset)
            least, _, _ = best_f1(believed, own.alike, int(gathered.labels[:, kind].sum()))
            told = chance(log_odds(some.existence) / temperature + offset) >= least
            squares, turns = some.off[told & (some.right == RIGHT)][:, 1:].T
            found[CLASSES[kind]] = replace(
                one, least=least, spread_scale=round(_nine_in_ten(squares) / NINE_IN_TEN_2D, 4),
                heading_scale=round((_nine_in_ten(turns) / NINE_IN_TEN_1D) ** 2, 4),
            )  # fmt: skip
    return Confidences(found)


def with_thresholds(
    gathered: Gathered, confidences: Confidences, support: Support, only: Sequence[str] = CLASSES
) -> tuple[Confidences, Support]:
    """Return both with the thresholds of some classes that have the best F1 here.

    A class that is hardly met here keeps its own.
    """
    rows, found = gathered.rows, dict(confidences.classes)
    believed = confidences.believed(rows.existence, rows.kinds)
    for kind, name in enumerate(CLASSES):
        mine = rows.kinds == kind
        if name in only and name in found and (rows.alike[mine] == RIGHT).sum() >= FEWEST:
            least, _, _ = best_f1(believed[mine], rows.alike[mine], int(gathered.labels[:, kind].sum()))
            found[name] = replace(found[name], least=least)
    chosen = Confidences(found)
    told = _told_people(rows, chosen)
    asked = any(CLASSES[kind] in only for kind in PEOPLE)
    if support == Support() or not asked or (told.right == RIGHT).sum() < FEWEST:
        return chosen, support
    both = support.together(chosen.believed(told.existence, told.kinds), told.word)
    least, _, _ = best_f1(both, told.right, int(gathered.labels[:, list(PEOPLE)].sum()))
    return chosen, replace(support, least=least)


def _made_by(folder: Path) -> str:
    """Return the command by which a folder was made, its name where it tells none."""
    manifest = folder / MANIFEST
    return str(json.loads(manifest.read_text())['command']) if manifest.is_file() else folder.name


def fit_odds(rows: Rows) -> tuple[float, float]:
    """Return temperature and offset at which what is told is the most probable, given what was right."""
    counted = rows.kept(rows.right != NEITHER)
    odds, right = log_odds(counted.existence), counted.right == RIGHT

    def loss(word: np.ndarray) -> float:
        return _log_loss(counted.share * chance(odds * np.exp(word[0]) + word[1]), right)

    best = minimize(loss, np.zeros(2), method='Nelder-Mead', options={'xatol': 1e-5, 'fatol': 1e-9}).x
    return round(float(np.exp(-best[0])), 4), round(float(best[1]), 4)


def fit_support(gathered: Gathered, confidences: Confidences) -> Support:
    """Return what the geometric channel's word on people is worth, and from which existence on they are told."""
    rows = gathered.rows.kept(np.isin(gathered.rows.kinds, PEOPLE))
    rows = rows.kept(confidences.believed(rows.existence, rows.kinds) >= HEARD)  # of nearly nobody nothing is learned
    if (rows.right == RIGHT).sum() < FEWEST:
        return Support()
    counted = rows.kept(rows.right != NEITHER)
    believed, right = confidences.believed(counted.existence, counted.kinds), counted.right == RIGHT

    def support(word: np.ndarray) -> Support:
        own, geometric = (round(float(np.exp(each)), 4) for each in word[:2])
        return Support(own, geometric, round(float(word[2]), 4), round(float(word[3]), 4))

    def loss(word: np.ndarray) -> float:
        return _log_loss(counted.share * support(np.clip(word, -6.0, 6.0)).together(believed, counted.word), right)

    start = np.array([0.0, np.log(0.3), -0.5, 0.0])
    options = {'xatol': 1e-4, 'fatol': 1e-9, 'maxiter': 2000}
    best = support(np.clip(minimize(loss, start, method='Nelder-Mead', options=options).x, -6.0, 6.0))
    told = _told_people(gathered.rows, confidences)
    both = best.together(confidences.believed(told.existence, told.kinds), told.word)
    least, _, _ = best_f1(both, told.right, int(gathered.labels[:, list(PEOPLE)].sum()))
    return replace(best, least=least)


def _told_people(rows: Rows, confidences: Confidences) -> Rows:
    """Return the people who are told at all: the geometric channel is asked of nobody else."""
    believed = confidences.believed(rows.existence, rows.kinds)
    return rows.kept(np.isin(rows.kinds, PEOPLE) & (believed >= confidences.column('least')[rows.kinds]))


def _log_loss(chances: np.ndarray, right: np.ndarray) -> float:
    kept = np.clip(chances, 1e-9, 1.0 - 1e-9)
    return float(-np.where(right, np.log(kept), np.log(1.0 - kept)).mean())


def best_f1(believed: np.ndarray, right: np.ndarray, labels: int) -> tuple[float, float, float]:
    """Return the existence from which on F1 is best, with precision (0.5 at least) and recall there.

    0.5 where no threshold is so good.
    """
    counted = right != NEITHER
    scores, hit = believed[counted], right[counted] == RIGHT
    if not hit.any() or not labels:
        return 0.5, 0.0, 0.0
    order = np.argsort(-scores, kind='stable')
    hits, told = np.cumsum(hit[order]), np.arange(1, len(order) + 1)
    f1 = np.where(hits >= LEAST_PRECISION * told, 2.0 * hits / (told + labels), 0.0)
    best = int(np.argmax(f1))
    if not f1[best]:
        return 0.5, 0.0, 0.0
    least = float(np.clip(np.floor(1e4 * scores[order[best]]) / 1e4, 0.01, 0.99))
    return least, float(hits[best] / told[best]), float(hits[best] / labels)


def _nine_in_ten(values: np.ndarray) -> float:
    """Return what the next value is below nine times in ten; 1 of none."""
    if not len(values):
        return 1.0
    place = min(int(np.ceil((len(values) + 1) * NINE_IN_TEN)), len(values))
    return float(np.sort(values)[place - 1])


def radii(gathered: Gathered, confidences: Confidences) -> dict[str, float]:
    """Return {class: within how many metres of its told middle nine in ten of what is there and told stand}."""
    rows = gathered.rows
    told = confidences.believed(rows.existence, rows.kinds) >= confidences.column('least')[rows.kinds]
    found = {}
    for kind, name in enumerate(CLASSES):
        off = rows.off[told & (rows.kinds == kind) & (rows.right == RIGHT), 0]
        if len(off) >= FEWEST:
            found[name] = round(_nine_in_ten(off), 3)
    return found


def judge(gathered: Gathered, confidences: Confidences, support: Support) -> dict[str, dict[str, float]]:
    """Return {class: calibration error, coverage, precision, recall at the threshold, counts}; `people`: of both."""
    rows, found = gathered.rows, {}
    believed = confidences.believed(rows.existence, rows.kinds)
    told = believed >= confidences.column('least')[rows.kinds]
    for kind, name in enumerate(CLASSES):
        mine = rows.kinds == kind
        found[name] = _judged(rows, mine & told, believed, rows.alike, int(gathered.labels[:, kind].sum()))
        counted = mine & (rows.right != NEITHER)
        found[name]['ece'] = binned((believed * rows.share)[counted], rows.right[counted] == RIGHT).error
        scale = confidences.column('spread_scale')[kind]
        squares = rows.off[mine & told & (rows.right == RIGHT), 1] / scale
        found[name]['within_90'] = float((squares <= NINE_IN_TEN_2D).mean()) if len(squares) else float('nan')
    both = support.together(believed, rows.word)
    some = np.isin(rows.kinds, PEOPLE) & told & (both >= support.least)
    found['people'] = _judged(rows, some, both, rows.right, int(gathered.labels[:, list(PEOPLE)].sum()))
    return {
        name: {key: round(value, 4) for key, value in one.items() if np.isfinite(value)} for name, one in found.items()
    }


def _judged(rows: Rows, told: np.ndarray, believed: np.ndarray, right: np.ndarray, labels: int) -> dict[str, float]:
    counted = told & (right != NEITHER)
    hits, count = int((right[counted] == RIGHT).sum()), int(counted.sum())
    return {
        'n_labels': labels, 'n_told': count, 'precision': hits / count if count else float('nan'),
        'recall': hits / labels if labels else float('nan'),
        'ece_told': binned((believed * rows.share)[counted], rows.right[counted] == RIGHT).error,
    }  # fmt: skip
