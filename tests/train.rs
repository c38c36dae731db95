//! The trainer through the library: repeatability, stop and resume, commands, what it refuses.

mod tiny;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use simsiam::config::Config;
use simsiam::data::{self, Dataset, Images, Limits, Spec};
use simsiam::eval::KnnPlan;
use simsiam::gpu::{Gpu, GpuOptions, Tier};
use simsiam::graph::{Store, Target};
use simsiam::model::Parameters;
use simsiam::train::checkpoint::Checkpoint;
use simsiam::train::{Command, Event, MetricsFile, Outcome, Run, RunFolder, TrainError, TrainPlan, Trainer};
use tiny::tiny;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn gpu() -> Result<Gpu> {
    Ok(Gpu::open(None, GpuOptions { checked: true })?)
}

/// Two epochs of eight steps in well under a second.
fn config() -> Result<Config> {
    Ok(tiny(&["augment.blur_probability=0.5", "augment.grayscale=0.2"])?)
}

fn dataset(config: &Config) -> Result<Arc<Dataset>> {
    let spec: Spec = config.data.source.parse()?;
    Ok(Arc::new(data::open(&spec, Limits::from(&config.data))?))
}

fn trainer(gpu: &Gpu, config: &Config, folder: Option<&Path>) -> Result<Trainer> {
    let plan = TrainPlan::new(gpu, config, dataset(config)?)?;
    Ok(Trainer::new(plan, folder)?)
}

/// Runs to the end; `listen` may send commands.
fn run(
    trainer: &mut Trainer,
    mut listen: impl FnMut(&Event, &Sender<Command>),
) -> std::result::Result<Outcome, TrainError> {
    let (sender, commands) = mpsc::channel();
    trainer.run(&commands, &mut |event| listen(event, &sender))
}

/// The lines of a metrics file without what a clock decides.
fn timeless(path: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let mut value: serde_json::Value = serde_json::from_str(line)?;
        if let Some(object) = value.as_object_mut() {
            object.remove("seconds");
            object.remove("images_per_second");
        }
        lines.push(value.to_string());
    }
    Ok(lines)
}

#[test]
fn a_run_stopped_in_mid_epoch_continues_to_the_same_bits() -> Result {
    continues_to_the_same_bits(&gpu()?, &config()?)
}

#[test]
fn a_run_in_f16_does_so_too() -> Result {
    let (gpu, mut config) = (gpu()?, config()?);
    if gpu.report().tier < Tier::F16 {
        return Ok(());
    }
    config.set("run.precision=f16")?;
    continues_to_the_same_bits(&gpu, &config)
}

/// What a table of targets holds is part of a run's state, and so is a momentum encoder: stopped between the step that filled it and one that
/// reads it.
#[test]
fn a_run_with_state_of_its_method_does_so_too() -> Result {
    for assignments in [
        &["method.alternation=5"][..],
        &["method.target_momentum=0.8", "method.predictor=none"],
        &["method.name=simclr"],
        &["method.name=mocov1", "method.momentum=0.5", "method.queue=48", "method.split_batch_norm=4"],
        &["method.name=mocov2", "method.momentum=0.5", "method.queue=96", "method.symmetric=true"],
        &[
            "method.name=swav",
            "method.prototypes=7",
            "method.queue=32",
            "method.queue_epoch=0",
            "augment.small.count=2",
            "augment.small.size=8",
        ],
        &["method.name=byol", "method.momentum=0.5"],
    ] {
        let mut config = config()?;
        for assignment in assignments {
            config.set(assignment)?;
        }
        continues_to_the_same_bits(&gpu()?, &config)?;
    }
    Ok(())
}

#[test]
fn targets_computed_ahead_are_those_of_their_steps() -> Result {
    let gpu = gpu()?;
    let losses = |assignments: &[&str]| -> Result<Vec<f64>> {
        let mut config = config()?;
        for assignment in assignments {
            config.set(assignment)?;
        }
        let mut losses = Vec::new();
        run(&mut trainer(&gpu, &config, None)?, |event, _| {
            if let Event::Step(step) = event {
                losses.push(step.readings.get("loss"));
            }
        })?;
        Ok(losses)
    };
    // Weights that never move give the same targets at any time.
    let still = losses(&["optim.lr=0"])?;
    for ahead in ["method.alternation=3", "method.alternation=0"] {
        assert_eq!(losses(&["optim.lr=0", ahead])?, still, "{ahead}");
    }
    // Those that move do so only in the first step of each stretch.
    let moving = losses(&[])?;
    let ahead = losses(&["method.alternation=3"])?;
    assert_eq!(ahead[0], moving[0]);
    assert_ne!(ahead[1], moving[1]);
    Ok(())
}

