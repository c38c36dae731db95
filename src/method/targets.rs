//! What predictions are compared with: the other view's projections of the same step, or, in the experiments of the paper's section
//! 5.2, rows of a table that outlives the step.

use std::sync::Arc;

use super::{HostValues, StepBuilder};
use crate::config::Config;
use crate::data::steps_per_epoch;
use crate::graph::{GraphError, Op, Shape, Tensor};
use crate::model::Init;
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

impl Targets {
    /// As `method.alternation` and `method.target_momentum` say for training on `images` images.
    pub fn of(alternation: usize, momentum: f64, config: &Config, images: usize) -> Targets {
        let per_epoch = steps_per_epoch(images, config.optim.batch_size).max(1);
        match (alternation, momentum) {
            (1, 0.0) => Targets::Step,
            (1, keep) => Targets::Average { keep: keep as f32 },
            (0, _) => Targets::Ahead { steps: per_epoch },
            (steps, _) => Targets::Ahead { steps },
        }
    }

    /// Rows of the table, where there is one, for batches of `rows` views of `batch` images, of `images` in all.
    fn rows(self, rows: usize, batch: usize, images: usize) -> Option<usize> {
        match self {
            Targets::Step => None,
            Targets::Ahead { steps } => Some(steps * rows),
            Targets::Average { .. } => Some(images * (rows / batch)),
        }
    }

    /// The rows of the table that serve step `step`, from 0, whose images are `images`, each once; empty where there is no table.
    fn index(self, step: u64, images: &[u32], views: usize) -> Vec<u32> {
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

    /// Adds the targets of a step whose projections are `z`, `unit` those scaled to unit length: `[V N, dim]`, row i is what row i of the
    /// predictions is compared with.
    pub(super) fn add(
        self,
        step: &mut StepBuilder,
        [z, unit]: [Tensor; 2],
        stop_gradient: bool,
    ) -> Result<Tensor, GraphError> {
        let table = self.table(step, z)?;
        step.graph.within("targets", |graph| match (self, table) {
            (Targets::Ahead { .. }, Some([table, index])) => graph.add_one(ops::IndexSelect, &[table, index]),
            (Targets::Average { keep }, Some([table, index])) => {
                let other = graph.add_one(ops::SwapViews, &[unit])?;
                let average: Arc<dyn Op> = Arc::new(ops::MovingAverage { keep });
                Ok(graph.add_updating(average, &[other, index], &[table])?[0])
            }
            _ => {
                let other = graph.add_one(ops::SwapViews, &[z])?;
                match stop_gradient {
                    true => graph.add_one(ops::StopGradient, &[other]),
                    false => Ok(other),
                }
            }
        })
    }

    /// Adds what writes targets that are computed ahead: those of a step whose projections are `z`.
    pub(super) fn write(self, step: &mut StepBuilder, z: Tensor) -> Result<(), GraphError> {
        let Some([table, index]) = self.table(step, z)? else {
            return Ok(());
        };
        step.graph.within("targets", |graph| {
            let other = graph.add_one(ops::SwapViews, &[z])?;
            let write: Arc<dyn Op> = Arc::new(ops::MovingAverage { keep: 0.0 });
            graph.add_updating(write, &[other, index], &[table])?;
            Ok(())
        })
    }

    /// The table and the index of a step's rows in it.
    fn table(self, step: &mut StepBuilder, z: Tensor) -> Result<Option<[Tensor; 2]>, GraphError> {
        let shape = step.graph.shape(z);
        let (batch, width) = (shape.row_count(), shape.channels());
        let Some(rows) = self.rows(batch, step.batch, step.images) else {
            return Ok(None);
        };
        // A random direction a row at first, of about unit length.
        let init = Init::Normal(1.0 / (width as f64).sqrt());
        let table = step.parameters.state(step.graph, "targets", &[rows, width], init)?;
        let views = batch / step.batch;
        let index = step.input("rows of the targets", Shape::words(batch), move |info| {
            HostValues::Words(self.index(info.step, info.images, views))
        });
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
        let of = |alternation, momentum| Targets::of(alternation, momentum, &config, 95);
        let rows = |targets: Targets| targets.rows(20, 10, 95);
        assert_eq!((of(1, 0.0), rows(of(1, 0.0))), (Targets::Step, None));
        assert_eq!((of(1, 0.8), rows(of(1, 0.8))), (Targets::Average { keep: 0.8 }, Some(190)));
        assert_eq!((of(0, 0.0), rows(of(0, 0.0))), (Targets::Ahead { steps: 9 }, Some(180)));
        assert_eq!(of(4, 0.0), Targets::Ahead { steps: 4 });
    }
}
