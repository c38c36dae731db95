"""Weights as other programs save them, for tests/export.rs.

    pip install torch torchvision
    python3 generate.py

A ResNet of torchvision with four channels and two stages of a basic block, and SimSiam's heads as its authors name them.
"""
import os, pathlib, pickle, zipfile
import torch
from torchvision.models.resnet import BasicBlock, ResNet

HERE = pathlib.Path(__file__).parent
torch.manual_seed(5)


def network(fc):
    net = ResNet(BasicBlock, [1, 1, 1, 1])
    net.inplanes = 4
    net.conv1, net.bn1 = torch.nn.Conv2d(3, 4, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(4)
    net.layer1, net.layer2 = net._make_layer(BasicBlock, 4, 1), net._make_layer(BasicBlock, 8, 1, 2)
    net.layer3, net.layer4, net.maxpool, net.fc = torch.nn.Identity(), torch.nn.Identity(), torch.nn.Identity(), fc
    # Scales, shifts and statistics that are not as they begin, of a network whose features depend on the image.
    for name, value in net.state_dict().items():
        if name.endswith(("bn1.weight", "bn2.weight")):
            value.copy_(0.5 + torch.rand_like(value))
        elif name.endswith(("bn1.bias", "bn2.bias")):
            value.copy_(0.2 * torch.randn_like(value))
    net.train()
    with torch.no_grad():
        for _ in range(8):
            net(torch.randn(8, 3, 12, 12))
    return net.eval()


net = network(torch.nn.Linear(8, 10))
images = torch.arange(2 * 3 * 12 * 12, dtype=torch.float32).reshape(2, 3, 12, 12).mul(0.37).sin()
state = net.state_dict()
torch.save(state, HERE / "torchvision.pth")
# lightly numbers the children; in halves, channels last, and two tensors share a storage.
numbers = dict(conv1="0", bn1="1", layer1="4", layer2="5")
shared = torch.stack([state["bn1.weight"], state["bn1.bias"]])
renamed = {f"backbone.{numbers[k.split('.')[0]]}.{k.split('.', 1)[1]}": v for k, v in state.items() if not k.startswith("fc")}
renamed["backbone.1.weight"], renamed["backbone.1.bias"] = shared[0], shared[1]
halved = lambda v: v.half().contiguous(memory_format=torch.channels_last) if v.dim() > 1 else v
torch.save({"epoch": 3, "state_dict": {k: halved(v) for k, v in renamed.items()}}, HERE / "lightly.ckpt")
# The authors' SimSiam in DataParallel, with its optimiser.
linear, norm = torch.nn.Linear, torch.nn.BatchNorm1d
head = torch.nn.Sequential(linear(8, 6, bias=False), norm(6), torch.nn.ReLU(), linear(6, 5), norm(5, affine=False))
encoder = network(head)
predictor = torch.nn.Sequential(linear(5, 3, bias=False), norm(3), torch.nn.ReLU(), linear(3, 5))
both = torch.nn.ModuleDict(dict(encoder=encoder, predictor=predictor))
torch.save({"epoch": 7, "arch": "resnet50", "state_dict": {f"module.{k}": v for k, v in both.state_dict().items()},
            "optimizer": torch.optim.SGD(both.parameters(), 0.1, momentum=0.9).state_dict()}, HERE / "simsiam.pth.tar")
with torch.no_grad():
    net.fc = encoder.fc = torch.nn.Identity()
    for name, one in (("torchvision", net), ("simsiam", encoder)):
        (HERE / f"{name}.features").write_bytes(one(images).numpy().tobytes())


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/pwned",)


torch.save({"conv1.weight": Evil()}, HERE / "evil.pth")
whole = (HERE / "torchvision.pth").read_bytes()
(HERE / "truncated.pth").write_bytes(whole[:len(whole) // 2])
torch.save(state, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
with zipfile.ZipFile(HERE / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
    bomb.writestr("archive/data.pkl", b"\0" * (1 << 20))
# Two hundred names for the same 4,000 bytes.
one = torch.rand(1000)
torch.save({f"layer{i}": one.view(10, 100) if i % 2 else one for i in range(200)}, HERE / "repeated.pth")
with zipfile.ZipFile(HERE / "unknown.pth", "w") as odd:
    odd.writestr("archive/data.pkl", pickle.dumps({"a": {1, 2}}, protocol=4))
