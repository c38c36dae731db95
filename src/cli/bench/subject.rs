//! The step that is measured, and the loop that paces it as the trainer does.

use std::time::{Duration, Instant};

use anyhow::Result;
use simsiam::augment::{Feed, ViewGroup};
use simsiam::config::Config;
use simsiam::data::Images;
use simsiam::gpu::{Gpu, Plan, Readback};
use simsiam::graph::tune::{Budget, Cache, Tuned, Work, tune};
use simsiam::graph::{Graph, Program, Recomputed, Shape, Store, Target, Tensor, refuse_above};
use simsiam::method::{self, LossScaleState, StepInfo, TrainStep, training_step};
use simsiam::model::Parameters;
use simsiam::random::{Draw, Purpose};

use crate::cli::tuning::Measuring;

/// Steps that are not timed: the first compiles inside the driver, the second fills its caches.
const WARM_UP: usize = 2;
/// [`Plan::run`] returns when the replay before the last is done, so the first two returns time nothing.
const AHEAD: usize = 2;
/// The training that kernels are chosen for is as long.
const STEPS: u64 = 10_000;

/// A compiled training step on random views.
pub struct Subject {
    pub program: Program,
    /// Values of all parameters that are trained.
    pub parameters: usize,
    /// Operations of a step by its definition: a kernel that does more or fewer, or does some twice, changes nothing here.
    pub flops: u64,
    /// Bytes of device memory.
    pub memory: u64,
    /// How its kernels were chosen.
    pub tuned: Option<Tuned>,
    /// What activation checkpointing recomputes to need so little.
    pub recomputed: Recomputed,
    software: bool,
    config: Config,
    nodes: TrainStep,
    readback: Readback,
    feed: Feed,
    image: Images,
}

/// What its steps took.
pub struct StepTimes {
    /// Seconds from one step's end to the next one's: the median, and the least.
    pub median: f64,
    pub least: f64,
    /// Seconds that the host was busy in a step: drawing views, uploads, recording, submits and readback. The median. A software
    /// driver computes in the submit, which is left out there.
    pub host: f64,
    /// Seconds between the end of a step on the device and the begin of the next, the median; `None` where it has no clock.
    pub idle: Option<f64>,
    pub loss: f32,
}

impl Subject {
    /// With the kernels that a long training would choose, where `tuned`.
    pub fn new(gpu: &Gpu, config: &Config, tuned: bool) -> Result<Subject> {
        let batch = config.optim.batch_size;
        let groups = method::of(config).views(config);
        let mut graph = Graph::new();
        let mut parameters = Parameters::new();
        let shape = |group: &ViewGroup| Shape::rows([group.count() * batch, group.size, group.size, 3]);
        let views: Vec<Tensor> = groups.iter().map(|group| graph.input("views", shape(group))).collect();
        let nodes = training_step(&mut graph, &views, batch, config, &mut parameters)?;
        let flops = graph.flops();
        // What the host draws and uploads for a step of training is drawn and uploaded here too, though no kernel reads it.
        let side = config.data.image_size as u32;
        let image = Images::new(side, side, 3, vec![0; (side * side * 3) as usize], None)?;
        let feed = Feed::resident(&mut graph, &image, &groups, batch);
        let tuned = match tuned {
            true => Some(choose(gpu, &mut graph)?),
            false => None,
        };
        let mut store = Store::new(gpu);
        parameters.allocate(&mut store)?;
        let allowed = config.run.memory.0;
        let left = allowed.map(|bytes| bytes.saturating_sub(store.bytes()));
        let mut recomputed = graph.recompute(&Target::of(gpu), left)?;
        recomputed.before += store.bytes();
        recomputed.after += store.bytes();
        refuse_above(recomputed.after, allowed, gpu.report().memory)?;
        parameters.write(&store, &parameters.initialize(0));
        let mut program = Program::compile(&graph, &mut store)?;
        LossScaleState::INITIAL.write(&store);
        if !gpu.is_software() {
            program.plan().bound_submits(Plan::HEADLESS);
        }
        let mut draw = Draw::new(0, Purpose::Benchmark, 0, 0, 0);
        for views in views {
            let pixels: Vec<f32> = (0..graph.shape(views).len()).map(|_| draw.normal() as f32).collect();
            program.write(views, &pixels);
        }
        feed.load(&program, &image);
        Ok(Subject {
            parameters: parameters.trained(),
            flops,
            memory: program.memory().total() + store.bytes(),
            recomputed,
            readback: program.readback(&nodes.readback_tensors()),
            tuned,
            software: gpu.is_software(),
            config: config.clone(),
            program,
            nodes,
            feed,
            image,
        })
    }

