//! Paths as they are shown.

use std::path::{Path, PathBuf};

/// The path with the system's own separators: Windows accepts `/` and `\` alike, and what is joined to a path that somebody typed would
/// otherwise mix them in messages.
pub fn native(path: impl AsRef<Path>) -> PathBuf {
    path.as_ref().components().collect()
}

#[cfg(test)]
mod tests {
    use super::native;

    #[test]
    fn separators_are_the_systems_own() {
        let path = native("runs/demo-001").join("checkpoints");
        let expected = ["runs", "demo-001", "checkpoints"].join(std::path::MAIN_SEPARATOR_STR);
        assert_eq!(path.display().to_string(), expected);
        assert_eq!(native("").display().to_string(), "");
        assert_eq!(native("./a//b/").display().to_string(), format!(".{0}a{0}b", std::path::MAIN_SEPARATOR));
    }
}
