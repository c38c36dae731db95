//! Activation checkpointing: what the backward pass needs and can be recomputed is not kept for it.
//!
//! A tensor of the forward pass that is recomputed gets a twin: its node once more, just before the first node of the backward
//! pass that reads it, and so on for the inputs of that node. The same kernels on the same inputs give the same bits. Nodes that
//! update state run once.
//!
//! What is cheap to make ([`Op::cheap`](super::Op::cheap)) is recomputed wherever that lowers the peak. For a memory limit whole
//! blocks are, convolutions included (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): as few as needed,
//! chosen by bytes saved for the work done twice.

use std::collections::HashMap;

use serde::Serialize;

use super::memory::scratch_of;
use super::{Graph, GraphError, Place, Target, Tensor};

/// What [`Graph::recompute`] decided.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Recomputed {
    /// Tensors that are recomputed.
    pub tensors: usize,
    /// Blocks that are checkpointed: only their inputs are kept.
    pub blocks: Vec<String>,
    /// Blocks that there are.
    pub of_blocks: usize,
    /// Floating-point operations done twice, as a part of those done once.
    pub work: f64,
    /// Bytes that a run needs where only what is cheap is made again.
    pub before: u64,
    /// Bytes that a run needs now.
    pub after: u64,
}

/// How much of a block is run again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    Nothing,
    /// Its result is kept.
    Inside,
    /// Its result is made again too, from what came before it.
    Whole,
}

/// A graph, and which of its tensors may be made again.
struct Plan<'a> {
    graph: &'a Graph,
    scratch: Vec<&'a [usize]>,
    /// The node that makes each tensor that may be made again.
    maker: Vec<Option<usize>>,
}

impl Graph {
    /// Makes again in the backward pass what need not be kept for it, so that a run needs fewer bytes: only what is cheap, and
    /// no more of it than lowers the peak; with a `limit` in bytes whole blocks too, until a run fits, or, where it cannot,
    /// until it needs as little as can be.
    pub fn recompute(&mut self, target: &Target, limit: Option<u64>) -> Result<Recomputed, GraphError> {
        let memory = self.memory(target)?;
        let mut recomputed = Recomputed {
            of_blocks: self.blocks.len(),
            before: memory.total(),
            after: memory.total(),
            ..Default::default()
        };
        let Some(backward) = self.backward else {
            return Ok(recomputed);
        };
        let lowered = self.lower(target);
        let plan = Plan { graph: self, scratch: scratch_of(&lowered), maker: self.makers(backward) };
        let limit = limit.map(|bytes| bytes.saturating_sub(memory.fixed));
        let none = vec![Again::Nothing; self.blocks.len()];
        let cheap = plan.thinned(plan.tensors(&none), limit);
        let before = plan.pool(&cheap);
        recomputed.before = before + memory.fixed;
        let (blocks, chosen) = match limit {
            Some(limit) if before > limit => plan.within(limit, before),
            _ => (none, cheap),
        };
        let (graph, _) = plan.rewritten(&chosen);
        recomputed.after = plan.pool(&chosen) + memory.fixed;
        recomputed.tensors = graph.nodes.len() - self.nodes.len();
        recomputed.work = graph.flops() as f64 / self.flops().max(1) as f64 - 1.0;
        let again = self.blocks.iter().zip(&blocks);
        recomputed.blocks =
            again.filter(|(_, again)| **again != Again::Nothing).map(|(block, _)| block.name.clone()).collect();
        *self = graph;
        Ok(recomputed)
    }

    /// The node that makes each tensor of the forward pass, where it may run again until the last node that reads any of them.
    fn makers(&self, backward: usize) -> Vec<Option<usize>> {
        let mut maker = vec![None; self.tensors.len()];
        for (index, node) in self.nodes[..backward].iter().enumerate() {
            let [output] = node.outputs[..] else { continue };
            let info = self.info(output);
            if info.place == Place::Pool && !info.kept && node.updates.is_empty() {
                maker[output.0 as usize] = Some(index);
            }
        }
        let reads = |tensor: &Tensor| maker[tensor.0 as usize].is_some();
        let last = self.nodes.iter().rposition(|n| n.inputs.iter().any(reads));
        for maker in &mut maker {
            let lasts = |index: usize| self.stays(&self.nodes[index].inputs, index..last.unwrap_or(0));
            *maker = maker.filter(|&index| lasts(index));
        }
        maker
    }

