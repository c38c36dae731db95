//! Memory planning by liveness: tensors that are never alive together share a buffer.

use super::op::Role;
use super::{Graph, GraphError, Lowered, Place, Slot, Target, Tensor};
use crate::gpu::{Kernel, Tier};

/// What a graph needs, in bytes, before anything is allocated.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Tensors of the step that share memory.
    pub pool: u64,
    /// The same without sharing.
    pub unshared: u64,
    /// Inputs and constants.
    pub fixed: u64,
}

impl Memory {
    /// All of it; state is counted where it is kept.
    pub fn total(&self) -> u64 {
        self.pool + self.fixed
    }
}

/// Something that needs pool memory from one node to another.
struct Span {
    what: Item,
    words: usize,
    first: usize,
    last: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Item {
    Tensor(Tensor),
    /// Scratch `1` of node `0`.
    Scratch(usize, usize),
}

/// Which buffer of the pool each item uses, and the size of every buffer in words.
pub(super) struct Assignment {
    pub slots: Vec<usize>,
    pub of: std::collections::HashMap<Item, usize>,
}

/// Places items in buffers, largest first: each takes the first buffer that is free during its life. The first item of a
/// buffer is its largest, so no buffer grows.
fn assign(mut spans: Vec<Span>) -> Assignment {
    spans.sort_by(|a, b| b.words.cmp(&a.words).then(a.first.cmp(&b.first)));
    let mut slots: Vec<(usize, Vec<(usize, usize)>)> = Vec::new();
    let mut of = std::collections::HashMap::new();
    for span in spans {
        let free =
            |lives: &[(usize, usize)]| lives.iter().all(|&(a, b)| span.last < a || b < span.first);
        let slot = slots
            .iter()
            .position(|(_, lives)| free(lives))
            .unwrap_or_else(|| {
                slots.push((span.words, Vec::new()));
                slots.len() - 1
            });
        slots[slot].1.push((span.first, span.last));
        of.insert(span.what, slot);
    }
    Assignment {
        slots: slots.into_iter().map(|(words, _)| words).collect(),
        of,
    }
}

impl Graph {
    /// The kernels of every node on a device.
    pub(super) fn lower(&self, target: &Target) -> Vec<Lowered> {
        self.nodes
            .iter()
            .map(|node| match node.op.alias() {
                Some(_) => Lowered::default(),
                None => match &node.candidate {
                    None => node.op.lower(&self.io(node), target),
                    Some(name) => {
                        let mut candidates = node.op.candidates(&self.io(node), target);
                        let chosen = candidates.iter().position(|c| c.name == *name);
                        candidates.swap_remove(chosen.unwrap_or(0)).lowered
                    }
                },
            })
            .collect()
    }

    /// Every kernel that a device would run.
    pub fn kernels(&self, target: &Target) -> Vec<Kernel> {
        self.lower(target)
            .into_iter()
            .flat_map(|node| node.launches)
            .map(|launch| launch.kernel)
            .collect()
    }

    /// Every kernel that a device may run, whichever candidates are chosen.
    pub fn possible_kernels(&self, target: &Target) -> Vec<Kernel> {
        self.nodes
            .iter()
            .filter(|node| node.op.alias().is_none())
            .flat_map(|node| node.op.candidates(&self.io(node), target))
            .flat_map(|candidate| candidate.lowered.launches)
            .map(|launch| launch.kernel)
            .collect()
    }

    pub(super) fn assign(&self, lowered: &[Lowered]) -> Assignment {
        let mut first: Vec<Option<usize>> = vec![None; self.tensors.len()];
        let mut last = vec![0; self.tensors.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for &tensor in node.outputs.iter().chain(&node.inputs).chain(&node.updates) {
                let root = self.root(tensor).0 as usize;
                first[root].get_or_insert(index);
                last[root] = index;
            }
        }
        let mut spans = Vec::new();
        for (tensor, info) in self.tensors() {
            let (Place::Pool, Some(first)) = (&info.place, first[tensor.0 as usize]) else {
                continue;
            };
            let last = if info.kept {
                self.nodes.len()
            } else {
                last[tensor.0 as usize]
            };
            spans.push(Span {
                what: Item::Tensor(tensor),
                words: info.shape.stored_len().max(4),
                first,
                last,
            });
        }
        for (index, node) in lowered.iter().enumerate() {
            for (i, &words) in node.scratch.iter().enumerate() {
                spans.push(Span {
                    what: Item::Scratch(index, i),
                    words: words.max(4),
                    first: index,
                    last: index,
                });
            }
        }
        assign(spans)
    }

    /// What one run needs on a device, without allocating anything; an error names the tensor that does not fit.
    pub fn memory(&self, target: &Target) -> Result<Memory, GraphError> {
        if target.tier < Tier::F16 && self.tensors.iter().any(|t| t.shape.is_f16()) {
            return Err(GraphError::NoF16);
        }
        let lowered = self.lower(target);
        let mut memory = Memory::default();
        for (_, info) in self.tensors() {
            let words = info.shape.stored_len();
            let bound_whole = !matches!(info.place, Place::State { .. });
            if bound_whole && words > target.max_words {
                return Err(GraphError::TensorTooLarge {
                    tensor: info.name.clone(),
                    shape: format!("{:?}", info.shape),
                    needs: (words as u64 * 4) >> 20,
                    limit: (target.max_words as u64 * 4) >> 20,
                });
            }
            match info.place {
                Place::Pool => memory.unshared += words as u64 * 4,
                Place::Host | Place::Constant(_) => memory.fixed += words as u64 * 4,
                _ => {}
            }
        }
        memory.pool = self
            .assign(&lowered)
            .slots
            .iter()
            .map(|&words| words as u64 * 4)
            .sum();
        Ok(memory)
    }
}

impl Slot {
    /// The item of the pool, or the tensor, that this slot of a node binds.
    pub(super) fn item(&self, graph: &Graph, index: usize) -> Item {
        let node = &graph.nodes[index];
        match self.role {
            Role::Input(i) => Item::Tensor(node.inputs[i]),
            Role::Output(i) => Item::Tensor(node.outputs[i]),
            Role::Update(i) => Item::Tensor(node.updates[i]),
            Role::Scratch(i) => Item::Scratch(index, i),
        }
    }
}
