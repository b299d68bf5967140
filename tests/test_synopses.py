"""The grammar that the default language model learns from."""

import re
import signal
import subprocess
import sys
from collections import Counter

from tests.conftest import ROOT

PROGRAM = ROOT / "examples/synopses.py"


def lines(options: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, PROGRAM, *options.split()], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_a_line_depends_on_its_seed_and_number_alone() -> None:
    some = lines("--count 30 --seed 4")
    assert lines("--count 40 --seed 4")[:30] == some
    assert not set(lines("--count 30 --seed 5")) & set(some)


def test_synopses_are_whole_different_and_agree() -> None:
    some = lines("--count 5000")
    assert len(set(some)) == 5000
    for line in some:
        title, bar, plot = line.partition("|")
        assert 3 <= len(title) <= 120 and bar and 120 <= len(plot) <= 700, line
        assert re.search(r"[.?!]'?$", plot) and plot[0].isupper() and title[0].isupper(), line
        assert not re.search(r"[{}\[\]|]|  |\b(a|an|the) (a|an|the)\b", plot), line
        wrong = re.findall(r"\ba [aeio]\w+|\ban [^aeiou]", plot, re.IGNORECASE)
        assert all(word.lower().startswith("a one") for word in wrong), line


def test_a_reader_may_leave() -> None:
    program = subprocess.Popen(
        [sys.executable, ROOT / "examples/synopses.py", "--count", "99999"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout and program.stderr
    program.stdout.readline()
    program.stdout.close()
    assert (program.stderr.read(), program.wait()) == (b"", -signal.SIGPIPE)
    program.stderr.close()


def test_no_opening_is_frequent_and_lengths_vary() -> None:
    some = [line.partition("|") for line in lines("--count 3000 --seed 6")]
    for words, texts in ((2, [plot for _, _, plot in some]), (3, [title for title, _, _ in some])):
        starts = Counter(tuple(text.split()[:words]) for text in texts)
        start, count = starts.most_common(1)[0]
        assert count < 0.08 * len(some), start
    ends = Counter(len(re.findall(r"[.!?]'?(?= |$)", plot)) for _, _, plot in some)
    assert all(ends[n] > 0.03 * len(some) for n in range(2, 8)), ends
    assert max(ends.values()) < 0.3 * len(some), ends


def test_the_hero_keeps_a_sex() -> None:
    """Where the hero is alone in a first sentence of a known kind, so is the pronoun's kind."""
    seen = set()
    for line in lines("--count 3000"):
        found = re.match(r"[^|]*\|(\w+) \w+ never asked to be .*? (He|She) only wanted to ", line)
        if found:
            others = set(re.findall(rf"\b{found[1]}\b.{{0,12}}\b(he|she)\b", line))
            assert others <= {found[2].lower()}, line
            seen.add(found[2])
    assert seen == {"He", "She"}
