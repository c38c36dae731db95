"""A picture, and PIL's bilinear resizing of it to views of 16 pixels: `square.png` of the largest square at its centre, `center.png` as
torchvision's Resize(18) and CenterCrop(16) of PIL images; and the same of the picture upright.

python3 generate.py   (Pillow, NumPy)
"""

import os

import numpy as np
from PIL import Image

OUT = os.path.dirname(os.path.abspath(__file__))
SIZE, RESIZED = 16, 18
height, width = 61, 97
y, x = np.mgrid[0:height, 0:width]
graphic = np.where((x // 5 + y // 7) % 2 == 0, 230, 20)
graphic[y > 40] = ((x * x + 3 * y) % 256)[y > 40]
wide = Image.fromarray(np.dstack([graphic, x * 255 // width, 255 - graphic]).astype(np.uint8))
for name, image in (("wide", wide), ("tall", wide.transpose(Image.TRANSPOSE))):
    w, h = image.size
    short = min(w, h)
    left, top = (w - short) // 2, (h - short) // 2
    square = image.crop((left, top, left + short, top + short)).resize((SIZE, SIZE), Image.BILINEAR)
    resized = image.resize((RESIZED * w // short, RESIZED * h // short), Image.BILINEAR)
    left, top = round((resized.width - SIZE) / 2), round((resized.height - SIZE) / 2)
    center = resized.crop((left, top, left + SIZE, top + SIZE))
    image.save(f"{OUT}/{name}.png", optimize=True)
    square.save(f"{OUT}/{name}.square.png", optimize=True)
    center.save(f"{OUT}/{name}.center.png", optimize=True)
