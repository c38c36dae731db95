//! A metric is declared once, where it is made: its name, where its numbers come from and how often, what is healthy, how it is drawn.
//! Reader, `metrics.jsonl`, history, reports and window take the list of a step as data.

use super::{Health, TrainStep, training_step};
use crate::augment::ViewGroup;
use crate::config::Config;
use crate::graph::{Graph, GraphError, Shape, Tensor};
use crate::model::Parameters;

/// Names that alarms and verdicts need.
pub mod names {
    /// The loss of a batch.
    pub const LOSS: &str = "loss";
    /// Mean std of the channels of z/|z|.
    pub const OUTPUT_STD: &str = "output_std";
    /// Effective rank of z/|z|.
    pub const EFFECTIVE_RANK: &str = "effective_rank";
    /// L2 norm of the whole gradient.
    pub const GRADIENT_NORM: &str = "gradient_norm";
    /// What the loss is multiplied with in f16.
    pub const LOSS_SCALE: &str = "loss_scale";
    /// Learning rate of the encoder.
    pub const LR: &str = "lr";
    /// Learning rate of the predictor.
    pub const PREDICTOR_LR: &str = "predictor_lr";
    /// Images (not views) a second.
    pub const IMAGES_PER_SECOND: &str = "images_per_second";
    /// kNN's accuracy as a share.
    pub const KNN_TOP1: &str = "knn_top1";
}

/// A number of a training over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its field in `metrics.jsonl`.
    pub name: &'static str,
    /// What it is, as the heading of its curve.
    pub title: &'static str,
    /// What it is and what is healthy, in a sentence or two.
    pub help: &'static str,
    /// In a line of status; `None` where it has no place there.
    pub short: Option<&'static str>,
    /// After a number: `%`.
    pub unit: &'static str,
    /// What is shown is this many times what is recorded: 100 for a share in per cent.
    pub scale: f64,
    /// Digits after the point in a line of status.
    pub digits: usize,
    /// Where its numbers come from.
    pub source: Source,
    /// How often it has one.
    pub cadence: Cadence,
    /// What an epoch reports of the numbers of its steps; `None` is nothing.
    pub per_epoch: Option<PerEpoch>,
    /// What it is compared with.
    pub level: Option<Level>,
    /// Metrics of one name and several kinds have other scales, and no chart in common: a loss of `cosine` and of `cross-entropy`.
    pub kind: &'static str,
    /// Never below; a logarithm is of what is above.
    pub least: Option<f64>,
    /// Whether its axis begins at zero.
    pub from_zero: bool,
    /// Whether a logarithmic axis shows more of it: it falls over decades.
    pub log: bool,
    /// Whether alarms are marked on its curve.
    pub marks_alarms: bool,
    /// Where it is drawn.
    pub drawn: Drawn,
}

/// Where the numbers of a metric come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// A tensor `[1]` of the step.
    Tensor(Tensor),
    /// L2 norm of the first `count` numbers of a tensor; none where it is infinite, or `factor` `[1]` is 0 because the step was skipped.
    Norm {
        /// The numbers.
        tensor: Tensor,
        /// How many count.
        count: usize,
        /// What the optimiser multiplies gradients with.
        factor: Option<Tensor>,
    },
    /// Effective rank of `rows` centred rows, by their Gram matrix `[side, side]`.
    EffectiveRank {
        /// The matrix.
        gram: Tensor,
        /// Its side.
        side: usize,
        /// Rows behind it.
        rows: usize,
    },
    /// The host knows it.
    Host,
}

/// How often a metric has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// Every step.
    Step,
    /// Some steps of an epoch, its last among them: it costs more to bring back.
    Watched,
    /// Every epoch, the untrained network (0) among them.
    Epoch,
}

/// The number of an epoch, from those of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerEpoch {
    /// Their mean; of a metric of every step.
    Mean,
    /// The last.
    Last,
}

/// What a metric is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Level {
    /// The level of a healthy run. Runs are compared by their ratio to it, where 1 is healthy.
    Healthy {
        /// The level.
        value: f64,
        /// How it is computed: `1/√d`.
        formula: &'static str,
        /// What a number is multiplied with for the ratio to it: `√d`.
        factor: &'static str,
    },
    /// Its number before training.
    Untrained,
}

/// Where a metric is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drawn {
    /// Among the first charts, in window and reports.
    First,
    /// In the window, behind those: how the run is driven.
    Window,
    /// Among a report's further charts.
    Further,
    /// Not at all.
    Not,
}

impl Metric {
    /// A number of every step that is recorded as it is shown, compared with nothing and not drawn.
    pub const fn new(name: &'static str, title: &'static str, source: Source) -> Metric {
        Metric {
            name,
            title,
            help: "",
            short: None,
            unit: "",
            scale: 1.0,
            digits: 1,
            source,
            cadence: Cadence::Step,
            per_epoch: None,
            level: None,
            kind: "",
            least: None,
            from_zero: false,
            log: false,
            marks_alarms: false,
            drawn: Drawn::Not,
        }
    }

    /// The tensors that are read for it.
    pub fn tensors(&self) -> Vec<Tensor> {
        match self.source {
            Source::Tensor(tensor) => vec![tensor],
            Source::Norm { tensor, factor, .. } => std::iter::once(tensor).chain(factor).collect(),
            Source::EffectiveRank { gram, .. } => vec![gram],
            Source::Host => Vec::new(),
        }
    }

    /// Whether its numbers are f32, and are written as such.
    pub fn is_single(&self) -> bool {
        matches!(self.source, Source::Tensor(_) | Source::Norm { .. })
    }

    /// The level of a healthy run.
    pub fn healthy(&self) -> Option<f64> {
        match self.level? {
            Level::Healthy { value, .. } => Some(value),
            Level::Untrained => None,
        }
    }

    /// The loss `[1]`.
    pub(super) fn loss(loss: Tensor, health: &Health) -> Metric {
        Metric {
            short: Some("loss"),
            help: "What the training lowers: how unlike the two views of an image are still. It should fall fast at first and then slowly. \
                   Lower alone is not better: of a collapsed run it is the lowest. Read it together with the effective rank.",
            digits: 4,
            per_epoch: Some(PerEpoch::Mean),
            kind: health.loss,
            least: Some(health.least_loss),
            log: true,
            marks_alarms: true,
            drawn: Drawn::First,
            ..Metric::new(names::LOSS, "Loss", Source::Tensor(loss))
        }
    }
}

/// The metrics of a step of the training with this configuration, without a device.
pub fn declared(config: &Config) -> Result<Vec<Metric>, GraphError> {
    let (mut graph, mut parameters) = (Graph::new(), Parameters::new());
    let batch = config.optim.batch_size;
    let tensor =
        |group: &ViewGroup| graph.input("views", Shape::rows([group.count() * batch, group.size, group.size, 3]));
    let views: Vec<Tensor> = super::of(config).views(config).iter().map(tensor).collect();
    let TrainStep { metrics, .. } = training_step(&mut graph, &views, batch, config, &mut parameters)?;
    Ok(metrics)
}
