"""A server of OpenAI's protocol that behaves as a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    number: int  # how many came before
    handler: BaseHTTPRequestHandler

    @property
    def prompt(self) -> str:
        """Whatever is to be gone on from."""
        messages = self.body.get("messages")
        return str(messages[-1]["content"] if messages else self.body["prompt"])

    def send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        """Send an answer; a Content-Length that is given may be a lie."""
        self.handler.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | (headers or {})).items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def say(self, text: str, usage: dict[str, Any] | None = None, status: int = 200) -> None:
        """Send a proper answer."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "text": text}
        if "messages" in self.body:
            choice["message"] = {"role": "assistant", "content": choice.pop("text")}
        answer: dict[str, Any] = {"choices": [choice]}
        if usage:
            answer["usage"] = usage
        self.send(status, json.dumps(answer).encode())


@dataclass
class Served:
    """A server under way, and what it was asked."""

    root: str = ""
    asked: list[Asked] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)  # set when the test is over

    @property
    def url(self) -> str:
        """Where it writes on."""
        return f"{self.root}/v1/completions"


@contextmanager
def serving(behave: Callable[[Asked], None]) -> Iterator[Served]:
    """A server in threads, on a port of its own, while the block runs."""
    served = Served()
    guard = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with guard:
                asked = Asked(self.path, dict(self.headers), body, len(served.asked), self)
                served.asked.append(asked)
            try:
                behave(asked)
            except (BrokenPipeError, ConnectionResetError):  # the other side has had enough
                self.close_connection = True

        def do_GET(self) -> None:
            raise AssertionError("nobody GETs")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.root = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield served
    finally:
        served.gone.set()
        server.shutdown()
        thread.join()
        server.server_close()
