//! Whole models against PyTorch in float64: outputs, every gradient, five steps of training, evaluation. `reference/model`
//! holds what PyTorch computed from the same parameters and views; `reference/methods/steps.py` wrote whole steps of the other methods.

mod common;

use common::{Reference, gpu, permute};
use simsiam::config::{Arch, Config, Stem};
use simsiam::graph::{Array, Graph, Program, Shape, Store};
use simsiam::method::{self, StepInfo, evaluation, training_step};
use simsiam::model::{Arena, Entry, Parameters};

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

    /// A loss of a step, absolutely.
    fn check_loss(&mut self, step: usize, loss: f32, reference: &Reference) {
        let (loss, expected) = (f64::from(loss), reference.plain("losses").data[step]);
        println!("step {step}: loss {loss:.6}, PyTorch {expected:.6}");
        if loss.is_nan() || (loss - expected).abs() > TOLERANCE {
            self.failures.push(format!("loss of step {step}: {loss} is not {expected}"));
        }
    }

    /// Every entry of the table against `prefix` + its name, except those that PyTorch's model lacks, and that the file has no other.
    fn check_state(
        &mut self,
        parameters: &Parameters,
        values: &[Vec<f32>],
        prefix: &str,
        (reference, except): (&Reference, &[&str]),
    ) {
        let mut compared = 0;
        for (entry, values) in parameters.entries().iter().zip(values) {
            if except.contains(&entry.name.as_str()) {
                continue;
            }
            let name = format!("{prefix}.{}", entry.name);
            self.check(&name, &entry.to_pytorch(values), &reference.plain(&name));
            compared += 1;
        }
        let there = reference.names();
        let there = there.filter(|name| name.starts_with(&format!("{prefix}."))).count();
        assert_eq!(there, compared, "entries of {prefix}");
    }

    fn finish(self, file: &str) {
        let (worst, name) = &self.worst;
        println!("{file}: {} tensors, worst {name}: {worst:.2e}", self.compared);
        assert!(self.failures.is_empty(), "{file}:\n{}", self.failures.join("\n"));
    }
}

/// What the parameters hold before the first step; what PyTorch's model lacks begins as it does in a run.
fn first_values(parameters: &Parameters, reference: &Reference, except: &[&str]) -> Vec<Vec<f32>> {
    let entries = parameters.entries().iter().zip(parameters.initialize(0));
    let value = |(entry, initial): (&Entry, Vec<f32>)| {
        if except.contains(&entry.name.as_str()) {
            return initial;
        }
        let value = reference.plain(&format!("param.{}", entry.name));
        assert_eq!(value.dims, entry.pytorch_dims(), "{}", entry.name);
        entry.from_pytorch(&value.to_f32())
    };
    entries.map(value).collect()
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
    parameters.write(&store, &first_values(&parameters, &reference, &[]));
    let mut program = Program::compile(&training, &mut store).unwrap();

    let mut comparison = Comparison::default();
    let steps = number("steps");
    let base = reference.setting("base_lr");
    for i in 0..steps {
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * i as f64 / steps as f64).cos());
        program.write(step.rates, &[(base * cosine) as f32, base as f32]);
        program.write(views, views_of(i));
        program.run(None).unwrap();
        comparison.check_loss(i, program.read(step.loss).unwrap()[0], &reference);
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
            comparison.check_state(&parameters, &values, &prefix, (&reference, &[]));
        }
    }

    let mut program = Program::compile(&evaluating, &mut store).unwrap();
    program.write(images, &views_of(0)[..batch * image]);
    program.run(None).unwrap();
    let features = program.read(evaluated.features).unwrap();
    comparison.check("features_eval", &features, &reference.plain("features_eval"));

    comparison.finish(file);
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

/// The settings that a file of `steps.py` holds.
fn settings_of(reference: &Reference) -> Config {
    let mut config = Config::default();
    let settings = reference.case["set"].as_object().unwrap();
    let mut settings: Vec<_> = settings.iter().collect();
    // The method's name comes before its keys.
    settings.sort_by_key(|(key, _)| *key != "method.name");
    for (key, value) in settings {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        config.set(&format!("{key}={value}")).unwrap();
    }
    config.validate().unwrap();
    config
}