fn continues_to_the_same_bits(gpu: &Gpu, config: &Config) -> Result {
    let parent = tempfile::tempdir()?;

    let whole = RunFolder::create(&parent.path().join("whole"), config)?;
    let mut metrics = MetricsFile::create(&whole.metrics())?;
    let mut training = trainer(gpu, config, Some(&whole.checkpoints()))?;
    let mut losses = Vec::new();
    let outcome = run(&mut training, |event, _| {
        assert!(metrics.write(event).is_ok());
        if let Event::Step(step) = event {
            losses.push(step.readings.get("loss"));
        }
    })?;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(losses.len(), 16);
    assert!(losses.iter().all(|loss| loss.is_finite()));
    let lines = timeless(&whole.metrics())?;
    // start, epochs 0 to 2, 16 steps, each of them watched, done
    assert_eq!(lines.len(), 1 + 3 + 2 * 16 + 1);

    // Stopped in the kNN of epoch 0, in mid-epoch, and in the kNN of the last epoch.
    let path = parent.path().join("parts");
    let mut parts = RunFolder::create(&path, config)?;
    let mut metrics = MetricsFile::create(&parts.metrics())?;
    let mut training = trainer(gpu, config, Some(&parts.checkpoints()))?;
    for (stop, stopped) in [(0, 0..1), (10, 10..16), (16, 16..17)] {
        let outcome = run(&mut training, |event, sender| {
            assert!(metrics.write(event).is_ok());
            let there = match event {
                Event::Start(_) => stop == 0,
                Event::Step(step) => step.step == stop,
                _ => false,
            };
            if there {
                assert!(sender.send(Command::Stop).is_ok());
            }
        })?;
        let Outcome::Stopped { step } = outcome else {
            panic!("it was asked to stop at {stop}");
        };
        assert!(stopped.contains(&step), "{step}");
        let mut text = std::fs::read_to_string(parts.metrics())?;
        // What a crash leaves: lines later than the checkpoint, the last cut short.
        text += &format!("{{\"event\":\"step\",\"step\":{}}}\n{{\"event\":", step + 1);
        std::fs::write(parts.metrics(), text)?;

        drop(parts);
        let (folder, config, checkpoint) = RunFolder::open(&path, None)?;
        assert_eq!(checkpoint.step, step);
        assert_eq!(checkpoint.epoch, u64::from(step >= 8));
        parts = folder;
        metrics = MetricsFile::resume(&parts.metrics(), &checkpoint)?;
        training = trainer(gpu, &config, Some(&parts.checkpoints()))?;
        training.restore(&checkpoint)?;
    }
    let outcome = run(&mut training, |event, _| {
        assert!(metrics.write(event).is_ok());
    })?;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(timeless(&parts.metrics())?, lines);
    let bytes = |folder: &RunFolder| std::fs::read(folder.checkpoints().join("last.safetensors"));
    assert!(bytes(&whole)? == bytes(&parts)?, "the last checkpoints differ");

    // A finished run has nothing left to do, and says the same.
    drop(parts);
    let (parts, config, checkpoint) = RunFolder::open(&path, None)?;
    let mut metrics = MetricsFile::resume(&parts.metrics(), &checkpoint)?;
    let mut training = trainer(gpu, &config, None)?;
    training.restore(&checkpoint)?;
    run(&mut training, |event, _| {
        assert!(metrics.write(event).is_ok());
    })?;
    assert_eq!(timeless(&parts.metrics())?, lines);
    Ok(())
}

