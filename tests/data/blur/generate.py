"""PIL's GaussianBlur of a picture with smooth parts, edges and noise: SIZE.png holds the picture and, right of it, the picture blurred with
standard deviations of 0.1, 0.5, 1 and 2.

python3 generate.py   (Pillow, NumPy)
"""

import os

import numpy as np
from PIL import Image, ImageFilter

OUT = os.path.dirname(os.path.abspath(__file__))
for size in (32, 96, 224):
    y, x = np.mgrid[0:size, 0:size]
    smooth = 127 + 100 * np.sin(x / 26 + y / 39)
    disc = (x - size / 2) ** 2 + (y - size / 2) ** 2 < (size / 4) ** 2
    noise = np.random.default_rng(size).integers(0, 256, (size, size))
    corner = (x < size / 8) & (y < size / 2)
    pixels = np.where(corner, noise, np.where(disc, 255 - smooth, smooth)).astype(np.uint8)
    image = Image.fromarray(pixels)
    blurred = [image.filter(ImageFilter.GaussianBlur(sigma)) for sigma in (0.1, 0.5, 1, 2)]
    Image.fromarray(np.hstack([np.asarray(i) for i in [image, *blurred]])).save(f"{OUT}/{size}.png", optimize=True)
