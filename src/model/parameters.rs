//! The table of every tensor that outlives a step: its name, shape, first value and place.

use std::collections::HashMap;

use super::Format;
use crate::graph::{Graph, GraphError, Shape, Tensor};
use crate::hash::Fnv;
use crate::random::{Draw, Purpose};

/// Where an entry lives. Trained parameters have two twins at the same offset: [`Arena::MOMENTUM`] and
/// [`Arena::GRADIENTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arena {
    /// Updated by the optimiser.
    Parameters,
    /// Keeps its first value: no gradient, no weight decay.
    Frozen,
    /// Running statistics, updated by batch normalisation.
    Running,
    /// A table of targets that outlives a step: [`Parameters::targets`].
    Targets,
}

impl Arena {
    /// Every arena of entries.
    pub const ALL: [Arena; 4] = [Arena::Parameters, Arena::Frozen, Arena::Running, Arena::Targets];
    /// The arena of the optimiser's momentum, laid out as [`Arena::Parameters`].
    pub const MOMENTUM: &'static str = "momentum";
    /// The arena of the gradients, laid out as [`Arena::Parameters`].
    pub const GRADIENTS: &'static str = "gradients";

    /// Its name in a [`crate::graph::Store`].
    pub fn name(self) -> &'static str {
        match self {
            Arena::Parameters => "parameters",
            Arena::Frozen => "frozen",
            Arena::Running => "running",
            Arena::Targets => "targets",
        }
    }
}

/// The first value of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// The same everywhere.
    Constant(f32),
    /// Uniform in ±bound.
    Uniform(f64),
    /// Normal of mean 0 and this standard deviation.
    Normal(f64),
}

impl Init {
    /// A convolution's weight `[KH, KW, IN, OUT]`: Kaiming normal, fan-out, gain sqrt(2)
    /// (`nn.init.kaiming_normal_(mode="fan_out", nonlinearity="relu")`, torchvision's ResNet).
    pub fn convolution(kernel: usize, output: usize) -> Init {
        Init::Normal((2.0 / (output * kernel * kernel) as f64).sqrt())
    }

    /// Weight and bias of a linear layer, U(±1/sqrt(in)) (`nn.Linear`'s default).
    pub fn linear(input: usize) -> Init {
        Init::Uniform(1.0 / (input as f64).sqrt())
    }
}

/// One tensor that outlives a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// PyTorch's name.
    pub name: String,
    /// Dimensions and layout in memory.
    pub shape: Shape,
    /// How it lies in PyTorch.
    pub format: Format,
    /// Its first value.
    pub init: Init,
    /// Where it lives.
    pub arena: Arena,
    /// First word there, a multiple of 64.
    pub offset: usize,
}

impl Entry {
    /// Dimensions in PyTorch's order.
    pub fn pytorch_dims(&self) -> Vec<usize> {
        self.format.pytorch_dims(self.shape.dims())
    }

    /// Values in PyTorch's order, from those in this entry's.
    pub fn to_pytorch(&self, values: &[f32]) -> Vec<f32> {
        self.format.to_pytorch(self.shape.dims(), values)
    }

    /// Values in this entry's order, from those in PyTorch's.
    pub fn from_pytorch(&self, values: &[f32]) -> Vec<f32> {
        self.format.from_pytorch(self.shape.dims(), values)
    }

    /// The first value under a seed, without padding. The stream is named by the entry's name alone, so a value does not
    /// depend on what else is in the model.
    fn first_value(&self, seed: u64) -> Vec<f32> {
        let key = Fnv::of(self.name.bytes());
        let mut draw = Draw::new(seed, Purpose::Parameters, (key >> 32) as u32, key as u32, 0);
        (0..self.shape.len())
            .map(|_| match self.init {
                Init::Constant(value) => value,
                Init::Uniform(bound) => draw.uniform(-bound, bound) as f32,
                Init::Normal(deviation) => (deviation * draw.normal()) as f32,
            })
            .collect()
    }
}

/// Offsets are multiples of this many words, so that a binding may start at any of them.
const ALIGNMENT: usize = 64;

/// The table. It fills while a model is built; building a second graph with it finds the same entries again.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    words: HashMap<Arena, usize>,
    split: Option<usize>,
}

impl Parameters {
    /// An empty table.
    pub fn new() -> Parameters {
        Parameters::default()
    }

