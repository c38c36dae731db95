//! State that outlives a step: named arenas that training and evaluation graphs share.

use std::collections::BTreeMap;

use crate::gpu::{Buffer, Gpu, GpuError};

/// Named buffers. Parameters, their gradients, momentum and running statistics each lie in one, so that the optimiser is
/// one kernel over all of them.
#[derive(Clone)]
pub struct Store {
    gpu: Gpu,
    arenas: BTreeMap<&'static str, Buffer>,
}

impl Store {
    /// An empty store on a device.
    pub fn new(gpu: &Gpu) -> Store {
        Store {
            gpu: gpu.clone(),
            arenas: BTreeMap::new(),
        }
    }

    /// Makes a zeroed arena; replaces one of that name.
    pub fn create(&mut self, arena: &'static str, words: usize) -> Result<(), GpuError> {
        self.arenas
            .insert(arena, Buffer::new(&self.gpu, arena, words)?);
        Ok(())
    }

    /// The arena of that name.
    pub fn arena(&self, arena: &str) -> Option<&Buffer> {
        self.arenas.get(arena)
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
