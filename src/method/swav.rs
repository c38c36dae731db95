//! SwAV (Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", 2020): the code of one view, how it
//! belongs to prototypes, is predicted from other views. With scores s of u = z/|z| against prototypes of unit length, and codes q of the two
//! large views by Sinkhorn's algorithm over the batch, in which all prototypes are used alike (eq. 2 and §3.2, §3.4):
//!
//! L = 1/2 Σ over large views i of 1/(V - 1) Σ over views v ≠ i of the mean of -q_i · log softmax(s_v / t)
//!
//! No gradient flows through codes, unless an experiment wants to see why. Every view has batch statistics of its own; the authors' code normalises crops of one size together.

use super::{
    Advice, AlarmKind, Drawn, Health, HostValues, Method, Metric, Objective, PerEpoch, Source, StepBuilder, StepInfo,
};
use crate::augment::ViewGroup;
use crate::config::{Config, Key, MethodSettings, Problem};
use crate::graph::{Graph, GraphError, Shape, Tensor};
use crate::model::{Bias, Init, Mlp};
use crate::{ops, section};

/// `F.normalize`'s default.
const NORMALIZE_EPS: f32 = 1e-12;

section! {
    /// SwAV's keys, and the method.
    SwAv = "method" {
        /// Prototypes, 2 to 65536 (paper: 3000 for the 1000 classes of ImageNet).
        prototypes: usize = 3000,
        /// What scores are divided by in the prediction, 0.001 or more; smaller asks for sharper ones (paper: 0.1).
        temperature: f64 = 0.1,
        /// Smoothness of the codes, 0.001 or more; larger ones are more uniform (paper: 0.05).
        epsilon: f64 = 0.05,
        /// Rounds of Sinkhorn's algorithm, 1 to 100 (paper: 3).
        sinkhorn_rounds: usize = 3,
        /// Epochs at first in which the prototypes learn nothing (paper: 1).
        frozen_epochs: usize = 1,
        /// Features of earlier steps, of each large view, that codes are made with, for batches small beside the prototypes: a multiple of optim.batch_size, or 0 (paper: 3840 at batch 256).
        queue: usize = 0,
        /// Epoch, from 0, from which on the queue is filled and then used (paper: 15).
        queue_epoch: usize = 15,
        /// Whether no gradient flows through the codes; off, there can be no queue (SimSiam's paper §6.2: the training fails).
        stop_gradient: bool = true,
    }
}

impl MethodSettings for SwAv {
    const NAME: &'static str = "swav";
    const SUMMARY: &'static str =
        "SwAV (Caron et al. 2020): the cluster that one view belongs to is predicted from others, small crops too";
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        ("demo", include_str!("../../assets/presets/swav-demo.toml")),
        ("fashion-mnist", include_str!("../../assets/presets/swav-demo.toml")),
        ("cifar10", include_str!("../../assets/presets/swav-cifar10.toml")),
        ("photos", include_str!("../../assets/presets/swav-photos.toml")),
        ("imagenet", include_str!("../../assets/presets/swav-imagenet.toml")),
    ];

    fn settings() -> Vec<Key> {
        Self::keys()
    }

    fn ranges(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut need = |key: &str, good: bool, problem: &str| {
            if !good {
                problems.push((format!("method.{key}"), problem.to_owned()));
            }
        };
        need("prototypes", (2..=65536).contains(&self.prototypes), "there must be 2 to 65536 prototypes");
        for (key, value) in [("temperature", self.temperature), ("epsilon", self.epsilon)] {
            need(key, value.is_finite() && value >= 0.001, &format!("the {key} must be 0.001 or more"));
        }
        need("sinkhorn_rounds", (1..=100).contains(&self.sinkhorn_rounds), "there must be 1 to 100 rounds");
        need("queue", self.queue <= 1 << 24, "the queue holds 0 (off) to 16777216 features");
        problems
    }

    fn relations(&self, config: &Config) -> Vec<Problem> {
        let batch = config.optim.batch_size.max(1);
        let problem = if !self.queue.is_multiple_of(batch) {
            let fix = self.queue.next_multiple_of(batch);
            format!("the queue must be a multiple of the batch of {batch}; set it to {fix}, or 0")
        } else if !self.stop_gradient && self.queue > 0 {
            "no gradient flows through features of earlier steps: without method.stop_gradient it must be 0".to_owned()
        } else {
            return Vec::new();
        };
        vec![("method.queue".to_owned(), problem)]
    }
}

