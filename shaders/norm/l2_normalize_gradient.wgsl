// Gradient of y = x / max(|x|, EPS): dx = (dy - y (y . dy)) / |x|, or dy / EPS where |x| <= EPS.
// ROWS rows of CHANNELS vec4s; a workgroup makes a row. Workgroup 64; dispatch grid(ROWS).
//!include common/grid
//!include common/reduce

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(workgroup, workgroups);
    let row = min(index, ROWS - 1u); // every workgroup must reach the barriers
    let first = row * CHANNELS;
    var square = 0.0;
    var along = 0.0;
    for (var c = lane; c < CHANNELS; c += 64u) {
        let v = x[first + c];
        square += dot(v, v);
        along += dot(v, dy[first + c]);
    }
    let sums = workgroup_sum(lane, vec4f(square, along, 0.0, 0.0));
    let norm = sqrt(sums.x);
    var pull = 0.0;
    if norm > EPS {
        pull = sums.y / sums.x;
    }
    if index < ROWS {
        for (var c = lane; c < CHANNELS; c += 64u) {
            dx[first + c] = (dy[first + c] - x[first + c] * pull) / max(norm, EPS);
        }
    }
}
