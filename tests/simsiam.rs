//! The paper's variants of a step as whole graphs on the device, and a run that stops and goes on.

mod common;

use std::collections::HashMap;

use common::gpu;
use simsiam::config::Config;
use simsiam::graph::{Array, Graph, Place, Program, Shape, Store, Tensor, interpret};
use simsiam::method::{self, HostValues, StepInfo, TrainStep, training_step};
use simsiam::model::{Arena, Parameters};
use simsiam::train::checkpoint::Checkpoint;

const IMAGES: usize = 5;
const SIZE: usize = 6;
/// The first of a training.
const STEP: StepInfo = StepInfo { step: 0, steps: 10, steps_per_epoch: 5, images: &[0, 1, 2, 3, 4] };

/// A step of a small network, its parameters' first values, and views.
struct Small {
    graph: Graph,
    views: Tensor,
    step: TrainStep,
    parameters: Parameters,
    values: Vec<Vec<f32>>,
}

/// Numbers that look random and are the same everywhere.
fn noise(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i as f32 * 12.9898 + seed as f32 * 78.233).sin() * 43_758.547).fract()).collect()
}

impl Small {
    fn new(assignments: &[&str]) -> Small {
        let small =
            ["model.arch=resnet_tiny", "model.blocks=[1,1]", "model.width=4", "model.dim=7", "model.predictor_dim=3"];
        let mut config = Config::default();
        for assignment in small.iter().chain(assignments) {
            config.set(assignment).unwrap();
        }
        let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
        let rows = method::of(&config).views(&config)[0].count() * IMAGES;
        let views = graph.input("views", Shape::rows([rows, SIZE, SIZE, 3]));
        let step = training_step(&mut graph, &[views], IMAGES, &config, &mut parameters).unwrap();
        for tensor in [step.z, step.p] {
            graph.keep(tensor);
        }
        let mut values = parameters.initialize(0);
        for (entry, values) in parameters.entries().iter().zip(&mut values) {
            // A scale of zero would hide the block behind it.
            if entry.name.ends_with("bn2.weight") {
                values.fill(0.5);
            }
            // A step in the middle of a training, whose table of targets is not empty.
            if entry.name == "targets" {
                *values = noise(values.len(), 2);
            }
        }
        Small { graph, views, step, parameters, values }
    }

    /// Every tensor by the CPU references, in f64, from these values of the parameters.
    fn on_the_cpu(&self, values: &[Array]) -> HashMap<Tensor, Array> {
        let mut given = HashMap::new();
        let by_name: HashMap<&str, &Array> =
            self.parameters.entries().iter().map(|e| e.name.as_str()).zip(values).collect();
        for (tensor, info) in self.graph.tensors() {
            let dims = info.shape.dims();
            if let Some(&value) = by_name.get(info.name.as_str()) {
                given.insert(tensor, value.clone());
            } else if tensor == self.views {
                given.insert(tensor, Array::from_f32(dims, &noise(info.shape.len(), 1)));
            } else if let Some(input) = self.step.inputs.iter().find(|input| input.tensor == tensor) {
                let data = match input.values(&STEP) {
                    HostValues::Words(_) => self.target_rows().map(f64::from).collect(),
                    HostValues::Floats(floats) => floats.into_iter().map(f64::from).collect(),
                };
                given.insert(tensor, Array { dims: dims.to_vec(), data });
            } else if !matches!(info.place, Place::Constant(_)) {
                given.insert(tensor, Array::zeros(dims));
            }
        }
        interpret(&self.graph, &given)
    }

    /// Rows of the table of targets, the last first.
    fn target_rows(&self) -> impl Iterator<Item = u32> {
        let rows = self.graph.shape(self.views).dims()[0] as u32;
        (0..rows).rev()
    }

    /// Writes views and the rows of the table, runs a step that moves nothing, and says its loss.
    fn run(&self, program: &mut Program, views: usize) -> f64 {
        let len = self.graph.shape(self.views).len();
        program.write(self.views, &noise(len, views));
        program.write(self.step.rates, &[0.0, 0.0]);
        for input in &self.step.inputs {
            match input.values(&STEP) {
                HostValues::Words(_) => program.write_words(input.tensor, &self.target_rows().collect::<Vec<_>>()),
                HostValues::Floats(floats) => program.write(input.tensor, &floats),
            }
        }
        program.run(None).unwrap();
        program.read_array(self.step.loss).unwrap().data[0]
    }

    fn arrays(&self) -> Vec<Array> {
        let entries = self.parameters.entries().iter().zip(&self.values);
        entries.map(|(entry, values)| Array::from_f32(entry.shape.dims(), values)).collect()
    }

