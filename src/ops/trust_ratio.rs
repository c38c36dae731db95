//! How far LARS trusts a gradient, for several classifiers whose parameters lie beside each other.

use super::check::{Case, Fill};
use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};

/// Parameters and gradients, `[.., groups · C]` both → `[groups]`: trust · |parameters| / (|gradients| + 1e-8) of each group, 1
/// where either norm is zero (You et al. 2017, "Large Batch Training of Convolutional Networks", eq. 6 without weight decay;
/// NVIDIA apex's `LARC(trust_coefficient=trust, clip=False)`, which the authors' linear evaluation wraps around SGD).
#[derive(Debug, Clone)]
pub struct TrustRatio {
    /// Number of classifiers.
    pub groups: usize,
    /// The trust coefficient.
    pub trust: f32,
}

/// apex's default.
const EPS: f32 = 1e-8;

impl Op for TrustRatio {
    fn name(&self) -> &'static str {
        "trust_ratio"
    }

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [parameters, gradients]
                if parameters == gradients && parameters.channels().is_multiple_of(self.groups.max(1)) =>
            {
                Ok(vec![Shape::rows([self.groups])])
            }
            _ => Err(format!("parameters and gradients of one shape [.., {} C] are wanted", self.groups)),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let parameters = &io.inputs[0];
        let (columns, stored) = (parameters.stored_channels(), io.outputs[0].stored_len());
        let c4 = columns / 4;
        let sums = Kernel::new("trust_columns").with("ROWS", parameters.vectors() / c4).with("C4", c4);
        let slots = [Slot::input(0), Slot::input(1), Slot::scratch(0)];
        let ratio = Kernel::new("trust_ratio")
            .with("GROUPS", self.groups)
            .with("CLASSES", parameters.channels() / self.groups)
            .with("COLUMNS", columns)
            .with("STORED", stored)
            .with("TRUST", self.trust)
            .with("EPS", EPS);
        Lowered {
            launches: vec![
                Launch::new(sums, slots, grid(c4.div_ceil(64))),
                Launch::new(ratio, [Slot::scratch(0), Slot::output(0)], grid(stored.div_ceil(64))),
            ],
            scratch: vec![2 * columns],
        }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let columns = inputs[0].channels();
        let classes = columns / self.groups;
        let norm = |array: &Array, group: usize| {
            let own = array.data.iter().enumerate();
            let own = own.filter(|(i, _)| i % columns / classes == group);
            own.map(|(_, v)| v * v).sum::<f64>().sqrt()
        };
        let ratio = |group| {
            let [w, g] = [inputs[0], inputs[1]].map(|array| norm(array, group));
            match w > 0.0 && g > 0.0 {
                true => f64::from(self.trust) * w / (g + f64::from(EPS)),
                false => 1.0,
            }
        };
        vec![Array { dims: vec![self.groups], data: (0..self.groups).map(ratio).collect() }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |shape: Shape, groups: usize, fill: Fill| {
        let trust = 0.001;
        let op = TrustRatio { groups, trust };
        Case::new(&format!("trust_ratio {shape:?} of {groups}"), op)
            .fixed(shape.clone(), fill)
            .fixed(shape, Fill::Normal)
    };
    vec![
        case(Shape::weight([13, 21]), 3, Fill::Normal),
        case(Shape::weight([70, 30]), 5, Fill::Uniform(1.0, 3.0)),
        case(Shape::rows([301]), 7, Fill::Normal),
        // A bias starts at zero.
        case(Shape::rows([6]), 2, Fill::Uniform(0.0, 0.0)),
    ]
}
