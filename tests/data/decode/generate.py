"""Small images of every kind that a folder may hold, each with what Pillow makes of it (NAME.expected.png).

python3 generate.py   (Pillow, NumPy)
"""

import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
H, W = 24, 40
y, x = np.mgrid[0:H, 0:W]
red, green, blue = x * 255 / (W - 1), y * 255 / (H - 1), 127 + 100 * np.sin(x / 6 + y / 9)
rgb = Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8))
gray = rgb.convert("L")
jpeg = dict(quality=95, subsampling=0)


def keep(name, image, expected, **options):
    image.save(OUT + name, **options)
    expected.save(OUT + name + ".expected.png", optimize=True)


keep("rgb.jpg", rgb, rgb, **jpeg)
keep("progressive.jpg", rgb, rgb, progressive=True, **jpeg)
keep("gray.jpg", gray, gray, quality=95)
rgb.convert("CMYK").save(OUT + "cmyk.jpg", quality=95)
Image.open(OUT + "cmyk.jpg").convert("RGB").save(OUT + "cmyk.jpg.expected.png")
for orientation in (3, 6, 7):
    exif = Image.Exif()
    exif[0x0112] = orientation
    name = f"{OUT}orientation{orientation}.jpg"
    rgb.save(name, exif=exif, **jpeg)
    ImageOps.exif_transpose(Image.open(name)).convert("RGB").save(name + ".expected.png")

with_alpha = rgb.copy()
with_alpha.putalpha(gray)
keep("rgba.png", with_alpha, rgb)
gray_alpha = gray.convert("LA")
gray_alpha.putalpha(gray)
keep("gray_alpha.png", gray_alpha, gray)
palette = rgb.quantize(64)
keep("palette.png", palette, palette.convert("RGB"))
one_bit = gray.point(lambda v: 255 if v > 127 else 0).convert("1")
keep("one_bit.png", one_bit, one_bit.convert("L"))
keep("gray16.png", Image.fromarray(np.asarray(gray).astype(np.uint16) * 257), gray)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Pillow does not write 16 bits of red, green and blue.
rows = (np.asarray(rgb).astype(np.uint16) * 257).byteswap()
raw = b"".join(b"\0" + row.tobytes() for row in rows)
with open(OUT + "rgb16.png", "wb") as file:
    header = struct.pack(">IIBBBBB", W, H, 16, 2, 0, 0, 0)
    file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))
rgb.save(OUT + "rgb16.png.expected.png")

keep("rgb.webp", rgb, rgb, lossless=True)
keep("rgb.bmp", rgb, rgb)
keep("rgb.tif", rgb, rgb, compression="tiff_lzw")
frames = [rgb.quantize(128), rgb.quantize(128).transpose(Image.FLIP_LEFT_RIGHT)]
frames[0].save(OUT + "frames.gif", save_all=True, append_images=frames[1:], duration=100)
Image.open(OUT + "frames.gif").convert("RGB").save(OUT + "frames.gif.expected.png")
