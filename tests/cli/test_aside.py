"""Long work that saves when it is interrupted."""

import signal
from pathlib import Path

from tests.cli.conftest import start


def test_a_signal_that_does_not_wake_the_main_thread_is_heard(tmp_path: Path) -> None:
    process = start("saver", cwd=tmp_path)
    out, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert out == b"saved\n"
    assert said.startswith(b"saver: saving; a second SIGTERM stops at once\n")
