//! All ranks go as fast as the slowest: one that is slower than the others is named.

use crate::ranks::{Communicator, RanksError};

/// What is slow: this many times the mean of the others.
const SLOW: f64 = 1.2;

/// The time of a step on every rank, without its waits for others; every rank calls it with its own.
pub(super) fn step_seconds(link: &dyn Communicator, own: f64) -> Result<Vec<f64>, RanksError> {
    let own = own.to_bits();
    Ok(bytemuck::pod_collect_to_vec(&link.all_gather(vec![own as u32, (own >> 32) as u32])?))
}

/// Which rank the others wait for, in one line, if they do.
pub(super) fn line(seconds: &[f64]) -> Option<String> {
    let (rank, slowest) = seconds.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let others = (seconds.iter().sum::<f64>() - slowest) / (seconds.len() - 1).max(1) as f64;
    (seconds.len() > 1 && slowest > SLOW * others).then(|| {
        format!(
            "rank {rank} needs {:.0} ms for its part of a step and the others {:.0} ms, who wait for it: a slower device, slower data, or \
             something else that runs on its host",
            1e3 * slowest,
            1e3 * others
        )
    })
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn only_a_slow_rank_is_named() {
        assert_eq!(line(&[0.1]), None);
        assert_eq!(line(&[0.1, 0.1, 0.119]), None);
        let said = line(&[0.1, 0.1, 0.25, 0.1]).unwrap_or_default();
        assert!(said.starts_with("rank 2 needs 250 ms") && said.contains("the others 100 ms"), "{said}");
    }
}
