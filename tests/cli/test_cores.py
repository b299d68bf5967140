"""Cores, as a container leaves them to a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from animetools.cli.cores import cores, quotas

V1 = "5:cpuset:/other\n4:cpu,cpuacct:{0}\n0::/\n"
V2 = "0::{0}\n"


def group(folder: Path, quota: str, version: int) -> None:
    """A cgroup with a quota, as the kernel shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (folder / "cpu.max").write_text(f"{quota} 100000\n")
    else:
        (folder / "cpu.cfs_quota_us").write_text(f"{quota.replace('max', '-1')}\n")
        (folder / "cpu.cfs_period_us").write_text("100000\n")


def process(folder: Path, version: int, path: str) -> str:
    """What /proc says of a process in that group."""
    mounts = [f"22 1 0:20 / {folder}/none rw - tmpfs tmpfs rw,cpu"]
    kind = "cgroup2 cgroup2 rw" if version == 2 else "cgroup cgroup rw,cpu,cpuacct"
    mounts.append(f"30 22 0:26 /where {folder} rw,nosuid shared:9 - {kind}")
    (folder / "mountinfo").write_text("\n".join(mounts) + "\n")
    (folder / "cgroup").write_text((V2 if version == 2 else V1).format(path))
    return str(folder)


@pytest.mark.parametrize("version", [1, 2])
def test_the_quotas_of_a_group_and_of_those_above_it_count(tmp_path: Path, version: int) -> None:
    group(tmp_path / "a/b", "max", version)
    group(tmp_path / "a", "150000", version)
    group(tmp_path, "400000", version)
    assert sorted(quotas(process(tmp_path, version, "/a/b"))) == [1.5, 4.0]
    # A container that sees its own group as the root, by the path that the host gave it.
    assert list(quotas(process(tmp_path, version, "/docker/0123"))) == [4.0]


def test_what_is_broken_or_missing_is_no_quota(tmp_path: Path) -> None:
    assert list(quotas(str(tmp_path))) == []
    (tmp_path / "cpu.max").write_text("100000 0\n")
    assert list(quotas(process(tmp_path, 2, "/"))) == []
    (tmp_path / "mountinfo").write_text("garbage\n")
    assert list(quotas(str(tmp_path))) == []


def test_a_quota_of_this_machine_is_heeded() -> None:
    one, two = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    folder = (one if one.is_dir() else two) / f"animetools-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no cgroup may be made here")
    try:
        name, quota = ("cpu.cfs_quota_us", "50000") if one.is_dir() else ("cpu.max", "50000 100000")
        (folder / name).write_text(quota)
        code = "from animetools.cli import cores as c; c.limit_libraries(); import os; print(c.cores(), os.environ.get('OMP_NUM_THREADS'))"
        line = f'echo $$ > {folder}/cgroup.procs; exec {sys.executable} -c "{code}"'
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
        assert done.stdout.split() == ["1", "1" if len(os.sched_getaffinity(0)) > 1 else "None"]
    except OSError:
        pytest.skip("no quota may be set here")
    finally:
        folder.rmdir()
    assert 1 <= cores() <= len(os.sched_getaffinity(0))
