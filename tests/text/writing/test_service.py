"""Services: a proper one, and broken ones."""

import gzip
import json
import threading
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from animetools.errors import Advice, FatalError, ItemError, PassedOver
from animetools.text.writing.address import Address
from animetools.text.writing.budget import Limits
from animetools.text.writing.protocol import Request
from animetools.text.writing.service import Patience, Service
from tests.text.servers import Asked, Served, serving

KEY = "sk-secret-of-the-tests"
HASTY = Patience(timeout=1.0, tries=4, first=0.01, longest=0.02, failures=3, scout=1.0)
PRICED = {"prompt_tokens": 10, "completion_tokens": 20}


@contextmanager
def service(
    url: str, limits: Limits | None = None, patience: Patience = HASTY, key: str = KEY
) -> Iterator[Service]:
    """A service at an address; what it warns of is nobody's business here."""
    request = Request("m", 0.95, 0.98, 700)
    made = Service(Address.parse(url), request, limits or Limits(), key, patience)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Advice)
        try:
            yield made
        finally:
            with suppress(FatalError):
                made.close()


def trouble_of(it: Service) -> str:
    """Why no text can be had."""
    with pytest.raises(PassedOver):
        it.write("", 1, 0)
    return it.trouble


def first(wrong: Callable[[Asked], None], count: int = 1) -> Callable[[Asked], None]:
    """Behave so a few times, and then well."""
    return lambda asked: wrong(asked) if asked.number < count else asked.say("well")


def stuck(served: Served, asked: Asked, data: bytes) -> None:
    """Send some of an answer, and then nothing."""
    asked.send(200, data, {"Content-Length": "100000"})
    served.gone.wait(10)


def test_completion_is_asked_for_with_model_settings_and_seed() -> None:
    with serving(lambda asked: asked.say(" goes on")) as served, service(served.url) as it:
        assert it.write("It", 5, 0) == " goes on"
    (asked,) = served.asked
    assert asked.path == "/v1/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        **{"model": "m", "prompt": "It", "temperature": 0.95, "top_p": 0.98},
        **{"max_tokens": 700, "seed": 5, "stream": False},
    }


def test_chat_is_asked_where_the_address_says_so() -> None:
    with (
        serving(lambda asked: asked.say("Hello")) as served,
        service(f"{served.root}/v1/chat/completions?version=2", key="") as it,
    ):
        assert it.write("Say", 1, 0) == "Hello"
    (asked,) = served.asked
    assert asked.path == "/v1/chat/completions?version=2"
    assert asked.body["messages"] == [{"role": "user", "content": "Say"}]
    assert "prompt" not in asked.body and "authorization" not in asked.headers


def test_every_attempt_has_a_seed_of_its_own() -> None:
    with serving(lambda asked: asked.say("x")) as served, service(served.url) as it:
        for attempt in (0, 1, 2, 0):
            it.write("", 7, attempt)
    seeds = [asked.body["seed"] for asked in served.asked]
    assert seeds[0] == seeds[3] == 7
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 1 << 32 for seed in seeds)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_busy_service_is_asked_again(status: int) -> None:
    busy = first(lambda asked: asked.send(status, b"{}"), 2)
    with serving(busy) as served, service(served.url) as it:
        assert it.write("", 1, 0) == "well"
    assert len(served.asked) == 3


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": {"0": 1}}',
        b'{"choices": [{"text": 5}]}',
        b'{"choices": [{"text": ["a"]}]}',
        b'{"error": {"message": "overloaded"}}',
        b'{"n": ' + b"9" * 10_000 + b"}",
        gzip.compress(b" " * (1 << 26)),
    ],
)
def test_answer_without_a_text_is_asked_for_again(data: bytes) -> None:
    with serving(first(lambda asked: asked.send(200, data))) as served, service(served.url) as it:
        assert it.write("", 1, 0) == "well"


