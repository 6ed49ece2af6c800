"""`autonomy train`: networks, from examples that are made on the spot."""

import argparse
import json
import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from autonomy_nodes.commands.options import command_line, commit
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.evaluation.measures.evidence import command
from autonomy_nodes.evaluation.measures.page import write_json
from autonomy_nodes.inference.manifest import folder_of

WHAT = (
    'perception', 'prediction', 'camera', 'lanes', 'fusion', 'prior', 'export', 'calibrate', 'quantise', 'adapt',
    'ablations',
)  # fmt: skip
SIZES = ('ci', 'small', 'orin')
CALIBRATE_ON, ROUND_ON, JUDGE_BY, ABLATION_STEPS = 1500, 64, 48, 300
FORECAST_STEPS, FORECAST_EACH = 8000, 5


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = 'perception: the network that finds objects and tells the ground; prediction: the network that tells what '
    about += 'everyone will do, from recorded scenes; camera: the networks that see pictures; lanes: the network that '
    about += 'finds lines of the road, poles and signs in sweeps; fusion: '
    about += 'what a network for LiDAR hears of one for cameras; prior: what a map means to it; export: a model; '
    about += 'calibrate: how far a model is to be believed, fitted in places it never saw and written on its card; '
    about += 'quantise: a model in INT8 or FP16 as well, in its folder or that of --out, and what that costs; '
    about += 'adapt: a model fitted to another sensor or place by sweeps that nobody labelled; '
    about += 'ablations: short runs that each lack something, and what they are worth'
    parser.add_argument('what', choices=WHAT, help=about)
    about = 'ci: a minute, to see that it learns; small: runs on a CPU; orin: for an accelerator'
    parser.add_argument('--preset', choices=SIZES, default='small', help=about)
    parser.add_argument('--minutes', type=float, default=60.0, metavar='M', help='of training in all')
    parser.add_argument('--slice', type=float, default=0.0, metavar='M', help='of these now; go on with --resume')
    parser.add_argument('--steps', type=int, default=0, metavar='N', help='in place of --minutes: repeats to the digit')
    about = 'for checkpoint.pt and log.jsonl; of export: a folder of models/, whose name is that of the model'
    parser.add_argument('--out', type=Path, metavar='DIR', help=about)
    parser.add_argument('--resume', action='store_true', help='go on from the checkpoint in DIR')
    about = 'what is exported; of perception and prediction: what a run begins with, a folder of models/ too; '
    about += 'of perception --only far: what all else is taken from; of fusion: the cameras\''
    parser.add_argument('--checkpoint', type=Path, metavar='FILE', help=about)
    about = 'what is calibrated, quantised or adapted, or hears cameras or maps: of models/'
    parser.add_argument('--model', metavar='NAME', help=about)
    about = f'examples to calibrate on ({CALIBRATE_ON}, of quantising {ROUND_ON}), '
    about += f'or to judge ablations by ({JUDGE_BY})'
    parser.add_argument('--count', type=int, default=0, metavar='N', help=about)
    about = 'engine that runs the model that is calibrated; of perception, ray: --workers processes of a Ray cluster'
    parser.add_argument('--backend', default='auto', help=about)
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='of a Ray cluster, each with its share')
    parser.add_argument('--address', default='', help='of a Ray cluster that runs; without one this machine is one')
    parser.add_argument('--jobs', type=int, default=1, help='processes to calibrate with; they change nothing')
    about = 'to adapt to; of ablations, to judge by; of calibrating, to choose thresholds by; of prediction: scenes; '
    about += 'of quantising: shards or scenes of autonomy data, in place of seeds'
    parser.add_argument('--data', type=Path, nargs='+', metavar='DIR', help=about)
    parser.add_argument('--folds', default='', metavar='N,N', help='of prediction: of groups.json, to learn from')
    parser.add_argument('--held', default='', metavar='N,N', help='of prediction: of groups.json, to judge by')
    about = 'of prediction: steps of 0.1 s from moment to moment'
    parser.add_argument('--each', type=int, default=FORECAST_EACH, metavar='N', help=about)
    parser.add_argument('--without', action='append', default=[], metavar='GROUP', help='of prediction: left out')
    about = 'of adapting; statistics: of the layers, told anew; self: learns from its own sure words as well'
    parser.add_argument('--method', choices=('statistics', 'self'), default='statistics', help=about)
    parser.add_argument('--licence', default='', help='of the data that is adapted to, for the card')
    about = 'of the ablations, these; of perception, far: the far ring alone, all else stays as it is to the bit; of '
    about += 'calibrating: classes whose thresholds are chosen by --data'
    parser.add_argument('--only', action='append', default=[], metavar='RUN', help=about)
    parser.add_argument('--precision', choices=('int8', 'fp16'), default='int8', help='of quantising')
    parser.add_argument('--results', type=Path, metavar='FILE', help='for the figures of the ablations')
    parser.add_argument('--seed', type=int, default=0, help='of the first place; each place takes the next')
    parser.add_argument('--threads', type=int, default=1, help='of the CPU, a process')