    /// Every entry, in the order in which the model was built.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|&index| &self.entries[index])
    }

    /// Entries in one arena.
    pub fn of(&self, arena: Arena) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.arena == arena)
    }

    /// Number of trained values, without padding.
    pub fn trained(&self) -> usize {
        self.of(Arena::Parameters).map(|entry| entry.shape.len()).sum()
    }

    /// Words of an arena, padding included.
    pub fn words(&self, arena: Arena) -> usize {
        self.words.get(&arena).copied().unwrap_or(0)
    }

    /// The word of [`Arena::Parameters`] from which on the predictor's parameters lie: they may have a learning rate of
    /// their own. The arena's end where there are none.
    pub fn split(&self) -> usize {
        self.split.unwrap_or_else(|| self.words(Arena::Parameters))
    }

    /// What is added from here on belongs to the predictor. Only the first call counts, so that a graph can be built again.
    pub(super) fn begin_predictor(&mut self) {
        let end = self.words(Arena::Parameters);
        self.split.get_or_insert(end);
    }

    /// The index of the entry of that name, added where there is none. An error where there is one of another shape or
    /// arena: two layers would share a name.
    pub(super) fn add(
        &mut self,
        name: String,
        dims: &[usize],
        format: Format,
        init: Init,
        arena: Arena,
    ) -> Result<usize, GraphError> {
        let shape = format.shape(dims);
        if let Some(&index) = self.by_name.get(&name) {
            let there = &self.entries[index];
            if there.shape == shape && there.arena == arena {
                return Ok(index);
            }
            return Err(GraphError::Shape {
                label: name,
                op: "parameter",
                inputs: format!("{shape:?} ({})", arena.name()),
                reason: format!("it is already {:?} ({})", there.shape, there.arena.name()),
            });
        }
        let end = self.words.entry(arena).or_default();
        let offset = *end;
        *end = (offset + shape.stored_len()).next_multiple_of(ALIGNMENT);
        self.by_name.insert(name.clone(), self.entries.len());
        self.entries.push(Entry { name, shape, format, init, arena, offset });
        Ok(self.entries.len() - 1)
    }

    /// The table of targets `[rows, width]` in a graph, a random direction a row at first. It is part of a run's state as running
    /// statistics are, and of its checkpoints as `targets`, which PyTorch has no place for.
    pub fn targets(&mut self, graph: &mut Graph, rows: usize, width: usize) -> Result<Tensor, GraphError> {
        let (name, arena) = (Arena::Targets.name(), Arena::Targets);
        let dims = [rows, width];
        // Of about unit length.
        let init = Init::Normal(1.0 / (width as f64).sqrt());
        let index = self.add(name.to_owned(), &dims, Format::Vector, init, arena)?;
        let entry = &self.entries[index];
        Ok(graph.state(&entry.name, entry.shape.clone(), arena.name(), entry.offset))
    }

    /// The first values of all entries under a seed, in their order, without padding.
    pub fn initialize(&self, seed: u64) -> Vec<Vec<f32>> {
        self.entries.iter().map(|e| e.first_value(seed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> Parameters {
        let mut table = Parameters::new();
        for name in names {
            let init = Init::convolution(3, 10);
            let added = table.add(name.to_string(), &[3, 3, 5, 10], Format::Convolution, init, Arena::Parameters);
            assert!(added.is_ok());
        }
        table
    }

    #[test]
    fn an_entry_is_added_once_and_aligned() {
        let mut table = table(&["a", "b", "a"]);
        assert_eq!(table.entries().len(), 2);
        // 3 x 3 x 8 x 12 words are 864, the next multiple of 64 is 896.
        assert_eq!(table.get("b").map(|e| e.offset), Some(896));
        assert_eq!(table.words(Arena::Parameters), 1792);
        assert_eq!(table.split(), 1792);
        table.begin_predictor();
        let vector = (&[10][..], Format::Vector, Init::Constant(1.0), Arena::Parameters);
        assert_eq!(table.add("c".into(), vector.0, vector.1, vector.2, vector.3).ok(), Some(2));
        table.begin_predictor();
        assert_eq!(table.split(), 1792);
        assert_eq!(table.trained(), 2 * 450 + 10);
        let error = table.add("a".into(), vector.0, vector.1, vector.2, vector.3);
        assert_eq!(
            error.map_err(|e| e.to_string()),
            Err("a: parameter cannot take [10] (parameters): it is already [3, 3, 5, 10] (parameters)".into())
        );
    }

    #[test]
    fn first_values_depend_on_seed_and_name_only() {
        let one = table(&["a", "b"]).initialize(3);
        let other = table(&["c", "b", "a"]).initialize(3);
        assert_eq!(one[0], other[2]);
        assert_eq!(one[1], other[1]);
        assert_ne!(one[0], one[1]);
        assert_ne!(one[0], table(&["a"]).initialize(4)[0]);
    }

    #[test]
    fn first_values_have_the_moments_of_their_rule() {
        let names: Vec<String> = (0..200).map(|i| format!("conv{i}")).collect();
        let values = table(&names.iter().map(String::as_str).collect::<Vec<_>>()).initialize(0);
        let all: Vec<f64> = values.iter().flatten().map(|&v| f64::from(v)).collect();
        let variance = all.iter().map(|v| v * v).sum::<f64>() / all.len() as f64;
        // 2 / (10 x 9), within four standard errors.
        let expected = 2.0 / 90.0;
        assert!((variance / expected - 1.0).abs() < 4.0 * (2.0 / all.len() as f64).sqrt());
        let Init::Uniform(bound) = Init::linear(16) else {
            panic!("a linear layer starts uniform");
        };
        assert_eq!(bound, 0.25);
    }
}
