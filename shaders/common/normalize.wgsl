// (x - mean) / std a channel where the kernel is the last of its chain; the padding channel stays 0.

fn normalized(x: vec3f) -> vec4f {
//!if NORMALIZE
    return vec4f((x - vec3f(MEAN_R, MEAN_G, MEAN_B)) / vec3f(STD_R, STD_G, STD_B), 0.0);
//!else
    return vec4f(x, 0.0);
//!end
}
