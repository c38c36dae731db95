//! SimSiam (Chen & He, "Exploring Simple Siamese Representation Learning", 2020): two views through one encoder, a predictor
//! on one side, no gradient on the other:
//!
//! L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2
//!
//! (paper Eq. 4; only D(p1, stopgrad(z2)) where `method.symmetry` is `asymmetric`, and of two pairs of views where it is
//! `asymmetric_2x`; other targets than z where [`Targets`] says so).

use super::targets::Targets;
use super::{Advice, AlarmKind, Health, Method, Objective, StepBuilder};
use crate::augment::ViewGroup;
use crate::config::{BatchNormPlacement, Config, MethodConfig, Predictor, Similarity, Symmetry};
use crate::graph::{Graph, GraphError, Tensor};
use crate::model::{Affine, Bias, Mlp};
use crate::ops;

/// `F.cosine_similarity`'s default.
const COSINE_EPS: f32 = 1e-8;

/// The method.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SimSiam {
    pub options: MethodConfig,
}

impl Method for SimSiam {
    /// Of two pairs, the first views of both come first.
    fn views(&self, config: &Config) -> Vec<ViewGroup> {
        let indices: &[u8] = match self.options.symmetry {
            Symmetry::Symmetric | Symmetry::Asymmetric => &[0, 1],
            Symmetry::Asymmetric2x => &[0, 2, 1, 3],
        };
        vec![ViewGroup::new(config, indices)]
    }

    /// With 3 layers the bias of the last is frozen, as in the authors' code; with 2 (paper App. D) it has none.
    fn projector(&self, config: &Config) -> Mlp {
        use BatchNormPlacement as P;
        let (model, placement) = (&config.model, self.options.batch_norm);
        let norm = matches!(placement, P::Default | P::All);
        Mlp {
            name: "fc",
            hidden_layers: model.projector_layers.saturating_sub(1),
            hidden: model.projector_hidden(),
            hidden_norm: placement != P::None,
            output: model.dim,
            output_bias: match (norm, model.projector_layers) {
                (false, _) => Bias::Trained,
                (true, 3) => Bias::Frozen,
                (true, _) => Bias::None,
            },
            output_norm: norm.then_some(Affine(model.output_affine)),
        }
    }

    fn objective(&self, step: &mut StepBuilder, views: &[Tensor]) -> Result<Objective, GraphError> {
        let count = self.views(step.config)[0].count();
        let (features, z) = step.encode(self, views[0], count)?;
        let predictor = self.predictor(step.config);
        let p = step.network(count, |builder| {
            builder.begin_predictor();
            match self.options.predictor {
                Predictor::None => Ok(z),
                Predictor::Mlp => predictor.add(builder, z),
                Predictor::Frozen => builder.frozen(|builder| predictor.add(builder, z)),
            }
        })?;
        let (p, z) = match p == z {
            true => [step.in_f32(z)?; 2].into(),
            false => (step.in_f32(p)?, step.in_f32(z)?),
        };
        let normalized_z = step.unit(z)?;
        let target = self.targets(step.config, step.images).add(step, [z, normalized_z], self.options.stop_gradient)?;
        let loss = step.graph.within("loss", |graph| self.loss(graph, p, target))?;
        Ok(Objective { loss, z, p, normalized_z, features })
    }

    fn precomputes(&self, config: &Config, images: usize) -> Option<u64> {
        match self.targets(config, images) {
            Targets::Ahead { steps, .. } => Some(steps as u64),
            _ => None,
        }
    }

    /// `views` through encoder and projector, as in a step (batch norm by batch, running statistics moved), and the result to the table.
    fn precompute(&self, step: &mut StepBuilder, views: &[Tensor]) -> Result<(), GraphError> {
        let count = self.views(step.config)[0].count();
        let (_, z) = step.encode(self, views[0], count)?;
        let z = step.in_f32(z)?;
        self.targets(step.config, step.images).write(step, z)
    }

