#!/usr/bin/env bash
# datasets 5.2.0 (PyPI): `to_parquet` of a folder of pictures writes their paths and none of their bytes.
#
# The wrong bet: a parquet file that a data set of images was written to holds the images. For files on disk the column
# is `{bytes: null, path: "/absolute/path"}`, so that the file is of no use on another machine, and nothing says so.
# `push_to_hub` does embed the files.
# What to do: embed them first, by `datasets.table.embed_table_storage`.
#
# Output seen:
#   datasets 5.2.0: as it is, bytes: False, path absolute: True; embedded, bytes: True, path: 0.png
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0

cat >"$folder/write.py" <<'PY'
import os
import sys

import datasets
import pyarrow.parquet
from datasets.table import embed_table_storage
from PIL import Image

folder = sys.argv[1]
os.makedirs(f"{folder}/set/cat")
Image.new("RGB", (2, 3)).save(f"{folder}/set/cat/0.png")
rows = datasets.load_dataset("imagefolder", data_dir=f"{folder}/set", split="train", cache_dir=f"{folder}/cache")


def first(rows, name):
    rows.to_parquet(f"{folder}/{name}.parquet")
    return pyarrow.parquet.read_table(f"{folder}/{name}.parquet").to_pylist()[0]["image"]


plain = first(rows, "plain")
embedded = first(rows.with_format("arrow").map(embed_table_storage, batched=True).with_format(None), "embedded")
print(
    f"datasets {datasets.__version__}: as it is, bytes: {plain['bytes'] is not None}, path absolute: "
    f"{os.path.isabs(plain['path'])}; embedded, bytes: {embedded['bytes'] is not None}, path: {embedded['path']}"
)
if plain["bytes"] is not None or not embedded["bytes"]:
    sys.exit("changed: the picture's bytes are written otherwise now")
PY
HF_HUB_OFFLINE=1 "$folder/env/bin/python" "$folder/write.py" "$folder" 2>/dev/null
