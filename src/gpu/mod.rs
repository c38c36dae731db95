//! The only place that knows wgpu: adapters, shaders, pipelines, buffers, recorded plans and their replay.
//!
//! [`Gpu`] opens one adapter. A [`Kernel`] names a shader file and the constants it is built with, and is
//! compiled once. A [`Plan`] is a list of dispatches recorded once and replayed every step.

#![allow(unsafe_code, reason = "wgpu asks for it: raw handles, trusted shaders, experimental features")]

mod adapter;
mod compose;
mod device;
mod error;
mod fault;
mod kernel;
mod memory;
mod plan;
mod profile;
mod readback;
mod repeat;
mod roofline;
pub mod shader;
mod timestamps;

pub use adapter::{AdapterReport, Coop, DXC, FXC, Tier, adapters, chosen, is_software};
pub use device::{Gpu, GpuOptions};
pub use error::GpuError;
pub use kernel::{Kernel, Value};
pub use memory::Buffer;
pub use plan::{Binding, Dispatch, Plan, PlanBuilder};
pub use profile::Timed;
pub use readback::{Arrival, Readback};
pub use roofline::Roofline;
