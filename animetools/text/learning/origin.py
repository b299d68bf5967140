"""What a model starts from: a resumed run cannot change it."""

import os
from dataclasses import dataclass
from typing import Any

from animetools.errors import FatalError


@dataclass(frozen=True)
class Origin:
    """What was given: a model's name, or none and a size, and the size of a new tokenizer."""

    model: str
    from_scratch: bool
    size: str | None
    vocab: int | None

    def facts(self) -> dict[str, Any]:
        """What a snapshot keeps; base "" is random weights."""
        if self.from_scratch:
            return {"base": "", "size": self.size or "tiny", "vocab": self.vocab}
        return {"base": self.model, "size": None, "vocab": self.vocab}

    def refuse_another(self, out: str, had: dict[str, Any]) -> None:
        """Raise FatalError, naming the options, if these differ from the facts of a run in `out`."""
        base = had.get("base", "" if self.from_scratch else self.model)
        same = base and os.path.realpath(self.model) == os.path.realpath(base)
        named = {
            "--from-scratch": self.from_scratch and base != "",
            f"--model {self.model}": self.model != "default" and not same,
            f"--size {self.size}": self.size and had.get("size", self.size) != self.size,
            f"--vocab {self.vocab}": self.vocab and had.get("vocab", self.vocab) != self.vocab,
        }
        if wrong := [name for name, is_wrong in named.items() if is_wrong]:
            begun = f"started from --model {base}" if base else "started from scratch"
            raise FatalError(
                f"the run in {out} {begun} and cannot change to {' '.join(wrong)}: leave that out"
                " to continue it, or start over with --force instead of --resume"
            )
