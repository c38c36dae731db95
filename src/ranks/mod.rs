//! Several processes that train one network: each, a rank, holds a part of every batch, and what a step must know of the whole batch
//! travels between them.
//!
//! A [`Communicator`] moves words; MPI's is behind the feature `mpi`. Sums are made here, in the order of the ranks, whatever way the words
//! have taken: two runs with as many ranks have the same bits.

mod join;
#[cfg(feature = "mpi")]
mod mpi;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytemuck::cast_vec;

pub use join::{follows, join};

/// One of several processes that train together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// Which one, from 0. Rank 0 writes the run and reports it.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
}

impl Ranks {
    /// A process that trains by itself.
    pub const ONE: Ranks = Ranks { rank: 0, size: 1 };

    /// Whether there is no other.
    pub fn is_alone(self) -> bool {
        self.size == 1
    }

    /// Whether this rank writes and reports.
    pub fn is_first(self) -> bool {
        self.rank == 0
    }

    /// This rank's part of `n` things in equal parts.
    pub fn part(self, n: usize) -> Range<usize> {
        let each = n / self.size;
        self.rank * each..(self.rank + 1) * each
    }

    /// This rank's part of `n` things that need not be a multiple of the ranks: the last have fewer.
    pub fn chunk(self, n: usize) -> Range<usize> {
        let each = n.div_ceil(self.size);
        (self.rank * each).min(n)..((self.rank + 1) * each).min(n)
    }
}

impl Default for Ranks {
    fn default() -> Ranks {
        Ranks::ONE
    }
}

/// Why ranks could not exchange something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RanksError {
    /// Others did not answer: one has died, hangs, or the network between hosts is gone.
    #[error(
        "rank {rank} of {size} waited {seconds} s for the other ranks in vain: one of them has ended, or the network between the hosts is gone; continue from the last checkpoint with --resume (run.rank_timeout sets the time)"
    )]
    TimedOut {
        /// Who waited.
        rank: usize,
        /// Ranks of the run.
        size: usize,
        /// How long.
        seconds: u64,
    },
    /// Something cannot be shared evenly.
    #[error(
        "{what} is {count}, which {size} ranks cannot share evenly: set it to a multiple of {size} that gives each at least {least}, such as {fix}"
    )]
    Uneven {
        /// The key.
        what: &'static str,
        /// Its value.
        count: usize,
        /// Ranks of the run.
        size: usize,
        /// What each rank must have.
        least: usize,
        /// A value that can be.
        fix: usize,
    },
    /// Ranks that must agree do not.
    #[error("{0}")]
    Disagree(String),
    /// The processes of a job do not know of each other.
    #[error(
        "this is one of {size} processes of an MPI job, and this program was built without MPI: each would train by itself; build it with \
         `cargo build --release --features mpi`, or start one process"
    )]
    WithoutMpi {
        /// Processes of the job.
        size: usize,
        /// Which one this is.
        rank: usize,
    },
    /// The library's words.
    #[error("MPI: {0}")]
    Mpi(String),
}

/// Moves words of 32 bits between ranks. Every rank makes the same calls in the same order.
pub trait Communicator: Send + Sync {
    /// Who this is.
    fn ranks(&self) -> Ranks;

    /// What every rank has given as `own`, of equal length, one after the other.
    fn all_gather(&self, own: Vec<u32>) -> Result<Vec<u32>, RanksError>;

    /// `own` is cut into equal pieces, one a rank; returns the pieces that all ranks have made for this one, one after the other.
    fn all_to_all(&self, own: Vec<u32>) -> Result<Vec<u32>, RanksError>;

    /// The bytes that rank 0 has given as `own`.
    fn broadcast(&self, own: &[u8]) -> Result<Vec<u8>, RanksError>;

    /// This rank among those of its host.
    fn on_host(&self) -> Ranks {
        self.ranks()
    }

    /// From now on an exchange fails where it takes longer.
    fn set_timeout(&self, _timeout: Duration) {}

    /// Leaves the job in good order: no rank is through before all have called it.
    fn finish(&self) -> Result<(), RanksError> {
        Ok(())
    }

    /// Ends the job on all hosts, and this process, where it is one of several.
    fn abort(&self) {}
}

