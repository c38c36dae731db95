//! What kind an error is. Each error says it beside its own definition; the command line turns it into an exit code.

/// An error that knows whether typing something else would have avoided it.
pub trait Classified: std::error::Error {
    /// Whether what was typed is at fault: exit code 2, not 1.
    fn is_usage(&self) -> bool;
}
