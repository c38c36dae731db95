#!/bin/bash
# Weights between this program and PyTorch, in both directions: torchvision's ResNet-18 and ResNet-50 with random weights and SimSiam's whole
# module come in, a run's weights go out and come back, and features are compared on the same images. Nothing here is needed to train.
#
#     examples/interop.sh            # PYTHON=... names a Python with torch, torchvision, safetensors and Pillow; else a venv gets them
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked
simsiam=$(pwd)/target/release/simsiam
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv venv
    venv/bin/pip install --quiet torch torchvision safetensors pillow --extra-index-url https://download.pytorch.org/whl/cpu
    PYTHON=$work/venv/bin/python
fi

"$PYTHON" - <<'END'
import os, torch, torchvision
from PIL import Image
from torchvision.models.resnet import BasicBlock

torch.manual_seed(1)
for part, count in (("train", 64), ("test", 16)):
    for i in range(count):
        os.makedirs(f"images/{part}/{i % 2}", exist_ok=True)
        pixels = torch.rand(1, 3, 4, 4).mul(255)
        pixels = torch.nn.functional.interpolate(pixels, (64, 64), mode="bilinear").round().to(torch.uint8)[0].permute(1, 2, 0)
        Image.fromarray(pixels.numpy()).save(f"images/{part}/{i % 2}/{i:03}.png")

def lively(net):
    "Last scales and running statistics that are not as they begin."
    for name, value in net.state_dict().items():
        if name.endswith(("bn2.weight", "bn3.weight")):
            value.copy_(0.5 + torch.rand_like(value))
    net.train()
    with torch.no_grad():
        for _ in range(8):
            net(2 * torch.randn(16, 3, 64, 64))
    return net

for name in ("resnet18", "resnet50"):
    torch.save(lively(getattr(torchvision.models, name)()).state_dict(), f"{name}.pth")
# The module of SimSiam's authors, in DataParallel.
encoder = lively(torchvision.models.resnet18())
linear, norm, relu = torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.ReLU
encoder.fc = torch.nn.Sequential(linear(512, 512, bias=False), norm(512), relu(), linear(512, 512, bias=False), norm(512), relu(),
                                 linear(512, 256), norm(256, affine=False))
predictor = torch.nn.Sequential(linear(256, 64, bias=False), norm(64), relu(), linear(64, 256))
module = torch.nn.ModuleDict(dict(encoder=encoder, predictor=predictor))
torch.save(dict(epoch=3, state_dict={f"module.{k}": v for k, v in module.state_dict().items()}), "simsiam.pth.tar")
END

common=(--data images --preset cifar10 --set data.image_size=64 --set augment.mean=[0.5,0.5,0.5] --set augment.std=[0.25,0.25,0.25] --set optim.batch_size=16)
for name in resnet18 resnet50; do
    "$simsiam" import --weights "$name.pth" --out "$name" "${common[@]}"
    "$simsiam" embed --run "$name" --data images --split test --out "$name.npy" > /dev/null
done
"$simsiam" import --weights simsiam.pth.tar --out simsiam "${common[@]}" --set model.projector_layers=3 --set model.projector_hidden=512 \
    --set model.dim=256 --set model.predictor_dim=64 --set model.output_affine=false
"$simsiam" embed --run simsiam --data images --split test --projector --out simsiam.npy > /dev/null
# A run of its own goes out and comes back.
"$simsiam" train --data images "${common[@]:2}" --epochs 1 --no-tune --out own --set model.width=16 > /dev/null
"$simsiam" export --run own --out own.safetensors > /dev/null
"$simsiam" export --run own --out own-full.safetensors --full > /dev/null
"$simsiam" embed --run own --data images --split test --out own.npy > /dev/null

"$PYTHON" - <<'END'
import csv, re, numpy, torch, torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

def images(table):
    names = [row["name"] for row in csv.DictReader(open(table))]
    stack = numpy.stack([numpy.asarray(Image.open(name if name.startswith("images") else f"images/{name}")) for name in names])
    return (torch.tensor(stack).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25

def compare(what, net, file):
    with torch.no_grad():
        theirs = net.eval()(images(file.replace(".npy", ".csv")))
    ours = torch.tensor(numpy.load(file))
    error = ((ours - theirs).norm() / theirs.norm()).item()
    print(f"{what}: {list(ours.shape)} features differ by {error:.1e}")
    assert error < 1e-4

for name in ("resnet18", "resnet50"):
    net = getattr(torchvision.models, name)()
    net.load_state_dict(torch.load(f"{name}.pth"))
    net.fc = torch.nn.Identity()
    compare(f"{name} of torchvision, imported", net, f"{name}.npy")
state = torch.load("simsiam.pth.tar")["state_dict"]
net = torchvision.models.resnet18()
linear, norm, relu = torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.ReLU
net.fc = torch.nn.Sequential(linear(512, 512, bias=False), norm(512), relu(), linear(512, 512, bias=False), norm(512), relu(),
                             linear(512, 256), norm(256, affine=False))
net.load_state_dict({k[len("module.encoder."):]: v for k, v in state.items() if k.startswith("module.encoder.")})
compare("SimSiam's encoder with its projector, imported", net, "simsiam.npy")
# The lines of the card.
exec(re.search(r"```python\n(.*?)```", open("own.md").read(), re.S).group(1))
compare("own run, exported", net, "own.npy")
full = load_file("own-full.safetensors")
torch.save({f"module.{k}": v for k, v in full.items()}, "back.pth")
END

"$simsiam" import --weights back.pth --out back --config own/config.toml
"$simsiam" embed --run back --data images --split test --out back.npy > /dev/null
cmp own.npy back.npy
echo "own run, exported, saved by PyTorch and imported again: the same features to the bit"