    /// Compiled, with a store that holds the parameters.
    fn on_the_device(&self) -> (Program, Store) {
        let mut store = Store::new(&gpu());
        self.parameters.allocate(&mut store).unwrap();
        self.parameters.write(&store, &self.values);
        let program = Program::compile(&self.graph, &mut store).unwrap();
        (program, store)
    }

    /// The values of the parameters, all moved by a little.
    fn moved(&self, by: f64) -> Vec<Array> {
        let mut values = self.arrays();
        for (seed, (entry, array)) in self.parameters.entries().iter().zip(&mut values).enumerate() {
            if entry.arena == Arena::PARAMETERS {
                let direction = noise(array.data.len(), seed);
                for (value, d) in array.data.iter_mut().zip(direction) {
                    *value += by * f64::from(d);
                }
            }
        }
        values
    }
}

#[test]
fn stages_hold_every_trained_parameter() {
    let stages = |assignments: &[&str]| Small::new(assignments).step.gradient_norms.stages;
    let trunk = ["stem", "layer1", "layer2", "projector"];
    assert_eq!(stages(&[]), [&trunk[..], &["predictor"]].concat());
    assert_eq!(stages(&["method.predictor=frozen"]), trunk);
}

#[test]
fn variants_of_the_step_match_their_references() {
    let off = "method.stop_gradient=false";
    for variant in [
        &["method.batch_norm=none"][..],
        &["method.batch_norm=hidden", "method.symmetry=asymmetric"],
        &["method.batch_norm=all", "method.similarity=cross_entropy"],
        &["method.predictor=frozen", off],
        &["method.predictor=none", off, "model.projector_layers=2"],
        &["method.similarity=cross_entropy", off, "model.stem=imagenet"],
        &["method.symmetry=asymmetric_2x"],
        &["method.alternation=2"],
        &["method.target_momentum=0.75", "method.predictor=none"],
        &["method.name=simclr"],
        &["method.name=simclr", "method.predictor=true", "method.stop_gradient=true"],
        &["method.name=simclr", "method.batch_norm=none", "model.projector_layers=2"],
        &["method.name=mocov1", "method.symmetric=true", "method.queue=20"],
        &["method.name=mocov2", "method.symmetric=true", "method.queue=20", "method.split_batch_norm=5"],
        &["method.name=swav", "method.prototypes=6"],
        &["method.name=swav", "method.prototypes=9", "method.queue=5", "method.frozen_epochs=0"],
        &["method.name=byol"],
        &["method.name=byol", "method.predictor=false", "model.projector_layers=2"],
    ] {
        let small = Small::new(variant);
        let expected = small.on_the_cpu(&small.arrays());
        let (mut program, store) = small.on_the_device();
        small.run(&mut program, 1);
        for tensor in [
            small.step.loss,
            small.step.output_std,
            small.step.mean_output_std,
            small.step.outputs.z_norm,
            small.step.outputs.p_norm,
            small.step.outputs.view_cosine.unwrap(),
            small.step.outputs.gram,
        ] {
            let error = program.read_array(tensor).unwrap().relative_error(&expected[&tensor]);
            assert!(error < 1e-4, "{variant:?}: {tensor:?}: {error:.1e}");
        }
        let got = small.parameters.read_twins(&store, Arena::GRADIENTS).unwrap();
        let watched = &small.step.gradient_norms;
        let norms = program.read(watched.norms).unwrap();
        let entries = || small.parameters.of(Arena::PARAMETERS);
        for (stage, norm) in watched.stages.iter().zip(norms) {
            let of_stage = |name: &str| match stage.as_str() {
                "stem" => name.contains("encoder.conv1") || name.contains("encoder.bn1"),
                "projector" => name.contains("encoder.fc"),
                other => name.contains(other),
            };
            let members = entries().zip(&got).filter(|(e, _)| of_stage(&e.name));
            let squares = members.flat_map(|(_, values)| values).map(|v| v * v);
            let expected = squares.sum::<f32>().sqrt();
            assert!((norm - expected).abs() <= 1e-5 * expected, "{variant:?}: {stage}: {norm}, not {expected}");
        }
        let mut got = got.iter();
        let mut zeros = 0;
        for (index, entry) in small.parameters.entries().iter().enumerate() {
            if entry.arena != Arena::PARAMETERS {
                continue;
            }
            let got = Array::from_f32(entry.shape.dims(), got.next().unwrap());
            let (_, gradient) = small.step.gradients.iter().find(|(i, _)| *i == index).unwrap();
            let expected = &expected[gradient];
            let size = expected.data.iter().fold(0.0, |a: f64, b| b.abs().max(a));
            // A gradient that is zero up to rounding is compared absolutely.
            let (error, limit) = match size < 1e-6 {
                false => (got.relative_error(expected), 1e-4),
                true => {
                    let differences = got.data.iter().zip(&expected.data).map(|(a, b)| a - b);
                    (differences.fold(0.0, |a: f64, b| a.max(b.abs())), 1e-6)
                }
            };
            zeros += usize::from(size < 1e-6);
            assert!(error < limit, "{variant:?}: {}: {error:.1e}", entry.name);
        }
        // The projector's output bias may be: the predictor's batch norm takes it away. Every other one says something.
        assert!(zeros <= 1, "{variant:?}: {zeros} gradients are zero");
        // Without a stop, and with targets that are what they are, the gradient is that of the loss: against a difference along one
        // direction.
        if variant.contains(&off) || variant.contains(&"method.alternation=2") {
            let loss = |by: f64| small.on_the_cpu(&small.moved(by))[&small.step.loss].data[0];
            let slope = (loss(1e-6) - loss(-1e-6)) / 2e-6;
            let mut along = 0.0;
            for (index, gradient) in &small.step.gradients {
                let direction = noise(expected[gradient].data.len(), *index);
                let products = expected[gradient].data.iter().zip(direction);
                along += products.map(|(g, d)| g * f64::from(d)).sum::<f64>();
            }
            assert!((along - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{variant:?}: slope {slope}, gradient {along}");
        }
    }
}

fn minus_cosine(p: &[f64], z: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    -dot(p, z) / (dot(p, p) * dot(z, z)).sqrt()
}

#[test]
fn two_pairs_of_views_are_compared_within_each_pair() {
    let small = Small::new(&["method.symmetry=asymmetric_2x"]);
    let (mut program, _) = small.on_the_device();
    let loss = small.run(&mut program, 1);
    let [p, z] = [small.step.p, small.step.z].map(|t| program.read_array(t).unwrap());
    let row = |array: &Array, i: usize| array.rows().nth(i).unwrap().to_vec();
    // The first views of both pairs, then the second ones.
    let pairs = (0..2 * IMAGES).map(|i| minus_cosine(&row(&p, i), &row(&z, i + 2 * IMAGES)));
    let expected = pairs.sum::<f64>() / (2 * IMAGES) as f64;
    assert!((loss - expected).abs() < 1e-5, "{loss}, {expected}");
}

#[test]
fn targets_are_averaged_per_image_and_view() {
    let keep = 0.75;
    let small = Small::new(&["method.target_momentum=0.75", "method.predictor=none"]);
    let (mut program, store) = small.on_the_device();
    let zeros: Vec<Vec<f32>> = small
        .parameters
        .entries()
        .iter()
        .zip(&small.values)
        .map(|(entry, values)| match entry.name.as_str() {
            "targets" => vec![0.0; values.len()],
            _ => values.clone(),
        })
        .collect();
    small.parameters.write(&store, &zeros);
    let mut averages = vec![vec![0.0; 7]; 2 * IMAGES];
    for views in [1, 2, 3] {
        let loss = small.run(&mut program, views);
        let z = program.read_array(small.step.z).unwrap();
        let rows: Vec<&[f64]> = z.rows().collect();
        let mut expected = 0.0;
        for (i, average) in averages.iter_mut().enumerate() {
            let other = rows[(i + IMAGES) % (2 * IMAGES)];
            let length = other.iter().map(|v| v * v).sum::<f64>().sqrt();
            for (a, v) in average.iter_mut().zip(other) {
                *a = keep * *a + (1.0 - keep) * v / length;
            }
            expected += minus_cosine(rows[i], average) / (2 * IMAGES) as f64;
        }
        assert!((loss - expected).abs() < 1e-5, "{views}: {loss}, {expected}");
    }
}

#[test]
fn a_run_goes_on_from_a_checkpoint_bit_for_bit() {
    let small = Small::new(&[]);
    let views = small.graph.shape(small.views).len();
    let train = |program: &mut Program, steps: std::ops::Range<usize>| {
        for i in steps {
            program.write(small.views, &noise(views, i));
            program.write(small.step.rates, &[0.1, 0.2]);
            program.run(None).unwrap();
        }
    };
    let (mut program, store) = small.on_the_device();
    train(&mut program, 0..3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let mut checkpoint = Checkpoint::capture(&small.parameters, &store).unwrap();
    checkpoint.step = 3;
    checkpoint.save(&path).unwrap();
    train(&mut program, 3..6);
    let straight = Checkpoint::capture(&small.parameters, &store).unwrap();
    assert_ne!(straight.weights(&small.parameters).unwrap(), checkpoint.weights(&small.parameters).unwrap());

    let (mut program, store) = small.on_the_device();
    let loaded = Checkpoint::load(&path).unwrap();
    loaded.restore(&small.parameters, &store).unwrap();
    train(&mut program, loaded.step as usize..6);
    let resumed = Checkpoint::capture(&small.parameters, &store).unwrap();
    assert!(resumed == straight, "the resumed run differs from the one that never stopped");
}
