"""Texts from a service that speaks OpenAI's protocol, asked for patiently and within a budget."""

import asyncio
import json
import random
import re
import threading
import time
import warnings
import zlib
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from animetools.errors import Advice, FatalError, ItemError, PassedOver
from animetools.text.address import KEY, Address
from animetools.text.budget import Budget, Limits, Spent

LATER = {408, 409, 425, 429}  # and all from 500 on: what may be well another time
LEAST_BYTES = 1 << 20  # that any answer may have
TOKEN_BYTES = 64  # of a token in JSON, more than any has on average
LONGEST_REASON = 200  # characters
MOST_TOKENS = 1 << 32  # that an answer can tell of


@dataclass(frozen=True)
class Request:
    """What is asked for besides the prompt and the seed."""

    model: str
    temperature: float
    top_p: float
    max_tokens: int


@dataclass(frozen=True)
class Patience:
    """How long one request may take, and how often and how patiently it is made again."""

    timeout: float = 120.0  # seconds, from the first byte to the last
    tries: int = 8
    first: float = 1.0  # seconds, doubled from try to try
    longest: float = 60.0
    pause: float = 3600.0  # the longest that a service may ask for
    failures: int = 16  # texts in a row


@dataclass(frozen=True)
class _Answer:
    text: str
    usage: tuple[int, int] | None  # tokens read and written


