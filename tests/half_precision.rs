//! A run in f16: how near its gradients are to those in f32, and what happens where a number leaves the range of f16.

mod common;

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;

use simsiam::config::{Config, MethodConfig};
use simsiam::data::{self, Limits, Spec};
use simsiam::gpu::{Gpu, Tier};
use simsiam::graph::{Array, Graph, Program, Shape, Store, Target, Tensor};
use simsiam::method::{LossScaleState, TrainStep, metric, training_step};
use simsiam::model::{Arena, Parameters};
use simsiam::train::checkpoint::Checkpoint;
use simsiam::train::{Command, Event, Outcome, TrainError, TrainPlan, Trainer};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const F16: &str = "run.precision=f16";
const IMAGES: usize = 24;
const SIZE: usize = 8;

/// A device with f16; `None`, and a remark, where there is none.
fn gpu() -> Option<Gpu> {
    let gpu = common::gpu();
    if gpu.report().tier < Tier::F16 {
        println!("{} has no f16: not tested", gpu.report().name);
        return None;
    }
    Some(gpu)
}

/// Numbers that look random and are the same everywhere.
fn noise(n: usize, seed: usize, size: f32) -> Vec<f32> {
    (0..n).map(|i| ((i as f32 * 12.9898 + seed as f32 * 78.233).sin() * 43_758.547).fract() * size).collect()
}

/// The graph of a small network's step; its views, and its table of parameters.
fn graph(precision: &str) -> Result<(Graph, Tensor, TrainStep, Parameters)> {
    let mut config = Config::default();
    for assignment in [
        "model.arch=resnet_tiny",
        "model.blocks=[1,1]",
        "model.width=8",
        "model.dim=13",
        "model.predictor_dim=6",
        precision,
    ] {
        config.set(assignment)?;
    }
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let views = graph.input("views", Shape::rows([2 * IMAGES, SIZE, SIZE, 3]));
    let step = training_step(&mut graph, &[views], IMAGES, &config, &mut parameters)?;
    Ok((graph, views, step, parameters))
}

/// A small network on the device.
struct Small {
    views: Tensor,
    step: TrainStep,
    parameters: Parameters,
    store: Store,
    program: Program,
}

impl Small {
    fn new(gpu: &Gpu, precision: &str, scale: f32) -> Result<Small> {
        let (graph, views, step, parameters) = graph(precision)?;
        let mut store = Store::new(gpu);
        parameters.allocate(&mut store)?;
        let program = Program::compile(&graph, &mut store)?;
        let mut values = parameters.initialize(0);
        for (entry, values) in parameters.entries().iter().zip(&mut values) {
            // A scale of zero would hide the block behind it.
            if entry.name.ends_with("bn2.weight") {
                values.fill(0.5);
            }
        }
        parameters.write(&store, &values);
        LossScaleState { scale, ..LossScaleState::INITIAL }.write(&store);
        Ok(Small { views, step, parameters, store, program })
    }

    /// One step on views of about this size; its loss.
    fn train(&mut self, seed: usize, size: f32) -> Result<f32> {
        let views = noise(2 * IMAGES * SIZE * SIZE * 3, seed, size);
        self.program.write(self.views, &views);
        self.program.write(self.step.rates, &[0.1, 0.2]);
        self.program.run(None)?;
        Ok(self.program.read(self.step.loss)?[0])
    }

    fn scale(&self) -> Result<LossScaleState> {
        Ok(LossScaleState::read(&self.store)?.ok_or("a scale")?)
    }

    /// Weights, running statistics and momentum.
    fn state(&self) -> Result<Checkpoint> {
        Ok(Checkpoint::capture(&self.parameters, &self.store)?)
    }
}

