//! The table of every tensor that outlives a step: its name, shape, first value and place. Weights, running statistics, and what a
//! method keeps beside them: averages of weights, a queue, prototypes, targets.

use std::collections::HashMap;

use super::Format;
use crate::graph::{Graph, GraphError, Shape, Tensor};
use crate::hash::Fnv;
use crate::random::{Draw, Purpose};

/// Where an entry lives: a buffer of a [`crate::graph::Store`] of this name. A method's own state has an arena of its own, so that
/// none grows beyond what a device binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arena(pub &'static str);

impl Arena {
    /// Updated by the optimiser.
    pub const PARAMETERS: Arena = Arena("parameters");
    /// Keeps its first value: no gradient, no weight decay.
    pub const FROZEN: Arena = Arena("frozen");
    /// Running statistics, updated by batch normalisation.
    pub const RUNNING: Arena = Arena("running");
    /// Averages of trained parameters: see [`Builder::averaged`](super::Builder::averaged).
    pub const AVERAGED: Arena = Arena("averaged");
    /// The optimiser's momentum, laid out as [`Arena::PARAMETERS`]: no entry lives there.
    pub const MOMENTUM: Arena = Arena("momentum");
    /// The gradients, laid out as [`Arena::PARAMETERS`]: no entry lives there.
    pub const GRADIENTS: Arena = Arena("gradients");
}

/// Whose learning rate a trained entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateGroup {
    /// The schedule's.
    #[default]
    Schedule,
    /// The predictor's, which may stay where it is.
    Predictor,
    /// That of a classifier that is trained with labels on top of the backbone.
    Classifier,
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
    /// Rows of unit length whose directions are uniform: `F.normalize(torch.randn(..))`.
    Directions,
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
    /// Its learning rate, where it is trained.
    pub rate: RateGroup,
    /// The entry that it is an average of: it has the same first value.
    pub average_of: Option<String>,
    /// How often batch normalisation moves it in a step.
    pub moves: u64,
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

    /// The first value under a seed, without padding. The stream is named by the entry's name alone (or that of the entry it is an average
    /// of), so a value does not depend on what else is in the model.
    fn first_value(&self, seed: u64) -> Vec<f32> {
        let name = self.average_of.as_ref().unwrap_or(&self.name);
        let key = Fnv::of(name.bytes());
        let mut draw = Draw::new(seed, Purpose::Parameters, (key >> 32) as u32, key as u32, 0);
        let mut values: Vec<f64> = (0..self.shape.len())
            .map(|_| match self.init {
                Init::Constant(value) => f64::from(value),
                Init::Uniform(bound) => draw.uniform(-bound, bound),
                Init::Normal(deviation) => deviation * draw.normal(),
                Init::Directions => draw.normal(),
            })
            .collect();
        if self.init == Init::Directions {
            for row in values.chunks_mut(self.shape.channels().max(1)) {
                let length = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
                row.iter_mut().for_each(|v| *v /= length);
            }
        }
        values.into_iter().map(|v| v as f32).collect()
    }
}

/// Offsets are multiples of this many words, so that a binding may start at any of them.
const ALIGNMENT: usize = 64;

