"""The stop that stands beside every plan, and the one that is driven when nothing else is clean."""

import numpy as np

from autonomy_nodes.planning.gates import Vetoes
from autonomy_nodes.planning.proposals import KINDS, Proposals

HARM = ('contact', 'ground', 'limits')  # what a stop must not do; lines are less than that
SOON_S = 2.0


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
    """Return the stop with the longest time to contact, then to other harm; the hardest of equals if that is soon."""
    stops = np.flatnonzero(proposals.kinds == KINDS.index('stop'))
    contact_s, harm_s = vetoes.times_s['contact'][stops], harm_time(vetoes)[stops]
    braking = proposals.wishes.braking_mps2[proposals.of[stops]]
    soon = float(contact_s.max()) < SOON_S
    order = np.lexsort((stops, -braking if soon else braking, -harm_s, -contact_s))
    return int(stops[order[0]])


def harm_time(vetoes: Vetoes) -> np.ndarray:
    """Return (N,) when each drive first does harm, inf for never."""
    return np.min([vetoes.times_s[gate] for gate in HARM], axis=0)
