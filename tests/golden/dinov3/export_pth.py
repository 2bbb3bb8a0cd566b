"""Saves the official tiny model as Meta publishes weights, by torch.save (PyTorch 2.15).

    python export_pth.py        # in this folder: tiny_swiglu/official.safetensors -> official.pth
"""
import torch
from safetensors.torch import load_file

torch.save(load_file("tiny_swiglu/official.safetensors"), "tiny_swiglu/official.pth")
