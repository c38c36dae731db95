//! Adds a method: VICReg (Bardes, Ponce & LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning", 2021),
//! trained on images made in memory.
//!
//!     cargo run --release --example add_a_method
//!
//! A method says which keys it has, which projector, what a step computes, and what a healthy run looks like. Trainer, checkpoints, alarms,
//! reports and the window work from that. Its loss is an operator of its own here, with the WGSL in this file (see `add_a_kernel.rs`).

use std::sync::{Arc, mpsc};

use simsiam::config::{Config, Key, MethodSettings, Problem};
use simsiam::data::{Dataset, Images};
use simsiam::gpu::{Gpu, GpuOptions, Kernel};
use simsiam::graph::{
    Array, Graph, GraphError, InputGradients, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor, grid,
};
use simsiam::method::{Advice, AlarmKind, Health, Method, Objective, Registered, StepBuilder, register};
use simsiam::model::{Affine, Bias, Mlp};
use simsiam::ops::check::{Case, Fill, forward_error, gradient_error};
use simsiam::random::{Draw, Purpose};
use simsiam::section;
use simsiam::train::{Event, Outcome, TrainPlan, Trainer};

section! {
    /// The method's keys: the doc comments are their help, the values their defaults.
    VicReg = "method" {
        /// Weight of the distance between the views of an image, 0 or more (paper: 25).
        invariance: f64 = 25.0,
        /// Weight of the standard deviations that are below 1, 0 or more (paper: 25).
        variance: f64 = 25.0,
        /// Weight of the covariances between channels, 0 or more (paper: 1).
        covariance: f64 = 1.0,
    }
}

impl MethodSettings for VicReg {
    const NAME: &'static str = "vicreg";
    const SUMMARY: &'static str =
        "VICReg (Bardes et al. 2021): views alike, channels that vary, no two of them together";

    fn settings() -> Vec<Key> {
        Self::keys()
    }

    fn ranges(&self) -> Vec<Problem> {
        let weights = [("invariance", self.invariance), ("variance", self.variance), ("covariance", self.covariance)];
        let wrong = weights.into_iter().filter(|(_, weight)| !(weight.is_finite() && *weight >= 0.0));
        wrong.map(|(key, _)| (format!("method.{key}"), "a weight must be 0 or more".to_owned())).collect()
    }
}

impl Method for VicReg {
    fn projector(&self, config: &Config) -> Mlp {
        Mlp {
            name: "fc",
            hidden_layers: config.model.projector_layers - 1,
            hidden: config.model.projector_hidden(),
            hidden_norm: true,
            output: config.model.dim,
            output_bias: Bias::Trained,
            output_norm: None::<Affine>,
        }
    }

    fn objective(&self, step: &mut StepBuilder, views: &[Tensor]) -> Result<Objective, GraphError> {
        // The default of `Method::views` is one group of two views of every image.
        let (features, z) = step.encode(self, views[0], 2)?;
        let z = step.in_f32(z)?;
        let normalized_z = step.unit(z)?;
        let weights = [self.invariance, self.variance, self.covariance].map(|weight| weight as f32);
        let loss = step.graph.add_one(Loss { weights }, &[z])?;
        Ok(Objective { loss, z, p: z, normalized_z, features })
    }

    fn health(&self, config: &Config) -> Health {
        // With outputs near a point every standard deviation costs about the variance's weight, twice.
        let range = 2.0 * self.variance.max(1.0);
        Health { loss_range: range, least_loss: 0.0, ..Health::new("VICReg", config.model.dim) }
    }

    fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
        advice.when(self.variance < self.invariance, "method.variance as high as method.invariance");
        advice.rate(if kind == AlarmKind::Stagnation { "higher" } else { "lower" });
    }
}

/// z `[2N, d]`, view 1 of N images and then view 2 → `[1]`, with the weights λ, μ, ν of
/// λ mean of (z1 - z2)² + μ Σ over views of mean of max(0, 1 - std) + ν Σ over views of (Σ over i ≠ j of C_ij²) / d.
#[derive(Debug, Clone)]
struct Loss {
    weights: [f32; 3],
}

/// (dy, z) → dz.
#[derive(Debug, Clone)]
struct LossGradient {
    weights: [f32; 3],
}

/// Added to variances.
const EPS: f64 = 1e-4;

/// A thread a covariance of a view. Short and slow: every thread goes through both columns twice.
const COVARIANCE: &str = "
//!include common/grid

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if at >= 2u * DIM * DIM {
        return;
    }
    let view = at / (DIM * DIM);
    let i = at / DIM - view * DIM;
    let j = at - (view * DIM + i) * DIM;
    let first = view * IMAGES * STORED;
    var means = vec2f(0.0);
    for (var n = 0u; n < IMAGES; n++) {
        means += vec2f(z[first + n * STORED + i], z[first + n * STORED + j]) / f32(IMAGES);
    }
    var sum = 0.0;
    for (var n = 0u; n < IMAGES; n++) {
        sum += (z[first + n * STORED + i] - means.x) * (z[first + n * STORED + j] - means.y);
    }
    c[at] = sum / f32(IMAGES - 1u);
}
";

