"""Drives the gateway's pages in Chromium as a person would: enters the code, shows the camera, asks, names what is seen, corrects an answer.

usage: python3 phone_page.py URL CODE [--screenshots DIR] [--chromium PATH]

The camera and the microphone are Chromium's own fake devices. Prints what was done; ends with 1 where something did not happen, or where the
page reported an error.
"""
import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import websocket

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("code")
parser.add_argument("--screenshots", type=pathlib.Path)
parser.add_argument("--chromium", default="chromium")
arguments = parser.parse_args()
PATIENCE = 30


class Browser:
    """A page of a Chromium without a window, through the DevTools protocol. https://chromedevtools.github.io/devtools-protocol/"""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [arguments.chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={folder}", "--use-fake-device-for-media-stream",
             "--use-fake-ui-for-media-stream", "--ignore-certificate-errors", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        file = pathlib.Path(folder) / "DevToolsActivePort"
        self.until(lambda: file.exists() and len(file.read_text().splitlines()) == 2, "Chromium starts")
        port = file.read_text().splitlines()[0]
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10))
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

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                text = self.run("document.body.innerText") if hasattr(self, "socket") else ""
                sys.exit(f"phone_page.py: {what}: not within {PATIENCE} s. The page says:\n{text}\n{getattr(self, 'problems', '')}")
            time.sleep(0.1)
        print("phone_page.py:", what)

    def type(self, field, text):
        self.run(f"document.querySelector({field!r}).focus()")
        self.send("Input.insertText", text=text)

    def press(self, button):
        self.run(f"document.querySelector({button!r}).click()")

    def picture(self, name, width, height, mobile=False):
        if not arguments.screenshots:
            return
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        for scheme in ("light", "dark"):
            self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            time.sleep(0.3)
            picture = self.send("Page.captureScreenshot", format="png")["data"]
            (arguments.screenshots / f"{name}-{scheme}.png").write_bytes(base64.b64decode(picture))
        self.send("Emulation.clearDeviceMetricsOverride")


def wrong_code_is_refused(browser):
    browser.send("Page.navigate", url=arguments.url)
    browser.until(lambda: browser.run("!!document.getElementById('enter') && !document.getElementById('enter').hidden"), "it asks for the code")
    browser.picture("enter", 390, 844, mobile=True)
    browser.type("#code", "not-the-code")
    browser.press("#enter button")
    browser.until(lambda: browser.run("!document.getElementById('enter').hidden"), "a wrong code is asked for again")


def phone(browser):
    wrong_code_is_refused(browser)
    browser.run("document.getElementById('code').value = ''")
    browser.type("#code", arguments.code)
    browser.press("#enter button")
    browser.until(lambda: browser.run("document.getElementById('state').textContent.startsWith('Connected as')"), "it is connected")
    for sensor in ("camera", "microphone"):
        browser.press(f"#{sensor}")
    browser.until(lambda: browser.run("counts.sent") >= 12, "readings are sent")
    count = lambda: browser.run("document.querySelectorAll('#answers li').length")
    for number in range(3):
        before = count()
        browser.press("#what")
        browser.until(lambda: count() > before, "a moment is predicted")
        browser.until(lambda: browser.run("!document.querySelector('#answers li .name').hidden"), "it can be named")
        browser.type("#answers li .name input", "green ball")
        browser.press("#answers li .name button:last-of-type")
        browser.until(lambda: browser.run("document.querySelector('#answers li .note').textContent.startsWith('Sent')"), "its name is sent")
    browser.type("#words", "what is this")
    browser.press("#ask button")
    browser.until(lambda: browser.run("moments.get([...moments.keys()].pop()).said.length > 0"), "the words are answered")
    browser.until(lambda: browser.run("!document.querySelector('#answers li .text').hidden"), "the answer can be corrected")
    browser.type("#answers li .text input", "a green ball")
    browser.press("#answers li .text button")
    browser.until(lambda: browser.run("document.querySelector('#answers li .note').textContent.startsWith('Sent')"), "the right answer is sent")
    labelled = "call('/api/state').then(r => r.json()).then(s => s.scores && s.scores.running.model ? s.scores.running.model.labelled : 0)"
    browser.until(lambda: browser.run(labelled) >= 3, "its labels are scored")
    if browser.run("counts.refused"):
        sys.exit("phone_page.py: readings were refused")
    browser.picture("phone", 390, 844, mobile=True)


def watch(browser):
    browser.press("#graph")
    browser.until(lambda: browser.run("location.pathname === '/watch' && document.getElementById('state')?.className === 'good'"),
                  "the graph is shown")
    browser.until(lambda: browser.run("document.querySelectorAll('#stages tr').length") >= 7, "all stages are shown")
    browser.until(lambda: browser.run("document.querySelectorAll('#latency rect').length") > 0, "latencies are shown")
    browser.until(lambda: browser.run("document.querySelectorAll('#loss polyline').length") > 0, "losses are shown")
    browser.picture("graph", 1200, 1100)
    browser.picture("graph-phone", 390, 844, mobile=True)


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    browser = Browser(folder)
    try:
        phone(browser)
        watch(browser)
        # The wrong code was refused, once, which the browser calls an error.
        problems = browser.problems
        if len(problems) != 1 or "401" not in problems[0]:
            sys.exit(f"phone_page.py: the page reported {problems}")
    finally:
        browser.process.terminate()
        browser.process.wait()
print("phone_page.py: all done")
