//! BYOL (Grill et al., "Bootstrap Your Own Latent", 2020): a predictor learns what a target network, a moving average of the encoder, makes
//! of the other view:
//!
//! L = |p1/|p1| - t2/|t2||² + |p2/|p2| - t1/|t1||² = 4 - 2 cos(p1, t2) - 2 cos(p2, t1)
//!
//! The target network averages weights only; its batch norms use the batch and have running statistics of their own.

use super::{Advice, AlarmKind, Health, HostValues, Method, Objective, StepBuilder, StepInfo};
use crate::config::{Config, Key, MethodSettings, Problem};
use crate::graph::{Graph, GraphError, Shape, Tensor};
use crate::model::{Bias, Mlp, RateGroup};
use crate::{choices, ops, section};

/// `F.cosine_similarity`'s default.
const COSINE_EPS: f32 = 1e-8;

choices! {
    /// How the momentum of the target network goes on.
    MomentumSchedule {
        /// To 1 at the end of the training, by a cosine.
        Cosine = "cosine",
        /// As it is.
        Constant = "constant",
    }
}

section! {
    /// BYOL's keys, and the method.
    Byol = "method" {
        /// What the target network keeps of itself in the first step, 0 (the encoder of the step before) to 1 (never moves); paper: 0.996, at 300 epochs 0.99.
        momentum: f64 = 0.99,
        /// How the momentum goes on: cosine (to 1 at the end, as the paper) or constant.
        momentum_schedule: MomentumSchedule = MomentumSchedule::Cosine,
        /// Whether there is a predictor; without it the network collapses (paper Table 5b).
        predictor: bool = true,
    }
}

impl MethodSettings for Byol {
    const NAME: &'static str = "byol";
    const SUMMARY: &'static str =
        "BYOL (Grill et al. 2020): a predictor of a momentum encoder's outputs, without negatives";
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        ("demo", include_str!("../../assets/presets/byol-demo.toml")),
        ("fashion-mnist", include_str!("../../assets/presets/byol-demo.toml")),
        ("cifar10", include_str!("../../assets/presets/byol-cifar10.toml")),
        ("photos", include_str!("../../assets/presets/byol-photos.toml")),
        ("imagenet", include_str!("../../assets/presets/byol-imagenet.toml")),
    ];

    fn settings() -> Vec<Key> {
        Self::keys()
    }

    fn ranges(&self) -> Vec<Problem> {
        match (0.0..=1.0).contains(&self.momentum) {
            true => Vec::new(),
            false => vec![("method.momentum".to_owned(), "the momentum must be 0 to 1".to_owned())],
        }
    }
}

impl Method for Byol {
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
        let count = self.views(step.config)[0].count();
        let (features, z) = step.encode(self, views[0], count)?;
        let predictor = self.predictor_of(step.config);
        let p = match self.predictor {
            true => step.network(count, |b| b.rate(RateGroup::Predictor, |b| predictor.add(b, z)))?,
            false => z,
        };
        let target = step.momentum_encode(self, views[0], count)?;
        let [z, p, target] = [step.in_f32(z)?, step.in_f32(p)?, step.in_f32(target)?];
        let [z, p, target] = [step.gather(z)?, step.gather(p)?, step.gather(target)?];
        let normalized_z = step.unit(z)?;
        let loss = step.graph.within("loss", |graph| loss(graph, p, target))?;
        Ok(Objective { loss, z, p, normalized_z, features })
    }

    fn after_optimizer(&self, step: &mut StepBuilder) -> Result<(), GraphError> {
        let method = self.clone();
        let momentum = step.input("momentum of the target network", Shape::rows([1]), move |info| {
            HostValues::Floats(vec![method.momentum_at(info) as f32])
        });
        step.update_momentum_encoder(momentum)
    }

    fn health(&self, config: &Config) -> Health {
        Health {
            loss_range: 4.0,
            least_loss: 0.0,
            collapses_with: self.predictor.then_some("method.predictor=false"),
            ..Health::new("squared distance", config.model.dim)
        }
    }

    fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
        advice.when(!self.predictor, "method.predictor = true");
        match kind {
            AlarmKind::Collapse => {
                advice.when(self.momentum < 0.9, "method.momentum = 0.99");
                advice.rate("lower");
                advice.crops();
                advice.batch();
            }
            AlarmKind::Stagnation => {
                let still = self.momentum > 0.999;
                advice.when(still, "method.momentum = 0.99, with which the target network moves");
                advice.rate("higher");
                advice.crops();
            }
            AlarmKind::Divergence => {
                advice.rate("lower");
                advice.warmup();
                advice.batch();
            }
        }
    }
}

/// The loss `[1]` of predictions and targets `[2N, dim]`, view 1 in the first half of the rows.
pub fn loss(graph: &mut Graph, p: Tensor, target: Tensor) -> Result<Tensor, GraphError> {
    let other = graph.add_one(ops::SwapViews, &[target])?;
    let cosines = graph.add_one(ops::CosineSimilarity { eps: COSINE_EPS }, &[p, other])?;
    let count = graph.shape(p).row_count();
    let similarity = graph.add_one(ops::Mean { count, scale: -4.0 }, &[cosines])?;
    let four = graph.constant(4.0, Shape::rows([1]));
    graph.add_one(ops::Add, &[similarity, four])
}

impl Byol {
    /// z `[N, dim]` → p `[N, dim]`: as the projector, of two layers.
    fn predictor_of(&self, config: &Config) -> Mlp {
        Mlp { name: "predictor", hidden_layers: 1, hidden: config.model.predictor_dim(), ..self.projector(config) }
    }

    /// What the target network keeps in a step: 1 - (1 - momentum) (cos(π step / steps) + 1) / 2.
    fn momentum_at(&self, info: &StepInfo) -> f64 {
        match self.momentum_schedule {
            MomentumSchedule::Constant => self.momentum,
            MomentumSchedule::Cosine => {
                let part = info.step as f64 / info.steps.max(1) as f64;
                1.0 - (1.0 - self.momentum) * ((std::f64::consts::PI * part).cos() + 1.0) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_momentum_goes_to_one_by_a_cosine() {
        // `tau_of_step` of tests/reference/methods/byol.safetensors.
        let byol = Byol::default();
        let at = |step| byol.momentum_at(&StepInfo { step, steps: 10, steps_per_epoch: 5, images: &[] });
        for (step, expected) in [(0, 0.99), (5, 0.995), (10, 1.0), (2, 0.990_954_915_028_125_2)] {
            assert!((at(step) - expected).abs() < 1e-12, "{step}: {}", at(step));
        }
    }
}