/// The table. It fills while a model is built; building a second graph with it finds the same entries again.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    /// Words of every arena of entries, in the order of their first use.
    words: Vec<(Arena, usize)>,
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
        self.of(Arena::PARAMETERS).map(|entry| entry.shape.len()).sum()
    }

    /// Of entries (their indices) and their tensors in a graph, those that are trained.
    pub fn trained_of(&self, tensors: &[(usize, Tensor)]) -> Vec<(usize, Tensor)> {
        let trained = |&&(index, _): &&(usize, Tensor)| self.entries[index].arena == Arena::PARAMETERS;
        tensors.iter().filter(trained).copied().collect()
    }

    /// Every arena of entries.
    pub fn arenas(&self) -> impl Iterator<Item = Arena> {
        self.words.iter().map(|&(arena, _)| arena)
    }

    /// Words of an arena, padding included.
    pub fn words(&self, arena: Arena) -> usize {
        self.words.iter().find(|(known, _)| *known == arena).map_or(0, |&(_, words)| words)
    }

    /// Parts of [`Arena::PARAMETERS`] that follow each other and hold all of it: where each ends, and what its entries have in common.
    pub fn segments<K: PartialEq>(&self, of: impl Fn(&Entry) -> K) -> Vec<(usize, K)> {
        let mut segments: Vec<(usize, K)> = Vec::new();
        for entry in self.of(Arena::PARAMETERS) {
            let own = of(entry);
            match segments.last_mut() {
                Some((_, last)) if *last == own => {}
                last => {
                    if let Some((end, _)) = last {
                        *end = entry.offset;
                    }
                    segments.push((0, own));
                }
            }
        }
        if let Some((end, _)) = segments.last_mut() {
            *end = self.words(Arena::PARAMETERS);
        }
        segments
    }

    /// Those with the same learning rate.
    pub fn rate_groups(&self) -> Vec<(usize, RateGroup)> {
        self.segments(|entry| entry.rate)
    }

    /// Ranges of words of [`Arena::PARAMETERS`] and where each begins in [`Arena::AVERAGED`], which holds averages of them.
    pub fn averaged(&self) -> Vec<(std::ops::Range<usize>, usize)> {
        let mut ranges: Vec<(std::ops::Range<usize>, usize)> = Vec::new();
        for entry in self.of(Arena::AVERAGED) {
            let Some(online) = entry.average_of.as_ref().and_then(|name| self.get(name)) else { continue };
            let words = entry.shape.stored_len().next_multiple_of(ALIGNMENT);
            match ranges.last_mut() {
                Some((range, at)) if range.end == online.offset && *at + range.len() == entry.offset => {
                    range.end += words
                }
                _ => ranges.push((online.offset..online.offset + words, entry.offset)),
            }
        }
        ranges
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
        let Arena(arena_name) = arena;
        let shape = format.shape(dims);
        if let Some(&index) = self.by_name.get(&name) {
            let there = &self.entries[index];
            if there.shape == shape && there.arena == arena {
                return Ok(index);
            }
            return Err(GraphError::Shape {
                label: name,
                op: "parameter",
                inputs: format!("{shape:?} ({arena_name})"),
                reason: format!("it is already {:?} ({})", there.shape, there.arena.0),
            });
        }
        let offset = self.words(arena);
        let end = (offset + shape.stored_len()).next_multiple_of(ALIGNMENT);
        match self.words.iter_mut().find(|(known, _)| *known == arena) {
            Some((_, words)) => *words = end,
            None => self.words.push((arena, end)),
        }
        self.by_name.insert(name.clone(), self.entries.len());
        let (rate, average_of, moves) = (RateGroup::default(), None, 0);
        self.entries.push(Entry { name, shape, format, init, arena, offset, rate, average_of, moves });
        Ok(self.entries.len() - 1)
    }

    /// The entry with this index, to say more of it.
    pub(super) fn entry_mut(&mut self, index: usize) -> &mut Entry {
        &mut self.entries[index]
    }

    /// A method's own state in a graph: `[rows, width]` or `[n]` numbers, which outlive a step as running statistics do, and lie in the
    /// run's checkpoints as `name`.
    pub fn state(
        &mut self,
        graph: &mut Graph,
        name: &'static str,
        dims: &[usize],
        init: Init,
    ) -> Result<Tensor, GraphError> {
        let index = self.add(name.to_owned(), dims, Format::Vector, init, Arena(name))?;
        let entry = &self.entries[index];
        Ok(graph.state(&entry.name, entry.shape.clone(), name, entry.offset))
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
            let added = table.add(name.to_string(), &[3, 3, 5, 10], Format::Convolution, init, Arena::PARAMETERS);
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
        assert_eq!(table.words(Arena::PARAMETERS), 1792);
        let vector = (&[10][..], Format::Vector, Init::Constant(1.0), Arena::PARAMETERS);
        assert_eq!(table.add("c".into(), vector.0, vector.1, vector.2, vector.3).ok(), Some(2));
        assert_eq!(table.rate_groups(), [(1856, RateGroup::Schedule)]);
        table.entry_mut(2).rate = RateGroup::Predictor;
        assert_eq!(table.rate_groups(), [(1792, RateGroup::Schedule), (1856, RateGroup::Predictor)]);
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
    fn directions_are_rows_of_unit_length() {
        let mut table = Parameters::new();
        table.add("queue".into(), &[9, 5], Format::Vector, Init::Directions, Arena("queue")).unwrap();
        let values = &table.initialize(1)[0];
        for row in values.chunks(5) {
            assert!((row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        }
        assert_ne!(values[..5], values[5..10]);
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
