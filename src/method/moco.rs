//! MoCo (He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", 2019; v2: Chen et al., "Improved Baselines with
//! Momentum Contrastive Learning", 2020): of the keys in a queue, each view is to be most like the key of the other view of its image. With q
//! of unit length from the encoder and the keys k from a moving average of it (eq. 1):
//!
//! L = mean of -log( exp(q · k₊ / t) / (exp(q · k₊ / t) + Σ_queue exp(q · k / t)) )
//!
//! The averages are of weights only, and move at the end of a step where the authors' code moves them before the next keys: the same, as
//! both networks begin as one. Keys enter the queue once the loss is computed. Where the next ones go follows from the number of the step.

use super::contrast::Contrast;
use super::{Advice, AlarmKind, Health, HostValues, Method, Objective, StepBuilder, StepInfo};
use crate::augment::ViewGroup;
use crate::config::{Config, Key, MethodSettings, Problem};
use crate::graph::{Graph, GraphError, Shape, Tensor};
use crate::model::{Bias, Init, Mlp};
use crate::random::{Draw, Purpose};
use crate::{choices, ops, section};

choices! {
    /// The projector.
    Head {
        /// One linear layer, as in v1.
        Linear = "linear",
        /// Hidden layers with ReLU and without batch norm, as in v2.
        Mlp = "mlp",
    }
}

