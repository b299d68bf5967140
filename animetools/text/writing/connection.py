"""One request to a service and the answer to it, as bytes: what goes wrong on the way, and what is bounded."""

import asyncio
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx2

from animetools.errors import FatalError
from animetools.text.writing.address import KEY, Address
from animetools.text.writing.protocol import unpacked

LONGEST_REASON = 200  # characters


class Retry(Exception):  # noqa: N818  not an error yet
    """A request failed, but a later one may succeed."""

    def __init__(self, reason: str, *, paid: bool, wait: float | None = None) -> None:
        super().__init__(reason)
        self.paid = paid  # whether it may have cost money
        self.wait = wait  # seconds to wait, if the service says so


@dataclass(frozen=True)
class Reply:
    """What a service sent back, decompressed."""

    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def wait(self) -> float | None:
        """The seconds of its Retry-After header, a number or a date (RFC 9110, 10.2.3)."""
        text = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
            return float(text)
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return None


class Connection:
    """Connections to one address, with its key, which is secret and sent there alone."""

    def __init__(self, address: Address, key: str, timeout: float, most_bytes: int) -> None:
        """`timeout` is in seconds, from the first byte to the last; no answer has more than `most_bytes`.

        Raises FatalError if the key or the address is malformed.
        """
        if not re.fullmatch(r"[!-~]*", key):
            raise FatalError(
                f"{KEY} is not a key: it contains whitespace or characters beyond ASCII"
            )
        self.address = address
        self.key = key
        self.timeout = timeout
        self.most_bytes = most_bytes
        try:
            self.client = httpx2.AsyncClient(
                headers={"authorization": f"Bearer {key}"} if key else {},
                timeout=None,  # ours is for a whole request
                limits=httpx2.Limits(max_connections=None),
            )
            self.client.build_request("POST", address.url)
        except (ImportError, ValueError, httpx2.InvalidURL) as why:  # of proxies in the environment
            raise FatalError(f"{address.shown} cannot be used: {self.clean(why)}") from why

    async def post(self, body: bytes) -> Reply:
        """The reply to a body of JSON.

        Raises Retry.
        """
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        try:
            async with (
                asyncio.timeout(self.timeout),
                self.client.stream(
                    "POST", self.address.url, content=body, headers=headers
                ) as response,
            ):
                data = bytearray()
                async for some in response.aiter_raw():  # still compressed: a bomb is not unpacked
                    data += some
                    if len(data) > self.most_bytes:
                        raise Retry(f"sent more than {self.most_bytes} bytes", paid=True)
        except TimeoutError:
            raise Retry(f"took longer than {self.timeout:g} s", paid=True) from None
        except (httpx2.ConnectError, httpx2.ProxyError) as why:
            raise Retry(f"cannot be reached ({self.clean(why)})", paid=False) from why
        except httpx2.TransportError as why:
            raise Retry(f"broke the connection ({self.clean(why)})", paid=True) from why
        encoding = response.headers.get("content-encoding", "").strip().lower()
        whole = unpacked(bytes(data), encoding, self.most_bytes)
        if whole is None:
            raise Retry(f"sent an answer that cannot be decompressed ({encoding})", paid=True)
        if len(whole) > self.most_bytes:
            raise Retry(f"sent more than {self.most_bytes} bytes", paid=True)
        return Reply(response.status_code, response.headers, whole)

    def clean(self, what: object) -> str:
        """Text from outside: on one line, of bounded length, without the key."""
        text = " ".join(str(what).split())
        if self.key:
            text = text.replace(self.key, "***")
        return text[:LONGEST_REASON].rstrip(".")
