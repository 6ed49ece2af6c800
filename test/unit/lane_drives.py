"""A road and a junction as simulated drives on disk, for the tests of lanes."""

from autonomy_nodes.training.holdout import write_holdout
from autonomy_nodes.training.scenes import Choice


def written(folder, scenes=2):
    """One sweep of each of so many scenes; returns the folder."""
    write_holdout(folder, Choice(5, scenes, 1), 1, lambda *told: None)
    return folder
