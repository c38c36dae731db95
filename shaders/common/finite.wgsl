// Whether numbers are neither infinite nor NaN. Takes their bits, from a binding of integers: a compiler may assume that no float
// is infinite or NaN, and Microsoft's FXC does so even through a bitcast.

fn finite(bits: vec4u) -> vec4<bool> {
    return (bits & vec4u(0x7f800000u)) != vec4u(0x7f800000u);
}
