"""Whole training steps of every method in PyTorch, in float64: writes `steps_*.safetensors` beside this file.

    pip install torch safetensors
    python3 steps.py

A file holds `views.0` (and `views.1`, small crops), `[steps, views, N, 3, S, S]`, the losses of all steps, and every tensor of the state before
the first step (`param.`), after it (`param_after_1.`) and after the last. What goes in is exact in float32. Names are the program's: the momentum encoder's
begin with `momentum_encoder`. Only the tests of this program read these files; nothing else needs Python.
"""
import copy, json, math, pathlib
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
STEPS, BATCH, SIZE, SMALL, WIDTH, HIDDEN, DIM = 4, 8, 8, 6, 4, 12, 10
LR, WEIGHT_DECAY, MOMENTUM = 0.02, 1e-3, 0.9
torch.set_default_dtype(torch.float64)
torch.manual_seed(20261129)
single = lambda t: t.detach().float().double()
unit = lambda t: F.normalize(t, dim=1)


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride != 1 or i != o else None

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTH)
        self.layer1 = nn.Sequential(Block(WIDTH, WIDTH, 1))
        self.layer2 = nn.Sequential(Block(WIDTH, 2 * WIDTH, 2))
        self.fc = head(2 * WIDTH)

    def forward(self, x):
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return self.fc(x.mean((2, 3)))


def mlp(bias, norm, output_bias, output_norm=False):
    """A head of two layers; where it has no batch norm, its place counts, as in the program's names."""
    def build(i):
        layers = [nn.Linear(i, HIDDEN, bias=bias), nn.BatchNorm1d(HIDDEN) if norm else nn.Identity(), nn.ReLU(), nn.Linear(HIDDEN, DIM, bias=output_bias)]
        return nn.Sequential(*layers, *([nn.BatchNorm1d(DIM)] if output_norm else []))
    return build


class Method(nn.Module):
    """Encoder, and beside it the momentum encoder: its averages without gradient, its batch norms in training mode."""
    def __init__(self, head, averaged=False):
        super().__init__()
        self.encoder = Encoder(head)
        for name, v in self.encoder.named_parameters():
            # Norms that are not as they begin: a last scale of 1 or a bias of 0 hides mistakes.
            if v.dim() == 1:
                v.data += 0.3 * torch.randn_like(v)
            v.data = single(v)
        if averaged:
            self.momentum_encoder = copy.deepcopy(self.encoder)
            for v in self.momentum_encoder.parameters():
                v.requires_grad_(False)

    @torch.no_grad()
    def average(self, keep):
        for t, o in zip(self.momentum_encoder.parameters(), self.encoder.parameters()):
            t.mul_(keep).add_(o, alpha=1 - keep)

    def before_optimizer(self, step):
        pass

    def after_optimizer(self, step):
        pass


class SimClr(Method):
    temperature = 0.5

    def __init__(self):
        super().__init__(mlp(False, True, False, output_norm=True))

    def loss(self, step, large, small):
        u = unit(torch.cat([self.encoder(x) for x in large]))
        similarities = (u @ u.T / self.temperature).masked_fill(torch.eye(2 * BATCH, dtype=torch.bool), -math.inf)
        return F.cross_entropy(similarities, torch.cat([torch.arange(BATCH, 2 * BATCH), torch.arange(BATCH)]))


class Moco(Method):
    keep = 0.9

    def __init__(self, head, temperature, symmetric, queue):
        super().__init__(head, averaged=True)
        self.temperature, self.symmetric, self.pointer = temperature, symmetric, 0
        self.register_buffer("queue", single(unit(torch.randn(queue, DIM))))

    def info_nce(self, q, k):
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone().T], 1) / self.temperature
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    def loss(self, step, large, small):
        # As the authors: the averages move before the keys, from the second step on by what the optimiser has changed.
        self.average(self.keep)
        x1, x2 = large
        if self.symmetric:
            q1, q2 = unit(self.encoder(x1)), unit(self.encoder(x2))
            with torch.no_grad():
                k1, k2 = unit(self.momentum_encoder(x1)), unit(self.momentum_encoder(x2))
            loss, self.keys = (self.info_nce(q1, k2) + self.info_nce(q2, k1)) / 2, torch.cat([k1, k2])
        else:
            q = unit(self.encoder(x1))
            with torch.no_grad():
                self.keys = unit(self.momentum_encoder(x2))
            loss = self.info_nce(q, self.keys)
        return loss

    def after_optimizer(self, step):
        self.queue[self.pointer:self.pointer + len(self.keys)] = self.keys
        self.pointer = (self.pointer + len(self.keys)) % len(self.queue)

    def state(self):
        """With the averages that the next keys see, which the program makes at the end of a step."""
        ahead = copy.deepcopy(self)
        ahead.average(self.keep)
        return ahead.state_dict()


