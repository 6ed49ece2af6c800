"""Where tests find real recordings, and what was reported of them."""

import json
import os
from pathlib import Path

import pytest


def sensors(name):
    """The folder of a recording; the test is skipped, naming what is missing, where it is not there."""
    folder = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'sensors' / name
    if not folder.is_dir():
        pytest.skip(f'{folder} is missing; set AUTONOMY_DATA')
    return folder


def recorded(name):
    """What docs/results holds, from a run over all frames."""
    return json.loads((Path(__file__).parents[1] / 'docs' / 'results' / f'{name}.json').read_text())
