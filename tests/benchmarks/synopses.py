"""What the language model that ships is like: its synopses beside those that it learned from.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/synopses.py RUN [--card docs/default-text.md]

RUN is examples/train-text.sh's folder: the corpus, and the run that made the model. A snippet counts
as whole where it ends by itself and is TITLE|SYNOPSIS of 120 to 700 characters. A sentence counts as
copied where the corpus has it; names and numbers are not looked through. An opening is the first three
words.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from safetensors import safe_open

from animetools.runs.snapshots import listed
from animetools.text.learning import snapshots
from animetools.text.models.loading import SHIPPED

COUNT, SHOWN = 1000, 10

CARD = """\
# The language model that ships with animetools

`gptsnip` and `gpttrain` use it by default; its name is `default`.
It is a toy. It knows {words:,} words, all from the grammar in
[examples/synopses.txt](../examples/synopses.txt), and nothing else. Its texts are grammatical and
often amusing, keep to one hero and theme, and have no plot, like the texts it was trained on. It cannot
continue a prompt about anything else. For that, use GPT-2 or a larger model with `gptsnip --model`.

| | |
|---|---|
| kind | GPT-2: {n_layer} layers of width {n_embd}, {n_head} heads, {n_positions} tokens of context, {vocab_size} of vocabulary |
| parameters | {parameters:,} |
| files | {size:,} bytes, the weights in half precision |
| trained on | {pairs:,} synopses by [examples/synopses.py](../examples/synopses.py), {share:.0%} of them held out |
| training | {step:,} steps, the last with {batch} sequences of {context} tokens |
| loss on the held-out texts | {best:.3f} nats per token, perplexity {perplexity:.2f} |
| complete, of {count} snippets | {whole} |
| with the same pronoun throughout | {steady} |
| most frequent opening of a title | {title_opening} |
| most frequent opening of a synopsis | {opening} |
| sentences in a synopsis | {lengths} |
| sentences that are in the corpus | {copied:.0%} |
| the same for new synopses by the grammar | {usual:.0%} |

[examples/train-text.sh](../examples/train-text.sh) trains one like it from scratch, on a CPU. A
longer run makes a better one: `examples/train-text.sh FOLDER 120000 40000`, then
`cp FOLDER/default/* animetools/text/models/default/`. This page is measured and written by
[tests/benchmarks/synopses.py](../tests/benchmarks/synopses.py).

## Examples

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


def most_frequent_opening(texts: list[str]) -> str:
    """The first three words that begin the most texts, and their share."""
    counts = Counter(" ".join(text.split()[:3]) for text in texts)
    words, count = counts.most_common(1)[0]
    return f"{words}: {count / len(texts):.1%}"


def lengths(texts: list[str]) -> str:
    """How many sentences the synopses have."""
    counts = Counter(len(sentences(text)) for text in texts)
    return ", ".join(f"{n}: {counts[n] / len(texts):.0%}" for n in sorted(counts))


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
    facts = snapshots.read(listed(str(options.run / "run"))[-1]).facts
    shipped = Path(SHIPPED)
    with safe_open(shipped / "model.safetensors", "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    with tempfile.TemporaryDirectory() as folder:
        texts = snippets(f"--seeds 0-{COUNT - 1}", f"{folder}/a")
        shown = snippets(f"--seeds 0-{SHOWN - 1} --min-chars 250 --title-format", f"{folder}/b")
    whole = re.compile(r"[^|]{3,120}\|.{120,700}", re.S)
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
        "title_opening": most_frequent_opening([text.partition("|")[0] for text in texts]),
        "opening": most_frequent_opening([text.partition("|")[2] for text in texts]),
        "lengths": lengths(texts),
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
