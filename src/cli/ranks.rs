//! The job that `mpirun` or `srun` started this process in: rank 0 prints, writes and evaluates; what goes wrong on any rank before training
//! begins is said once, by rank 0.

use std::env;
use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use simsiam::data::{Dataset, ImageSet};
use simsiam::gpu::{self, Gpu};
use simsiam::hash::Fnv;
use simsiam::ranks::{self, Link, Ranks, RanksError};
use simsiam::train::TrainError;

use super::device::DeviceArg;
use super::{UsageError, output};

/// Another rank says what happened.
#[derive(Debug, thiserror::Error)]
#[error("another rank reports the error")]
pub struct ReportedElsewhere;

/// This process among the others of its job.
pub struct Job(Link);

impl Job {
    /// Joins the job, if there is one.
    pub fn join() -> Result<Job> {
        match ranks::join() {
            // All of them come here; one says it.
            Err(RanksError::WithoutMpi { rank: 1.., .. }) => Err(ReportedElsewhere.into()),
            joined => Ok(Job(joined?)),
        }
    }

    /// What ranks exchange over.
    pub fn link(&self) -> Link {
        self.0.clone()
    }

    /// This one among all.
    pub fn ranks(&self) -> Ranks {
        self.0.ranks()
    }

    /// Every rank has come as far as this, or all end: rank 0 says what was wrong on which.
    pub fn together<T>(&self, made: Result<T>) -> Result<T> {
        if self.ranks().is_alone() {
            return made;
        }
        let own = made.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default();
        let all = self.texts(&own)?;
        let bad: Vec<(usize, &String)> = all.iter().enumerate().filter(|(_, text)| !text.is_empty()).collect();
        let Some((_, first)) = bad.first() else { return made };
        let ended = self.0.finish();
        if !self.ranks().is_first() {
            return Err(ReportedElsewhere.into());
        }
        ended?;
        match made {
            // Rank 0 does more than the others, and its own error knows best what kind it is.
            Err(error) if bad.iter().all(|(_, text)| text == first) => Err(error),
            _ => {
                let lines: Vec<String> = bad.iter().map(|(rank, text)| format!("rank {rank}: {text}")).collect();
                Err(anyhow!(lines.join("; ")))
            }
        }
    }

    /// The text of every rank.
    pub fn texts(&self, own: &str) -> Result<Vec<String>> {
        let length = ranks::most(&*self.0, own.len() as u32)?.next_multiple_of(4) as usize;
        if length == 0 {
            return Ok(vec![String::new(); self.ranks().size]);
        }
        let mut bytes = own.as_bytes().to_vec();
        bytes.resize(length, 0);
        let all = self.0.all_gather(bytemuck::pod_collect_to_vec(&bytes))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
        Ok(bytemuck::cast_slice(&all).chunks_exact(length).map(text).collect())
    }

    /// Fails where a rank has another program or other data than rank 0.
    pub fn agree(&self, data: &Dataset) -> Result<()> {
        if self.ranks().is_alone() {
            return Ok(());
        }
        let program = env::current_exe().and_then(std::fs::read);
        let program = program.map_or(0, |bytes| {
            let mut hash = Fnv::default();
            hash.add_bytes(bytes);
            hash.0
        });
        self.together(ranks::agree(&*self.0, "a program", program).map_err(Into::into))?;
        self.together(ranks::agree(&*self.0, "data", fingerprint(data)).map_err(Into::into))
    }

    /// Opens the device of this rank: the one of the list `--device` that is its own, or, where there is no list, the n-th of its host's GPUs.
    pub fn open(&self, device: &DeviceArg, shared: bool) -> Result<Gpu> {
        if self.ranks().is_alone() {
            return Ok(device.open()?);
        }
        let Ranks { rank: own, size: here } = self.0.on_host();
        let named: Vec<&str> = device.name.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
        let adapters = gpu::adapters();
        // The same GPU is listed once for each back end.
        let best = adapters.iter().find(|adapter| adapter.default).map(|adapter| adapter.backend.clone());
        let real =
            adapters.iter().filter(|adapter| adapter.kind != "software" && Some(&adapter.backend) == best.as_ref());
        let real: Vec<String> = real.map(|adapter| adapter.index.to_string()).collect();
        let choices: Vec<&str> = if named.is_empty() { real.iter().map(String::as_str).collect() } else { named };
        let name = match choices.len() {
            0 => None,
            n => Some(choices[own % n]),
        };
        let gpu = device.open_named(name)?;
        if choices.len() < here && !shared && !gpu.is_software() {
            return Err(UsageError(format!(
                "{here} ranks of this host have {} GPU{} between them, and would wait for each other: start as many ranks as GPUs, or \
                 give --share-devices",
                choices.len(),
                if choices.len() == 1 { "" } else { "s" }
            ))
            .into());
        }
        Ok(gpu)
    }

    /// What a training has come to. An error ends the job on all ranks. Numbers that leave their range do so on all of them, so that rank 0 says it;
    /// it may be the only one to see it, in the checkpoint that it writes, so it waits for nobody.
    pub fn ended<T>(&self, outcome: Result<T, TrainError>) -> Result<T> {
        if self.ranks().is_alone() {
            return Ok(outcome?);
        }
        match outcome {
            Ok(outcome) => {
                self.0.finish()?;
                Ok(outcome)
            }
            Err(error) if error.is_divergence() && !self.ranks().is_first() => {
                self.0.finish()?;
                Err(ReportedElsewhere.into())
            }
            Err(error) => self.give_up(&error),
        }
    }

    /// Says why, and ends the job on all hosts.
    fn give_up<T>(&self, error: &TrainError) -> Result<T> {
        let mut line = String::from("error: ");
        let Ranks { rank, .. } = self.ranks();
        let text = error.to_string();
        if !text.starts_with("rank ") && !error.is_divergence() {
            let _ = write!(line, "rank {rank}: ");
        }
        output::error_line(&(line + &text));
        self.0.abort();
        Err(ReportedElsewhere.into())
    }
}

/// The number of images, and what some of them are.
fn fingerprint(data: &Dataset) -> u64 {
    let mut hash = Fnv::default();
    for set in [&data.train, &data.test] {
        let count = set.len();
        hash.add(&count.to_string());
        for index in [0, count / 2, count.saturating_sub(1)] {
            // One that cannot be read is said when it is needed.
            if let Some(Ok(image)) = (index < count).then(|| ImageSet::read(&**set, index)) {
                hash.add(&format!("{}x{}", image.width, image.height));
                hash.add_bytes(image.pixels.iter().copied());
            }
        }
    }
    hash.0
}
