// Whether numbers are neither infinite nor NaN, from their bits: WGSL may assume that there are none in comparisons.

fn finite(v: vec4f) -> vec4<bool> {
    return (bitcast<vec4u>(v) & vec4u(0x7f800000u)) != vec4u(0x7f800000u);
}
