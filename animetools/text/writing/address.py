"""The address of a service with OpenAI's protocol."""

from dataclasses import dataclass
from urllib.parse import urlsplit

ENDINGS = {"/chat/completions": True, "/completions": False}  # of a path: whether it is a chat
KEY = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Address:
    """The URL of a service, and whether it is a chat."""

    url: str
    is_chat: bool
    shown: str  # without parts that may be secret
    host: str
    is_open: bool  # whether others on the network can read what is sent

    def __str__(self) -> str:
        return self.url

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The address of --api.

        Raises ValueError, in one sentence, if it is malformed.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            parts, host = urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not host or not url.isprintable():
            raise ValueError("an address begins with http:// or https://")
        if parts.username or parts.password:
            raise ValueError(f"the address contains a password: put the key into {KEY} instead")
        path = parts.path.rstrip("/")
        found = [chat for ending, chat in ENDINGS.items() if path.endswith(ending)]
        if not found:
            raise ValueError("the address must end in /v1/completions or /v1/chat/completions")
        shown = f"{parts.scheme}://{parts.netloc}{path}"
        is_here = host == "localhost" or host == "::1" or host.startswith("127.")
        return cls(url, found[0], shown, host, parts.scheme == "http" and not is_here)
