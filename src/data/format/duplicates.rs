//! Files by their contents: test images that are training images too, and images held out.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::tree::Found;
use crate::hash::Fnv;
use crate::regular;

/// Bytes at the end of a file that are compared first: what is compressed differs there.
const TAIL: u64 = 4096;

/// What two equal files have in common: their length and their end.
type Sign = (u64, u64);

/// How many of `test` have the bytes of one of `train`, and the first such pair: numbers in `test` and `train`. Files are below `base`; of
/// those whose lengths differ from all others no byte is read.
pub(super) fn shared(base: &Path, train: &[Found], test: &[Found]) -> (usize, Option<(usize, usize)>) {
    let length = |found: &Found| fs::metadata(base.join(&found.path)).map(|data| data.len()).ok();
    let mut lengths: HashMap<u64, Vec<usize>> = HashMap::new();
    for (number, found) in test.iter().enumerate() {
        if let Some(length) = length(found) {
            lengths.entry(length).or_default().push(number);
        }
    }
    let mut known: HashMap<Sign, Vec<usize>> = HashMap::new();
    for (number, found) in train.iter().enumerate() {
        if let Some(length) = length(found).filter(|length| lengths.contains_key(length))
            && let Some(tail) = tail(&base.join(&found.path), length)
        {
            known.entry((length, tail)).or_default().push(number);
        }
    }
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (length, numbers) in lengths {
        for number in numbers {
            let path = base.join(&test[number].path);
            let like = tail(&path, length).and_then(|tail| known.get(&(length, tail)));
            let equal = |other: &&usize| same(&path, &base.join(&train[**other].path));
            pairs.extend(like.into_iter().flatten().find(equal).map(|&other| (number, other)));
        }
    }
    (pairs.len(), pairs.into_iter().min())
}

/// Takes about the part `share` of `found` out of it, to test on. Whether an image is taken follows from its length and its end alone, so
/// that further images move none and copies stay together.
pub(super) fn hold_out(base: &Path, found: &mut Vec<Found>, share: f64) -> Vec<Found> {
    let is_out = |found: &mut Found| {
        let path = base.join(&found.path);
        let length = fs::metadata(&path).map(|data| data.len()).ok();
        let tail = length.and_then(|length| Some((length, tail(&path, length)?)));
        tail.is_some_and(|(length, tail)| {
            let hash = Fnv::of([length, tail].into_iter().flat_map(u64::to_le_bytes));
            // Its upper bits are the best mixed.
            ((hash >> 32) as f64) < share * f64::from(u32::MAX)
        })
    };
    found.extract_if(.., is_out).collect()
}

fn tail(path: &Path, length: u64) -> Option<u64> {
    let mut file = regular::open(path).ok()?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    Some(Fnv::of(bytes))
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((regular::read(one), regular::read(other)), (Ok(one), Ok(other)) if one == other)
}
