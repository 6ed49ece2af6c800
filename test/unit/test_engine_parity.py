"""`autonomy evaluate parity`: an engine that is off is counted, one that lacks is told, and the form of its files."""

import json

import numpy as np
import pytest

pytest.importorskip('torch', reason='the reference is not installed')

from autonomy_nodes.commands.main import main  # noqa: E402
from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.inference.manifest import folder_of  # noqa: E402
from autonomy_nodes.training import parity  # noqa: E402
from autonomy_nodes.training.drift import Drift  # noqa: E402


@pytest.fixture
def engines(monkeypatch):
    """Let engines be opened by a function in place of the real one, for one test."""
    real = parity._engine
    parity.engines_of.cache_clear()

    def put(opened):
        monkeypatch.setattr(parity, '_engine', lambda *told: opened(real, *told))

    yield put
    parity.engines_of.cache_clear()


class Off:
    """An engine whose first output is half a percent too large."""

    def __init__(self, engine):
        self.engine = engine

    def run(self, inputs):
        found = self.engine.run(inputs)
        name = next(iter(found))
        return {**found, name: found[name] * np.float32(1.005)}


def measured(folder, tmp_path, *more):
    words = ['--data', str(folder), '--out', str(tmp_path / 'out'), '--json', str(tmp_path / 'told.json')]
    assert main(['evaluate', 'parity', *words, '--set', 'feeds=1', *more]) == 0
    return json.loads((tmp_path / 'told.json').read_text())


def test_an_engine_that_is_off_is_counted_and_one_that_lacks_is_told(engines, tmp_path):
    def opened(real, folder, manifest, name, precision):
        if name == 'openvino':
            raise SettingsError('is not here: install it')
        engine = real(folder, manifest, name, precision)
        return Off(engine) if (name, precision) == ('onnx', 'fp16') else engine

    engines(opened)
    told = measured(folder_of('traffic_small'), tmp_path)
    assert told['n_feeds'] == 1 and told['n_beyond'] == 0  # FP16 may be off by 1 %
    assert told['parity.traffic_small.onnx_fp16.rel_l2'] == pytest.approx(0.005, rel=0.1)
    assert told['parity.traffic_small.onnx.rel_l2'] < 1e-5 and told['parity.traffic_small.onnx.within'] == 1.0
    assert told['parity.traffic_small.openvino.ran'] == 0.0
    assert told['version.lacking.traffic_small.openvino'] == 'is not here: install it'
    assert 'tensorrt' in told['version.lacking.traffic_small.tensorrt'].lower()
    rows = json.loads((tmp_path / 'out/traffic_small/feed_00.json').read_text())
    assert set(rows) == {'torch', 'onnx', 'onnx_fp16'} and set(rows['onnx']['drift']) == {
        'knots', 'spread', 'mode', 'scene'
    }  # fmt: skip


def test_the_network_of_lanes_is_fed_places(engines, tmp_path):
    engines(lambda real, *told: Off(real(*told)) if told[2] == 'openvino' else real(*told))
    told = measured(folder_of('lanes_small'), tmp_path)
    assert told['parity.lanes_small.onnx.within'] == 1.0 and told['parity.lanes_small.onnx.rel_l2'] < 1e-4
    rows = json.loads((tmp_path / 'out/lanes_small/feed_00.json').read_text())
    assert set(rows['onnx']['drift']) == {'lines', 'marks', 'travel'} and rows['onnx']['drift']['lines'][1] < 1e-2


def test_the_same_fault_in_float32_is_beyond(engines, tmp_path):
    engines(lambda real, *told: Off(real(*told)) if told[2:] == ('onnx', 'fp32') else real(*told))
    told = measured(folder_of('traffic_small'), tmp_path)
    assert told['n_beyond'] == 1 and told['parity.traffic_small.onnx.within'] == 0.0


def test_a_folder_without_models_is_refused(tmp_path):
    assert main(['evaluate', 'parity', '--data', str(tmp_path), '--out', str(tmp_path / 'out')]) == 2


def test_feeds_are_summed_before_shares_are_told():
    """Squares 1 of 4 and 0 of 12: the root of 1 / 16. Decisions: 1 of 2 and 0 of 6 are 1 of 8."""
    changed = [parity.Changed('a', 0.5, 0.1, 2), parity.Changed('a', 0.0, 0.1, 6)]
    drifts = [Drift(1.0, 4.0, 1.0), Drift(0.0, 12.0, 0.0)]
    parts = [parity.Compared({'x': drift}, [0.1], [], [one]) for drift, one in zip(drifts, changed)]
    total = parity.summed(parts)
    assert total.drifts['x'].relative_l2 == 0.25 and total.drifts['x'].largest == 1.0
    assert (total.otherwise[0].share, total.otherwise[0].count) == (0.125, 8)
