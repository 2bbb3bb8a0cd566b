"""What `svg convert` writes, loaded by timm and transformers: the tokens are those of the original models.

    pip install torch==2.15.0 timm==1.0.31 transformers==5.24.0 safetensors==0.8.0
    python read_back.py ../../../target/debug/svg        # in this folder
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from transformers import DINOv3ViTModel

SVG = sys.argv[1]
OUT = Path(tempfile.mkdtemp())


def of_timm(folder, pixels):
    return timm.create_model(f"local-dir:{folder}", pretrained=True).eval().forward_features(pixels)


def of_transformers(folder, pixels):
    return DINOv3ViTModel.from_pretrained(folder).eval()(pixels).last_hidden_state


@torch.no_grad()
def check(weights, pixels, tokens):
    for layout, read in [("timm", of_timm), ("hf", of_transformers)]:
        folder = OUT / str(len(list(OUT.iterdir())))
        subprocess.run([SVG, "convert", weights, folder, "--to", layout], check=True)
        off = (read(folder, pixels) - tokens).abs().max().item()
        print(f"{weights} as {layout}: off by {off:.1e}")
        assert off < 1e-5


for name in ["timm", "timm_without_registers", "timm_naflex"]:
    recorded = load_file(f"libraries/{name}/tokens.safetensors")
    check(f"libraries/{name}/weights", recorded["pixels"], recorded["tokens"])
for name in ["tiny_mlp", "tiny_swiglu", "tiny_7b_like"]:
    recorded = load_file(f"{name}/io.safetensors")
    check(f"{name}/official.safetensors", recorded["pixel_values"], recorded["last_hidden_state"])
