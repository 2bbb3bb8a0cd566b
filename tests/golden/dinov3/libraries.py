"""Tiny DINOv3 models as timm, transformers and accelerate write them, and the tokens that these compute.

    pip install torch==2.15.0 timm==1.0.31 transformers==5.24.0 accelerate==1.15.0 safetensors==0.8.0
    python libraries.py        # in this folder: writes libraries/

Weights are drawn, not trained. Each folder has what the library wrote, in weights/, and tokens.safetensors: an input
that is already normalised, and all tokens after the final norm.
"""
import copy
import math
import shutil
from pathlib import Path

import timm
import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from timm.models import save_for_hf
from transformers import DINOv3ViTConfig, DINOv3ViTImageProcessor, DINOv3ViTModel

OUT = Path("libraries")
PIXELS = torch.sin(torch.arange(2 * 3 * 8 * 12) * 0.37).reshape(2, 3, 8, 12)


def fill(model):
    """Weights of unit gain and biases that matter."""
    torch.manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.numel() == 0:
                continue
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.25 * torch.randn_like(parameter))
            elif "gamma" in name or "lambda" in name:
                parameter.copy_(0.5 + 0.25 * torch.rand_like(parameter))
            elif parameter.dim() >= 2 and "token" not in name:
                fan_in = parameter[0].numel()
                parameter.copy_(torch.randn_like(parameter) / math.sqrt(fan_in))
            else:
                parameter.copy_(0.5 * torch.randn_like(parameter))
    return model.eval()


def folder(name):
    shutil.rmtree(OUT / name, ignore_errors=True)
    path = OUT / name / "weights"
    path.mkdir(parents=True)
    return path


def tokens(path, all_tokens):
    said = {"pixels": PIXELS, "tokens": all_tokens.contiguous()}
    save_file(said, path.parent / "tokens.safetensors")


def timm_model(registers, **more):
    arguments = dict(
        embed_dim=24, depth=1, num_heads=3, patch_size=4, mlp_ratio=1.5, rope_temperature=50, num_reg_tokens=registers,
    )
    model = timm.create_model(
        "vit_small_patch16_dinov3_qkvb", **arguments, **more, num_classes=0,
        pretrained_cfg_overlay=dict(mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.15)),
    )
    return model, arguments


@torch.no_grad()
def of_timm():
    for name, registers in [("timm", 2), ("timm_without_registers", 0)]:
        model, arguments = timm_model(registers)
        fill(model)
        path = folder(name)
        save_for_hf(model, path, model_args=arguments, safe_serialization=True)
        tokens(path, model.forward_features(PIXELS))
        if registers:
            naflex, _ = timm_model(registers, use_naflex=True)
            from timm.models.naflexvit import checkpoint_filter_fn

            naflex.load_state_dict(checkpoint_filter_fn(model.state_dict(), naflex))
            naflex.eval()
            same = (naflex.forward_features(PIXELS) - model.forward_features(PIXELS)).abs().max()
            print("NaFlex and timm's other class differ by", same.item())
            path = folder("timm_naflex")
            save_for_hf(naflex, path, model_args=arguments, safe_serialization=True)
            tokens(path, naflex.forward_features(PIXELS))


@torch.no_grad()
def of_transformers():
    config = DINOv3ViTConfig(
        hidden_size=24, intermediate_size=36, num_hidden_layers=1, num_attention_heads=3, patch_size=4, image_size=8,
        rope_theta=50.0, layer_norm_eps=1e-3, num_register_tokens=0,
    )
    model = fill(DINOv3ViTModel(config))
    said = model(PIXELS).last_hidden_state
    path = folder("transformers_without_registers")
    model.save_pretrained(path)
    DINOv3ViTImageProcessor(image_mean=[0.5, 0.4, 0.3], image_std=[0.25, 0.2, 0.15]).save_pretrained(path)
    tokens(path, said)

    # half() rounds the frequencies of the rotation, too, which no file stores.
    path = folder("transformers_variant")
    copy.deepcopy(model).half().save_pretrained(path, variant="fp16", max_shard_size="8KB")
    rounded = DINOv3ViTModel(config).eval()
    rounded.load_state_dict({name: value.half().float() for name, value in model.state_dict().items()})
    tokens(path, rounded(PIXELS).last_hidden_state)

    path = folder("accelerate_bin")
    Accelerator(cpu=True).save_model(model, path, max_shard_size="16KB", safe_serialization=False)
    config.save_pretrained(path)
    tokens(path, model(PIXELS).last_hidden_state)

    # Saved in shards, trained on, saved whole.
    path = folder("accelerate_stale")
    model.save_pretrained(path, max_shard_size="16KB")
    model.norm.bias.add_(0.125)
    Accelerator(cpu=True).save_model(model, path)
    tokens(path, model(PIXELS).last_hidden_state)


of_timm()
of_transformers()
for path in sorted(OUT.rglob("*")):
    if path.is_file():
        print(path, path.stat().st_size)
