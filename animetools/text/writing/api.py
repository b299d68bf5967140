"""Options of gptsnip for a service with OpenAI's protocol."""

import json
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

from animetools.errors import FatalError
from animetools.options import Opt, given, names_of
from animetools.text.writing.address import KEY, Address

if TYPE_CHECKING:
    from animetools.text.writing.service import Service

OWN = {  # parameters that have options of their own
    "model": "--api-model",
    "prompt": "--prompt",
    "messages": "--prompt and --system",
    "temperature": "--temperature",
    "top_p": "--top-p",
    "max_tokens": "--max-tokens",
    "max_completion_tokens": "--max-tokens, under every name",
    "seed": "--seeds",
    "stop": "--stop",
    "n": "--seeds, one text per seed",
}


@dataclass(frozen=True)
class ApiOptions:
    """Options of a service."""

    api: Annotated[
        Address | None,
        Opt(
            "Have a service with OpenAI's protocol write the texts: its address, which ends in"
            " /v1/completions or /v1/chat/completions.",
            unit="URL",
            parse=Address.parse,
        ),
    ] = None
    api_model: Annotated[str, Opt("Model of --api, by the service's name for it.", unit="NAME")] = (
        ""
    )
    system: Annotated[str, Opt("System message, if --api is a chat.", unit="TEXT")] = ""
    stop: Annotated[str, Opt("String at which --api stops writing.", unit="TEXT")] = ""
    set_: Annotated[
        tuple[str, ...],
        Opt(
            "Any other parameter of the requests to --api, such as reasoning_effort=low; the value"
            " is JSON or text. May be repeated.",
            unit="NAME=VALUE",
        ),
    ] = ()
    timeout: Annotated[
        float,
        Opt(
            "Longest time that --api may take for an answer.",
            unit="SECONDS",
            min=0.1,
            max=86400,
            affects=False,
        ),
    ] = 120
    max_requests: Annotated[
        int | None,
        Opt("Most requests of this run to --api, retries included.", min=1, affects=False),
    ] = None
    max_cost: Annotated[
        float | None,
        Opt(
            "Most that this run may cost, at the prices below.",
            unit="MONEY",
            min=0,
            affects=False,
        ),
    ] = None
    price_in: Annotated[
        float,
        Opt("Price of a million tokens of prompts.", unit="MONEY", min=0, affects=False),
    ] = 0
    price_out: Annotated[
        float, Opt("Price of a million tokens of texts.", unit="MONEY", min=0, affects=False)
    ] = 0

    def check_api(self) -> None:
        """Raise ValueError, in one sentence, for options that do not fit together."""
        others = self.others
        if bool(self.api) != bool(self.api_model):
            raise ValueError("--api and --api-model need each other")
        if (self.max_requests or self.max_cost is not None) and not self.api:
            raise ValueError("--max-requests and --max-cost need --api")
        if self.max_cost is not None and not (self.price_in or self.price_out):
            raise ValueError("--max-cost needs prices: --price-in and --price-out")
        if self.max_cost is None and (self.price_in or self.price_out):
            raise ValueError("--price-in and --price-out need --max-cost")
        if not self.api and (wrong := given(self, names_of(ApiOptions))):
            raise ValueError(f"only for --api: {', '.join(wrong)}")
        if self.api and self.system and not self.api.is_chat:
            raise ValueError("--system needs a chat: --api must end in /v1/chat/completions")
        if used := sorted(OWN.keys() & others.keys()):
            raise ValueError(f"--set {used[0]}: use {OWN[used[0]]} instead")

    @property
    def others(self) -> dict[str, Any]:
        """The parameters of --set, by name.

        Raises ValueError for a parameter without a name, or given twice.
        """
        made: dict[str, Any] = {}
        for each in self.set_:
            name, is_given, value = each.partition("=")
            if not is_given or not re.fullmatch(r"[A-Za-z][\w.-]*", name, re.ASCII):
                raise ValueError(f"--set takes NAME=VALUE, not '{each}'")
            if name in made:
                raise ValueError(f"--set {name} is given twice")
            try:
                made[name] = json.loads(value)
            except (ValueError, RecursionError):
                made[name] = value
        return made

    def service(
        self, temperature: float, top_p: float, max_tokens: int, *, one_prompt: bool
    ) -> "Service":
        """The service, with the key from the environment.

        Raises FatalError if it cannot be used.
        """
        if not find_spec("httpx2"):
            raise FatalError("--api needs httpx2: pip install 'animetools[text]'")
        from animetools.text.writing.budget import Limits
        from animetools.text.writing.protocol import Request
        from animetools.text.writing.service import Patience, Service

        request = Request(
            self.api_model, temperature, top_p, max_tokens,
            self.system, self.stop, self.others, one_prompt,
        )  # fmt: skip
        limits = Limits(self.max_requests, self.max_cost, self.price_in, self.price_out)
        key = os.environ.get(KEY, "").strip()
        assert self.api
        return Service(self.api, request, limits, key, Patience(self.timeout))
