"""The language model that ships."""

import os
from pathlib import Path

import torch

from animetools.text.corpus import END
from animetools.text.models.loading import SHIPPED, load
from tests.conftest import ROOT, bash


def test_it_is_small_and_whole() -> None:
    model, tokenizer = load(SHIPPED)
    assert sum(file.stat().st_size for file in os.scandir(SHIPPED)) <= 8_000_000
    assert tokenizer.eos_token == END
    assert all(bool(value.isfinite().all()) for value in model.parameters())
    told = (ROOT / "docs/default-text.md").read_text()
    assert f"{sum(value.numel() for value in model.parameters()):,}" in told
    words = tokenizer.encode(f"{END}Ramune Cactus!|Haruna was a ghost.{END}")
    assert words[0] == words[-1] == tokenizer.eos_token_id
    assert isinstance(words, list) and torch.tensor(words).max() < len(tokenizer)


def test_it_writes_titles_with_synopses(tmp_path: Path) -> None:
    done = bash("gptsnip --seeds 0-9", tmp_path)
    assert done.returncode == 0, done.stderr
    texts = [(tmp_path / path).read_text() for path in done.stdout.splitlines()]
    assert len(set(texts)) == 10
    known = set((ROOT / "examples/synopses.txt").read_text().replace("|", " ").split())
    for text in texts:
        title, _, plot = text.partition("|")
        assert 3 <= len(title) <= 150
        assert 100 <= len(plot) <= 700
        words = plot.split()
        assert sum(word in known for word in words) > 0.7 * len(words), text