def test_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b'{"choices": [{"text": "' + b"a" * (1 << 25) + b'"}]}')
    wrong = first(lambda asked: asked.send(200, bomb, {"Content-Encoding": "gzip"}))
    tracemalloc.start()
    try:
        with serving(wrong) as served, service(served.url) as it:
            assert it.write("", 1, 0) == "well"
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_half_an_answer_is_asked_for_again() -> None:
    def half(asked: Asked) -> None:
        asked.send(200, b'{"choices": [{"text": "half', {"Content-Length": "100"})
        asked.handler.close_connection = True

    with serving(first(half)) as served, service(served.url) as it:
        assert it.write("", 1, 0) == "well"


def test_slow_answer_is_given_up() -> None:
    def slow(asked: Asked) -> None:
        stuck(served, asked, b"{") if asked.number == 0 else asked.say("well")

    with serving(slow) as served, service(served.url) as it:
        began = time.monotonic()
        assert it.write("", 1, 0) == "well"
        assert time.monotonic() - began >= HASTY.timeout


@pytest.mark.parametrize("where", ["head", "body"])
def test_answer_that_comes_in_drops_is_given_up(where: str) -> None:
    def drip(asked: Asked) -> None:
        wfile = asked.handler.wfile
        wfile.write(b"HTTP/1.1 200 OK\r\nX: " + (b"" if where == "head" else b"x\r\n\r\n"))
        while not served.gone.wait(0.05):
            wfile.write(b"x")
            wfile.flush()

    with serving(first(drip)) as served, service(served.url) as it:
        began = time.monotonic()
        assert it.write("", 1, 0) == "well"
        assert HASTY.timeout <= time.monotonic() - began < 9


def test_endless_answer_is_cut_off() -> None:
    def endless(asked: Asked) -> None:
        asked.handler.send_response(200)
        asked.handler.end_headers()
        while not served.gone.is_set():
            asked.handler.wfile.write(b" " * 65536)

    with serving(first(endless)) as served, service(served.url) as it:
        assert it.write("", 1, 0) == "well"


def test_text_keeps_nul_and_loses_half_characters() -> None:
    data = b'{"choices": [{"text": "a\\u0000b\\ud800c\\ud83d\\ude00"}]}'
    with serving(lambda asked: asked.send(200, data)) as served, service(served.url) as it:
        assert it.write("", 1, 0) == "a\0b?c\U0001f600"


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"message": {"content": None, "refusal": "I will not."}}, "refuses: I will not"),
        ({"message": {"refusal": "I will not."}}, "refuses: I will not"),
        ({"message": {"content": ""}, "finish_reason": "content_filter"}, "withholds the text"),
        ({"message": {"content": None}, "finish_reason": "SAFETY"}, "withholds the text"),
        (
            {"message": {"content": None}, "finish_reason": "tool_calls"},
            r"without a text \(tool_calls\)",
        ),
    ],
)
def test_what_a_service_will_not_write_is_said_and_paid(choice: Any, said: str) -> None:
    data = json.dumps({"choices": [choice], "usage": PRICED}).encode()
    limits = Limits(max_cost=1, price_in=1, price_out=2)
    with (
        serving(lambda asked: asked.send(200, data)) as served,
        service(f"{served.root}/v1/chat/completions", limits) as it,
    ):
        with pytest.raises(ItemError, match=said):
            it.write("", 1, 0)
        assert not it.trouble and len(served.asked) == 1
        assert it.budget.spent == pytest.approx(50e-6)


