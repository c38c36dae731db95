//! How a node comes to the device: its kernels, what they bind, and the memory between them.

use super::Shape;
use crate::gpu::{Binding, Buffer, Gpu, GpuError, Kernel};

/// The shapes around a node.
#[derive(Debug, Clone)]
pub struct Io {
    /// What it reads.
    pub inputs: Vec<Shape>,
    /// What it makes.
    pub outputs: Vec<Shape>,
    /// The state it updates in place.
    pub updates: Vec<Shape>,
}

impl Io {
    /// All inputs, then the updated state, then all outputs: the order in which most kernels bind them.
    pub fn slots(&self) -> Vec<Slot> {
        let inputs = (0..self.inputs.len()).map(Slot::input);
        let updates = (0..self.updates.len()).map(Slot::update);
        inputs.chain(updates).chain((0..self.outputs.len()).map(Slot::output)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Input(usize),
    Output(usize),
    Update(usize),
    Scratch(usize),
    Table(usize),
}

/// Which tensor of its node a kernel binds.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub(super) role: Role,
    pub(super) part: Option<(usize, usize)>,
}

impl Slot {
    /// Input `i` of the node.
    pub fn input(i: usize) -> Slot {
        Slot { role: Role::Input(i), part: None }
    }
    /// Output `i` of the node.
    pub fn output(i: usize) -> Slot {
        Slot { role: Role::Output(i), part: None }
    }
    /// State `i` that the node updates.
    pub fn update(i: usize) -> Slot {
        Slot { role: Role::Update(i), part: None }
    }
    /// Scratch memory `i` of the node.
    pub fn scratch(i: usize) -> Slot {
        Slot { role: Role::Scratch(i), part: None }
    }
    /// Only `words` words from `offset` (a multiple of 64) on.
    #[must_use]
    pub fn part(self, offset: usize, words: usize) -> Slot {
        Slot { part: Some((offset, words)), ..self }
    }
}

/// One kernel of a node.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What runs.
    pub kernel: Kernel,
    /// On what, in the order of the kernel's bindings.
    pub slots: Vec<Slot>,
    /// How many workgroups.
    pub workgroups: [u32; 3],
    /// Words that the kernel reads and nothing writes.
    pub tables: Vec<Vec<u32>>,
}

impl Launch {
    /// A launch.
    pub fn new(kernel: Kernel, slots: impl Into<Vec<Slot>>, workgroups: [u32; 3]) -> Launch {
        Launch { kernel, slots: slots.into(), workgroups, tables: Vec::new() }
    }

    /// Binds `words`, not empty, after the other slots: what does not change from run to run and is too long for constants.
    #[must_use]
    pub fn table(mut self, words: Vec<u32>) -> Launch {
        self.slots.push(Slot { role: Role::Table(self.tables.len()), part: None });
        self.tables.push(words);
        self
    }

    /// Table `i` on a device.
    pub(super) fn bind_table(&self, gpu: &Gpu, i: usize) -> Result<Binding, GpuError> {
        let words = self.tables[i].len().next_multiple_of(4);
        let buffer = Buffer::new(gpu, self.kernel.shader, words)?;
        buffer.write(gpu, 0, &self.tables[i]);
        Ok(Binding { buffer, offset: 0, words })
    }
}

/// The kernels of a node, in order, and the scratch memory between them.
#[derive(Debug, Clone, Default)]
pub struct Lowered {
    /// Kernels.
    pub launches: Vec<Launch>,
    /// Words of each scratch buffer.
    pub scratch: Vec<usize>,
}

impl Lowered {
    /// A node of one kernel.
    pub fn one(launch: Launch) -> Lowered {
        Lowered { launches: vec![launch], scratch: Vec::new() }
    }

    /// A node of one kernel that binds everything, as [`Io::slots`] orders it.
    pub fn of(io: &Io, kernel: Kernel, workgroups: usize) -> Lowered {
        Lowered::one(Launch::new(kernel, io.slots(), grid(workgroups)))
    }

    /// The same with a thread a vec4 of the first output, whose number is the constant `VECTORS`; workgroups of 64.
    pub fn per_vector(io: &Io, kernel: Kernel) -> Lowered {
        let vectors = io.outputs[0].vectors();
        Lowered::of(io, kernel.with("VECTORS", vectors), vectors.div_ceil(64))
    }
}

/// Workgroup counts of a long one-dimensional dispatch: `flat_workgroup` of `common/grid` undoes it. There may be up to
/// one row of workgroups too many, so kernels check their index.
pub fn grid(workgroups: usize) -> [u32; 3] {
    const MOST: usize = 65_535;
    let y = workgroups.div_ceil(MOST).max(1);
    [workgroups.div_ceil(y) as u32, y as u32, 1]
}

/// One way to compute a node on a device.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Family and tile, such as `register 1x16x4`: tells it from the node's other candidates, also in a later run.
    pub name: String,
    /// Its kernels.
    pub lowered: Lowered,
}