#[test]
fn gradients_are_near_those_in_f32() -> Result {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut full = Small::new(&gpu, "run.precision=f32", 1.0)?;
    let mut half = Small::new(&gpu, F16, 65_536.0)?;
    let losses = [full.train(1, 2.0)?, half.train(1, 2.0)?];
    assert!((losses[0] - losses[1]).abs() < 1e-3, "{losses:?}");
    let gradients =
        |small: &Small| -> Result<Vec<Vec<f32>>> { Ok(small.parameters.read_twins(&small.store, Arena::GRADIENTS)?) };
    let (expected, got) = (gradients(&full)?, gradients(&half)?);
    let mut worst = 0.0f64;
    let mut all = [Vec::new(), Vec::new()];
    for (entry, (expected, got)) in full.parameters.of(Arena::PARAMETERS).zip(expected.iter().zip(got)) {
        let got: Vec<f32> = got.iter().map(|g| g / 65_536.0).collect();
        let array = |values: &[f32]| Array::from_f32(entry.shape.dims(), values);
        let error = array(&got).relative_error(&array(expected));
        println!("{}: {error:.1e}", entry.name);
        // A batch normalisation follows the projector's: its gradient is zero up to rounding.
        if entry.name != "encoder.fc.7.bias" {
            worst = worst.max(error);
        }
        all[0].extend(got);
        all[1].extend(expected);
    }
    let [got, expected] = all.map(|values| Array::from_f32(&[values.len()], &values));
    let error = got.relative_error(&expected);
    println!("all: {error:.1e}");
    // Rounded by up to 2^-11, about so many of the numbers before a ReLU change their sign, and with each goes or comes a whole
    // gradient: sqrt(2^-11) = 2e-2 for random ones. Where many nearly cancel, as in a bias, it is more.
    assert!(error < 6e-2, "{error:.1e}");
    assert!(worst < 0.2, "{worst:.1e}");
    Ok(())
}

#[test]
fn every_method_has_a_step_in_f16() -> Result {
    for method in MethodConfig::names() {
        let mut config = Config::preset_for("demo", method)?;
        for assignment in [F16, "augment.small.size=8", "optim.batch_size=64"] {
            config.set(assignment)?;
        }
        if *method == "swav" {
            config.set("augment.small.count=2")?;
            config.set("method.queue=128")?;
        }
        assert!(metric::declared(&config)?.iter().any(|metric| metric.name == "loss_scale"), "{method}");
    }
    Ok(())
}

#[test]
fn an_overflow_skips_the_step_and_lowers_the_scale() -> Result {
    let Some(gpu) = gpu() else { return Ok(()) };
    // Far above what the gradients bear.
    let scale = 2f32.powi(40);
    let mut small = Small::new(&gpu, F16, scale)?;
    let before = small.state()?;
    assert!(small.train(0, 2.0)?.is_finite());
    let after = small.state()?;
    let parameters = small.parameters.clone();
    let trained = |checkpoint: &Checkpoint| -> Result<[Vec<Vec<f32>>; 2]> {
        let entries = parameters.entries().iter();
        let weights = entries.zip(checkpoint.weights(&parameters)?);
        let trained = weights.filter(|(entry, _)| entry.arena == Arena::PARAMETERS);
        let momentum = checkpoint.momentum(&parameters)?;
        Ok([trained.map(|(_, values)| values).collect(), momentum])
    };
    assert!(trained(&before)? == trained(&after)?, "a skipped step moved something");
    let lower = LossScaleState { scale: scale / 2.0, good_steps: 0.0 };
    assert_eq!(small.scale()?, lower);
    // It recovers by itself, and learns.
    let mut skipped = 1;
    let mut seed = 1;
    while small.scale()?.good_steps < 3.0 {
        skipped += u32::from(small.scale()?.good_steps == 0.0);
        small.train(seed, 2.0)?;
        seed += 1;
        assert!(seed < 60, "it does not recover: {:?}", small.scale()?);
    }
    let now = small.scale()?.scale;
    assert!(now < scale / 4.0 && now >= 1.0, "{now}");
    assert!(skipped > 3);
    let weights = small.state()?.weights(&small.parameters)?;
    assert!(weights.iter().flatten().all(|v| v.is_finite()));
    assert!(trained(&small.state()?)? != trained(&before)?, "it has learnt nothing");
    Ok(())
}

#[test]
fn what_overflows_in_the_forward_pass_leaves_no_trace() -> Result {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut small = Small::new(&gpu, F16, 65_536.0)?;
    small.train(0, 2.0)?;
    let before = small.state()?;
    // Beyond 65504 before the first convolution.
    let loss = small.train(1, 1e6)?;
    assert!(!loss.is_finite(), "{loss}");
    assert_eq!(small.scale()?.scale, 32_768.0);
    assert!(small.state()? == before, "weights or running statistics have moved");
    assert!(small.train(2, 2.0)?.is_finite());
    assert!(small.state()? != before);
    Ok(())
}

