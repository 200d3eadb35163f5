"""Drives the gateway's pages in Chromium as a person would: enters the code, shows the camera, asks, names what is seen, corrects an answer.

usage: python3 phone_page.py URL CODE [--screenshots DIR] [--chromium PATH]

The camera and the microphone are Chromium's own fake devices. Prints what was done; ends with 1 where something did not happen, or where the
page reported an error.
"""
import argparse
import pathlib
import sys
import tempfile

from browser import Browser

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("code")
parser.add_argument("--screenshots", type=pathlib.Path)
parser.add_argument("--chromium", default="chromium")
arguments = parser.parse_args()


def wrong_code_is_refused(browser):
    browser.send("Page.navigate", url=arguments.url)
    browser.until(lambda: browser.run("!!document.getElementById('enter') && !document.getElementById('enter').hidden"), "it asks for the code")
    browser.picture("enter", 390, 844, mobile=True)
    browser.type("#code", "not-the-code")
    browser.press("#enter button")
    browser.until(lambda: browser.run("!document.getElementById('enter').hidden"), "a wrong code is asked for again")


def phone(browser):
    wrong_code_is_refused(browser)
    browser.connect(arguments.code)
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
    browser = Browser(arguments.chromium, folder, arguments.screenshots)
    try:
        phone(browser)
        watch(browser)
        # The wrong code was refused, once, which the browser calls an error.
        problems = browser.problems
        if len(problems) != 1 or "401" not in problems[0]:
            sys.exit(f"phone_page.py: the page reported {problems}")
    finally:
        browser.close()
print("phone_page.py: all done")