class _Again(Exception):  # noqa: N818  it is no error yet
    """A request came to nothing, but may be well another time."""

    def __init__(self, reason: str, *, paid: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.paid = paid  # whether it may have cost money
        self.wait = wait  # seconds that the service asks for


class Service:
    """A service that writes texts: a Source, for any number of threads.

    Once no more can be had, `trouble` says why: what is not yet asked for is passed over, and what
    is on its way still comes, since it is paid for.
    """

    at_once = 8

    def __init__(
        self,
        address: Address,
        request: Request,
        limits: Limits,
        key: str = "",
        patience: Patience | None = None,
    ) -> None:
        """`key` is a person's secret, and is told to nobody but the service.

        Raises FatalError if it cannot be one.
        """
        if not re.fullmatch(r"[!-~]*", key):
            raise FatalError(f"{KEY} is no key: it has blanks, or other than ASCII letters")
        self.address = address
        self.request = request
        self.key = key
        self.patience = patience or Patience()
        self.most_bytes = LEAST_BYTES + TOKEN_BYTES * request.max_tokens
        self.budget = Budget(limits)
        self.trouble = ""
        self.over = asyncio.Event()
        self.resumes = 0.0  # when the service wants to be asked again, in the loop's time
        self.answered = self.failed_in_a_row = 0
        self.said: set[str] = set()
        self.client = self._client()
        if key and address.is_open:
            self._say("open", f"the key goes to {address.host} unencrypted: https:// would hide it")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def write(self, prompt: str, seed: int, attempt: int) -> str:
        """The text that the service gives; it is told a seed of its own for every attempt.

        Raises ItemError if this text cannot be had, PassedOver if none can any more.
        """
        text: str = self._run(self._write(prompt, seed, attempt)).result()
        return text

    def close(self) -> None:
        """No more texts are asked for.

        Raises FatalError with what ended it, if anything did.
        """
        self._run(self.client.aclose()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        if self.trouble:
            raise FatalError(self.trouble)

    def _client(self) -> httpx2.AsyncClient:
        try:
            client = httpx2.AsyncClient(
                headers={"authorization": f"Bearer {self.key}"} if self.key else {},
                timeout=None,  # it has ours, for the whole of a request
                limits=httpx2.Limits(max_connections=None),
            )
            client.build_request("POST", self.address.url)
        except (
            ImportError,
            ValueError,
            httpx2.InvalidURL,
        ) as why:  # proxies are in the environment
            raise FatalError(f"{self.address.shown} cannot be asked: {self._clean(why)}") from why
        return client

    def _run(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def _write(self, prompt: str, seed: int, attempt: int) -> str:
        worst = self.budget.limits.worst(prompt, self.request.max_tokens)
        body = self._body(prompt, seed, attempt)
        try:
            answer = await self._answer(body, worst)
        except Spent as why:
            self._end(f"{why}: the same line goes on where this ended")
        except FatalError as why:
            self._end(str(why))
        except ItemError as why:
            self.failed_in_a_row += 1
            if self.failed_in_a_row >= self.patience.failures:
                self._end(f"{self.failed_in_a_row} texts in a row failed: {why}")
            raise
        else:
            self.answered += 1
            self.failed_in_a_row = 0
            return answer.text
        raise PassedOver("not asked for")

    async def _answer(self, body: bytes, worst: float) -> _Answer:
        """The answer to a request, made as often as patience allows."""
        reason = ""
        for tried in range(self.patience.tries):
            await self._until_resumed()
            await self.budget.take(worst)
            cost = worst  # unless we learn better
            try:
                answer = await self._ask(body)
                if answer.usage:
                    cost = self.budget.limits.cost(*answer.usage)
                elif self.budget.limits.max_cost is not None:
                    self._say(
                        "usage", "answers do not tell their tokens: each counts as the dearest"
                    )
                return answer
            except _Again as why:
                reason = str(why)
                cost = worst if why.paid else 0.0
                wait = why.wait
            except (FatalError, ItemError):
                cost = 0.0
                raise
            finally:
                await self.budget.settle(worst, cost)
            self._say("again", f"{self.address.host} {reason}: it is asked again")
            if wait is not None:
                self._pause(wait)
            elif tried + 1 < self.patience.tries:
                longest = min(self.patience.first * 2**tried, self.patience.longest)
                await self._sleep(random.uniform(0, longest))
        sentence = f"{self.address.host} {reason}, {self.patience.tries} times"
        raise ItemError(sentence) if self.answered else FatalError(sentence)

    def _body(self, prompt: str, seed: int, attempt: int) -> bytes:
        told = self.request
        if attempt:  # 32 bits, as of any seed: more are cut by some services
            seed = zlib.crc32(f"{seed} {attempt}".encode())
        asked: dict[str, Any] = {"prompt": prompt}
        if self.address.is_chat:
            asked = {"messages": [{"role": "user", "content": prompt}]}
        asked |= {"model": told.model, "temperature": told.temperature, "top_p": told.top_p}
        return json.dumps(
            asked | {"max_tokens": told.max_tokens, "seed": seed, "stream": False}
        ).encode()

    async def _ask(self, body: bytes) -> _Answer:
        """One request.

        Raises _Again, FatalError, ItemError.
        """
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        try:
            async with (
                asyncio.timeout(self.patience.timeout),
                self.client.stream(
                    "POST", self.address.url, content=body, headers=headers
                ) as response,
            ):
                data = bytearray()
                async for some in response.aiter_raw():  # as it comes: a bomb is not unpacked
                    data += some
                    if len(data) > self.most_bytes:
                        raise _Again(f"sends more than {self.most_bytes} bytes", paid=True)
        except TimeoutError:
            raise _Again(f"takes longer than {self.patience.timeout:g} s", paid=True) from None
        except (httpx2.ConnectError, httpx2.ProxyError) as why:
            raise _Again(f"cannot be reached ({self._clean(why)})", paid=False) from why
        except httpx2.TransportError as why:
            raise _Again(f"breaks off ({self._clean(why)})", paid=True) from why
        if response.status_code != 200:
            raise self._refusal(response, _parsed(data))
        answer = _parsed(data)
        if "error" in answer:
            raise _Again(f"says: {self._message(answer)}", paid=True)
        text = _text(answer, self.address.is_chat)
        if text is None:
            raise _Again("sends no answer that has a text", paid=True)
        return _Answer(text, _usage(answer))

    def _refusal(self, response: httpx2.Response, answer: dict[str, Any]) -> Exception:
        """What an answer that is no text means for the run."""
        status, host = response.status_code, self.address.host
        said = self._message(answer) or f"status {status} {response.reason_phrase}".rstrip()
        if status == 401 and not self.key:
            return FatalError(f"{host} wants a key: put it into {KEY}")
        if status in (401, 403):
            return FatalError(f"{host} does not take the key of {KEY}: {said}")
        if status in (402, 404, 405) or _code(answer) == "insufficient_quota":
            return FatalError(f"{self.address.shown}: {said}")
        if 300 <= status < 400:
            where = self._clean(response.headers.get("location", "elsewhere"))
            return FatalError(f"{self.address.shown} sends us on to {where}: give that as --api")
        if status in LATER or status >= 500:
            wait = _seconds(response.headers.get("retry-after", ""))
            if wait is not None and wait > self.patience.pause:
                return FatalError(f"{host} wants to be left alone for {wait / 3600:.1f} h: {said}")
            return _Again(f"says: {said}", paid=False, wait=wait)
        return ItemError(f"{host} says: {said}")

    def _message(self, answer: dict[str, Any]) -> str:
        """What an answer says of an error; different servers have different places for it."""
        error = answer.get("error", answer.get("detail", answer.get("message", "")))
        if isinstance(error, dict):
            error = error.get("message", "")
        return self._clean(error) if isinstance(error, str) else ""

    def _clean(self, what: object) -> str:
        """Words of others, on one line, not for ever, and without the key."""
        text = " ".join(str(what).split())
        if self.key:
            text = text.replace(self.key, "***")
        return text[:LONGEST_REASON].rstrip(".")

    def _end(self, why: str) -> None:
        self.trouble = self.trouble or why
        self.over.set()

    def _pause(self, seconds: float) -> None:
        """Nobody asks before the time is over that the service wants."""
        self.resumes = max(self.resumes, self.loop.time() + seconds)

    async def _until_resumed(self) -> None:
        while (left := self.resumes - self.loop.time()) > 0:
            await self._sleep(left + random.uniform(0, self.patience.first))
        if self.trouble:
            raise PassedOver("not asked for")

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not longer than the run goes on."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)
            raise PassedOver("not asked for")

    def _say(self, kind: str, text: str) -> None:
        """Tell a person of the first of its kind."""
        if kind not in self.said:
            self.said.add(kind)
            warnings.warn(text, Advice, stacklevel=1)


def _parsed(data: bytes | bytearray) -> dict[str, Any]:
    """The object that an answer is; an empty one for anything else."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _text(answer: dict[str, Any], is_chat: bool) -> str | None:
    """The text of an answer, in whole characters; None if there is none."""
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"] if is_chat else choice["text"]
    except (LookupError, TypeError):
        return None
    if text is None:
        return ""  # a refusal
    return text.encode(errors="replace").decode() if isinstance(text, str) else None


def _usage(answer: dict[str, Any]) -> tuple[int, int] | None:
    """Tokens read and written, where an answer tells both."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts):
        return counts  # type: ignore[return-value]
    return None


def _code(answer: dict[str, Any]) -> object:
    error = answer.get("error")
    return error.get("code") or error.get("type") if isinstance(error, dict) else None


def _seconds(text: str) -> float | None:
    """What Retry-After says, in seconds from now or as a date (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"\d+(\.\d+)?", text.strip(), re.ASCII):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