/// The same bits after a restart, in a stretch where the scale falls.
#[test]
fn the_scale_is_a_part_of_what_continues() -> Result {
    let Some(gpu) = gpu() else { return Ok(()) };
    let scale = 2f32.powi(36);
    let mut straight = Small::new(&gpu, F16, scale)?;
    for seed in 0..30 {
        straight.train(seed, 2.0)?;
    }
    let mut first = Small::new(&gpu, F16, scale)?;
    for seed in 0..5 {
        first.train(seed, 2.0)?;
    }
    let mut second = Small::new(&gpu, F16, 1.0)?;
    first.state()?.restore(&second.parameters, &second.store)?;
    first.scale()?.write(&second.store);
    for seed in 5..30 {
        second.train(seed, 2.0)?;
    }
    assert_eq!(second.scale()?, straight.scale()?);
    assert!(second.scale()?.good_steps > 0.0);
    assert!(second.state()? == straight.state()?);
    Ok(())
}

#[test]
fn an_adapter_without_f16_is_refused_by_name() -> Result {
    let target = Target { tier: Tier::Subgroups, ..Target::of(&common::gpu()) };
    assert!(graph("run.precision=f32")?.0.memory(&target).is_ok());
    let error = graph(F16)?.0.memory(&target).map_err(|e| e.to_string());
    assert!(error.is_err_and(|e| e.contains("run.precision = f16 needs") && e.contains("f32")));
    Ok(())
}

#[test]
fn activations_take_half_the_memory() -> Result {
    let target = Target { tier: Tier::F16, ..Target::of(&common::gpu()) };
    let full = graph("run.precision=f32")?.0.memory(&target)?;
    let half = graph(F16)?.0.memory(&target)?;
    let ratio = half.pool as f64 / full.pool as f64;
    // Partial sums, parameters' gradients on the way, and the loss are in f32.
    assert!((0.45..0.75).contains(&ratio), "{ratio}");
    Ok(())
}

/// A trainer of few, small steps.
fn trainer(gpu: &Gpu) -> Result<Trainer> {
    let small = [
        "data.limit_train=64",
        "data.limit_test=20",
        "data.image_size=8",
        "model.blocks=[1, 1]",
        "model.width=4",
        "model.dim=8",
        "model.projector_hidden=8",
        "model.predictor_dim=4",
        "optim.epochs=2",
        "optim.batch_size=16",
        "run.knn_every=0",
        F16,
    ];
    let mut config = Config::preset("demo")?;
    for assignment in small {
        config.set(assignment)?;
    }
    let spec: Spec = config.data.source.parse()?;
    let data = Arc::new(data::open(&spec, Limits::from(&config.data))?);
    let plan = TrainPlan::new(gpu, &config, data)?;
    Ok(Trainer::new(plan, None)?)
}

/// Checkpoints are those of f32, with the scale in their metadata; a scale that keeps falling ends the run.
#[test]
fn a_run_tells_its_scale_and_ends_where_it_falls_to_nothing() -> Result {
    let Some(gpu) = gpu() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let mut training = trainer(&gpu)?;
    let mut scales = Vec::new();
    let (_sender, commands) = mpsc::channel::<Command>();
    let outcome = training.run(&commands, &mut |event| {
        if let Event::Step(step) = event {
            scales.push(step.readings.get("loss_scale"));
        }
    })?;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(scales, [65_536.0; 8]);

    let (parameters, store) = training.state();
    // Predictions of which f16 makes infinities.
    let mut weights = parameters.read(store)?;
    let entries = parameters.entries().iter();
    let bias = entries.zip(&mut weights).find(|(e, _)| e.name == "predictor.3.bias");
    bias.ok_or("a bias")?.1.fill(1e6);
    let momentum = parameters.read_twins(store, Arena::MOMENTUM)?;
    let mut checkpoint = Checkpoint::new(parameters, &weights, Some(&momentum));
    let scale = [("scale", "0.00048828125"), ("good_steps", "7.0")];
    for (key, value) in scale {
        let key = format!("loss_scale.{key}");
        checkpoint.extra.insert(key, value.to_string());
    }
    let path = folder.path().join("last.safetensors");
    checkpoint.save(&path)?;
    let mut beyond = trainer(&gpu)?;
    beyond.restore(&Checkpoint::load(&path)?)?;
    let mut warnings = Vec::new();
    let error = beyond.run(&commands, &mut |event| match event {
        Event::Warning(warning) => warnings.push(warning.message.clone()),
        Event::Step(step) => panic!("a step without a loss was reported: {step:?}"),
        _ => {}
    });
    let Err(error @ TrainError::LossScale { step: 3, .. }) = error else {
        panic!("it went on: {error:?}");
    };
    assert!(error.to_string().contains("run.precision = f32"), "{error}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("step 1 was skipped"), "{warnings:?}");
    Ok(())
}
