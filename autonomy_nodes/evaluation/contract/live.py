"""The contract test over the real middleware, against a vehicle interface that runs, or against the reference node."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.contract.clauses import Outcome, Result, judge
from autonomy_nodes.evaluation.contract.examiner import Examiner
from autonomy_nodes.evaluation.contract.script import SCRIPT
from autonomy_nodes.evaluation.live import keep_apart, write_settings
from autonomy_nodes.nodes.launcher import Launcher, environment, settings_files
from autonomy_nodes.nodes.processes import vehicle_of, wanted

REFERENCE = 'drive_by_wire'


@dataclass(frozen=True)
class Examination:
    """What is examined. arguments: of the launch, all of them; settings: {'node.setting': value} of the reference.

    running: what already runs is examined, on the ROS domain of the environment; else the reference node is started.
    out: a folder for the table as JSON and for the log of the reference node.
    """

    out: Path
    arguments: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    running: bool = False


def examine(examination: Examination, tell: Callable[[str], None]) -> list[Result]:
    """Return how each clause fared; `tell` hears how the test goes on. Leaves contract.json under `out`."""
    out = examination.out
    out.mkdir(parents=True, exist_ok=True)
    own = out / 'settings.yaml'
    write_settings(own, examination.settings)
    files = [*settings_files(examination.arguments), own]
    examiner = Examiner(vehicle_of(REFERENCE, files), tell)
    if examination.running:
        _play(examiner)
    else:
        keep_apart()
        with _reference(examination, own):
            _play(examiner)
    if SCRIPT[-1].name not in examiner.history.ended_ns:
        raise DataError('the test was ended before its last phase: nothing can be judged, run it again')
    results = judge(examiner.history, examiner.vehicle)
    told = [asdict(result) | {'outcome': result.outcome.value} for result in results]
    (out / 'contract.json').write_text(json.dumps(told, indent=1) + '\n')
    return results


def table(results: Sequence[Result]) -> str:
    """Return the results as lines: clause, outcome, what was measured, and what mends it."""
    lines = []
    for result in results:
        lines.append(f'{result.number:<4}{result.outcome.value:<16}{result.title}: {result.measured}')
        if result.remedy:
            lines.append(f'{"":<20}-> {result.remedy}')
    count = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    return '\n'.join([*lines, ', '.join(f'{number} {outcome.value}' for outcome, number in count.items() if number)])


def is_kept(results: Sequence[Result]) -> bool:
    """Return whether all that applies was judged and passed."""
    return all(result.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE) for result in results)


def _play(examiner: Examiner) -> None:
    os.environ.update(environment())
    try:
        run = import_module('autonomy_nodes.nodes.run')
    except ModuleNotFoundError as error:
        raise DataError(f'the contract test needs ROS ({error}): source its setup.bash') from error
    run.run_stages([examiner], {examiner.name: {}})


@contextmanager
def _reference(examination: Examination, own: Path) -> Any:
    """Run the reference node beside."""
    others = [node for node in wanted(dict(examination.arguments)) if node != REFERENCE]
    launcher = Launcher(examination.arguments, examination.out, [REFERENCE], others, [own])
    try:
        launcher.start()
        yield
    finally:
        launcher.stop()
