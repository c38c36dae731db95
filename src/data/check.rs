//! Images that cannot be decoded: found before the first step where they are many, left out where they are few.

use std::sync::Arc;

use super::image_set::spread;
use super::read::prefetch::{Prefetch, threads};
use super::{DataError, ImageSet, Subset};

/// So many images of a part are decoded before a training begins, evenly spread: all of a small folder, and enough to tell 1 % from 2 %
/// of a large one in seconds. What is wrong with the others shows when they are read.
pub const SAMPLE: usize = 1000;
/// Of a small set this many files may be unreadable, though never more than one in twenty.
const FEW: usize = 3;
/// So many unreadable files are named one by one.
pub const NAMED: usize = 10;

/// An image that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number in its part.
    pub image: u32,
    /// What is wrong, with the file's name.
    pub problem: String,
}

/// Decodes `sample` images of a set, evenly spread (0: all), and says which cannot be.
pub fn unreadable(set: &Arc<dyn ImageSet>, sample: usize) -> Vec<Unreadable> {
    let chosen = spread(set.len(), sample);
    let count = chosen.as_ref().map_or(set.len(), Vec::len) as u64;
    let (set, threads) = (set.clone(), threads(0) + 1);
    let check = move |n: u64| {
        let image = chosen.as_ref().map_or(n as u32, |some| some[n as usize]);
        let read = set.read(image as usize);
        let problem = read.err()?.to_string();
        Some(Unreadable { image, problem })
    };
    Prefetch::new(threads, 4 * threads, 0..count, check).flatten().collect()
}

/// How many of `len` images may be unreadable: a share, and of small sets, where that is none, up to three files. A share of 0 allows none.
pub fn allowed(len: usize, share: f64) -> usize {
    let few = if share > 0.0 { FEW.min(len / 20) } else { 0 };
    few.max((len as f64 * share) as usize)
}

/// `set` without the images that a sample shows to be unreadable, which are named in `remarks`. Fails where they are a larger share
/// than `most` of the sample.
pub(super) fn readable(
    set: Arc<dyn ImageSet>,
    most: f64,
    remarks: &mut Vec<String>,
) -> Result<Arc<dyn ImageSet>, DataError> {
    // Decoded already, or never in need of it.
    if set.in_memory().is_some() || set.is_empty() {
        return Ok(set);
    }
    let bad = unreadable(&set, SAMPLE);
    if bad.is_empty() {
        return Ok(set);
    }
    let checked = set.len().min(SAMPLE);
    if bad.len() > allowed(checked, most) {
        return Err(too_many(&bad, checked, most));
    }
    remarks.extend(bad.iter().take(NAMED).map(|bad| bad.problem.clone()));
    remarks.push(format!("{} of {checked} images checked cannot be read and are left out", bad.len()));
    let bad: Vec<u32> = bad.into_iter().map(|bad| bad.image).collect();
    let good = (0..set.len() as u32).filter(|image| bad.binary_search(image).is_err());
    let good = good.collect();
    Ok(Arc::new(Subset::new(set, good)))
}

/// The error that names them.
pub(crate) fn too_many(bad: &[Unreadable], of: usize, most: f64) -> DataError {
    let named: Vec<&str> = bad.iter().take(3).map(|b| b.problem.as_str()).collect();
    let more = match bad.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    DataError::TooManyUnreadable { bad: bad.len(), of, percent: 100.0 * most, named: named.join("; ") + &more }
}
