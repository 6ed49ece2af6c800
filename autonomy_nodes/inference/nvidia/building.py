"""An engine built in a process of its own: `python -m autonomy_nodes.inference.nvidia.building FOLDER SETTINGS`.

Why in a process of its own stands in inference/standby.py.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.inference.manifest import Manifest, read_manifest
from autonomy_nodes.inference.nvidia import session
from autonomy_nodes.inference.settings import EngineSettings

REFUSED = 2


class Building:
    """Opens an engine, after it was built where there is none that fits. reference: what its self test is against."""

    def __init__(self, folder: Path, manifest: Manifest, settings: EngineSettings, reference: Backend) -> None:
        self._order, self._reference = session.Order(folder, manifest, settings), reference
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def engine(self) -> Backend:
        """Return the engine; it may take minutes. SettingsError where there is none."""
        machine, order = session.found_machine(), self._order
        plan, _ = order.cache.found(order.manifest.name, session.identity_of(machine, order))
        if plan is not None:
            try:
                return session.opened(machine, order, self._reference)
            except SettingsError:  # the process builds it anew and tells, where that fails, why
                pass
        self._build()
        return session.opened(machine, order, self._reference)

    def stop(self) -> None:
        """End the process that builds; its engine would be found by who starts next, but ours is no more wanted."""
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _build(self) -> None:
        words = [str(self._order.folder), json.dumps(asdict(self._order.settings))]
        command = [sys.executable, '-m', __name__, *words]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if self._stopped:
            self._process.kill()
        _, told = self._process.communicate()
        if self._process.returncode:
            last = told.strip().rpartition('\n')[2] or 'it does not say why'
            raise SettingsError(f'building it ended with {self._process.returncode}: {last}')


def main(given: Sequence[str]) -> int:
    """Build the engine of a folder by settings in JSON."""
    folder, settings = Path(given[0]), EngineSettings(**json.loads(given[1]))
    try:
        session.built(session.found_machine(), session.Order(folder, read_manifest(folder), settings))
    except SettingsError as error:
        print(str(error).replace('\n', ' '), file=sys.stderr)
        return REFUSED
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
