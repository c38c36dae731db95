//! Trainings whose images are read while they run: the same bits as with resident ones, and what happens when reading fails.

mod tiny;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use simsiam::config::Config;
use simsiam::data::{self, DataError, Dataset, Image, ImageSet, Images, Limits, Spec};
use simsiam::eval::KnnPlan;
use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::graph::{Store, Target};
use simsiam::model::Parameters;
use simsiam::train::checkpoint::Checkpoint;
use simsiam::train::{Command, Event, Outcome, TrainError, TrainPlan, Trainer};
use tiny::tiny;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The images of another set, as if they lay on a disk.
#[derive(Debug)]
struct Disk {
    images: Images,
    /// Cannot be read.
    damaged: Vec<usize>,
    gone: AtomicBool,
}

impl ImageSet for Disk {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize) -> std::result::Result<Image<'_>, DataError> {
        if self.gone.load(Ordering::SeqCst) || self.damaged.contains(&index) {
            let file = format!("{index}.jpg");
            let problem = "it is damaged".to_owned();
            return Err(DataError::Unreadable { file, problem });
        }
        ImageSet::read(&self.images, index)
    }

    fn labels(&self) -> Option<&[u32]> {
        self.images.labels.as_deref()
    }
}

fn disk(set: &Arc<dyn ImageSet>, damaged: &[usize]) -> Result<Arc<Disk>> {
    Ok(Arc::new(Disk {
        images: set.in_memory().ok_or("in memory")?.clone(),
        damaged: damaged.to_vec(),
        gone: AtomicBool::new(false),
    }))
}

/// Two epochs of eight steps.
fn config() -> Result<Config> {
    Ok(tiny(&["model.blocks=[1]"])?)
}

fn demo(config: &Config) -> Result<Dataset> {
    Ok(data::open(&Spec::Demo, Limits::from(&config.data))?)
}

/// The loss of every step and the kNN of every epoch, as bits, until `stop`.
fn train(config: &Config, data: &Dataset, folder: Option<&Path>, stop: u64) -> Result<(Vec<u64>, Trainer)> {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let plan = TrainPlan::new(&gpu, config, Arc::new(data.clone()))?;
    let mut trainer = Trainer::new(plan, folder)?;
    let numbers = go_on(&mut trainer, stop)?;
    Ok((numbers, trainer))
}

fn go_on(trainer: &mut Trainer, stop: u64) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    let (sender, commands) = mpsc::channel();
    trainer.run(&commands, &mut |event| match event {
        Event::Step(step) => {
            numbers.push(step.readings.get("loss").to_bits());
            if step.step == stop {
                assert!(sender.send(Command::Stop).is_ok());
            }
        }
        Event::Epoch(epoch) => numbers.push(epoch.knn_top1().unwrap_or(f64::NAN).to_bits()),
        _ => {}
    })?;
    Ok(numbers)
}

#[test]
fn streamed_images_train_to_the_bits_of_resident_ones_also_after_a_stop() -> Result {
    let (mut config, folder) = (config()?, tempfile::tempdir()?);
    let resident = demo(&config)?;
    // Patches of 28 pixels are cut from both: none is filtered down.
    config.set("data.image_size=14")?;
    let (whole, _) = train(&config, &resident, None, u64::MAX)?;
    assert_eq!(whole.len(), 16 + 3);
    let streamed = Dataset {
        classes: resident.classes.clone(),
        ..Dataset::new(disk(&resident.train, &[])?, disk(&resident.test, &[])?)
    };
    for threads in ["1", "3"] {
        config.set(&format!("data.threads={threads}"))?;
        assert_eq!(train(&config, &streamed, None, u64::MAX)?.0, whole);
    }
    // Step 10 is in the middle of the second epoch.
    let (mut parts, trainer) = train(&config, &streamed, Some(folder.path()), 10)?;
    drop(trainer);
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let plan = TrainPlan::new(&gpu, &config, Arc::new(streamed))?;
    let mut trainer = Trainer::new(plan, None)?;
    trainer.restore(&Checkpoint::load(&folder.path().join("last.safetensors"))?)?;
    parts.extend(go_on(&mut trainer, u64::MAX)?);
    assert_eq!(parts, whole);
    Ok(())
}

#[test]
fn a_disk_that_goes_away_ends_a_training_with_a_checkpoint() -> Result {
    let (config, folder) = (config()?, tempfile::tempdir()?);
    let resident = demo(&config)?;
    let train = disk(&resident.train, &[])?;
    let data = Dataset::new(train.clone(), disk(&resident.test, &[])?);
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let plan = TrainPlan::new(&gpu, &config, Arc::new(data))?;
    let mut trainer = Trainer::new(plan, Some(folder.path()))?;
    let (_sender, commands) = mpsc::channel();
    let error = trainer.run(&commands, &mut |event| {
        if let Event::Step(step) = event {
            train.gone.fetch_or(step.step >= 3, Ordering::SeqCst);
        }
    });
    let error = error.err().ok_or("nothing can be read any more")?;
    assert!(matches!(error, TrainError::Data(_)), "{error}");
    assert!(error.to_string().contains("data.max_unreadable"), "{error}");
    let last = Checkpoint::load(&folder.path().join("last.safetensors"))?;
    assert!((3..16).contains(&last.step), "{}", last.step);
    Ok(())
}

