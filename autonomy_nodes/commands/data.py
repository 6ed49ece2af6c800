"""`autonomy data`: drives of the simulator, and recordings, as a folder to measure and to train on."""

import argparse
import re
from pathlib import Path

from autonomy_nodes.commands.options import command_line, commit
from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.messages.formats.catalogue import FORMATS
from autonomy_nodes.messages.formats.simulated import MANIFEST
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.sim import scenes as sim
from autonomy_nodes.sim.flow import families as flow
from autonomy_nodes.training.census.report import PAGE, Asked, report
from autonomy_nodes.training.census.sweeps import Reading
from autonomy_nodes.training.holdout import write_holdout
from autonomy_nodes.training.motion_statistics import lines, of_folder
from autonomy_nodes.training.pictures import write_pictures
from autonomy_nodes.training.places import PlaceSettings
from autonomy_nodes.training.pseudo.cluster import BACKENDS
from autonomy_nodes.training.pseudo.moments import LabelSettings
from autonomy_nodes.training.pseudo.orders import Order as Recorded
from autonomy_nodes.training.pseudo.orders import Workers, write_order
from autonomy_nodes.training.pseudo.played import StackSettings
from autonomy_nodes.training.pseudo.stretches import BAG, source_of
from autonomy_nodes.training.pseudo.tracks import TrackSettings
from autonomy_nodes.training.scenes import FAMILIES, FIRST_SEED, REACH_M, WEATHERS, Choice
from autonomy_nodes.training.shards import Order, write_shards
from autonomy_nodes.training.traffic import Order as Traffic
from autonomy_nodes.training.traffic import write_scene_pictures, write_traffic

HOLDOUT_SCENES, TRAFFIC_SCENES = 9, 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = 'holdout: worlds on which nothing is trained or tuned; points, labels, boxes, poses, the true ground. '
    about += 'examples: sweeps of small places to train perception on, in tar files'
    about += '. traffic: scenes of simulated road users to train prediction on, in the layout of recorded ones'
    about += '. pseudo: examples of a recording, with labels made of what came before and after. '
    about += 'report: what is in examples or recordings, what is rare, how they differ from others'
    parser.add_argument('what', choices=('holdout', 'examples', 'traffic', 'pseudo', 'report'), help=about)
    folder = 'a new folder, or one that was begun: it goes on; docs/evaluation.md tells the layout of holdout. '
    folder += 'of report: folders of examples, data sets, recordings'
    parser.add_argument('folders', type=Path, nargs='+', metavar='DIR', help=folder)
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same bytes')
    told = f'of holdout ({HOLDOUT_SCENES}) and traffic ({TRAFFIC_SCENES})'
    parser.add_argument('--scenes', type=int, default=0, metavar='N', help=told)
    parser.add_argument('--sweeps', type=int, default=20, metavar='N', help='of each scene of holdout, ten a second')
    told = f'of holdout, of {", ".join(sim.FAMILIES)}; of traffic, of {", ".join(flow.FAMILIES)}'
    parser.add_argument('--families', default='', metavar='A,B', help=told)
    told = 'of holdout: one for all, mixed: clear, rain and fog in turn; how dense is drawn of the seed'
    parser.add_argument('--weather', default='', choices=WEATHERS[1:], help=told)
    told = 'of holdout: how far about the way the ground is told; the far ring needs 200, with LiDARs that reach as far'
    parser.add_argument('--reach', type=float, default=REACH_M, metavar='M', help=told)
    told = 'of holdout: the mount of a camera, such as front, that takes a picture with each sweep'
    parser.add_argument('--camera', default='', metavar='NAME', help=told)
    parser.add_argument('--count', type=int, default=1000, metavar='N', help='of examples')
    told = 'of examples and traffic: so many of them are drawn from above, into DIR/pictures'
    parser.add_argument('--pictures', type=int, default=0, metavar='N', help=told)
    parser.add_argument('--jobs', type=int, default=1, help='processes; they change no byte')
    told = 'of traffic: how hard scenes are at most, 0 to 1'
    parser.add_argument('--difficulty', type=float, default=1.0, metavar='D', help=told)
    parser.add_argument('--folds', default='', metavar='N,N', help='of --against of traffic, of groups.json')
    _pseudo_arguments(parser.add_argument_group('of pseudo'))
    _report_arguments(parser.add_argument_group('of report; besides --jobs, --seed, --vehicle, --remap, --model'))


def _pseudo_arguments(group: argparse._ArgumentGroup) -> None:
    told = 'a bag, or a folder of a layout that `autonomy import` reads'
    group.add_argument('--of', type=Path, metavar='RECORDING', help=told)
    group.add_argument('--format', default='', choices=('', BAG, *FORMATS), metavar='NAME', help='its layout')
    group.add_argument('--remap', type=Path, help='a yaml of names, of a bag whose topics have others')
    group.add_argument('--vehicle', default='', help='a file of config/vehicles; of a layout by default recorded')
    group.add_argument('--model', default='', help='a network of models/ that finds road users; else the geometric way')
    group.add_argument('--every', type=int, default=5, metavar='N', help='one example of so many sweeps')
    group.add_argument('--backend', default='local', choices=BACKENDS, help='who works: this machine, or a Ray cluster')
    told = 'of a Ray cluster; without one, --jobs processes on this machine are one. It changes no byte either'
    group.add_argument('--address', default='', help=told)


