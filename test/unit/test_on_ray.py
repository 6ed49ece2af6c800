"""Training by two processes of a Ray cluster on this machine: they meet, learn together, and fail together."""

import json
import os
from pathlib import Path

import pytest

torch = pytest.importorskip('torch', reason='torch is missing: make setup WITH="sim import test torch"')

from flat_examples import as_it_is, examples  # noqa: E402

from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.training.checkpoints import CHECKPOINT, LOG  # noqa: E402
from autonomy_nodes.training.on_ray import train_on_ray  # noqa: E402
from autonomy_nodes.training.train_perception import train  # noqa: E402

WITHOUT = 'Ray is missing: make setup WITH="sim import test torch cluster"'


@pytest.fixture(autouse=True)
def modules_of_tests(monkeypatch):
    """Let processes of the cluster find them, as an installed package is found."""
    here = Path(__file__).parent
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(map(str, (here, here.parent, here.parents[1]))))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')


def fails_in_the_second(out):
    """The first waits for the second, which never comes."""
    if os.environ['RANK'] == '1':
        raise DataError('the disk is full')
    torch.distributed.init_process_group('gloo')
    torch.distributed.barrier()
    return out


def test_no_workers_are_refused_before_anything_starts(tmp_path):
    with pytest.raises(SettingsError, match='workers=0'):
        train_on_ray(train, {}, workers=0)


def test_two_workers_learn_one_network(tmp_path):
    pytest.importorskip('ray', reason=WITHOUT)
    arguments = {'preset': 'ci', 'minutes': 1.0, 'out': tmp_path, 'source': examples, 'guise': as_it_is, 'steps': 3}
    assert train_on_ray(train, arguments, workers=2) == tmp_path / CHECKPOINT
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    (line,) = (json.loads(line) for line in (tmp_path / LOG).read_text().splitlines())
    assert state['step'] == line['step'] == 3
    assert state['seed'] >= 3  # seeds went to the two in turn
    alone = torch.load(train(**arguments | {'out': tmp_path / 'alone'}), weights_only=True)
    differing = [name for name, value in state['network'].items() if not torch.equal(value, alone['network'][name])]
    assert differing  # the other's examples count


def test_what_one_raises_ends_all(tmp_path):
    pytest.importorskip('ray', reason=WITHOUT)
    with pytest.raises(DataError, match='the disk is full'):
        train_on_ray(fails_in_the_second, {'out': tmp_path}, workers=2)