class Byol(Method):
    keep = 0.9

    def __init__(self):
        super().__init__(mlp(False, True, False), averaged=True)
        self.predictor = mlp(False, True, False)(DIM)

    def loss(self, step, large, small):
        x1, x2 = large
        p1, p2 = (self.predictor(self.encoder(x)) for x in large)
        with torch.no_grad():
            t1, t2 = self.momentum_encoder(x1), self.momentum_encoder(x2)
        return 4 - 2 * F.cosine_similarity(p1, t2).mean() - 2 * F.cosine_similarity(p2, t1).mean()

    def after_optimizer(self, step):
        self.average(1 - (1 - self.keep) * (math.cos(math.pi * step / STEPS) + 1) / 2)


class SwAv(Method):
    temperature, epsilon, rounds = 0.1, 0.05, 3

    def __init__(self, prototypes, frozen_steps=0, queue=0, stop_gradient=True):
        super().__init__(mlp(False, True, False))
        self.stop_gradient = stop_gradient
        self.prototypes = nn.Linear(DIM, prototypes, bias=False)
        self.frozen_steps, self.length, self.earlier = frozen_steps, queue, [[], []]

    def codes(self, scores):
        q = torch.exp(scores / self.epsilon).T
        q = q / q.sum()
        for _ in range(self.rounds):
            q = q / q.sum(1, keepdim=True) / q.shape[0]
            q = q / q.sum(0, keepdim=True) / q.shape[1]
        return (q * q.shape[1]).T

    def loss(self, step, large, small):
        with torch.no_grad():
            self.prototypes.weight.copy_(unit(self.prototypes.weight))
        features = [unit(self.encoder(x)) for x in (*large, *small)]
        scores = [self.prototypes(u) for u in features]
        loss = 0
        for i in range(2):
            with torch.set_grad_enabled(not self.stop_gradient):
                seen = scores[i]
                if self.length and len(self.earlier[i]) * BATCH == self.length:
                    seen = torch.cat([seen, *(self.prototypes(u) for u in self.earlier[i])])
                code = self.codes(seen)[:BATCH]
                if self.length:
                    self.earlier[i] = [features[i].detach(), *self.earlier[i]][:self.length // BATCH]
            others = [s for v, s in enumerate(scores) if v != i]
            loss -= sum((code * F.log_softmax(s / self.temperature, 1)).sum(1).mean() for s in others) / len(others) / 2
        return loss

    def before_optimizer(self, step):
        if step < self.frozen_steps:
            self.prototypes.weight.grad = None


class FineTuning(Method):
    """An encoder without head and a classifier with a learning rate of its own, trained with labels."""
    views, classes, times = 1, 7, 3.0

    def __init__(self):
        super().__init__(lambda i: nn.Identity())
        self.classifier = nn.Linear(2 * WIDTH, self.classes)
        self.labels = torch.randint(self.classes, (STEPS, BATCH))
        self.inputs, self.case = {"labels": self.labels.double()}, {"times": self.times, "classes": self.classes}

    def loss(self, step, large, small):
        return F.cross_entropy(self.classifier(self.encoder(large[0])), self.labels[step])


class Lars:
    """NVIDIA apex's LARC with clip=False before SGD; vectors have neither LARS nor weight decay."""
    trust = 0.1

    def __init__(self, model):
        matrices = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
        vectors = [p for p in model.parameters() if p.requires_grad and p.dim() == 1]
        self.matrices, self.sgd = matrices, torch.optim.SGD(matrices + vectors, LR, momentum=MOMENTUM)
        self.param_groups, self.zero_grad = self.sgd.param_groups, self.sgd.zero_grad

    def step(self):
        with torch.no_grad():
            for p in self.matrices:
                rate = self.trust * p.norm() / (p.grad.norm() + p.norm() * WEIGHT_DECAY + 1e-8)
                p.grad.copy_((p.grad + WEIGHT_DECAY * p) * rate)
        self.sgd.step()


def sgd(model):
    return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)


