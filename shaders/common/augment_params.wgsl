// One row of the view table, 16 words an image; `AugmentParams` in src/ops/augment/augment_params.rs writes it.

struct ViewRow {
    // First byte of the source image.
    offset: u32,
    // Pixels a row of the source, and channels a pixel (1 or 3).
    width: u32,
    channels: u32,
    // First row and column of the crop, its rows and columns.
    top: u32,
    left: u32,
    crop: vec2u,
    flip: bool,
    gray: bool,
    jitter: bool,
    // Four codes of two bits, the first lowest: 0 brightness, 1 contrast, 2 saturation, 3 hue.
    order: u32,
    // Brightness, contrast, saturation, hue.
    factors: vec4f,
    // Standard deviation of the blur in pixels; 0 or less: no blur. Its box is in the words behind it: radius, weight of a pixel inside,
    // weight of one at an end.
    sigma: f32,
    solarize: bool,
}

const VIEW_ROW_VECTORS: u32 = 4u;

fn view_row(a: vec4u, b: vec4u, c: vec4u, d: vec4u) -> ViewRow {
    var row: ViewRow;
    row.offset = a.x;
    row.width = a.y;
    row.channels = a.z;
    row.top = a.w;
    row.left = b.x;
    // Width first, as x comes before y.
    row.crop = b.zy;
    row.flip = (b.w & 1u) != 0u;
    row.gray = (b.w & 2u) != 0u;
    row.jitter = (b.w & 4u) != 0u;
    row.solarize = (b.w & 8u) != 0u;
    row.order = b.w >> 8u;
    row.factors = bitcast<vec4f>(c);
    row.sigma = bitcast<f32>(d.x);
    return row;
}