@pytest.mark.parametrize("content", [None, "", "<think>A story of", [{"type": "thinking"}]])
def test_tokens_used_up_by_thoughts_end_the_run(content: Any) -> None:
    message = {"content": content, "reasoning_content": "A story of"}
    answer = {"choices": [{"message": message, "finish_reason": "length"}]}

    def behave(asked: Asked) -> None:
        asked.say("well") if asked.prompt == "good" else asked.send(
            200, json.dumps(answer).encode()
        )

    with serving(behave) as served, service(f"{served.root}/v1/chat/completions") as it:
        assert it.write("good", 1, 0) == "well"
        with pytest.raises(ItemError, match="spent all --max-tokens before it wrote any text"):
            it.write("bad", 2, 0)
        assert not it.trouble
    with serving(behave) as served, service(f"{served.root}/v1/chat/completions") as it:
        assert "spent all --max-tokens before" in trouble_of(it)
        assert len(served.asked) == 1


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "A "}, {"type": "text", "text": "cat."}], "A cat."),
        ([{"type": "thinking", "text": "Hm."}, {"type": "text", "text": "A cat."}], "A cat."),
        ("<think>\nCats?\n</think>\n\nA cat.", "A cat."),
        ("Cats?</think>A cat.", "A cat."),
        ("<thinking>Cats?</thinking><think>Or dogs?</think> A cat.", "A cat."),
        ("Write of it. A cat.", " A cat."),
        (" A cat. ", " A cat. "),
    ],
)
def test_thoughts_and_the_prompt_are_no_text(content: Any, text: str) -> None:
    data = json.dumps({"choices": [{"message": {"content": content}}], "error": None}).encode()
    with (
        serving(lambda asked: asked.send(200, data)) as served,
        service(f"{served.root}/v1/chat/completions") as it,
    ):
        assert it.write("Write of it.", 1, 0) == text


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_answers_are_unpacked(pack: Callable[[bytes], bytes]) -> None:
    name = "gzip" if pack is gzip.compress else "deflate"
    data = pack(b'{"choices": [{"text": "well"}]}')
    with (
        serving(lambda asked: asked.send(200, data, {"Content-Encoding": name})) as served,
        service(served.url) as it,
    ):
        assert it.write("", 1, 0) == "well"


def events(*made: Any, end: str = "\n\n") -> bytes:
    """A stream of server-sent events."""
    return "".join(
        f"data: {each if isinstance(each, str) else json.dumps(each)}{end}" for each in made
    ).encode()


