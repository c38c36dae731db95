//! What kind an error is. Each error says it beside its own definition; the command line turns it into an exit code.

use std::io::{self, ErrorKind};

/// An error that knows whether typing something else would have avoided it.
pub trait Classified: std::error::Error {
    /// Whether what was typed is at fault: exit code 2, not 1.
    fn is_usage(&self) -> bool;
}

/// What to do about a file or folder that the system does not write.
pub fn write_advice(reason: &io::Error) -> &'static str {
    match reason.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "free some space or choose another folder with --out"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "check its permissions or choose another folder with --out"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::InvalidInput => {
            "choose another folder with --out"
        }
        ErrorKind::NotFound => "check that its folder is still there",
        _ => "check the disk or choose another folder with --out",
    }
}