/// Damaged test images are not counted; in the place of a damaged one that votes, the next one votes, with its own label.
#[test]
fn knn_does_not_count_what_cannot_be_read() -> Result {
    let mut config = config()?;
    config.set("data.max_unreadable=0.2")?;
    let demo = demo(&config)?;
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let top1 = |train: Arc<dyn ImageSet>, test: Arc<dyn ImageSet>| -> Result<(f64, usize)> {
        let data = Dataset { classes: demo.classes.clone(), ..Dataset::new(train, test) };
        let mut parameters = Parameters::new();
        let target = Target::of(&gpu);
        let plan = KnnPlan::new(&config, &data, &mut parameters, &target, 16)?;
        let mut store = Store::new(&gpu);
        parameters.allocate(&mut store)?;
        parameters.write(&store, &parameters.initialize(3));
        let mut knn = plan.ok_or("there are labels")?.compile(&mut store)?;
        let top1 = knn.top1(&data, &mut || true)?.ok_or("nobody stopped it")?;
        Ok((top1, knn.remarks().len()))
    };
    let without = |set: &Arc<dyn ImageSet>, damaged: &[usize], instead: bool| -> Result<Images> {
        let images = set.in_memory().ok_or("in memory")?;
        let labels = images.labels.as_deref().ok_or("labels")?;
        let kept = (0..images.len()).filter(|i| instead || !damaged.contains(i));
        let kept: Vec<usize> = kept.map(|i| if damaged.contains(&i) { i + 1 } else { i }).collect();
        let pixels = kept.iter().flat_map(|&i| images.image(i).unwrap_or_default().to_vec());
        let labels = kept.iter().map(|&i| labels[i]).collect();
        Ok(Images::new(images.width, images.height, 1, pixels.collect(), Some(labels))?)
    };
    let damaged = [2, 11, 20, 33];
    let broken = top1(demo.train.clone(), disk(&demo.test, &damaged)?)?;
    let fewer = top1(demo.train.clone(), Arc::new(without(&demo.test, &damaged, false)?))?;
    assert_eq!((broken.0, broken.1, fewer.1), (fewer.0, 4, 0));
    let broken = top1(disk(&demo.train, &damaged)?, demo.test.clone())?;
    let twice = top1(Arc::new(without(&demo.train, &damaged, true)?), demo.test.clone())?;
    assert_eq!((broken.0, broken.1), (twice.0, 4));
    Ok(())
}

/// Images on a disk that does not answer.
#[derive(Debug)]
struct Silent(Images, std::time::Duration);

impl ImageSet for Silent {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize) -> std::result::Result<Image<'_>, DataError> {
        if index == 40 {
            std::thread::sleep(self.1);
        }
        ImageSet::read(&self.0, index)
    }

    fn labels(&self) -> Option<&[u32]> {
        self.0.labels.as_deref()
    }
}

/// Neither a training nor its kNN waits for an image longer than its user.
#[test]
fn a_stop_ends_a_wait_for_an_image() -> Result {
    let (mut config, folder) = (config()?, tempfile::tempdir()?);
    config.set("data.threads=1")?;
    let demo = demo(&config)?;
    let silent = |set: &Arc<dyn ImageSet>| -> Result<Arc<Silent>> {
        Ok(Arc::new(Silent(set.in_memory().ok_or("in memory")?.clone(), std::time::Duration::from_secs(90))))
    };
    for knn in [0, 1] {
        config.run.knn_every = knn;
        let (train, classes) = (silent(&demo.train)?, demo.classes.clone());
        let data = Dataset { classes, ..Dataset::new(train, disk(&demo.test, &[])?) };
        let gpu = Gpu::open(None, GpuOptions { checked: true })?;
        let mut trainer = Trainer::new(TrainPlan::new(&gpu, &config, Arc::new(data))?, Some(folder.path()))?;
        let (sender, commands) = mpsc::channel();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(1500));
            sender.send(Command::Stop)
        });
        let began = std::time::Instant::now();
        let outcome = trainer.run(&commands, &mut |_| {})?;
        assert!(matches!(outcome, Outcome::Stopped { .. }), "{outcome:?}");
        drop(trainer);
        assert!(began.elapsed().as_secs() < 60, "kNN {knn}");
        assert!(stopper.join().is_ok_and(|sent| sent.is_ok()));
    }
    Ok(())
}
