"""Which candidates are one drive by several names: each drive is simulated and judged once."""

import numpy as np

from autonomy_nodes.planning.speeds import Caps, Leads

Row = tuple[int, str, str, float, float]  # path, kind, name, share of the speed (or which arrival), hardest braking


def distinct(rows: list[Row], caps: Caps, leads: Leads) -> tuple[list[int], np.ndarray]:
    """Return which rows ask for something that none before them asks for, and (N,) which of these each is.

    Where nobody is in front and nothing is to be stopped for, to follow and to cruise are the same, and to yield too
    where nobody crosses.
    """
    nobody = np.isinf(leads.follow_u).all(axis=1)
    free = nobody & (caps.careful == caps.by_curves).all(axis=1)
    same_mps = (leads.cautious_mps == leads.follow_mps) | np.isinf(leads.follow_u)
    yields = (leads.cautious_u == leads.follow_u) & same_mps
    follows = np.where(free, 0, 1)
    likes = {'follow': follows.tolist(), 'yield': np.where(yields.all(axis=1), follows, 2).tolist()}
    firsts: list[int] = []
    seen: dict[tuple[int, str | int, float, float], int] = {}
    of = np.empty(len(rows), np.int64)
    for number, (path, kind, _, share, braking) in enumerate(rows):
        like = likes[kind][path] if kind in likes else 0 if kind in ('cruise', 'stop') else kind
        key = (path, like, share, braking)
        if key not in seen:
            seen[key] = len(firsts)
            firsts.append(number)
        of[number] = seen[key]
    return firsts, of