impl Method for SwAv {
    fn views(&self, config: &Config) -> Vec<ViewGroup> {
        ViewGroup::multi_crop(config)
    }

    fn projector(&self, config: &Config) -> Mlp {
        let model = &config.model;
        Mlp {
            name: "fc",
            hidden_layers: model.projector_layers.saturating_sub(1),
            hidden: model.projector_hidden(),
            hidden_norm: true,
            output: model.dim,
            output_bias: Bias::None,
            output_norm: None,
        }
    }

    fn objective(&self, step: &mut StepBuilder, views: &[Tensor]) -> Result<Objective, GraphError> {
        let (features, z) = step.encode(self, views[0], 2)?;
        let z = step.in_f32(z)?;
        let own = step.unit(z)?;
        let (z, unit) = (step.gather(z)?, step.gather(own)?);
        let small = match (views.get(1), ViewGroup::small(step.config)) {
            (Some(&images), Some(group)) => {
                let (_, z) = step.encode(self, images, group.count())?;
                let z = step.in_f32(z)?;
                Some(step.unit(z)?)
            }
            _ => None,
        };
        let (width, batch) = (step.config.model.dim, step.batch);
        let prototypes = step.network(1, |builder| builder.linear_weight("prototypes", width, self.prototypes))?;
        step.graph.add_updating(std::sync::Arc::new(ops::UnitColumns { eps: NORMALIZE_EPS }), &[], &[prototypes])?;
        // Weight decay and what the momentum keeps of it only change a prototype's length, which is 1 again before every step: one without
        // gradient stays where it is.
        let frozen = self.frozen_epochs as u64;
        let learn = step.input("whether prototypes learn", Shape::rows([1]), move |info| {
            let learn = info.step >= frozen * info.steps_per_epoch;
            HostValues::Floats(vec![f32::from(u8::from(learn))])
        });
        let learnt = step.graph.add_one(ops::ScaleGradient, &[prototypes, learn])?;
        let queue = self.queue(step, unit)?;
        // Each rank multiplies its rows by the prototypes: their gradient is that of its rows.
        let scores = step.graph.within("loss", |graph| scores(graph, own, learnt))?;
        let scores = step.gather(scores)?;
        let codes = step.graph.within("loss", |graph| match queue {
            None => self.codes(graph, scores, None),
            Some(Queue { table, counts, rows }) => {
                let scores = self::scores(graph, table, prototypes)?;
                let codes = self.codes(graph, scores, Some(counts))?;
                graph.add_one(ops::IndexSelect, &[codes, rows])
            }
        })?;
        let small = match small {
            Some(unit) => {
                let scores = step.graph.within("loss", |graph| self::scores(graph, unit, learnt))?;
                Some(step.gather(scores)?)
            }
            None => None,
        };
        let temperature = self.temperature as f32;
        let loss = step.graph.within("loss", |graph| swapped_prediction(graph, scores, small, codes, temperature))?;
        let entropies = step.graph.add_one(ops::RowEntropy, &[codes])?;
        let entropy = step.graph.add_one(ops::Mean { count: 2 * batch, scale: 1.0 }, &[entropies])?;
        let metric = Metric::new("code_entropy", "Entropy of a code", Source::Tensor(entropy));
        step.measure(Metric { per_epoch: Some(PerEpoch::Mean), from_zero: true, drawn: Drawn::Further, ..metric });
        Ok(Objective { loss, z, p: z, normalized_z: unit, features })
    }