#[test]
fn commands_and_checkpoints_change_nothing() -> Result {
    let (gpu, mut config) = (gpu()?, config()?);
    config.run.knn_every = 0;
    config.run.checkpoint_every = 2;
    config.optim.epochs = 4;
    let losses = |script: &[Command], folder: Option<&Path>| -> Result<(Vec<f64>, Vec<String>)> {
        let mut training = trainer(&gpu, &config, folder)?;
        let (mut losses, mut saved) = (Vec::new(), Vec::new());
        run(&mut training, |event, sender| match event {
            Event::Start(_) => {
                for command in script {
                    assert!(sender.send(*command).is_ok());
                }
            }
            Event::Step(step) => losses.push(step.readings.get("loss")),
            Event::Checkpoint(file) => {
                saved.extend(file.path.file_name().map(|n| n.to_string_lossy().into()));
            }
            Event::Epoch(epoch) => assert_eq!(epoch.knn_top1(), None),
            _ => {}
        })?;
        Ok((losses, saved))
    };
    let (plain, saved) = losses(&[], None)?;
    assert_eq!((plain.len(), saved.len()), (32, 0));
    let folder = tempfile::tempdir()?;
    let script = [Command::Pause, Command::CheckpointNow, Command::Resume];
    let (commanded, saved) = losses(&script, Some(folder.path()))?;
    assert_eq!(commanded, plain);
    let last = "last.safetensors";
    assert_eq!(
        saved,
        [
            last, // before epoch 0
            last, // after it
            last, // commanded
            last,
            "epoch-002.safetensors",
            last,
            last,
            "epoch-004.safetensors",
            last
        ]
    );
    let last = Checkpoint::load(&folder.path().join(last))?;
    assert_eq!((last.step, last.epoch), (32, 4));
    Ok(())
}

#[test]
fn a_diverged_training_says_where_and_keeps_its_checkpoint() -> Result {
    let (gpu, mut config) = (gpu()?, config()?);
    config.optim.lr = 1e38;
    let folder = tempfile::tempdir()?;
    let mut training = trainer(&gpu, &config, Some(folder.path()))?;
    let error = run(&mut training, |_, _| {}).err().map(|e| e.to_string());
    let error = error.unwrap_or_default();
    assert!(error.contains("at step") && error.contains("lower optim.lr"), "{error}");
    let last = Checkpoint::load(&folder.path().join("last.safetensors"))?;
    assert!(last.step < 16);
    Ok(())
}

#[test]
fn without_labels_knn_is_off_and_says_so_once() -> Result {
    let (gpu, config) = (gpu()?, config()?);
    let mut data = (*dataset(&config)?).clone();
    let images = data.train.in_memory().ok_or("the demo is in memory")?;
    data.train = Arc::new(Images { labels: None, ..images.clone() });
    let plan = TrainPlan::new(&gpu, &config, Arc::new(data))?;
    assert!(!plan.has_knn());
    let mut training = Trainer::new(plan, None)?;
    let mut warnings = Vec::new();
    run(&mut training, |event, _| match event {
        Event::Warning(warning) => warnings.push(warning.message.clone()),
        Event::Epoch(epoch) => assert_eq!(epoch.knn_top1(), None),
        _ => {}
    })?;
    assert_eq!(warnings, ["the data has no labels: kNN is off"]);
    Ok(())
}

/// Every image counts once, however they are cut into batches and votes.
#[test]
fn knn_does_not_depend_on_the_batch() -> Result {
    let (gpu, config) = (gpu()?, config()?);
    let data = dataset(&config)?;
    let top1 = |batch: usize, max_words: usize| -> Result<f64> {
        let target = Target { max_words, ..Target::of(&gpu) };
        let mut parameters = Parameters::new();
        let plan = KnnPlan::new(&config, &data, &mut parameters, &target, batch)?;
        let plan = plan.ok_or("there are labels")?;
        let mut store = Store::new(&gpu);
        parameters.allocate(&mut store)?;
        parameters.write(&store, &parameters.initialize(3));
        let top1 = plan.compile(&mut store)?.top1(&data, &mut || true)?;
        Ok(top1.ok_or("nobody stopped it")?)
    };
    let whole = top1(133, 1 << 20)?;
    // Far above chance and below certainty, or it would show nothing.
    assert!((0.2..0.95).contains(&whole), "{whole}");
    assert_eq!(top1(7, 1 << 20)?, whole);
    // A binding so small that a vote holds 10 queries, of batches of 32.
    assert_eq!(top1(32, 1400)?, whole);
    let error = top1(32, 1000).err().map(|e| e.to_string());
    assert!(error.is_some_and(|e| e.contains("run.knn_every = 0")));
    Ok(())
}