def run(options: argparse.Namespace) -> None:
    """Train, and print the losses and what the network is worth at each checkpoint; or export, or calibrate."""
    if find_spec('torch') is None:
        raise SettingsError('training needs torch: pip install autonomy_nodes[torch,sim]')
    if options.what in ('calibrate', 'quantise'):
        {'calibrate': _calibrate, 'quantise': _quantise}[options.what](options)
        return
    if options.out is None:
        raise SettingsError(f'{options.what} needs --out DIR')
    if options.what == 'export':
        _export(options)
        return
    parts = {
        'adapt': _adapt, 'ablations': _ablate, 'prediction': _foretell, 'camera': _look, 'lanes': _look,
        'fusion': _fuse, 'prior': _chart,
    }  # fmt: skip
    parts.get(options.what, _train)(options)


def _train(options: argparse.Namespace) -> None:
    """Train perception, whole or one part of it alone."""
    if not options.minutes > 0.0 or options.slice < 0.0 or options.steps < 0 or options.seed < 0 or options.threads < 1:
        raise SettingsError('--minutes and --threads must be above 0; --slice, --steps and --seed not below')
    from autonomy_nodes.training.augmentation import augmented
    from autonomy_nodes.training.lessons import LESSONS, far_augmented, far_examples
    from autonomy_nodes.training.places import examples
    from autonomy_nodes.training.train_perception import train

    only, start = ','.join(options.only), options.checkpoint.resolve() if options.checkpoint else None
    if only not in LESSONS:
        raise SettingsError(f'--only {only}: of perception {", ".join(filter(None, LESSONS))} can be learned alone')
    if only and not (start or options.resume):
        raise SettingsError('--only needs --checkpoint FILE, unless it goes on with --resume')
    arguments = {
        'preset': options.preset, 'minutes': options.minutes, 'out': options.out.resolve(),
        'source': far_examples if only else examples, 'guise': far_augmented if only else augmented,
        'seed': options.seed, 'resume': options.resume, 'slice_minutes': options.slice, 'steps': options.steps,
        'threads': options.threads, 'tell': partial(print, flush=True),
        'notes': {'command': command_line(), 'commit': commit()}, 'only': only, 'start': start,
    }  # fmt: skip
    if options.backend == 'ray':
        from autonomy_nodes.training.on_ray import train_on_ray

        print(train_on_ray(train, arguments, options.workers, options.address, options.threads))
        return
    if options.workers > 1 or options.address:
        raise SettingsError('--workers and --address are of --backend ray; without it torchrun starts several')
    print(train(**arguments))


def _look(options: argparse.Namespace) -> None:
    """Train the networks that see pictures, or the one that finds lanes."""
    if not options.minutes > 0.0 or options.slice < 0.0 or options.steps < 0 or options.seed < 0 or options.threads < 1:
        raise SettingsError('--minutes and --threads must be above 0; --slice, --steps and --seed not below')
    script = import_module(f'autonomy_nodes.training.train_{options.what}')
    if options.preset not in script.PRESETS:
        raise SettingsError(f'--preset {options.preset}: of {options.what} there are {", ".join(script.PRESETS)}')
    notes = {'command': command_line(), 'commit': commit()}
    settings, tell = script.PRESETS[options.preset], partial(print, flush=True)
    run_of = (options.seed, options.resume, options.slice, options.steps, options.threads)
    print(script.train(settings, options.minutes, options.out.resolve(), *run_of, tell, notes))


def _fuse(options: argparse.Namespace) -> None:
    """Teach a network for LiDAR to hear one for cameras."""
    if options.model is None or options.checkpoint is None or options.seed < 0 or options.steps < 0:
        raise SettingsError('fusion needs --model NAME, --checkpoint FILE of cameras; --seed and --steps not below 0')
    from autonomy_nodes.training.train_fusion import TrainSettings, train

    settings = TrainSettings(steps=options.steps) if options.steps else TrainSettings()
    notes = {'command': command_line(), 'commit': commit()}
    paths = folder_of(options.model), options.checkpoint.resolve(), options.out.resolve()
    print(train(settings, *paths, options.seed, options.threads, partial(print, flush=True), notes))


def _chart(options: argparse.Namespace) -> None:
    """Teach a network for LiDAR what a lane map means."""
    if options.model is None or options.seed < 0 or options.steps < 0 or options.threads < 1:
        raise SettingsError('prior needs --model NAME; --threads above 0, --seed and --steps not below')
    from autonomy_nodes.training.train_prior import TrainSettings, train

    settings = TrainSettings(steps=options.steps) if options.steps else TrainSettings()
    notes, paths = {'command': command_line(), 'commit': commit()}, (folder_of(options.model), options.out.resolve())
    print(train(settings, *paths, options.seed, options.threads, partial(print, flush=True), notes))


