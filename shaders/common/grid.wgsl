// A dispatch is at most 65,535 workgroups in x, so long ones continue in y.

fn flat_workgroup(id: vec3u, count: vec3u) -> u32 {
    return id.y * count.x + id.x;
}
