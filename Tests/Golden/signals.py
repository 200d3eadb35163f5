"""Writes signals.json: pictures and sounds as cameras, programs and pipes write them, and what Pillow and libsndfile read.

usage: python3 signals.py > signals.json      (needs pillow, numpy, soundfile)
"""
import base64, io, json, struct, zlib
import numpy as np, soundfile
from PIL import Image, ImageOps

text = lambda data: base64.b64encode(bytes(data)).decode()
y, x = np.mgrid[0:24, 0:40]
colours = np.stack([x * 6, y * 10, (x + y) * 4], -1).astype(np.uint8)
grey = (x * 5 + y * 2).astype(np.uint8)
pictures, sounds = [], []


def encoded(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def picture(name, data, wide=None, refused=None, composed=False):
    entry = {"name": name, "file": text(data), "refused": refused}
    if refused is None:
        read = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        if wide is not None:
            samples = wide
        elif composed:
            black = Image.new("RGBA", read.size, (0, 0, 0, 255))
            samples = np.asarray(Image.alpha_composite(black, read.convert("RGBA")).convert("RGB"))
        else:
            samples = np.asarray(read if read.mode == "L" else read.convert("L" if read.mode == "1" else "RGB"))
        entry |= {"height": samples.shape[0], "width": samples.shape[1], "channels": 1 if samples.ndim == 2 else 3,
                  "samples": text(samples.astype("<u2" if wide is not None else "u1").tobytes()), "bits": 16 if wide is not None else 8}
    pictures.append(entry)


def exif(orientation, order="<", kind=3):
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    value = struct.pack(order + "HH", orientation, 0) if kind == 3 else struct.pack(order + "I", orientation)
    return head + struct.pack(order + "H", 2) + struct.pack(order + "HHI4s", 0x0100, 3, 1, b"\0" * 4) + struct.pack(order + "HHI", 0x0112, kind, 1) + value + b"\0" * 4


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def after_header(png, *chunks):
    return png[:33] + b"".join(chunks) + png[33:]


def segment(jpeg, marker, body):
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def png(width, height, bits, colour, rows, *chunks):
    body = b"".join(b"\0" + r for r in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)) + b"".join(chunks) \
        + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


small = colours[:6, :10]
jpeg = encoded(Image.fromarray(colours), "JPEG", quality=90)
for o in range(1, 9):
    picture(f"JPEG held as {o}", segment(jpeg, 0xE1, b"Exif\0\0" + exif(o, "<>"[o % 2])))
    picture(f"PNG held as {o}", after_header(encoded(Image.fromarray(small), "PNG"), chunk(b"eXIf", exif(o, "<>"[o % 2]))))
