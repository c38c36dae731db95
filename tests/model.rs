//! Whole models against PyTorch in float64: outputs, every gradient, five steps of training, evaluation. `reference/model`
//! holds what PyTorch computed from the same parameters and views.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use simsiam::config::{Arch, Config, Stem};
use simsiam::gpu::{Gpu, Options};
use simsiam::graph::{Array, Graph, Program, Shape, Store};
use simsiam::method::simsiam::{evaluation, training_step};
use simsiam::model::{Arena, Parameters};

const TOLERANCE: f64 = 1e-4;
/// For a tensor that is zero up to rounding: a relative error says nothing of it.
const ABSOLUTE: f64 = 1e-6;

struct Reference {
    case: serde_json::Value,
    tensors: BTreeMap<String, Array>,
}

impl Reference {
    fn load(name: &str) -> Reference {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/model");
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let case = &header.metadata().as_ref().unwrap()["case"];
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors.iter().map(|(name, view)| {
            let (values, rest) = view.data().as_chunks();
            assert!(rest.is_empty());
            let values: Vec<f32> = values.iter().map(|&b| f32::from_le_bytes(b)).collect();
            (name.to_string(), Array::from_f32(view.shape(), &values))
        });
        Reference {
            case: serde_json::from_str(case).unwrap(),
            tensors: tensors.collect(),
        }
    }

    fn number(&self, key: &str) -> usize {
        self.case[key].as_u64().unwrap() as usize
    }

    fn real(&self, key: &str) -> f64 {
        self.case[key].as_f64().unwrap()
    }

    /// The settings as the program takes them.
    fn config(&self) -> Config {
        let mut config = Config::default();
        config.model.arch = match self.case["block"].as_str() {
            Some("Bottleneck") => Arch::Resnet50,
            _ => Arch::ResnetTiny,
        };
        let blocks = self.case["blocks"].as_array().unwrap();
        config.model.blocks = blocks
            .iter()
            .map(|n| n.as_u64().unwrap() as usize)
            .collect();
        config.model.width = self.number("width");
        config.model.stem = Stem::from_name(self.case["stem"].as_str().unwrap()).unwrap();
        config.model.projector_layers = 3;
        config.model.dim = self.number("dim");
        config.model.output_affine = false;
        config.model.predictor_dim = Some(self.number("pred_dim"));
        config.optim.momentum = self.real("momentum");
        config.optim.weight_decay = self.real("weight_decay");
        config
    }

    /// Both views of a step, `[2N, S, S, 3]`; the file has `[steps, 2, N, 3, S, S]`.
    fn views(&self, step: usize) -> Vec<f32> {
        let all = &self.tensors["views"];
        let [_, 2, n, 3, height, width] = all.dims[..] else {
            panic!("views have another shape");
        };
        let pixels = height * width;
        let step = &all.data[step * 2 * n * 3 * pixels..][..2 * n * 3 * pixels];
        let mut views = vec![0.0; step.len()];
        for (image, planes) in step.chunks_exact(3 * pixels).enumerate() {
            for (channel, plane) in planes.chunks_exact(pixels).enumerate() {
                for (pixel, &value) in plane.iter().enumerate() {
                    views[(image * pixels + pixel) * 3 + channel] = value as f32;
                }
            }
        }
        views
    }
}

/// Collects what is wrong, so that one run shows all of it.
#[derive(Default)]
struct Comparison {
    compared: usize,
    worst: (f64, String),
    failures: Vec<String>,
}

impl Comparison {
    fn check(&mut self, name: &str, values: &[f32], expected: &Array) {
        self.compared += 1;
        let got = Array::from_f32(&expected.dims, values);
        let largest =
            |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |a, b| b.abs().max(a));
        let (error, limit) = if largest(&mut expected.data.iter().copied()) < ABSOLUTE {
            let differences = &mut got.data.iter().zip(&expected.data).map(|(a, b)| a - b);
            let finite = got.data.iter().all(|v| v.is_finite());
            (
                if finite {
                    largest(differences)
                } else {
                    f64::NAN
                },
                ABSOLUTE,
            )
        } else {
            (got.relative_error(expected), TOLERANCE)
        };
        if limit == TOLERANCE && error > self.worst.0 {
            self.worst = (error, name.to_string());
        }
        // A NaN fails.
        if !(error <= limit) {
            self.failures
                .push(format!("{name}: {error:.2e} > {limit:.0e}"));
        }
    }

    /// Every entry of the table against `prefix` + its name, and that the file has no other.
    fn check_state(
        &mut self,
        parameters: &Parameters,
        values: &[Vec<f32>],
        prefix: &str,
        reference: &Reference,
    ) {
        for (entry, values) in parameters.entries().iter().zip(values) {
            let name = format!("{prefix}.{}", entry.name);
            self.check(&name, &entry.to_pytorch(values), &reference.tensors[&name]);
        }
        let there = reference.tensors.keys();
        let there = there
            .filter(|name| name.starts_with(&format!("{prefix}.")))
            .count();
        assert_eq!(there, parameters.entries().len(), "entries of {prefix}");
    }
}

