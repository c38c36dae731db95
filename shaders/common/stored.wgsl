// How activations and their gradients lie in memory: f32, or f16 where the run has half precision. Arithmetic is in f32:
// read `vec4f(x[i])`, write `y[i] = Stored(v)`. The flag F16 also puts `enable f16;` at the head of the module.
//!if F16
//!type Stored vec4<f16>
//!else
//!type Stored vec4<f32>
//!end
