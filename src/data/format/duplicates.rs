//! Files by their contents: test images that are training images too, and images held out.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rayon::prelude::*;

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
    // A disk answers several questions in the time of one.
    let length = |found: &Found| fs::metadata(base.join(&found.path)).map(|data| data.len()).ok();
    let of_all = |found: &[Found]| found.par_iter().map(length).collect::<Vec<_>>();
    let mut lengths: HashMap<u64, Vec<usize>> = HashMap::new();
    if test.is_empty() {
        return (0, None);
    }
    for (number, length) in of_all(test).into_iter().enumerate() {
        if let Some(length) = length {
            lengths.entry(length).or_default().push(number);
        }
    }
    let mut known: HashMap<Sign, Vec<usize>> = HashMap::new();
    let sign = |(found, length): (&Found, Option<u64>)| {
        let length = length.filter(|length| lengths.contains_key(length))?;
        Some((length, tail(&base.join(&found.path), length)?))
    };
    let signs: Vec<Option<Sign>> = train.par_iter().zip(of_all(train)).map(sign).collect();
    for (number, sign) in signs.into_iter().enumerate() {
        if let Some(sign) = sign {
            known.entry(sign).or_default().push(number);
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
    let is_out = |found: &Found| {
        let sign = || {
            let file = regular::open(&base.join(&found.path)).ok()?;
            let length = file.metadata().ok()?.len();
            Some((length, end_of(file, length)?))
        };
        sign().is_some_and(|(length, tail)| {
            let hash = Fnv::of([length, tail].into_iter().flat_map(u64::to_le_bytes));
            // Its upper bits are the best mixed.
            ((hash >> 32) as f64) < share * f64::from(u32::MAX)
        })
    };
    let out: Vec<bool> = found.par_iter().map(is_out).collect();
    let mut out = out.into_iter();
    found.extract_if(.., |_| out.next().unwrap_or(false)).collect()
}

/// Of a file that has this length.
fn tail(path: &Path, length: u64) -> Option<u64> {
    end_of(regular::open(path).ok()?, length)
}

fn end_of(mut file: File, length: u64) -> Option<u64> {
    let bytes = length.min(TAIL);
    if length > bytes {
        file.seek(SeekFrom::Start(length - bytes)).ok()?;
    }
    // One read, of hundreds of thousands.
    let mut end = vec![0; bytes as usize];
    file.read_exact(&mut end).ok()?;
    Some(Fnv::of(end))
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((regular::read(one), regular::read(other)), (Ok(one), Ok(other)) if one == other)
}
