"""The data sets that `autonomy import FORMAT DIR BAG` turns into recordings."""

from collections.abc import Callable
from pathlib import Path

from autonomy_nodes.messages.kitti import Summary, import_kitti

FORMATS: dict[str, Callable[[Path, Path], Summary]] = {'kitti': import_kitti}
