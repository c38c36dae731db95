//! Where a run waits for other ranks: what stands before is sent to the device, a tensor comes back, the ranks exchange it, the result
//! is written, and the rest goes on.

use std::time::{Duration, Instant};

use super::{GraphError, Node, Tensor};
use crate::gpu::{Binding, Gpu, Readback};
use crate::ranks::{self, Communicator};

/// What ranks do with a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exchange {
    /// Every rank gets what all have: of each of `parts` equal parts of the tensor that of rank 0, then that of rank 1 and so on.
    Gather {
        /// Parts.
        parts: usize,
    },
    /// Every rank gets the sum over all, made in their order, times a factor.
    Sum {
        /// The factor.
        scale: f32,
    },
}

/// An exchange in a compiled graph.
pub(super) struct Stop {
    /// The dispatch before which it happens.
    pub at: usize,
    /// Brings the tensor back.
    pub readback: Readback,
    what: Exchange,
    target: Binding,
}

impl Stop {
    /// The exchange of a node: from its input to its output, or of the state that it updates.
    pub fn new(
        gpu: &Gpu,
        what: Exchange,
        node: &Node,
        at: usize,
        binding: impl Fn(&Tensor) -> Binding,
    ) -> Option<Stop> {
        let source = binding(node.inputs.first().or(node.updates.first())?);
        let target = binding(node.outputs.first().or(node.updates.first())?);
        Some(Stop { at, readback: Readback::new(gpu, vec![source]), what, target })
    }

    /// Waits for the device and for the other ranks; how long for them.
    pub fn exchange(&mut self, gpu: &Gpu, link: &dyn Communicator) -> Result<Duration, GraphError> {
        let Some((_, mut read)) = self.readback.wait()? else {
            return Ok(Duration::ZERO); // cannot be: the plan has copied it
        };
        let values = read.swap_remove(0);
        let began = Instant::now();
        let values = match self.what {
            Exchange::Gather { parts } => ranks::gather(link, values, parts)?,
            Exchange::Sum { scale } => {
                let mut sums = ranks::sum(link, values)?;
                if scale != 1.0 {
                    sums.iter_mut().for_each(|value| *value *= scale);
                }
                sums
            }
        };
        let waited = began.elapsed();
        self.target.buffer.write(gpu, self.target.offset, &values);
        Ok(waited)
    }
}