/// Declares a version: the keys are the same, their defaults are not.
macro_rules! version {
    ($(#[$outer:meta])* $name:ident = $method:literal, $summary:literal, $presets:expr, $temperature:literal, $head:expr) => {
        section! {
            $(#[$outer])*
            $name = "method" {
                /// Keys that are kept as negatives, a multiple of those of a step: optim.batch_size, or twice that if symmetric (paper: 65536).
                queue: usize = 65536,
                /// What the momentum encoder keeps of itself in a step, 0 (equals the encoder) to 1 (never moves); paper: 0.999, on CIFAR-10 0.99.
                momentum: f64 = 0.999,
                /// What similarities are divided by in the loss, 0.001 or more; smaller gives more weight to the nearest negatives (v1: 0.07, v2: 0.2).
                temperature: f64 = $temperature,
                /// Projector: linear (v1), or mlp, with ReLU and without batch norm (v2).
                head: Head = $head,
                /// Whether each view is held against the key of the other, instead of view 1 against that of view 2; the loss is the mean of both.
                symmetric: bool = false,
                /// Parts of the batch that batch norm normalises each by itself, with the keys shuffled among them, as on that many GPUs, because statistics of the whole batch leak which keys belong to it (paper §3.3: 8); 1 is off.
                split_batch_norm: usize = 1,
            }
        }

        impl $name {
            fn moco(&self) -> Moco {
                let Self { queue, momentum, temperature, head, symmetric, split_batch_norm } = *self;
                Moco { queue, momentum, temperature, head, symmetric, splits: split_batch_norm }
            }
        }

        impl MethodSettings for $name {
            const NAME: &'static str = $method;
            const SUMMARY: &'static str = $summary;
            const PRESETS: &'static [(&'static str, &'static str)] = $presets;

            fn settings() -> Vec<Key> {
                Self::keys()
            }

            fn ranges(&self) -> Vec<Problem> {
                self.moco().ranges()
            }

            fn relations(&self, config: &Config) -> Vec<Problem> {
                self.moco().relations(config)
            }
        }

        impl Method for $name {
            fn views(&self, config: &Config) -> Vec<ViewGroup> {
                self.moco().views(config)
            }

            fn projector(&self, config: &Config) -> Mlp {
                self.moco().projector(config)
            }

            fn objective(&self, step: &mut StepBuilder, views: &[Tensor]) -> Result<Objective, GraphError> {
                self.moco().objective(self, step, views)
            }

            fn after_optimizer(&self, step: &mut StepBuilder) -> Result<(), GraphError> {
                let momentum = step.graph.constant(self.momentum as f32, Shape::rows([1]));
                step.update_momentum_encoder(momentum)
            }

            fn authors_name(&self, name: &str) -> Option<String> {
                self.moco().authors_name(name)
            }

            fn health(&self, config: &Config) -> Health {
                self.moco().health(config)
            }

            fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
                self.moco().advice(kind, advice);
            }
        }
    };
}

version! {
    /// MoCo v1's keys, and the method.
    MocoV1 = "mocov1",
    "MoCo v1 (He et al. 2019): views against a queue of earlier ones from a momentum encoder",
    &[
        ("demo", include_str!("../../assets/presets/mocov1-demo.toml")),
        ("fashion-mnist", include_str!("../../assets/presets/mocov1-demo.toml")),
        ("cifar10", include_str!("../../assets/presets/mocov1-cifar10.toml")),
        ("photos", include_str!("../../assets/presets/mocov1-photos.toml")),
        ("imagenet", include_str!("../../assets/presets/mocov1-imagenet.toml")),
    ],
    0.07, Head::Linear
}

version! {
    /// MoCo v2's keys, and the method.
    MocoV2 = "mocov2",
    "MoCo v2 (Chen et al. 2020): MoCo with a projector of two layers, more augmentation and a higher temperature",
    &[
        ("demo", include_str!("../../assets/presets/mocov2-demo.toml")),
        ("fashion-mnist", include_str!("../../assets/presets/mocov2-demo.toml")),
        ("cifar10", include_str!("../../assets/presets/mocov2-cifar10.toml")),
        ("photos", include_str!("../../assets/presets/mocov2-photos.toml")),
        ("imagenet", include_str!("../../assets/presets/mocov2-imagenet.toml")),
    ],
    0.2, Head::Mlp
}

/// Any version.
#[derive(Debug, Clone, Copy)]
struct Moco {
    queue: usize,
    momentum: f64,
    temperature: f64,
    head: Head,
    symmetric: bool,
    splits: usize,
}

impl Moco {
    fn ranges(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut need = |key: &str, good: bool, problem: &str| {
            if !good {
                problems.push((format!("method.{key}"), problem.to_owned()));
            }
        };
        need("queue", (2..=1 << 24).contains(&self.queue), "the queue must hold 2 to 16777216 keys");
        need("momentum", (0.0..=1.0).contains(&self.momentum), "the momentum must be 0 to 1");
        let good = self.temperature.is_finite() && self.temperature >= 0.001;
        need("temperature", good, "the temperature must be 0.001 or more");
        need("split_batch_norm", (1..=1024).contains(&self.splits), "the batch has 1 (off) to 1024 parts");
        problems
    }

    fn relations(&self, config: &Config) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (batch, keys) = (config.optim.batch_size, self.keys(config));
        if !self.queue.is_multiple_of(keys.max(1)) {
            let fix = self.queue.next_multiple_of(keys.max(1));
            let problem = format!("the queue must be a multiple of the {keys} keys of a step; set it to {fix}");
            problems.push(("method.queue".to_owned(), problem));
        }
        if !batch.is_multiple_of(self.splits.max(1)) || batch < 2 * self.splits {
            let problem = format!(
                "the {batch} images of a batch must have equal parts of at least two; set it to a divisor of {batch}, or 1"
            );
            problems.push(("method.split_batch_norm".to_owned(), problem));
        }
        problems
    }

    /// Keys of a step.
    fn keys(&self, config: &Config) -> usize {
        config.optim.batch_size * if self.symmetric { 2 } else { 1 }
    }

    /// Both views in one group where each is a query and a key, the query's and the key's in one each otherwise.
    fn views(&self, config: &Config) -> Vec<ViewGroup> {
        match self.symmetric {
            true => vec![ViewGroup::new(config, &[0, 1])],
            false => vec![ViewGroup::new(config, &[0]), ViewGroup::new(config, &[1])],
        }
    }

    fn projector(&self, config: &Config) -> Mlp {
        let model = &config.model;
        Mlp {
            name: "fc",
            hidden_layers: match self.head {
                Head::Linear => 0,
                Head::Mlp => model.projector_layers.saturating_sub(1),
            },
            hidden: model.projector_hidden(),
            hidden_norm: false,
            output: model.dim,
            output_bias: Bias::Trained,
            output_norm: None,
        }
    }

    fn objective(
        &self,
        method: &dyn Method,
        step: &mut StepBuilder,
        views: &[Tensor],
    ) -> Result<Objective, GraphError> {
        let (queries, keys) = (views[0], views[views.len() - 1]);
        let count = if self.symmetric { 2 } else { 1 };
        step.split_batch_norm(self.splits)?;
        let (features, z) = step.encode(method, queries, count)?;
        let k = self.encode_keys(method, step, keys, count)?;
        let z = step.in_f32(z)?;
        let z = step.gather(z)?;
        let (q, k) = (step.unit(z)?, step.unit(k)?);
        let (rows, dim) = (step.graph.shape(k).row_count(), step.graph.shape(k).channels());
        let queue = step.parameters.state(step.graph, "queue", &[self.queue, dim], Init::Directions)?;
        let temperature = self.temperature as f32;
        let contrast = step.graph.within("loss", |graph| {
            let belongs = match self.symmetric {
                true => graph.add_one(ops::SwapViews, &[k])?,
                false => k,
            };
            info_nce(graph, [q, belongs], queue, temperature)
        })?;
        contrast.measure(step);
        let length = self.queue as u64;
        let index = step.input("rows of the queue", Shape::words(rows), move |info| {
            let first = info.step * rows as u64;
            HostValues::Words((first..first + rows as u64).map(|row| (row % length) as u32).collect())
        });
        step.update_last(ops::MovingAverage { keep: 0.0 }, &[k, index], &[queue]);
        Ok(Objective { loss: contrast.loss, z, p: z, normalized_z: q, features })
    }

    /// The keys `[count * N, dim]` in f32, not yet of unit length. Where batch norm sees parts of the batch, those of a key are others than
    /// those of its query: its statistics would tell the loss which keys belong to it (paper §3.3, shuffling BN).
    fn encode_keys(
        &self,
        method: &dyn Method,
        step: &mut StepBuilder,
        images: Tensor,
        count: usize,
    ) -> Result<Tensor, GraphError> {
        if self.splits == 1 {
            let k = step.momentum_encode(method, images, count)?;
            let k = step.in_f32(k)?;
            return step.gather(k);
        }
        let (seed, batch) = (step.config.run.seed, step.batch);
        let order = move |info: &StepInfo| shuffled(seed, info.step, batch, count);
        let own = step.graph.ranks().part(batch);
        let own_order = move |info: &StepInfo| -> Vec<u32> {
            order(info).chunks_exact(batch).flat_map(|view| view[own.clone()].to_vec()).collect()
        };
        let rows = Shape::words(count * step.graph.ranks().part(batch).len());
        let there = step.input("order of the keys", rows, move |info| HostValues::Words(own_order(info)));
        let rows = Shape::words(count * batch);
        let back = step.input("where the keys are", rows, move |info| HostValues::Words(inverse(&order(info))));
        let images = step.gather(images)?;
        let images = step.graph.add_one(ops::IndexSelect, &[images, there])?;
        let k = step.momentum_encode(method, images, count)?;
        let k = step.in_f32(k)?;
        let k = step.gather(k)?;
        step.graph.add_one(ops::IndexSelect, &[k, back])
    }

    /// `encoder_q` and `encoder_k`, whose head is `fc` itself or, of two layers, has no place for batch norms.
    fn authors_name(&self, name: &str) -> Option<String> {
        let (encoder, module) = match name.split_once('.') {
            Some(("encoder", module)) => ("encoder_q", module),
            Some(("momentum_encoder", module)) => ("encoder_k", module),
            _ => return None,
        };
        let Some((index, rest)) = module.strip_prefix("fc.").and_then(|rest| rest.split_once('.')) else {
            return Some(format!("{encoder}.{module}"));
        };
        match (self.head, index.parse::<usize>().ok()?) {
            (Head::Linear, _) => Some(format!("{encoder}.fc.{rest}")),
            (Head::Mlp, index) => Some(format!("{encoder}.fc.{}.{rest}", index / 3 * 2)),
        }
    }

    /// Where nothing is learnt the loss is ln(K + 1). Of views that have nothing in common with the queue similarities to it are 0.
    fn health(&self, config: &Config) -> Health {
        let least = |negative: f64| (self.queue as f64 * ((negative - 1.0) / self.temperature).exp()).ln_1p();
        Health {
            // Runs on the preset demo were 1.4 and 2.3 below ln(K + 1) at best, and rose by up to 0.6 from there while they learnt.
            loss_range: 0.75 * ((self.queue as f64 + 1.0).ln() - least(0.0)),
            least_loss: least(-1.0),
            // At first the queue holds random directions, which differ from any key. Once it is full the loss need not fall: its negatives
            // become harder as the encoder learns.
            settles: Some(((self.queue / self.keys(config).max(1)) as u64, (self.queue as f64 + 1.0).ln())),
            // Without a batch norm at its end the rank falls further: on the preset demo to .24, symmetric to .11 of that before training, and
            // both learnt.
            least_rank: 0.05,
            ..Health::new("InfoNCE", config.model.dim)
        }
    }

    fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
        match kind {
            AlarmKind::Collapse => {
                advice
                    .when(self.momentum < 0.9, "method.momentum = 0.99, with which keys of several steps go together");
                advice.when(self.temperature > 0.5, "method.temperature = 0.2");
                advice.rate("lower");
                advice.crops();
            }
            AlarmKind::Stagnation => {
                advice
                    .when(self.momentum < 0.9, "method.momentum = 0.99, with which keys of several steps go together");
                let slow = self.momentum > 0.995;
                advice.when(slow, "method.momentum = 0.99, with which the keys follow sooner in a short training");
                advice.when(self.temperature > 0.5, "method.temperature = 0.2");
                advice.rate("higher");
                advice.crops();
            }
            AlarmKind::Divergence => {
                advice
                    .when(self.momentum < 0.9, "method.momentum = 0.99, with which keys of several steps go together");
                advice.when(self.temperature < 0.05, "method.temperature = 0.07");
                advice.rate("lower");
                advice.warmup();
            }
        }
    }
}

