//! Several ranks against one: the same training, whatever the number. The ranks are threads here, which share a device and its compiled kernels;
//! what moves between them is all that MPI would do.

mod common;

use std::path::Path;
use std::sync::{Arc, Barrier, Mutex, OnceLock, mpsc};
use std::thread;

use simsiam::config::Config;
use simsiam::data::{self, DataError, Dataset, Image, ImageSet, Images, Limits};
use simsiam::gpu::Gpu;
use simsiam::ranks::{Communicator, Ranks, RanksError, gather, sum};
use simsiam::train::checkpoint::Checkpoint;
use simsiam::train::{Command, Event, TrainError, TrainPlan, Trainer};

/// Ranks of one process.
struct Threads {
    ranks: Ranks,
    shared: Arc<(Mutex<Vec<Vec<u32>>>, Barrier)>,
}

impl Threads {
    fn all(size: usize) -> Vec<Threads> {
        let shared = Arc::new((Mutex::new(vec![Vec::new(); size]), Barrier::new(size)));
        (0..size).map(|rank| Threads { ranks: Ranks { rank, size }, shared: shared.clone() }).collect()
    }

    fn exchange<T>(&self, own: Vec<u32>, read: impl FnOnce(&[Vec<u32>]) -> T) -> T {
        let (slots, barrier) = &*self.shared;
        slots.lock().unwrap()[self.ranks.rank] = own;
        barrier.wait();
        let result = read(&slots.lock().unwrap());
        barrier.wait();
        result
    }
}

impl Communicator for Threads {
    fn ranks(&self) -> Ranks {
        self.ranks
    }

    fn all_gather(&self, own: Vec<u32>) -> Result<Vec<u32>, RanksError> {
        Ok(self.exchange(own, |all| all.concat()))
    }

    fn all_to_all(&self, own: Vec<u32>) -> Result<Vec<u32>, RanksError> {
        let Ranks { rank, size } = self.ranks;
        Ok(self.exchange(own, |all| {
            all.iter().flat_map(|one| one.chunks_exact(one.len() / size).nth(rank).unwrap().to_vec()).collect()
        }))
    }

    fn broadcast(&self, own: &[u8]) -> Result<Vec<u8>, RanksError> {
        let words = own.iter().map(|&byte| u32::from(byte)).collect();
        Ok(self.exchange(words, |all| all[0].iter().map(|&word| word as u8).collect()))
    }
}

/// Runs `f` on every rank; the results in their order.
fn on<T: Send>(size: usize, f: impl Fn(Threads) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let threads: Vec<_> = Threads::all(size).into_iter().map(|link| scope.spawn(|| f(link))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn sums_have_the_same_bits_however_they_travel() {
    // More than what is sent to everybody at once, and no multiple of the ranks.
    for length in [5, 50_001] {
        let value = |rank: usize, i: usize| ((i * 7919 + rank * 104_729) % 1009) as f32 * 0.1 - 50.0;
        let sums = on(3, |link| sum(&link, (0..length).map(|i| value(link.ranks.rank, i)).collect()).unwrap());
        let expected: Vec<f32> = (0..length).map(|i| value(0, i) + value(1, i) + value(2, i)).collect();
        assert!(sums.iter().all(|sums| *sums == expected));
    }
    let gathered = on(2, |link| gather(&link, [[1.0, 2.0], [3.0, 4.0]][link.ranks.rank].to_vec(), 2).unwrap());
    assert_eq!(gathered, [[1.0, 3.0, 2.0, 4.0]; 2]);
}

fn config(assignments: &[&str]) -> Config {
    let mut config = Config::default();
    let small = [
        "data.image_size=16",
        "model.arch=resnet_tiny",
        "model.blocks=[1,1]",
        "model.width=6",
        "model.dim=12",
        "optim.batch_size=24",
        "optim.epochs=1",
        "optim.lr=0.3",
    ];
    for assignment in small.iter().chain(assignments) {
        config.set(assignment).unwrap();
    }
    config
}

/// Images in memory that say they are not, so that they come through the loader.
#[derive(Debug)]
struct Streamed(Images);

impl ImageSet for Streamed {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        ImageSet::read(&self.0, index)
    }

    fn labels(&self) -> Option<&[u32]> {
        self.0.labels.as_deref()
    }
}

fn images(streamed: bool) -> Arc<Dataset> {
    let data = data::open(&"demo".parse().unwrap(), Limits { train: 120, test: 9, ..Limits::default() }).unwrap();
    Arc::new(match (streamed, data.train.in_memory()) {
        (true, Some(images)) => Dataset::new(Arc::new(Streamed(images.clone())), data.test.clone()),
        _ => data,
    })
}

/// The losses of all steps, every parameter after the last one, and the kNN accuracy before the first.
type Trained = (Vec<f64>, Vec<Vec<f32>>, Vec<f64>);

/// Trains, from a checkpoint where there is one in `folder`, until a rank has been told to stop after `stop` steps.
fn train(
    config: &Config,
    data: &Arc<Dataset>,
    link: Threads,
    folder: Option<&Path>,
    stop: Option<u64>,
) -> Result<Trained, TrainError> {
    let first = link.ranks.is_first();
    static GPU: OnceLock<Gpu> = OnceLock::new();
    let plan = TrainPlan::linked(GPU.get_or_init(common::gpu), config, data.clone(), Arc::new(link))?;
    let mut trainer = Trainer::new(plan, folder.filter(|_| first))?;
    let last = folder.map(|folder| folder.join("last.safetensors"));
    if let Some(last) = last.filter(|last| last.exists()) {
        trainer.restore(&Checkpoint::load(&last)?)?;
    }
    let (mut losses, mut knn) = (Vec::new(), Vec::new());
    let (sender, commands) = mpsc::channel();
    trainer.run(&commands, &mut |event| {
        if let Event::Epoch(epoch) = event {
            knn.push(epoch.readings.get("knn_top1"));
        }
        if let Event::Step(step) = event {
            losses.push(step.readings.get("loss"));
            if stop == Some(step.step) && !first {
                sender.send(Command::Stop).unwrap();
            }
        }
    })?;
    let (parameters, store) = trainer.state();
    Ok((losses, parameters.read(store)?, knn))
}

/// Relative L2 distance of all parameters.
fn distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let square = |v: f64| v * v;
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    let difference: f64 = pairs.map(|(a, b)| square(f64::from(a - b))).sum();
    (difference / b.iter().flatten().map(|&v| square(f64::from(v))).sum::<f64>()).sqrt()
}

