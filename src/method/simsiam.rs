//! SimSiam (Chen & He, "Exploring Simple Siamese Representation Learning", 2020): two views through one encoder, a predictor
//! on one side, no gradient on the other:
//!
//! L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2
//!
//! (paper Eq. 4; only D(p1, stopgrad(z2)) where `method.symmetry` is `asymmetric`, and of two pairs of views where it is
//! `asymmetric_2x`; other targets than z where `Targets` says so).

use super::targets::Targets;
use super::{Advice, AlarmKind, Health, Method, Objective, StepBuilder};
use crate::augment::ViewGroup;
use crate::config::{Config, Key, MethodSettings, Problem};
use crate::graph::{Graph, GraphError, Tensor};
use crate::model::{Affine, Bias, Mlp, RateGroup};
use crate::{choices, ops, section};

/// `F.cosine_similarity`'s default.
const COSINE_EPS: f32 = 1e-8;
/// Where the output std is below .965 of its largest and the rank below .45 of that before training, the outputs shrink. On the preset demo
/// (1,000 images, 90 steps) the std of healthy runs stayed above .985; without stop-gradient it fell to .92 and .95 at a learning rate of
/// .3, where the rank alone (.31 to .40) raised no alarm.
const SHRINKS: [f64; 2] = [0.965, 0.45];

choices! {
    /// The predictor h (paper §4.2, Table 1).
    Predictor {
        /// Two layers, trained.
        Mlp = "mlp",
        /// None: the loss compares the projections (Table 1a).
        None = "none",
        /// Two layers that keep their random initialisation (Table 1b).
        Frozen = "frozen",
    }
}

choices! {
    /// What the loss compares with (paper §4.5).
    Similarity {
        /// Minus the cosine similarity.
        Cosine = "cosine",
        /// Cross-entropy of softmax(z) and softmax(p).
        CrossEntropy = "cross_entropy",
    }
}

choices! {
    /// Which pairs of views enter the loss (paper §4.6).
    Symmetry {
        /// Both directions, half each.
        Symmetric = "symmetric",
        /// One direction.
        Asymmetric = "asymmetric",
        /// One direction on two pairs an image.
        Asymmetric2x = "asymmetric_2x",
    }
}

choices! {
    /// Where the projector and predictor have batch normalisation (paper §4.4, Table 3).
    BatchNormPlacement {
        /// Nowhere (Table 3a).
        None = "none",
        /// On hidden layers (Table 3b).
        Hidden = "hidden",
        /// On hidden layers and the projector's output (Table 3c).
        Default = "default",
        /// On every layer, the predictor's output too (Table 3d).
        All = "all",
    }
}

section! {
    /// SimSiam's keys, and the method.
    SimSiam = "method" {
        /// Whether the gradient stops at the target branch; without it the network collapses (paper §4.1).
        stop_gradient: bool = true,
        /// Predictor: mlp, none or frozen (paper Table 1).
        predictor: Predictor = Predictor::Mlp,
        /// Similarity in the loss: cosine or cross_entropy (paper §4.5).
        similarity: Similarity = Similarity::Cosine,
        /// Pairs of views in the loss: symmetric, asymmetric, or asymmetric_2x with two pairs an image (paper §4.6).
        symmetry: Symmetry = Symmetry::Symmetric,
        /// Batch normalisation in projector and predictor: none, hidden, default or all (paper Table 3).
        batch_norm: BatchNormPlacement = BatchNormPlacement::Default,
        /// Steps whose targets are computed at once, with the weights before the first of them (paper §5.2); 1 is SimSiam, 0 is an epoch.
        alternation: usize = 1,
        /// What a moving average of an image's targets keeps in a step, 0 to below 1 (paper §5.2: 0.8, without predictor); 0 is SimSiam.
        target_momentum: f64 = 0.0,
    }
}

impl MethodSettings for SimSiam {
    const NAME: &'static str = "simsiam";
    const SUMMARY: &'static str =
        "SimSiam (Chen & He 2020): a predictor and a stop-gradient, without negatives or a momentum encoder";

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
        let good = self.alternation <= 1_000_000;
        need("alternation", good, "targets are computed 1 to 1000000 steps at once, or 0 for an epoch");
        let good = (0.0..1.0).contains(&self.target_momentum);
        need("target_momentum", good, "a moving average keeps 0 (off) to below 1");
        problems
    }

    fn relations(&self, _config: &Config) -> Vec<Problem> {
        let averaged = self.target_momentum > 0.0;
        let mut problems = Vec::new();
        if averaged && self.alternation != 1 {
            let problem = "targets are averaged or computed ahead, not both; set it to 0 or method.alternation to 1";
            problems.push(("method.target_momentum".to_owned(), problem.to_owned()));
        }
        if (averaged || self.alternation != 1) && !self.stop_gradient {
            let problem = "no gradient flows through targets of other steps; set it to true, or method.target_momentum to 0 and method.alternation to 1";
            problems.push(("method.stop_gradient".to_owned(), problem.to_owned()));
        }
        problems
    }
}