    /// Whether none of these nodes overwrites one of these tensors.
    fn stays(&self, tensors: &[Tensor], nodes: std::ops::Range<usize>) -> bool {
        let arena = |tensor: Tensor| match self.info(self.root(tensor)).place {
            Place::State { arena, .. } => Some(arena),
            _ => None,
        };
        let mut changed = self.nodes[nodes].iter().flat_map(|n| &n.updates);
        !changed.any(|&changed| {
            let same = |&t: &Tensor| self.root(t) == self.root(changed);
            let near = |&t: &Tensor| arena(t).is_some() && arena(t) == arena(changed);
            tensors.iter().any(|t| same(t) || near(t))
        })
    }
}

impl Plan<'_> {
    /// Which tensors are made again with these blocks: what is inside of them, and what is cheap elsewhere.
    fn tensors(&self, blocks: &[Again]) -> Vec<bool> {
        let nodes = &self.graph.nodes;
        let cheap = |maker: &Option<usize>| maker.is_some_and(|index| nodes[index].op.cheap());
        let mut again: Vec<bool> = self.maker.iter().map(cheap).collect();
        for (block, how) in self.graph.blocks.iter().zip(blocks) {
            if *how == Again::Nothing {
                continue;
            }
            for tensor in nodes[block.nodes.clone()].iter().flat_map(|n| &n.outputs) {
                let at = tensor.0 as usize;
                again[at] = self.maker[at].is_some();
            }
            again[block.output.0 as usize] &= *how == Again::Whole;
        }
        again
    }

    /// The graph with the twins of these tensors, and the scratch memory of its nodes.
    fn rewritten(&self, again: &[bool]) -> (Graph, Vec<&[usize]>) {
        let backward = self.graph.backward.unwrap_or(self.graph.nodes.len());
        let mut graph = self.graph.clone();
        let mut scratch = self.scratch.clone();
        let rest = graph.nodes.split_off(backward);
        scratch.truncate(backward);
        let mut twins = HashMap::new();
        for (index, mut node) in rest.into_iter().enumerate() {
            for input in &mut node.inputs {
                *input = self.twin(*input, again, &mut graph, &mut scratch, &mut twins);
            }
            graph.nodes.push(node);
            scratch.push(self.scratch[backward + index]);
        }
        (graph, scratch)
    }

    /// What a node of the backward pass reads for `tensor`: its twin, made now where there is none yet.
    fn twin<'a>(
        &'a self,
        tensor: Tensor,
        again: &[bool],
        graph: &mut Graph,
        scratch: &mut Vec<&'a [usize]>,
        twins: &mut HashMap<Tensor, Tensor>,
    ) -> Tensor {
        if let Some(&twin) = twins.get(&tensor) {
            return twin;
        }
        let at = tensor.0 as usize;
        let maker = match again.get(at) {
            Some(true) => self.maker[at],
            _ => None,
        };
        let Some(maker) = maker else { return tensor };
        let mut node = self.graph.nodes[maker].clone();
        for input in &mut node.inputs {
            *input = self.twin(*input, again, graph, scratch, twins);
        }
        node.label.push_str(" again");
        let shape = self.graph.shape(tensor).clone();
        let twin = graph.tensor(node.label.clone(), shape, Place::Pool);
        node.outputs = vec![twin];
        graph.nodes.push(node);
        scratch.push(self.scratch[maker]);
        twins.insert(tensor, twin);
        twin
    }

    /// Bytes of the pool alive at every node.
    fn alive(&self, again: &[bool]) -> Vec<u64> {
        let (graph, scratch) = self.rewritten(again);
        graph.alive(&scratch)
    }

    /// Bytes of the pool.
    fn pool(&self, again: &[bool]) -> u64 {
        let (graph, scratch) = self.rewritten(again);
        graph.pool(&scratch)
    }

    /// Takes out, the largest first, what is cheap to make again and need not be: without it the peak stays as low, or the pool
    /// within the limit.
    fn thinned(&self, mut again: Vec<bool>, limit: Option<u64>) -> Vec<bool> {
        let nodes = &self.graph.nodes;
        let peak = |again: &[bool]| self.alive(again).into_iter().max().unwrap_or(0);
        let mut cheap: Vec<usize> =
            (0..again.len()).filter(|&t| again[t] && self.maker[t].is_some_and(|n| nodes[n].op.cheap())).collect();
        cheap.sort_by_key(|&t| std::cmp::Reverse(self.graph.tensors[t].shape.stored_len()));
        let mut most = peak(&again);
        for tensor in cheap {
            again[tensor] = false;
            let without = peak(&again);
            let fits = || limit.is_some_and(|l| without <= l && self.pool(&again) <= l);
            match without <= most || fits() {
                true => most = without,
                false => again[tensor] = true,
            }
        }
        again
    }

    /// The blocks and tensors with which the pool is within `limit` bytes, or, where none are found, the least of those tried;
    /// `most` needs no block. What is the least for one limit is found for every limit above it.
    fn within(&self, limit: u64, most: u64) -> (Vec<Again>, Vec<bool>) {
        let attempt = |aim: u64| {
            let blocks = self.choose_blocks(aim);
            let chosen = self.thinned(self.tensors(&blocks), Some(aim));
            (self.pool(&chosen), blocks, chosen)
        };
        let mut best = attempt(limit);
        let mut aim = most;
        // A block keeps at least its input, so a tenth is out of reach.
        while best.0 > limit && aim > most / 10 {
            aim -= aim / 10;
            let found = attempt(aim);
            if found.0 < best.0 {
                best = found;
            }
        }
        (best.1, best.2)
    }

    /// Chooses blocks until the pool is within `limit` bytes or nothing helps any more; then leaves out those that the others
    /// have made needless.
    fn choose_blocks(&self, limit: u64) -> Vec<Again> {
        let mut blocks = vec![Again::Nothing; self.graph.blocks.len()];
        let fits = |blocks: &[Again]| self.pool(&self.tensors(blocks)) <= limit;
        // The pool is a little larger than what is alive at once, so the aim may have to be lower than the limit.
        let mut aim = limit;
        while !fits(&blocks) {
            // What is above the aim, summed over the nodes: falls with every block that helps, also where there are several peaks.
            let excess = |blocks: &[Again]| -> f64 {
                let alive = self.alive(&self.tensors(blocks));
                alive.iter().map(|&b| b.saturating_sub(aim) as f64).sum()
            };
            let now = excess(&blocks);
            if now == 0.0 {
                if aim < limit - limit / 4 {
                    return blocks;
                }
                aim -= limit / 50;
                continue;
            }
            let mut best: Option<(f64, usize, Again)> = None;
            for index in 0..blocks.len() {
                for how in [Again::Inside, Again::Whole] {
                    if how <= blocks[index] {
                        continue;
                    }
                    let before = std::mem::replace(&mut blocks[index], how);
                    let score = (now - excess(&blocks)) / self.work(index);
                    blocks[index] = before;
                    if score > 0.0 && best.is_none_or(|(most, ..)| score > most) {
                        best = Some((score, index, how));
                    }
                }
            }
            let Some((_, index, how)) = best else {
                return blocks;
            };
            blocks[index] = how;
        }
        let mut dear: Vec<usize> = (0..blocks.len()).collect();
        dear.sort_by(|&a, &b| self.work(b).total_cmp(&self.work(a)));
        for index in dear {
            let before = std::mem::replace(&mut blocks[index], Again::Nothing);
            if !fits(&blocks) {
                blocks[index] = before;
            }
        }
        blocks
    }

    /// What a block costs; a byte is as dear as four operations, as in [`Program`](super::Program).
    fn work(&self, block: usize) -> f64 {
        let nodes = &self.graph.nodes[self.graph.blocks[block].nodes.clone()];
        let cost = |node: &super::Node| {
            let tensors = node.inputs.iter().chain(&node.outputs);
            let words: usize = tensors.map(|&t| self.graph.shape(t).stored_len()).sum();
            node.op.flops(&self.graph.io(node)) as f64 + 16.0 * words as f64
        };
        nodes.iter().map(cost).sum::<f64>().max(1.0)
    }
}
