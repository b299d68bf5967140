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
from httpx2 import codes

from animetools.errors import Advice, FatalError, ItemError, PassedOver
from animetools.text.writing.address import KEY, Address
from animetools.text.writing.budget import Budget, Limits, Spent
from animetools.text.writing.protocol import (
    LIMIT,
    NEWER_LIMIT,
    Answer,
    Request,
    answer_of,
    blames_prompt,
    code_of,
    message_of,
    parsed,
    refused,
    unpacked,
)

LATER = {408, 409, 425, 429}  # and all from 500 on: what may be well another time
LEAST_BYTES = 1 << 20  # that any answer may have
TOKEN_BYTES = 512  # of a token, where each comes as an event of its own
MOST_BYTES = 1 << 26
LONGEST_REASON = 200  # characters


@dataclass(frozen=True)
class Patience:
    """How long one request may take, and how often and how patiently it is made again."""

    timeout: float = 120.0  # seconds, from the first byte to the last
    tries: int = 8
    first: float = 1.0  # seconds, doubled from try to try
    longest: float = 60.0
    pause: float = 3600.0  # the longest that a service may ask for
    failures: int = 16  # texts in a row
    scout: float = 2.0  # seconds that others wait for the first answer: a refusal comes at once


class _Again(Exception):  # noqa: N818  it is no error yet
    """A request came to nothing, but may be well another time."""

    def __init__(self, reason: str, *, paid: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.paid = paid  # whether it may have cost money
        self.wait = wait  # seconds that the service asks for


class _Changed(Exception):  # noqa: N818  it is no error
    """A service does not take a parameter; the request is to be made again without it."""


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
        self.most_bytes = min(LEAST_BYTES + TOKEN_BYTES * request.max_tokens, MOST_BYTES)
        self.budget = Budget(limits)
        self.trouble = ""
        self.over = asyncio.Event()
        self.names: dict[str, str] = {}  # of parameters that are called otherwise, or left out
        self.is_scouted = asyncio.Event()
        self.has_scout = False
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
        if attempt:  # 32 bits, as of any seed: more are cut by some services
            seed = zlib.crc32(f"{seed} {attempt}".encode())
        try:
            answer = await self._answer(prompt, seed)
            if answer.lack:
                sentence = f"{self.address.host} {self._clean(answer.lack)}"
                is_hopeless = answer.is_starved and not self.answered
                raise FatalError(sentence) if is_hopeless else ItemError(sentence)
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
            stop = self.request.stop  # not every service heeds it
            return answer.text.partition(stop)[0] if stop else answer.text
        raise PassedOver("not asked for")

    async def _answer(self, prompt: str, seed: int) -> Answer:
        """The answer to a request, made as often as patience allows."""
        reason, tried = "", 0
        worst = self.budget.limits.worst(self.request.system + prompt, self.request.max_tokens)
        await self._until_scouted()
        while tried < self.patience.tries:
            await self._until_resumed()
            await self.budget.take(worst)
            cost = worst  # unless we learn better
            try:
                answer = await self._ask(prompt, seed)
                if answer.usage:
                    cost = self.budget.limits.cost(*answer.usage)
                elif self.budget.limits.max_cost is not None:
                    self._say(
                        "usage",
                        "answers do not tell their tokens: each counts as the most expensive",
                    )
                return answer
            except _Changed:
                cost = 0.0
                continue
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
            tried += 1
        sentence = f"{self.address.host} {reason}, {self.patience.tries} times"
        raise ItemError(sentence) if self.answered else FatalError(sentence)

    async def _ask(self, prompt: str, seed: int) -> Answer:
        """One request.

        Raises _Changed, _Again, FatalError, ItemError.
        """
        is_chat, names = self.address.is_chat, dict(self.names)
        asked = self.request.body(prompt, seed, is_chat, names)
        status, headers, data = await self._sent(json.dumps(asked).encode())
        answer = parsed(data)
        said = data.decode(errors="replace")
        if status in (400, 422) and self._adapts(answer, said, asked, names):
            raise _Changed
        self.is_scouted.set()
        if status != 200:
            raise self._refusal(status, headers, answer, said, asked)
        if answer.get("error"):
            raise _Again(f"says: {self._clean(message_of(answer))}", paid=True)
        made = answer_of(answer, prompt, is_chat)
        if made is None:
            raise _Again("sends no answer that has a text", paid=True)
        return made

    async def _sent(self, body: bytes) -> tuple[int, httpx2.Headers, bytes]:
        """The status, the headers and the body of what comes back.

        Raises _Again.
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
        encoding = response.headers.get("content-encoding", "").strip().lower()
        whole = unpacked(bytes(data), encoding, self.most_bytes)
        if whole is None:
            raise _Again(f"sends an answer that cannot be unpacked ({encoding})", paid=True)
        if len(whole) > self.most_bytes:
            raise _Again(f"sends more than {self.most_bytes} bytes", paid=True)
        return response.status_code, response.headers, whole

    def _adapts(
        self, answer: dict[str, Any], said: str, asked: dict[str, Any], names: dict[str, str]
    ) -> bool:
        """Whether the next request leaves out, or calls otherwise, what the service does not take.

        Raises FatalError where a budget could not be kept then.
        """
        refuses = refused(answer, said, asked)
        if not refuses:
            return False
        name = LIMIT if refuses == NEWER_LIMIT else refuses
        if self.names.get(name) != names.get(name):
            return True  # another request has met with it
        self.names[name] = NEWER_LIMIT if refuses == LIMIT else ""
        if name == LIMIT and not self.names[name] and self.budget.limits.max_cost is not None:
            raise FatalError(f"{self.address.host} takes no {LIMIT}, so --max-cost cannot be kept")
        instead = self.names[name]
        what = f"{instead} is sent instead" if instead else "it is left out"
        self._say(refuses, f"{self.address.host} does not take {refuses}: {what}")
        return True

    def _refusal(
        self,
        status: int,
        headers: httpx2.Headers,
        answer: dict[str, Any],
        words: str,
        asked: dict[str, Any],
    ) -> Exception:
        """What an answer that is no text means for the run."""
        host = self.address.host
        plain = "" if answer or words.lstrip()[:1] in ("", "<", "{", "[") else f": {words}"
        said = self._clean(
            message_of(answer) or f"status {status} {codes.get_reason_phrase(status)}{plain}"
        )
        if status == 401 and not self.key:
            return FatalError(f"{host} wants a key: put it into {KEY}")
        if status in (401, 403):
            return FatalError(f"{host} does not take the key of {KEY}: {said}")
        if status in (402, 404, 405) or code_of(answer) == "insufficient_quota":
            return FatalError(f"{self.address.shown}: {said}")
        if 300 <= status < 400:
            where = self._clean(headers.get("location", "elsewhere"))
            return FatalError(f"{self.address.shown} sends us on to {where}: give that as --api")
        if status in LATER or status >= 500:
            wait = _seconds(headers.get("retry-after", ""))
            if wait is not None and wait > self.patience.pause:
                return FatalError(f"{host} wants to be left alone for {wait / 3600:.1f} h: {said}")
            return _Again(f"says: {said}", paid=False, wait=wait)
        its_own = not self.request.one_prompt and blames_prompt(answer, words, asked)
        return (ItemError if its_own or self.answered else FatalError)(f"{host} says: {said}")

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

    async def _until_scouted(self) -> None:
        """Wait a moment for the first answer, which tells what the service does not take."""
        if self.has_scout:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.is_scouted.wait(), self.patience.scout)
        self.has_scout = True

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


def _seconds(text: str) -> float | None:
    """What Retry-After says, in seconds from now or as a date (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"\d+(\.\d+)?", text.strip(), re.ASCII):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
