//! [`Communicator`] over MPI, through the `mpi` crate. All calls are made by one thread, which MPI takes for its main thread; the others send it
//! requests. It asks again and again whether an exchange is done instead of waiting inside the library: a rank that has ended would be waited
//! for for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::environment::Universe;
use mpi::request::{LocalScope, Request};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives, Root};

use super::{Communicator, Ranks, RanksError};

/// For so long a wait keeps its core; then it sleeps between questions, as another rank may need the core.
const EAGER: Duration = Duration::from_micros(200);
const SLEEP: Duration = Duration::from_micros(50);
/// Until something else is said.
const TIMEOUT: Duration = Duration::from_secs(300);

enum Job {
    AllGather(Vec<u32>),
    AllToAll(Vec<u32>),
    /// Bytes, four a word.
    Broadcast(Vec<u32>),
    Finish,
}

type Answer = Result<Vec<u32>, RanksError>;

/// The job that this process was started in by `mpirun` or `srun`.
pub struct Mpi {
    jobs: Sender<(Job, Sender<Answer>)>,
    ranks: Ranks,
    on_host: Ranks,
    shared: Arc<Shared>,
}

/// What the thread must know while it waits.
struct Shared {
    abort: AtomicBool,
    /// Milliseconds.
    timeout: AtomicU64,
}

/// What the thread says once it has begun.
type Begun = Result<(Ranks, Ranks), RanksError>;

impl Mpi {
    /// Joins the job.
    pub fn join() -> Result<Mpi, RanksError> {
        let (jobs, inbox) = mpsc::channel();
        let (sender, begun) = mpsc::channel();
        let timeout = AtomicU64::new(TIMEOUT.as_millis() as u64);
        let shared = Arc::new(Shared { abort: AtomicBool::new(false), timeout });
        let own = shared.clone();
        thread::Builder::new()
            .name("mpi".to_owned())
            .spawn(move || serve(&inbox, &sender, &own))
            .map_err(|e| RanksError::Mpi(e.to_string()))?;
        let gone = |_| RanksError::Mpi("the library ended its thread".to_owned());
        let (ranks, on_host) = begun.recv().map_err(gone)??;
        Ok(Mpi { jobs, ranks, on_host, shared })
    }

    fn ask(&self, job: Job) -> Answer {
        let gone = || RanksError::Mpi("the library has ended".to_owned());
        let (sender, answer) = mpsc::channel();
        self.jobs.send((job, sender)).map_err(|_| gone())?;
        next(&answer).ok_or_else(gone)?
    }
}

impl Communicator for Mpi {
    fn ranks(&self) -> Ranks {
        self.ranks
    }

    fn all_gather(&self, own: Vec<u32>) -> Answer {
        self.ask(Job::AllGather(own))
    }

    fn all_to_all(&self, own: Vec<u32>) -> Answer {
        self.ask(Job::AllToAll(own))
    }

    fn broadcast(&self, own: &[u8]) -> Result<Vec<u8>, RanksError> {
        let bytes = self.all_gather(vec![own.len() as u32])?[0] as usize;
        if bytes == 0 {
            // An error to some libraries.
            return Ok(Vec::new());
        }
        let mut padded = own.to_vec();
        padded.resize(bytes.next_multiple_of(4), 0);
        let words = self.ask(Job::Broadcast(bytemuck::pod_collect_to_vec(&padded)))?;
        let mut sent: Vec<u8> = bytemuck::pod_collect_to_vec(&words);
        sent.truncate(bytes);
        Ok(sent)
    }

    fn on_host(&self) -> Ranks {
        self.on_host
    }

    fn set_timeout(&self, timeout: Duration) {
        self.shared.timeout.store(timeout.as_millis() as u64, Ordering::Relaxed);
    }

    fn finish(&self) -> Result<(), RanksError> {
        self.ask(Job::Finish).map(drop)
    }

