"""Keep decoders written in C from printing warnings to the terminal."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_silences = 0  # active `silence` blocks, in all threads

try:
    _c = ctypes.CDLL(None)
    _c.fopen.restype = ctypes.c_void_p
    _stderr = ctypes.c_void_p.in_dll(_c, "stderr")
    _terminal, _nowhere = _stderr.value, _c.fopen(b"/dev/null", b"w")
except (
    OSError,
    AttributeError,
    ValueError,
):  # a C library without these names: the warnings are printed
    _stderr, _terminal, _nowhere = ctypes.c_void_p(), None, None


@contextmanager
def silence() -> Iterator[None]:
    """Send C's stderr to /dev/null while any thread is in such a block.

    Python writes to the file descriptor directly, so this program's own messages are not affected.
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
