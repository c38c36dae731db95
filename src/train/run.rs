//! A run: a training in its folder. What the command line, an experiment and a window do with one is the same from here on.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender};

use super::checkpoint::Checkpoint;
use super::{
    Command, Event, FolderError, Kernels, MetricsFile, Outcome, RunFolder, Start, TrainError, TrainPlan, Trainer,
};
use crate::picture;
use crate::view_sheet::view_sheet;

/// Images of the sheet that a run leaves.
const SHEET: usize = 8;

/// A training whose numbers go to its folder.
pub struct Run {
    folder: RunFolder,
    start: Start,
    trainer: Trainer,
    metrics: MetricsFile,
}

impl Run {
    /// A new run in the folder `path`, which is made; where the run cannot begin, it is taken away again.
    pub fn create(plan: TrainPlan, path: &Path) -> Result<Run, TrainError> {
        let folder = RunFolder::create(path, &plan.config)?;
        let start = plan.start().clone();
        match begin(plan, &folder) {
            Ok((trainer, metrics)) => Ok(Run { folder, start, trainer, metrics }),
            Err(error) => {
                folder.discard();
                Err(error)
            }
        }
    }

    /// The run in `folder`, from `checkpoint` on. `plan` is of its configuration, with the kernels that
    /// [`TrainPlan::continue_from`] the folder gives it.
    pub fn resume(plan: TrainPlan, folder: RunFolder, checkpoint: &Checkpoint) -> Result<Run, TrainError> {
        let start = plan.start().clone();
        let mut trainer = Trainer::new(plan, Some(&folder.checkpoints()))?;
        trainer.restore(checkpoint)?;
        let metrics = MetricsFile::resume(&folder.metrics(), checkpoint)?;
        Ok(Run { folder, start, trainer, metrics })
    }

    /// Where it lies.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// What is trained.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.trainer.steps_done()
    }

    /// Trains until the end, or until `commands` say stop, of which `sender` is the other end. `listener` receives what the metrics file
    /// receives; where that cannot be written the training stops with a checkpoint.
    pub fn train(
        &mut self,
        sender: &Sender<Command>,
        commands: &Receiver<Command>,
        listener: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, TrainError> {
        let metrics = &mut self.metrics;
        let mut broken: Option<FolderError> = None;
        let outcome = self.trainer.run(commands, &mut |event| {
            if broken.is_none()
                && let Err(error) = metrics.write(event)
            {
                broken = Some(error);
                // The receiver lives as long as the training.
                let _ = sender.send(Command::Stop);
            }
            listener(event);
        })?;
        match broken {
            Some(error) => Err(error.into()),
            None => Ok(outcome),
        }
    }
}

/// Fills the folder of a new run.
fn begin(plan: TrainPlan, folder: &RunFolder) -> Result<(Trainer, MetricsFile), TrainError> {
    let kernels: Kernels = plan.kernels();
    kernels.write(&folder.kernels())?;
    let (gpu, config, data) = (&plan.gpu, &plan.config, &plan.data);
    let count = SHEET.min(config.optim.batch_size);
    let sheet = view_sheet(gpu, config, data, 0, count)?.svg()?;
    picture::write(&sheet, &folder.views())?;
    let trainer = Trainer::new(plan, Some(&folder.checkpoints()))?;
    Ok((trainer, MetricsFile::create(&folder.metrics())?))
}
