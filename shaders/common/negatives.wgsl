// Four similarities of a row to its negatives, columns 4 c to 4 c + 3 of a row of CHANNELS vec4s whose first WIDTH elements exist; what
// does not count is `otherwise`. +PAIRS: rows and columns are 2 N views, view 1 of N images and then view 2; a view's own column and that
// of the other view of its image do not count. Wants a binding `negatives`.

fn negative(row: u32, c: u32, otherwise: f32) -> vec4f {
    let column = vec4u(0u, 1u, 2u, 3u) + 4u * c;
    var v = select(vec4f(otherwise), negatives[row * CHANNELS + c], column < vec4u(WIDTH));
//!if PAIRS
    let half = WIDTH / 2u;
    v = select(v, vec4f(otherwise), column == vec4u(row));
    v = select(v, vec4f(otherwise), column == vec4u(select(row - half, row + half, row < half)));
//!end
    return v;
}
