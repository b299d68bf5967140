"""Writes synopses of anime that do not exist, TITLE|SYNOPSIS a line: synopses.py --count N [--seed N]

The grammar is in synopses.txt. A line depends on the seed and its number alone.
"""

import argparse
import re
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

SHORTEST, LONGEST = 120, 700  # characters of a synopsis
SLOT = re.compile(r"{(\w+)(?:\.(\w+))?(!?)}")
PERSONS = "Hero", "Friend", "Rival", "Master"
PRONOUNS = {
    "girl": {"he": "she", "him": "her", "his": "her"},
    "boy": {"he": "he", "him": "him", "his": "his"},
}
SMALL = re.compile("a|an|and|as|at|but|by|for|from|in|is|it|no|not|of|on|or|so|than|the|to|with")
VOWEL = re.compile(r"\b([Aa]) (?=[aeiou])(?!uni[^mn]|use|one\b)", re.IGNORECASE)  # a union, a one

Grammar = dict[str, list[str]]


@cache
def grammar() -> Grammar:
    """Every rule with its choices."""
    rules: Grammar = {}
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            choices = rules.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            choices += line.split(" | ")
    return rules


class Story:
    """One title with its synopsis; what has been chosen for it."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.theme = chance.choice(grammar()["theme"])
        self.kept: dict[str, str] = {}  # what a capital stands for
        self.used: set[str] = set()
        self.met: set[str] = set()  # persons who have been introduced by their whole name
        self.sexes = {person: chance.choice(["girl", "boy"]) for person in PERSONS}

    def line(self) -> str:
        """TITLE|SYNOPSIS."""
        title = titled(self.written("{title}"))
        return f"{title}|{sentences(self.written('{synopsis}'))}"

    def written(self, text: str) -> str:
        """The text with every slot filled."""
        return SLOT.sub(lambda slot: self.filled(slot[1], slot[2] or "", bool(slot[3])), text)

    def filled(self, name: str, part: str, capital: bool) -> str:
        """What stands for one slot; `capital` begins it with one."""
        if name in PERSONS:
            words = self.person(name, part)
        elif name[0].isupper():
            words = self.keep(name, lambda: self.chosen(name.lower()))
        else:
            words = self.chosen(name)
        return words[:1].upper() + words[1:] if capital else words

    def keep(self, name: str, choose: Callable[[], str]) -> str:
        """What has been chosen under this name; it is chosen now if nothing was."""
        if name not in self.kept:
            self.kept[name] = choose()
        return self.kept[name]

    def chosen(self, *names: str) -> str:
        """One choice of these rules, written out: at most times the theme's, if it has them."""
        rules = grammar()
        own = [choice for name in names for choice in rules.get(f"{self.theme}/{name}", [])]
        common = [choice for name in names for choice in rules.get(name, [])]
        choices = own if own and (not common or self.chance.random() < 0.6) else common
        fresh = [choice for choice in choices if choice not in self.used]
        choice = self.chance.choice(fresh or choices)
        self.used.add(choice)
        return self.written(choice)

    def person(self, name: str, part: str) -> str:
        """A person's pronoun, or what else the person is; or the name, at first with the surname."""
        sex = self.sexes[name]
        if part in PRONOUNS[sex]:
            return PRONOUNS[sex][part]
        if part not in ("", "name"):
            return self.keep(f"{name}.{part}", lambda: self.chosen(part, f"{part}_{sex}"))
        given = self.keep(name, lambda: self.chosen(sex))
        if part or name in self.met:
            return given
        self.met.add(name)
        return f"{given} {self.chosen('surname')}"


def sentences(text: str) -> str:
    """The text with capitals where sentences begin, and an before a vowel."""
    text = VOWEL.sub(r"\1n ", text)
    return re.sub(r"(^|[.!?]'? |: ')([a-z])", lambda found: found[1] + found[2].upper(), text)


def titled(text: str) -> str:
    """The text as a title."""
    words = VOWEL.sub(r"\1n ", text).split()
    after = ["", *words]
    return " ".join(
        word
        if SMALL.fullmatch(word) and before and before[-1] not in ":!?"
        else word[:1].upper() + word[1:]
        for before, word in zip(after, words, strict=False)
    )


def synopsis(seed: int, number: int) -> str:
    """The line of this number."""
    chance = Random(f"{seed}/{number}")
    while True:
        line = Story(chance).line()
        if SHORTEST <= len(line.partition("|")[2]) <= LONGEST:
            return line


def main() -> None:
    """Print as many lines as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end silently where the reader does
    for number in range(options.count):
        sys.stdout.write(f"{synopsis(options.seed, number)}\n")


if __name__ == "__main__":
    main()