/// One workgroup adds everything up.
const FORWARD: &str = "
//!include common/reduce

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> c: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var at = lane; at < IMAGES * STORED; at += 64u) {
        let apart = z[at] - z[at + IMAGES * STORED];
        sum += INVARIANCE * apart * apart / f32(IMAGES * DIM);
    }
    for (var at = lane; at < 2u * DIM * DIM; at += 64u) {
        let row = at / DIM;
        if at - row * DIM == row - row / DIM * DIM {
            sum += VARIANCE * max(0.0, 1.0 - sqrt(c[at] + EPS)) / f32(DIM);
        } else {
            sum += COVARIANCE * c[at] * c[at] / f32(DIM);
        }
    }
    y[0] = vec4f(workgroup_sum(lane, vec4f(sum, 0.0, 0.0, 0.0)).x, 0.0, 0.0, 0.0);
}
";

/// A thread a number of dz, the padding too.
const BACKWARD: &str = "
//!include common/grid

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> c: array<f32>;
@group(0) @binding(3) var<storage, read_write> dz: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if at >= 2u * IMAGES * STORED {
        return;
    }
    let row = at / STORED;
    let j = at - row * STORED;
    if j >= DIM {
        dz[at] = 0.0;
        return;
    }
    let view = row / IMAGES;
    let other = select(at - IMAGES * STORED, at + IMAGES * STORED, view == 0u);
    var d = 2.0 * INVARIANCE * (z[at] - z[other]) / f32(IMAGES * DIM);
    for (var i = 0u; i < DIM; i++) {
        let covariance = c[(view * DIM + i) * DIM + j];
        var slope = 4.0 * COVARIANCE * covariance;
        if i == j {
            let deviation = sqrt(covariance + EPS);
            slope = select(0.0, -VARIANCE / deviation, deviation < 1.0);
        }
        var mean = 0.0;
        for (var n = 0u; n < IMAGES; n++) {
            mean += z[(view * IMAGES + n) * STORED + i] / f32(IMAGES);
        }
        d += slope * (z[row * STORED + i] - mean) / f32((IMAGES - 1u) * DIM);
    }
    dz[at] = dy[0] * d;
}
";

/// The kernel with the sizes of z; constants of the loss where it has them.
fn kernel(name: &'static str, text: &'static str, z: &Shape, weights: Option<[f32; 3]>) -> Kernel {
    let sizes = Kernel::with_text(name, text)
        .with("IMAGES", z.row_count() / 2)
        .with("DIM", z.channels())
        .with("STORED", z.stored_channels());
    match weights {
        None => sizes,
        Some([invariance, variance, covariance]) => sizes
            .with("INVARIANCE", invariance)
            .with("VARIANCE", variance)
            .with("COVARIANCE", covariance)
            .with("EPS", EPS as f32),
    }
}

/// The covariances into scratch memory, then a kernel that reads them.
fn lower(z: &Shape, input: Slot, kernel: Kernel, slots: Vec<Slot>, workgroups: usize) -> Lowered {
    let count = 2 * z.channels() * z.channels();
    let first = Launch::new(
        self::kernel("vicreg_covariance", COVARIANCE, z, None),
        [input, Slot::scratch(0)],
        grid(count.div_ceil(64)),
    );
    Lowered {
        launches: vec![first, Launch::new(kernel, slots, grid(workgroups))],
        scratch: vec![count.next_multiple_of(4)],
    }
}

impl Op for Loss {
    fn name(&self) -> &'static str {
        "vicreg"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [z] if z.dims().len() == 2 && z.dims()[0] >= 4 && z.dims()[0].is_multiple_of(2) => {
                Ok(vec![Shape::rows([1])])
            }
            _ => Err("expected z [2N, d] of at least two images".to_string()),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        Ok(vec![Some(graph.add_one(LossGradient { weights: self.weights }, &[dy, node.inputs[0]])?)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let z = &io.inputs[0];
        let kernel = kernel("vicreg", FORWARD, z, Some(self.weights));
        lower(z, Slot::input(0), kernel, vec![Slot::input(0), Slot::scratch(0), Slot::output(0)], 1)
    }

    /// The formula, which also stands for the gradient: `gradient_error` differentiates it numerically.
    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (z, [invariance, variance, covariance]) = (inputs[0], self.weights.map(f64::from));
        let (n, d) = (z.dims[0] / 2, z.dims[1]);
        let views: Vec<&[f64]> = z.data.chunks(n * d).collect();
        let apart: f64 = views[0].iter().zip(views[1]).map(|(a, b)| (a - b).powi(2)).sum();
        let mut loss = invariance * apart / (n * d) as f64;
        for view in views {
            let mean = |i: usize| (0..n).map(|row| view[row * d + i]).sum::<f64>() / n as f64;
            let means: Vec<f64> = (0..d).map(mean).collect();
            for i in 0..d {
                for j in 0..d {
                    let product = |row: usize| (view[row * d + i] - means[i]) * (view[row * d + j] - means[j]);
                    let c = (0..n).map(product).sum::<f64>() / (n - 1) as f64;
                    loss += match i == j {
                        true => variance * (1.0 - (c + EPS).sqrt()).max(0.0),
                        false => covariance * c * c,
                    } / d as f64;
                }
            }
        }
        vec![Array { dims: vec![1], data: vec![loss] }]
    }
}

