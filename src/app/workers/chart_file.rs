//! A chart as a file: a picture of it, or its numbers.

use std::fs;
use std::path::{Path, PathBuf};

use super::worker::{Wake, Worker};
use crate::atomic;
use crate::picture::{self, Chart};

/// A number of a run.
pub(in crate::app) struct ChartRow {
    pub run: String,
    pub step: f64,
    pub epoch: f64,
    /// Of training, to here.
    pub seconds: f64,
    pub value: f64,
}

/// What is written.
pub(in crate::app) enum ChartContent {
    Picture(Box<Chart>),
    /// The name of the numbers, and all of them.
    Numbers(String, Vec<ChartRow>),
}

/// A file that is to be written.
pub(in crate::app) struct ChartJob {
    pub folder: PathBuf,
    /// The file's name without number and ending.
    pub name: String,
    pub content: ChartContent,
}

/// The thread that writes; its answer is the file, or why there is none.
pub(in crate::app) fn worker(wake: Wake) -> Worker<ChartJob, Result<PathBuf, String>> {
    Worker::new("chart file", wake, |job: ChartJob, _| Some(save(&job)))
}

fn save(job: &ChartJob) -> Result<PathBuf, String> {
    let folder = &job.folder;
    let problem = |path: &Path, error: &dyn std::fmt::Display| format!("{} cannot be written: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| problem(folder, &error))?;
    let ending = match job.content {
        ChartContent::Picture(_) => "png",
        ChartContent::Numbers(..) => "csv",
    };
    // No file that is there is written over.
    let names = (1..).map(|n| match n {
        1 => format!("{}.{ending}", job.name),
        n => format!("{}-{n}.{ending}", job.name),
    });
    let path = names.map(|name| folder.join(name)).find(|path| !path.exists()).unwrap_or_default();
    match &job.content {
        ChartContent::Picture(chart) => {
            picture::write(&chart.to_svg(), &path).map_err(|error| problem(&path, &error))?
        }
        ChartContent::Numbers(name, rows) => {
            let bytes = csv(name, rows).map_err(|error| problem(&path, &error))?;
            atomic::write(&path, |file| file.write_all(&bytes)).map_err(|error| problem(&path, &error))?;
        }
    }
    Ok(path)
}

fn csv(name: &str, rows: &[ChartRow]) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["run", "step", "epoch", "seconds", name])?;
    for ChartRow { run, step, epoch, seconds, value } in rows {
        let numbers = [step, epoch, seconds, value].map(f64::to_string);
        table.write_record(std::iter::once(run).chain(&numbers))?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::ChartLine;

    #[test]
    fn a_chart_becomes_a_picture_or_a_table_and_nothing_is_overwritten() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let job = |content| ChartJob { folder: folder.path().join("charts"), name: "loss".to_owned(), content };
        let row = ChartRow { run: "a, b".to_owned(), step: 3.0, epoch: 0.5, seconds: 1.25, value: -0.5 };
        let table = save(&job(ChartContent::Numbers("loss".to_owned(), vec![row])))?;
        assert_eq!(fs::read_to_string(&table)?, "run,step,epoch,seconds,loss\n\"a, b\",3,0.5,1.25,-0.5\n");
        let line = ChartLine { label: "run".to_owned(), look: 0, curves: vec![vec![[0.0, 1.0], [1.0, 0.0]]] };
        let chart = || Box::new(Chart { title: "Loss".to_owned(), lines: vec![line.clone()], ..Chart::default() });
        let first = save(&job(ChartContent::Picture(chart())))?;
        let second = save(&job(ChartContent::Picture(chart())))?;
        assert!(first.ends_with("charts/loss.png") && second.ends_with("charts/loss-2.png"));
        let image = image::open(&first)?;
        assert!(image.width() > 800 && image.height() > 500, "{} x {}", image.width(), image.height());
        Ok(())
    }
}
