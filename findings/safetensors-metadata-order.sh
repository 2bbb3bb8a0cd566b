#!/usr/bin/env bash
# safetensors 0.8.0 (PyPI): the same tensors and the same metadata give different files.
#
# The wrong bet: a format that sorts its tensors also sorts its metadata, so that the hash of a file names its
# contents. The entries of `__metadata__` are written in the order of a hash map that is seeded anew in each
# process, so that two runs of the same script differ in their bytes as soon as there are two entries.
# What to do: write the header oneself with sorted entries, or hash tensors instead of files.
#
# Output seen (the number varies):
#   safetensors 0.8.0: 10 processes wrote 9 different files; the tensors in them are equal
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.2.6

cat >"$folder/write.py" <<'PY'
import sys
import numpy
from safetensors.numpy import save_file

tensors = {"weight": numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "bias": numpy.zeros(3, numpy.float32)}
names = ["format", "author", "epoch", "step", "licence", "dataset"]
save_file(tensors, sys.argv[1], metadata={name: name for name in names})
PY
for run in $(seq 10); do
  "$folder/env/bin/python" "$folder/write.py" "$folder/$run.safetensors"
done
different=$(sha256sum "$folder"/*.safetensors | cut -d' ' -f1 | sort -u | wc -l)

"$folder/env/bin/python" - "$folder" "$different" <<'PY'
import pathlib
import sys
import numpy
import safetensors
from safetensors.numpy import load_file

files = [load_file(path) for path in pathlib.Path(sys.argv[1]).glob("*.safetensors")]
assert all(numpy.array_equal(file[name], files[0][name]) for file in files for name in files[0])
print(f"safetensors {safetensors.__version__}: {len(files)} processes wrote {sys.argv[2]} different files; the tensors in them are equal")
PY
if [ "$different" -eq 1 ]; then
  echo "changed: all files are the same bytes now" >&2
  exit 1
fi
