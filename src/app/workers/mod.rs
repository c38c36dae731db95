//! Threads beside the window: each answers questions, trains, or reads what another process writes, and wakes the window.

pub(in crate::app) mod chart_file;
pub(in crate::app) mod dialogs;
pub(in crate::app) mod estimate;
pub(in crate::app) mod follow;
pub(in crate::app) mod listing;
pub(in crate::app) mod neighbourhood;
pub(in crate::app) mod resource_cache;
pub(in crate::app) mod session;
pub(in crate::app) mod view_preview;
pub(in crate::app) mod worker;
