"""How a language model learns."""

import pytest
import torch

from animetools.errors import FatalError
from animetools.text.corpus import Document
from animetools.text.learning import tokenizers
from animetools.text.learning.config import TextConfig
from animetools.text.learning.learner import Learner
from animetools.text.learning.tokens import encoded
from tests.text.small_models import TEXTS, TOKENIZER, small

CPU = torch.device("cpu")
DATA, HELD = encoded((Document(text, True) for text in TEXTS), TOKENIZER, 0.1, pairs=True)


def test_the_rate_rises_stays_and_falls() -> None:
    settings = TextConfig(steps=1000, lr=1.0)
    rates = [settings.rate(step) for step in range(1000)]
    assert rates[0] == 0.01
    assert rates[99] == rates[400] == rates[700] == 1
    assert rates == sorted(rates[:700]) + sorted(rates[700:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 300)
    assert TextConfig(steps=1, lr=1.0).rate(0) == 1


def test_it_learns() -> None:
    learner = Learner(small(), TextConfig(steps=60, batch=8, context=24, lr=5e-3), CPU)
    before = learner.validate(HELD)
    losses = [learner.step(DATA) for _ in range(60)]
    after = learner.validate(HELD)
    assert before and after
    assert abs(before - losses[0]) < 0.5
    assert after < before - 2
    assert abs(after - losses[-1]) < 0.5


def test_what_it_remembers_lets_another_go_on_to_the_bit() -> None:
    settings = TextConfig(steps=8, batch=4, context=16)
    whole = Learner(small(dropout=0.1), settings, CPU)
    for _ in range(8):
        whole.step(DATA)
    first = Learner(small(dropout=0.1), settings, CPU)
    for _ in range(5):
        first.step(DATA)
    then = Learner(first.model, settings, CPU)
    then.load({name: value.clone() for name, value in first.state().items()}, 5)
    for _ in range(3):
        then.step(DATA)
    for one, other in zip(whole.model.parameters(), then.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_another_models_state_is_refused() -> None:
    learner = Learner(small(), TextConfig(context=16), CPU)
    learner.step(DATA)
    state = learner.state()
    with pytest.raises(FatalError, match=r"another model \(transformer"):
        Learner(small(width=16), TextConfig(), CPU).load(state, 1)
    with pytest.raises(FatalError, match="another model"):
        learner.load({}, 1)


def test_a_new_tokenizer_keeps_what_both_know() -> None:
    model = small()
    new = tokenizers.trained(["completely other words here"] * 9, 280, 64)
    old_rows = model.get_input_embeddings().weight.detach().clone()
    tokenizers.give(model, TOKENIZER, new)
    rows = model.get_input_embeddings().weight
    assert rows.shape[0] == len(new)
    assert model.get_output_embeddings().weight is rows
    before, after = TOKENIZER.get_vocab(), new.get_vocab()
    both = before.keys() & after.keys()
    assert len(both) > 256
    for word in both:
        assert torch.equal(rows[after[word]], old_rows[before[word]])
    fresh = next(word for word in after if word not in before)
    assert torch.allclose(rows[after[fresh]], old_rows.mean(0))
