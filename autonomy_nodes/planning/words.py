"""Why it was chosen: the one cause whose absence would have changed the choice, found by leaving it out."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.planning.gates import Vetoes, View
from autonomy_nodes.planning.proposals import Proposals
from autonomy_nodes.planning.rollout import STEP_S
from autonomy_nodes.planning.speeds import must_stop
from autonomy_nodes.planning.terms import LEAST_M, Scores, best

ASKED = 12  # road users about whom it is asked what would be without them
SAME_M = 0.05  # drives that are never further apart are one


@dataclass(frozen=True)
class Reason:
    """text: in words. runner_up: index of what would have been done else. values: the same, to be read by machines."""

    text: str
    runner_up: int
    values: dict[str, str]


def explain(chosen: int, proposals: Proposals, seen: View, vetoes: Vetoes, scores: Scores) -> Reason:
    """Return why `chosen` was taken: the gate or road user that keeps us from something better, else a term.

    vetoes, scores: of the candidates, not of the drives in `seen`.
    """
    clean, names, of = vetoes.clean(), proposals.names, proposals.of
    start = '' if clean[chosen] else 'nothing passes all gates: '
    if (blamed := _blamed(chosen, clean, vetoes, scores)) is not None:
        gate, other, whom = blamed
        if whom >= 0 and clean[other]:
            text = f'{names[other]} would come too close to {seen.traffic.said(whom)}'
            return Reason(text, other, {'who': seen.traffic.names[whom]})
        text, values = _veto_in_words(gate, other, whom, of, seen, vetoes)
        return Reason(f'{start}{names[other]} vetoed at {text}', other, {'gate': gate, **values})
    all_free = np.ones(len(clean), bool)
    unhindered = best(scores.totals(all_free), all_free)
    if unhindered is not None and not clean[unhindered]:  # several causes, each of them enough
        text, values = _first_veto(unhindered, of, seen, vetoes)
        return Reason(f'{start}{names[unhindered]} vetoed at {text}, and by other things', unhindered, values)
    alike = _alike(of[chosen], seen)[of]
    if not (clean & ~alike).any():
        return Reason(f'{start}nothing else is possible', chosen, {})
    term, second, gain = _deciding_term(chosen, alike, clean, scores)
    return Reason(f'better than {names[second]} in {term.replace("_", " ")} (+{gain:.3f})', second, {'term': term})


def _alike(chosen: int, seen: View) -> np.ndarray:
    """Return (D,) which drives are the chosen one, or as good as it."""
    poses = seen.drives.poses[..., :2]
    return np.asarray(np.abs(poses - poses[chosen]).max(axis=(1, 2)) < SAME_M)


def _blamed(
    chosen: int, clean: np.ndarray, vetoes: Vetoes, scores: Scores
) -> tuple[str, int, int] | None:
    """Return (gate, candidate, road user or -1) of the cause without which another candidate wins by most."""
    found, most = None, 1e-6
    causes = [(gate, -1) for gate in vetoes.times_s if gate != 'contact']
    causes += [('contact', whom) for whom in _in_the_way(vetoes, scores)]
    for gate, whom in causes:
        free = vetoes.clean(but_whom=whom) if gate == 'contact' else vetoes.clean(but=gate)
        if whom < 0 and (free == clean).all():
            continue  # nothing changes without it
        totals = scores.totals(free, whom)
        other = best(totals, free)
        if other is None or other == chosen or (whom < 0 and clean[other]):
            continue
        gain = float(totals[other] - (totals[chosen] if clean[chosen] else 0.0))
        if gain > most:
            found, most = (gate, other, whom), gain
    return found


def _in_the_way(vetoes: Vetoes, scores: Scores) -> list[int]:
    """Return the road users that veto most drives or take most marks from them; no more than can be asked about."""
    weight = np.isfinite(vetoes.contacts.times_s).sum(axis=0).astype(float)
    for least, whose, _ in scores.of_users.values():
        lost = (whose >= 0) & (least < 1.0)
        weight += np.bincount(whose[lost], 1.0 - least[lost], len(weight))
    order = np.argsort(-weight, kind='stable')[:ASKED]
    return [int(whom) for whom in order if weight[whom] > 0.1]


def _veto_in_words(
    gate: str, which: int, whom: int, of: np.ndarray, seen: View, vetoes: Vetoes
) -> tuple[str, dict[str, str]]:
    """Return 'when: what' of a veto of candidate `which`, and the same as values."""
    when = float(vetoes.times_s[gate][which])
    if gate == 'contact':
        when = float(vetoes.contacts.times_s[which, whom])
        mode = int(vetoes.contacts.modes[which, whom])
        chance = seen.traffic.chances[whom, mode]
        what = f'contact with {seen.traffic.said(whom)} (mode {mode}, {100.0 * chance:.0f} %)'
        return f'{when:.1f} s: {what}', {'when_s': f'{when:.1f}', 'who': seen.traffic.names[whom], 'mode': str(mode)}
    what = {
        'ground': lambda: _ground_in_words(of[which], when, seen),
        'stop_line': lambda: _stop_in_words(seen),
        'lane_line': lambda: 'a line that may not be crossed',
        'end': lambda: f'{seen.course.end} {max(seen.course.end_m - seen.course.station_m, 0.0):.0f} m ahead',
        'limits': lambda: 'more than the vehicle can bear',
    }[gate]()
    return f'{when:.1f} s: {what}', {'when_s': f'{when:.1f}'}


def _first_veto(which: int, of: np.ndarray, seen: View, vetoes: Vetoes) -> tuple[str, dict[str, str]]:
    """Return in words what vetoes a candidate first."""
    gate = min(vetoes.times_s, key=lambda name: float(vetoes.times_s[name][which]))
    if not np.isfinite(vetoes.times_s[gate][which]):
        return 'the end of the horizon', {}
    whom = int(np.argmin(vetoes.contacts.times_s[which])) if gate == 'contact' else -1
    text, values = _veto_in_words(gate, which, whom, of, seen, vetoes)
    return text, {'gate': gate, **values}


def _ground_in_words(which: int, when: float, seen: View) -> str:
    body, poses = seen.bodies[0]
    step = round(when / STEP_S)
    pose, start = poses[which, step], poses[which, 0]
    offsets, radius = body.circles()
    centres = pose[:2] + offsets[:, None] * np.array([np.cos(pose[2]), np.sin(pose[2])])
    worst = centres[int(np.argmin(seen.ground.clearance(centres)))]
    away = float(np.linalg.norm(centres[-1] - start[:2])) - body.front_m
    return f'{seen.ground.why_blocked(worst, radius)} {max(away, 0.0):.0f} m ahead'


def _stop_in_words(seen: View) -> str:
    stop = must_stop(seen.course, float(seen.drives.speeds_mps[0, 0]), seen.vehicle)[0]
    left_m = stop.station_m - seen.course.station_m - seen.vehicle.front_m
    told = f'its light is {stop.light.name.lower()}' if stop.has_light else 'it has no light'
    return f'stop line {stop.id} {max(left_m, 0.0):.0f} m ahead, {told}'


def _deciding_term(chosen: int, alike: np.ndarray, clean: np.ndarray, scores: Scores) -> tuple[str, int, float]:
    """Return the term without which another drive would win, that drive, and what the chosen one gains by the term.

    Of several the one by which it gains most. Where no single term decides, that by which it is best ahead of the next.
    """
    weight, totals = scores.weights.of(scores.terms), scores.totals(clean)
    total, others = sum(weight.values()), clean & ~alike
    most = max(float(scores.marks['progress'][clean].max(initial=0.0)), LEAST_M)
    shares = {name: weight[name] / total * values for name, values in scores.terms.items()}
    shares['progress'] = weight['progress'] / total * np.clip(scores.marks['progress'] / most, 0.0, 1.0)
    wins = {name: best(totals - values, clean) for name, values in shares.items()}
    second = best(totals, others)
    seconds = {name: other for name, other in wins.items() if other is not None and others[other]}
    seconds = seconds or dict.fromkeys(shares, second if second is not None else chosen)
    gains = {name: float(shares[name][chosen] - shares[name][other]) for name, other in seconds.items()}
    term = max(gains, key=lambda name: gains[name])
    return term, seconds[term], gains[term]
