"""The stop that stands beside every plan, and the one that is driven when nothing else is clean."""

from dataclasses import replace

import numpy as np

from autonomy_nodes.planning.gates import Vetoes, View, first_time
from autonomy_nodes.planning.proposals import KEPT, KINDS, Proposals
from autonomy_nodes.planning.speeds import blocked

HARM = ('contact', 'ground', 'limits')  # what a stop must not do; lines are less than that
SOON_S = 2.0


def without_margin(vetoes: Vetoes, proposals: Proposals, seen: View) -> Vetoes:
    """Return the vetoes of the drives, with the stop that was kept from before judged by the room of the body alone.

    It was free with the margin when it was made; centimetres off its path must not take away the last way out.
    """
    if KEPT not in proposals.names:
        return vetoes
    drive = proposals.of[proposals.names.index(KEPT)]
    if np.isinf(vetoes.times_s['ground'][drive]):
        return vetoes
    hits = [blocked(poses[drive, None], seen.ground, 0.0, body) for body, poses in seen.bodies]
    ground_s = vetoes.times_s['ground'].copy()
    ground_s[drive] = first_time(np.any(hits, axis=0))[0]
    return replace(vetoes, times_s={**vetoes.times_s, 'ground': ground_s})


def choose_stop(chosen: int, proposals: Proposals, vetoes: Vetoes) -> int:
    """Return the stop to fall back on: harmless if one is, then on the path of the chosen drive, then the softest.

    If none is harmless, that which does harm last.
    """
    stops = np.flatnonzero(proposals.kinds == KINDS.index('stop'))
    harm_s = harm_time(vetoes)[stops]
    path, braking = proposals.wishes.path[proposals.of], proposals.wishes.braking_mps2[proposals.of[stops]]
    elsewhere = path[stops] != path[chosen]
    order = np.lexsort((stops, braking, elsewhere, -harm_s))
    return int(stops[order[0]])


def least_bad_stop(proposals: Proposals, vetoes: Vetoes) -> int:
    """Return the stop with the longest time to contact, then to other harm.

    Where all do harm soon, the hardest: what is met more slowly is met less hard.
    """
    stops = np.flatnonzero(proposals.kinds == KINDS.index('stop'))
    contact_s, harm_s = vetoes.times_s['contact'][stops], harm_time(vetoes)[stops]
    braking = proposals.wishes.braking_mps2[proposals.of[stops]]
    if float(harm_s.max()) < SOON_S:
        order = np.lexsort((stops, -harm_s, -braking, -contact_s))
    else:
        order = np.lexsort((stops, braking, -harm_s, -contact_s))
    return int(stops[order[0]])


def harm_time(vetoes: Vetoes) -> np.ndarray:
    """Return (N,) when each drive first does harm, inf for never."""
    return np.min([vetoes.times_s[gate] for gate in HARM], axis=0)
