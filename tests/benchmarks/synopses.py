"""What the language model that ships is like: its synopses beside those that it learned from.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/synopses.py RUN [--card docs/default-text.md]

RUN is examples/train-text.sh's folder: the corpus, and the run that made the model. A snippet counts
as whole where it ends by itself and is TITLE|SYNOPSIS of 250 to 600 characters. A sentence counts as
copied where the corpus has it; names and numbers are not looked through.
"""

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

from safetensors import safe_open

from animetools.text.learning import snapshots
from animetools.text.models.loading import SHIPPED

COUNT, SHOWN = 100, 10

CARD = """\
# The language model that ships with animetools

`gptsnip` writes with it where no other is named, and `gpttrain` goes on from it; its name is `default`.
It is a toy: it knows {words:,} words, all of them those of the grammar in
[examples/synopses.txt](../examples/synopses.txt), and nothing else of the world. What it writes is
grammatical and often amusing, keeps to its hero and theme, and leads nowhere, as its models do; a place
may change its name on the way. It cannot follow a prompt that speaks of other things. For more, name a
GPT-2 or a larger model: `gptsnip --model`.

| | |
|---|---|
| kind | GPT-2: {n_layer} layers of width {n_embd}, {n_head} heads, {n_positions} tokens of context, {vocab_size} of vocabulary |
| parameters | {parameters:,} |
| files | {size:,} bytes, the weights in half precision |
| learned from | {pairs:,} synopses by [examples/synopses.py](../examples/synopses.py), {share:.0%} of them held back |
| for | {step:,} steps, the last of {batch} pieces of {context} tokens |
| loss on what was held back | {best:.3f} nats a token, perplexity {perplexity:.2f} |
| whole, of {count} snippets | {whole} |
| he, or she, throughout | {steady} |
| sentences that the corpus has too | {copied:.0%} |
| sentences of new synopses of the grammar that it has too | {usual:.0%} |

[examples/train-text.sh](../examples/train-text.sh) makes one like it from nothing, on a CPU. A longer
run makes a better one: `examples/train-text.sh FOLDER 120000 40000`, then
`cp FOLDER/default/* animetools/text/models/default/`, and this page anew by
[tests/benchmarks/synopses.py](../tests/benchmarks/synopses.py), which measures and writes it.

## A page of it

`gptsnip --seeds 0-{last} --min-chars 250 --title-format`:

{samples}
"""

HE, SHE = re.compile(r"\b(he|him|his)\b", re.I), re.compile(r"\b(she|her)\b", re.I)


def sentences(text: str) -> list[str]:
    """The sentences of a synopsis."""
    return re.split(r"(?<=[.!?]) ", text.partition("|")[2])


def copied(texts: list[str], known: set[str]) -> float:
    """The share of the sentences that is known."""
    found = [sentence in known for text in texts for sentence in sentences(text)]
    return sum(found) / len(found)


def snippets(options: str, folder: str) -> list[str]:
    """What gptsnip writes."""
    line = f"bin/gptsnip -q {options} -o {folder}"
    done = subprocess.run(line.split(), capture_output=True, text=True, check=True)
    return [Path(path).read_text().strip() for path in done.stdout.splitlines()]


def main() -> None:
    """Measure, print, and write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--card", type=Path)
    options = parser.parse_args()
    corpus = (options.run / "synopses.txt").read_text().splitlines()
    facts = snapshots.read(snapshots.all_of(str(options.run / "run"))[-1]).facts
    shipped = Path(SHIPPED)
    with safe_open(shipped / "model.safetensors", "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    with tempfile.TemporaryDirectory() as folder:
        texts = snippets(f"--seeds 0-{COUNT - 1}", f"{folder}/a")
        shown = snippets(f"--seeds 0-{SHOWN - 1} --min-chars 250 --title-format", f"{folder}/b")
    whole = re.compile(r"[^|]{3,120}\|.{250,600}", re.S)
    known = {sentence for line in corpus for sentence in sentences(line)}
    other = ["examples/synopses.py", "--count", "100", "--seed", "2"]
    fresh = subprocess.run([".venv/bin/python", *other], capture_output=True, text=True, check=True)
    told = facts | json.loads((shipped / "config.json").read_text())
    told |= {
        "words": len(set(re.findall(r"\w+", "\n".join(corpus)))),
        "parameters": sum(rows * (rest[0] if rest else 1) for rows, *rest in shapes),
        "size": sum(path.stat().st_size for path in shipped.iterdir()),
        "pairs": len(corpus),
        "share": facts["valid"],
        "perplexity": 2.718281828459045 ** facts["best"],
        "count": COUNT,
        "whole": sum(bool(whole.fullmatch(text)) for text in texts),
        "steady": sum(not (HE.search(text) and SHE.search(text)) for text in texts),
        "copied": copied(texts, known),
        "usual": copied(fresh.stdout.splitlines(), known),
        "last": SHOWN - 1,
        "samples": "\n\n".join(f"> {text}" for text in shown),
    }
    card = CARD.format_map(told)
    print(card)
    if options.card:
        options.card.write_text(card)


if __name__ == "__main__":
    main()
