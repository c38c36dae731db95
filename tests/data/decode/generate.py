"""Small images of every kind that a folder may hold, each with what Pillow makes of it (NAME.expected.png).

python3 generate.py   (Pillow, NumPy, tifffile)
"""

import os
import struct
import zlib

import numpy as np
import tifffile
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

# What cameras, printers and scanners write beside that.
ycc = np.asarray(rgb.convert("YCbCr"))
dark = np.full((H, W), 40, np.uint8)
# Adobe's order: luma and chroma of red, green and blue, then black, inverted like them.
cmyk = Image.fromarray(np.dstack([255 - ycc, dark]), "CMYK")
cmyk.save(OUT + "ycck.jpg", quality=95)
bytes_ = open(OUT + "ycck.jpg", "rb").read()
adobe = bytes_.index(b"Adobe")
with open(OUT + "ycck.jpg", "wb") as file:
    file.write(bytes_[: adobe + 11] + b"\x02" + bytes_[adobe + 12 :])
Image.open(OUT + "ycck.jpg").convert("RGB").save(OUT + "ycck.jpg.expected.png")
tifffile.imwrite(OUT + "planar.tif", np.moveaxis(np.asarray(rgb), -1, 0), photometric="rgb", planarconfig="separate")
rgb.save(OUT + "planar.tif.expected.png")
mirrored = rgb.transpose(Image.FLIP_LEFT_RIGHT)
rgb.save(OUT + "animated.webp", save_all=True, append_images=[mirrored], duration=100, lossless=True)
rgb.save(OUT + "animated.webp.expected.png")
rgb.save(OUT + "pair.mpo", save_all=True, append_images=[mirrored], **jpeg)
rgb.save(OUT + "pair.mpo.expected.png")

# On a background.
for name, image in (("rgba.png", with_alpha), ("gray_alpha.png", gray_alpha)):
    for background, color in (("white", (255, 255, 255)), ("orange", (255, 128, 0))):
        under = Image.new("RGBA", image.size, color + (255,))
        flat = Image.alpha_composite(under, image.convert("RGBA")).convert("RGB")
        flat = flat.convert("L") if name == "gray_alpha.png" and background == "white" else flat
        flat.save(f"{OUT}{name}.on_{background}.png", optimize=True)

# 12 bits in 16, and numbers without a white.
twelve = (np.asarray(gray).astype(np.uint32) * 4095 // 255).astype(np.uint16)
Image.fromarray(twelve).save(OUT + "gray12.png")
tifffile.imwrite(OUT + "gray12.tif", twelve)
for name in ("gray12.png", "gray12.tif"):
    Image.fromarray(((twelve + 128) // 257).astype(np.uint8)).save(OUT + name + ".expected.png")
    gray.save(OUT + name + ".scaled.png", optimize=True)
tifffile.imwrite(OUT + "float.tif", np.asarray(gray)[:6, :6] / np.float32(255))
