"""How edits are typed; nothing here loads NumPy."""

import re
from dataclasses import dataclass

from animetools.sampling.layers import Ranges, Rows
from animetools.sampling.seeds import Psis

MOST = 1000.0  # spreads: far beyond what any network draws

_NUMBER = r"-?(?:\d{1,4}\.?\d{0,9}|\.\d{1,9})"
# A name may have any of these signs in it, as the tags =_= and @_@ have.
_EDIT = re.compile(rf"(.+?)(?:=({_NUMBER}))?(?:@(\d{{1,3}}(?:-\d{{1,3}})?))?", re.ASCII)


@dataclass(frozen=True)
class Edit:
    """A step along the direction of a name: `amount` of its spreads, in some rows of w.

    Without rows, in those that the direction is for.
    """

    name: str
    amount: float = 1.0
    rows: Rows | None = None

    def __str__(self) -> str:
        text = f"{self.amount:.9f}".rstrip("0").rstrip(".")
        return f"{self.name}={text}" + (f"@{self.rows}" if self.rows else "")


class Edits(tuple[Edit, ...]):
    """Several edits, in the order in which they were typed."""

    @classmethod
    def parse(cls, text: str) -> "Edits":
        """The edits of "smile=1.5,blue_hair=-2@0-7,hat": without a number the amount is 1.

        Raises ValueError, in one sentence, for anything else.
        """
        return cls(_edit(part.strip()) for part in text.split(","))

    def __str__(self) -> str:
        return ",".join(map(str, self))


def _edit(text: str) -> Edit:
    found = _EDIT.fullmatch(text)
    if not found:
        raise ValueError(f"'{text}' is not an edit, such as smile=1.5 or blue_hair=-2@0-7")
    name, number, rows = found.groups()
    amount = float(number or 1) + 0.0  # -0 is 0
    if abs(amount) > MOST:
        raise ValueError(f"the amount of {text} is beyond {MOST:g} spreads")
    return Edit(name, amount, Ranges.parse(rows)[0] if rows else None)


class Strip(Psis):
    """What edits are multiplied by in the pictures of a row."""

    @classmethod
    def parse(cls, text: str) -> "Strip":
        """The numbers of "-3:3:0.5", from, to and step, or of "0,1,2.5".

        Raises ValueError, in one sentence, for anything else, and for a number that is there twice.
        """
        try:
            return cls(Psis.parse(text))
        except ValueError:
            raise ValueError(
                f"'{text}' is neither different numbers, such as 0,1.5, nor from:to:step, such as"
                " -3:3:0.5"
            ) from None
