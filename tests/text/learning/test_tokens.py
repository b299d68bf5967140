"""A corpus as numbers."""

from collections.abc import Iterator

import numpy as np
import torch

from animetools.text.corpus import Document
from animetools.text.learning.tokens import encoded
from tests.text.small_models import TEXTS, TOKENIZER

END = TOKENIZER.eos_token_id


def pairs() -> Iterator[Document]:
    return (Document(text, True) for text in TEXTS)


def test_every_text_is_there_once_and_the_held_back_are_spread() -> None:
    data, held = encoded(pairs(), TOKENIZER, 0.05, pairs=True)
    learnt, kept = (
        TOKENIZER.decode(list(part.ids)).split("<|endoftext|>") for part in (data, held)
    )
    assert learnt[0] == learnt[-1] == kept[0] == kept[-1] == ""
    assert sorted(learnt[1:-1] + kept[1:-1]) == sorted(TEXTS)
    assert kept[1:-1] == TEXTS[19::20]


def test_windows_of_pairs_begin_where_a_text_does() -> None:
    data, _ = encoded(pairs(), TOKENIZER, 0, pairs=True)
    batch = data.batch(32, 40, 1, 7)  # longer than the texts
    assert batch.shape == (32, 40)
    assert set(batch[:, 0].tolist()) == {END}
    begun = {TOKENIZER.decode(row[1:6]) for row in batch}
    assert len(begun) > 5
    assert all(text.startswith("Title") for text in begun)


def test_long_texts_are_learned_to_their_end_and_short_ones_from_their_beginning() -> None:
    numbers = [" ".join(map(str, range(n, n + 40))) for n in (0, 1000, 2000)]
    texts = [*TEXTS[:5], *numbers, TEXTS[5]]
    data, _ = encoded((Document(text, True) for text in texts), TOKENIZER, 0, pairs=True)
    length = 30
    windows = torch.cat([data.batch(64, length, 1, step) for step in range(20)])
    rows = {tuple(row) for row in windows.tolist()}
    assert data.places(length) > len(texts)
    begun = [number for number in range(len(data) - 1) if data.ids[number] == END]
    for first in begun:
        assert tuple(data.window(np.array([first]), length)[0].tolist()) in rows
    seen = {row[1:][n : n + 8] for row in rows for n in range(length - 8)}
    whole = data.ids.tolist() + data.ids.tolist()[1:8]
    assert all(tuple(whole[n : n + 8]) in seen for n in range(1, len(data)))


def test_the_characters_of_both_parts_are_counted() -> None:
    data, held = encoded(pairs(), TOKENIZER, 0.05, pairs=True)
    assert data.characters + held.characters == sum(map(len, TEXTS))
    assert held.characters == sum(map(len, TEXTS[19::20]))


def test_windows_of_plain_text_begin_anywhere() -> None:
    text = Document("".join(TEXTS), True)
    data, held = encoded(iter([text]), TOKENIZER, 0.05, pairs=False)
    assert len(held) == 1
    assert data.places(20) == len(data) - 19
    whole = data.window(torch.arange(data.places(20)).numpy(), 20)
    assert whole[-1, -1] == END
    assert data.places(len(data) + 1) == 0


def test_a_step_has_the_same_windows_whenever_it_comes() -> None:
    data, _ = encoded(pairs(), TOKENIZER, 0, pairs=True)
    same = data.batch(8, 20, 1, 7), data.batch(8, 20, 1, 7)
    assert torch.equal(*same)
    assert not torch.equal(same[0], data.batch(8, 20, 1, 8))
    assert not torch.equal(same[0], data.batch(8, 20, 2, 7))
    assert torch.equal(data.spread(20), data.spread(20))
