"""Decoders that print by themselves what they think of a file, kept from the terminal."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_silences = 0  # that are in force, of all threads

try:
    _c = ctypes.CDLL(None)
    _c.fopen.restype = ctypes.c_void_p
    _stderr = ctypes.c_void_p.in_dll(_c, "stderr")
    _terminal, _nowhere = _stderr.value, _c.fopen(b"/dev/null", b"w")
except (OSError, AttributeError, ValueError):  # a C library that names it otherwise: only noisier
    _stderr, _terminal, _nowhere = ctypes.c_void_p(), None, None


@contextmanager
def silence() -> Iterator[None]:
    """Have C's own stderr go nowhere for the length of a block, as long as any thread is in one.

    Python writes to the file descriptor, and so this program's messages do not pass here.
    """
    global _silences
    with _lock:
        _silences += 1
        _stderr.value = _nowhere
    try:
        yield
    finally:
        with _lock:
            _silences -= 1
            if not _silences:
                _stderr.value = _terminal
