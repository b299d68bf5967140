"""Options of gptsnip for a service with OpenAI's protocol."""

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from animetools.options import Opt
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
    """Options for a service."""

    api: Annotated[
        str,
        Opt(
            "Ask a service of OpenAI's protocol instead: its address, which ends in /v1/completions"
            " or /v1/chat/completions.",
            unit="URL",
        ),
    ] = ""
    api_model: Annotated[str, Opt("The service's name of the model.", unit="NAME")] = ""
    system: Annotated[str, Opt("System message of a chat.", unit="TEXT")] = ""
    stop: Annotated[str, Opt("Text at which the service stops writing.", unit="TEXT")] = ""
    set_: Annotated[
        tuple[str, ...],
        Opt(
            "Any other parameter of a request, such as reasoning_effort=low; the value is JSON or"
            " text. May be repeated.",
            unit="NAME=VALUE",
        ),
    ] = ()
    timeout: Annotated[
        float,
        Opt(
            "How long --api may take for an answer.",
            unit="SECONDS",
            min=0.1,
            max=86400,
            affects=False,
        ),
    ] = 120
    max_requests: Annotated[
        int | None,
        Opt("Most requests that this run makes of --api, tries included.", min=1, affects=False),
    ] = None
    max_cost: Annotated[
        float | None,
        Opt(
            "Most that this run may cost, by the prices below.", unit="MONEY", min=0, affects=False
        ),
    ] = None
    price_in: Annotated[
        float, Opt("What a million tokens of prompts cost.", unit="MONEY", min=0, affects=False)
    ] = 0
    price_out: Annotated[
        float, Opt("What a million tokens of texts cost.", unit="MONEY", min=0, affects=False)
    ] = 0

    def check(self) -> None:
        """Raise ValueError, in one sentence, for what makes no sense."""
        others = self.others
        address = Address.parse(self.api) if self.api else None
        if bool(self.api) != bool(self.api_model):
            raise ValueError("--api and --api-model need each other")
        if (self.max_requests or self.max_cost is not None) and not self.api:
            raise ValueError("--max-requests and --max-cost are for --api")
        if self.max_cost is not None and not (self.price_in or self.price_out):
            raise ValueError("--max-cost needs prices: --price-in and --price-out")
        if self.max_cost is None and (self.price_in or self.price_out):
            raise ValueError("--price-in and --price-out are for --max-cost")
        if address and self.system and not address.is_chat:
            raise ValueError("--system is for a chat: --api ends in /v1/chat/completions then")
        if used := sorted(OWN.keys() & others.keys()):
            raise ValueError(f"--set {used[0]}: the option for that is {OWN[used[0]]}")

    @property
    def others(self) -> dict[str, Any]:
        """The parameters of --set, by name.

        Raises ValueError for one without a name, or that is given twice.
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
        """The service, with the key of the environment.

        Raises FatalError if it cannot be asked.
        """
        from animetools.text.writing.budget import Limits
        from animetools.text.writing.protocol import Request
        from animetools.text.writing.service import Patience, Service

        request = Request(
            self.api_model, temperature, top_p, max_tokens,
            self.system, self.stop, self.others, one_prompt,
        )  # fmt: skip
        limits = Limits(self.max_requests, self.max_cost, self.price_in, self.price_out)
        key = os.environ.get(KEY, "").strip()
        return Service(Address.parse(self.api), request, limits, key, Patience(self.timeout))
