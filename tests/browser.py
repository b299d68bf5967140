"""A real browser: headless Chromium, driven through its own protocol over two pipes.

Source: the Chrome DevTools Protocol, version 1.3 (tot); --remote-debugging-pipe ends messages in NUL.
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HANGS = 60  # seconds after which a page does

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome") or ""
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--mute-audio", "--js-flags=--expose-gc"),
)

# Time stands still for the timers of a page until a test lets it pass.
CLOCK = """
(() => {
  let now = 0, last = 0;
  const timers = new Map();
  const add = (work, wait, every) => (timers.set((last += 1), { work, at: now + wait, every }), last);
  window.setTimeout = (work, wait = 0) => add(work, wait, 0);
  window.setInterval = (work, wait) => add(work, wait, Math.max(1, wait));
  window.clearTimeout = window.clearInterval = (id) => timers.delete(id);
  window.pass = (span) => {
    const end = now + span;
    for (;;) {
      const due = [...timers].filter(([, timer]) => timer.at <= end);
      if (!due.length) break;
      const [id, timer] = due.reduce((a, b) => (b[1].at < a[1].at ? b : a));
      now = Math.max(now, timer.at);
      if (timer.every) timer.at += timer.every;
      else timers.delete(id);
      timer.work();
    }
    now = end;
  };
})();
"""


class Browser:
    """One browser with one page; `troubles` and `requests` are what happened since `open`.

    Also in the workers of the page.
    """

    def __init__(self, profile: Path, *options: str) -> None:
        to_it, ours = os.pipe()
        theirs, from_it = os.pipe()
        words = [
            PROGRAM,
            *OPTIONS,
            *options,
            f"--user-data-dir={profile}",
            "--remote-debugging-pipe",
        ]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_it} 4>&{from_it}', "bash", *words],
            pass_fds=(to_it, from_it),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_it)
        os.close(from_it)
        self.sending, self.receiving = ours, theirs
        self.rest = b""
        self.sent = 0
        self.session = ""
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self.received = 0  # bytes, as they came over the wire
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Performance.enable", timeDomain="threadTicks")
        how = {"waitForDebuggerOnStart": True, "flatten": True}
        self.call("Target.setAutoAttach", autoAttach=True, **how)
        self.clock = ""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        why: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the browser with all its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.sending)
        os.close(self.receiving)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers; events that come meanwhile are noted."""
        number = self._send(self.session, method, parameters)
        end = time.monotonic() + HANGS
        while True:
            answer = self._receive(end - time.monotonic())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]  # type: ignore[no-any-return]

    def show(
        self,
        width: int = 1280,
        height: int = 800,
        *,
        dark: bool = False,
        still: bool = False,
        mobile: bool = False,
    ) -> None:
        """From now on the window has this size, and the visitor these preferences."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if mobile else 1,
            mobile=mobile,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else ""},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, address: str, *, clock: bool = False) -> None:
        """Open a page; with `clock` its timers run only in `pass_time`."""
        if self.clock:
            self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=self.clock)
        before = CLOCK if clock else ""
        added = self.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        self.clock = added["identifier"]
        self.call("Network.setCacheDisabled", cacheDisabled=True)
        self.troubles, self.requests, self.received = [], [], 0
        self.loaded = False
        self.call("Page.navigate", url=address)
        self.until(lambda: self.loaded)

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page, awaited if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def until(self, is_true: str | Callable[[], Any]) -> Any:
        """Wait until an expression of the page, or a function here, is true; returns its value."""
        end = time.monotonic() + HANGS
        while time.monotonic() < end:
            found = self.ask(is_true) if isinstance(is_true, str) else is_true()
            if found:
                return found
            self.wait(0.02)
        raise TimeoutError(str(is_true))

    def wait(self, seconds: float) -> None:
        """Let time pass, and note what happens."""
        end = time.monotonic() + seconds
        with suppress(TimeoutError):
            while (left := end - time.monotonic()) > 0:
                self._receive(left)

    def pass_time(self, seconds: float) -> None:
        """Let the clock of a page run."""
        self.ask(f"pass({seconds * 1000})")

    def press(self, key: str) -> None:
        """Type one key."""
        text: dict[str, Any] = {"text": key} if len(key) == 1 else {}
        text |= (
            {"windowsVirtualKeyCode": 8} if key == "Backspace" else {}
        )  # without it nothing goes
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def memory(self) -> dict[str, float]:
        """Bytes of the page's heap and the number of its nodes, after all garbage is collected."""
        self.call("HeapProfiler.collectGarbage")
        found = self.call("Performance.getMetrics")["metrics"]
        values = {each["name"]: each["value"] for each in found}
        return {"heap": values["JSHeapUsedSize"], "nodes": values["Nodes"]}

    def picture(self, path: Path) -> None:
        """A PNG of the window."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _send(self, session: str, method: str, parameters: dict[str, Any]) -> int:
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.sending, json.dumps(message).encode() + b"\0")
        return self.sent

    def _receive(self, seconds: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            if not select.select([self.receiving], [], [], max(0, seconds))[0]:
                raise TimeoutError("the browser does not answer")
            chunk = os.read(self.receiving, 1 << 20)
            if not chunk:
                raise EOFError("the browser has ended")
            self.rest += chunk
        line, _, self.rest = self.rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self._note(message["method"], message["params"])
        return message

    def _note(self, event: str, facts: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self.loaded = True
        elif event == "Target.attachedToTarget" and facts["targetInfo"]["type"] == "worker":
            for method in ("Network.enable", "Runtime.enable", "Runtime.runIfWaitingForDebugger"):
                self._send(facts["sessionId"], method, {})
        elif event == "Network.requestWillBeSent":
            self.requests.append(facts["request"]["url"])
        elif event == "Network.loadingFinished":
            self.received += facts["encodedDataLength"]
        elif event == "Runtime.exceptionThrown":
            self.troubles.append(json.dumps(facts["exceptionDetails"])[:500])
        elif event == "Runtime.consoleAPICalled" and facts["type"] in ("error", "warning"):
            self.troubles.append(json.dumps(facts["args"])[:500])
        elif event == "Log.entryAdded" and facts["entry"]["level"] in ("error", "warning"):
            self.troubles.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")