/// InfoNCE of queries and the keys that belong to them, `[M, dim]` of unit length, with the rows of a queue `[K, dim]` as negatives. Its
/// gradient reads the queue, which must not change before it.
pub fn info_nce(
    graph: &mut Graph,
    [queries, keys]: [Tensor; 2],
    queue: Tensor,
    temperature: f32,
) -> Result<Contrast, GraphError> {
    let columns = ops::as_weight(graph, queue)?;
    let negatives = graph.add_one(ops::MatmulTransposed, &[queries, columns])?;
    Contrast::new(graph, [queries, keys], negatives, ops::InfoNce { temperature, pairs: false })
}

/// A random order of the rows of every view in a step.
fn shuffled(seed: u64, step: u64, batch: usize, views: usize) -> Vec<u32> {
    let batch = batch as u32;
    let of_view = |view: u8| {
        let mut draw = Draw::new(seed, Purpose::KeyOrder, (step >> 32) as u32, step as u32, view);
        let mut order: Vec<u32> = (0..batch).map(|row| u32::from(view) * batch + row).collect();
        for last in (1..batch).rev() {
            order.swap(last as usize, draw.below(last + 1) as usize);
        }
        order
    };
    (0..views as u8).flat_map(of_view).collect()
}

/// Where each number is in an order.
fn inverse(order: &[u32]) -> Vec<u32> {
    let mut at = vec![0; order.len()];
    for (place, &row) in order.iter().enumerate() {
        at[row as usize] = place as u32;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shuffled_within_their_view_and_found_again() {
        let order = shuffled(3, 7, 16, 2);
        assert_ne!(order, shuffled(3, 8, 16, 2));
        assert_ne!(order[..16], (0..16).collect::<Vec<_>>());
        assert!(order[..16].iter().all(|&row| row < 16) && order[16..].iter().all(|&row| row >= 16));
        let back = inverse(&order);
        let found: Vec<u32> = back.iter().map(|&place| order[place as usize]).collect();
        assert_eq!(found, (0..32).collect::<Vec<_>>());
    }
}
