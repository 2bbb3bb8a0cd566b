"""torch-fidelity's side of `cargo bench --bench inception`.

    pip install torch torch-fidelity
    python benches/inception.py --batch 8,32 --threads 2

times its own feature extractor on images of 8 bits, 256 x 256, with the features of FID, KID and the Inception Score.
Weights are random: time does not depend on them.
"""

import argparse
import time
from importlib.metadata import version
from unittest import mock

import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


def extractor():
    features = ["2048", "logits_unbiased"]
    with mock.patch("torch.load", lambda *_, **__: {}), mock.patch.object(
        FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None
    ):
        net = FeatureExtractorInceptionV3("i", features, feature_extractor_weights_path="none")
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            # What goes through keeps its size; smaller numbers would be slower ones at the end.
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return net.eval()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", default="8,32")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = extractor()
    if options.channels_last:
        net = net.to(memory_format=torch.channels_last)
    print("torch", version("torch"), "torch-fidelity", version("torch-fidelity"), "threads", options.threads)
    for batch in map(int, options.batch.split(",")):
        images = torch.randint(0, 256, (batch, 3, 256, 256), dtype=torch.uint8)
        seconds = []
        with torch.no_grad():
            net(images)
            for _ in range(options.repeat):
                start = time.perf_counter()
                net(images)
                seconds.append(time.perf_counter() - start)
        median = sorted(seconds)[len(seconds) // 2]
        print(f"batch {batch}: median {median:.3f} s, least {min(seconds):.3f} s, {batch / median:.2f} images/s")


if __name__ == "__main__":
    main()
