// Sums of squares over ROWS rows of each column of parameters and of gradients: squares[c] and squares[C4 + c], in vec4s of columns,
// one a thread, rows in order. +SCALED: a gradient is multiplied by factor.x before it is squared.
// Workgroup 64; dispatch grid(ceil(C4 / 64)).
//!include common/grid

@group(0) @binding(0) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> squares: array<vec4f>;
//!if SCALED
@group(0) @binding(3) var<storage, read> factor: array<vec4f>;
//!end

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if c >= C4 {
        return;
    }
    var of_parameters = vec4f();
    var of_gradients = vec4f();
    for (var row = 0u; row < ROWS; row++) {
        let w = parameters[row * C4 + c];
//!if SCALED
        let g = factor[0].x * gradients[row * C4 + c];
//!else
        let g = gradients[row * C4 + c];
//!end
        of_parameters += w * w;
        of_gradients += g * g;
    }
    squares[c] = of_parameters;
    squares[C4 + c] = of_gradients;
}
