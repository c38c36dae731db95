#!/bin/bash
# This program beside others, on the same images. Nothing here is needed to train.
#
#   torch        torchvision's ResNet-18 and ResNet-50 with random weights and SimSiam's whole module come in, a run's weights go out and come
#                back; features are compared.
#   onnx         models pass ONNX's checker, and onnxruntime and tract compute the program's features.
#   tensorboard  reads a run that was continued, killed and continued, and the embedding projector's files.
#
#     examples/interop.sh [PART]...            # all of them without an argument
#
# PYTHON names a Python with torch, torchvision, safetensors and Pillow, TOOLS_PYTHON one with onnx, onnxruntime, tensorboard and
# Pillow; else a venv gets them from PyPI. SIMSIAM names the program; else it is built.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=${*:-torch onnx tensorboard}
if [ -z "${SIMSIAM:-}" ]; then
    cargo build --release --locked
    SIMSIAM=$(pwd)/target/release/simsiam
fi
simsiam=$(realpath "$SIMSIAM")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# A Python with these packages.
python_with() {
    python3 -m venv venv
    venv/bin/pip install --quiet "$@" --extra-index-url https://download.pytorch.org/whl/cpu
    echo "$work/venv/bin/python"
}

torch_part() {
PYTHON=${PYTHON:-$(python_with torch torchvision safetensors pillow)}
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
}

# The program's features in two other runtimes, at two batch sizes.
onnx_part() {
TOOLS_PYTHON=${TOOLS_PYTHON:-$(python_with onnx onnxruntime numpy pillow)}
"$TOOLS_PYTHON" - <<'END'
import numpy, os
from PIL import Image

random = numpy.random.default_rng(1)
for part, count in (("train", 64), ("test", 16)):
    for i in range(count):
        os.makedirs(f"pictures/{part}/{i % 2}", exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), numpy.uint8))
        coarse.resize((64, 64), Image.BILINEAR).save(f"pictures/{part}/{i % 2}/{i:03}.png")
END
common=(--data pictures --epochs 2 --batch-size 16 --no-tune --set data.image_size=64 --set optim.lr=0.5 --set run.knn_every=0)
train() { "$simsiam" train --out "$1" "${common[@]}" "${@:2}" > /dev/null; }
train basic --preset cifar10 --set model.width=16
train bottleneck --preset cifar10 --set model.arch=resnet50 --set model.stem=imagenet --set model.width=16 --set model.output_affine=false
train moco --method mocov2 --set model.arch=resnet_tiny --set model.width=8 --set model.blocks=[1,1]
for run in basic bottleneck moco; do
    "$simsiam" export --run $run --out $run.onnx --projector > /dev/null
    "$simsiam" export --run $run --out $run-outside.onnx --no-normalize > /dev/null
    "$simsiam" embed --run $run --data pictures --split test --out $run.features.npy > /dev/null
    "$simsiam" embed --run $run --data pictures --split test --projector --out $run.projection.npy > /dev/null
done
mkdir -p tract/src
cat > tract/Cargo.toml <<'END'
[package]
name = "run-onnx"
version = "0.0.0"
edition = "2021"
[dependencies]
tract-onnx = "*"
[profile.dev]
opt-level = 1
[workspace]
END
cat > tract/src/main.rs <<'END'
//! MODEL IMAGES OUT SIZE BATCH...: the outputs of a model for the first images of a file of float32 numbers, for each batch size.
use tract_onnx::prelude::*;