def piece(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_an_answer_that_is_streamed_unasked_is_read(end: str) -> None:
    data = b": waiting\n\nevent: message\n" + events(
        piece(role="assistant"), piece(reasoning_content="Hm."), piece(content="A "),
        piece(content="cat."), {"choices": [], "usage": PRICED}, "[DONE]", end=end,
    )  # fmt: skip
    limits = Limits(max_cost=1, price_in=1, price_out=2)
    with (
        serving(lambda asked: asked.send(200, data)) as served,
        service(f"{served.root}/v1/chat/completions", limits) as it,
    ):
        assert it.write("", 1, 0) == "A cat."
        assert it.budget.spent == pytest.approx(50e-6)


@pytest.mark.parametrize(
    "data",
    [
        events(piece(content="half a")),
        events(piece(content="half a"), {"error": {"message": "overloaded"}}),
        events("[DONE]")[:8],
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_half_a_stream_is_asked_for_again(data: bytes) -> None:
    with (
        serving(first(lambda asked: asked.send(200, data))) as served,
        service(f"{served.root}/v1/chat/completions") as it,
    ):
        assert it.write("", 1, 0) == "well"


def unsupported(name: str, message: str = "", param: str | None = None) -> bytes:
    """What OpenAI says of a parameter."""
    said = message or f"Unsupported parameter: '{name}' is not supported with this model."
    return json.dumps({"error": {"message": said, "param": param or name}}).encode()


EXTRA = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "x", "input": {"top_p": 1}}


@pytest.mark.parametrize(
    ("name", "status", "data", "renamed"),
    [
        ("max_tokens", 400, unsupported("max_tokens"), "max_completion_tokens"),
        ("temperature", 400, unsupported("temperature"), ""),
        ("top_p", 400, b'{"error": "`temperature` and `top_p` cannot both be specified"}', ""),
        ("seed", 422, json.dumps({"detail": [EXTRA]}).encode(), ""),
        ("seed", 422, json.dumps({"message": {"detail": [EXTRA]}}).encode(), ""),
        ("seed", 400, b"Unrecognized request argument supplied: seed", ""),
        ("seed", 400, b'[{"error": {"message": "Unknown name \\"seed\\": no field"}}]', ""),
        ("stop", 400, unsupported("stop"), ""),
        ("seed", 400, b"'seed' is not a valid parameter for this model", ""),
        ("seed", 400, b"unknown field `seed`, expected one of `max_tokens`, `top_p`", ""),
        ("temperature", 400, b"`temperature` may only be set to 1 when thinking is enabled", ""),
        (
            "max_tokens",
            400,
            unsupported("max_tokens", "max_tokens is invalid: use max_completion_tokens"),
            "max_completion_tokens",
        ),
        (
            "max_tokens",
            400,
            unsupported("", "Missing required parameter: 'max_completion_tokens'."),
            "max_completion_tokens",
        ),
    ],
)
def test_what_a_service_does_not_take_is_left_out_once_for_all(
    name: str, status: int, data: bytes, renamed: str
) -> None:
    def behave(asked: Asked) -> None:
        asked.send(status, data) if name in asked.body else asked.say("well, stop here")

    request = Request("m", 0.95, 0.98, 700, stop=" here")
    with serving(behave) as served, ThreadPoolExecutor(8) as pool:
        it = Service(Address.parse(served.url), request, Limits(max_requests=9), KEY, HASTY)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            texts = list(pool.map(lambda seed: it.write("It is", seed, 0), range(8)))
            it.close()
    assert texts == ["well, stop"] * 8
    assert len(served.asked) == 9
    assert [str(each.message) for each in told] == [
        f"127.0.0.1 does not support {name}: "
        + (f"{renamed} is sent instead" if renamed else "it is left out")
    ]
    assert not renamed or served.asked[-1].body[renamed] == 700


def test_a_service_may_not_take_several() -> None:
    def behave(asked: Asked) -> None:
        for name in ("max_tokens", "max_completion_tokens", "temperature", "seed"):
            if name in asked.body:
                asked.send(400, unsupported(name))
                return
        asked.say("well")

    with serving(behave) as served, service(served.url) as it:
        assert [it.write("", seed, 0) for seed in range(3)] == ["well"] * 3
        assert len(served.asked) == 7
    limits = Limits(max_cost=1, price_in=1, price_out=2)
    with serving(behave) as served, service(served.url, limits) as it:
        assert "does not support max_tokens, so --max-cost cannot be kept" in trouble_of(it)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("max_tokens is too large: 700. This model supports at most 600.", "max_tokens"),
        ("'max_tokens' is too large; the maximum context length is 600 tokens", None),
        ("Invalid 'temperature': expected a value <= 0.5, but got 0.95 instead.", "temperature"),
        ("The model `m` does not exist", "model"),
        ("maximum context length is 600 tokens, you requested 700", "messages"),
    ],
)
def test_a_value_that_is_refused_ends_the_run_at_once(message: str, param: str | None) -> None:
    data = json.dumps({"error": {"message": message, "param": param}}).encode()
    request = Request("m", 0.95, 0.98, 700, one_prompt=True)
    with serving(lambda asked: asked.send(400, data)) as served, ThreadPoolExecutor(8) as pool:
        it = Service(Address.parse(served.url), request, Limits(), KEY, HASTY)
        done = [pool.submit(it.write, "", seed, 0) for seed in range(8)]
        assert all(isinstance(each.exception(), PassedOver) for each in done)
        with pytest.raises(FatalError) as caught:
            it.close()
    assert str(caught.value) == f"127.0.0.1 says: {message.rstrip('.')}"
    assert len(served.asked) == 1


def test_a_system_and_other_parameters_are_sent() -> None:
    others = {
        "reasoning_effort": "low",
        "stream": True,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    request = Request("m", 1, 1, 9, "Be short.", "END", others)
    with serving(lambda asked: asked.say("well")) as served:
        url = f"{served.root}/v1/chat/completions"
        it = Service(Address.parse(url), request, Limits(), KEY, HASTY)
        assert it.write("Go.", 1, 0) == "well"
        it.close()
    (asked,) = served.asked
    assert asked.body["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Go."},
    ]
    assert asked.body["stop"] == ["END"] and asked.body["stream"] is True
    assert others.items() <= asked.body.items()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"error": {"message": "temperature: range: 0..1"}}, "temperature: range: 0..1"),
        ({"error": "`temperature` must be positive"}, "`temperature` must be positive"),
        ([{"error": {"message": "m is not a valid model ID"}}], "m is not a valid model ID"),
        ("max_tokens: invalid type", "status 422 Unprocessable Content: max_tokens: invalid type"),
    ],
)
def test_what_is_refused_of_any_prompt_ends_the_run_at_once(data: Any, said: str) -> None:
    sent = data.encode() if isinstance(data, str) else json.dumps(data).encode()
    with serving(lambda asked: asked.send(422, sent)) as served, service(served.url) as it:
        assert trouble_of(it) == f"127.0.0.1 says: {said}"
        assert len(served.asked) == 1


