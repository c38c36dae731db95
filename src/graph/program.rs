//! A graph on a device: memory bound, kernels compiled, ready to be replayed.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::exchange::Stop;
use super::memory::Item;
use super::{Array, Graph, GraphError, Layout, Memory, Place, Shape, Slot, Store, Target, Tensor};
use crate::gpu::{Binding, Buffer, Dispatch, Gpu, GpuError, Plan, PlanBuilder, Readback};
use crate::ranks::Link;

/// A compiled graph.
pub struct Program {
    pub(super) gpu: Gpu,
    pub(super) plan: Plan,
    pub(super) bound: HashMap<Tensor, (Binding, Shape)>,
    memory: Memory,
    pub(super) graph: Graph,
    /// The dispatches of every node.
    pub(super) parts: Vec<Range<usize>>,
    /// Where a run waits for other ranks, in order.
    stops: Vec<Stop>,
    link: Link,
    /// Time spent waiting for other ranks, in all.
    waited_for_ranks: Duration,
}

impl Program {
    /// Compiles a graph. Its state lives in `store`; an arena that is not there yet is made, zeroed.
    pub fn compile(graph: &Graph, store: &mut Store) -> Result<Program, GraphError> {
        Program::compile_for(graph, store, &Target::of(store.gpu()))
    }

    /// Compiles with the kernels that another kind of device would run, which must be right on this one too.
    pub fn compile_for(graph: &Graph, store: &mut Store, target: &Target) -> Result<Program, GraphError> {
        let gpu = store.gpu().clone();
        let memory = graph.memory(target)?;
        let lowered = graph.lower(target);
        let assignment = graph.assign(&lowered);
        let pool = store.pool(&assignment.buffers)?;
        let mut extent: HashMap<&'static str, usize> = HashMap::new();
        for (_, info) in graph.tensors() {
            if let Place::State { arena, offset } = info.place {
                let end = extent.entry(arena).or_default();
                *end = (*end).max(offset + info.shape.stored_len());
            }
        }
        for (arena, words) in extent {
            if store.arena(arena).is_none_or(|b| b.words() < words) {
                store.create(arena, words)?;
            }
        }
        let mut bound: HashMap<Tensor, (Binding, Shape)> = HashMap::new();
        for (tensor, info) in graph.tensors() {
            let words = info.shape.stored_len().max(4);
            let whole = |buffer: Buffer| Binding { buffer, offset: 0, words };
            let binding = match &info.place {
                Place::Pool => match assignment.of.get(&Item::Tensor(tensor)) {
                    Some(&(buffer, offset)) => Binding { buffer: pool[buffer].clone(), offset, words },
                    None => continue, // neither written nor read
                },
                Place::Host => whole(Buffer::uninitialized(&gpu, &info.name, words)?),
                Place::Constant(value) => {
                    let buffer = Buffer::new(&gpu, &info.name, words)?;
                    buffer.write(&gpu, 0, &info.shape.to_words(&vec![*value; info.shape.len()]));
                    whole(buffer)
                }
                Place::State { arena, offset } => match store.arena(arena) {
                    Some(buffer) => Binding { buffer: buffer.clone(), offset: *offset, words },
                    None => continue, // cannot be: made above
                },
                Place::Alias(of) => match bound.get(of) {
                    Some((binding, _)) => binding.clone(),
                    None => continue,
                },
            };
            bound.insert(tensor, (binding, info.shape.clone()));
        }
        let mut builder = PlanBuilder::new(&gpu);
        let (mut parts, mut stops) = (Vec::new(), Vec::new());
        for (index, (node, lowered)) in graph.nodes().iter().zip(&lowered).enumerate() {
            // The node's work is that of the family it launches most often, the first of equals: what sums its parts or brings them
            // into another form is overhead.
            let shaders = lowered.launches.iter().map(|l| l.kernel.shader);
            let launches = |shader: &&str| shaders.clone().filter(|s| s == shader).count();
            let family = shaders.clone().rev().max_by_key(launches).unwrap_or("");
            let working = |shader: &str| shader == family;
            let workers = lowered.launches.iter().filter(|l| working(l.kernel.shader));
            let first = builder.len();
            let flops = node.op.flops(&graph.io(node)) as f64 / workers.count().max(1) as f64;
            for launch in &lowered.launches {
                let binding = |slot: &Slot| -> Result<Binding, GpuError> {
                    let mut binding = match slot.item(graph, index) {
                        Ok(Item::Tensor(t)) => bound[&t].0.clone(),
                        Ok(item @ Item::Scratch(_, i)) => {
                            let (buffer, offset) = assignment.of[&item];
                            Binding { buffer: pool[buffer].clone(), offset, words: lowered.scratch[i].max(4) }
                        }
                        Err(i) => launch.bind_table(&gpu, i)?,
                    };
                    if let Some((offset, words)) = slot.part {
                        binding = Binding { offset: binding.offset + offset, words, ..binding };
                    }
                    Ok(binding)
                };
                let bindings = launch.slots.iter().map(binding).collect::<Result<Vec<Binding>, GpuError>>()?;
                builder.push(&Dispatch {
                    kernel: launch.kernel.clone(),
                    bindings,
                    workgroups: launch.workgroups,
                    label: node.label.clone(),
                    flops: if working(launch.kernel.shader) { flops } else { 0.0 },
                })?;
            }
            parts.push(first..builder.len());
            if let Some(exchange) = node.op.exchange().filter(|_| !graph.ranks().is_alone()) {
                let binding = |tensor: &Tensor| bound[tensor].0.clone();
                stops.extend(Stop::new(&gpu, exchange, node, builder.len(), binding));
            }
        }
        let link = store.link().clone();
        Ok(Program {
            plan: builder.finish(),
            bound,
            memory,
            graph: graph.clone(),
            parts,
            stops,
            link,
            waited_for_ranks: Duration::ZERO,
            gpu,
        })
    }

