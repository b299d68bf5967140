"""Small commands that test the engine from outside: `python filters.py NAME [OPTION]... [FILE]...`."""

import atexit
import hashlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial
from glob import glob
from typing import Annotated, Any

from animetools.cli import Batches, Item, Opt, Output, Rejected, Result, Stream, command, processes
from animetools.cli.aside import until_interrupted
from animetools.cli.stream import Run
from animetools.cli.workers import remote
from animetools.errors import Advice, FatalError, ItemError, PassedOver


@dataclass(frozen=True)
class Options:
    """What the test commands can be told."""

    size: Annotated[int, Opt("A whole number.", min=1, max=10_000)] = 5
    share: Annotated[float, Opt("A number.", unit="SHARE")] = 0.5
    mirror: Annotated[bool, Opt("A switch.")] = False
    sleep: Annotated[float, Opt("Seconds an item takes.")] = 0
    copies: Annotated[int, Opt("Files an item gives.")] = 1
    together: Annotated[int, Opt("Processes that begin before one goes on.")] = 1
    words: Annotated[tuple[str, ...], Opt("Any number of words.", unit="WORD")] = ()
    parts: Annotated[int, Opt("Steps of a long item, each of which sleeps.")] = 0
    devices: Annotated[int, Opt("Networks that compute at once.")] = 1


def copy(options: Options, item: Item, output: Output) -> Iterator[Result]:
    """Copies of a file; a line in `log` tells that the work was done."""
    with open("log", "a") as log:
        log.write(ascii(item.path) + "\n")
    with open(item.path, "rb") as file:
        data = file.read()
    if data == os.environ.get("DEATH", "-").encode():
        os._exit(9)
    time.sleep(2 if data == os.environ.get("SLOW", "").encode() else options.sleep)
    if options.together > 1:
        open(f"begun.{os.getpid()}", "w").close()
        while len(glob("begun.*")) < options.together:
            time.sleep(0.01)
    if data == b"odd":
        warnings.warn("some data is odd", Advice, stacklevel=1)
    for done in range(1, options.parts + 1):
        time.sleep(options.sleep)
        output.progress(done, options.parts)
    if data == b"text":
        raise PassedOver("no image")
    if data == b"nothing":
        yield item.rejected("empty")
    for n in range(0 if data == b"nothing" else options.copies):
        suffix = f".{n}" if options.copies > 1 else ".copy"
        content = data + b"!" * options.size
        yield item.made(output.write(suffix, lambda: content), number=n, pid=os.getpid())  # noqa: B023
        if os.environ.get("CRASH", "-").encode() in data:
            raise ItemError("it crashed")


def read(options: Options, item: Item) -> bytes:
    """The bytes of a file; a line in `log` tells that they were read."""
    with open("log", "a") as log:
        log.write(ascii(item.path) + "\n")
    with open(item.path, "rb") as file:
        data = file.read()
    if data == os.environ.get("DEATH", "-").encode():
        os._exit(9)
    if data == b"text":
        raise PassedOver("no image")
    if data == b"broken":
        raise ItemError("it is broken")
    if data == b"vast":
        raise MemoryError
    return data


def loaded(options: Options, device: int) -> Any:
    """A network; a line in `loads` tells that it was loaded."""
    with open("loads", "a") as log:
        log.write(f"{device} {os.getpid()}\n")
    return partial(shout, options, device)


def shout(options: Options, device: int, batch: list[bytes]) -> list[bytes | ItemError]:
    """A network: loud; a line in `batches` tells how many it was given."""
    with open("batches", "a") as log:
        log.write(f"{device} {len(batch)}\n")
    time.sleep(options.sleep)
    if b"odd" in batch:
        warnings.warn("some data is odd", Advice, stacklevel=1)
    if b"poison" in batch:
        raise ItemError("it was poisoned")
    if b"lost" in batch:
        raise FatalError("the device is lost: try another --device")
    if b"bug" in batch:
        raise ZeroDivisionError("a bug")
    if b"large" in batch:
        raise MemoryError
    return [ItemError("it is mute") if data == b"mute" else data.upper() for data in batch]


def save(options: Options, result: bytes, item: Item, output: Output) -> Iterator[Result]:
    """Copies of what the network gave."""
    for n in range(options.copies):
        suffix = f".{n}" if options.copies > 1 else ".loud"
        yield item.made(output.write(suffix, lambda: result), number=n, pid=os.getpid())
        if os.environ.get("CRASH", "-").encode() in result:
            raise ItemError("it crashed")


def told(options: Options, result: bytes, item: Item, output: Output) -> Iterator[Result]:
    """What the network gave, without a file."""
    yield item.noted(said=result.decode())


def batches(options: Options, encode: Any) -> Batches:
    """The three steps of a command with a network."""
    load, devices = partial(loaded, options), range(options.devices)
    return Batches(options.size, partial(read, options), load, devices, partial(encode, options))


def number(options: Options, item: Item, output: Output) -> Iterator[Result]:
    """A file from no file."""
    yield item.made(output.write("", lambda: item.path.encode()), number=item.facts["number"])


