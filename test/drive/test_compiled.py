"""No loop is compiled in the middle of a drive: what a step calls was called in the same way when nodes were built.

On a machine that has never run the stack that would cost seconds, and sweeps with them. numba notes each way in which a
loop was called, whether it was compiled for it or found in a cache; so a cache that is full hides nothing here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('embreex', reason='the simulator needs the extra sim')

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from autonomy_nodes.evaluation.drive import Drive, Scenario, at_its_start, to_its_end
from autonomy_nodes.evaluation.replay import Nowhere
from autonomy_nodes.nodes.launcher import resolved


def ways():
    modules = [vars(module) for name, module in list(sys.modules.items()) if name.startswith('autonomy_nodes.')]
    loops = {value for names in modules for value in names.values() if isinstance(value, Dispatcher)}
    return {f'{loop.py_func.__module__}.{loop.py_func.__name__}{way}' for loop in loops for way in loop.signatures}


out, family, vehicle, model, start_m = sys.argv[1:]
none = {name: () for name in ('sim.simulation.cameras', 'camera.cameras', 'perception.cameras')}
quick = none | {'sim.simulation.lidar.columns': 600, 'perception.model': model}
scenario = Scenario(family, 5, 4.0, start_m=float(start_m))
drive = Drive(Path(out), scenario, resolved({'vehicle': vehicle}), quick).prepared()
player = at_its_start(drive, Nowhere())
built = ways()
to_its_end(drive, player)
print(json.dumps([len(built), sorted(ways() - built)]))
"""


@pytest.mark.parametrize(
    'family, vehicle, model, start_m',
    [('junction', 'truck', 'lidar_small', 40), ('rough', 'offroad', '', 60)],
)
def test_a_drive_compiles_nothing_that_was_not_compiled_when_its_nodes_were_built(
    family, vehicle, model, start_m, tmp_path
):
    if model:
        pytest.importorskip('onnxruntime')
    words = [sys.executable, '-c', CODE, str(tmp_path), family, vehicle, model, str(start_m)]
    quiet = {'OMP_NUM_THREADS': '1', 'NUMBA_NUM_THREADS': '1'}
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **quiet}, capture_output=True, text=True, check=True)
    loops, new = json.loads(done.stdout.splitlines()[-1])
    assert loops > 50
    assert new == [], 'call it so in its warmup.py'


LANES = """
import json, sys

sys.path.insert(0, 'test/unit')
from lane_cells import LaneEngine, along, line_cells
from numba.core.dispatcher import Dispatcher
from perception_scenes import SENSOR_M, ego, scan

from autonomy_nodes.perception.lanes import lines
from autonomy_nodes.perception.lanes.channel import LaneChannel
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig
from autonomy_nodes.perception.warmup import warm


def ways():
    modules = [vars(module) for name, module in list(sys.modules.items()) if name.startswith('autonomy_nodes.')]
    loops = {value for names in modules for value in names.values() if isinstance(value, Dispatcher)}
    return {f'{loop.py_func.__module__}.{loop.py_func.__name__}{way}' for loop in loops for way in loop.signatures}


engine = LaneEngine()
lanes = LaneChannel(engine)
warm(PerceptionConfig(), lanes=lanes)
built = ways()
engine.answer['lines'] = line_cells((0, along((0.0, 2.0), (20.0, 2.0))), (4, along((0.0, 0.0), (20.0, 0.0))))[None]
for sensor_m in (SENSOR_M, None):
    perceiver = Perceiver(PerceptionConfig(), lanes=lanes)
    seen = perceiver.segment(scan(beams=16, azimuths=360), sensor_m)
    assert len(seen.lanes.segments) >= 20, seen.lane_trouble
    perceiver.perceive(seen, ego())
followed = [way for way in built if way.startswith(lines.__name__)]
print(json.dumps([len(followed), sorted(ways() - built)]))
"""


def test_lines_are_followed_as_they_were_when_nodes_were_built_though_of_a_plain_the_network_tells_none():
    done = subprocess.run(
        [sys.executable, '-c', LANES], cwd=ROOT, env={**os.environ, 'NUMBA_NUM_THREADS': '1'}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    loops, new = json.loads(done.stdout.splitlines()[-1])
    assert loops and new == [], 'call it so in its warmup.py'