fn main() -> TractResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let bytes = std::fs::read(&arguments[2])?;
    let values: Vec<f32> = bytes.chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let side: usize = arguments[4].parse()?;
    let model = tract_onnx::onnx().model_for_path(&arguments[1])?.into_optimized()?.into_runnable()?;
    let mut out = Vec::new();
    for batch in &arguments[5..] {
        let batch: usize = batch.parse()?;
        let image = Tensor::from_shape(&[batch, 3, side, side], &values[..batch * 3 * side * side])?;
        for output in model.run(tvec!(image.into()))? {
            out.extend(output.to_plain_array_view::<f32>()?.iter().flat_map(|v| v.to_le_bytes()));
        }
    }
    std::fs::write(&arguments[3], out)?;
    Ok(())
}
END
CARGO_TARGET_DIR=${TRACT_TARGET:-$work/tract/target} cargo build --quiet --manifest-path tract/Cargo.toml
export TRACT=${TRACT_TARGET:-$work/tract/target}/debug/run-onnx
"$TOOLS_PYTHON" - <<'END'
import csv, numpy, onnx, onnxruntime, os, subprocess
from PIL import Image

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, end=" ")
lock = open("tract/Cargo.lock").read()
print("tract", lock[lock.index('name = "tract-onnx"'):].split('"')[3])
names = [row["name"] for row in csv.DictReader(open("basic.features.csv"))]
stack = [numpy.asarray(Image.open(name if name.startswith("pictures") else f"pictures/{name}")) for name in names]
images = numpy.ascontiguousarray(numpy.stack(stack).transpose(0, 3, 1, 2)).astype(numpy.float32) / 255
BATCHES = (1, 7, 16)

def error(ours, theirs):
    return numpy.linalg.norm(ours - theirs) / numpy.linalg.norm(ours)

for run in ("basic", "bottleneck", "moco"):
    for name in (run, f"{run}-outside"):
        model = onnx.load(f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        facts = {p.key: p.value for p in model.metadata_props}
        values = images
        if facts["normalization"] == "outside":
            mean, std = (numpy.array(eval(facts[key]), numpy.float32).reshape(3, 1, 1) for key in ("mean", "std"))
            values = (images - mean) / std
        expected = [numpy.load(f"{run}.{output.name}.npy") for output in model.graph.output]
        session = onnxruntime.InferenceSession(f"{name}.onnx")
        runtime = max(error(ours[:n], theirs) for n in BATCHES
                      for ours, theirs in zip(expected, session.run(None, {"image": values[:n]})))
        values.tofile("images.bin")
        subprocess.run([os.environ["TRACT"], f"{name}.onnx", "images.bin", "out.bin", "64", *map(str, BATCHES)], check=True)
        out, tract = numpy.fromfile("out.bin", numpy.float32), 0
        for n in BATCHES:
            for ours in expected:
                theirs, out = numpy.split(out, [n * ours.shape[1]])
                tract = max(tract, error(ours[:n], theirs.reshape(n, -1)))
        shapes = ", ".join(f"{o.name} {list(e.shape)}" for o, e in zip(model.graph.output, expected))
        print(f"{name}.onnx: opset {model.opset_import[0].version}, {len(model.graph.node)} nodes, {shapes}; "
              f"batches of {BATCHES} differ by {runtime:.1e} in onnxruntime, {tract:.1e} in tract")
        assert max(runtime, tract) < 1e-4
END
}

