//! In which order an epoch sees the training images.

use std::sync::{Arc, Mutex, PoisonError};

use crate::random::{Draw, Purpose};
use crate::ranks::Ranks;

/// A random permutation of `0..len` for an epoch (Fisher-Yates), a pure function of its arguments. `len` is an image count, so at most
/// 2^32 - 1.
pub fn order(seed: u64, epoch: u32, len: usize) -> Vec<u32> {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let mut draw = Draw::new(seed, Purpose::Order, epoch, 0, 0);
    let mut order: Vec<u32> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last as usize, draw.below(last + 1) as usize);
    }
    order
}

/// Full batches of an order; a rest that fills none is left out, as the authors do (`drop_last`): batch normalisation wants equal
/// batches. With a `batch_size` of 0 there is none.
pub fn batches(order: &[u32], batch_size: usize) -> impl Iterator<Item = &[u32]> {
    order.chunks_exact(batch_size.max(1)).take(steps_per_epoch(order.len(), batch_size))
}

/// Number of full batches.
pub fn steps_per_epoch(len: usize, batch_size: usize) -> usize {
    len.checked_div(batch_size).unwrap_or(0)
}

/// The images of a whole training, one after the other: those of the full batches of its epochs.
#[derive(Debug)]
pub struct Sequence {
    seed: u64,
    len: usize,
    batch: u64,
    ranks: Ranks,
    per_epoch: u64,
    /// The orders used last: threads that read ahead are at the end of one epoch and at the begin of the next.
    recent: Mutex<[Option<Epoch>; 2]>,
}

/// An epoch's number and its order.
type Epoch = (u32, Arc<[u32]>);

impl Sequence {
    /// Over `len` images in batches of `batch_size`, of which at least one is full.
    pub fn new(seed: u64, len: usize, batch_size: usize) -> Sequence {
        let per_epoch = steps_per_epoch(len, batch_size) * batch_size;
        let batch = batch_size.max(1) as u64;
        Sequence { seed, len, batch, ranks: Ranks::ONE, per_epoch: per_epoch.max(1) as u64, recent: Mutex::default() }
    }

    /// Only those of one rank: its part of every batch, one after the other.
    #[must_use]
    pub fn of_rank(self, ranks: Ranks) -> Sequence {
        Sequence { ranks, ..self }
    }

    /// Epoch, from 0, and image of place `n`, from 0; image 0 where there is none.
    pub fn at(&self, n: u64) -> (u32, u32) {
        let own = self.ranks.part(self.batch as usize);
        let each = own.len().max(1) as u64;
        let n = n / each * self.batch + own.start as u64 + n % each;
        let epoch = (n / self.per_epoch) as u32;
        let place = (n % self.per_epoch) as usize;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().flatten().find(|(known, _)| *known == epoch);
        let order = match known {
            Some((_, order)) => order.clone(),
            None => {
                let order: Arc<[u32]> = order(self.seed, epoch, self.len).into();
                recent.rotate_right(1);
                recent[0] = Some((epoch, order.clone()));
                order
            }
        };
        (epoch, order.get(place).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation() {
        for len in [0, 1, 2, 3, 100, 5000] {
            let mut sorted = order(1, 0, len);
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..len as u32));
        }
    }

    #[test]
    fn it_depends_on_seed_and_epoch_only() {
        let base = order(1, 0, 1000);
        assert_eq!(order(1, 0, 1000), base);
        for other in [order(2, 0, 1000), order(1, 1, 1000)] {
            // A random permutation has about one fixed point.
            assert!(base.iter().zip(&other).filter(|(a, b)| a == b).count() < 10);
        }
    }

    /// A seed must keep its meaning: runs are repeated and continued with later versions. Change this line only on purpose.
    #[test]
    fn an_order_stays_what_it_is() {
        assert_eq!(order(42, 7, 10), [6, 4, 5, 2, 9, 8, 0, 1, 3, 7]);
    }

    #[test]
    fn all_orders_are_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for epoch in 0..12_000 {
            *counts.entry(order(3, epoch, 4)).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Standard deviation of a count: about sqrt(500).
        assert!(counts.values().all(|n| n.abs_diff(500) < 90), "{counts:?}");
    }

    #[test]
    fn only_full_batches() {
        let order = order(0, 0, 10);
        assert_eq!(batches(&order, 4).collect::<Vec<_>>(), [&order[..4], &order[4..8]]);
        assert_eq!((batches(&order, 11).count(), batches(&order, 0).count()), (0, 0));
        assert_eq!((steps_per_epoch(10, 5), steps_per_epoch(10, 0)), (2, 0));
    }

    #[test]
    fn a_sequence_is_its_epochs_full_batches() {
        let sequence = Sequence::new(5, 10, 4);
        let expected = (0..3).flat_map(|epoch| {
            let order = order(5, epoch, 10);
            order.into_iter().take(8).map(move |image| (epoch, image))
        });
        let expected: Vec<(u32, u32)> = expected.collect();
        assert!((0..24).map(|n| sequence.at(n)).eq(expected.iter().copied()));
        // In any order, too.
        for n in [23, 0, 9, 8, 16, 7] {
            assert_eq!(sequence.at(n), expected[n as usize]);
        }
    }
}