def wait(options: Options, item: Item, output: Output) -> Iterator[Result]:
    """Pass on after a while that differs from item to item."""
    digest = hashlib.sha256(item.path.encode("utf-8", "surrogateescape")).digest()
    time.sleep(options.sleep * digest[0] / 256)
    if item.path.endswith("bug"):
        raise ZeroDivisionError("a bug")
    yield item.noted(seen=item.facts.get("seen", 0) + 1)


def every_other(results: Iterator[Result]) -> Iterator[Result]:
    """Keep the first, third, fifth."""
    for n, result in enumerate(results):
        if isinstance(result, Item):
            yield Rejected(result.path, "even", "of no account") if n % 2 else result


@command(out="copies", cluster=True)
def copier(options: Options, stream: Stream) -> int:
    """Copy files."""
    stream = replace(stream, found=os.environ.get("FOUND", ""))
    return stream.map(partial(copy, options))


@command(out="copies", workers=processes)
def forked(options: Options, stream: Stream) -> int:
    """Copy files, in processes."""
    return stream.map(partial(copy, options))


def keep(options: Options, item: Item, output: Output) -> Iterator[Result]:
    """The same path, or a file with its very name."""
    time.sleep(options.sleep)
    if options.mirror:
        yield item.made(output.write("", lambda: b"mirrored"))
        time.sleep(options.sleep)
    else:
        yield item.noted(kept=True)


@command(out="copies")
def keeper(options: Options, stream: Stream) -> int:
    """Pass on or write under the same name."""
    return stream.map(partial(keep, options))


@command(out="numbers", reads=False)
def counter(options: Options, stream: Stream) -> int:
    """Write numbered files."""
    items = (Item(f"{n % 3}/{n}", {"number": n}) for n in range(options.size))
    return stream.map(partial(number, options), items)


@command(out="copies", cluster=True)
def shouter(options: Options, stream: Stream) -> int:
    """Copy files through a network."""
    return stream.batches(batches(options, save))


@command(out="copies", workers=processes)
def forkedshouter(options: Options, stream: Stream) -> int:
    """Copy files through a network, read and written in processes."""
    return stream.batches(batches(options, save))


@command()
def grader(options: Options, stream: Stream) -> int:
    """Ask a network about files."""
    return stream.batches(batches(options, told))


@command(cluster=True)
def waiter(options: Options, stream: Stream) -> int:
    """Pass paths on."""
    return stream.map(partial(wait, options))


@command()
def halver(options: Options, stream: Stream) -> int:
    """Pass every other path on."""
    return stream.fold(partial(wait, options), every_other)


def doubled(options: Options, stream: Stream, items: Iterable[Item], run: Run) -> Iterator[Result]:
    """Scout, turn down every third, and pass on the others; the first one fails at last."""
    found = list(run(items, counted=False))
    stream.expect(len(found))
    stream.count(len(found[::3]))
    yield from (Rejected(item.path, "third") for item in found[::3] if isinstance(item, Item))
    del found[::3]
    yield f"{len(found)} stay"
    first, *others = run(item for item in found if isinstance(item, Item))
    assert isinstance(first, Item)
    yield replace(first, trouble="it went")
    yield from others
    assert stream.progress.left == 0


@command()
def scout(options: Options, stream: Stream) -> int:
    """Look at files twice."""
    return stream.collect(partial(wait, options), partial(doubled, options, stream))


@command()
def fatal(options: Options, stream: Stream) -> int:
    """Cannot run."""
    raise FatalError("the moon is full: wait a day")


@command()
def lingerer(options: Options, stream: Stream) -> int:
    """Leave a thread behind."""
    atexit.register(lambda: os.write(2, b"the end\n"))
    threading.Thread(target=time.sleep, args=[60]).start()
    return stream.map(partial(wait, options))


@command()
def saver(options: Options, stream: Stream) -> int:
    """Save when it is interrupted; the signal goes to another thread than the main one."""

    def work(is_stopping: Callable[[], bool]) -> Iterator[str]:
        is_stopping()
        time.sleep(1)  # the main thread waits by now
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        while not is_stopping():
            time.sleep(0.01)
        yield "saved"

    for path in until_interrupted(work, stream, "wait a day"):
        stream.print(path)
    return 0


class Inline(Executor):
    """An executor that is neither threads nor processes."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it at once."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)
        return future


@command(out="copies", workers=remote(Inline(), 1))
def inline(options: Options, stream: Stream) -> int:
    """Copy files in an executor of our own."""
    return stream.map(partial(copy, options))


COMMANDS = [
    copier,
    forked,
    counter,
    keeper,
    shouter,
    forkedshouter,
    grader,
    waiter,
    halver,
    scout,
    fatal,
    lingerer,
    saver,
    inline,
]


def run() -> None:
    """Run the command that the first argument names."""
    name = sys.argv.pop(1)
    next(c for c in COMMANDS if c.name == name)()


if __name__ == "__main__":
    run()