    /// What it took.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Number of dispatches of one run.
    pub fn dispatches(&self) -> usize {
        self.plan.len()
    }

    /// The recorded dispatches: how their submits are cut, and when the device runs them.
    pub fn plan(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// Sends one run to the device; see [`Plan::run`]. Of several ranks, each waits where they exchange something.
    pub fn run(&mut self, after: Option<(&mut Readback, u64)>) -> Result<(), GraphError> {
        let mut first = 0;
        for stop in &mut self.stops {
            self.plan.run_range(first..stop.at, Some((&mut stop.readback, 0)))?;
            self.waited_for_ranks += stop.exchange(&self.gpu, &*self.link)?;
            first = stop.at;
        }
        Ok(self.plan.run_range(first..self.plan.len(), after)?)
    }

    /// Time that runs have spent on exchanges with other ranks, in all: most of it waiting for the slowest.
    pub fn waited_for_ranks(&self) -> Duration {
        self.waited_for_ranks
    }

    /// Where a tensor lies. `None` for one that is not used.
    pub fn binding(&self, tensor: Tensor) -> Option<&Binding> {
        self.bound.get(&tensor).map(|(binding, _)| binding)
    }

    /// A readback of these tensors, none of them in f16, after each run; values come as they lie in memory, padded.
    pub fn readback(&self, tensors: &[Tensor]) -> Readback {
        Readback::new(&self.gpu, tensors.iter().filter_map(|t| self.binding(*t).cloned()).collect())
    }

    /// Writes an input or a state, values in row-major order without padding.
    pub fn write(&self, tensor: Tensor, values: &[f32]) {
        if let Some((binding, shape)) = self.bound.get(&tensor) {
            binding.buffer.write(&self.gpu, binding.offset, &shape.to_words(values));
        }
    }

    /// Writes words that are not floats.
    pub fn write_words<T: bytemuck::NoUninit>(&self, tensor: Tensor, words: &[T]) {
        if let Some((binding, _)) = self.bound.get(&tensor) {
            binding.buffer.write(&self.gpu, binding.offset, words);
        }
    }

    /// Writes an array, words as words.
    pub fn write_array(&self, tensor: Tensor, array: &Array) {
        match self.bound.get(&tensor).map(|(_, shape)| shape.layout()) {
            Some(Layout::Words) => {
                self.write_words(tensor, &array.data.iter().map(|&v| v as u32).collect::<Vec<_>>());
            }
            _ => self.write(tensor, &array.to_f32()),
        }
    }

    /// Waits for the device and reads a tensor, without padding.
    pub fn read(&self, tensor: Tensor) -> Result<Vec<f32>, GpuError> {
        match self.bound.get(&tensor) {
            None => Ok(Vec::new()),
            Some((b, shape)) if shape.layout() == Layout::Words => {
                let words: Vec<u32> = b.buffer.read(&self.gpu, b.offset, shape.len())?;
                Ok(words.into_iter().map(|w| w as f32).collect())
            }
            Some((b, shape)) => {
                let words = b.buffer.read(&self.gpu, b.offset, shape.stored_len())?;
                Ok(shape.unpack(&shape.from_words(&words)))
            }
        }
    }

    /// The same as an array.
    pub fn read_array(&self, tensor: Tensor) -> Result<Array, GpuError> {
        let dims = self.bound.get(&tensor).map(|(_, shape)| shape.dims().to_vec()).unwrap_or_default();
        Ok(Array::from_f32(&dims, &self.read(tensor)?))
    }
}
