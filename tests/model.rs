//! Whole models against PyTorch in float64: outputs, every gradient, five steps of training, evaluation. `reference/model`
//! holds what PyTorch computed from the same parameters and views.

mod common;

use common::{Reference, gpu, permute};
use simsiam::config::{Arch, Config, Stem};
use simsiam::graph::{Array, Graph, Program, Shape, Store};
use simsiam::method::{evaluation, training_step};
use simsiam::model::{Arena, Parameters};

const TOLERANCE: f64 = 1e-4;
/// For a tensor that is zero up to rounding: a relative error says nothing of it.
const ABSOLUTE: f64 = 1e-6;

/// A reference's settings as the program takes them.
fn config(reference: &Reference) -> Config {
    let case = &reference.case;
    let number = |key: &str| reference.setting(key) as usize;
    let mut config = Config::default();
    config.model.arch = match case["block"].as_str() {
        Some("Bottleneck") => Arch::Resnet50,
        _ => Arch::ResnetTiny,
    };
    let blocks = case["blocks"].as_array().into_iter().flatten();
    config.model.blocks = blocks.map(|n| n.as_u64().unwrap() as usize).collect();
    config.model.width = number("width");
    config.model.stem = Stem::from_name(case["stem"].as_str().unwrap()).unwrap();
    config.model.projector_layers = 3;
    config.model.dim = number("dim");
    config.model.output_affine = false;
    config.model.predictor_dim = Some(number("pred_dim"));
    let stop = case["stop_gradient"].as_bool().unwrap_or(true);
    config.set(&format!("method.stop_gradient={stop}")).unwrap();
    config.optim.momentum = reference.setting("momentum");
    config.optim.weight_decay = reference.setting("weight_decay");
    config
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
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |a, b| b.abs().max(a));
        let (error, limit) = if largest(&mut expected.data.iter().copied()) < ABSOLUTE {
            let differences = &mut got.data.iter().zip(&expected.data).map(|(a, b)| a - b);
            let finite = got.data.iter().all(|v| v.is_finite());
            (if finite { largest(differences) } else { f64::NAN }, ABSOLUTE)
        } else {
            (got.relative_error(expected), TOLERANCE)
        };
        if limit == TOLERANCE && error > self.worst.0 {
            self.worst = (error, name.to_string());
        }
        if error.is_nan() || error > limit {
            self.failures.push(format!("{name}: {error:.2e} > {limit:.0e}"));
        }
    }

    /// Every entry of the table against `prefix` + its name, and that the file has no other.
    fn check_state(&mut self, parameters: &Parameters, values: &[Vec<f32>], prefix: &str, reference: &Reference) {
        for (entry, values) in parameters.entries().iter().zip(values) {
            let name = format!("{prefix}.{}", entry.name);
            self.check(&name, &entry.to_pytorch(values), &reference.plain(&name));
        }
        let there = reference.names();
        let there = there.filter(|name| name.starts_with(&format!("{prefix}."))).count();
        assert_eq!(there, parameters.entries().len(), "entries of {prefix}");
    }
}

fn train_as_pytorch(file: &str) {
    let reference = Reference::read(file);
    let gpu = gpu();
    let config = config(&reference);
    let number = |key: &str| reference.setting(key) as usize;
    let (batch, size, dim) = (number("batch"), number("size"), number("dim"));
    // [steps, 2, N, 3, S, S] in the file; here both views of all images are one batch.
    let all_views = permute(&reference.plain("views"), &[0, 1, 2, 4, 5, 3]).to_f32();
    let image = size * size * 3;
    let views_of = |step: usize| &all_views[step * 2 * batch * image..][..2 * batch * image];

    let mut parameters = Parameters::new();
    let mut training = Graph::new();
    let views = training.input("views", Shape::rows([2 * batch, size, size, 3]));
    let step = training_step(&mut training, &[views], batch, &config, &mut parameters).unwrap();
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
            let value = reference.plain(&format!("param.{}", entry.name));
            assert_eq!(value.dims, entry.pytorch_dims(), "{}", entry.name);
            entry.from_pytorch(&value.to_f32())
        })
        .collect();
    parameters.write(&store, &first);
    let mut program = Program::compile(&training, &mut store).unwrap();

    let mut comparison = Comparison::default();
    let steps = number("steps");
    let base = reference.setting("base_lr");
    for i in 0..steps {
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * i as f64 / steps as f64).cos());
        program.write(step.rates, &[(base * cosine) as f32, base as f32]);
        program.write(views, views_of(i));
        program.run(None).unwrap();
        let loss = f64::from(program.read(step.loss).unwrap()[0]);
        let expected = reference.plain("losses").data[i];
        println!("{file}: step {i}: loss {loss:.6}, PyTorch {expected:.6}");
        if loss.is_nan() || (loss - expected).abs() > TOLERANCE {
            let failure = format!("loss of step {i}: {loss} is not {expected}");
            comparison.failures.push(failure);
        }
        if i == 0 {
            let half = batch * dim;
            for (name, tensor) in [("p", step.p), ("z", step.z)] {
                let both = program.read(tensor).unwrap();
                for (view, values) in both.chunks_exact(half).enumerate() {
                    let name = format!("{name}{}", view + 1);
                    comparison.check(&name, values, &reference.plain(&name));
                }
            }
            let deviations = program.read(step.output_std).unwrap();
            comparison.check("std_z1", &deviations, &reference.plain("std_z1"));
            let mean = deviations.iter().sum::<f32>() / dim as f32;
            let read = program.read(step.mean_output_std).unwrap()[0];
            assert!((mean - read).abs() < 1e-6, "mean output std {read}, not {mean}");

            let gradients = parameters.read_twins(&store, Arena::GRADIENTS).unwrap();
            for (entry, values) in parameters.of(Arena::PARAMETERS).zip(&gradients) {
                let name = format!("grad.{}", entry.name);
                comparison.check(&name, &entry.to_pytorch(values), &reference.plain(&name));
            }
            let there = reference.names();
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
    program.write(images, &views_of(0)[..batch * image]);
    program.run(None).unwrap();
    let features = program.read(evaluated.features).unwrap();
    comparison.check("features_eval", &features, &reference.plain("features_eval"));

    let (worst, name) = &comparison.worst;
    println!("{file}: {} tensors, worst {name}: {worst:.2e}", comparison.compared);
    assert!(comparison.failures.is_empty(), "\n{}", comparison.failures.join("\n"));
}

#[test]
fn basic_blocks_train_as_in_pytorch() {
    train_as_pytorch("model/simsiam_basic_cifar");
}

#[test]
fn bottleneck_blocks_train_as_in_pytorch() {
    train_as_pytorch("model/simsiam_bottleneck_imagenet");
}

/// The file was written by the script of the others with `.detach()` left out of the loss.
#[test]
fn without_stop_gradient_it_trains_as_in_pytorch() {
    train_as_pytorch("model/simsiam_basic_no_stop");
}
