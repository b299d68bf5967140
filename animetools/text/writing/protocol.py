"""OpenAI's protocol as services implement it: building requests, reading answers and errors."""

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_TOKENS = 1 << 32  # that an answer may report
LIMIT, NEWER_LIMIT = "max_tokens", "max_completion_tokens"
OPTIONAL = LIMIT, NEWER_LIMIT, "seed", "top_p", "temperature", "stop"  # that may be left out
_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(</\1>|\Z)", re.DOTALL)
_THOUGHT_BEFORE = re.compile(r"\A.*</(think|thinking|thought|reasoning)>", re.DOTALL)
_UNSUPPORTED = re.compile(
    r"un(?:supported|recogni[sz]ed|known|expected)|extra[_ ]|forbid|deprecated|cannot both"
    r"|not (?:be )?(?:supported|recogni[sz]ed|permitted|allowed|available|accepted|implemented)"
    r"|does(?:n't| not) (?:support|accept|recogni[sz]e)|only (?:be set to|the default|1|one)\b"
    r"|not a valid (?:parameter|argument|field)|missing required|use \W?max_completion_tokens"
)
_OF_PROMPT = re.compile(r"\b(?:prompts?|messages|context|filter(?:ed)?|policy)\b")
_OF_ACCOUNT = re.compile(
    r"\b(?:api[ _-]?keys?|credentials?|unauthori[sz]ed|authenticat\w+|accounts?|organi[sz]ations?"
    r"|subscriptions?|billing|payments?|credits?|quota)\b"
)
_GOOD_ENDS = None, "stop", "end_turn", "stop_sequence", "eos", "eos_token"


@dataclass(frozen=True)
class Request:
    """The parameters of all requests, besides the prompt and the seed."""

    model: str
    temperature: float
    top_p: float
    max_tokens: int
    system: str = ""
    stop: str = ""
    others: Mapping[str, Any] = field(default_factory=dict)
    one_prompt: bool = False  # for all texts: a refusal of one is a refusal of all

    def body(
        self, prompt: str, seed: int, is_chat: bool, names: Mapping[str, str]
    ) -> dict[str, Any]:
        """The request for a text.

        `names` maps a parameter to the name that the service wants for it, or to "" to omit it.
        """
        asked: dict[str, Any] = {"prompt": prompt}
        if is_chat:
            system = [{"role": "system", "content": self.system}] if self.system else []
            asked = {"messages": [*system, {"role": "user", "content": prompt}]}
        asked |= {"model": self.model, "temperature": self.temperature, "top_p": self.top_p}
        asked |= {LIMIT: self.max_tokens, "seed": seed, "stream": False}
        asked |= {"stop": [self.stop]} if self.stop else {}
        named = {names.get(name, name): value for name, value in asked.items()}
        named.pop("", None)
        return named | dict(self.others)


@dataclass(frozen=True)
class Answer:
    """An answer of a service: a text, or why there is none."""

    text: str
    usage: tuple[int, int] | None  # tokens read and written
    lack: str = ""  # why there is no text
    is_starved: bool = False  # whether tokens ran out