/// A method's steps, of settings, state and views that a file of `steps.py` holds.
fn steps_as_in_pytorch(name: &str, except: &[&str]) {
    let reference = Reference::read(&format!("methods/steps_{name}"));
    let config = settings_of(&reference);
    let [batch, steps] = ["batch", "steps"].map(|key| reference.setting(key) as usize);
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let groups = method::of(&config).views(&config);
    let shapes = groups.iter().map(|group| [group.count() * batch, group.size, group.size, 3]);
    let views: Vec<_> = shapes.map(|shape| graph.input("views", Shape::rows(shape))).collect();
    let step = training_step(&mut graph, &views, batch, &config, &mut parameters).unwrap();
    let mut store = Store::new(&gpu());
    parameters.allocate(&mut store).unwrap();
    parameters.write(&store, &first_values(&parameters, &reference, except));
    let mut program = Program::compile(&graph, &mut store).unwrap();
    // [steps, views of all groups, N, 3, S, S] of each size: MoCo's query and key are groups of one view each.
    let sizes: Vec<Vec<f32>> = (0..)
        .map_while(|size| reference.names().find(|name| **name == format!("views.{size}")))
        .map(|name| permute(&reference.plain(name), &[0, 1, 2, 4, 5, 3]).to_f32())
        .collect();
    let mut comparison = Comparison::default();
    for i in 0..steps {
        let mut of_step: Vec<&[f32]> =
            sizes.iter().map(|all| &all[i * all.len() / steps..][..all.len() / steps]).collect();
        if views.len() > sizes.len() {
            let (first, second) = of_step[0].split_at(of_step[0].len() / 2);
            of_step = vec![first, second];
        }
        for (&tensor, pixels) in views.iter().zip(of_step) {
            program.write(tensor, pixels);
        }
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * i as f64 / steps as f64).cos());
        program.write(step.rates, &[(reference.setting("lr") * cosine) as f32; 2]);
        let info = StepInfo { step: i as u64, steps: steps as u64, steps_per_epoch: 2, images: &[] };
        step.inputs.iter().for_each(|input| input.write(&program, &info));
        program.run(None).unwrap();
        comparison.check_loss(i, program.read(step.loss).unwrap()[0], &reference);
        if i == 0 || i + 1 == steps {
            let values = parameters.read(&store).unwrap();
            comparison.check_state(&parameters, &values, &format!("param_after_{}", i + 1), (&reference, except));
        }
    }
    comparison.finish(name);
}

/// Both optimisers.
#[test]
fn simclr_trains_as_in_pytorch() {
    steps_as_in_pytorch("simclr", &[]);
    steps_as_in_pytorch("simclr_lars", &[]);
}

/// The queue wraps around in both.
#[test]
fn moco_trains_as_in_pytorch() {
    steps_as_in_pytorch("mocov1", &[]);
    steps_as_in_pytorch("mocov2_symmetric", &[]);
}

#[test]
fn byol_trains_as_in_pytorch() {
    steps_as_in_pytorch("byol", &[]);
}

/// Small crops with prototypes that are frozen for the first epoch; a queue from the first step on, which PyTorch keeps in another form; and
/// the gradient through the codes.
#[test]
fn swav_trains_as_in_pytorch() {
    steps_as_in_pytorch("swav_multi_crop", &[]);
    steps_as_in_pytorch("swav_queue", &["queue"]);
    steps_as_in_pytorch("swav_no_stop", &[]);
}

/// Backbone and classifier with a learning rate each; the classifier has no place among the methods' steps.
#[test]
fn fine_tuning_trains_as_in_pytorch() {
    let reference = Reference::read("methods/steps_finetune");
    let config = settings_of(&reference);
    let [batch, steps, classes] = ["batch", "steps", "classes"].map(|key| reference.setting(key) as usize);
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let size = config.data.image_size;
    let images = graph.input("images", Shape::rows([batch, size, size, 3]));
    let step = method::supervised_step(&mut graph, images, classes, &config, &mut parameters).unwrap();
    let mut store = Store::new(&gpu());
    parameters.allocate(&mut store).unwrap();
    parameters.write(&store, &first_values(&parameters, &reference, &[]));
    let mut program = Program::compile(&graph, &mut store).unwrap();
    let pixels = permute(&reference.plain("views.0"), &[0, 1, 2, 4, 5, 3]).to_f32();
    let labels = reference.plain("labels").to_f32();
    let mut comparison = Comparison::default();
    for i in 0..steps {
        program.write(images, &pixels[i * pixels.len() / steps..][..pixels.len() / steps]);
        program.write(step.labels, &labels[i * batch..][..batch]);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * i as f64 / steps as f64).cos());
        let rate = reference.setting("lr") * cosine;
        // The predictor's rate is nobody's.
        program.write(step.rates, &[rate as f32, 9.0, (reference.setting("times") * rate) as f32]);
        program.run(None).unwrap();
        comparison.check_loss(i, program.read(step.loss).unwrap()[0], &reference);
        if i == 0 || i + 1 == steps {
            let values = parameters.read(&store).unwrap();
            comparison.check_state(&parameters, &values, &format!("param_after_{}", i + 1), (&reference, &[]));
        }
    }
    comparison.finish("finetune");
}
