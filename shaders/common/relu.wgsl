// max(v, 0), but a NaN stays one: hidden, it would let a step go on that has left the range of numbers.

fn relu(v: vec4f) -> vec4f {
    return select(v, vec4f(), v < vec4f());
}
