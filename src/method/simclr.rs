//! SimCLR (Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", 2020): of all other views of a batch, each
//! view is to be most like the other one of its image. With u = z/|z| over the 2N views of N images (eq. 1, NT-Xent):
//!
//! L = mean over i of -log( exp(u_i · u_p(i) / t) / Σ_{k ≠ i} exp(u_i · u_k / t) ), p(i) the other view
//!
//! The authors' code sums the means of both views: twice this.

use super::contrast::Contrast;
use super::{Advice, AlarmKind, Health, Method, Objective, StepBuilder};
use crate::config::{Config, Key, MethodSettings, Optimizer, Problem};
use crate::graph::{Graph, GraphError, Tensor};
use crate::model::{Affine, Bias, Mlp, RateGroup};
use crate::{choices, ops, section};

/// Below this many images a batch has few negatives (paper Fig. 9: 256 is the smallest that was tried).
const BATCH: usize = 256;

choices! {
    /// Where the projector has batch normalisation.
    ProjectorNorm {
        /// Nowhere.
        None = "none",
        /// On hidden layers.
        Hidden = "hidden",
        /// On every layer.
        All = "all",
    }
}

section! {
    /// SimCLR's keys, and the method.
    SimClr = "method" {
        /// What similarities are divided by in the loss, 0.001 or more; smaller gives more weight to the nearest negatives (paper: 0.1 on ImageNet, 0.5 on CIFAR-10).
        temperature: f64 = 0.5,
        /// Batch normalisation in the projector: none, hidden, or all, the output too (the authors' code: all).
        batch_norm: ProjectorNorm = ProjectorNorm::All,
        /// Whether one side of every similarity goes through a predictor, as SimSiam's (SimSiam's paper §6.2: no gain).
        predictor: bool = false,
        /// Whether no gradient flows through the other side (SimSiam's paper §6.2: slightly worse).
        stop_gradient: bool = false,
    }
}

impl MethodSettings for SimClr {
    const NAME: &'static str = "simclr";
    const SUMMARY: &'static str =
        "SimCLR (Chen et al. 2020): two views of an image against all other views of the batch";
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        ("demo", include_str!("../../assets/presets/simclr-demo.toml")),
        ("fashion-mnist", include_str!("../../assets/presets/simclr-demo.toml")),
        ("cifar10", include_str!("../../assets/presets/simclr-cifar10.toml")),
        ("photos", include_str!("../../assets/presets/simclr-photos.toml")),
        ("imagenet", include_str!("../../assets/presets/simclr-imagenet.toml")),
    ];

    fn settings() -> Vec<Key> {
        Self::keys()
    }

    fn ranges(&self) -> Vec<Problem> {
        match self.temperature.is_finite() && self.temperature >= 0.001 {
            true => Vec::new(),
            false => vec![("method.temperature".to_owned(), "the temperature must be 0.001 or more".to_owned())],
        }
    }
}

impl Method for SimClr {
    fn projector(&self, config: &Config) -> Mlp {
        let model = &config.model;
        let output_norm = self.batch_norm == ProjectorNorm::All;
        Mlp {
            name: "fc",
            hidden_layers: model.projector_layers.saturating_sub(1),
            hidden: model.projector_hidden(),
            hidden_norm: self.batch_norm != ProjectorNorm::None,
            output: model.dim,
            output_bias: if output_norm { Bias::None } else { Bias::Trained },
            output_norm: output_norm.then_some(Affine(model.output_affine)),
        }
    }

