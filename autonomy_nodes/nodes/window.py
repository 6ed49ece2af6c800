"""Opens Rerun's viewer: a window where there is a display, a page for browsers elsewhere, or a file."""

import json
import os
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autonomy_nodes.common.settings import SettingsError

PACKAGE = 'rerun'
WAYS = ('auto', 'window', 'web', 'file')


def check_installed() -> None:
    """Raise SettingsError with the remedy where Rerun is not installed."""
    if find_spec(PACKAGE) is None:
        raise SettingsError("viz:=rerun needs a viewer: make setup WITH='sim viz', elsewhere pip install rerun-sdk")


def opened(way: str, port: int, memory: str, path: str) -> tuple[Any, Any, str]:
    """Return Rerun's module, the stream to draw on, and where it is seen.

    way: one of WAYS. port: of the page; the data come over the next one. memory: of history kept. path: of the file.
    """
    check_installed()
    _tell_nobody()
    rr = import_module(PACKAGE)
    stream, plan = rr.RecordingStream('autonomy_nodes'), _plan()
    if way == 'auto':
        way = 'window' if os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY') else 'web'
    if way == 'file':
        stream.save(path, default_blueprint=plan)
        return rr, stream, path
    if way == 'window':
        stream.spawn(port=port + 1, memory_limit=memory, hide_welcome_screen=True, default_blueprint=plan)
        return rr, stream, 'a window'
    url = stream.serve_grpc(grpc_port=port + 1, default_blueprint=plan, server_memory_limit=memory)
    rr.serve_web_viewer(web_port=port, open_browser=False, connect_to=url)
    return rr, stream, f'http://localhost:{port}?url={url.replace(":", "%3A").replace("/", "%2F").replace("+", "%2B")}'


def _plan() -> Any:
    """Return what is where in the viewer: the scene beside the picture, the words, and plots."""
    ours, scene = import_module(f'{PACKAGE}.blueprint'), ['/odom/**']
    base, behind = '/odom/base_link', ours.EyeControls3D(position=(-20.0, 0.0, 15.0), look_target=(14.0, 0.0, 0.0))
    camera = f'{base}/camera/front'
    side = ours.Vertical(
        ours.Spatial2DView(origin=camera, contents=[f'{camera}/**', '/odom/objects', '/odom/driven'], name='camera'),
        ours.TextDocumentView(origin='/why', name='why'),
        ours.TimeSeriesView(origin='/latency_ms', name='age of the sweep when a stage is done [ms]'),
        ours.TimeSeriesView(origin='/speed', name='speed [m/s]'),
        ours.TextLogView(origin='/log', name='where a stage became better or worse'),
        row_shares=[3, 3, 2, 1.2, 1.4],
    )
    first = ours.Spatial3DView(origin=base, contents=scene, name='scene', eye_controls=behind, background=(17, 21, 26))
    layout = ours.Horizontal(first, side, column_shares=[5, 3])
    return ours.Blueprint(layout, ours.TimePanel(state='collapsed'), collapse_panels=True)


def _tell_nobody() -> None:
    """Keep Rerun from sending usage statistics out of a vehicle: it reads this file before it sends any."""
    home = Path(tempfile.mkdtemp(prefix='autonomy_nodes_'))
    told = home / PACKAGE / 'analytics.json'
    told.parent.mkdir()
    where = {'config_file_path': str(told), 'data_dir_path': str(home)}
    told.write_text(json.dumps({'analytics_enabled': False, 'analytics_id': '', 'metadata': {}, **where}))
    os.environ['XDG_CONFIG_HOME'] = str(home)
