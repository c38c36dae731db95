//! Which job this process belongs to: what `mpirun` and `srun` leave in the environment of those they start.

use std::env;
use std::sync::Arc;

use super::{Alone, Link, RanksError};

fn number(names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| env::var(name).ok()?.parse().ok())
}

/// Processes of the job that this one was started in, where there is one: of Open MPI, of MPICH and Intel MPI, of MVAPICH, of Slurm.
fn started() -> Option<usize> {
    let of_slurm = || number(&["PMIX_RANK"]).and_then(|_| number(&["SLURM_STEP_NUM_TASKS"]));
    number(&["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"]).or_else(of_slurm)
}

/// Whether this process is one of several and not the first, as far as it is known before [`join`].
pub fn follows() -> bool {
    started().is_some_and(|size| size > 1) && rank() > 0
}

fn rank() -> usize {
    number(&["OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK"]).unwrap_or(0)
}

/// Joins the job that this process was started in; [`Alone`] where there is none.
pub fn join() -> Result<Link, RanksError> {
    match started() {
        None | Some(0 | 1) => Ok(Arc::new(Alone)),
        #[cfg(feature = "mpi")]
        Some(_) => Ok(Arc::new(super::mpi::Mpi::join()?)),
        #[cfg(not(feature = "mpi"))]
        Some(size) => Err(RanksError::WithoutMpi { size, rank: rank() }),
    }
}