impl Method for SimSiam {
    /// Of two pairs, the first views of both come first.
    fn views(&self, config: &Config) -> Vec<ViewGroup> {
        let indices: &[u8] = match self.symmetry {
            Symmetry::Symmetric | Symmetry::Asymmetric => &[0, 1],
            Symmetry::Asymmetric2x => &[0, 2, 1, 3],
        };
        vec![ViewGroup::new(config, indices)]
    }

    /// With 3 layers the bias of the last is frozen, as in the authors' code; with 2 (paper App. D) it has none.
    fn projector(&self, config: &Config) -> Mlp {
        use BatchNormPlacement as P;
        let (model, placement) = (&config.model, self.batch_norm);
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
            builder.rate(RateGroup::Predictor, |builder| match self.predictor {
                Predictor::None => Ok(z),
                Predictor::Mlp => predictor.add(builder, z),
                Predictor::Frozen => builder.frozen(|builder| predictor.add(builder, z)),
            })
        })?;
        let (p, z) = match p == z {
            true => [step.in_f32(z)?; 2].into(),
            false => (step.in_f32(p)?, step.in_f32(z)?),
        };
        let (p, z) = match p == z {
            true => [step.gather(z)?; 2].into(),
            false => (step.gather(p)?, step.gather(z)?),
        };
        let normalized_z = step.unit(z)?;
        let target = self.targets(step.config, step.images).add(step, [z, normalized_z], self.stop_gradient)?;
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
        let z = step.gather(z)?;
        self.targets(step.config, step.images).write(step, z)
    }

    /// The table of targets is no part of the network.
    fn authors_name(&self, name: &str) -> Option<String> {
        (name != "targets").then(|| name.to_owned())
    }

    /// The cross-entropy of two softmaxes over d outputs of unit variance is about ln d + 1/2 where they have nothing in common, and ln d
    /// where they are equal.
    fn health(&self, config: &Config) -> Health {
        let (loss, loss_range, least_loss) = match self.similarity {
            Similarity::Cosine => ("cosine", 1.0, -1.0),
            Similarity::CrossEntropy => ("cross-entropy", 0.5, 0.0),
        };
        Health {
            loss_range,
            least_loss,
            shrinks: Some(SHRINKS),
            collapses_with: self.stop_gradient.then_some("method.stop_gradient=false"),
            ..Health::new(loss, config.model.dim)
        }
    }

    fn advice(&self, kind: AlarmKind, advice: &mut Advice) {
        let options = self;
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
        let norm = self.batch_norm == BatchNormPlacement::All;
        Mlp {
            name: "predictor",
            hidden_layers: 1,
            hidden: config.model.predictor_dim(),
            hidden_norm: self.batch_norm != BatchNormPlacement::None,
            output: config.model.dim,
            output_bias: if norm { Bias::None } else { Bias::Trained },
            output_norm: norm.then_some(Affine(true)),
        }
    }

    fn targets(&self, config: &Config, images: usize) -> Targets {
        let options = self;
        Targets::of(options.alternation, options.target_momentum, config, images)
    }

    /// D is the mean over the rows that count.
    fn loss(&self, graph: &mut Graph, p: Tensor, target: Tensor) -> Result<Tensor, GraphError> {
        let all = graph.shape(p).row_count();
        let (rows, scale) = match self.similarity {
            Similarity::Cosine => {
                let cosine = ops::CosineSimilarity { eps: COSINE_EPS };
                (graph.add_one(cosine, &[p, target])?, -1.0)
            }
            Similarity::CrossEntropy => (graph.add_one(ops::SoftCrossEntropy, &[p, target])?, 1.0),
        };
        let count = match self.symmetry {
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
        let set = |config: &mut Config, assignment| assert_eq!(config.set(assignment), Ok(()));
        set(&mut config, "method.stop_gradient=false");
        set(&mut config, "method.predictor=none");
        config.optim.batch_size = 32;
        let text = of(AlarmKind::Collapse, &config);
        let expected = "method.stop_gradient = true; method.predictor = mlp; a lower optim.lr";
        assert!(text.starts_with(expected) && text.ends_with("64 or more"), "{text}");
        set(&mut config, "method.batch_norm=all");
        let text = of(AlarmKind::Divergence, &config);
        assert!(text.starts_with("method.batch_norm = default; a lower"), "{text}");
        set(&mut config, "method.predictor=frozen");
        let text = of(AlarmKind::Stagnation, &config);
        assert!(text.starts_with("method.predictor = mlp"), "{text}");
    }
}
