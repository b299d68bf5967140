"""Standard error: a line per failed input, notes, a progress bar, and a summary at the end."""

import os
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

CLEAR = "\r\x1b[K"  # erase the line


class Report:
    """Messages and progress of a command; nothing else prints to standard error."""

    drawing = False  # whether this process shows a bar

    def __init__(self, name: str, *, quiet: bool = False, verbose: bool = False) -> None:
        self.name = name
        self.quiet = quiet
        self.verbose = verbose
        self.read = 0
        self.failed = 0
        self.failures: Counter[str] = Counter()  # by kind
        self.passed: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.written = 0
        self.remarks = ""
        self.guard = threading.Lock()
        self.said: set[str] = set()
        # The next command of the pipeline may show its bar on the line of the cursor.
        self.shares = os.isatty(2) and _is_pipe(1) and os.environ.get("TERM") != "dumb"
        self.bar: Any = None
        self.total: int | None = None
        self.done = 0
        self.parts: dict[int, float] = {}  # how much is done of inputs that are not done

    @property
    def kept(self) -> int:
        """Number of inputs that did not fail and were not rejected or passed over."""
        return self.read - self.failed - self.passed.total() - self.rejects.total()

    def error(self, path: str, reason: str, kind: str = "") -> None:
        """One input failed."""
        self.failed += 1
        self.failures.update([kind] if kind else [])
        self._print(f"{self.name}: {shown(path)}: {shown(reason)}")

    def fatal(self, reason: str) -> None:
        """The run stops."""
        self._print(f"{self.name}: {shown(reason)}")

    def note(self, text: str) -> None:
        """A sentence for the user, unless --quiet."""
        if not self.quiet:
            self._print(f"{self.name}: {shown(text)}")

    def once(self, text: str) -> None:
        """A sentence that is printed only the first time; any thread may call this."""
        with self.guard:
            if text in self.said:
                return
            self.said.add(text)
        self.note(text)

    def remark(self, text: str) -> None:
        """A clause at the end of the summary."""
        self.remarks += f"; {text}"

    def detail(self, path: str, text: str) -> None:
        """What happened to one input, with --verbose."""
        if self.verbose:
            self._print(f"{self.name}: {shown(path)}: {shown(text)}")

    def pass_over(self, path: str, reason: str) -> None:
        """An input is not for this command."""
        self.passed[reason] += 1
        self.detail(path, f"passed over: {reason}")

    def reject(self, path: str, reason: str, evidence: str, count: int = 1) -> None:
        """So many inputs were processed and not kept."""
        self.rejects[reason] += count
        self.detail(path, f"{reason} {evidence}".rstrip())

    def begin(self) -> None:
        """Show the bar, if standard error is a terminal and no later command of a pipeline uses it."""
        if not self._may_draw():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.bar = Progress(
            SpinnerColumn(),
            TextColumn(self.name),
            BarColumn(),
            TextColumn("{task.fields[account]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, emoji=False),  # :cat: is part of a name
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self.task = self.bar.add_task(self.name, total=None, account="")
        self.bar.start()
        Report.drawing = True

    def watch(self, view: Any) -> None:
        """Show this renderable of rich in place of the bar, updated four times a second."""
        if not self._may_draw():
            return
        from rich.console import Console
        from rich.live import Live

        self.bar = Live(
            view,
            console=Console(stderr=True, emoji=False),
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self.bar.start()
        Report.drawing = True

    def advance(self, key: int, share: float) -> None:
        """So much, 0 to 1, of the input whose path has this hash is done; any thread may say so."""
        with self.guard:
            self.parts[key] = share
            if share >= 1:
                del self.parts[key]
        self._draw()

    def step(self, done: int, path: str) -> None:
        """So many inputs are done, this one the last of them."""
        with self.guard:
            self.done = done
            self.parts.pop(hash(path), None)
        self._draw()

    def _draw(self) -> None:
        if self.bar:
            done = self.done + sum(list(self.parts.values()))
            task = self.bar.tasks[0]
            place, rate = f"{round(done, 1):g}", f", {task.speed:.1f}/s" if task.speed else ""
            if self.total == 1:  # of a single long input, how far it is says more than its rate
                place, rate = f"{done:.0%}", ""
            elif self.total is not None:
                place += f" of {self.total}"
            left = task.time_remaining
            eta = f", {left:.0f} s left" if left is not None and not task.finished else ""
            why = "".join(f", {count} {reason}" for reason, count in self.rejects.most_common(3))
            self.bar.update(
                self.task,
                completed=done,
                total=self.total,
                account=f"{place}{rate}{eta}{why}",
            )

    def show(self, line: str) -> bool:
        """Print a path above the bar; False if there is no bar to print above."""
        if not (self.bar and os.isatty(1)):
            return False
        self.bar.console.print(shown(line), markup=False, highlight=False, soft_wrap=True)
        return True

    def account(self) -> None:
        """The last line: how many inputs were kept, rejected, passed over, failed."""
        files = f" ({self.written} written)" if self.written else ""
        parts = [
            f"kept {self.kept}{files}",
            f"rejected {self.rejects.total()}{_listed(self.rejects)}",
            f"passed over {self.passed.total()}{_listed(self.passed)}",
            f"failed {self.failed}{_listed(self.failures)}",
        ]
        self.end()
        self.note(f"read {self.read} = {' + '.join(parts)}{self.remarks}")

    def end(self) -> None:
        """Remove the bar."""
        if self.bar:
            self.bar.stop()
            self.bar = None
            Report.drawing = False

    def _may_draw(self) -> bool:
        return not self.quiet and os.isatty(2) and not _is_pipe(1)

    def _print(self, line: str) -> None:
        with self.guard:
            if self.bar:
                self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                start = CLEAR if self.shares else ""
                with suppress(OSError):  # closed; the work goes on
                    write_all(2, f"{start}{line}\n".encode("utf-8", "replace"))


def shown(text: str) -> str:
    """Text on one line and safe for a terminal: characters that do not print are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, without Python's buffers."""
    while data:
        data = data[os.write(descriptor, data) :]


def _is_pipe(descriptor: int) -> bool:
    import stat

    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _listed(counts: Counter[str]) -> str:
    words = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f" ({words})" if words else ""


def usage_error(name: str, reason: str) -> int:
    """Report what is wrong with a command line; returns the exit status."""
    Report(name).fatal(f"{reason} (see {name} --help)")
    return 2
