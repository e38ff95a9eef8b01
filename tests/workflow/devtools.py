"""A page in headless Chromium, spoken to by its DevTools protocol: JSON over a WebSocket."""

import itertools
import json
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.client import connect

SECONDS = 60


class Page:
    """One page, and what it logged and asked for while it was open."""

    def __init__(self, socket):
        self.socket, self.numbers = socket, itertools.count(1)
        self.requested, self.complaints = [], []

    def command(self, method, **parameters):
        """Send a command and return its result; events meanwhile are kept."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=SECONDS))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._keep(message["method"], message["params"])

    def _keep(self, event, parameters):
        if event == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"])
        elif event == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(parameters)
        elif event == "Log.entryAdded":
            self.complaints.append(parameters["entry"])

    def open(self, path):
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        self.command("Page.navigate", url=path.as_uri())
        self.wait_for("document.readyState === 'complete'")

    def value(self, expression):
        """What a JavaScript expression gives, as JSON has it."""
        found = self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression):
        until = time.monotonic() + SECONDS
        while not self.value(expression):
            assert time.monotonic() < until, f"never: {expression}"
            time.sleep(0.05)


@contextmanager
def opened(chromium, path, width=1400, height=1000):
    """A page of a local file in a Chromium of its own, which ends with the block."""
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += [f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        command += ["--no-first-run", "--disable-background-networking"]
        command += ["--remote-debugging-port=0", "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(Path(profile)), max_size=None) as socket:
                own = Page(socket)
                target = own.command("Target.createTarget", url="about:blank")["targetId"]
            own_address = _address(Path(profile), f"/devtools/page/{target}")
            with connect(own_address, max_size=None) as socket:
                page = Page(socket)
                page.command(
                    "Emulation.setDeviceMetricsOverride",
                    width=width,
                    height=height,
                    deviceScaleFactor=1,
                    mobile=False,
                )
                page.open(path)
                yield page
        finally:
            browser.terminate()
            browser.wait()


def _address(profile, place=None):
    """Where the browser listens, or one page of it; Chromium writes it once it does."""
    until = time.monotonic() + SECONDS
    while True:
        file = profile / "DevToolsActivePort"
        lines = file.read_text().split() if file.is_file() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{place or lines[1]}"
        assert time.monotonic() < until, "Chromium does not start"
        time.sleep(0.05)
