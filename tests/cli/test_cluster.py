"""The contract of the stream holds on a Dask cluster, whatever dies, and whatever is wrong with it."""

import errno
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import animetools
from animetools.cli.cluster import address
from animetools.cli.item import Item, Output
from animetools.cli.remote import Report, done_here, versions
from tests.cli.conftest import tree
from tests.clusters import Cluster
from tests.conftest import ROOT, Shell

pytest.importorskip("distributed")


# The work of filters can be imported elsewhere, which `python filters.py` would not allow.
COMMAND = [sys.executable, str(ROOT / "tests/cli/imported.py")]
LINE = f"PYTHONPATH={ROOT} {' '.join(COMMAND)}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, which stand elsewhere."""
    with Cluster(tmp_path_factory.mktemp("cluster") / "dask", 2) as made:
        yield made


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler to which each test adds the workers that it wants."""
    with Cluster(tmp_path_factory.mktemp("scheduler") / "dask", 0) as made:
        yield made


@pytest.fixture
def empty(scheduler: Cluster) -> Iterator[Cluster]:
    """The same, without workers."""
    yield scheduler
    scheduler.dismiss()


def start(*words: str, cwd: Path, alone: bool = False) -> subprocess.Popen[bytes]:
    """One of the filters, at work; `alone` in a process group of its own."""
    pipe, env = subprocess.PIPE, os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*COMMAND, *words], cwd=cwd, stdout=pipe, stderr=pipe, env=env, start_new_session=alone
    )


def lines(folder: Path, name: str) -> list[str]:
    """What the filters have noted in a file."""
    return (folder / name).read_text().splitlines()


def wait_for(sign: Path, count: int) -> None:
    """Wait until a file has so many lines."""
    while not sign.exists() or sign.read_text().count("\n") < count:
        time.sleep(0.01)


def test_a_cluster_gives_the_same_with_relative_paths_and_our_umask(
    shell: Shell, raw: Path, cluster: Cluster
) -> None:
    (raw / "a/02.png").write_bytes(b"text")
    (raw / "a/04.png").write_bytes(b"odd")
    (raw / "b/05.png").write_bytes(b"nothing")
    one = shell(f"umask 027; {LINE} copier raw missing -o one --json | sed 's/, .pid.*//'")
    two = shell(
        f"umask 027; {LINE} copier raw missing -o two --json --cluster {cluster.address}"
        " | sed 's/, .pid.*//'"
    )
    assert (one.returncode, two.returncode) == (1, 1)
    assert two.stdout == one.stdout.replace("one/", "two/")
    assert two.stdout.count("\n") == 18
    assert two.stderr == one.stderr
    assert tree(raw.parent / "one") == tree(raw.parent / "two")
    modes = {path.stat().st_mode & 0o777 for path in (raw.parent / "two").rglob("*.copy")}
    assert modes == {0o640}
    again = shell(f"{LINE} copier raw -o two --cluster {cluster.address}")
    assert again.stdout.count("\n") == 18
    # The second run works only on what was passed over before.
    assert len(lines(raw.parent, "log")) == 2 * 20 + 1


def test_a_network_is_loaded_once_in_each_worker(shell: Shell, raw: Path, cluster: Cluster) -> None:
    one = shell(f"{LINE} shouter raw --size 3 -o one")
    (raw.parent / "loads").unlink()
    two = shell(f"{LINE} shouter raw --size 3 -o two --cluster {cluster.address}")
    assert two.stdout == one.stdout.replace("one/", "two/")
    assert tree(raw.parent / "one") == tree(raw.parent / "two")
    loads = lines(raw.parent, "loads")
    assert 1 <= len(loads) == len(set(loads)) <= 2


def test_jobs_limits_how_many_work_at_once(raw: Path, tmp_path: Path, cluster: Cluster) -> None:
    words = ["copier", "raw", "--sleep", "0.05", "--json", "-j", "1"]
    printed, _ = start(*words, "--cluster", cluster.address, cwd=tmp_path).communicate()
    assert printed.count(b"\n") == 20
    begun = lines(tmp_path, "log")
    assert begun == [
        f"'raw/{'ab'[n % 2]}/{n:02}.png'" for n in (*range(0, 20, 2), *range(1, 20, 2))
    ]


def test_a_killed_worker_loses_nothing_and_does_nothing_twice(
    raw: Path, tmp_path: Path, empty: Cluster
) -> None:
    for _ in range(2):
        empty.add()
    words = ["copier", "raw", "--json", "--sleep", "0.1", "--cluster", empty.address]
    process = start(*words, cwd=tmp_path)
    wait_for(tmp_path / "log", 6)
    os.kill(empty.workers[0].pid, signal.SIGKILL)
    printed, said = process.communicate()
    assert process.returncode == 0, said
    names = [f"raw/{'ab'[n % 2]}/{n:02}.png" for n in (*range(0, 20, 2), *range(1, 20, 2))]
    assert [line.split(b'"')[3].decode() for line in printed.splitlines()] == [
        f"copies/{name}.copy" for name in names
    ]
    assert len(tree(tmp_path / "copies")) == 20
    assert not list(tmp_path.glob("copies/**/.*part"))
    assert b"kept 20 (20 written) + rejected 0 + passed over 0 + failed 0" in said
    # What the worker had begun was done again by the other one.
    assert 20 <= len(lines(tmp_path, "log")) <= 24


def test_an_item_that_ends_every_worker_fails_and_the_others_do_not(
    raw: Path, tmp_path: Path
) -> None:
    (raw / "a/04.png").write_bytes(b"death")
    deadly = {"DEATH": "death", "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with Cluster(tmp_path / "dask", 0, environment=deadly) as cluster:
        cluster.add(options=())  # which is started again when it ends
        process = start("copier", "raw", "--cluster", cluster.address, cwd=tmp_path)
        printed, said = process.communicate()
    assert process.returncode == 1
    assert printed.count(b"\n") == 19
    assert said.count(b"raw/a/04.png: it ended each worker that tried it") == 1
    assert b"kept 19 (19 written) + rejected 0 + passed over 0 + failed 1" in said


def test_a_scheduler_that_dies_ends_the_run_which_resumes(
    shell: Shell, raw: Path, tmp_path: Path
) -> None:
    with Cluster(tmp_path / "dask", 1) as cluster:
        words = ["copier", "raw", "--sleep", "0.1", "--cluster", cluster.address]
        process = start(*words, cwd=tmp_path)
        assert process.stdout
        first = process.stdout.readline()
        cluster.scheduler.kill()
        printed, said = process.communicate()
    assert process.returncode == 2
    gone = f"the scheduler {cluster.address} is gone: start it, and run this again to continue"
    assert said.decode().splitlines()[-1] == f"copier: {gone}"  # it may have waited for the worker
    done = shell(f"{LINE} copier raw --sleep 0.1")
    assert done.stdout.startswith((first + printed).decode())
    assert (done.returncode, done.stdout.count("\n")) == (0, 20)
    assert len(tree(tmp_path / "copies")) == 20


def test_a_scheduler_that_dies_before_there_is_a_worker(raw: Path, tmp_path: Path) -> None:
    with Cluster(tmp_path / "dask", 0) as cluster:
        process = start("copier", "raw", "--cluster", cluster.address, cwd=tmp_path)
        assert process.stderr
        assert process.stderr.readline().endswith(b": waiting for a worker\n")
        cluster.scheduler.kill()
        printed, said = process.communicate()
    assert (process.returncode, printed) == (2, b"")
    gone = f"the scheduler {cluster.address} is gone: start it, and run this again to continue"
    assert said.decode() == f"copier: {gone}\n"


def test_workers_that_join_are_used(raw: Path, tmp_path: Path, empty: Cluster) -> None:
    words = ["copier", "raw", "--together", "2", "--cluster", empty.address]
    process = start(*words, cwd=tmp_path)
    assert process.stderr
    assert process.stderr.readline().decode() == (
        f"copier: {empty.address}: waiting for a worker\n"
    )
    empty.add()
    wait_for(tmp_path / "log", 1)
    empty.add()  # without which the first would wait for ever
    printed, _ = process.communicate()
    assert (process.returncode, printed.count(b"\n")) == (0, 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_processes_of_our_own_end_with_us(
    raw: Path, tmp_path: Path, number: signal.Signals
) -> None:
    words = ["copier", "raw", "--sleep", "0.2", "--cluster", "local:2"]
    process = start(*words, cwd=tmp_path, alone=True)
    assert process.stdout
    assert process.stdout.readline() == b"copies/raw/a/00.png.copy\n"
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    said = process.communicate()[1]  # until the last of its processes has closed its pipes
    assert (process.returncode, said) == (-number, b"")


def test_a_closed_pipe_ends_it(shell: Shell, raw: Path, cluster: Cluster) -> None:
    line = f"{LINE} copier raw --sleep 0.1 --cluster {cluster.address}"
    done = shell(f"{line} | head -1; echo ${{PIPESTATUS[0]}}")
    assert done.stdout == "copies/raw/a/00.png.copy\n141\n"
    assert done.stderr == ""


def test_a_scheduler_that_does_not_answer(shell: Shell, raw: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        patience = "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT=1s"
        done = shell(f"{patience} {LINE} copier raw --cluster {place}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"copier: --cluster {place}: no Dask scheduler answers: start one with `dask scheduler`\n"
    )
    assert not (raw.parent / "copies").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("node1", "'node1' has no port: HOST:PORT, usually HOST:8786"),
        ("tcp://node1", "'tcp://node1' has no port: HOST:PORT, usually HOST:8786"),
        ("node1:", "'node1:' has no port: HOST:PORT, usually HOST:8786"),
        ("node1:70000", "a port is 1 to 65535, not 70000"),
        ("local:0", "local:N takes a number of processes, 1 to 1024, not 'local:0'"),
        (
            "udp://node1:8786",
            "'udp://node1:8786' is neither HOST:PORT of a Dask scheduler nor local:N",
        ),
    ],
)
def test_what_is_no_address(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as why:
        address(text)
    assert str(why.value) == reason


@pytest.mark.parametrize("text", ["node1:8786", "tls://node1:8786", "[::1]:8786", "local:2"])
def test_what_is_an_address(text: str) -> None:
    assert address(text) == text


def test_without_dask_it_says_what_to_install(shell: Shell, raw: Path) -> None:
    (raw.parent / "hidden").mkdir()
    (raw.parent / "hidden/distributed.py").write_text("raise ModuleNotFoundError\n")
    done = shell(f"{LINE.replace('=', '=hidden:', 1)} copier raw --cluster local:1")
    assert (done.returncode, done.stderr) == (
        2,
        "copier: --cluster needs Dask: pip install 'animetools[cluster]'\n",
    )


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (
            '"9.9"',
            f"has animetools 9.9, and this machine has {animetools.__version__}: outputs may",
        ),
        ("", "has no animetools, or another version (No module named 'animetools.cli'): install"),
    ],
)
def test_a_worker_with_another_version_is_refused(
    shell: Shell, raw: Path, tmp_path: Path, empty: Cluster, version: str, reason: str
) -> None:
    other = tmp_path / "other/animetools"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text(f"__version__ = {version}\n" if version else "")
    for path in (ROOT / "animetools").iterdir() if version else ():
        if path.name != "__init__.py":
            (other / path.name).symlink_to(path)
    empty.add(environment={"PYTHONPATH": str(other.parent)})
    done = shell(f"{LINE} copier raw --cluster {empty.address}")
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]


HIDE = 'mount -t tmpfs none "$0" && exec "$@"'


@pytest.mark.parametrize(
    ("hidden", "reason"),
    [
        ("raw", "does not see raw/a/00.png"),
        ("copies", "wrote, is not on this machine"),
    ],
)
def test_a_worker_that_sees_other_files_is_refused(
    shell: Shell, raw: Path, tmp_path: Path, empty: Cluster, hidden: str, reason: str
) -> None:
    unshare = ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", str(raw)]).returncode:
        pytest.skip("no namespaces")
    work = tmp_path / "work"
    work.mkdir()
    raw.rename(work / "raw")
    (work / "copies").mkdir()
    prefix = [*unshare, "sh", "-c", HIDE, str(work / hidden)]
    empty.add(prefix=prefix)
    done = shell(f"cd work; {LINE} copier raw --cluster {empty.address}")
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]  # before it may wait for the worker
    assert reason in said
    assert said.endswith("all machines must see the same files under the same paths")


def task(folder: str, item: Item) -> Report:
    """What a worker reports of an item, whose work is to list it."""
    orders = pickle.dumps([(item, Output(stem="x", dry=True))])
    done = done_here("another", folder, 0o022, versions(), pickle.dumps(listed), orders)
    report = pickle.loads(done)
    assert isinstance(report, Report)
    return report


def listed(item: Item, output: Output) -> list[Item]:
    """Work that only passes on."""
    return [item]


def test_a_worker_sees_that_a_file_is_another(tmp_path: Path) -> None:
    here = os.getcwd()
    try:
        (tmp_path / "x").write_bytes(b"12")
        report = task(str(tmp_path), Item("x", stamp="3:0"))
    finally:
        os.chdir(here)
    assert isinstance(report.outcomes[0], OSError)
    assert (report.outcomes[0].errno, report.outcomes[0].filename) == (errno.ESTALE, "x")


def test_a_worker_says_which_folder_it_does_not_see(tmp_path: Path) -> None:
    report = task(f"{tmp_path}/missing", Item("x"))
    assert "does not see" in str(report.outcomes[0])