# TensorBoard's own package reads what a run has written.
tensorboard_part() {
TOOLS_PYTHON=${TOOLS_PYTHON:-$(python_with tensorboard numpy pillow)}
small=(--preset demo --limit-train 2048 --limit-test 100 --batch-size 32 --no-tune --set model.width=8 --set run.knn_k=20)
"$simsiam" train --out logs/run "${small[@]}" --epochs 2 > /dev/null
# Goes on, is killed in its third epoch after the last checkpoint, and goes on from there: what it had written since is void.
"$simsiam" train --resume logs/run --epochs 4 > /dev/null & training=$!
until [ "$(grep -c '"event":"step"' logs/run/metrics.jsonl)" -gt $((2 * 64 + 50)) ]; do sleep 0.1; done
kill -9 $training; wait $training 2> /dev/null || true
"$simsiam" train --resume logs/run > /dev/null
"$simsiam" embed --run logs/run --data demo --limit-test 100 --out features.npy --tensorboard logs/features > /dev/null
"$TOOLS_PYTHON" - <<'END'
import collections, glob, io, json, math, tensorboard, numpy
from google.protobuf import text_format
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.projector import projector_config_pb2
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.util import tensor_util

files = sorted(glob.glob("logs/run/events.out.tfevents.*"))
values = [v.tag for file in files for event in LegacyEventFileLoader(file).Load() for v in event.summary.value]
written = values.count("train/loss")
print(f"tensorboard {tensorboard.__version__} reads {len(files)} files of one run, with the losses of {written} steps")
everything = {"scalars": 0, "tensors": 0, "images": 0}
events = EventAccumulator("logs/run", size_guidance=everything).Reload()
lines = [json.loads(line) for line in open("logs/run/metrics.jsonl")]
per_epoch = max(line["step"] for line in lines if line["event"] == "step") // 4
expected = collections.defaultdict(dict)
for line in lines:
    kind = line["event"]
    if kind not in ("step", "watch", "epoch"):
        continue
    step = line["epoch"] * per_epoch if kind == "epoch" else line["step"]
    for name, value in line.items():
        if name == "gradient_norms":
            for stage, norm in value.items():
                expected[f"gradient_norm/{stage}"][step] = norm
        elif isinstance(value, (int, float)) and name not in ("step", "epoch"):
            expected["epoch/" + name if kind == "epoch" else "train/" + name][step] = value
tags = events.Tags()
assert sorted(tags["scalars"]) == sorted(expected), (tags["scalars"], sorted(expected))
assert written > len(expected["train/loss"]), "nothing was void"
points = 0
for tag, numbers in expected.items():
    read = events.Scalars(tag)
    assert [e.step for e in read] == sorted(numbers), (tag, [e.step for e in read], sorted(numbers))
    assert all(numpy.float32(numbers[e.step]) == numpy.float32(e.value) for e in read), tag
    assert all(a.wall_time <= b.wall_time for a, b in zip(read, read[1:])), tag
    points += len(read)
print(f"{len(expected)} tags, {points} scalars: steps and values are those of metrics.jsonl to the bit of float32")
histograms = [(e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors("train/channel_std")]
last = [line["channel_std"] for line in lines if "channel_std" in line][-1]
assert all(h.shape == (30, 3) and h[:, 2].sum() == len(last) for _, h in histograms)
edges = histograms[-1][1]
assert math.isclose(edges[0, 0], min(last), rel_tol=1e-3) and math.isclose(edges[-1, 1], max(last), rel_tol=1e-3)
sheet = tensor_util.make_ndarray(events.Tensors("views")[0].tensor_proto)
assert Image.open(io.BytesIO(sheet[2])).size == (int(sheet[0]), int(sheet[1])) and sheet[2] == open("logs/run/views.png", "rb").read()
print(f"{len(histograms)} histograms of {len(last)} channels, views.png of {len(sheet[2])} bytes")

config = text_format.Parse(open("logs/features/projector_config.pbtxt").read(), projector_config_pb2.ProjectorConfig())
features = numpy.loadtxt("logs/features/" + config.embeddings[0].tensor_path, delimiter="\t", dtype="float32")
assert (features == numpy.load("features.npy")).all()
metadata = open("logs/features/" + config.embeddings[0].metadata_path).read().splitlines()
assert metadata[0] == "name\tclass" and len(metadata) == 1 + len(features)
sprite = Image.open("logs/features/" + config.embeddings[0].sprite.image_path)
print(f"projector: {features.shape} features equal to embed's, {len(metadata) - 1} names, sprite {sprite.size}")
END
port=$((20000 + RANDOM % 20000))
"$(dirname "$TOOLS_PYTHON")/tensorboard" --logdir logs --port $port > tensorboard.log 2>&1 & server=$!
for _ in $(seq 60); do curl -sf "localhost:$port/data/plugin/scalars/tags" -o tags.json && grep -q epoch/knn_top1 tags.json && break; sleep 1; done
get() { curl -sf "localhost:$port/data/plugin/$1"; }
get scalars/tags > tags.json; get histograms/tags > histograms.json; get images/tags > images.json
get "projector/info?run=features" > projector.json || get projector/runs
get "scalars/scalars?run=run&tag=train%2Floss" > loss.json
kill $server
"$TOOLS_PYTHON" - <<'END'
import json
load = lambda name: json.load(open(name + ".json"))
tags, loss = load("tags")["run"], load("loss")
print("its server:", len(tags), "scalars,", list(load("histograms")["run"]), list(load("images")["run"]), list(load("images")["features"]),
      load("projector")["embeddings"][0]["tensorShape"])
steps = [step for _, step, _ in loss]
print(f"train/loss: {len(steps)} points, steps {steps[0]} to {steps[-1]}, description {tags['train/loss']['description']}")
assert steps == sorted(set(steps))
END
}

for part in $parts; do
    "${part}_part"
done
