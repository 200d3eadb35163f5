"""Writes Fixtures.swift: small pictures and sounds in base64, and the results of independent programs for them.

usage: python3 signals_fixtures.py > ../SignalsTests/Fixtures.swift      (needs numpy, scipy, pillow)
"""
import base64, io, struct
import numpy, scipy.io.wavfile, scipy.signal
from PIL import Image


def literal(data):
    """A Swift string literal of the data in base64, in lines of 120 characters."""
    text = base64.b64encode(data).decode()
    if len(text) <= 130:
        return f'"{text}"'
    return '"""\n' + "\\\n".join("        " + text[i:i + 120] for i in range(0, len(text), 120)) + '\n        """'


def encoded(array, kind, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def numbers(values, digits=6):
    flat = ["%.*g" % (digits, v) for v in numpy.asarray(values).ravel()]
    lines = [", ".join(flat[i:i + 16]) for i in range(0, len(flat), 16)]
    return "[\n        " + ",\n        ".join(lines) + ",\n    ]"


# Pictures that any reader can make again: see `gradient` in ImageTests.swift.
y, x = numpy.mgrid[0:12, 0:20]
colours = numpy.stack([x * 13, y * 23, (x + y) * 8], axis=-1).astype(numpy.uint8)
grey = (x * 7 + y * 11).astype(numpy.uint8)
alpha = numpy.dstack([colours, numpy.where(x < 10, 255, 0).astype(numpy.uint8)])
jpeg = encoded(colours, "JPEG", quality=95, subsampling=0)
palette = io.BytesIO()
Image.fromarray((x // 5 * 60).astype(numpy.uint8)).convert("P").save(palette, "PNG")

# One second of a chirp in noise, 16 bits, and the log-mel of its first 4,000 samples in double precision.
random = numpy.random.default_rng(3)
t = numpy.arange(4000) / 8000
samples = (0.3 * scipy.signal.chirp(t, 200, 0.5, 3000) + 0.02 * random.standard_normal(4000)) * 32767
samples = samples.round().astype(numpy.int16)
wav = io.BytesIO()
scipy.io.wavfile.write(wav, 8000, samples[:1000])
stereo = io.BytesIO()
scipy.io.wavfile.write(stereo, 8000, numpy.stack([samples[:200], -samples[:200] // 2], axis=1).astype(numpy.float32) / 32768)


def log_mel(signal, window=256, hop=80, bands=32, low=60, high=3900, rate=8000):
    count = -(-len(signal) // hop)
    padded = numpy.concatenate([signal, numpy.zeros(window)])
    frames = numpy.stack([padded[i * hop:i * hop + window] for i in range(count)])
    power = numpy.abs(numpy.fft.rfft(frames * scipy.signal.get_window("hann", window))) ** 2
    mel = lambda f: 2595 * numpy.log10(1 + f / 700)
    edges = 700 * (10 ** (numpy.linspace(mel(low), mel(high), bands + 2) / 2595) - 1)
    bins = numpy.fft.rfftfreq(window, 1 / rate)
    banks = numpy.stack([numpy.interp(bins, edges[b:b + 3], [0, 1, 0], left=0, right=0) for b in range(bands)], axis=1)
    levels = numpy.log(power @ banks + 1e-6)
    pooled = numpy.stack([levels[i:i + 2].mean(axis=0) for i in range(0, count, 2)])
    return (pooled - pooled.mean()) / pooled.std()


mels = log_mel(samples[:1000] / 32768)
resized = numpy.stack([numpy.asarray(Image.fromarray(grey.astype(numpy.float32)).resize((8, 8), Image.Resampling.BILINEAR))], axis=0)
grown = numpy.asarray(Image.fromarray(grey[:6, :6].astype(numpy.float32)).resize((8, 8), Image.Resampling.BILINEAR))

print(f"""// Written by Tests/Support/signals_fixtures.py; do not edit.

enum Fixtures {{
    /// 20 × 12: red 13x, green 23y, blue 8(x + y).
    static let pngColours = {literal(encoded(colours, "PNG"))}
    /// 20 × 12: 7x + 11y.
    static let pngGrey = {literal(encoded(grey, "PNG"))}
    /// The colours, opaque where x < 10 and transparent elsewhere.
    static let pngAlpha = {literal(encoded(alpha, "PNG"))}
    /// 20 × 12: grey 60 · (x / 5), as a palette.
    static let pngPalette = {literal(palette.getvalue())}
    /// The colours, quality 95, full chroma.
    static let jpegColours = {literal(jpeg)}
    /// The grey picture, quality 95.
    static let jpegGrey = {literal(encoded(grey, "JPEG", quality=95))}
    /// 1,000 samples of a chirp in noise at 8 kHz, 16 bits.
    static let wavChirp = {literal(wav.getvalue())}
    /// 200 frames, float: the chirp, and its negated half.
    static let wavStereoFloat = {literal(stereo.getvalue())}
    /// First samples of the chirp.
    static let chirpStart: [Float] = {numbers(samples[:16] / 32768, 9)}
    /// The chirp's standardised log-mel rows by NumPy in double precision, 7 × 32.
    static let chirpMel: [Float] = {numbers(mels, 8)}
    /// The grey picture resized to 8 × 8 by Pillow, in float.
    static let greyResized: [Float] = {numbers(resized, 8)}
    /// Its first 6 × 6 pixels, grown to 8 × 8.
    static let greyGrown: [Float] = {numbers(grown, 8)}
}}""")
