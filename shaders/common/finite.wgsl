// Whether numbers are neither infinite nor NaN, from their bits: bind them as integers, because a compiler may assume that no float is
// infinite or NaN. Over many numbers take the largest magnitude: FXC folds `&` of booleans wrongly (docs/portability.md).

// |x| as bits, in the order of the numbers; infinity and NaN come last.
fn magnitude(bits: vec4u) -> vec4u {
    return bits & vec4u(0x7fffffffu);
}

fn finite(magnitude: vec4u) -> vec4<bool> {
    return magnitude < vec4u(0x7f800000u);
}
