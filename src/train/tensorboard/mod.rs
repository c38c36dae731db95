//! `events.out.tfevents.*`: a listener that keeps the numbers of a run for TensorBoard, which reads them while it trains. What is written
//! follows from what is declared: a scalar a metric, `train/NAME` over the steps and `epoch/NAME` at the last step of each epoch.
//!
//! What it takes are the lines of `metrics.jsonl`, so that [`EventsFile::of_run`] makes the same of a run that had none.
//!
//! A run that continues writes a file of its own, of a later name, that begins with the step from which on what the files before hold is
//! void: TensorBoard leaves that out.

mod of_run;
mod proto;
mod record;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prost::Message;
use proto::{Dim, PluginData, SessionLog, Summary, SummaryMetadata, TensorProto, TensorShapeProto, Value};

use crate::method::Metric;
use crate::regular;
use crate::train::{AlarmLine, Event, Fields, Line};

/// How the names of the files begin; the second in which they were begun follows.
const PREFIX: &str = "events.out.tfevents.";
/// TensorBoard looks every few seconds.
const FLUSH_AFTER: Duration = Duration::from_secs(2);
/// Bars of a histogram, as many as TensorBoard's own.
const BARS: usize = 30;

/// Whether a file of this name is one of TensorBoard's.
pub fn is_events(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The file of a run since it was started or last continued. It is made at the first write.
#[derive(Debug)]
pub struct EventsFile {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of whole records in it.
    length: u64,
    /// Records that are not written yet.
    waiting: Vec<u8>,
    flushed: Instant,
    /// Whether it could not be written, and nothing more is.
    given_up: bool,
    /// Tags that have been described.
    described: HashSet<String>,
    /// What the run measures.
    metrics: Arc<[Metric]>,
    steps_per_epoch: u64,
    /// When what is taken now was, in seconds since 1970; `None` for now.
    time: Option<f64>,
}

impl EventsFile {
    /// The file of a run with these metrics that begins in `folder`, or continues there after `step` steps.
    pub fn new(folder: &Path, metrics: &Arc<[Metric]>, step: Option<u64>) -> EventsFile {
        let mut file = EventsFile::at(folder, metrics, None);
        if let Some(step) = step {
            let session_log = Some(SessionLog { status: proto::START });
            file.push(proto::Event { step: step as i64 + 1, session_log, ..Default::default() });
        }
        file
    }

    /// A new one, of what was at `time`.
    fn at(folder: &Path, metrics: &Arc<[Metric]>, time: Option<f64>) -> EventsFile {
        let mut file = EventsFile {
            path: folder.join(next_name(folder)),
            file: None,
            length: 0,
            waiting: Vec::new(),
            flushed: Instant::now(),
            given_up: false,
            described: HashSet::new(),
            metrics: metrics.clone(),
            steps_per_epoch: 1,
            time,
        };
        file.push(proto::Event { file_version: Some("brain.Event:2".to_owned()), ..Default::default() });
        file
    }

    /// Takes an event.
    pub fn take(&mut self, event: &Event) {
        if let Some(line) = Line::of(event) {
            self.take_line(&line);
        }
    }

    /// Takes a line of `metrics.jsonl`.
    pub fn take_line(&mut self, line: &Line) {
        match line {
            Line::Start(start) => self.steps_per_epoch = start.steps / start.epochs.max(1),
            Line::Step(step) => {
                let values = self.numbers("train", &step.numbers);
                self.summary(step.step, values);
            }
            Line::Watch(watch) => {
                let mut values = self.numbers("train", &watch.numbers);
                for (stage, norm) in watch.gradient_norms.iter() {
                    let description = "L2 norm of the gradient of a stage";
                    values.extend(self.scalar(format!("gradient_norm/{stage}"), norm, || description.into()));
                }
                let std: Option<Vec<f64>> = watch.channel_std.iter().copied().collect();
                values.extend(self.histogram("train/channel_std", &std.unwrap_or_default()));
                self.summary(watch.step, values);
            }
            Line::Alarm(alarm) => {
                let values = vec![self.text("alarm", alarm)];
                self.summary(alarm.step, values);
            }
            Line::Epoch(epoch) => {
                let values = self.numbers("epoch", &epoch.numbers);
                self.summary(epoch.epoch * self.steps_per_epoch, values);
            }
            Line::Done(_) | Line::Failed(_) => {}
        }
    }

    /// Adds a picture, the bytes of a PNG file.
    pub fn picture(&mut self, tag: &str, step: u64, png: &[u8]) {
        // Width and height follow its signature, and the length and name of its first part.
        let side = |at: usize| png.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        if let (Some(width), Some(height)) = (side(16), side(20)) {
            let strings = vec![width.to_string().into_bytes(), height.to_string().into_bytes(), png.to_vec()];
            let value = self.tensor(tag, "images", proto::BLOB_SEQUENCE, strings_tensor(strings, true));
            self.summary(step, vec![value]);
        }
    }

    /// Writes what waits, if that has waited for long enough.
    pub fn flush_in_time(&mut self) -> io::Result<()> {
        match self.flushed.elapsed() > FLUSH_AFTER {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        if self.given_up || self.waiting.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(regular::open_with(&self.path, File::options().append(true).create(true))?),
        };
        // What a failed write has left behind the last record.
        if file.metadata()?.len() > self.length {
            file.set_len(self.length)?;
        }
        file.write_all(&self.waiting)?;
        self.length += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Writes nothing any more, because that is not possible, and says so.
    pub fn give_up(&mut self, reason: &io::Error) -> String {
        (self.given_up, self.waiting) = (true, Vec::new());
        format!(
            "{} cannot be written: {reason}; TensorBoard gets no more of this run, metrics.jsonl has all numbers",
            self.path.display()
        )
    }

    fn push(&mut self, event: proto::Event) {
        if !self.given_up {
            let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            let wall_time = self.time.unwrap_or_else(now);
            record::append(&mut self.waiting, &proto::Event { wall_time, ..event }.encode_to_vec());
        }
    }

    fn summary(&mut self, step: u64, value: Vec<Value>) {
        if !value.is_empty() {
            self.push(proto::Event { step: step as i64, summary: Some(Summary { value }), ..Default::default() });
        }
    }

    /// What is said of a tag, once.
    fn describe(
        &mut self,
        tag: &str,
        plugin: &str,
        data_class: i32,
        description: impl FnOnce() -> String,
    ) -> Option<SummaryMetadata> {
        self.described.insert(tag.to_owned()).then(|| SummaryMetadata {
            plugin_data: Some(PluginData { plugin_name: plugin.to_owned() }),
            summary_description: description(),
            data_class,
        })
    }

    /// None where it is no number.
    fn scalar(&mut self, tag: String, value: f64, description: impl FnOnce() -> String) -> Option<Value> {
        value.is_finite().then(|| Value {
            simple_value: Some(value as f32),
            metadata: self.describe(&tag, "scalars", proto::SCALAR, description),
            tag,
            ..Default::default()
        })
    }

    /// A scalar a number, described where it is declared.
    fn numbers(&mut self, group: &str, numbers: &Fields) -> Vec<Value> {
        let metrics = self.metrics.clone();
        let scalar = |(name, value): (&str, f64)| {
            let metric = metrics.iter().find(|metric| metric.name == name);
            let about = || match (metric, name) {
                (Some(metric), _) => description(metric),
                (None, "seconds") => "Seconds, kNN included".to_owned(),
                (None, _) => String::new(),
            };
            self.scalar(format!("{group}/{name}"), value, about)
        };
        numbers.iter().filter_map(scalar).collect()
    }

    fn tensor(&mut self, tag: &str, plugin: &str, data_class: i32, tensor: TensorProto) -> Value {
        let metadata = self.describe(tag, plugin, data_class, String::new);
        Value { tag: tag.to_owned(), tensor: Some(tensor), metadata, ..Default::default() }
    }

    fn histogram(&mut self, tag: &str, values: &[f64]) -> Option<Value> {
        let bars = bars(values)?;
        let tensor = TensorProto {
            dtype: proto::DOUBLE,
            tensor_shape: Some(shape(&[bars.len(), 3])),
            double_val: bars.concat(),
            ..Default::default()
        };
        Some(self.tensor(tag, "histograms", proto::TENSOR, tensor))
    }

    fn text(&mut self, tag: &str, alarm: &AlarmLine) -> Value {
        let text = format!("{}: {}", alarm.message, alarm.advice);
        self.tensor(tag, "text", proto::TENSOR, strings_tensor(vec![text.into_bytes()], false))
    }
}

/// What a number is, in Markdown.
fn description(metric: &Metric) -> String {
    let mut text = metric.title.to_owned();
    if let Some(level) = metric.healthy() {
        text += &format!(" (healthy: about {level:.4})");
    }
    text
}

fn shape(dims: &[usize]) -> TensorShapeProto {
    TensorShapeProto { dim: dims.iter().map(|&size| Dim { size: size as i64 }).collect() }
}

/// A list of strings, or one alone.
fn strings_tensor(strings: Vec<Vec<u8>>, list: bool) -> TensorProto {
    let dims = if list { vec![strings.len()] } else { Vec::new() };
    TensorProto { dtype: proto::STRING, tensor_shape: Some(shape(&dims)), string_val: strings, ..Default::default() }
}

/// Bars of equal width, each its left and right edge and how many values it has. `None` where there is none or not all are numbers.
fn bars(values: &[f64]) -> Option<Vec<[f64; 3]>> {
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let width = (most - least) / BARS as f64;
    let edge = |bar: usize| if bar == BARS { most } else { least + width * bar as f64 };
    let mut bars: Vec<[f64; 3]> = (0..BARS).map(|bar| [edge(bar), edge(bar + 1), 0.0]).collect();
    for &value in values {
        // All of one value are in the last, as TensorBoard has it.
        let bar = if width > 0.0 { ((value - least) / width) as usize } else { BARS };
        bars[bar.min(BARS - 1)][2] += 1.0;
    }
    Some(bars)
}

/// A name behind those of the files that are there: TensorBoard reads them in this order.
fn next_name(folder: &Path) -> String {
    let second = |name: &str| name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u64>().ok();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let last = entries.filter_map(|entry| second(entry.file_name().to_str()?)).max();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{PREFIX}{:010}.simsiam", now.max(last.map_or(0, |last| last.saturating_add(1))))
}

#[cfg(test)]
mod tests;
