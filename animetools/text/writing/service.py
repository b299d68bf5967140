"""A text source that is a service with OpenAI's protocol: requests, retries and a budget."""

import asyncio
import json
import random
import threading
import warnings
import zlib
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from httpx2 import codes

from animetools.errors import Advice, FatalError, ItemError, PassedOver
from animetools.text.writing.address import KEY, Address
from animetools.text.writing.budget import Budget, BudgetExhausted, Limits
from animetools.text.writing.connection import Connection, Reply, Retry
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
)

TEMPORARY = {408, 409, 425, 429}  # and all from 500 on: a later request may succeed
NOT_THE_PROMPT = {413, 415}  # refusals that any prompt would get
LEAST_BYTES = 1 << 20  # that any answer may have
TOKEN_BYTES = 512  # of a token that comes as an event of its own
MOST_BYTES = 1 << 26


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

        Raises FatalError if it or the address is malformed.
        """
        self.address = address
        self.request = request
        self.patience = patience or Patience()
        most_bytes = min(LEAST_BYTES + TOKEN_BYTES * request.max_tokens, MOST_BYTES)
        self.connection = Connection(address, key, self.patience.timeout, most_bytes)
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
        self._run(self.connection.client.aclose()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        if self.trouble:
            raise FatalError(self.trouble)

    def _run(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def _write(self, prompt: str, seed: int, attempt: int) -> str:
        if attempt:  # 32 bits: some services cut longer seeds
            seed = zlib.crc32(f"{seed} {attempt}".encode())
        try:
            answer = await self._answer(prompt, seed)
            if answer.lack:
                sentence = f"{self.address.host} {self.connection.clean(answer.lack)}"
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
            except Retry as why:
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

        Raises _Changed, Retry, FatalError, ItemError.
        """
        is_chat, names = self.address.is_chat, dict(self.names)
        asked = self.request.body(prompt, seed, is_chat, names)
        reply = await self.connection.post(json.dumps(asked).encode())
        answer = parsed(reply.body)
        said = reply.body.decode(errors="replace")
        if reply.status in (400, 422) and self._adapts(answer, said, asked, names):
            raise _Changed
        self.is_scouted.set()
        if reply.status != 200:
            raise self._refusal(reply, answer, said, asked)
        if answer.get("error"):
            raise Retry(f"says: {self.connection.clean(message_of(answer))}", paid=True)
        made = answer_of(answer, prompt, is_chat)
        if made is None:
            raise Retry("sent an answer without a text", paid=True)
        return made

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
        self, reply: Reply, answer: dict[str, Any], words: str, asked: dict[str, Any]
    ) -> Exception:
        """The exception that an error answer means for the run."""
        host, status = self.address.host, reply.status
        plain = "" if answer or words.lstrip()[:1] in ("", "<", "{", "[") else f": {words}"
        said = self.connection.clean(
            message_of(answer) or f"status {status} {codes.get_reason_phrase(status)}{plain}"
        )
        if status == 401 and not self.connection.key:
            return FatalError(f"{host} requires a key: put it into {KEY}")
        if status in (401, 403):
            return FatalError(f"{host} refused the key in {KEY}: {said}")
        if status in (402, 404, 405) or code_of(answer) == "insufficient_quota":
            return FatalError(f"{self.address.shown}: {said}")
        if 300 <= status < 400:
            where = self.connection.clean(reply.headers.get("location", "elsewhere"))
            return FatalError(f"{self.address.shown} redirects to {where}: give that as --api")
        if status in TEMPORARY or status >= 500:
            wait = reply.wait
            if wait is not None and wait > self.patience.pause:
                return FatalError(f"{host} asks to wait for {wait / 3600:.1f} h: {said}")
            return Retry(f"says: {said}", paid=False, wait=wait)
        is_prompts = (
            not self.request.one_prompt
            and status not in NOT_THE_PROMPT
            and blames_prompt(answer, words, asked)
        )
        return (ItemError if is_prompts or self.answered else FatalError)(f"{host} says: {said}")

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