/// Of a process that trains by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Communicator for Alone {
    fn ranks(&self) -> Ranks {
        Ranks::ONE
    }

    fn all_gather(&self, own: Vec<u32>) -> Result<Vec<u32>, RanksError> {
        Ok(own)
    }

    fn all_to_all(&self, own: Vec<u32>) -> Result<Vec<u32>, RanksError> {
        Ok(own)
    }

    fn broadcast(&self, own: &[u8]) -> Result<Vec<u8>, RanksError> {
        Ok(own.to_vec())
    }
}

/// What ranks exchange with.
pub type Link = Arc<dyn Communicator>;

/// Up to this many words it is faster to send everything to everybody than to cut it.
const SMALL: usize = 1 << 14;

/// Sums over the ranks, in their order: every rank gets the same bits.
pub fn sum(link: &dyn Communicator, mut values: Vec<f32>) -> Result<Vec<f32>, RanksError> {
    let (size, length) = (link.ranks().size, values.len());
    if size == 1 {
        return Ok(values);
    }
    if length <= SMALL {
        return Ok(added(&cast_vec(link.all_gather(cast_vec(values))?), length));
    }
    // Each rank sums a piece of everything; the pieces are put together again.
    let piece = length.div_ceil(size);
    values.resize(piece * size, 0.0);
    let parts: Vec<f32> = cast_vec(link.all_to_all(cast_vec(values))?);
    let mut sums: Vec<f32> = cast_vec(link.all_gather(cast_vec(added(&parts, piece)))?);
    sums.truncate(length);
    Ok(sums)
}

/// The sum of vectors of `length` numbers that lie one after the other.
fn added(vectors: &[f32], length: usize) -> Vec<f32> {
    let mut vectors = vectors.chunks_exact(length.max(1));
    let mut sums = vectors.next().unwrap_or_default().to_vec();
    for vector in vectors {
        for (sum, value) in sums.iter_mut().zip(vector) {
            *sum += value;
        }
    }
    sums
}

/// Vectors of all ranks, each cut into `parts` equal parts: the first part of every rank, in their order, then the second.
pub fn gather(link: &dyn Communicator, own: Vec<f32>, parts: usize) -> Result<Vec<f32>, RanksError> {
    let length = own.len();
    let all: Vec<f32> = cast_vec(link.all_gather(cast_vec(own))?);
    if parts == 1 {
        return Ok(all);
    }
    let (size, part) = (link.ranks().size, length / parts.max(1));
    let piece = |part_of: usize, rank: usize| &all[rank * length + part_of * part..][..part];
    Ok((0..parts).flat_map(|p| (0..size).flat_map(move |rank| piece(p, rank))).copied().collect())
}

/// `n` rows of `width` numbers, of which every rank has those of its [`Ranks::chunk`].
pub fn gather_chunks(
    link: &dyn Communicator,
    mut own: Vec<f32>,
    n: usize,
    width: usize,
) -> Result<Vec<f32>, RanksError> {
    own.resize(n.div_ceil(link.ranks().size) * width, 0.0);
    let mut all = gather(link, own, 1)?;
    all.truncate(n * width);
    Ok(all)
}

/// Checks that the ranks can share `count` of the key `what`, at least `least` each.
pub fn share(ranks: Ranks, what: &'static str, count: usize, least: usize) -> Result<(), RanksError> {
    let size = ranks.size;
    match size == 1 || (count.is_multiple_of(size) && count >= least * size) {
        true => Ok(()),
        false => {
            Err(RanksError::Uneven { what, count, size, least, fix: count.max(least * size).next_multiple_of(size) })
        }
    }
}

/// Checks that all ranks have given the same; `what` names it to people.
pub fn agree(link: &dyn Communicator, what: &str, own: u64) -> Result<(), RanksError> {
    let all: Vec<u64> = bytemuck::pod_collect_to_vec(&link.all_gather(vec![own as u32, (own >> 32) as u32])?);
    match all.iter().position(|&other| other != all[0]) {
        Some(rank) => Err(RanksError::Disagree(format!(
            "rank {rank} has {what} other than rank 0: all ranks need the same program, settings and data"
        ))),
        None => Ok(()),
    }
}

/// The largest that any rank has given.
pub fn most(link: &dyn Communicator, own: u32) -> Result<u32, RanksError> {
    Ok(link.all_gather(vec![own])?.into_iter().max().unwrap_or(own))
}
