"""The list of suspects as a file: JSON lines, one a suspect, for people and for patch tools."""

import json
from pathlib import Path

from autonomy_nodes.common.lanes import Line, MapChanges


def write_suspects(changes: MapChanges, path: Path) -> None:
    """Write all suspects in place of those written before; a reader never sees half a file."""
    rows = [
        {
            'id': int(changes.ids[row]),
            'kind': kind,
            'state': 'suspect',
            'class': Line(int(changes.classes[row])).name,
            'position_m': [round(float(part), 3) for part in changes.positions_m[row]],
            'log_odds': round(float(changes.log_odds[row]), 4),
            'probability': round(float(changes.probabilities[row]), 4),
            'traversals': int(changes.traversals[row]),
            'frames': int(changes.frames[row]),
            'stamp_ns': changes.stamp_ns,
        }
        for row, kind in enumerate(changes.kinds)
    ]
    half = path.with_name(path.name + '.part')
    half.write_text(''.join(json.dumps(row) + '\n' for row in rows), encoding='utf-8')
    half.replace(path)
