#!/usr/bin/env bash
# Pillow 13.0.0 (PyPI): a BigTIFF whose numbers are big-endian is not recognised as a picture.
#
# The wrong bet: what Pillow reads in one byte order it reads in the other. `TiffImageFile._open` reads the longer
# header of a BigTIFF if byte 2 of the file is 43, which is so in little-endian files alone; in big-endian ones it is
# byte 3. Pillow then says that it cannot identify the file, as if it were no picture.
# What to do: convert such files, for example by tifffile, or read them with libtiff.
#
# Output seen:
#   Pillow 13.0.0: little-endian BigTIFF read as (35, 21), big-endian BigTIFF: UnidentifiedImageError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6 tifffile==2025.5.10

"$folder/env/bin/python" - "$folder" <<'PY'
import sys
import numpy
import PIL
import tifffile
from PIL import Image

said = []
for order, name in (("<", "little"), (">", "big")):
    path = f"{sys.argv[1]}/{name}.tif"
    grey = numpy.arange(21 * 35, dtype=numpy.uint8).reshape(21, 35)
    tifffile.imwrite(path, grey, bigtiff=True, byteorder=order, metadata=None)
    assert numpy.array_equal(tifffile.imread(path), grey)
    try:
        said.append(f"{name}-endian BigTIFF read as {Image.open(path).size}")
    except Image.UnidentifiedImageError:
        said.append(f"{name}-endian BigTIFF: UnidentifiedImageError")
print(f"Pillow {PIL.__version__}: {', '.join(said)}")
sys.exit("changed: both are read now" if "Error" not in said[1] else 0)
PY
