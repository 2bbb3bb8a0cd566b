"""Reference outputs for the tests of svg-vit, by the installed code of transformers and timm.

    pip install torch timm==1.0.31 transformers==5.24.0
    python crates/svg-vit/tests/golden/export.py crates/svg-vit/tests/golden

writes `expected.json`: small networks of each family with weights by a formula (`tests/golden/fill.rs`), at the grid of
their table and at others. Names and shapes of each file of weights are in it, so the tests make the same weights.

    python crates/svg-vit/tests/golden/export.py --by-hand FOLDER PHOTOGRAPH..

writes models of full size with weights by the same formula, photographs, and what transformers and timm make of them,
for `SVG_VIT_BY_HAND=FOLDER cargo test -p svg-vit --test golden -- --ignored --nocapture`. With `--real FILE` in front of
the photographs it does so for the weights of a DINOv2 ViT-S/14 in Meta's names.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import timm
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
SIDE = 4  # of a table
PATCH = 4
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, patch_size=PATCH)
IMAGE = PATCH * SIDE
STRIDE = 37  # between the numbers that are kept of an output; no divisor of its sizes
TIMM = dict(embed_dim=32, depth=2, num_heads=2, patch_size=PATCH, img_size=IMAGE, num_classes=0, mlp_ratio=2)


def units(name, count):
    """Numbers in [-1, 1): a counter keyed by FNV-1a-32 of the name, through murmur3's finaliser."""
    key = 0x811C9DC5
    for byte in name.encode():
        key = ((key ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(key)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    x = x ^ (x >> np.uint32(16))
    return (x >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def filled(name, shape):
    """Matrices keep the second moment, norms and factors differ from the identity, tokens and positions are of order one."""
    u = units("vit." + name, int(np.prod(shape)))
    tokens = ("token", "embedding", "pos_embed", "position", "latent", "probe")
    last = name.rsplit(".", 1)[-1]
    if any(word in name for word in tokens) and "patch_embedding" not in name:
        pass
    elif len(shape) > 1:
        u = u * np.float32((3.0 / int(np.prod(shape[1:]))) ** 0.5 * 1.5)
    elif last == "weight":
        u = u * np.float32(0.25) + np.float32(1)
    elif last in ("gamma", "lambda1"):
        u = u * np.float32(0.25) + np.float32(0.75)
    else:
        u = u * np.float32(0.25)
    return torch.from_numpy(u.reshape(shape).copy())


def fill(module):
    """A module with weights by formula, and the names and shapes of those."""
    state = {name: filled(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()}
    module.load_state_dict(state, strict=True)
    return module.eval().requires_grad_(False), {name: list(tensor.shape) for name, tensor in state.items()}


def of_transformers(model):
    """The model with weights by formula, through a file of it, and the names and shapes in that file."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path = folder + "/model.safetensors"
        state = {name: filled(name, tuple(tensor.shape)) for name, tensor in load_file(path).items()}
        save_file(state, path, {"format": "pt"})
        model, report = type(model).from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model.eval().requires_grad_(False), {name: list(tensor.shape) for name, tensor in state.items()}


def pixels(rows, columns):
    shape = (2, 3, rows * PATCH, columns * PATCH)
    return torch.from_numpy(units("pixels", int(np.prod(shape))).reshape(shape).copy())


def summary_of(tensor):
    """Every so many numbers, the largest, and the sum of absolute values."""
    if tensor is None:
        return None
    numbers = tensor.double().flatten()
    some = [float(f"{v:.8g}") for v in numbers[::STRIDE].tolist()]
    return dict(some=some, largest=float(numbers.abs().max()), magnitude=float(numbers.abs().sum()))


def case(name, names, run, **said):
    outputs = {}
    for rows, columns in [(SIDE, SIDE), (5, 3), (3, 3), (6, 9)]:
        with torch.no_grad():
            patches, summary = run(pixels(rows, columns))
        outputs[f"{rows}x{columns}"] = dict(patches=summary_of(patches), summary=summary_of(summary))
    return dict(name=name, tensors=names, outputs=outputs, **said)


def transformers_cases():
    wide = dict(intermediate_size=64)
    torch.manual_seed(0)

    model, names = of_transformers(hf.Dinov2Model(hf.Dinov2Config(**SIZES, image_size=IMAGE, mlp_ratio=2)))
    yield case("transformers Dinov2Model", names, lambda x, m=model: split(m(x).last_hidden_state, 1))

    config = hf.Dinov2Config(**SIZES, image_size=IMAGE, mlp_ratio=2, use_swiglu_ffn=True)
    model, names = of_transformers(hf.Dinov2Model(config))
    yield case("transformers Dinov2Model gated", names, lambda x, m=model: split(m(x).last_hidden_state, 1))

    config = hf.Dinov2WithRegistersConfig(**SIZES, image_size=IMAGE, mlp_ratio=2, num_register_tokens=3)
    model, names = of_transformers(hf.Dinov2WithRegistersModel(config))
    yield case("transformers Dinov2WithRegistersModel", names, lambda x, m=model: split(m(x).last_hidden_state, 4))

    model, names = of_transformers(hf.ViTMAEModel(hf.ViTMAEConfig(**SIZES, **wide, image_size=IMAGE, mask_ratio=0.0)))

    def mae(x, m=model):
        count = x.shape[2] * x.shape[3] // PATCH**2
        order = torch.arange(count).float().expand(len(x), -1)  # patches stay where they are
        return split(m(x, noise=order, interpolate_pos_encoding=True).last_hidden_state, 1)

    yield case("transformers ViTMAEModel", names, mae)

    model, names = of_transformers(hf.SiglipVisionModel(hf.SiglipVisionConfig(**SIZES, **wide, image_size=IMAGE)))

    def siglip(x, m=model):
        out = m(x, interpolate_pos_encoding=True)
        return out.last_hidden_state, out.pooler_output

    yield case("transformers SiglipVisionModel", names, siglip)

    config = hf.Siglip2VisionConfig(**SIZES, **wide, num_patches=SIDE * SIDE)
    model, names = of_transformers(hf.Siglip2VisionModel(config))

    def naflex(x, m=model):
        batch, _, height, width = x.shape
        rows, columns = height // PATCH, width // PATCH
        x = x.reshape(batch, 3, rows, PATCH, columns, PATCH).permute(0, 2, 4, 3, 5, 1)
        x = x.reshape(batch, rows * columns, -1)
        mask = torch.ones(batch, rows * columns, dtype=torch.long)
        out = m(x, mask, torch.tensor([[rows, columns]] * batch))
        return out.last_hidden_state, out.pooler_output

    yield case("transformers Siglip2VisionModel", names, naflex)

    for act in ["quick_gelu", "gelu"]:
        config = hf.CLIPVisionConfig(**SIZES, **wide, image_size=IMAGE, hidden_act=act)
        model, names = of_transformers(hf.CLIPVisionModel(config))

        def clip(x, m=model):
            out = m(x, interpolate_pos_encoding=True)
            inner = getattr(m, "vision_model", m)
            return inner.post_layernorm(out.last_hidden_state[:, 1:]), out.pooler_output

        yield case(f"transformers CLIPVisionModel {act}", names, clip)


def timm_cases():
    def model(name, **more):
        return fill(timm.create_model(name, dynamic_img_size=True, **{**TIMM, **more}))

    def tokens(network, prefix):
        return lambda x: split(network.forward_features(x), prefix)

    for name, prefix, more in [
        ("vit_small_patch14_dinov2", 1, {}),
        ("vit_small_patch14_reg4_dinov2", 5, {}),
        ("vit_giant_patch14_dinov2", 1, dict(mlp_ratio=4)),
        ("vit_base_patch16_224", 1, {}),
        ("vit_base_patch16_clip_224", 1, {}),
        ("vit_base_patch16_clip_quickgelu_224", 1, {}),
    ]:
        network, names = model(name, **more)
        yield case(f"timm {name}", names, tokens(network, prefix))
    for name in ["vit_base_patch16_siglip_256", "vit_so400m_patch16_siglip_256"]:
        network, names = model(name)

        def pooled(x, m=network):
            features = m.forward_features(x)
            return features, m.attn_pool(features)

        yield case(f"timm {name}", names, pooled)

    # Meta's rule for networks without registers, with the call of PyTorch that their code makes.
    network, names = model("vit_small_patch14_dinov2")

    def meta(x, m=network):
        grid = [side // PATCH for side in x.shape[2:]]
        table, was = m.pos_embed, m.pos_embed[:, 1:]
        if grid != [SIDE, SIDE]:
            was = was.reshape(1, SIDE, SIDE, -1).permute(0, 3, 1, 2)
            factors = tuple((side + 0.1) / SIDE for side in grid)
            was = torch.nn.functional.interpolate(was, scale_factor=factors, mode="bicubic", antialias=False)
            assert list(was.shape[2:]) == grid
            was = was.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1)
        x = m.patch_embed.proj(x).flatten(2).transpose(1, 2)
        cls = (m.cls_token + table[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([cls, x + was], 1)
        for block in m.blocks:
            x = block(x)
        return split(m.norm(x), 1)

    yield case("meta dinov2", {**names, "mask_token": [1, 32]}, meta)


def split(tokens, prefix):
    return tokens[:, prefix:], tokens[:, 0]


def main(folder):
    cases = list(transformers_cases()) + list(timm_cases())
    document = dict(
        made_by=f"torch {torch.__version__}, transformers {hf.__version__}, timm {timm.__version__}", cases=cases
    )
    path = Path(folder) / "expected.json"
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


def photographs(paths, side):
    """Central squares in [-1, 1]."""
    from PIL import Image

    def one(path):
        image = Image.open(path).convert("RGB")
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        image = image.crop((left, top, left + short, top + short)).resize((side, side), Image.BICUBIC)
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 127.5 - 1

    return torch.stack([one(path) for path in paths])


STATISTICS = dict(
    imagenet=((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    half=((0.5,) * 3, (0.5,) * 3),
    clip=((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
)


def normalised(images, statistics):
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in STATISTICS[statistics])
    return ((images + 1) * 0.5 - mean) / std


def by_hand(folder, paths, real):
    def write(name, model, side, statistics, run):
        place = Path(folder) / name
        place.mkdir(parents=True, exist_ok=True)
        if model is not None:
            model.save_pretrained(place)
            print(name, sum(p.numel() for p in model.parameters()), "parameters")
        images = photographs(paths, side)
        with torch.no_grad():
            patches, summary = run(normalised(images, statistics))
        outputs = dict(images=images, patches=patches.contiguous(), summary=summary.contiguous())
        save_file(outputs, place / "outputs")

    def interpolated(m, prefix=1):
        return lambda x: split(m(x, interpolate_pos_encoding=True).last_hidden_state, prefix)

    if real:
        state = load_file(real)
        config = hf.Dinov2Config(hidden_size=384, num_attention_heads=6, num_hidden_layers=12, image_size=518, patch_size=14)
        model = hf.Dinov2Model(config)
        renamed = {}
        for name, tensor in state.items():
            if ".attn.qkv." in name:
                block, kind = name.split(".")[1], name.rsplit(".", 1)[-1]
                for part, third in zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3)):
                    renamed[f"encoder.layer.{block}.attention.{part}.{kind}"] = third
                continue
            pairs = [
                ("blocks.", "encoder.layer."), (".attn.proj.", ".attention.o_proj."), (".ls1.gamma", ".layer_scale1.lambda1"),
                (".ls2.gamma", ".layer_scale2.lambda1"), ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
                ("cls_token", "embeddings.cls_token"), ("mask_token", "embeddings.mask_token"),
                ("pos_embed", "embeddings.position_embeddings"),
            ]
            name = "layernorm." + name[5:] if name.startswith("norm.") else name
            for old, new in pairs:
                name = name.replace(old, new)
            renamed[name] = tensor
        model.load_state_dict(renamed, strict=True)
        model = model.eval()
        for side in (224, 518):
            write(f"real-{side}", model, side, "imagenet", lambda x: split(model(x).last_hidden_state, 1))
        return
    base = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12)
    config = hf.Dinov2WithRegistersConfig(**base, image_size=518, patch_size=14)
    model, _ = of_transformers(hf.Dinov2WithRegistersModel(config))
    write("dinov2-b14-reg", model, 224, "imagenet", lambda x: split(model(x).last_hidden_state, 5))
    mae, _ = of_transformers(hf.ViTMAEModel(hf.ViTMAEConfig(**base, mask_ratio=0.0)))

    def run_mae(x):
        order = torch.arange(196).float().expand(len(x), -1)
        return split(mae(x, noise=order).last_hidden_state, 1)

    write("mae-b16", mae, 224, "imagenet", run_mae)
    siglip, _ = of_transformers(hf.SiglipVisionModel(hf.SiglipVisionConfig(**base, intermediate_size=3072, image_size=256, patch_size=16)))

    def run_siglip(x):
        out = siglip(x)
        return out.last_hidden_state, out.pooler_output

    write("siglip2-b16-256", siglip, 256, "half", run_siglip)
    clip, _ = of_transformers(hf.CLIPVisionModel(hf.CLIPVisionConfig(**base, intermediate_size=3072, patch_size=16)))

    def run_clip(x):
        out = clip(x, interpolate_pos_encoding=True)
        return clip.post_layernorm(out.last_hidden_state[:, 1:]), out.pooler_output

    write("clip-b16", clip, 256, "clip", run_clip)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[0] != "--by-hand":
        main(arguments[0])
    elif arguments[2] == "--real":
        by_hand(arguments[1], arguments[4:], arguments[3])
    else:
        by_hand(arguments[1], arguments[2:], None)