    /// The encoder is the whole module, and its head `projection_head`.
    fn authors_name(&self, name: &str) -> Option<String> {
        match (name.strip_prefix("encoder.fc."), name.strip_prefix("encoder.")) {
            (Some(head), _) => Some(format!("projection_head.{head}")),
            (None, Some(module)) => Some(module.to_owned()),
            (None, None) => (name != "queue").then(|| name.to_owned()),
        }
    }

    /// A prediction that says nothing costs ln K. It falls by about half of that: codes stay smooth, and temperature and cosines bound how sharp
    /// a prediction can be. Where all images come to lie on one prototype, their z do too; codes that stay uniform are a loss that stays.
    fn health(&self, config: &Config) -> Health {
        Health {
            loss_range: (self.prototypes as f64).ln() / 2.0,
            least_loss: 0.0,
            // A queue has no gradient to let through.
            collapses_with: (self.stop_gradient && self.queue == 0).then_some("method.stop_gradient=false"),
            // Its run on the preset demo fell to .24 of that before training, and learnt.
            least_rank: 0.1,
            // Two seeds on the preset demo (1,000 images, 90 steps) had moved .20 and .22 of it when their learning rate ran out; ten epochs of
            // all images move .66.
            moves: 0.15,
            ..Health::new("swapped prediction", config.model.dim)
        }
    }

    fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
        let few = advice.config.optim.batch_size < self.prototypes && self.queue == 0;
        advice.when(!self.stop_gradient, "method.stop_gradient = true");
        match kind {
            AlarmKind::Collapse => {
                advice.when(self.epsilon > 0.1, "method.epsilon = 0.05");
                advice.when(self.sinkhorn_rounds < 3, "method.sinkhorn_rounds = 3");
                advice.when(self.frozen_epochs == 0, "method.frozen_epochs = 1");
                advice.rate("lower");
                advice.when(few, "fewer method.prototypes than images of a batch, or a method.queue");
                advice.batch();
            }
            AlarmKind::Stagnation => {
                advice.when(self.epsilon > 0.05, "method.epsilon = 0.05, for sharper codes");
                advice.when(few, "fewer method.prototypes than images of a batch, or a method.queue");
                advice.rate("higher");
                advice.crops();
            }
            AlarmKind::Divergence => {
                advice.when(self.frozen_epochs == 0, "method.frozen_epochs = 1");
                advice.when(self.temperature < 0.1, "method.temperature = 0.1");
                advice.rate("lower");
                advice.warmup();
            }
        }
    }
}

/// Features of earlier steps beside those of this one.
#[derive(Debug, Clone, Copy)]
struct Queue {
    /// `[2 R, dim]`: R = queue + N rows of view 1, then of view 2.
    table: Tensor,
    /// Whether a row counts `[2 R]`.
    counts: Tensor,
    /// Rows of this step `[2 N]`.
    rows: Tensor,
}

impl SwAv {
    /// Codes of scores: see [`ops::Sinkhorn`].
    pub fn codes(&self, graph: &mut Graph, scores: Tensor, mask: Option<Tensor>) -> Result<Tensor, GraphError> {
        let (rounds, epsilon) = (self.sinkhorn_rounds, self.epsilon as f32);
        let op = ops::Sinkhorn { parts: 2, rounds, epsilon, masked: mask.is_some() };
        let codes = graph.add_one(op, &[&[scores], mask.as_slice()].concat())?;
        match self.stop_gradient {
            true => graph.add_one(ops::StopGradient, &[codes]),
            false => Ok(codes),
        }
    }

