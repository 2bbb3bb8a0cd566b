"""Checkpoints of a tiny network as real libraries write them, as names and first numbers.

    pip install torch==2.15.0 timm==1.0.31 ema-pytorch==0.7.7 lightning==2.6.0
    python make.py > names.json

The weights of the last step are zeros and averaged ones are ones, so the numbers say which is which. Buffers are 2.
"""

import copy
import json
import sys
import tempfile

import torch
from ema_pytorch import EMA
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from timm.utils import ModelEmaV3, get_state_dict, unwrap_model
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.register_buffer("pos", torch.full((2,), 2.0))

    def forward(self, x):
        return self.a(x) + self.pos


def filled(module, value):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)
    return module


def flat(value, name=""):
    """Tensors by their keys, joined by dots; what else a checkpoint holds is no matter here."""
    if isinstance(value, torch.Tensor):
        return {name: float(value.flatten()[0])}
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    found = {}
    for key, inner in value.items() if isinstance(value, dict) else []:
        found.update(flat(inner, f"{name}.{key}" if name else str(key)))
    return found


def optimizer(net):
    adam = torch.optim.AdamW(net.parameters(), lr=0.0)
    net(torch.ones(1, 2)).sum().backward()
    adam.step()
    return adam.state_dict()


def lightning():
    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Net()

        def training_step(self, batch, index):
            return self.model(batch).sum()

        def train_dataloader(self):
            return torch.utils.data.DataLoader(torch.ones(2, 2))

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=0.0)

    module, averaging = filled(Module(), 0.0), EMAWeightAveraging()
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    trainer = Trainer(max_steps=1, accelerator="cpu", callbacks=[averaging], **quiet)
    trainer.fit(module)
    filled(averaging._average_model, 1.0)
    # The callback puts the averages into the module when the training ends.
    filled(module, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        trainer.save_checkpoint(f"{folder}/last.ckpt")
        return torch.load(f"{folder}/last.ckpt", weights_only=False)


def distributed(net):
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    return DistributedDataParallel(net)


net = filled(Net(), 0.0)
state = net.state_dict()
of_torch = filled(AveragedModel(net), 1.0)
of_timm = filled(ModelEmaV3(net), 1.0)
of_ema_pytorch = EMA(copy.deepcopy(net))
filled(of_ema_pytorch.ema_model, 1.0)
filled(of_ema_pytorch.online_model, 0.0)
alone = EMA(copy.deepcopy(net), include_online_model=False)
filled(alone.ema_model, 1.0)

forms = {
    "compiled": {"model": torch.compile(net).state_dict()},
    "distributed": {"model": distributed(filled(Net(), 0.0)).state_dict(), "optimizer": optimizer(Net())},
    "torch": {"model": state, "ema_model": of_torch.state_dict(), "optimizer": optimizer(Net())},
    "torch alone": of_torch.state_dict(),
    "timm": {
        "state_dict": get_state_dict(net, unwrap_model),
        "state_dict_ema": get_state_dict(of_timm, unwrap_model),
        "optimizer": optimizer(Net()),
    },
    "timm as a module": {"model": state, "model_ema": of_timm.state_dict()},
    "ema_pytorch": {"ema": of_ema_pytorch.state_dict(), "step": torch.tensor(3)},
    "ema_pytorch beside the model": {"model": state, "ema": alone.state_dict(), "opt": optimizer(Net())},
    "lightning": lightning(),
}
json.dump({name: flat(form) for name, form in forms.items()}, sys.stdout, indent=1, sort_keys=True)
print()
