//! The system's dialog for a folder. It is open beside the window, which goes on.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use super::worker::Wake;

/// What the folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum DialogPurpose {
    /// Images, or a run.
    Open,
    /// Where runs lie.
    Runs,
}

/// A dialog that is open.
pub(in crate::app) struct Dialog {
    purpose: DialogPurpose,
    answer: Receiver<Option<PathBuf>>,
}

impl Dialog {
    /// Opens one. Call it on the window's thread, as macOS requires.
    pub fn open(purpose: DialogPurpose, start: Option<&Path>, wake: Wake) -> Dialog {
        let (sender, answer) = mpsc::channel();
        let title = match purpose {
            DialogPurpose::Open => "A folder of images, or a run",
            DialogPurpose::Runs => "The folder in which runs lie",
        };
        let mut dialog = rfd::AsyncFileDialog::new().set_title(title);
        if let Some(start) = start.filter(|start| start.is_dir()) {
            dialog = dialog.set_directory(start);
        }
        let picked = dialog.pick_folder();
        let work = move || {
            let folder = pollster::block_on(picked);
            let _ = sender.send(folder.map(|folder| folder.path().to_path_buf()));
            wake();
        };
        let _ = thread::Builder::new().name("dialog".to_owned()).spawn(work);
        Dialog { purpose, answer }
    }

    /// What was answered: none while it is open, and a folder or nothing where it was closed.
    pub fn poll(&self) -> Option<(DialogPurpose, Option<PathBuf>)> {
        match self.answer.try_recv() {
            Ok(folder) => Some((self.purpose, folder)),
            Err(TryRecvError::Disconnected) => Some((self.purpose, None)),
            Err(TryRecvError::Empty) => None,
        }
    }
}