def _report_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--out', type=Path, metavar='OUT', help='for report.json, corner_cases.json and page.html')
    told = 'what it is held against: folders as DIR; of traffic: recorded scenes'
    group.add_argument('--against', type=Path, nargs='+', default=[], metavar='DIR', help=told)
    group.add_argument('--beams', default='', metavar='LOW-HIGH', help='of --against only LiDARs of so many beams')
    group.add_argument('--limit', type=int, default=0, metavar='N', help='sweeps of each drive at most')
    group.add_argument('--augmented', action='store_true', help='examples as training shows them to the network')
    group.add_argument('--top', type=int, default=12, metavar='N', help='corner cases that are drawn')


def run(options: argparse.Namespace) -> None:
    """Write the folder and tell what is in it."""
    if options.what == 'report':
        _report(options)
        return
    if len(options.folders) > 1:
        raise SettingsError(f'{options.what} writes one folder, not {len(options.folders)}')
    options.folder = options.folders[0]
    {'holdout': _holdout, 'examples': _examples, 'traffic': _traffic, 'pseudo': _pseudo}[options.what](options)


def _holdout(options: argparse.Namespace) -> None:
    options.scenes = options.scenes or HOLDOUT_SCENES
    if options.seed < 0 or options.scenes < 1 or options.sweeps < 2:
        raise SettingsError('--seed must not be below 0, --scenes not below 1, --sweeps not below 2')
    families = tuple(options.families.split(',')) if options.families else FAMILIES
    try:
        more = options.weather, options.reach, options.camera
        choice = Choice(options.seed, options.scenes, options.sweeps, families, *more)
    except ValueError as error:
        raise SettingsError(f'--{error}') from error
    with Progress(' scenes') as progress:
        told = write_holdout(options.folder, choice, options.jobs, progress)
    print(f'{len(told["files"])} files, told with their hashes in {options.folder / MANIFEST}')


def _examples(options: argparse.Namespace) -> None:
    order = Order(options.seed, options.count, PlaceSettings())
    last = options.seed + options.count // order.settings.views + 1
    if options.seed < 0 or options.count < 1 or last >= FIRST_SEED:
        raise SettingsError(f'--seed must not be below 0, --count not below 1, and places end before {FIRST_SEED}')
    with Progress(' files') as progress:
        told = write_shards(options.folder, order, commit(), options.jobs, progress)
    if options.pictures > 0:
        print(f'{len(write_pictures(options.folder, order.names(), options.pictures))} of them drawn in pictures/')
    files = f'{options.count} examples in {len(told["files"])} files'
    print(f'{files}, told with their hashes in {options.folder / MANIFEST}')


def _traffic(options: argparse.Namespace) -> None:
    families = tuple(options.families.split(',')) if options.families else tuple(flow.FAMILIES)
    try:
        order = Traffic(options.seed, options.scenes or TRAFFIC_SCENES, families, options.difficulty)
    except ValueError as error:
        raise SettingsError(f'--{error}') from error
    with Progress(' groups') as progress:
        told = write_traffic(options.folder, order, commit(), options.jobs, progress)
    if options.pictures > 0:
        print(f'{len(write_scene_pictures(options.folder, order, options.pictures))} of them drawn in pictures/')
    names = ('bytes', 'drawn', 'contacts_inattentive', 'contacts_other', 'brushes', 'lane_changes', 'cut_ins')
    sums = {name: sum(entry[name] for entry in told['files'].values()) for name in names}
    print(f'{order.count} scenes, told with their hashes in {options.folder / MANIFEST}; {sums}')
    if options.against:
        folds = [int(fold) for fold in options.folds.split(',') if fold]
        sets = {'simulated': of_folder(options.folder, []), 'against': of_folder(options.against[0], folds)}
        print('\n'.join(lines(sets)))


def _pseudo(options: argparse.Namespace) -> None:
    if options.of is None:
        raise SettingsError('--of RECORDING says of what the examples are to be made')
    source = source_of(options.of, options.format, options.remap)
    vehicle = options.vehicle or ('' if source.layout == BAG else 'recorded')
    files = settings_files(resolved({'vehicle': vehicle} if vehicle else {}))
    labels = LabelSettings(TrackSettings(still_people=bool(options.model)))  # a network tells people from posts
    try:
        order = Recorded(source, StackSettings(files, model=options.model), options.seed, options.every, labels=labels)
    except ValueError as error:
        raise SettingsError(f'--{error}') from error
    workers = Workers(options.jobs, options.backend, options.address)
    with Progress(' stretches') as progress:
        told = write_order(options.folder, order, commit(), workers, progress)
    count = sum(entry.get('examples', 0) for entry in told['files'].values())
    files_told = f'{count} examples in {len(told["files"])} files'
    print(f'{files_told}, told with their hashes in {options.folder / MANIFEST}')


def _report(options: argparse.Namespace) -> None:
    if options.out is None or options.limit < 0 or options.top < 0 or options.seed < 0:
        raise SettingsError('report needs --out OUT; --limit, --top and --seed must not be below 0')
    beams = re.fullmatch(r'(\d+)-(\d+)', options.beams)
    if options.beams and (beams is None or not options.against):
        raise SettingsError(f'--beams={options.beams} must be LOW-HIGH, of what --against tells')
    model = folder_of(options.model) if options.model else None
    reading = Reading(options.limit, options.augmented, options.seed, options.vehicle, options.remap)
    asked = Asked(
        tuple(options.folders), tuple(options.against), (int(beams[1]), int(beams[2])) if beams else None, model,
        top=options.top, reading=reading, jobs=options.jobs,
    )  # fmt: skip
    with Progress(' parts') as progress:
        told = report(asked, options.out, {'command': command_line(), 'commit': commit()}, progress)
    print(told.get('verdict', f'{told["statistics"]["sweeps"]} sweeps'))
    print(options.out / PAGE)