def _foretell(options: argparse.Namespace) -> None:
    """Train prediction from the scenes of some folds, and judge it by those of others."""
    if not options.data or options.seed < 0 or options.threads < 1 or options.steps < 0 or options.each < 1:
        raise SettingsError('prediction needs --data DIR; --threads and --each above 0, --seed and --steps not below')
    from autonomy_nodes.training.forecast_samples import SamplesConfig, prepared
    from autonomy_nodes.training.traffic import origin
    from autonomy_nodes.training.train_forecast import PRESETS, train

    try:
        folds, held = ([int(word) for word in text.split(',') if word] for text in (options.folds, options.held))
    except ValueError as error:
        raise SettingsError(f'--folds and --held are numbers of folds: {error}') from error
    if shared := {*folds} & {*held}:
        raise SettingsError(f'--held {min(shared)}: is learned from; what judges must be of other folds')
    data = options.data[0]
    moments = prepared(data, folds, SamplesConfig(options.each), options.without, options.jobs)
    judge = prepared(data, held, SamplesConfig(), (), options.jobs) if held else None
    notes = {'command': command_line(), 'commit': commit(), 'data': origin(data, moments.groups)}
    settings, steps = PRESETS[options.preset], options.steps or FORECAST_STEPS
    out, tell = options.out.resolve(), partial(print, flush=True)
    start = options.checkpoint.resolve() if options.checkpoint else None
    run_of = (options.seed, options.resume, options.threads)
    print(train(settings, moments, judge, steps, out, *run_of, tell, notes, start))


def _export(options: argparse.Namespace) -> None:
    if options.checkpoint is None:
        raise SettingsError('export needs --checkpoint FILE')
    from autonomy_nodes.training.export_forecast import export_either

    manifest = export_either(options.checkpoint, options.out, options.out.name)
    print(f'{options.out}: {", ".join(manifest.files)}')


def _adapt(options: argparse.Namespace) -> None:
    if options.model is None or not options.data or options.seed < 0 or not options.minutes > 0.0:
        raise SettingsError('adapt needs --model NAME and --data DIR; --minutes above 0, --seed not below')
    from autonomy_nodes.training.adapt.adaptation import adapt
    from autonomy_nodes.training.adapt.settings import AdaptSettings
    from autonomy_nodes.training.places import examples

    settings = AdaptSettings(steps=options.steps) if options.steps else AdaptSettings()
    notes = {'command': command(sys.argv[1:]), 'commit': commit(), 'licence': options.licence}
    manifest = adapt(
        folder_of(options.model), options.data, options.out, options.method, settings, options.seed, options.minutes,
        notes, examples,
    )  # fmt: skip
    print(f'{options.out}: {", ".join(manifest.files)}; {manifest.card["adaptation"]["shipping"]}')


def _quantise(options: argparse.Namespace) -> None:
    if options.model is None:
        raise SettingsError('quantise needs --model NAME')
    from autonomy_nodes.training.quantise import QuantiseSettings, copied, quantise

    try:
        settings = QuantiseSettings(options.precision, options.count or ROUND_ON, seed=options.seed)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    notes = {'command': command(sys.argv[1:]), 'commit': commit()}
    data = options.data[0] if options.data else None
    folder = folder_of(options.model)
    manifest = quantise(copied(folder, options.out) if options.out else folder, settings, data, notes)
    print(json.dumps(manifest.card['precisions'][options.precision]['cost'], indent=1))
    print(f'{options.out or folder}: {", ".join(manifest.files)}')


def _ablate(options: argparse.Namespace) -> None:
    """Train and judge what is asked for; figures and a table lie in the folder, and where --results says."""
    from autonomy_nodes.training.ablation import VARIANTS, Plan
    from autonomy_nodes.training.ablation_table import ablated, table, told_of
    from autonomy_nodes.training.places import examples

    data = options.data[0] if options.data else None
    try:
        steps, only = options.steps or ABLATION_STEPS, tuple(options.only) or tuple(VARIANTS)
        plan = Plan(options.preset, steps, options.seed, only, options.threads, {'commit': commit()})
    except ValueError as error:
        raise SettingsError(str(error)) from error
    figures = ablated(plan, options.out, examples, options.count or JUDGE_BY, data, partial(print, flush=True))
    told = told_of(plan, figures) | {'command': command(sys.argv[1:]), 'commit': commit()}
    for path in (options.out / 'ablations.json', *([options.results] if options.results else [])):
        write_json(path, told)
    lines = table(figures)
    (options.out / 'table.md').write_text('\n'.join([*lines, '']))
    print('\n'.join(lines))


def _calibrate(options: argparse.Namespace) -> None:
    if options.model is None or options.count < 0:
        raise SettingsError('calibrate needs --model NAME, and --count not below 0')
    if options.only and not options.data:
        raise SettingsError('--only tells whose thresholds --data chooses; give labelled drives by --data DIR')
    from autonomy_nodes.perception.bev import CLASSES
    from autonomy_nodes.training.calibrate import calibrate

    folder, tell = folder_of(options.model), partial(print, flush=True)
    count = options.count or CALIBRATE_ON
    only = options.only or CLASSES
    card = calibrate(folder, count, options.backend, options.jobs, tell, options.data or (), only)
    print(json.dumps(card, indent=1))
    print(folder)
