//! Adds an operator: leaky ReLU, forward and backward, with the WGSL here in the file.
//!
//!     cargo run --release --example add_a_kernel
//!
//! An operator is a shape rule, a gradient rule, its kernels and a plain CPU reference. With those, `ops::check` holds the
//! kernel against the reference and its gradient against finite differences, on your adapter. Inside this crate the WGSL is
//! a file in `shaders/` and the cases join the list in `ops::cases`; everything else is as here.

use simsiam::gpu::{Gpu, Kernel, Options};
use simsiam::graph::{Array, Gradients, Graph, Io, Lowered, Node, Op, Program, Shape, Store, Target, Tensor};
use simsiam::ops::check::{Case, Fill, forward_error, gradient_error};

/// Sizes are constants of the kernel (VECTORS, SLOPE), since shapes are static. Channels are padded with zeros to a multiple
/// of four, and a kernel must keep them zero: this one does.
const FORWARD: &str = "
//!include common/grid

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i < VECTORS {
        y[i] = select(SLOPE * x[i], x[i], x[i] > vec4f());
    }
}
";

/// dx = dy where x > 0, SLOPE * dy elsewhere.
const BACKWARD: &str = "
//!include common/grid

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i < VECTORS {
        dx[i] = select(SLOPE * dy[i], dy[i], x[i] > vec4f());
    }
}
";

/// y = x where x > 0, slope·x elsewhere.
#[derive(Debug, Clone)]
struct LeakyRelu {
    slope: f32,
}

/// (dy, x) → dx
#[derive(Debug, Clone)]
struct LeakyReluGradient {
    slope: f32,
}

impl Op for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [x] => Ok(vec![x.clone()]),
            _ => Err("expected one tensor".to_string()),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> Gradients {
        let dx = graph.add_one(LeakyReluGradient { slope: self.slope }, &[dy, node.inputs[0]])?;
        Ok(vec![Some(dx)])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, Kernel::with_text("leaky_relu", FORWARD).with("SLOPE", self.slope))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let slope = f64::from(self.slope);
        vec![inputs[0].map(|x| if x > 0.0 { x } else { slope * x })]
    }
}

impl Op for LeakyReluGradient {
    fn name(&self) -> &'static str {
        "leaky_relu_gradient"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![inputs[1].clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Lowered::per_vector(io, Kernel::with_text("leaky_relu_gradient", BACKWARD).with("SLOPE", self.slope))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let slope = f64::from(self.slope);
        vec![inputs[0].zip(inputs[1], |dy, x| if x > 0.0 { dy } else { slope * dy })]
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gpu = Gpu::open(None, Options { checked: true })?;
    println!("on {}", gpu.report().name);

    // Seven channels: a shape that no vec4 divides.
    let case = Case::new("leaky_relu", LeakyRelu { slope: 0.1 }).input(Shape::rows([3, 5, 7]), Fill::Normal);
    let target = Target::of(&gpu);
    println!("error of the kernel against its reference:     {:.1e}", forward_error(&gpu, &target, &case)?);
    if let Some(error) = gradient_error(&gpu, &target, &case)? {
        println!("error of the gradient against finite differences: {error:.1e}");
    }

    // The operator in a graph of one node: compile once, run as often as you like.
    let mut graph = Graph::new();
    let x = graph.input("x", Shape::rows([1, 6]));
    let y = graph.add_one(LeakyRelu { slope: 0.1 }, &[x])?;
    graph.keep(y);
    let mut program = Program::compile(&graph, &mut Store::new(&gpu))?;
    program.write(x, &[-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]);
    program.run(None)?;
    println!("leaky_relu(-2, -1, 0, 1, 2, 3) = {:?}", program.read(y)?);
    Ok(())
}