    /// Sends one step to the device, with all that the trainer does for one.
    fn send(&mut self, tag: usize) -> Result<()> {
        let batch = self.config.optim.batch_size;
        let side = self.config.data.image_size as u32;
        let images: Vec<u32> = (0..batch as u32).collect();
        let drawn = self.feed.groups().iter().flat_map(|group| &group.views).flat_map(|view| {
            images.iter().map(move |&image| {
                let mut draws = view.draw(side, side, 0, tag as u32, image);
                // All draws are of the one image that is there.
                draws.image = 0;
                draws
            })
        });
        self.feed.write_draws(&self.program, &self.image, drawn);
        let info = StepInfo { step: tag as u64, steps: STEPS, steps_per_epoch: STEPS, images: &images };
        for input in &self.nodes.inputs {
            input.write(&self.program, &info);
        }
        self.program.write(self.nodes.rates, &[0.03, 0.03]);
        self.program.run(Some((&mut self.readback, tag as u64)))?;
        while self.readback.poll()?.is_some() {}
        Ok(())
    }

    /// Time so far in which the host waited or, with a software driver, was the device itself.
    fn device_time(&mut self) -> Duration {
        let plan = self.program.plan();
        match self.software {
            true => plan.waited() + plan.submitting(),
            false => plan.waited(),
        }
    }

    /// Runs and times `steps` steps, pipelined.
    pub fn pace(&mut self, steps: usize, clock: bool) -> Result<StepTimes> {
        let (mut intervals, mut busy) = (Vec::new(), Vec::new());
        if clock {
            self.program.plan().mark_replays(WARM_UP + AHEAD + steps)?;
        }
        let mut before = (Instant::now(), self.device_time());
        for index in 0..WARM_UP + AHEAD + steps {
            self.send(index)?;
            let now = (Instant::now(), self.device_time());
            if index >= WARM_UP + AHEAD {
                let interval = now.0 - before.0;
                intervals.push(interval.as_secs_f64());
                busy.push(interval.saturating_sub(now.1 - before.1));
            }
            before = now;
        }
        let replays = self.program.plan().replays()?;
        let gaps: Vec<f64> =
            replays[WARM_UP.min(replays.len())..].windows(2).map(|pair| (pair[1][0] - pair[0][1]).max(0.0)).collect();
        let busy: Vec<f64> = busy.iter().map(Duration::as_secs_f64).collect();
        Ok(StepTimes {
            least: intervals.iter().copied().fold(f64::INFINITY, f64::min),
            median: median(intervals),
            host: median(busy),
            idle: (!gaps.is_empty()).then(|| median(gaps)),
            loss: self.program.read(self.nodes.loss)?[0],
        })
    }
}

/// Chooses the fastest kernels, and takes the time for it.
fn choose(gpu: &Gpu, graph: &mut Graph) -> Result<Tuned> {
    let target = Target::of(gpu);
    let budget = Budget { share: f64::INFINITY, ..Budget::training(gpu, graph.memory(&target)?.total()) };
    let work = [Work { graph, runs: STEPS }];
    let measuring = Measuring::new();
    let mut progress = |done, of| measuring.at(done, of);
    let tuned = tune(gpu, &target, &work, &budget, &mut Cache::open(gpu), &mut progress)?;
    measuring.end();
    graph.choose(&tuned.choices);
    Ok(tuned)
}

/// The middle one, the upper of two; NaN where there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