    /// Puts the features `[2 N, dim]` of a step into the queue, over the oldest.
    fn queue(&self, step: &mut StepBuilder, unit: Tensor) -> Result<Option<Queue>, GraphError> {
        if self.queue == 0 {
            return Ok(None);
        }
        let (batch, width) = (step.batch, step.graph.shape(unit).channels());
        let length = self.queue + batch;
        let table = step.parameters.state(step.graph, "queue", &[2 * length, width], Init::Constant(0.0))?;
        let ring = Ring { length, batch, from_epoch: self.queue_epoch as u64 };
        let rows = step
            .input("rows of the queue", Shape::words(2 * batch), move |info| HostValues::Words(ring.rows(info.step)));
        let counts = step.input("rows of the queue that count", Shape::rows([2 * length]), move |info| {
            HostValues::Floats(ring.counts(info))
        });
        let op = std::sync::Arc::new(ops::MovingAverage { keep: 0.0 });
        step.graph.add_updating(op, &[unit, rows], &[table])?;
        Ok(Some(Queue { table, counts, rows }))
    }
}

/// Where the features of a step lie in the queue: rows of both views, `length` each, written over and over.
#[derive(Debug, Clone, Copy)]
struct Ring {
    length: usize,
    batch: usize,
    from_epoch: u64,
}

impl Ring {
    /// The first row of a step within a view.
    fn first(&self, step: u64) -> usize {
        (step % (self.length / self.batch) as u64) as usize * self.batch
    }

    /// The rows of a step.
    fn rows(&self, step: u64) -> Vec<u32> {
        let first = self.first(step);
        (0..2 * self.batch).map(|i| (i / self.batch * self.length + first + i % self.batch) as u32).collect()
    }

    /// 1 for each row that counts: those of the step, and all once the steps since the queue began have filled it.
    fn counts(&self, info: &StepInfo) -> Vec<f32> {
        let fills = (self.length / self.batch - 1) as u64;
        let all = info.step >= self.from_epoch * info.steps_per_epoch + fills;
        let own = self.first(info.step)..self.first(info.step) + self.batch;
        (0..2 * self.length).map(|i| f32::from(u8::from(all || own.contains(&(i % self.length))))).collect()
    }
}

/// Similarities `[M, K]` of rows of unit length to prototypes.
fn scores(graph: &mut Graph, unit: Tensor, prototypes: Tensor) -> Result<Tensor, GraphError> {
    graph.add_one(ops::Linear { bias: false }, &[unit, prototypes])
}

/// The loss `[1]` of the scores of two large views `[2N, K]` and of small crops `[n N, K]`, where there are any, against the codes of the
/// large ones.
pub fn swapped_prediction(
    graph: &mut Graph,
    large: Tensor,
    small: Option<Tensor>,
    codes: Tensor,
    temperature: f32,
) -> Result<Tensor, GraphError> {
    let rows = |graph: &Graph, tensor| graph.shape(tensor).row_count();
    let (large_rows, small_rows) = (rows(graph, large), small.map_or(0, |small| rows(graph, small)));
    let crops = 2 * small_rows / large_rows;
    let others = (1 + crops) as f32;
    let mut part = |scores, small, count, scale| {
        let each = graph.add_one(ops::SwappedPrediction { temperature, small }, &[scores, codes])?;
        graph.add_one(ops::Mean { count, scale }, &[each])
    };
    let loss = part(large, false, large_rows, 1.0 / others)?;
    match small {
        None => Ok(loss),
        Some(small) => {
            let more = part(small, true, small_rows, 0.5 * crops as f32 / others)?;
            graph.add_one(ops::Add, &[loss, more])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_counts_once_it_is_full() {
        let ring = Ring { length: 6, batch: 2, from_epoch: 1 };
        assert_eq!(ring.rows(0), [0, 1, 6, 7]);
        assert_eq!(ring.rows(5), [4, 5, 10, 11]);
        let counts = |step| {
            let info = StepInfo { step, steps: 20, steps_per_epoch: 4, images: &[] };
            ring.counts(&info).into_iter().map(|c| c as u8).collect::<Vec<_>>()
        };
        assert_eq!(counts(3), [1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]);
        assert_eq!(counts(5), [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1]);
        assert_eq!(counts(6), [1; 12]);
    }
}
