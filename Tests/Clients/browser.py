"""A page of a Chromium without a window, as a person uses it."""
import base64
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

import websocket

PATIENCE = 60
NAME = pathlib.Path(sys.argv[0]).name


class Browser:
    """A page of a Chromium without a window, through the DevTools protocol. https://chromedevtools.github.io/devtools-protocol/"""

    def __init__(self, chromium, folder, screenshots=None, options=()):
        self.screenshots = screenshots
        self.process = subprocess.Popen(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={folder}", "--use-fake-device-for-media-stream",
             "--use-fake-ui-for-media-stream", "--ignore-certificate-errors", *options, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        file = pathlib.Path(folder) / "DevToolsActivePort"
        self.until(lambda: file.exists() and len(file.read_text().splitlines()) == 2, "Chromium starts")
        port = file.read_text().splitlines()[0]
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE))
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self.socket = websocket.create_connection(address, timeout=PATIENCE)
        self.count, self.problems = 0, []
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(message["params"]["exceptionDetails"].get("exception", {}).get("description", "an exception"))
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.problems.append(message["params"]["entry"]["text"])
            if message.get("id") == self.count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def run(self, script):
        result = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, condition, what, shown=True):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                text = self.run("document.body.innerText") if hasattr(self, "socket") else ""
                sys.exit(f"{NAME}: {what}: not within {PATIENCE} s. The page says:\n{text}\n{getattr(self, 'problems', '')}")
            time.sleep(0.1)
        if shown:
            print(f"{NAME}:", what, flush=True)

    def type(self, field, text):
        self.run(f"document.querySelector({field!r}).focus()")
        self.send("Input.insertText", text=text)

    def press(self, button):
        self.run(f"document.querySelector({button!r}).click()")

    def picture(self, name, width, height, mobile=False):
        if self.screenshots is None:
            return
        self.screenshots.mkdir(parents=True, exist_ok=True)
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        for scheme in ("light", "dark"):
            self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            time.sleep(0.3)
            picture = self.send("Page.captureScreenshot", format="png")["data"]
            (self.screenshots / f"{name}-{scheme}.png").write_bytes(base64.b64decode(picture))
        self.send("Emulation.clearDeviceMetricsOverride")

    def enter(self, url, code):
        """Opens the phone's page and gives the access code."""
        self.send("Page.navigate", url=url)
        self.until(lambda: self.run("!!document.getElementById('enter') && !document.getElementById('enter').hidden"), "it asks for the code", False)
        self.connect(code)

    def connect(self, code):
        self.run("document.getElementById('code').value = ''")
        self.type("#code", code)
        self.press("#enter button")
        self.until(lambda: self.run("document.getElementById('state').textContent.startsWith('Connected as')"), "it is connected", False)

    def close(self):
        self.process.terminate()
        self.process.wait()
