// x % d where it is multiplied or shifted afterwards. FXC's optimiser loses a bit of (a * t + b) % d * s where d and s are powers
// of two: (2 * t + 3) % 4 * 2 becomes the constant 2 (docs/portability.md). As a difference it is right everywhere.

fn remainder(x: u32, d: u32) -> u32 {
    return x - x / d * d;
}
