//! What the window remembers between starts, in a small TOML file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic;

/// Recent data that is remembered.
const RECENT: usize = 8;

/// Light, dark, or as the system has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// As the system has it.
    #[default]
    System,
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowSettings {
    /// Colours.
    pub look: Look,
    /// Width and height in points.
    pub size: [f32; 2],
    /// Left and top in pixels, where the system tells.
    pub place: Option<[i32; 2]>,
    /// Whether it fills the screen.
    pub maximized: bool,
    /// Number of the pane.
    pub pane: usize,
    /// Where new runs go, and which runs are listed.
    pub runs: PathBuf,
    /// Data that was trained on, the last first.
    pub recent: Vec<String>,
    /// The adapter, where one was chosen.
    pub device: Option<String>,
    /// Whether the list of runs is shown.
    pub side: bool,
}

impl Default for WindowSettings {
    fn default() -> Self {
        WindowSettings {
            look: Look::System,
            size: [1280.0, 800.0],
            place: None,
            maximized: false,
            pane: 0,
            runs: PathBuf::from("runs"),
            recent: Vec::new(),
            device: None,
            side: true,
        }
    }
}

impl WindowSettings {
    /// The default place; `None` where the system has no such place.
    pub fn file() -> Option<PathBuf> {
        Some(dirs::config_dir()?.join("simsiam").join("window.toml"))
    }

    /// Reads the file; what cannot be read is as at the first start.
    pub fn read(path: &Path) -> WindowSettings {
        let text = crate::regular::read_to_string(path).unwrap_or_default();
        let mut settings: WindowSettings = toml::from_str(&text).unwrap_or_default();
        let [width, height] = settings.size;
        // A window of no size, or larger than any screen, could not be used to fix that.
        if !(200.0..=20_000.0).contains(&width) || !(200.0..=20_000.0).contains(&height) {
            settings.size = WindowSettings::default().size;
        }
        settings
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        atomic::write(path, |file| file.write_all(text.as_bytes()))
    }

    /// Remembers data.
    pub fn remember(&mut self, source: &str) {
        self.recent.retain(|known| known != source);
        self.recent.insert(0, source.to_owned());
        self.recent.truncate(RECENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back_and_nonsense_does_not() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new/window.toml");
        let mut settings = WindowSettings::read(&path);
        assert_eq!(settings, WindowSettings::default());
        for source in ["a", "b", "a"] {
            settings.remember(source);
        }
        assert_eq!(settings.recent, ["a", "b"]);
        (settings.look, settings.place) = (Look::Light, Some([-7, 3]));
        settings.write(&path)?;
        assert_eq!(WindowSettings::read(&path), settings);
        std::fs::write(&path, "size = [1e9, nan]\nunknown = 3\n")?;
        assert_eq!(WindowSettings::read(&path), WindowSettings::default());
        std::fs::write(&path, "look = 7")?;
        assert_eq!(WindowSettings::read(&path), WindowSettings::default());
        Ok(())
    }
}
