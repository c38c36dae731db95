// Sums of squares of parameters and gradients over each of PIECES pieces of an arena, (first vec4, vec4s): squares[FIRST + p] and
// squares[ALL + FIRST + p]. +SCALED: a gradient is multiplied by factor.x before it is squared, so that what a loss scale has made
// large cannot overflow. A workgroup makes a piece. Workgroup 64; dispatch grid(PIECES).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> parameters: array<vec4f>;
@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;
//!if SCALED
@group(0) @binding(3) var<storage, read> factor: array<vec4f>;
//!end
@group(0) @binding(PIECES_AT) var<storage, read> pieces: array<vec2u>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let piece = pieces[min(index, PIECES - 1u)]; // every workgroup must reach the barriers
    var of_parameters = vec4f();
    var of_gradients = vec4f();
    for (var i = piece.x + lane; i < piece.x + piece.y; i += 64u) {
        let w = parameters[i];
//!if SCALED
        let g = factor[0].x * gradients[i];
//!else
        let g = gradients[i];
//!end
        of_parameters += w * w;
        of_gradients += g * g;
    }
    let mine = vec4f(dot(of_parameters, vec4f(1.0)), dot(of_gradients, vec4f(1.0)), 0.0, 0.0);
    let sums = workgroup_sum(lane, mine);
    if lane == 0u && index < PIECES {
        squares[FIRST + index] = sums.x;
        squares[ALL + FIRST + index] = sums.y;
    }
}