#[test]
fn several_ranks_train_as_one() {
    let swav = ["method.name=swav", "method.prototypes=10", "method.frozen_epochs=0", "method.queue=24"];
    let crops = ["augment.small.count=2", "augment.small.size=8"];
    for (size, streamed, close, assignments) in [
        (4, true, 1e-4, &["method.name=simsiam"][..]),
        (3, false, 1e-4, &["method.name=simclr", "method.predictor=true"]),
        (2, false, 1e-4, &["method.name=byol"]),
        (2, true, 1e-4, &[&swav[..], &crops].concat()),
        // Where each rank has batch norms of its own, running statistics are the mean of theirs.
        (2, false, 1e-3, &["method.name=mocov2", "method.queue=48", "method.split_batch_norm=4"]),
        (2, false, 1e-4, &["method.name=simsiam", "method.alternation=2", "optim.optimizer=lars"]),
        (2, false, 1e-4, &["method.name=simsiam", "method.target_momentum=0.8", "method.predictor=none"]),
    ] {
        let (config, data) = (config(assignments), images(streamed));
        let one = &on(1, |link| train(&config, &data, link, None, None).unwrap())[0];
        let all = on(size, |link| train(&config, &data, link, None, None).unwrap());
        assert_eq!(one.0.len(), 5);
        assert_eq!((one.2.len(), all[0].2.len()), (2, 2));
        assert_eq!(all[0].2[0], one.2[0], "{assignments:?}: kNN of the same untrained network, on 9 test images");
        for (rank, several) in all.iter().enumerate() {
            assert!(*several == all[0], "{assignments:?}: rank {rank} has other weights or losses than rank 0");
        }
        for (step, (a, b)) in all[0].0.iter().zip(&one.0).enumerate() {
            assert!((a - b).abs() < 1e-4, "{assignments:?}, step {step}: loss {a} of {size} ranks, {b} of one");
        }
        let distance = distance(&all[0].1, &one.1);
        println!("{size} ranks, {assignments:?}: {distance:e}");
        assert!(distance < close, "{assignments:?}: {size} ranks are {distance:e} away from one");
    }
}

/// A stop that one rank hears stops all of them after the same step; what they leave, another number of ranks takes up.
#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    let (config, data) = (config(&["method.name=simsiam"]), images(false));
    let folder = tempfile::tempdir().unwrap();
    let path = Some(folder.path());
    let whole = &on(1, |link| train(&config, &data, link, None, None).unwrap())[0];
    let first = on(2, |link| train(&config, &data, link, path, Some(2)).unwrap());
    let done = first[0].0.len();
    assert!((2..5).contains(&done) && first[1].0.len() == done, "{done} steps");
    let rest = on(3, |link| train(&config, &data, link, path, None).unwrap());
    let losses = [&first[0].0[..], &rest[2].0].concat();
    assert_eq!(losses.len(), 5);
    assert!(losses.iter().zip(&whole.0).all(|(a, b)| (a - b).abs() < 1e-4), "{losses:?} instead of {:?}", whole.0);
    assert!(distance(&rest[0].1, &whole.1) < 1e-4);
}

#[test]
fn what_cannot_be_shared_evenly_is_refused() {
    let data = images(false);
    let refusal = |size, assignments: &[&str]| {
        let config = config(assignments);
        on(size, |link| train(&config, &data, link, None, None).unwrap_err().to_string()).swap_remove(0)
    };
    let error = refusal(5, &[]);
    assert!(error.contains("optim.batch_size is 24, which 5 ranks cannot share evenly"), "{error}");
    assert!(error.contains("such as 25"), "{error}");
    let error = refusal(3, &["method.name=mocov2", "method.queue=48", "method.split_batch_norm=4"]);
    assert!(error.contains("method.split_batch_norm is 4, which 3 ranks") && error.contains("such as 6"), "{error}");
}