def test_what_a_server_repeats_of_a_request_is_not_refused() -> None:
    detail = {"loc": ["body"], "msg": "unknown model", "input": {"temperature": 1, "seed": 2}}
    data = json.dumps({"detail": [detail]}).encode()
    with serving(lambda asked: asked.send(422, data)) as served, service(served.url) as it:
        with pytest.raises(ItemError):
            it.write("", 1, 0)
        assert len(served.asked) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_heeded_by_all(as_date: bool) -> None:
    times: list[float] = []

    def limited(asked: Asked) -> None:
        times.append(time.monotonic())
        if asked.number:
            asked.say("well")
            return
        later = datetime.now(UTC) + timedelta(seconds=2)  # a date has whole seconds
        after = format_datetime(later, usegmt=True) if as_date else "1"
        asked.send(429, b"{}", {"Retry-After": after})

    with serving(limited) as served, service(served.url) as it, ThreadPoolExecutor(4) as pool:
        one = pool.submit(it.write, "", 1, 0)
        while not it.resumes:
            time.sleep(0.01)
        others = [pool.submit(it.write, "", seed, 0) for seed in (2, 3, 4)]
        assert [each.result() for each in (one, *others)] == ["well"] * 4
    assert min(times[1:]) - times[0] >= 0.9


@pytest.mark.parametrize(
    "after", ["soon", "-5", "nan", "Mon, 99 Foo 2026", "Wed, 21 Oct 2015 07:28:00 GMT", "\u0663"]
)
def test_strange_retry_after_does_not_stop_us(after: str) -> None:
    wrong = first(
        lambda asked: asked.send(429, b"{}", {"Retry-After": after.encode().decode("latin-1")})
    )
    with serving(wrong) as served, service(served.url) as it:
        assert it.write("", 1, 0) == "well"


@pytest.mark.parametrize("after", ["86400", "9" * 400])
def test_long_retry_after_ends_the_run(after: str) -> None:
    wrong = lambda asked: asked.send(429, b"{}", {"Retry-After": after})  # noqa: E731
    with serving(wrong) as served, service(served.url) as it:
        assert "asks to wait for" in trouble_of(it)


@pytest.mark.parametrize(
    ("status", "key", "said"),
    [
        (401, "", "127.0.0.1 requires a key: put it into OPENAI_API_KEY"),
        (401, KEY, "127.0.0.1 refused the key in OPENAI_API_KEY: Bad key: ***"),
        (403, KEY, "127.0.0.1 refused the key in OPENAI_API_KEY: Bad key: ***"),
        (402, KEY, "/v1/completions: Bad key: ***"),
        (404, KEY, "/v1/completions: Bad key: ***"),
    ],
)
def test_what_can_never_be_well_ends_the_run(status: int, key: str, said: str) -> None:
    data = json.dumps({"error": {"message": f"Bad\nkey: {KEY}."}}).encode()
    with (
        serving(lambda asked: asked.send(status, data)) as served,
        service(served.url, key=key) as it,
    ):
        assert trouble_of(it).endswith(said)
    assert len(served.asked) == 1


def test_end_tells_the_trouble() -> None:
    with serving(lambda asked: asked.send(404, b"{}")) as served:
        it = Service(Address.parse(served.url), Request("m", 1, 1, 1), Limits())
        with pytest.raises(PassedOver):
            it.write("", 1, 0)
        with pytest.raises(FatalError, match=r"status 404 Not Found$"):
            it.close()