    fn objective(&self, step: &mut StepBuilder, views: &[Tensor]) -> Result<Objective, GraphError> {
        let (features, z) = step.encode(self, views[0], 2)?;
        let own = step.in_f32(z)?;
        let z = step.gather(own)?;
        let unit = step.unit(z)?;
        let (p, rows) = match self.predictor {
            true => {
                let predictor = self.predictor(step.config);
                let p = step.network(2, |b| b.rate(RateGroup::Predictor, |b| predictor.add(b, own)))?;
                let p = step.gather(p)?;
                (p, step.unit(p)?)
            }
            false => (z, unit),
        };
        let contrast = step.graph.within("loss", |graph| {
            let columns = match self.stop_gradient {
                true => graph.add_one(ops::StopGradient, &[unit])?,
                false => unit,
            };
            nt_xent(graph, [rows, columns], self.temperature as f32)
        })?;
        contrast.measure(step);
        Ok(Objective { loss: contrast.loss, z, p, normalized_z: unit, features })
    }

    /// Where all similarities are alike the loss is ln(2N - 1). It is least where the views of an image are equal and images as far from
    /// each other as N unit vectors can be, at a mean similarity of -1 / (N - 1).
    fn health(&self, config: &Config) -> Health {
        let images = config.optim.batch_size as f64;
        let far = (-(1.0 + 1.0 / (images - 1.0)) / self.temperature).exp();
        let least_loss = ((2.0 * images - 2.0) * far).ln_1p();
        Health {
            loss_range: (2.0 * images - 1.0).ln() - least_loss,
            least_loss,
            // Two seeds on the preset demo (1,000 images, 90 steps) had moved .23 and .38 of it when their learning rate ran out, and learnt.
            moves: 0.15,
            ..Health::new("NT-Xent", config.model.dim)
        }
    }

    fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
        let lars = advice.config.optim.optimizer == Optimizer::Lars;
        let large = advice.config.optim.batch_size >= 1024;
        match kind {
            AlarmKind::Collapse => {
                advice.when(self.temperature > 0.5, "method.temperature = 0.5");
                advice.rate("lower");
                advice.crops();
            }
            AlarmKind::Stagnation => {
                let other = format!("another method.temperature than {}, such as 0.1 to 0.5", self.temperature);
                advice.when(!(0.1..=0.5).contains(&self.temperature), &other);
                advice.rate("higher");
                let few = advice.config.optim.batch_size < BATCH;
                advice.when(few, "an optim.batch_size of 256 or more, for more negatives");
                advice.crops();
            }
            AlarmKind::Divergence => {
                advice.when(self.temperature < 0.1, "method.temperature = 0.1");
                advice.rate("lower");
                advice.warmup();
                advice.when(large && !lars, "optim.optimizer = lars, made for such batches");
            }
        }
    }
}

impl SimClr {
    /// z `[N, dim]` → p `[N, dim]`, SimSiam's.
    fn predictor(&self, config: &Config) -> Mlp {
        Mlp {
            name: "predictor",
            hidden_layers: 1,
            hidden: config.model.predictor_dim(),
            hidden_norm: true,
            output: config.model.dim,
            output_bias: Bias::Trained,
            output_norm: None,
        }
    }
}

/// NT-Xent of `rows` `[2N, dim]`, view 1 of all images and then view 2, and `columns` of the same views, both of unit length: SimCLR's are the
/// same tensor. It needs a tensor `[2N, 2N]`: 256 MiB at a batch of
/// 4096, which an adapter that binds less refuses by name.
pub fn nt_xent(graph: &mut Graph, [rows, columns]: [Tensor; 2], temperature: f32) -> Result<Contrast, GraphError> {
    let other = graph.add_one(ops::SwapViews, &[columns])?;
    let columns = ops::as_weight(graph, columns)?;
    let all = graph.add_one(ops::MatmulTransposed, &[rows, columns])?;
    Contrast::new(graph, [rows, other], all, ops::InfoNce { temperature, pairs: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_falls_from_telling_nothing_apart_to_the_best_that_there_is() {
        let mut config = Config::default();
        config.optim.batch_size = 64;
        let health = SimClr::default().health(&config);
        assert!((health.least_loss - 2.863_31).abs() < 1e-4, "{health:?}");
        assert!((health.least_loss + health.loss_range - 127.0_f64.ln()).abs() < 1e-12, "{health:?}");
    }
}