    /// The cross-entropy of two softmaxes over d outputs of unit variance is about ln d + 1/2 where they have nothing in common, and ln d
    /// where they are equal.
    fn health(&self, config: &Config) -> Health {
        let (loss, loss_range, least_loss) = match self.options.similarity {
            Similarity::Cosine => ("cosine", 1.0, -1.0),
            Similarity::CrossEntropy => ("cross-entropy", 0.5, 0.0),
        };
        Health {
            loss,
            loss_range,
            least_loss,
            output_std: 1.0 / (config.model.dim as f64).sqrt(),
            collapses_with: self.options.stop_gradient.then_some("method.stop_gradient=false"),
        }
    }

    fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
        let options = &self.options;
        let trained = options.predictor == Predictor::Mlp;
        let placed = options.batch_norm != BatchNormPlacement::Default;
        let fixed = advice.config.optim.fixed_predictor_lr;
        if kind == AlarmKind::Collapse {
            advice.when(!options.stop_gradient, "method.stop_gradient = true");
        }
        if kind != AlarmKind::Divergence {
            advice.when(!trained, "method.predictor = mlp");
        }
        advice.when(placed, "method.batch_norm = default");
        match kind {
            AlarmKind::Collapse => {
                advice.when(trained && !fixed, "optim.fixed_predictor_lr = true");
                advice.rate("lower");
                advice.crops();
                advice.batch();
            }
            AlarmKind::Stagnation => {
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

impl SimSiam {
    /// z `[N, dim]` → p `[N, dim]`, Linear-BN-ReLU-Linear with a bias on the last. It may be left out (paper Table 1a), or keep its first
    /// values (Table 1b).
    fn predictor(&self, config: &Config) -> Mlp {
        let norm = self.options.batch_norm == BatchNormPlacement::All;
        Mlp {
            name: "predictor",
            hidden_layers: 1,
            hidden: config.model.predictor_dim(),
            hidden_norm: self.options.batch_norm != BatchNormPlacement::None,
            output: config.model.dim,
            output_bias: if norm { Bias::None } else { Bias::Trained },
            output_norm: norm.then_some(Affine(true)),
        }
    }

    fn targets(&self, config: &Config, images: usize) -> Targets {
        let options = &self.options;
        Targets::of(options.alternation, options.target_momentum, config, images)
    }

    /// D is the mean over the rows that count.
    fn loss(&self, graph: &mut Graph, p: Tensor, target: Tensor) -> Result<Tensor, GraphError> {
        let all = graph.shape(p).row_count();
        let (rows, scale) = match self.options.similarity {
            Similarity::Cosine => {
                let cosine = ops::CosineSimilarity { eps: COSINE_EPS };
                (graph.add_one(cosine, &[p, target])?, -1.0)
            }
            Similarity::CrossEntropy => (graph.add_one(ops::SoftCrossEntropy, &[p, target])?, 1.0),
        };
        let count = match self.options.symmetry {
            Symmetry::Symmetric => all,
            Symmetry::Asymmetric | Symmetry::Asymmetric2x => all / 2,
        };
        graph.add_one(ops::Mean { count, scale }, &[rows])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_already_so_is_not_advised() {
        let mut config = Config::default();
        let of = Advice::line;
        let plain = of(AlarmKind::Collapse, &config);
        assert_eq!(plain, "a lower optim.lr than 0.05 (times 256 / 256: 0.050)");
        config.method.stop_gradient = false;
        config.method.predictor = Predictor::None;
        config.optim.batch_size = 32;
        let text = of(AlarmKind::Collapse, &config);
        let expected = "method.stop_gradient = true; method.predictor = mlp; a lower optim.lr";
        assert!(text.starts_with(expected) && text.ends_with("64 or more"), "{text}");
        config.method.batch_norm = BatchNormPlacement::All;
        let text = of(AlarmKind::Divergence, &config);
        assert!(text.starts_with("method.batch_norm = default; a lower"), "{text}");
        config.method.predictor = Predictor::Frozen;
        let text = of(AlarmKind::Stagnation, &config);
        assert!(text.starts_with("method.predictor = mlp"), "{text}");
    }
}
