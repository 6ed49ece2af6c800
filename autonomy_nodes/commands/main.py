"""The `autonomy` command line: one file a verb beside this one, imported only when its verb is asked for.

A verb's module offers `arguments(parser)`, which declares its options, and `run(options) -> int | None`, which does the
work and returns the exit code. Input that cannot be used ends with the reason on one line and exit code 2.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from importlib import import_module

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError

HERE = 'autonomy_nodes.commands'
VERBS = {  # verb: (module, what it does)
    'up': ('up', 'start the stack on this machine'),
    'drive': ('drive', 'drive a scenario of the simulator'),
    'replay': ('replay', 'play a recording through the stack in lockstep'),
    'calibrate': ('calibrate', 'check the mounts of LiDARs and cameras by what they see, or estimate them'),
    'doctor': ('doctor', 'check topics, rates, frames and stamps, and tell what to mend'),
    'bag': ('bag', 'tell what a recording holds, cut it, take the place out of it'),
    'clip': ('clip', 'cut the seconds around a moment out of a run or a recording'),
    'preflight': ('preflight', 'tell whether this computer is ready to drive, and what to mend'),
    'contract': ('contract', 'test whether a vehicle interface keeps its contract with the stack'),
    'vehicle': ('vehicle', 'write the yaml of your own vehicle, or draw one with its blind zones'),
    'import': ('import_', 'turn a data set into a bag'),
    'compare': ('compare', 'hold two runs over the same recording against each other'),
    'evaluate': ('evaluate', 'measure on labelled recordings, with raw answers that others can score'),
    'data': ('data', 'make data to measure and to train on, and tell what is in them'),
    'train': ('train', 'train a network, from examples that are made on the spot'),
    'engine': ('engine', 'build the TensorRT engine of a model on the vehicle, or show what is built'),
    'report': ('report', 'make report.html and report.json of a run'),
    'topics': ('topics', 'print the table of topics'),
    'parameters': ('parameters', 'print the settings of every node'),
}


def main(given: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    parser = argparse.ArgumentParser(
        prog='autonomy', usage='autonomy VERB ...', formatter_class=argparse.RawDescriptionHelpFormatter
    )
    told = [f'  {verb:<12}{about}' for verb, (_, about) in VERBS.items()]
    parser.description = 'An autonomy stack for vehicles: drive it, replay recordings, see what it did and why.\n\n'
    parser.description += '\n'.join(['verbs:', *told])
    parser.epilog = 'autonomy VERB --help tells the options of a verb.'
    verbs = parser.add_subparsers(prog='autonomy', dest='verb', metavar='VERB', required=True, help=argparse.SUPPRESS)
    given = sys.argv[1:] if given is None else list(given)
    asked = next((word for word in given if not word.startswith('-')), '')
    for verb, (module, about) in VERBS.items():
        below = verbs.add_parser(verb, description=about[0].upper() + about[1:] + '.')
        if verb == asked:  # the others are not imported: `autonomy topics` needs no simulator
            import_module(f'{HERE}.{module}').arguments(below)
    launch = [word for word in given if re.match(r'\w+:=', word)]  # argparse wants them beside other words: we do not
    options = parser.parse_args([word for word in given if word not in launch])
    if launch and not hasattr(options, 'launch'):
        parser.error(f'{options.verb} takes no launch arguments: {" ".join(launch)}')
    if launch:
        options.launch = launch
    try:
        return import_module(f'{HERE}.{VERBS[options.verb][0]}').run(options) or 0
    except (DataError, SettingsError, OSError) as error:  # anything else is a bug and shows its traceback
        print(f'autonomy {options.verb}: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