/// Images that stay on the device and patches that come with their batch make the same views, whoever decodes them.
#[test]
fn both_ways_of_feeding_make_the_same_views() -> Result {
    use simsiam::augment::{Feed, Loader, Pace, ViewGroup, Views};
    use simsiam::data::Sequence;
    use simsiam::graph::{Graph, Program};
    let (gpu, mut config) = (gpu()?, config()?);
    // Views of two sizes, each with augmentations of its own.
    for assignment in ["augment.second.blur_probability=1", "augment.second.solarize=1", "augment.small.count=3"] {
        config.set(assignment)?;
    }
    config.data.image_size = 6;
    config.augment.small.size = 4;
    let groups = ViewGroup::multi_crop(&config);
    // An odd number of bytes an image, so that most begin inside a word.
    let pixels = (0..9 * 5 * 7u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    let images = Images::new(5, 7, 1, pixels.collect(), None)?;
    let sequence = || Sequence::new(1, 9, 4);
    let made = |threads: Option<usize>| -> Result<Vec<f32>> {
        let mut graph = Graph::new();
        let feed = match threads {
            None => Feed::resident(&mut graph, &images, &groups, 4),
            Some(_) => Feed::streamed(&mut graph, Some((5, 7)), &groups, 4),
        };
        let views = feed.views(&mut graph)?;
        views.iter().for_each(|&views| graph.keep(views));
        let mut program = Program::compile(&graph, &mut Store::new(&gpu))?;
        feed.load(&program, &images);
        let mut made = Vec::new();
        let mut loader = threads.map(|threads| {
            let views = Views::Training { groups: groups.clone(), sequence: sequence(), seed: 1 };
            let pace = Pace { threads, ahead: 3 };
            Loader::new(Arc::new(images.clone()), views, 0.0, pace, 0..20)
        });
        for batch in 0..5 {
            match &mut loader {
                Some(loader) => feed.write(&program, &loader.next_batch(4)?),
                None => {
                    let places = (4 * batch..4 * batch + 4).map(|n| sequence().at(n)).collect::<Vec<_>>();
                    let sources = groups.iter().flat_map(|group| &group.views);
                    let drawn =
                        sources.flat_map(|view| places.iter().map(|&(epoch, image)| view.draw(5, 7, 1, epoch, image)));
                    feed.write_draws(&program, &images, drawn);
                }
            }
            program.run(None)?;
            for &views in &views {
                made.extend(program.read(views)?);
            }
        }
        Ok(made)
    };
    let resident = made(None)?;
    assert_eq!(resident.len(), 5 * (8 * 6 * 6 + 12 * 4 * 4) * 3);
    assert!(resident.iter().any(|v| *v != resident[0]));
    assert_eq!(made(Some(1))?, resident);
    assert_eq!(made(Some(5))?, resident);
    Ok(())
}

/// Without a predictor the untrained loss is minus the cosine between the two views of an image: -1 where nothing is drawn at
/// random and both views are the image, more where each view has draws of its own.
#[test]
fn each_view_of_an_image_has_draws_of_its_own() -> Result {
    let gpu = gpu()?;
    let untrained_loss = |assignments: &[&str]| -> Result<f64> {
        let mut config = config()?;
        config.set("method.predictor=none")?;
        config.set("optim.epochs=1")?;
        for assignment in assignments {
            config.set(assignment)?;
        }
        let mut loss = f64::NAN;
        run(&mut trainer(&gpu, &config, None)?, |event, _| {
            if let Event::Epoch(epoch) = event
                && epoch.epoch == 0
            {
                loss = epoch.readings.get("loss");
            }
        })?;
        Ok(loss)
    };
    let same = untrained_loss(&[
        "augment.crop_scale=[1.0, 1.0]",
        "augment.crop_ratio=[1.0, 1.0]",
        "augment.flip=0",
        "augment.jitter_probability=0",
        "augment.grayscale=0",
        "augment.blur_probability=0",
    ])?;
    assert!((same + 1.0).abs() < 1e-5, "{same}");
    let drawn = untrained_loss(&[])?;
    assert!(drawn > -0.9, "{drawn}");
    Ok(())
}

/// With a learning rate of zero and all images in one batch, only the draws can tell one epoch's loss from the next.
#[test]
fn each_epoch_draws_anew() -> Result {
    let gpu = gpu()?;
    let mut config = config()?;
    for assignment in ["data.limit_train=16", "optim.lr=0", "optim.epochs=2", "run.knn_every=0"] {
        config.set(assignment)?;
    }
    let mut losses = Vec::new();
    run(&mut trainer(&gpu, &config, None)?, |event, _| {
        if let Event::Step(step) = event {
            losses.push(step.readings.get("loss"));
        }
    })?;
    assert_eq!(losses.len(), 2);
    // Another order of the same views would differ in the last bits only.
    assert!((losses[0] - losses[1]).abs() > 1e-4, "{losses:?}");
    Ok(())
}

/// Without stop-gradient the outputs of a small network soon come together; with it they do not.
#[test]
fn a_collapse_is_reported_once_and_a_healthy_run_is_left_alone() -> Result {
    let gpu = gpu()?;
    let alarms = |assignments: &[&str]| -> Result<Vec<serde_json::Value>> {
        let mut config = config()?;
        for assignment in ["optim.epochs=10", "run.knn_every=0"].iter().chain(assignments) {
            config.set(assignment)?;
        }
        let parent = tempfile::tempdir()?;
        let plan = TrainPlan::new(&gpu, &config, dataset(&config)?)?;
        let mut run = Run::create(plan, &parent.path().join("run"))?;
        let (_sender, commands) = mpsc::channel();
        run.train(&commands, &mut |_| {})?;
        let text = std::fs::read_to_string(run.folder().metrics())?;
        let lines: Vec<serde_json::Value> =
            text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
        Ok(lines.into_iter().filter(|line| line["event"] == "alarm").collect())
    };
    assert_eq!(alarms(&[])?, [] as [serde_json::Value; 0]);
    let reported = alarms(&["method.stop_gradient=false", "optim.lr=8"])?;
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert_eq!(reported[0]["kind"], "collapse");
    let advice = reported[0]["advice"].as_str().unwrap_or_default();
    assert!(advice.starts_with("method.stop_gradient = true; a lower optim.lr than 8"), "{advice}");
    Ok(())
}

/// A device that is lost costs the steps since the last checkpoint, and no bit; one that is lost again and again ends the training.
#[test]
fn a_lost_device_is_replaced() -> Result {
    use simsiam::train::train_through_losses;
    let (config, parent) = (config()?, tempfile::tempdir()?);
    let data = dataset(&config)?;
    let create = |gpu: &Gpu, name: &str| -> Result<Run> {
        Ok(Run::create(TrainPlan::new(gpu, &config, data.clone())?, &parent.path().join(name))?)
    };
    let (_sender, commands) = mpsc::channel();
    create(&gpu()?, "whole")?.train(&commands, &mut |_| {})?;
    let bytes = |name: &str| std::fs::read(parent.path().join(name).join("checkpoints/last.safetensors"));
    let lines = |name: &str| timeless(&parent.path().join(name).join("metrics.jsonl"));

    // Trains with a device that is lost after each of these steps; how often it was.
    let train = |name: &str, steps: &[u64]| -> Result<(std::result::Result<Outcome, TrainError>, usize)> {
        let device = std::cell::RefCell::new(gpu()?);
        let (mut left, mut warnings) = (steps.to_vec(), 0);
        let run = create(&device.borrow(), name)?;
        let mut listener = |event: &Event| match event {
            Event::Step(step) if left.first() == Some(&step.step) => {
                left.remove(0);
                device.borrow().lose();
            }
            Event::Warning(warning) => warnings += usize::from(warning.message.contains("on a new device")),
            _ => {}
        };
        let outcome = train_through_losses(run, &commands, &mut listener, &mut |path| {
            let (folder, config, checkpoint) = RunFolder::open(path, None)?;
            let new = Gpu::open(None, GpuOptions { checked: true })?;
            let plan = TrainPlan::new(&new, &config, data.clone())?;
            device.replace(new);
            Run::resume(plan, folder, &checkpoint)
        });
        Ok((outcome, warnings))
    };
    // The second time there is a checkpoint between.
    let (outcome, warnings) = train("lost", &[3, 11])?;
    assert_eq!((outcome?, warnings), (Outcome::Done, 2));
    assert!(bytes("lost")? == bytes("whole")?, "the last checkpoints differ");
    assert_eq!(lines("lost")?, lines("whole")?);
    let (outcome, warnings) = train("often", &[2, 2, 2, 2, 2])?;
    assert!(outcome.is_err_and(|error| error.is_lost_device()));
    assert_eq!(warnings, 3);
    Ok(())
}
