//! A run: a training in its folder. What the command line, an experiment and a window do with one is the same from here on.

use std::path::Path;
use std::sync::mpsc::Receiver;

use super::checkpoint::Checkpoint;
use super::tensorboard::EventsFile;
use super::{
    Command, Event, FolderError, Kernels, Listen, MetricsFile, Outcome, RunFolder, Start, TrainError, TrainPlan,
    Trainer, Warning,
};
use crate::picture;
use crate::regular;
use crate::view_sheet::view_sheet;

/// Images of the sheet that a run leaves.
const SHEET: usize = 8;

/// A training whose numbers go to its folder.
pub struct Run {
    folder: RunFolder,
    start: Start,
    trainer: Trainer,
    metrics: MetricsFile,
    events: Option<EventsFile>,
}

impl Run {
    /// A new run in the folder `path`, which is made; where the run cannot begin, it is taken away again.
    pub fn create(plan: TrainPlan, path: &Path) -> Result<Run, TrainError> {
        let folder = RunFolder::create(path, &plan.config)?;
        let start = plan.start().clone();
        match begin(plan, &folder) {
            Ok((trainer, metrics, events)) => Ok(Run { folder, start, trainer, metrics, events }),
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
        let (mut trainer, mut metrics, events) = match checkpoint.is_imported() {
            true => begin(plan, &folder)?,
            false => {
                let events = events_file(&plan, &folder, Some(checkpoint.step));
                let trainer = Trainer::new(plan, Some(&folder.checkpoints()))?;
                (trainer, MetricsFile::resume(&folder.metrics(), checkpoint)?, events)
            }
        };
        trainer.restore(checkpoint)?;
        trainer.remark(folder.remarks());
        trainer.remark(metrics.remarks());
        Ok(Run { folder, start, trainer, metrics, events })
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

    /// Trains until the end, or until `commands` say stop. `listener` receives what the metrics file receives. Where that cannot be written
    /// its lines wait for the next checkpoint, which is not written without them: the training ends there. Without TensorBoard's file it goes on.
    pub fn train(
        &mut self,
        commands: &Receiver<Command>,
        listener: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, TrainError> {
        let mut keeper = Keeper { metrics: &mut self.metrics, events: self.events.as_mut(), failing: false, listener };
        let outcome = self.trainer.run_with(commands, &mut keeper);
        let kept = keeper.secure();
        for message in kept.as_ref().ok().into_iter().flatten() {
            listener(&Event::Warning(Warning { message: message.clone() }));
        }
        match (outcome, kept) {
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => Err(error.into()),
            (Ok(outcome), Ok(_)) => Ok(outcome),
        }
    }
}

/// The files of numbers and a listener.
struct Keeper<'a> {
    metrics: &'a mut MetricsFile,
    events: Option<&'a mut EventsFile>,
    /// Whether the last line could not be written.
    failing: bool,
    listener: &'a mut dyn FnMut(&Event),
}

impl Listen for Keeper<'_> {
    fn on_event(&mut self, event: &Event) {
        let written = self.metrics.write(event);
        if let Some(events) = &mut self.events {
            events.take(event);
            // Where that fails, it is tried again before the next checkpoint.
            let _ = events.flush_in_time();
        }
        (self.listener)(event);
        if let (Err(error), false) = (&written, self.failing) {
            let message = format!("{error}; its lines wait in memory until the next checkpoint");
            (self.listener)(&Event::Warning(Warning { message }));
        }
        self.failing = written.is_err();
    }

    fn secure(&mut self) -> Result<Vec<String>, FolderError> {
        self.metrics.sync()?;
        let mut remarks = self.metrics.remarks();
        if let Some(events) = &mut self.events
            && let Err(reason) = events.flush()
        {
            remarks.push(events.give_up(&reason));
        }
        Ok(remarks)
    }
}

/// Fills the folder of a new run.
fn begin(plan: TrainPlan, folder: &RunFolder) -> Result<(Trainer, MetricsFile, Option<EventsFile>), TrainError> {
    let kernels: Kernels = plan.kernels();
    kernels.write(&folder.kernels())?;
    let (gpu, config, data) = (&plan.gpu, &plan.config, &plan.data);
    let count = SHEET.min(config.optim.batch_size);
    let sheet = view_sheet(gpu, config, data, 0, count)?.svg()?;
    picture::write(&sheet, &folder.views())?;
    let mut events = events_file(&plan, folder, None);
    if let (Some(events), Ok(sheet)) = (&mut events, regular::read(&folder.views())) {
        events.picture("views", 0, &sheet);
    }
    let trainer = Trainer::new(plan, Some(&folder.checkpoints()))?;
    Ok((trainer, MetricsFile::create(&folder.metrics())?, events))
}

/// TensorBoard's file of a run that begins, or continues after `step` steps, where its settings have one.
fn events_file(plan: &TrainPlan, folder: &RunFolder, step: Option<u64>) -> Option<EventsFile> {
    plan.config.run.tensorboard.then(|| EventsFile::new(folder.path(), &plan.start().metrics, step))
}
