"""Writes the parquet files beside it, with pyarrow, as the `datasets` library lays them out. Image n has n % 5 + 1 by 2 pixels of the
colour (n, 2n, 3n)."""

import json
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def png(n):
    width, height = n % 5 + 1, 2
    rows = (b"\0" + bytes([n, 2 * n, 3 * n]) * width) * height

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def image(n):
    return {"bytes": png(n), "path": f"{n}.png"}


def features(**columns):
    return {"huggingface": json.dumps({"info": {"features": columns}})}


def names(*labels):
    return {"names": list(labels), "_type": "ClassLabel"}


def write(name, columns, metadata=None, **how):
    table = pa.table(columns).replace_schema_metadata(metadata)
    pq.write_table(table, HERE / name, compression=how.pop("compression", "snappy"), **how)


hub = features(img={"_type": "Image"}, fine_label=names("ant", "bee", "cat"), coarse_label=names("all"))
for split, rows in [("train-00000-of-00002", range(0, 7)), ("train-00001-of-00002", range(7, 12)), ("test-00000-of-00001", range(20, 23))]:
    write(
        f"{split}.parquet",
        {
            "coarse_label": pa.array([0 for _ in rows], pa.int64()),
            "img": [image(n) if n != 4 else None for n in rows],
            "fine_label": pa.array([n % 3 for n in rows], pa.int64()),
        },
        hub,
        row_group_size=3,
    )
# Plain bytes and labels that are texts; a caption beside them.
write(
    "plain.parquet",
    {
        "caption": ["what it shows"] * 5,
        "content": pa.array([png(n) for n in range(5)], pa.binary()),
        "label": ["dog", "cat", "dog", "emu", "cat"],
    },
)
# Labels that are kept secret, as -1, and numbers without names.
write("secret.parquet", {"image": [image(n) for n in range(3)], "label": pa.array([-1, -1, -1], pa.int32())})
write("numbers.parquet", {"image": [image(n) for n in range(3)], "label": pa.array([2, 0, None], pa.int32())})
for codec in ["zstd", "gzip", "lz4", "none"]:
    write(f"{codec}.parquet", {"image": [image(n) for n in range(3)]}, compression=codec)
write("texts.parquet", {"caption": ["nothing to see"], "number": [1]})
