//! State that outlives a step: named arenas that training and evaluation graphs share.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::gpu::{Buffer, Gpu, GpuError};
use crate::ranks::{Alone, Link};

/// Named buffers. Parameters, their gradients, momentum and running statistics each lie in one, so that the optimiser is
/// one kernel over all of them.
///
/// Programs of one store take turns: they share the memory of what lives inside a run, so what one of them keeps is there until
/// another runs.
#[derive(Clone)]
pub struct Store {
    gpu: Gpu,
    arenas: BTreeMap<&'static str, Buffer>,
    pool: Vec<Buffer>,
    link: Link,
}

/// Which buffer of a pool each of the wanted sizes, the largest first, takes: the smallest that is large enough. `None` where a
/// new one must be made.
pub(super) fn claim(pool: &[usize], wanted: &[usize]) -> Vec<Option<usize>> {
    let mut free: Vec<bool> = vec![true; pool.len()];
    let claims = wanted.iter().map(|&words| {
        let fitting = (0..pool.len()).filter(|&i| free[i] && pool[i] >= words);
        let taken = fitting.min_by_key(|&i| pool[i]);
        if let Some(taken) = taken {
            free[taken] = false;
        }
        taken
    });
    claims.collect()
}

impl Store {
    /// An empty store on a device.
    pub fn new(gpu: &Gpu) -> Store {
        Store::linked(gpu, Arc::new(Alone))
    }

    /// The same of one of several ranks: its programs exchange over `link`.
    pub fn linked(gpu: &Gpu, link: Link) -> Store {
        Store { gpu: gpu.clone(), arenas: BTreeMap::new(), pool: Vec::new(), link }
    }

    /// What its programs exchange over.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Makes a zeroed arena; replaces one of that name.
    pub fn create(&mut self, arena: &'static str, words: usize) -> Result<(), GpuError> {
        self.arenas.insert(arena, Buffer::new(&self.gpu, arena, words)?);
        Ok(())
    }

    /// The arena of that name.
    pub fn arena(&self, arena: &str) -> Option<&Buffer> {
        self.arenas.get(arena)
    }

    /// Buffers of these sizes in words, the largest first, shared with the programs compiled before.
    pub(super) fn pool(&mut self, wanted: &[usize]) -> Result<Vec<Buffer>, GpuError> {
        let sizes: Vec<usize> = self.pool.iter().map(Buffer::words).collect();
        let mut buffers = Vec::new();
        for (claimed, &words) in claim(&sizes, wanted).into_iter().zip(wanted) {
            let index = match claimed {
                Some(index) => index,
                None => {
                    let name = format!("pool {}", self.pool.len());
                    self.pool.push(Buffer::uninitialized(&self.gpu, &name, words)?);
                    self.pool.len() - 1
                }
            };
            buffers.push(self.pool[index].clone());
        }
        Ok(buffers)
    }

    /// The device it is on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Bytes of all arenas.
    pub fn bytes(&self) -> u64 {
        self.arenas.values().map(|b| b.words() as u64 * 4).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, claim};
    use crate::gpu::{Gpu, GpuError, GpuOptions};
    use crate::graph::{Graph, GraphError, Program, Shape};
    use crate::ops;

    #[test]
    fn a_pool_gives_the_smallest_that_fits_once() {
        assert_eq!(claim(&[8, 20, 10], &[9, 9, 9, 1]), [Some(2), Some(1), None, Some(0)]);
        assert_eq!(claim(&[], &[4]), [None]);
    }

    /// What a kernel reads of an input that the host has forgotten, or of memory that no kernel has filled, is no number where that is
    /// looked for; arenas are zeroed everywhere.
    #[test]
    fn memory_that_was_never_written_shows_where_kernels_are_checked() -> Result<(), GraphError> {
        for checked in [true, false] {
            let gpu = Gpu::open(None, GpuOptions { checked })?;
            let mut store = Store::new(&gpu);
            let mut graph = Graph::new();
            // More than the host makes at once.
            let shape = Shape::rows([3, 100_000]);
            let [forgotten, state] = [graph.input("x", shape.clone()), graph.state("s", shape, "state", 0)];
            let sum = graph.add_one(ops::Add, &[forgotten, state])?;
            graph.keep(sum);
            let mut program = Program::compile(&graph, &mut store)?;
            let pool = |store: &Store| -> Result<Vec<f32>, GpuError> { store.pool[0].read(&gpu, 0, 300_000) };
            let unset = |values: &[f32]| values.iter().all(|v| if checked { v.is_nan() } else { *v == 0.0 });
            assert!(unset(&pool(&store)?));
            program.run(None)?;
            assert!(unset(&program.read(sum)?));
            assert!(program.read(state)?.iter().all(|&v| v == 0.0));
        }
        Ok(())
    }
}
