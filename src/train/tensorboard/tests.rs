use std::sync::Arc;

use super::*;
use crate::method::{Cadence, Source};
use crate::train::{Epoch, Readings, Step, Watch};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Every event of a file.
pub(super) fn events(path: &Path) -> Result<Vec<proto::Event>> {
    let bytes = fs::read(path)?;
    let events: Vec<_> =
        record::messages(&bytes).into_iter().map(proto::Event::decode).collect::<std::result::Result<_, _>>()?;
    let size: usize = events.iter().map(|event| event.encoded_len() + 16).sum();
    assert_eq!(size, bytes.len(), "bytes that are no record");
    Ok(events)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.sort();
    Ok(files)
}

/// Declared are none.
fn none() -> Arc<[Metric]> {
    Arc::from([])
}

fn step(step: u64, loss: f64) -> Event {
    Event::Step(Step { step, epoch: 1, readings: Readings::given(Cadence::Step, &[("loss", loss)]) })
}

#[test]
fn every_declared_metric_has_its_scalar() -> Result {
    let folder = tempfile::tempdir()?;
    let metrics: Arc<[Metric]> =
        [Metric { cadence: Cadence::Watched, ..Metric::new("anything", "A number of a method to come", Source::Host) }]
            .into();
    let mut file = EventsFile::new(folder.path(), &metrics, None);
    let mut readings = Readings::new(&metrics, Cadence::Watched);
    readings.set("anything", 2.5);
    file.steps_per_epoch = 10;
    file.take(&step(1, -0.25));
    file.take(&step(2, f64::NAN));
    file.take(&Event::Watch(Watch {
        step: 3,
        epoch: 1,
        readings,
        gradient_norms: vec![("stem".into(), 0.5)],
        channel_std: (0..=60).map(|i| i as f32).collect(),
        ends_epoch: false,
    }));
    file.take(&Event::Epoch(Epoch {
        epoch: 2,
        readings: Readings::given(Cadence::Epoch, &[("knn_top1", 0.5)]),
        seconds: 1.5,
    }));
    file.picture("views", 20, &[&[0; 16][..], &[0, 0, 0, 2, 0, 0, 0, 1]].concat());
    file.flush()?;
    let events = events(&file.path)?;
    assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
    let found: Vec<(i64, &str, Option<f32>)> = events
        .iter()
        .flat_map(|event| {
            let values = event.summary.iter().flat_map(|summary| &summary.value);
            values.map(|value| (event.step, value.tag.as_str(), value.simple_value))
        })
        .collect();
    assert_eq!(
        found,
        [
            (1, "train/loss", Some(-0.25)),
            (3, "train/anything", Some(2.5)),
            (3, "gradient_norm/stem", Some(0.5)),
            (3, "train/channel_std", None),
            (20, "epoch/knn_top1", Some(0.5)),
            (20, "epoch/seconds", Some(1.5)),
            (20, "views", None),
        ]
    );
    let value = |event: usize, value: usize| events[event].summary.as_ref().map(|summary| summary.value[value].clone());
    let watched = value(2, 0).and_then(|value| value.metadata);
    assert_eq!(watched.map(|about| about.summary_description).as_deref(), Some("A number of a method to come"));
    let bars = value(2, 2).and_then(|value| value.tensor).map(|tensor| tensor.double_val).unwrap_or_default();
    assert_eq!((bars.len(), bars[0], bars[88], bars[2], bars[89]), (90, 0.0, 60.0, 2.0, 3.0));
    let image = value(4, 0).and_then(|value| value.tensor).map(|tensor| tensor.string_val).unwrap_or_default();
    assert_eq!(image[..2], [b"2".to_vec(), b"1".to_vec()]);
    Ok(())
}

#[test]
fn a_run_that_continues_makes_void_what_it_will_write_again() -> Result {
    let folder = tempfile::tempdir()?;
    for continued in [None, Some(5)] {
        let mut file = EventsFile::new(folder.path(), &none(), continued);
        file.take(&step(continued.unwrap_or(0) + 1, 0.5));
        file.flush()?;
    }
    let files = files(folder.path())?;
    let [first, second] = &files[..] else { return Err(format!("{files:?}").into()) };
    assert!(events(first)?.iter().all(|event| event.session_log.is_none()));
    let second = events(second)?;
    assert_eq!((second[1].step, second[1].session_log.as_ref().map(|log| log.status)), (6, Some(1)));
    assert_eq!(second[2].step, 6);
    Ok(())
}

#[test]
fn records_that_cannot_be_written_wait_until_it_is_given_up() -> Result {
    let folder = tempfile::tempdir()?;
    let mut file = EventsFile::new(folder.path(), &none(), None);
    file.take(&step(1, 0.5));
    file.flush()?;
    // A file that is open for reading only takes nothing, as a full disk does.
    let good = file.file.replace(File::open(&file.path)?);
    file.take(&step(2, 0.5));
    assert!(file.flush().is_err());
    file.file = good;
    // A part of a record that a failed write left.
    file.file.as_mut().ok_or("no file")?.write_all(b"torn")?;
    file.flush()?;
    assert_eq!(events(&file.path)?.len(), 3);
    assert!(file.give_up(&io::Error::other("full")).contains("cannot be written: full"));
    file.take(&step(3, 0.5));
    file.flush()?;
    assert_eq!((events(&file.path)?.len(), file.waiting.len()), (3, 0));
    Ok(())
}
