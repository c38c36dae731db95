//! The table's values on a device: written once, read for checkpoints.

use std::collections::HashMap;

use super::{Arena, Entry, Parameters};
use crate::gpu::GpuError;
use crate::graph::Store;

impl Parameters {
    /// Makes the arenas of all entries, of momentum and gradients, zeroed. To be called once per run, before a graph is
    /// compiled, so that every graph finds them in their full size.
    pub fn allocate(&self, store: &mut Store) -> Result<(), GpuError> {
        self.allocate_frozen(store)?;
        let words = self.words(Arena::PARAMETERS);
        store.create(Arena::MOMENTUM.0, words)?;
        store.create(Arena::GRADIENTS.0, words)
    }

    /// The same without momentum and gradients, for a network that is not trained.
    pub fn allocate_frozen(&self, store: &mut Store) -> Result<(), GpuError> {
        for arena in self.arenas() {
            store.create(arena.0, self.words(arena))?;
        }
        Ok(())
    }

    /// Writes the values of all entries, in their order, without padding. Panics where an entry's length differs or the
    /// arenas are missing ([`Parameters::allocate`]).
    pub fn write(&self, store: &Store, values: &[Vec<f32>]) {
        assert_eq!(values.len(), self.entries().len(), "one value per entry");
        for arena in self.arenas() {
            let pairs = self.entries().iter().zip(values);
            let pairs = pairs.filter(|(entry, _)| entry.arena == arena);
            self.write_arena(store, arena, self.words(arena), pairs);
        }
    }

    /// Writes the twin of every trained entry (in the order of [`Parameters::of`]) in [`Arena::MOMENTUM`] or
    /// [`Arena::GRADIENTS`]. Panics as [`Parameters::write`] does.
    pub fn write_twins(&self, store: &Store, arena: Arena, values: &[Vec<f32>]) {
        let words = self.words(Arena::PARAMETERS);
        self.write_arena(store, arena, words, self.of(Arena::PARAMETERS).zip(values));
    }

    /// The values of all entries, in their order, without padding. Waits for the device.
    pub fn read(&self, store: &Store) -> Result<Vec<Vec<f32>>, GpuError> {
        let mut stored: HashMap<Arena, Vec<f32>> = HashMap::new();
        for arena in self.arenas() {
            stored.insert(arena, read_arena(store, arena)?);
        }
        Ok(self.entries().iter().map(|entry| slice(entry, &stored[&entry.arena])).collect())
    }

    /// The twin of every trained entry, in the order of [`Parameters::of`], from [`Arena::MOMENTUM`] or
    /// [`Arena::GRADIENTS`]. Waits for the device.
    pub fn read_twins(&self, store: &Store, arena: Arena) -> Result<Vec<Vec<f32>>, GpuError> {
        let stored = read_arena(store, arena)?;
        Ok(self.of(Arena::PARAMETERS).map(|entry| slice(entry, &stored)).collect())
    }

    /// One write for a whole arena: thousands of small ones would each cost a staging buffer.
    fn write_arena<'a>(
        &self,
        store: &Store,
        arena: Arena,
        words: usize,
        values: impl Iterator<Item = (&'a Entry, &'a Vec<f32>)>,
    ) {
        let mut stored = vec![0.0; words];
        for (entry, values) in values {
            let packed = entry.shape.pack(values);
            stored[entry.offset..entry.offset + packed.len()].copy_from_slice(&packed);
        }
        match store.arena(arena.0) {
            Some(buffer) => buffer.write(store.gpu(), 0, &stored),
            None => assert_eq!(words, 0, "arena `{}` has not been allocated", arena.0),
        }
    }
}

fn read_arena(store: &Store, arena: Arena) -> Result<Vec<f32>, GpuError> {
    match store.arena(arena.0) {
        Some(buffer) => buffer.read(store.gpu(), 0, buffer.words()),
        None => Ok(Vec::new()),
    }
}

fn slice(entry: &Entry, stored: &[f32]) -> Vec<f32> {
    let end = entry.offset + entry.shape.stored_len();
    entry.shape.unpack(&stored[entry.offset..end])
}
