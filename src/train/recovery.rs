//! A device that is lost during a training, as a driver's reset loses it: the run continues on a new one.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use super::{Command, Event, Outcome, Run, TrainError, Warning};

/// So many devices in a row are lost without a new checkpoint before that is an error.
const MOST: u32 = 3;
/// A driver that was reset needs a moment.
const PAUSE: Duration = Duration::from_secs(1);

/// Trains as [`Run::train`] does. Where the device is lost, the run that `again` opens in the folder, on a new device, continues from its last
/// checkpoint; where that happens several times with no checkpoint between, or no new run can be opened, the loss is the error.
pub fn train_through_losses(
    mut run: Run,
    commands: &Receiver<Command>,
    listener: &mut dyn FnMut(&Event),
    again: &mut dyn FnMut(&Path) -> Result<Run, TrainError>,
) -> Result<Outcome, TrainError> {
    let folder = run.folder().path().to_path_buf();
    let mut losses = 0;
    loop {
        let began = run.steps_done();
        let error = match run.train(commands, listener) {
            Err(error) if error.is_lost_device() && losses < MOST => error,
            ended => return ended,
        };
        losses += 1;
        // Its memory on the device and its lock on the folder.
        drop(run);
        let message = format!("{error}: trying that on a new device");
        listener(&Event::Warning(Warning { message }));
        thread::sleep(PAUSE * losses);
        let Ok(next) = again(&folder) else {
            return Err(error);
        };
        run = next;
        if run.steps_done() > began {
            losses = 0;
        }
    }
}
