//! Reads `metrics.jsonl`, once or while a run still writes it.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::Line;
use crate::regular;

/// Bytes read at once: a long history comes in parts.
const PART: u64 = 1 << 20;

/// What came next in the file.
#[derive(Debug)]
pub enum Part {
    /// Lines, in their order. Unknown ones are left out.
    Lines(Vec<Line>),
    /// The file was cut, because the run continues from an earlier step: what was read before is void.
    Cut,
}

/// A place in the file.
#[derive(Debug)]
pub struct MetricsReader {
    path: PathBuf,
    at: u64,
    /// The begin of a line that is not whole yet.
    rest: Vec<u8>,
}

impl MetricsReader {
    /// At the begin of the file `path`, which need not exist yet.
    pub fn new(path: &Path) -> MetricsReader {
        MetricsReader { path: path.to_path_buf(), at: 0, rest: Vec::new() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next whole lines; `None` where there are no more yet.
    pub fn next_part(&mut self) -> io::Result<Option<Part>> {
        let mut file = regular::open(&self.path)?;
        if file.metadata()?.len() < self.at {
            self.at = 0;
            self.rest.clear();
            return Ok(Some(Part::Cut));
        }
        file.seek(SeekFrom::Start(self.at))?;
        loop {
            let mut bytes = Vec::new();
            (&mut file).take(PART).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.at += bytes.len() as u64;
            self.rest.extend(bytes);
            if let Some(whole) = self.rest.iter().rposition(|&byte| byte == b'\n') {
                let tail = self.rest.split_off(whole + 1);
                let whole = std::mem::replace(&mut self.rest, tail);
                // A line cut short may end inside a letter.
                let text = String::from_utf8_lossy(&whole);
                return Ok(Some(Part::Lines(text.lines().filter_map(Line::parse).collect())));
            }
        }
    }

    /// Calls `take` with the lines of the whole file, a part at a time.
    pub fn read_all(path: &Path, mut take: impl FnMut(Vec<Line>)) -> io::Result<()> {
        let mut reader = MetricsReader::new(path);
        while let Some(part) = reader.next_part()? {
            if let Part::Lines(lines) = part {
                take(lines);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn lines_come_whole_and_again_after_a_cut() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.jsonl");
        let step = |n: u64| format!("{{\"event\":\"step\",\"step\":{n}}}\n");
        let mut file = File::create(&path)?;
        let mut reader = MetricsReader::new(&path);
        let mut steps = || -> io::Result<Option<Vec<u64>>> {
            let number = |line: &Line| match line {
                Line::Step(step) => Some(step.step),
                _ => None,
            };
            Ok(reader.next_part()?.map(|part| match part {
                Part::Lines(lines) => lines.iter().filter_map(number).collect(),
                Part::Cut => vec![0],
            }))
        };
        let (first, second) = (step(1), step(2));
        file.write_all((first.clone() + &second[..9]).as_bytes())?;
        assert_eq!(steps()?, Some(vec![1]));
        assert_eq!(steps()?, None);
        file.write_all(&second.as_bytes()[9..])?;
        assert_eq!(steps()?, Some(vec![2]));
        std::fs::write(&path, first)?;
        assert_eq!(steps()?, Some(vec![0]), "begin anew");
        assert_eq!(steps()?, Some(vec![1]));
        Ok(())
    }
}