    fn abort(&self) {
        self.shared.abort.store(true, Ordering::SeqCst);
        let (sender, _) = mpsc::channel();
        // Wakes the thread, which ends the process.
        let _ = self.jobs.send((Job::Finish, sender));
        thread::sleep(Duration::from_secs(5));
        std::process::exit(1);
    }
}

fn of(communicator: &SimpleCommunicator) -> Ranks {
    Ranks { rank: communicator.rank().max(0) as usize, size: communicator.size().max(1) as usize }
}

/// What comes next: looked for again and again for a while, as exchanges follow each other and to be woken takes longer than most of them.
fn next<T>(inbox: &Receiver<T>) -> Option<T> {
    let began = Instant::now();
    while began.elapsed() < EAGER {
        match inbox.try_recv() {
            Ok(item) => return Some(item),
            Err(TryRecvError::Empty) => thread::yield_now(),
            Err(TryRecvError::Disconnected) => return None,
        }
    }
    inbox.recv().ok()
}

/// The thread of all calls.
fn serve(jobs: &Receiver<(Job, Sender<Answer>)>, begun: &Sender<Begun>, shared: &Shared) {
    let universe: Universe = match mpi::initialize_with_threading(Threading::Funneled) {
        Some((universe, _)) => universe,
        None => {
            let _ = begun.send(Err(RanksError::Mpi("the library does not begin".to_owned())));
            return;
        }
    };
    let world = universe.world();
    let ranks = of(&world);
    let _ = begun.send(Ok((ranks, of(&world.split_shared(world.rank())))));
    while let Some((job, answer)) = next(jobs) {
        if shared.abort.load(Ordering::SeqCst) {
            world.abort(1);
        }
        let wait = Wait { world: &world, ranks, shared, answer: &answer };
        let made = match job {
            Job::AllGather(own) => {
                let mut all = vec![0; own.len() * ranks.size];
                wait.until_done(|scope| world.immediate_all_gather_into(scope, &own[..], &mut all[..]));
                all
            }
            Job::AllToAll(own) => {
                let mut all = vec![0; own.len()];
                wait.until_done(|scope| world.immediate_all_to_all_into(scope, &own[..], &mut all[..]));
                all
            }
            Job::Broadcast(mut bytes) => {
                let first = world.process_at_rank(0);
                wait.until_done(|scope| first.immediate_broadcast_into(scope, &mut bytes[..]));
                bytes
            }
            Job::Finish => {
                drop(universe);
                let _ = answer.send(Ok(Vec::new()));
                return;
            }
        };
        // Whoever asked may have given up.
        let _ = answer.send(Ok(made));
    }
}

/// How the thread waits for an exchange.
struct Wait<'a> {
    world: &'a SimpleCommunicator,
    ranks: Ranks,
    shared: &'a Shared,
    answer: &'a Sender<Answer>,
}

impl Wait<'_> {
    /// After the time-out whoever asked is told so; the exchange cannot be taken back, so the thread goes on asking until the process ends.
    fn until_done<'b, D: ?Sized + 'b>(
        &self,
        begin: impl for<'c> FnOnce(&'c LocalScope<'b>) -> Request<'b, D, &'c LocalScope<'b>>,
    ) {
        let began = Instant::now();
        let timeout = Duration::from_millis(self.shared.timeout.load(Ordering::Relaxed));
        let mut told = false;
        mpi::request::scope(|scope| {
            let mut request = begin(scope);
            while let Err(again) = request.test() {
                request = again;
                let waited = began.elapsed();
                if self.shared.abort.load(Ordering::SeqCst) {
                    self.world.abort(1);
                }
                if waited > timeout && !told {
                    told = true;
                    let Ranks { rank, size } = self.ranks;
                    let error = RanksError::TimedOut { rank, size, seconds: timeout.as_secs() };
                    let _ = self.answer.send(Err(error));
                }
                match waited > EAGER {
                    true => thread::sleep(SLEEP),
                    false => thread::yield_now(),
                }
            }
        });
    }
}
