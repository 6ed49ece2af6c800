"""`autonomy bag`: what a recording holds, a part of it, or all of it without the place where it was made."""

import argparse
from pathlib import Path

from autonomy_nodes.commands.clip import recorded
from autonomy_nodes.evaluation.bag_info import lines
from autonomy_nodes.messages.anonymous.copying import anonymise
from autonomy_nodes.messages.anonymous.mover import Mover
from autonomy_nodes.messages.bags import BagError, Recording
from autonomy_nodes.messages.cutting import cut, moment


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    wanted = parser.add_subparsers(dest='what', metavar='WHAT', required=True)
    info = wanted.add_parser('info', help='topics, counts, rates, sizes, the longest silence of each')
    part = wanted.add_parser('cut', help='some seconds, some topics; latched messages of before come along')
    part.add_argument('--from', type=float, default=0.0, dest='start', help='seconds from its start, or ns since 1970')
    part.add_argument('--to', type=float, default=None, dest='end', help='the same; its end unless told')
    part.add_argument('--topic', action='append', metavar='TOPIC', help='only this one; may be given again')
    anonymous = wanted.add_parser(
        'anonymise-gnss', help='moves positions on the earth and in map by an offset nobody is told, or leaves them out'
    )
    anonymous.add_argument('--remove', action='store_true', help='leave positions out instead of moving them')
    anonymous.add_argument('--frame', action='append', help='a frame that tells the place; map unless told')
    for each in (info, part, anonymous):
        each.add_argument('source', type=Path, help='a rosbag2 folder, an MCAP or db3 file, or what a run left')
    for each in (part, anonymous):
        each.add_argument('--out', type=Path, required=True, help='the new recording: a folder, or a file *.mcap')
        each.add_argument('--without', action='append', default=[], metavar='TOPIC', help='leave this topic out')


def run(options: argparse.Namespace) -> None:
    """Do what is asked for."""
    recording = Recording(recorded(options.source))
    if options.what == 'info':
        print('\n'.join(lines(recording)))
    elif options.what == 'cut':
        start_ns = moment(recording, options.start)
        end_ns = recording.end_ns if options.end is None else moment(recording, options.end)
        if end_ns < start_ns:
            raise BagError(f'--to {options.end:g} is before --from {options.start:g}')
        counts = cut(recording, options.out, start_ns, end_ns, options.topic, options.without)
        print(f'{options.out}: {sum(counts.values())} messages of {len(counts)} topics')
    else:
        mover = Mover(options.frame or ('map',), options.remove)
        print('\n'.join(anonymise(recording, options.out, mover, options.without).lines()))
