#!/usr/bin/env bash
# accelerate 1.15.0 (PyPI): `Accelerator.save_model` into a folder that holds an earlier save leaves that save's files where
# the new one is cut into shards and the old was not, or the other way round, and its own reader then takes the old weights.
#
# The wrong bet: after `save_model(model, folder)`, loading from the folder gives that model. A single file
# `model.safetensors` of an earlier save stays beside the new shards and their index, and is what
# `load_checkpoint_in_model` reads. A model that has grown beyond `max_shard_size` between two saves is lost in silence.
# What to do: save into an empty folder. A reader should compare a whole file with an index beside it, and say if they differ.
#
# Output seen:
#   accelerate 1.15.0: single file 1, then shards 2: loads 1; shards 1, then single file 2: loads 2, shards stay: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check accelerate==1.15.0 torch==2.15.0 safetensors==0.8.0 numpy==2.4.6

cat >"$folder/save.py" <<'PY'
import os
import sys

import accelerate
import torch

folder = sys.argv[1]
writer = accelerate.Accelerator(cpu=True)


def model(value):
    layers = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64))
    for parameter in layers.parameters():
        torch.nn.init.constant_(parameter, value)
    return layers


def loaded(place):
    empty = model(0.0)
    accelerate.load_checkpoint_in_model(empty, place)
    return int(next(empty.parameters())[0, 0])


def saved(name, first, second):
    place = os.path.join(folder, name)
    writer.save_model(model(1.0), place, max_shard_size=first)
    writer.save_model(model(2.0), place, max_shard_size=second)
    return place


grown = loaded(saved("grown", "10GB", "17KB"))
place = saved("shrunk", "17KB", "10GB")
stale = os.path.exists(os.path.join(place, "model.safetensors.index.json"))
print(
    f"accelerate {accelerate.__version__}: single file 1, then shards 2: loads {grown}; shards 1, then single file 2: "
    f"loads {loaded(place)}, shards stay: {stale}"
)
if grown != 1 or not stale:
    sys.exit("changed: an earlier save no longer stays")
PY
"$folder/env/bin/python" "$folder/save.py" "$folder" 2>/dev/null
