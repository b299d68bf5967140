"""Texts, as a model and a count of repetitions judge them."""

import math

import pytest
import torch
from transformers import GPT2LMHeadModel

from animetools.errors import FatalError, ItemError
from animetools.text.judging.likelihood import Likelihood
from animetools.text.judging.words import novelty
from tests.text.small_models import TOKENIZER, ready, small


def plainly(model: GPT2LMHeadModel, text: str) -> float:
    """The mean log-likelihood, a token at a time."""
    tokens = [TOKENIZER.eos_token_id, *TOKENIZER(text).input_ids]
    total = 0.0
    with torch.inference_mode():
        for n in range(1, len(tokens)):
            logits = model(input_ids=torch.tensor([tokens[:n]])).logits[0, -1].double()
            total += float(logits.log_softmax(0)[tokens[n]])
    return total / (len(tokens) - 1)


@pytest.mark.parametrize("text", ["a", "Title 5|The story of number 5", "x y z"])
def test_likelihood_is_the_mean_over_all_tokens(text: str) -> None:
    model = small().eval()
    found = Likelihood(ready(model))(text)
    assert found == pytest.approx(plainly(model, text), abs=1e-5)


def test_text_longer_than_the_context_is_read_in_parts() -> None:
    model = small().eval()
    tokens = TOKENIZER("The story of number 7, who counts to 49. " * 20).input_ids
    text = TOKENIZER.decode(tokens)
    assert len(tokens) > 2 * 64
    parts = [tokens[n : n + 63] for n in range(0, len(tokens), 63)]
    expected = sum(len(part) * plainly(model, TOKENIZER.decode(part)) for part in parts)
    found = Likelihood(ready(model))(text)
    assert found == pytest.approx(expected / len(tokens), abs=1e-4)


def test_model_that_has_learnt_a_text_likes_it_better_than_its_words_shuffled() -> None:
    torch.manual_seed(1)
    model = small(64)
    ids = torch.tensor([TOKENIZER("the story of a girl who finds a sword").input_ids])
    adam = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(30):
        adam.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        adam.step()
    score = Likelihood(ready(model))
    learnt = score("the story of a girl who finds a sword")
    assert learnt > score("sword a finds who girl a of story the") + 1


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(ItemError):
        Likelihood(ready(small()))("")
    broken = small().eval()
    broken.transformer.wte.weight.data[:] = math.nan
    with pytest.raises(FatalError, match="nan"):
        Likelihood(ready(broken))("text")


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 1),
        ("one two three", 1),
        ("one two three four five", 1),
        ("a b c d a b c d", 4 / 5),
        ("go " * 10, 1 / 7),
        ("Go, go! GO go. go", 1 / 2),
    ],
)
def test_novelty_is_the_share_of_runs_that_are_new(text: str, share: float) -> None:
    assert novelty(text) == pytest.approx(share)
