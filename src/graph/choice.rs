//! Which of its candidate kernels each node runs. Operators offer candidates, fastest guess first; a tuner may know better.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Graph, Node, Target};
use crate::gpu::shader::compose;
use crate::hash::Fnv;

/// The candidate chosen for each kind of node: [`Graph::signature`] to [`Candidate::name`](super::Candidate::name). Kept in a run's folder, so that a
/// resumed run has the same kernels and the same bits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices(pub BTreeMap<String, String>);

impl Graph {
    /// What decides which candidates a node has: its operator with all settings, and the shapes around it. The same in every
    /// graph.
    pub fn signature(&self, node: &Node) -> String {
        let io = self.io(node);
        format!("{:?} {:?} -> {:?}", node.op, io.inputs, io.outputs)
    }

    /// Makes every node whose kind is in `choices` run that candidate, where the device has it.
    pub fn choose(&mut self, choices: &Choices) {
        for index in 0..self.nodes.len() {
            let chosen = choices.0.get(&self.signature(&self.nodes[index]));
            self.nodes[index].candidate = chosen.cloned();
        }
    }

    /// Adds to a hash what decides the bits of this graph's results on a device: the text and the dispatch of every kernel.
    pub fn fingerprint(&self, target: &Target, hash: &mut Fnv) {
        let mut seen = HashSet::new();
        for launch in self.lower(target).iter().flat_map(|l| &l.launches) {
            hash.add(&format!("{launch:?}"));
            if seen.insert(launch.kernel.key()) {
                // A kernel that cannot be composed cannot run either, and is reported then.
                hash.add(&compose(&launch.kernel).unwrap_or_default());
            }
        }
    }
}