def test_empty_account_ends_the_run_though_its_status_is_429() -> None:
    data = b'{"error": {"code": "insufficient_quota", "message": "You are broke"}}'
    with (
        serving(lambda asked: asked.send(429, data)) as served,
        service(served.url) as it,
    ):
        assert trouble_of(it).endswith("You are broke")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirection_is_told_and_not_followed(status: int) -> None:
    with serving(lambda asked: asked.say("mine now")) as thief:
        to = {"Location": thief.url}
        with (
            serving(lambda asked: asked.send(status, b"", to)) as served,
            service(served.url) as it,
        ):
            assert trouble_of(it).endswith(f"redirects to {thief.url}: give that as --api")
    assert not thief.asked


def test_one_prompt_that_is_refused_is_one_error() -> None:
    def picky(asked: Asked) -> None:
        if asked.prompt == "bad":
            asked.send(400, b'{"error": {"message": "too long"}}')
        else:
            asked.say("well")

    with serving(picky) as served, service(served.url) as it:
        with pytest.raises(ItemError, match=r"^127\.0\.0\.1 says: too long$"):
            it.write("bad", 1, 0)
        assert it.write("good", 2, 0) == "well"
    assert len(served.asked) == 2


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "API key not valid. Please pass a valid API key."),
        (400, "Your credit balance is too low: go to Plans & Billing"),
        (400, "organization has been disabled"),
        (413, "Request Entity Too Large"),
        (415, "Unsupported Media Type"),
    ],
)
def test_a_refusal_of_the_account_or_the_request_ends_the_run_at_once(
    status: int, message: str
) -> None:
    data = json.dumps({"error": {"message": message}}).encode()

    def behave(asked: Asked) -> None:
        asked.say("well") if asked.prompt == "good" else asked.send(status, data)

    with serving(behave) as served, service(served.url) as it:
        assert trouble_of(it) == f"127.0.0.1 says: {message.rstrip('.')}"
        assert len(served.asked) == 1
    with serving(behave) as served, service(served.url) as it:
        assert it.write("good", 1, 0) == "well"
        with pytest.raises(ItemError):  # what worked before may work again
            it.write("bad", 2, 0)
        assert not it.trouble


@pytest.mark.parametrize(
    "message",
    ["flagged by our policy; repeated violations may lead to suspension of your account", "no"],
)
def test_a_refusal_that_may_be_the_prompts_fails_one_text(message: str) -> None:
    data = json.dumps({"error": {"message": message}}).encode()
    with serving(lambda asked: asked.send(400, data)) as served, service(served.url) as it:
        with pytest.raises(ItemError):
            it.write("bad", 1, 0)
        assert not it.trouble


def test_many_failures_in_a_row_end_the_run() -> None:
    with serving(lambda asked: asked.send(400, b"{}")) as served, service(served.url) as it:
        for seed in range(HASTY.failures):
            with pytest.raises(ItemError):
                it.write("", seed, 0)
        assert it.trouble.startswith("3 texts in a row failed: 127.0.0.1 says: status 400")


def test_service_that_is_not_there_ends_the_run() -> None:
    with serving(lambda asked: None) as served:
        pass
    with service(served.url) as it:
        said = trouble_of(it)
        assert "cannot be reached" in said and said.endswith("(4 tries)")


def test_flaky_service_loses_a_text_and_goes_on() -> None:
    def flaky(asked: Asked) -> None:
        asked.say("well") if asked.prompt == "good" else asked.send(500, b"oops")

    with serving(flaky) as served, service(served.url) as it:
        assert it.write("good", 1, 0) == "well"
        with pytest.raises(ItemError, match=r"status 500 Internal Server Error: oops \(4 tries\)"):
            it.write("bad", 2, 0)
        assert it.write("good", 3, 0) == "well"
        assert not it.trouble