def unpacked(data: bytes, encoding: str, most: int) -> bytes | None:
    """The body of an answer, at most so many bytes of it; None for another or damaged encoding."""
    if encoding in ("", "identity") and not data.startswith(b"\x1f\x8b"):
        return data
    machine = zlib.decompressobj(47)  # gzip or zlib
    try:
        made = machine.decompress(data, most + 1)
    except zlib.error:
        return None
    return made if machine.eof or len(made) > most else None


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object of an answer, also from server-sent events; empty if there is none."""
    return _object(data) if data.lstrip()[:1] in (b"{", b"[") else _joined(_events(data))


def answer_of(made: Mapping[str, Any], prompt: str, is_chat: bool) -> Answer | None:
    """The text of an answer, in whole characters; None if the answer is malformed.

    Reasoning is removed, and so is the prompt, which some services repeat.
    """
    try:
        choice = made["choices"][0]
        message = choice["message"] if is_chat else choice
        reason, refusal = choice.get("finish_reason"), message.get("refusal")
        name = "content" if is_chat else "text"
        text = _text(message.get(name) if reason or refusal else message[name])
    except (LookupError, TypeError, AttributeError):
        return None
    if text is None:
        return None
    written = _THOUGHT_BEFORE.sub("", _THOUGHT.sub("", text))
    written = written.lstrip() if written != text else text
    if len(prompt.split()) > 1:
        written = written.removeprefix(prompt)
    reason = reason.lower() if isinstance(reason, str) else None
    lack, is_starved = "", reason in ("length", "max_tokens")
    if isinstance(refusal, str) and refusal:
        lack = f"refuses: {refusal}"
    elif is_starved:
        lack = "spent all --max-tokens before it wrote any text, perhaps on reasoning: raise --max-tokens"
    elif reason and re.search("filter|safety|block|prohibit|recitation", reason):
        lack = f"withholds the text ({reason})"
    elif reason not in _GOOD_ENDS:
        lack = f"ends without a text ({reason})"
    lack = "" if written.strip() else lack
    return Answer(written.encode(errors="replace").decode(), _usage(made), lack, is_starved)


def refused(made: object, said: str, asked: Mapping[str, Any]) -> str:
    """The parameter of a request that the service does not support and that may be left out.

    Empty if the service refuses something else, such as a value.
    """
    words = _words(made, said)
    if not _UNSUPPORTED.search(words):
        return ""
    known = {*asked, NEWER_LIMIT}
    found = _named(words, _blamed(made) & known or known)
    if "cannot both" in words:  # of two that exclude each other the second is left out
        found.reverse()
    name = next((name for name in found if name in OPTIONAL), "")
    return LIMIT if name == NEWER_LIMIT and LIMIT in asked else name


def blames_prompt(made: object, said: str, asked: Mapping[str, Any]) -> bool:
    """Whether a refusal may be due to the prompt, not to another parameter or the account."""
    words, its_own = _words(made, said), asked.keys() - {"messages", "prompt"}
    if blamed := _blamed(made) & asked.keys():
        return not blamed & its_own
    if _OF_PROMPT.search(words):
        return True
    if _OF_ACCOUNT.search(words):
        return False
    return not _named(words, {*its_own - {"model", "stop"}, str(asked.get("model")).lower()})


def message_of(made: Mapping[str, Any]) -> str:
    """The error message of an answer, wherever the service puts it."""
    for name in "error", "detail", "message":
        said = made.get(name)
        if isinstance(said, dict):
            said = said.get("message") or said.get("detail")
        if isinstance(said, list):
            said = json.dumps(said)
        if isinstance(said, str) and said:
            return said
    return ""


def code_of(made: Mapping[str, Any]) -> object:
    """The error code of an answer."""
    error = made.get("error")
    return error.get("code") or error.get("type") if isinstance(error, dict) else None


def _words(made: object, said: str) -> str:
    """The words of an answer, in lower case."""
    return (json.dumps(made) if made else said).lower()


def _named(words: str, names: Iterable[str]) -> list[str]:
    """The names that appear in the words, in order of appearance."""
    places = {name: re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words) for name in names}
    found = {name: place.start() for name, place in places.items() if place}
    return sorted(found, key=lambda name: found[name])


def _blamed(made: object) -> set[str]:
    """The parameters that an answer blames in a field: OpenAI's param, FastAPI's loc."""
    if isinstance(made, list):
        return set().union(*map(_blamed, made))
    if not isinstance(made, dict):
        return set()
    param, place = made.get("param"), made.get("loc")
    found = [param] if isinstance(param, str) else []
    found += place if isinstance(place, list) else []
    return {name for name in found if isinstance(name, str)} | _blamed(list(made.values()))


def _text(content: object) -> str | None:
    """The text of a message's content, which may come in parts."""
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        written = [part for part in content if part.get("type", "text") in ("text", "output_text")]
        return "".join(part["text"] for part in written if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else None


def _object(data: bytes) -> dict[str, Any]:
    try:
        made = json.loads(data, object_hook=_without_input)
    except (ValueError, RecursionError):
        return {}
    made = made[0] if isinstance(made, list) and len(made) == 1 else made
    return made if isinstance(made, dict) else {}


def _without_input(made: dict[str, Any]) -> dict[str, Any]:
    """An object of an answer without the repeated request, which FastAPI adds."""
    made.pop("input", None)
    return made


def _events(data: bytes) -> Iterator[bytes]:
    """The data of each server-sent event (WHATWG HTML, 9.2.6)."""
    for event in re.split(rb"\r\n\r\n|\n\n|\r\r", data):
        lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line[:5] == b"data:"]
        if lines:
            yield b"\n".join(lines)


def _joined(events: Iterator[bytes]) -> dict[str, Any]:
    """The pieces of a streamed answer as one plain answer; empty if its end is missing."""
    texts: list[str] = []
    usage, reason, refusal, is_whole = None, None, "", False
    for data in events:
        if data.strip() == b"[DONE]":
            is_whole = True
            break
        made = _object(data)
        if made.get("error"):
            return made
        usage = made.get("usage") or usage
        choices = made.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            continue
        part = choice.get("delta") or choice.get("message") or choice
        reason = choice.get("finish_reason") or reason
        if isinstance(part, dict):
            texts.append(_text(part.get("content", part.get("text"))) or "")
            refusal += part["refusal"] if isinstance(part.get("refusal"), str) else ""
    if not (is_whole or reason):
        return {}
    text = "".join(texts)
    message = {"content": text, "refusal": refusal}
    choice = {"text": text, "message": message, "finish_reason": reason}
    return {"choices": [choice], "usage": usage}


def _usage(answer: Mapping[str, Any]) -> tuple[int, int] | None:
    """Tokens read and written, if the answer reports both."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if all(type(count) is int and 0 <= count <= MOST_TOKENS for count in counts):
        return counts  # type: ignore[return-value]
    return None
