"""A text source that is a service with OpenAI's protocol: requests, retries and a budget."""

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
from animetools.text.writing.budget import Budget, BudgetExhausted, Limits
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

TEMPORARY = {408, 409, 425, 429}  # and all from 500 on: a later request may succeed
NOT_THE_PROMPT = {413, 415}  # refusals that any prompt would get
LEAST_BYTES = 1 << 20  # that any answer may have
TOKEN_BYTES = 512  # of a token that comes as an event of its own
MOST_BYTES = 1 << 26
LONGEST_REASON = 200  # characters


@dataclass(frozen=True)
class Patience:
    """How long one request may take, and how it is retried."""

    timeout: float = 120.0  # seconds, from the first byte to the last
    tries: int = 8
    first: float = 1.0  # seconds before the second try, doubled from try to try
    longest: float = 60.0  # seconds between two tries
    pause: float = 3600.0  # seconds, the longest that a service may ask for
    failures: int = 16  # texts in a row
    scout: float = 2.0  # seconds that other requests wait for the first answer: a refusal is quick


class _Retry(Exception):  # noqa: N818  not an error yet
    """A request failed, but a later one may succeed."""

    def __init__(self, reason: str, *, paid: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.paid = paid  # whether it may have cost money
        self.wait = wait  # seconds to wait, if the service says so


class _Changed(Exception):  # noqa: N818  not an error
    """The service does not support a parameter: make the request again without it."""


class Service:
    """A TextSource that asks a service, for any number of threads.

    When no more texts can be had, `trouble` says why: those not yet asked for are passed over, and
    those already asked for still come, since they are paid for.
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
        """`key` is secret, and is sent to the service alone.

        Raises FatalError if it is malformed.
        """
        if not re.fullmatch(r"[!-~]*", key):
            raise FatalError(
                f"{KEY} is not a key: it contains whitespace or characters beyond ASCII"
            )
        self.address = address
        self.request = request
        self.key = key
        self.patience = patience or Patience()
        self.most_bytes = min(LEAST_BYTES + TOKEN_BYTES * request.max_tokens, MOST_BYTES)
        self.budget = Budget(limits)
        self.trouble = ""
        self.over = asyncio.Event()
        # Of parameters that the service calls otherwise, or that are left out.
        self.names: dict[str, str] = {}
        self.is_scouted = asyncio.Event()
        self.has_scout = False
        self.resumes = 0.0  # when the service may be asked again, in the loop's time
        self.answered = self.failed_in_a_row = 0
        self.said: set[str] = set()
        self.client = self._client()
        if key and address.is_open:
            self._say(
                "open",
                f"the key is sent to {address.host} unencrypted: use https:// if the service has it",
            )
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def write(self, prompt: str, seed: int, attempt: int) -> str:
        """The text that the service writes; every attempt has a seed of its own.

        Raises ItemError if this text failed, PassedOver after trouble.
        """
        text: str = self._run(self._write(prompt, seed, attempt)).result()
        return text

    def close(self) -> None:
        """End the connection: no more texts are asked for.

        Raises FatalError if there was trouble.
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
                timeout=None,  # ours is for a whole request
                limits=httpx2.Limits(max_connections=None),
            )
            client.build_request("POST", self.address.url)
        except (ImportError, ValueError, httpx2.InvalidURL) as why:  # of proxies in the environment
            raise FatalError(f"{self.address.shown} cannot be used: {self._clean(why)}") from why
        return client

    def _run(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def _write(self, prompt: str, seed: int, attempt: int) -> str:
        if attempt:  # 32 bits: some services cut longer seeds
            seed = zlib.crc32(f"{seed} {attempt}".encode())
        try:
            answer = await self._answer(prompt, seed)
            if answer.lack:
                sentence = f"{self.address.host} {self._clean(answer.lack)}"
                is_hopeless = answer.is_starved and not self.answered
                raise FatalError(sentence) if is_hopeless else ItemError(sentence)
        except BudgetExhausted as why:
            self._end(f"{why}: repeat the command to continue")
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
            stop = self.request.stop  # some services ignore it
            return answer.text.partition(stop)[0] if stop else answer.text
        raise PassedOver("not requested")

    async def _answer(self, prompt: str, seed: int) -> Answer:
        """The answer to a request, retried as patience allows."""
        reason, tried = "", 0
        worst = self.budget.limits.worst(self.request.system + prompt, self.request.max_tokens)
        await self._until_scouted()
        while tried < self.patience.tries:
            await self._until_resumed()
            await self.budget.take(worst)
            cost = worst  # until we know better
            try:
                answer = await self._ask(prompt, seed)
                if answer.usage:
                    cost = self.budget.limits.cost(*answer.usage)
                elif self.budget.limits.max_cost is not None:
                    self._say(
                        "usage",
                        "answers do not report their tokens: each counts as the most expensive possible",
                    )
                return answer
            except _Changed:
                cost = 0.0
                continue
            except _Retry as why:
                reason = str(why)
                cost = worst if why.paid else 0.0
                wait = why.wait
            except (FatalError, ItemError):
                cost = 0.0
                raise
            finally:
                await self.budget.settle(worst, cost)
            self._say("again", f"{self.address.host} {reason}: trying again")
            if wait is not None:
                self._pause(wait)
            elif tried + 1 < self.patience.tries:
                longest = min(self.patience.first * 2**tried, self.patience.longest)
                await self._sleep(random.uniform(0, longest))
            tried += 1
        sentence = f"{self.address.host} {reason} ({self.patience.tries} tries)"
        raise ItemError(sentence) if self.answered else FatalError(sentence)

    async def _ask(self, prompt: str, seed: int) -> Answer:
        """One request.

        Raises _Changed, _Retry, FatalError, ItemError.
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
            raise _Retry(f"says: {self._clean(message_of(answer))}", paid=True)
        made = answer_of(answer, prompt, is_chat)
        if made is None:
            raise _Retry("sent an answer without a text", paid=True)
        return made

    async def _sent(self, body: bytes) -> tuple[int, httpx2.Headers, bytes]:
        """The status, the headers and the body of the answer.

        Raises _Retry.
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
                async for some in response.aiter_raw():  # still compressed: a bomb is not unpacked
                    data += some
                    if len(data) > self.most_bytes:
                        raise _Retry(f"sent more than {self.most_bytes} bytes", paid=True)
        except TimeoutError:
            raise _Retry(f"took longer than {self.patience.timeout:g} s", paid=True) from None
        except (httpx2.ConnectError, httpx2.ProxyError) as why:
            raise _Retry(f"cannot be reached ({self._clean(why)})", paid=False) from why
        except httpx2.TransportError as why:
            raise _Retry(f"broke the connection ({self._clean(why)})", paid=True) from why
        encoding = response.headers.get("content-encoding", "").strip().lower()
        whole = unpacked(bytes(data), encoding, self.most_bytes)
        if whole is None:
            raise _Retry(f"sent an answer that cannot be decompressed ({encoding})", paid=True)
        if len(whole) > self.most_bytes:
            raise _Retry(f"sent more than {self.most_bytes} bytes", paid=True)
        return response.status_code, response.headers, whole

    def _adapts(
        self, answer: dict[str, Any], said: str, asked: dict[str, Any], names: dict[str, str]
    ) -> bool:
        """Whether the next request omits or renames a parameter that the service does not support.

        Raises FatalError if the budget could then not be kept.
        """
        refuses = refused(answer, said, asked)
        if not refuses:
            return False
        name = LIMIT if refuses == NEWER_LIMIT else refuses
        if self.names.get(name) != names.get(name):
            return True  # another request has found out
        self.names[name] = NEWER_LIMIT if refuses == LIMIT else ""
        if name == LIMIT and not self.names[name] and self.budget.limits.max_cost is not None:
            raise FatalError(
                f"{self.address.host} does not support {LIMIT}, so --max-cost cannot be kept"
            )
        instead = self.names[name]
        what = f"{instead} is sent instead" if instead else "it is left out"
        self._say(refuses, f"{self.address.host} does not support {refuses}: {what}")
        return True

    def _refusal(
        self,
        status: int,
        headers: httpx2.Headers,
        answer: dict[str, Any],
        words: str,
        asked: dict[str, Any],
    ) -> Exception:
        """The exception that an error answer means for the run."""
        host = self.address.host
        plain = "" if answer or words.lstrip()[:1] in ("", "<", "{", "[") else f": {words}"
        said = self._clean(
            message_of(answer) or f"status {status} {codes.get_reason_phrase(status)}{plain}"
        )
        if status == 401 and not self.key:
            return FatalError(f"{host} requires a key: put it into {KEY}")
        if status in (401, 403):
            return FatalError(f"{host} refused the key in {KEY}: {said}")
        if status in (402, 404, 405) or code_of(answer) == "insufficient_quota":
            return FatalError(f"{self.address.shown}: {said}")
        if 300 <= status < 400:
            where = self._clean(headers.get("location", "elsewhere"))
            return FatalError(f"{self.address.shown} redirects to {where}: give that as --api")
        if status in TEMPORARY or status >= 500:
            wait = _seconds(headers.get("retry-after", ""))
            if wait is not None and wait > self.patience.pause:
                return FatalError(f"{host} asks to wait for {wait / 3600:.1f} h: {said}")
            return _Retry(f"says: {said}", paid=False, wait=wait)
        is_prompts = (
            not self.request.one_prompt
            and status not in NOT_THE_PROMPT
            and blames_prompt(answer, words, asked)
        )
        return (ItemError if is_prompts or self.answered else FatalError)(f"{host} says: {said}")

    def _clean(self, what: object) -> str:
        """Text from outside: on one line, of bounded length, without the key."""
        text = " ".join(str(what).split())
        if self.key:
            text = text.replace(self.key, "***")
        return text[:LONGEST_REASON].rstrip(".")

    def _end(self, why: str) -> None:
        self.trouble = self.trouble or why
        self.over.set()

    def _pause(self, seconds: float) -> None:
        """Delay all requests by the time that the service asks for."""
        self.resumes = max(self.resumes, self.loop.time() + seconds)

    async def _until_scouted(self) -> None:
        """Wait a moment for the first answer, which shows what the service does not support."""
        if self.has_scout:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.is_scouted.wait(), self.patience.scout)
        self.has_scout = True

    async def _until_resumed(self) -> None:
        while (left := self.resumes - self.loop.time()) > 0:
            await self._sleep(left + random.uniform(0, self.patience.first))
        if self.trouble:
            raise PassedOver("not requested")

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not beyond the end of the run."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)
            raise PassedOver("not requested")

    def _say(self, kind: str, text: str) -> None:
        """Warn, once per kind."""
        if kind not in self.said:
            self.said.add(kind)
            warnings.warn(text, Advice, stacklevel=1)


def _seconds(text: str) -> float | None:
    """The seconds of a Retry-After header, a number or a date (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"\d+(\.\d+)?", text.strip(), re.ASCII):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
