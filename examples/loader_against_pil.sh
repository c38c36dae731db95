#!/usr/bin/env bash
# The loader against Pillow, image for image on one core: simsiam decodes each file and cuts out both views' patches; Pillow decodes and
# resizes once, and then, what a training in Python has to do, decodes and makes two random resized crops.
#
#   examples/loader_against_pil.sh FOLDER [SIZE]      (python3 with Pillow; FOLDER holds train/ with .jpg files)
set -euo pipefail
folder=$1 size=${2:-224}
simsiam=${SIMSIAM:-target/release/simsiam}

"$simsiam" bench data "$folder" --image-size "$size" --batch-size 64 --threads 1 --epochs 2
python3 - "$folder" "$size" <<'PYTHON'
import glob, math, random, sys, time
from PIL import Image

folder, size = sys.argv[1], int(sys.argv[2])
files = sorted(glob.glob(folder + "/train/**/*.jpg", recursive=True))


def resized(image):
    image.resize((size, size), Image.BILINEAR)


def two_views(image):
    # torchvision's RandomResizedCrop((0.2, 1.0)), its first try.
    width, height = image.size
    for _ in range(2):
        area, ratio = width * height * random.uniform(0.2, 1.0), math.exp(random.uniform(-0.2877, 0.2877))
        w, h = min(width, round(math.sqrt(area * ratio))), min(height, round(math.sqrt(area / ratio)))
        left, top = random.randint(0, width - w), random.randint(0, height - h)
        image.resize((size, size), Image.BILINEAR, box=(left, top, left + w, top + h))


for name, work in ("one resize", resized), ("two random resized crops", two_views):
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        for file in files:
            work(Image.open(file).convert("RGB"))
        times.append(time.perf_counter() - begin)
    print(f"Pillow   {len(files) / sorted(times)[-1]:.0f} images/s, decode and {name}")
PYTHON