def two_rates(model):
    groups = [{"params": model.encoder.parameters()}, {"params": model.classifier.parameters(), "times": model.times}]
    return torch.optim.SGD(groups, LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)


def write(name, model, settings, crops=0, optimizer=sgd):
    model.train()
    for v in model.parameters():
        v.data = single(v)
    state = lambda: getattr(model, "state", model.state_dict)()
    named = lambda prefix: {f"{prefix}.{k}": v.clone() for k, v in state().items() if "num_batches" not in k}
    tensors = {f"param.{k}": v.clone() for k, v in model.state_dict().items() if "num_batches" not in k}
    tensors["views.0"] = large = single(torch.randn(STEPS, getattr(model, "views", 2), BATCH, 3, SIZE, SIZE))
    tensors.update(getattr(model, "inputs", {}))
    small = single(torch.randn(STEPS, crops, BATCH, 3, SMALL, SMALL))
    if crops:
        tensors["views.1"] = small
    optimizer, losses = optimizer(model), []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = group.get("times", 1) * LR * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        loss = model.loss(step, large[step], small[step])
        optimizer.zero_grad()
        loss.backward()
        model.before_optimizer(step)
        optimizer.step()
        model.after_optimizer(step)
        losses.append(loss.detach())
        if step in (0, STEPS - 1):
            tensors.update(named(f"param_after_{step + 1}"))
    tensors["losses"] = torch.stack(losses)
    common = dict(arch="resnet_tiny", blocks=[1, 1], width=WIDTH, stem="cifar", projector_layers=2, projector_hidden=HIDDEN, dim=DIM)
    settings = {"method.name": settings.pop("name"), **{f"model.{k}": v for k, v in common.items()}, **settings,
                "optim.batch_size": BATCH, "data.image_size": SIZE, "optim.momentum": MOMENTUM, "optim.weight_decay": WEIGHT_DECAY}
    out = {k: v.detach().float().contiguous() for k, v in tensors.items()}
    path = HERE / f"steps_{name}.safetensors"
    case = dict(steps=STEPS, batch=BATCH, lr=LR, set=settings, **getattr(model, "case", {}))
    save_file(out, str(path), metadata={"case": json.dumps(case)})
    print(path.name, path.stat().st_size, [round(float(loss), 5) for loss in losses])


linear = lambda i: nn.Sequential(nn.Linear(i, DIM))
two_layers = mlp(True, False, True)
write("simclr", SimClr(), {"name": "simclr", "method.temperature": 0.5})
write("simclr_lars", SimClr(), {"name": "simclr", "method.temperature": 0.5, "optim.optimizer": "lars", "optim.lars_trust": Lars.trust, "optim.exclude_norms": True}, optimizer=Lars)
write("mocov1", Moco(linear, 0.07, False, 24), {"name": "mocov1", "method.queue": 24, "method.momentum": Moco.keep})
write("mocov2_symmetric", Moco(two_layers, 0.2, True, 48), {"name": "mocov2", "method.queue": 48, "method.momentum": Moco.keep, "method.symmetric": True})
write("byol", Byol(), {"name": "byol", "method.momentum": Byol.keep, "model.predictor_dim": HIDDEN, "optim.fixed_predictor_lr": False})
write("swav_multi_crop", SwAv(6, frozen_steps=2), {"name": "swav", "method.prototypes": 6, "augment.small.count": 3, "augment.small.size": SMALL}, crops=3)
write("swav_queue", SwAv(6, queue=2 * BATCH), {"name": "swav", "method.prototypes": 6, "method.queue": 2 * BATCH, "method.queue_epoch": 0, "method.frozen_epochs": 0})
write("swav_no_stop", SwAv(6, stop_gradient=False), {"name": "swav", "method.prototypes": 6, "method.stop_gradient": False, "method.frozen_epochs": 0, "augment.small.count": 2, "augment.small.size": SMALL}, crops=2)
write("finetune", FineTuning(), {"name": "simsiam"}, optimizer=two_rates)
