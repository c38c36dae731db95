//! A training in a thread of its own, with a device of its own: what `simsiam train` does, reported by messages.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::worker::Wake;
use crate::config::Config;
use crate::data::{self, Limits, Spec};
use crate::gpu::{Gpu, GpuOptions};
use crate::graph::tune::Cache;
use crate::train::{Command, Event, Line, MetricsReader, Outcome, Run, RunFolder, TrainError, TrainPlan};

/// What is to be trained.
#[derive(Debug, Clone)]
pub(in crate::app) enum SessionJob {
    /// A new run, in a free folder of `parent` called after `name`.
    New { config: Box<Config>, parent: PathBuf, name: String },
    /// The run in a folder, from its last checkpoint; to so many epochs, where it is to get more.
    Continue { folder: PathBuf, epochs: Option<usize> },
}

/// What the thread reports.
#[derive(Debug)]
pub(in crate::app) enum SessionEvent {
    /// What it does before the first step.
    Preparing(String),
    /// The run has a folder: this, with these settings.
    Began { folder: PathBuf, config: Box<Config> },
    /// What a run that continues reported before.
    Before(Vec<Line>),
    /// From the training.
    Event(Event),
    /// It is over.
    Ended(Ending),
}

/// How it ended.
#[derive(Debug)]
pub(in crate::app) enum Ending {
    Done,
    Stopped { step: u64 },
    Failed { error: String, device_lost: bool },
}

/// A training under way.
pub(in crate::app) struct Session {
    sender: Sender<Command>,
    events: Receiver<SessionEvent>,
    ended: bool,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts the thread. `wake` is called whenever there is news.
    pub fn start(job: SessionJob, device: Option<String>, wake: Wake) -> Session {
        let (sender, commands) = mpsc::channel();
        let (report, events) = mpsc::channel();
        let failed = report.clone();
        let work = move || {
            let say = |what| {
                // After the window has closed there is no listener; the training then ends by its command.
                let _ = report.send(what);
                wake();
            };
            let ending = match train(job, device.as_deref(), &commands, &say) {
                Ok(Outcome::Done) => Ending::Done,
                Ok(Outcome::Stopped { step }) => Ending::Stopped { step },
                Err(error) => Ending::Failed { device_lost: error.is_lost_device(), error: error.to_string() },
            };
            say(SessionEvent::Ended(ending));
        };
        let thread = thread::Builder::new().name("training".to_owned()).spawn(work);
        if let Err(error) = &thread {
            let _ = failed.send(SessionEvent::Ended(Ending::Failed {
                error: format!("the system starts no thread for the training: {error}"),
                device_lost: false,
            }));
        }
        Session { sender, events, ended: false, thread: thread.ok() }
    }

    /// Sends the training a command; it follows after the step that it is at.
    pub fn command(&self, command: Command) {
        // Where the training has ended, its end is on the way.
        let _ = self.sender.send(command);
    }

    /// What was reported since the last call.
    pub fn poll(&mut self) -> Vec<SessionEvent> {
        let mut reported = Vec::new();
        loop {
            match self.events.try_recv() {
                Ok(what) => {
                    self.ended |= matches!(what, SessionEvent::Ended(_));
                    reported.push(what);
                }
                // A thread that says nothing at its end has failed in an unforeseen way.
                Err(TryRecvError::Disconnected) if !self.ended => {
                    self.ended = true;
                    reported.push(SessionEvent::Ended(Ending::Failed {
                        error: "the training has ended unexpectedly; what it printed is in the terminal".to_owned(),
                        device_lost: false,
                    }));
                }
                Err(_) => return reported,
            }
        }
    }

    /// Stops the training and waits so long for its end; whether it came.
    pub fn end_within(&self, most: Duration) -> bool {
        self.command(Command::Stop);
        let Some(thread) = &self.thread else {
            return true;
        };
        let began = Instant::now();
        while !thread.is_finished() && began.elapsed() < most {
            thread::sleep(Duration::from_millis(20));
        }
        thread.is_finished()
    }

    /// Waits for the thread's end, for which it must have been stopped or have ended.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed, and has no more to say here.
            let _ = thread.join();
        }
    }
}

/// Reports the lines of a run that continues, in parts.
fn before(metrics: &Path, say: &dyn Fn(SessionEvent)) {
    // A run without the file, or with one that cannot be read, goes on without its old curves.
    let _ = MetricsReader::read_all(metrics, |lines| say(SessionEvent::Before(lines)));
}

fn train(
    job: SessionJob,
    device: Option<&str>,
    commands: &Receiver<Command>,
    say: &dyn Fn(SessionEvent),
) -> Result<Outcome, TrainError> {
    let mut continued = None;
    let config = match &job {
        SessionJob::New { config, .. } => (**config).clone(),
        SessionJob::Continue { folder: path, .. } if RunFolder::is_unbegun(path) => RunFolder::config(path)?,
        SessionJob::Continue { folder: path, epochs } => {
            let (folder, mut config, checkpoint) = RunFolder::open(path, None)?;
            config.optim.epochs = epochs.unwrap_or(config.optim.epochs);
            continued = Some((folder, checkpoint));
            config
        }
    };
    say(SessionEvent::Preparing("Opening the data…".to_owned()));
    let spec: Spec = config.data.source.parse()?;
    let dataset = Arc::new(data::open(&spec, Limits::from(&config.data))?);
    config.validate()?;
    config.check_against(dataset.train.len())?;
    say(SessionEvent::Preparing("Opening the device…".to_owned()));
    let gpu = Gpu::open(device, GpuOptions { checked: false })?;
    let mut plan = TrainPlan::new(&gpu, &config, dataset)?;
    plan.share_device();
    match &continued {
        Some((folder, _)) => plan.continue_from(folder)?,
        None => {
            plan.tune(&mut Cache::open(&gpu), &mut |event| {
                if let Event::Tuning(tuning) = event {
                    let text = format!("Measuring kernels: {} of {}", tuning.done, tuning.of);
                    say(SessionEvent::Preparing(text));
                }
            })?;
        }
    }
    say(SessionEvent::Preparing("Compiling kernels…".to_owned()));
    let goes_on = continued.is_some();
    let mut run = match (continued, &job) {
        (Some((folder, checkpoint)), _) => {
            if let SessionJob::Continue { epochs: Some(_), .. } = &job {
                folder.write_config(&config)?;
            }
            Run::resume(plan, folder, &checkpoint)?
        }
        (None, SessionJob::New { parent, name, .. }) => Run::create(plan, &RunFolder::next(parent, name))?,
        // It ended before its first checkpoint.
        (None, SessionJob::Continue { folder, .. }) => Run::create(plan, folder)?,
    };
    say(SessionEvent::Began { folder: run.folder().path().to_path_buf(), config: Box::new(config) });
    if goes_on {
        before(&run.folder().metrics(), say);
    }
    run.train(commands, &mut |event| say(SessionEvent::Event(event.clone())))
}