impl Op for LossGradient {
    fn name(&self) -> &'static str {
        "vicreg_gradient"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![inputs[1].clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let z = &io.inputs[1];
        let kernel = kernel("vicreg_gradient", BACKWARD, z, Some(self.weights));
        let slots = vec![Slot::input(0), Slot::input(1), Slot::scratch(0), Slot::output(0)];
        lower(z, Slot::input(1), kernel, slots, z.stored_len().div_ceil(64))
    }

    /// Not needed: nothing interprets a backward pass here.
    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![Array::zeros(&inputs[1].dims)]
    }
}

const SIZE: u32 = 24;
const DIRECTIONS: u32 = 8;

/// `count` gray images of gratings in eight directions, which are their labels.
fn gratings(count: u32, first: u32) -> Result<Images, Box<dyn std::error::Error>> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for image in first..first + count {
        let mut draw = Draw::new(1, Purpose::Benchmark, 0, image, 0);
        let label = draw.below(DIRECTIONS);
        let angle = f64::from(label) * std::f64::consts::PI / f64::from(DIRECTIONS) + draw.uniform(-0.1, 0.1);
        let (phase, period) = (draw.uniform(0.0, std::f64::consts::TAU), draw.uniform(5.0, 8.0));
        for at in 0..SIZE * SIZE {
            let along = f64::from(at % SIZE) * angle.cos() + f64::from(at / SIZE) * angle.sin();
            let wave = (along * std::f64::consts::TAU / period + phase).sin();
            pixels.push((127.5 + 60.0 * wave + 60.0 * draw.normal()).clamp(0.0, 255.0) as u8);
        }
        labels.push(label);
    }
    Ok(Images::new(SIZE, SIZE, 1, pixels, Some(labels))?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let case = Case::new("vicreg", Loss { weights: [25.0, 25.0, 1.0] }).input(Shape::rows([10, 7]), Fill::Normal);
    let target = Target::of(&gpu);
    println!("error of the loss against its reference:       {:.1e}", forward_error(&gpu, &target, &case)?);
    let error = gradient_error(&gpu, &target, &case)?.ok_or("the case has a gradient")?;
    println!("error of its gradient against finite differences: {error:.1e}");

    // From here on a configuration may name it, and has its keys.
    register(Registered::of::<VicReg>());
    let mut config = Config::preset_for("demo", "vicreg")?;
    for assignment in [
        "data.image_size=24",
        "model.blocks=[1, 1, 1]",
        "model.dim=64",
        "augment.flip=0", // a mirrored grating is of another class
        "augment.mean=[0.5, 0.5, 0.5]",
        "augment.std=[0.25, 0.25, 0.25]",
        "optim.lr=0.02",
        "optim.warmup_epochs=1",
        "optim.epochs=4",
    ] {
        config.set(assignment)?;
    }
    let (train, test) = (gratings(2048, 0)?, gratings(512, 1 << 20)?);
    let data = Dataset {
        name: "gratings".to_string(),
        classes: (0..DIRECTIONS).map(|i| format!("{} degrees", i * 180 / DIRECTIONS)).collect(),
        ..Dataset::new(Arc::new(train), Arc::new(test))
    };
    let gpu = Gpu::open(None, GpuOptions::default())?;
    let mut trainer = Trainer::new(TrainPlan::new(&gpu, &config.resolved(), Arc::new(data))?, None)?;
    let (_commands, inbox) = mpsc::channel();
    let outcome = trainer.run(&inbox, &mut |event| match event {
        Event::Epoch(epoch) => println!(
            "epoch {}: loss {:.3}, output std {:.4}, kNN {}",
            epoch.epoch,
            epoch.readings.get("loss"),
            epoch.readings.get("output_std"),
            epoch.knn_top1().map_or("off".to_string(), |top1| format!("{:.1} %", top1 * 100.0))
        ),
        Event::Alarm(alarm) => println!("{}; what may help: {}", alarm.message, alarm.advice),
        _ => {}
    })?;
    assert_eq!(outcome, Outcome::Done);
    Ok(())
}