picture("JPEG whose Exif is cut", segment(jpeg, 0xE1, b"Exif\0\0" + exif(6)[:12]))
picture("JPEG held as 9", segment(jpeg, 0xE1, b"Exif\0\0" + exif(9)))
restarts = encoded(Image.fromarray(colours), "JPEG", quality=90, restart_marker_blocks=2)
place = restarts.index(b"\xff\xd1")
picture("bytes before a restart marker", restarts[:place] + b"\x12\x34" + restarts[place:])
table = jpeg.index(b"\xff\xc4")
picture("a byte before a table", jpeg[:table] + b"\x55" + jpeg[table:])
picture("an unknown revision of JFIF", jpeg[:11] + b"\x02" + jpeg[12:])
picture("bytes after the end", jpeg + b"\0" * 30 + b"junk")
picture("bytes before the end", jpeg[:-2] + b"\x01\x02\x03" + jpeg[-2:])
picture("progressive", encoded(Image.fromarray(colours), "JPEG", quality=90, progressive=True))
picture("grey JPEG, sampled as colours are", jpeg[:0] + encoded(Image.fromarray(grey), "JPEG", quality=90).replace(b"\xff\xc0\x00\x0b\x08\x00\x18\x00\x28\x01\x01\x11", b"\xff\xc0\x00\x0b\x08\x00\x18\x00\x28\x01\x01\x22"))
picture("no end marker", jpeg[:-2], refused="truncated")
picture("half a JPEG", jpeg[:len(jpeg) // 2], refused="truncated")
inks = Image.fromarray(colours).convert("CMYK")
inks = Image.fromarray(np.dstack([np.asarray(inks)[..., :3], (x * 3).astype(np.uint8)]), "CMYK")
printed = encoded(inks, "JPEG", quality=95)
picture("CMYK", printed)
mark = printed.index(b"Adobe")
picture("YCCK", printed[:mark + 11] + b"\x02" + printed[mark + 12:])

for name, mode, array in [("RGB", None, colours), ("grey", None, grey)]:
    file = encoded(Image.fromarray(array), "PNG")
    picture(f"PNG {name}", file)
    picture(f"PNG {name}, gamma 1", after_header(file, chunk(b"gAMA", struct.pack(">I", 100_000))))
    picture(f"PNG {name}, gamma 1/4.4", after_header(file, chunk(b"gAMA", struct.pack(">I", 22_727)), chunk(b"sBIT", b"\5" * array.ndim if array.ndim == 3 else b"\5")))
    picture(f"PNG {name}, sRGB and chromaticities", after_header(file, chunk(b"sRGB", b"\0"), chunk(b"cHRM", struct.pack(">8I", *([30_000] * 8)))))
    picture(f"PNG {name}, a broken profile and a background", after_header(file, chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile")), chunk(b"bKGD", b"\0\x40" * (3 if array.ndim == 3 else 1))))
ramp = np.arange(256, dtype=np.uint8)
alpha = np.dstack([colours, np.tile(ramp[::6][:40], (24, 1))])
picture("half transparent", encoded(Image.fromarray(alpha), "PNG"), composed=True)
picture("half transparent, gamma 1", after_header(encoded(Image.fromarray(alpha), "PNG"), chunk(b"gAMA", struct.pack(">I", 100_000))), composed=True)
palette = Image.fromarray(colours).quantize(16)
picture("palette", encoded(palette, "PNG"))
picture("palette, transparent", encoded(palette, "PNG", transparency=bytes(range(0, 256, 16))), composed=True)
picture("palette of 2 bits", png(8, 2, 2, 3, [b"\x1b\xe4", b"\xff\x00"], chunk(b"PLTE", bytes(range(10, 130, 10)))))
picture("grey of 1 bit", png(10, 2, 1, 0, [b"\xa5\x40", b"\x0f\xc0"]))
picture("grey of 2 bits", png(6, 2, 2, 0, [b"\x1b\xe0", b"\xff\x10"]))
picture("grey of 4 bits", png(5, 2, 4, 0, [b"\x01\x9a\xf0", b"\xff\x10\x80"]))
picture("grey of 8 bits, one value transparent", png(4, 1, 8, 0, [b"\x10\x20\x30\x40"], chunk(b"tRNS", b"\0\x20")), composed=True)
pictures[-1] |= {"channels": 1, "samples": text(b"\x10\0\x30\x40")}
picture("colours, one transparent", png(2, 1, 8, 2, [b"\x10\x20\x30\x10\x20\x31"], chunk(b"tRNS", b"\0\x10\0\x20\0\x30")), composed=True)
picture("grey with alpha", png(3, 1, 8, 4, [b"\xff\x80\x81\x40\x10\xff"]), composed=True)
pictures[-1] |= {"channels": 1, "samples": text(bytes([(255 * 128 + 127) // 255, (129 * 64 + 127) // 255, 16]))}
# Adam7 by hand: seven passes, each with its own rows.
body = b""
for left, top, across, down in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
    part = colours[top::down, left::across]
    body += b"".join(b"\0" + row.tobytes() for row in part if row.size)
picture("interlaced", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 24, 8, 2, 0, 0, 1)) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))
depth = (x * 1531 + y * 7).astype(np.uint16)
deep = lambda array: [r.astype(">u2").tobytes() for r in array]
picture("16 bits, grey", png(40, 24, 16, 0, deep(depth)), wide=depth)
picture("16 bits, grey, gamma 1/2.2", png(40, 24, 16, 0, deep(depth), chunk(b"gAMA", struct.pack(">I", 45_455))), wide=depth)
wide = np.dstack([depth, depth[::-1], 65_535 - depth])
picture("16 bits, colours, sRGB", png(40, 24, 16, 2, deep(wide), chunk(b"sRGB", b"\0")), wide=wide)
clear = np.where(depth == depth[3, 7], 0, depth)
picture("16 bits, one value transparent", png(40, 24, 16, 0, deep(depth), chunk(b"tRNS", struct.pack(">H", depth[3, 7]))), wide=clear)
veil = (y * 2849).astype(np.uint16)
picture("16 bits with alpha", png(40, 24, 16, 4, deep(np.dstack([depth, veil]))), wide=np.round(depth * (veil / 65_535)).astype(np.uint16))
broken = after_header(encoded(Image.fromarray(small), "PNG"), chunk(b"tEXt", b"a\0b"))
picture("a text with a wrong checksum", after_header(encoded(Image.fromarray(small), "PNG")))
pictures[-1]["file"] = text(broken.replace(chunk(b"tEXt", b"a\0b"), chunk(b"tEXt", b"a\0b")[:-1] + b"\0"))
picture("a PNG without its last chunk", encoded(Image.fromarray(small), "PNG")[:-12], refused="truncated")
picture("a critical chunk of an unknown kind", after_header(encoded(Image.fromarray(small), "PNG"), chunk(b"ABCD", b"1")), refused="undecodable")


def wav(data, length=None, riff=None, form=b"RIFF", before=b"", after=b"", tag=1, channels=1, bits=16, rate=8000, extra=b""):
    order = ">" if form == b"RIFX" else "<"
    fmt = struct.pack(order + "HHIIHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits) + extra
    rest = b"WAVE" + before + b"fmt " + struct.pack(order + "I", len(fmt)) + fmt
    rest += b"data" + struct.pack(order + "I", len(data) if length is None else length) + data + b"\0" * (len(data) % 2 if length is None else 0) + after
    return form + struct.pack(order + "I", len(rest) if riff is None else riff) + rest


def sound(name, data, refused=None, same=None):
    entry = {"name": name, "file": text(data), "refused": refused}
    if refused is None:
        samples, rate = soundfile.read(io.BytesIO(data if same is None else same), dtype="float32", always_2d=True)
        entry |= {"rate": rate, "samples": text(samples.mean(1).astype("<f4").tobytes())}
    sounds.append(entry)


t = np.arange(300)
tone = (9000 * np.sin(t / 3) + t).astype("<i2").tobytes()
sound("16 bits", wav(tone))
for name, length in [("0", 0), ("0x7FFFFFFF", 0x7FFFFFFF), ("0x7FFFF000", 0x7FFFF000), ("0x80000000", 0x80000000), ("0xFFFFFFFF", 0xFFFFFFFF),
                     ("0x7FFFFFDB", 0x7FFFFFDB), ("2 more", len(tone) + 2), ("twice as much", 2 * len(tone)), ("odd", len(tone) + 1), ("0xFFFFFFDB", 0xFFFFFFDB)]:
    sound(f"length {name}", wav(tone, length, riff=min(0xFFFFFFFF, length + 36)), same=wav(tone))
sound("a pipe that ends within a sample", wav(tone + b"\1", 0xFFFFFFFF, riff=0xFFFFFFFF), same=wav(tone))
note = b"LIST" + struct.pack("<I", 13) + b"INFOISFT\5\0\0\0a"
sound("an odd note before", wav(tone, before=note + b"\0"))
sound("an odd note before, not filled up", wav(tone, before=note), same=wav(tone))
sound("a note before a pipe", wav(tone, 0xFFFFFFFF, riff=0xFFFFFFFF, before=note + b"\0"), same=wav(tone))
sound("a note after", wav(tone, after=note + b"\0"), same=wav(tone))
sound("8 bits, an odd number of samples, a note after", wav(bytes(range(0, 255)), bits=8, after=note + b"\0"), same=wav(bytes(range(0, 255)), bits=8))
guid = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
sound("extensible, 24 bits, two channels", wav(b"".join(struct.pack("<i", int(v) << 8)[1:] for v in np.arange(400) * 9000 - 1_800_000), tag=0xFFFE, channels=2, bits=24,
                                             extra=struct.pack("<HHIH", 22, 24, 3, 1) + guid))
sound("extensible, float", wav((t / 100).astype("<f4").tobytes(), tag=0xFFFE, bits=32, extra=struct.pack("<HHIH", 22, 32, 4, 3) + guid))
sound("32 bits", wav((t * 7_000_000 - 1_000_000_000).astype("<i4").tobytes(), bits=32))
sound("double", wav((t / 77 - 1).astype("<f8").tobytes(), tag=3, bits=64))
sound("big-endian", wav(np.frombuffer(tone, "<i2").astype(">i2").tobytes(), form=b"RIFX"))
ds64 = lambda n: b"ds64" + struct.pack("<IQQQI", 28, n + 72, n, n // 2, 0)
sound("RF64", wav(tone, 0xFFFFFFFF, riff=0xFFFFFFFF, form=b"RF64", before=ds64(len(tone)), after=note + b"\0"), same=wav(tone))
sound("RF64 of a pipe", wav(tone, 0xFFFFFFFF, riff=0xFFFFFFFF, form=b"RF64", before=ds64(0)), same=wav(tone))
sound("RF64 of more than there is", wav(tone, 0xFFFFFFFF, riff=0xFFFFFFFF, form=b"RF64", before=ds64(1 << 40)), same=wav(tone))
sound("no samples", wav(b""), refused="empty")
sound("no samples, a note after", wav(b"", after=note + b"\0"), refused="empty")
sound("no samples of many", wav(b"", 4000), refused="truncated")
sound("no data", wav(tone)[:36], refused="truncated")
sound("half a format", wav(tone)[:30], refused="truncated")
sound("data before their format", b"RIFF" + struct.pack("<I", 16) + b"WAVEdata" + struct.pack("<I", 4) + b"\0" * 4, refused="undecodable")
sound("ADPCM", wav(tone, tag=2), refused="unknownFormat")
sound("A-law", wav(tone, tag=6, bits=8), refused="unknownFormat")
sound("MP3", wav(tone, tag=0x55), refused="unknownFormat")

lines = lambda entries: "[\n" + ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries) + "\n]"
print('{"pictures": ' + lines(pictures) + ', "sounds": ' + lines(sounds) + "}")
