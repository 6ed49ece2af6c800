"""Silence for libraries that print from their compiled parts."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silenced() -> Iterator[None]:
    """Throw away what is printed inside, by compiled code too: the figures' table stays readable."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).fflush(None)  # what C still holds back would else be printed later
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
