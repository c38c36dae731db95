//! Finds the first node of a run that makes a value that is not finite: the run is sent node by node, and each result is read before the
//! next node may use its memory for something else. The kernels and their memory are those of [`Program::run`], so are the bits.

use super::{Layout, Place, Program, Tensor};
use crate::gpu::GpuError;

/// Where the first value that is NaN or infinite came from.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFinite {
    /// The label of the node.
    pub node: String,
    /// Where it made the value, if that outlives the run: arena and word.
    pub state: Option<(&'static str, usize)>,
    /// What it read that was not finite already: an input or a state, because every result before was finite.
    pub source: Option<String>,
    /// The largest finite magnitude that it read.
    pub largest: f32,
}

impl NotFinite {
    /// In one line; `place` names what lies at [`NotFinite::state`].
    pub fn describe(&self, place: Option<&str>) -> String {
        let NotFinite { node, source, largest, .. } = self;
        let place = place.map(|name| format!(", in {name}")).unwrap_or_default();
        match source {
            None => format!(
                "{node} made the first value that is not finite{place}; its inputs were finite, up to {largest:.1e}"
            ),
            Some(source) => {
                format!("{node} made the first value that is not finite{place}: {source} was not before the step")
            }
        }
    }
}

/// What a scan of a tensor finds.
struct Scan {
    /// Index in memory, padding counted.
    not_finite: Option<usize>,
    largest: f32,
}

impl Program {
    /// Runs once, as [`Program::run`] does, up to and with the first node that makes a value that is not finite; `None` where all nodes ran
    /// and none did. Waits for the device at every node, and reads everything: for a run that has gone wrong.
    pub fn trace(&mut self) -> Result<Option<NotFinite>, GpuError> {
        for (node, part) in self.graph.nodes().iter().zip(&self.parts) {
            if part.is_empty() {
                continue;
            }
            self.plan.run_part(part.clone())?;
            for &made in node.outputs.iter().chain(&node.updates) {
                let Some(word) = self.scan(made)?.not_finite else { continue };
                let state = match self.graph.info(made).place {
                    Place::State { arena, offset } => Some((arena, offset + word)),
                    _ => None,
                };
                let mut found = NotFinite { node: node.label.clone(), state, source: None, largest: 0.0 };
                // What it updates has its new value by now.
                for &read in node.inputs.iter().filter(|read| !node.updates.contains(read)) {
                    let scan = self.scan(read)?;
                    found.largest = found.largest.max(scan.largest);
                    if scan.not_finite.is_some() {
                        found.source.get_or_insert_with(|| self.graph.info(read).name.clone());
                    }
                }
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn scan(&self, tensor: Tensor) -> Result<Scan, GpuError> {
        let mut scan = Scan { not_finite: None, largest: 0.0 };
        let Some((binding, shape)) = self.bound.get(&tensor).filter(|(_, shape)| shape.layout() != Layout::Words)
        else {
            return Ok(scan);
        };
        let words = binding.buffer.read(&self.gpu, binding.offset, shape.stored_len())?;
        for (index, value) in shape.from_words(&words).into_iter().enumerate() {
            match value.is_finite() {
                true => scan.largest = scan.largest.max(value.abs()),
                false => drop(scan.not_finite.get_or_insert(index)),
            }
        }
        Ok(scan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Gpu, GpuOptions};
    use crate::graph::{Graph, GraphError, Shape, Store};
    use crate::ops;

    /// A sum that overflows is named, not what carries it on; nor is a node whose memory another one takes over.
    #[test]
    fn the_first_node_that_overflows_is_named() -> Result<(), GraphError> {
        let gpu = Gpu::open(None, GpuOptions { checked: true })?;
        let mut graph = Graph::new();
        let x = graph.input("x", Shape::rows([64, 8]));
        let mut y = x;
        for step in 0..6 {
            y = graph.within(&format!("block{step}"), |graph| {
                let doubled = graph.add_one(ops::Add, &[y, y])?;
                graph.add_one(ops::Relu, &[doubled])
            })?;
        }
        graph.keep(y);
        let mut program = Program::compile(&graph, &mut Store::new(&gpu))?;
        program.write(x, &[1.0; 512]);
        assert_eq!(program.trace()?, None);
        assert_eq!(program.read(y)?, vec![64.0; 512]);

        let mut values = [1.0; 512];
        values[77] = 5e37;
        program.write(x, &values);
        let found = program.trace()?.map(|found| found.describe(None));
        let expected = "block2 add made the first value that is not finite; its inputs were finite, up to 2.0e38";
        assert_eq!(found.as_deref(), Some(expected));
        values[77] = f32::NAN;
        program.write(x, &values);
        let found = program.trace()?.map(|found| found.describe(None));
        assert_eq!(
            found.as_deref(),
            Some("block0 add made the first value that is not finite: x was not before the step")
        );
        Ok(())
    }
}
