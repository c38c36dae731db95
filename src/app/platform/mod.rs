//! The native side: event loop, painter and frame rate. Nothing else here knows winit.

pub(in crate::app) mod frame_limiter;
pub(in crate::app) mod gui;
pub(in crate::app) mod window;
