"""Photographs as a camera sees them: the first look, and later ones from changed views; and a camera of one picture for Chromium."""
from PIL import Image, ImageEnhance

WIDTH, HEIGHT = 640, 480


def framed(picture):
    """A picture that fills the camera's frame."""
    picture = picture.convert("RGB")
    scale = max(WIDTH / picture.width, HEIGHT / picture.height)
    wide, high = round(picture.width * scale), round(picture.height * scale)
    left, top = (wide - WIDTH) // 2, (high - HEIGHT) // 2
    return picture.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + WIDTH, top + HEIGHT))


def cropped(picture):
    """From nearer, and not from the middle: three quarters of each side."""
    wide, high = WIDTH * 3 // 4, HEIGHT * 3 // 4
    left, top = (WIDTH - wide) // 4, (HEIGHT - high) * 3 // 4
    return picture.crop((left, top, left + wide, top + high)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def turned(picture):
    """Turned by twenty degrees, and as near as it takes to leave no corner empty."""
    whole = picture.rotate(20, resample=Image.Resampling.BICUBIC, expand=False)
    wide, high = round(WIDTH * 0.68), round(HEIGHT * 0.68)
    left, top = (WIDTH - wide) // 2, (HEIGHT - high) // 2
    return whole.crop((left, top, left + wide, top + high)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def dimmed(picture):
    """By the light of an evening: darker, flatter and redder."""
    red, green, blue = ImageEnhance.Contrast(ImageEnhance.Brightness(picture).enhance(0.6)).enhance(0.8).split()
    return Image.merge("RGB", (red.point(lambda v: min(255, round(v * 1.15))), green, blue.point(lambda v: round(v * 0.8))))


VIEWS = {"crop": cropped, "turn": turned, "light": dimmed}


def write_camera(path, picture):
    """A video of one picture, for Chromium's --use-file-for-fake-video-capture.  https://wiki.multimedia.cx/index.php/YUV4MPEG2"""
    y, cb, cr = picture.convert("YCbCr").split()
    half = (WIDTH // 2, HEIGHT // 2)
    frame = b"FRAME\n" + y.tobytes() + cb.resize(half, Image.Resampling.BOX).tobytes() + cr.resize(half, Image.Resampling.BOX).tobytes()
    with open(path, "wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n" % (WIDTH, HEIGHT) + frame * 2)
