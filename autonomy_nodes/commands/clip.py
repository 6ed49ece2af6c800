"""`autonomy clip`: the seconds around a moment of a run or a recording, with a small json of why."""

import argparse
import json
from pathlib import Path

from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.runlog import OUTPUTS
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.cutting import cut, moment


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('source', type=Path, help='what a run left, or a rosbag2 folder, an MCAP or db3 file')
    about = 'seconds from the start of the recording, or nanoseconds since 1970'
    parser.add_argument('--at', type=float, required=True, help=about)
    parser.add_argument('--before', type=float, default=10.0, help='seconds before')
    parser.add_argument('--after', type=float, default=5.0, help='seconds after')
    parser.add_argument('--why', default='', help='words for the json')
    parser.add_argument('--out', type=Path, help='an .mcap file; beside the source unless told')


def run(options: argparse.Namespace) -> None:
    """Cut, and say where the clip lies."""
    if not (options.before >= 0.0 and options.after >= 0.0):
        raise DataError('--before and --after must not be negative')
    recording = Recording(recorded(options.source))
    at_ns = moment(recording, options.at)
    start_ns = max(at_ns - round(options.before * SECOND_NS), recording.start_ns)
    end_ns = min(at_ns + round(options.after * SECOND_NS), recording.end_ns)
    since_s = (at_ns - recording.start_ns) / SECOND_NS
    out = options.out or options.source.with_name(f'{options.source.stem}_clip_{since_s:.1f}s.mcap')
    if out.suffix != '.mcap':
        raise DataError(f'--out {out}: a clip is one file; give a name that ends with .mcap')
    counts = cut(recording, out, start_ns, end_ns)
    told = {
        'bag': out.name, 'source': options.source.name, 'start_ns': start_ns, 'end_ns': end_ns,
        'before_s': round((at_ns - start_ns) / SECOND_NS, 3), 'after_s': round((end_ns - at_ns) / SECOND_NS, 3),
        'occasions': [{'kind': 'command', 'stamp_ns': at_ns, 'text': options.why}],
        'messages': dict(sorted(counts.items())),
    }  # fmt: skip
    out.with_suffix('.json').write_text(json.dumps(told, indent=1, sort_keys=True) + '\n')
    print(f'{out}: {(end_ns - start_ns) / SECOND_NS:.1f} s, {sum(counts.values())} messages of {len(counts)} topics')


def recorded(source: Path) -> Path:
    """Return the recording of a run where `source` is the folder of one, else `source`."""
    return source / OUTPUTS if (source / OUTPUTS).exists() else source
