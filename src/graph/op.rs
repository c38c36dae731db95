//! What an operator is: a shape rule, a gradient rule, the kernels it runs, and a plain CPU reference.

use super::{Array, Candidate, Graph, GraphError, Node, Shape, Tensor};
use crate::gpu::{AdapterReport, Binding, Buffer, Coop, Gpu, GpuError, Kernel, Tier};

/// What an operator may know of the device its kernels will run on.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// A CPU does the work: barriers and per-lane loads are dear, registers are cheap.
    pub software: bool,
    /// What kernels may count on.
    pub tier: Tier,
    /// Lanes of a subgroup, where they are always as many and kernels may use subgroups.
    pub subgroup: Option<usize>,
    /// Largest binding in words.
    pub max_words: usize,
    /// Cooperative matrices that kernels may use.
    pub coop: Option<Coop>,
    /// Threads of a workgroup.
    pub threads: usize,
    /// Workgroup memory in bytes.
    pub workgroup_memory: usize,
    /// Compute units to fill with work. Nothing tells how many a device has, so this is a guess; a tuner times several
    /// candidates.
    pub units: usize,
}

impl Target {
    /// What WebGPU guarantees: no extensions, bindings of 128 MiB, workgroups of 256 threads with 16 KiB of memory.
    pub fn basic(software: bool) -> Target {
        Target {
            software,
            tier: Tier::Basic,
            subgroup: None,
            coop: None,
            max_words: 1 << 25,
            threads: 256,
            workgroup_memory: 16 << 10,
            units: UNITS,
        }
    }

    /// The kinds of device that kernels are chosen for, with this device's limits: every one must be right on every device
    /// that has its features.
    pub fn kinds(gpu: &Gpu) -> Vec<Target> {
        let here = Target::of(gpu);
        let kind = |software, subgroup| Target { software, subgroup, coop: None, ..here };
        // A small GPU is full with a few large tiles, so its candidates are others.
        let small = Target { units: 1, ..kind(false, None) };
        let mut kinds = vec![kind(true, None), kind(false, None), small];
        kinds.extend(gpu.report().coop.map(|coop| Target { coop: Some(coop), ..small }));
        kinds.extend(here.subgroup.map(|lanes| kind(true, Some(lanes))));
        kinds
    }

    /// Of an open device.
    pub fn of(gpu: &Gpu) -> Target {
        let report: &AdapterReport = gpu.report();
        let (least, most) = report.subgroup;
        let fixed = report.tier >= Tier::Subgroups && least == most && least > 1;
        Target {
            subgroup: fixed.then_some(least as usize),
            software: gpu.is_software(),
            tier: report.tier,
            // Sums in f16 are too coarse to train with.
            coop: report.coop.filter(|coop| coop.f32_sum),
            max_words: gpu.max_tensor_words(),
            threads: report.workgroup_threads as usize,
            workgroup_memory: report.workgroup_memory as usize,
            units: UNITS,
        }
    }
}

/// Compute units of a large GPU.
const UNITS: usize = 128;

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
}

/// Workgroup counts of a long one-dimensional dispatch: `flat_workgroup` of `common/grid` undoes it. There may be up to
/// one row of workgroups too many, so kernels check their index.
pub fn grid(workgroups: usize) -> [u32; 3] {
    const MOST: usize = 65_535;
    let y = workgroups.div_ceil(MOST).max(1);
    [workgroups.div_ceil(y) as u32, y as u32, 1]
}

/// An operator.
pub trait Op: std::fmt::Debug + Send + Sync {
    /// Its name, that of its kernel family.
    fn name(&self) -> &'static str;

    /// Shapes of its outputs, or what is wrong with the inputs.
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String>;

    /// Whether its kernels read activations in f16; the others are given f32 by a cast.
    fn takes_f16(&self) -> bool {
        false
    }

    /// Adds nodes that compute the gradient of each wanted input from those of the outputs (`None`: the loss does not
    /// depend on that output).
    fn gradient(
        &self,
        _graph: &mut Graph,
        node: &Node,
        _outputs: &[Option<Tensor>],
        _wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        Err(GraphError::NoGradient { label: node.label.clone(), op: self.name() })
    }

    /// Whether nothing before it takes a gradient through it.
    fn stops_gradient(&self) -> bool {
        false
    }

    /// The input whose memory the only output shares: such an operator has no kernel.
    fn alias(&self) -> Option<usize> {
        None
    }

    /// The kernels that compute it.
    fn lower(&self, io: &Io, target: &Target) -> Lowered;

    /// The ways to compute it on this device, the best guess, which is [`Op::lower`], first. They differ in speed and in the
    /// order of their sums, not in what they compute; every one is right on every shape.
    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        vec![Candidate { name: String::from("only"), lowered: self.lower(io, target) }]
    }

    /// The same in plain f64 loops; `updates` holds the state before and is left as the state after.
    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array>;

    /// Whether running it once more costs about as much as reading its inputs and writing its output, so that the output is
    /// rather made again than kept for the backward pass.
    fn cheap(&self) -> bool {
        false
    }

    /// Floating-point operations (a multiply-add is two).
    fn flops(&self, _io: &Io) -> u64 {
        0
    }
}
