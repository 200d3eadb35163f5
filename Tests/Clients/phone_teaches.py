"""Shows photographs to a fake camera of Chromium, names each once on the phone's page, and asks again from changed views.

usage: python3 phone_teaches.py URL CODE PHOTOGRAPHS [--least SHARE] [--screenshots DIR] [--chromium PATH] [--json]

PHOTOGRAPHS is a directory with pictures, each of which is called by its file's name. Each is asked for, named once, and asked for again cropped,
turned and in another light. Ends with 1 where the page names less than SHARE (0.9) of these rightly, or reports an error.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile

from PIL import Image

from browser import Browser
from photographs import VIEWS, framed, write_camera

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("code")
parser.add_argument("photographs", type=pathlib.Path)
parser.add_argument("--least", type=float, default=0.9)
parser.add_argument("--screenshots", type=pathlib.Path)
parser.add_argument("--chromium", default="chromium")
parser.add_argument("--json", action="store_true", help="print {\"right\": …, \"asked\": …} as the last line")
arguments = parser.parse_args()
pictures = {file.stem.replace("_", " "): framed(Image.open(file)) for file in sorted(arguments.photographs.iterdir())}
if len(pictures) < 2:
    sys.exit(f"phone_teaches.py: {arguments.photographs} has no photographs")


class Phone:
    """The page, with a camera that shows one picture at a time."""

    def __init__(self, folder):
        self.video = os.path.join(folder, "camera.y4m")
        write_camera(self.video, next(iter(pictures.values())))
        self.browser = Browser(arguments.chromium, os.path.join(folder, "profile"), arguments.screenshots,
                               [f"--use-file-for-fake-video-capture={self.video}"])
        self.browser.enter(arguments.url, arguments.code)
        self.isOn = False

    def look(self, picture):
        """Points the camera at a picture: it is switched off, and on again."""
        if self.isOn:
            self.browser.press("#camera")
        write_camera(self.video + ".next", picture)
        os.replace(self.video + ".next", self.video)
        self.browser.until(lambda: self.browser.run("waiting.length === 0 && !sending"), "nothing waits", shown=False)
        self.browser.run("sentBefore = counts.sent")
        self.browser.press("#camera")
        self.isOn = True
        # A picture of the camera before may still have been on its way, and is counted too.
        self.browser.until(lambda: self.browser.run("counts.sent > sentBefore + 2 && document.getElementById('video').videoWidth > 0"),
                           "the camera sees", shown=False)

    def ask(self):
        """Asks what is seen: what the page says."""
        before = self.browser.run("moments.size ? [...moments.keys()].pop() : ''")
        self.browser.press("#what")
        asked = f"document.querySelector('#answers li') && [...moments.keys()].pop() !== {before!r}"
        self.browser.until(lambda: self.browser.run(f"!!({asked})"), "it is predicted", shown=False)
        return self.browser.run("document.querySelector('#answers li .known').textContent"), self.browser.run(
            "document.querySelector('#answers li .what').textContent")

    def teach(self, name):
        self.browser.type("#answers li .name input", name)
        self.browser.press("#answers li .name button:last-of-type")
        self.browser.until(lambda: self.browser.run("document.querySelector('#answers li .note').textContent.startsWith('Sent')"),
                           "its name is sent", shown=False)


def main(phone):
    unknown = 0
    for name, picture in pictures.items():
        phone.look(picture)
        said, _ = phone.ask()
        unknown += said.startswith("I do not know")
        if name == list(pictures)[-1]:
            phone.browser.picture("asked", 390, 844, mobile=True)
        phone.teach(name)
        print(f"phone_teaches.py: {name}: '{said}' before it is named", flush=True)
    phone.browser.until(lambda: phone.browser.run("Object.keys(names).length") == len(pictures), "all have names")
    right, asked = 0, 0
    for view, change in VIEWS.items():
        for name, picture in pictures.items():
            phone.look(change(picture))
            said, more = phone.ask()
            asked += 1
            right += said == name
            print(f"phone_teaches.py: {name}, {view}: '{said}' ({more})", flush=True)
            if name == list(pictures)[2] and view == "turn":
                phone.browser.picture("known", 390, 844, mobile=True)
    phone.browser.press("#graph")
    phone.browser.until(lambda: phone.browser.run("document.querySelectorAll('#stages tr').length") >= 6, "the graph is shown")
    phone.browser.until(lambda: phone.browser.run("document.querySelectorAll('#loss polyline').length") > 0, "losses are shown")
    phone.browser.until(lambda: phone.browser.run("[...document.querySelectorAll('#predictions img')].some(one => one.naturalWidth > 0)"),
                        "pictures of moments are shown")
    phone.browser.until(lambda: phone.browser.run("document.querySelectorAll('#latency rect').length") > 0, "latencies are shown")
    phone.browser.picture("graph", 1200, 1100)
    if phone.browser.problems:
        sys.exit(f"phone_teaches.py: the page reported {phone.browser.problems}")
    print(f"phone_teaches.py: {unknown} of {len(pictures)} unknown before, {right} of {asked} right after one naming each")
    if arguments.json:
        print(json.dumps({"right": right, "asked": asked, "unknown": unknown}))
    if right < arguments.least * asked:
        sys.exit(f"phone_teaches.py: {right} of {asked} are less than {arguments.least:.0%}")


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    phone = Phone(folder)
    try:
        main(phone)
    finally:
        phone.browser.close()
