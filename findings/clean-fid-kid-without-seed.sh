#!/usr/bin/env bash
# clean-fid 0.1.35 (PyPI): the KID of the same features is another number at every call.
#
# The wrong bet: a metric is a function of its inputs. The subsets that KID averages over are drawn from NumPy's global
# generator, which nobody seeds, and neither `compute_kid` nor `kernel_distance` takes a seed. For two sets of 3,000 that are
# close to each other, as samples of two good models are, values of one and the same pair differ by a multiple.
# What to do: call `numpy.random.seed` before each call and write the seed beside the number, or compare by a tool whose
# draws are its own (torch-fidelity: seed 2020).
#
# Output seen (the first four are others each time):
#   clean-fid 0.1.35: four calls: -1.717041e-04 -5.523438e-05 -2.145996e-04 -1.700098e-04; seeded, twice the same: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check clean-fid==0.1.35 torch==2.15.0 torchvision==0.29.2 \
  scipy==1.17.1 numpy==2.4.6

cat >"$folder/kid.py" <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from cleanfid.fid import kernel_distance

drawn = np.random.default_rng(0)
one = drawn.standard_normal((3000, 64)).astype(np.float32)
other = (drawn.standard_normal((3000, 64)) * 1.02).astype(np.float32)
values = [kernel_distance(one, other) for _ in range(4)]


def seeded():
    np.random.seed(0)
    return kernel_distance(one, other)


same = seeded() == seeded()
print(
    f"clean-fid {version('clean-fid')}: four calls: {' '.join(f'{value:.6e}' for value in values)}; "
    f"seeded, twice the same: {same}"
)
if len(set(values)) == 1 or not same:
    sys.exit("changed: its draws have a seed now")
PY
"$folder/env/bin/python" "$folder/kid.py" 2>/dev/null