fn train_as_pytorch(file: &str) {
    let reference = Reference::load(file);
    let gpu = Gpu::open(None, Options { checked: true })
        .expect("an adapter; install mesa-vulkan-drivers for a software one");
    let config = reference.config();
    let (batch, size, dim) = (
        reference.number("batch"),
        reference.number("size"),
        reference.number("dim"),
    );

    let mut parameters = Parameters::new();
    let mut training = Graph::new();
    let views = training.input("views", Shape::rows([2 * batch, size, size, 3]));
    let step = training_step(&mut training, views, &config, &mut parameters).unwrap();
    training.keep(step.z);
    training.keep(step.p);
    let mut evaluating = Graph::new();
    let images = evaluating.input("images", Shape::rows([batch, size, size, 3]));
    let evaluated = evaluation(&mut evaluating, images, &config, &mut parameters, false).unwrap();

    let mut store = Store::new(&gpu);
    parameters.allocate(&mut store).unwrap();
    let first: Vec<Vec<f32>> = parameters
        .entries()
        .iter()
        .map(|entry| {
            let value = &reference.tensors[&format!("param.{}", entry.name)];
            assert_eq!(value.dims, entry.pytorch_dims(), "{}", entry.name);
            entry.from_pytorch(&value.to_f32())
        })
        .collect();
    parameters.write(&store, &first);
    let mut program = Program::compile(&training, &mut store).unwrap();

    let mut comparison = Comparison::default();
    let steps = reference.number("steps");
    let base = reference.real("base_lr");
    for i in 0..steps {
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * i as f64 / steps as f64).cos());
        program.write(step.rates, &[(base * cosine) as f32, base as f32]);
        program.write(views, &reference.views(i));
        program.run(None).unwrap();
        let loss = f64::from(program.read(step.loss).unwrap()[0]);
        let expected = reference.tensors["losses"].data[i];
        println!("{file}: step {i}: loss {loss:.6}, PyTorch {expected:.6}");
        if !((loss - expected).abs() <= TOLERANCE) {
            let failure = format!("loss of step {i}: {loss} is not {expected}");
            comparison.failures.push(failure);
        }
        if i == 0 {
            let half = batch * dim;
            for (name, tensor) in [("p", step.p), ("z", step.z)] {
                let both = program.read(tensor).unwrap();
                for (view, values) in both.chunks_exact(half).enumerate() {
                    let name = format!("{name}{}", view + 1);
                    comparison.check(&name, values, &reference.tensors[&name]);
                }
            }
            let deviations = program.read(step.output_std).unwrap();
            comparison.check("std_z1", &deviations, &reference.tensors["std_z1"]);
            let mean = deviations.iter().sum::<f32>() / dim as f32;
            let told = program.read(step.mean_output_std).unwrap()[0];
            assert!(
                (mean - told).abs() < 1e-6,
                "mean output std {told}, not {mean}"
            );

            let gradients = parameters.read_twins(&store, Arena::GRADIENTS).unwrap();
            for (entry, values) in parameters.of(Arena::Parameters).zip(&gradients) {
                let name = format!("grad.{}", entry.name);
                comparison.check(&name, &entry.to_pytorch(values), &reference.tensors[&name]);
            }
            let there = reference.tensors.keys();
            let there = there.filter(|name| name.starts_with("grad.")).count();
            assert_eq!(there, gradients.len(), "trained parameters");
        }
        if i == 0 || i + 1 == steps {
            let prefix = format!("param_after_{}", i + 1);
            let values = parameters.read(&store).unwrap();
            comparison.check_state(&parameters, &values, &prefix, &reference);
        }
    }

    let mut program = Program::compile(&evaluating, &mut store).unwrap();
    program.write(images, &reference.views(0)[..batch * size * size * 3]);
    program.run(None).unwrap();
    let features = program.read(evaluated.features).unwrap();
    comparison.check(
        "features_eval",
        &features,
        &reference.tensors["features_eval"],
    );

    let (worst, name) = &comparison.worst;
    println!(
        "{file}: {} tensors, worst {name}: {worst:.2e}",
        comparison.compared
    );
    assert!(
        comparison.failures.is_empty(),
        "\n{}",
        comparison.failures.join("\n")
    );
}

#[test]
fn basic_blocks_train_as_in_pytorch() {
    train_as_pytorch("simsiam_basic_cifar.safetensors");
}

#[test]
fn bottleneck_blocks_train_as_in_pytorch() {
    train_as_pytorch("simsiam_bottleneck_imagenet.safetensors");
}
