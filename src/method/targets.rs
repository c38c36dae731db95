//! What predictions are compared with: the other view's projections of the same step, or, in the experiments of the paper's section
//! 5.2, rows of a table that outlives the step.

use std::sync::Arc;

use crate::config::Config;
use crate::data::steps_per_epoch;
use crate::graph::{Graph, GraphError, Op, Shape, Tensor};
use crate::model::Parameters;
use crate::ops;

/// Where the targets of a step come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Targets {
    /// The step itself.
    Step,
    /// So many steps at once, computed with the weights before the first of them ("multi-step alternation").
    Ahead {
        /// Steps.
        steps: usize,
    },
    /// A moving average of z/|z| an image and a view, with this step's as its last part ("expectation over augmentations"). It begins as
    /// a random direction, as the memory bank of Wu et al. 2018 ("Unsupervised Feature Learning via Non-Parametric Instance
    /// Discrimination"): beginning as zeros, the targets of the first epoch would be this step's part alone, which collapses within it.
    Average {
        /// What is kept of the average before, 0 to below 1 (paper: 0.8).
        keep: f32,
    },
}

/// The targets of a step's rows in the graph.
pub(super) struct Made {
    /// `[V N, dim]`: row i is what row i of the predictions is compared with.
    pub target: Tensor,
    /// The rows of the table that serve this step, `[V N]` words: an input.
    pub index: Option<Tensor>,
}

impl Targets {
    /// As the configuration wants them for a training on so many images.
    pub fn of(config: &Config, images: usize) -> Targets {
        let per_epoch = steps_per_epoch(images, config.optim.batch_size).max(1);
        match (config.method.alternation, config.method.target_momentum) {
            (1, 0.0) => Targets::Step,
            (1, keep) => Targets::Average { keep: keep as f32 },
            (0, _) => Targets::Ahead { steps: per_epoch },
            (steps, _) => Targets::Ahead { steps },
        }
    }

    /// Rows of the table, where there is one.
    pub fn rows(self, config: &Config, images: usize) -> Option<usize> {
        let views = config.method.views();
        match self {
            Targets::Step => None,
            Targets::Ahead { steps } => Some(steps * views * config.optim.batch_size),
            Targets::Average { .. } => Some(images * views),
        }
    }

    /// The rows of the table that serve step `step`, from 0, whose images are `images`, each once; empty where there is no table.
    pub fn index(self, step: u64, images: &[u32], views: usize) -> Vec<u32> {
        let rows = (views * images.len()) as u32;
        match self {
            Targets::Step => Vec::new(),
            Targets::Ahead { steps } => {
                let first = (step % steps.max(1) as u64) as u32 * rows;
                (first..first + rows).collect()
            }
            Targets::Average { .. } => {
                let of_view = |view| images.iter().map(move |&image| image * views as u32 + view);
                (0..views as u32).flat_map(of_view).collect()
            }
        }
    }

    /// Adds the targets of a step whose projections are `z`, `unit` those scaled to unit length.
    pub(super) fn add(
        self,
        graph: &mut Graph,
        [z, unit]: [Tensor; 2],
        config: &Config,
        images: usize,
        parameters: &mut Parameters,
    ) -> Result<Made, GraphError> {
        let table = self.table(graph, z, config, images, parameters)?;
        let (target, index) = match (self, table) {
            (Targets::Ahead { .. }, Some([table, index])) => {
                let target = graph.add_one(ops::IndexSelect, &[table, index])?;
                (target, Some(index))
            }
            (Targets::Average { keep }, Some([table, index])) => {
                let other = graph.add_one(ops::SwapViews, &[unit])?;
                let average: Arc<dyn Op> = Arc::new(ops::MovingAverage { keep });
                let made = graph.add_updating(average, &[other, index], &[table])?;
                (made[0], Some(index))
            }
            _ => {
                let other = graph.add_one(ops::SwapViews, &[z])?;
                let target = match config.method.stop_gradient {
                    true => graph.add_one(ops::StopGradient, &[other])?,
                    false => other,
                };
                (target, None)
            }
        };
        Ok(Made { target, index })
    }

    /// Adds what writes targets that are computed ahead: those of a step whose projections are `z`. The table's rows to write, an input.
    pub(super) fn write(
        self,
        graph: &mut Graph,
        z: Tensor,
        config: &Config,
        images: usize,
        parameters: &mut Parameters,
    ) -> Result<Option<Tensor>, GraphError> {
        let Some([table, index]) = self.table(graph, z, config, images, parameters)? else {
            return Ok(None);
        };
        let other = graph.add_one(ops::SwapViews, &[z])?;
        let write: Arc<dyn Op> = Arc::new(ops::MovingAverage { keep: 0.0 });
        graph.add_updating(write, &[other, index], &[table])?;
        Ok(Some(index))
    }

    /// The table and the index of a step's rows in it.
    fn table(
        self,
        graph: &mut Graph,
        z: Tensor,
        config: &Config,
        images: usize,
        parameters: &mut Parameters,
    ) -> Result<Option<[Tensor; 2]>, GraphError> {
        let Some(rows) = self.rows(config, images) else {
            return Ok(None);
        };
        let table = parameters.targets(graph, rows, config.model.dim)?;
        let batch = graph.shape(z).row_count();
        let index = graph.input("rows of the targets", Shape::words(batch));
        Ok(Some([table, index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_step_has_a_row_of_its_own() {
        let ahead = Targets::Ahead { steps: 3 };
        assert_eq!(ahead.index(0, &[7, 9], 2), [0, 1, 2, 3]);
        assert_eq!(ahead.index(5, &[7, 9], 2), [8, 9, 10, 11]);
        assert_eq!(ahead.index(6, &[7, 9], 2), ahead.index(0, &[1, 2], 2));
        let average = Targets::Average { keep: 0.8 };
        assert_eq!(average.index(4, &[7, 9], 2), [14, 18, 15, 19]);
        assert!(Targets::Step.index(0, &[7, 9], 2).is_empty());
    }

    #[test]
    fn settings_say_where_targets_come_from() {
        let mut config = Config::default();
        config.optim.batch_size = 10;
        assert_eq!(Targets::of(&config, 95), Targets::Step);
        config.method.target_momentum = 0.8;
        let average = Targets::of(&config, 95);
        assert_eq!(average, Targets::Average { keep: 0.8 });
        assert_eq!(average.rows(&config, 95), Some(190));
        config.method.target_momentum = 0.0;
        config.method.alternation = 0;
        let epoch = Targets::of(&config, 95);
        assert_eq!(epoch, Targets::Ahead { steps: 9 });
        assert_eq!(epoch.rows(&config, 95), Some(180));
        config.method.alternation = 4;
        assert_eq!(Targets::of(&config, 95), Targets::Ahead { steps: 4 });
    }
}