def test_requests_are_counted_with_those_that_failed() -> None:
    busy = first(lambda asked: asked.send(500, b"{}"), 2)
    with serving(busy) as served, service(served.url, Limits(max_requests=4)) as it:
        assert [it.write("", seed, 0) for seed in (1, 2)] == ["well", "well"]
        with pytest.raises(PassedOver):
            it.write("", 3, 0)
        assert it.trouble.startswith("--max-requests 4 is used up: ")
    assert len(served.asked) == 4


def test_what_is_on_its_way_comes_when_the_requests_are_used_up() -> None:
    arrived, go = threading.Barrier(5, timeout=30), threading.Event()

    def slow(asked: Asked) -> None:
        arrived.wait()
        go.wait(30)
        asked.say("well")

    with (
        serving(slow) as served,
        service(served.url, Limits(max_requests=4), Patience()) as it,
        ThreadPoolExecutor(5) as pool,
    ):
        texts = [pool.submit(it.write, "", seed, 0) for seed in range(4)]
        arrived.wait()
        with pytest.raises(PassedOver):
            it.write("", 4, 0)
        go.set()
        assert [each.result() for each in texts] == ["well"] * 4


def test_cost_never_passes_its_limit() -> None:
    # a prompt of 36 bytes and 64 tokens around it at 1 and 700 tokens at 2: 1500 millionths
    limits = Limits(max_cost=0.002, price_in=1, price_out=2)
    with (
        serving(lambda asked: asked.say("well", PRICED)) as served,
        service(served.url, limits) as it,
        ThreadPoolExecutor(8) as pool,
    ):
        texts = [pool.submit(it.write, "x" * 36, seed, 0) for seed in range(30)]
        done = [each for each in texts if not each.exception()]
    # 50 millionths each: ten leave 1500, an eleventh would not leave enough for a twelfth
    assert len(done) == len(served.asked) == 11
    assert it.budget.spent == pytest.approx(11 * 50e-6)
    assert it.trouble.startswith("--max-cost 0.002 is used up: 0.000550 is spent")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": -5, "completion_tokens": 1},
        {"prompt_tokens": 1.5, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 10**30},
    ],
)
def test_answer_without_usage_costs_as_much_as_it_may(usage: dict[str, object] | None) -> None:
    limits = Limits(max_cost=0.0031, price_in=1, price_out=2)
    with (
        serving(lambda asked: asked.say("well", usage)) as served,
        service(served.url, limits) as it,
    ):
        assert [it.write("x" * 36, seed, 0) for seed in (1, 2)] == ["well"] * 2
        with pytest.raises(PassedOver):
            it.write("x" * 36, 3, 0)
    assert it.budget.spent == pytest.approx(0.003)


def test_lost_answer_costs_and_refused_one_does_not() -> None:
    def behave(asked: Asked) -> None:
        if asked.number == 0:
            asked.send(503, b"{}")
        elif asked.number == 1:
            asked.send(200, b"{")
        else:
            asked.say("well", PRICED)

    limits = Limits(max_cost=1, price_in=1, price_out=2)
    with serving(behave) as served, service(served.url, limits) as it:
        it.write("x" * 36, 1, 0)
    assert it.budget.spent == pytest.approx(0.0015 + 0.00005)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "nul\0"])
def test_key_that_cannot_be_one_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(FatalError) as caught, service("https://localhost/v1/completions", key=key):
        pass
    assert key not in str(caught.value)


def test_key_on_the_open_network_is_warned_of() -> None:
    with pytest.warns(Advice, match=r"the key is sent to example\.org unencrypted"):
        Service(
            Address.parse("http://example.org/v1/completions"), Request("m", 1, 1, 1), Limits(), KEY
        )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000/v1/completions",
        "ftp://localhost/v1/completions",
        "http:///v1/completions",
        "http://localhost:99999/v1/completions",
        "http://[::1/v1/completions",
        "http://localhost/v1",
        "http://localhost/v1/embeddings",
        "http://me:secret@localhost/v1/completions",
        "http://localhost/\n/v1/completions",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(an|the) address ") as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(lambda asked: asked.say("x")) as served, service(served.url) as it:
        it.write("", 1, 0)
    assert served.asked[0].headers["authorization"] == f"Bearer {KEY}"
