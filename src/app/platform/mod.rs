//! The native side: event loop, painter, frame rate and system dialogs. Nothing else here knows winit.

pub(in crate::app) mod dialogs;
pub(in crate::app) mod frame_limiter;
pub(in crate::app) mod gui;
pub(in crate::app) mod window;
