//! From bytes to images in the order of a training: reading without trust, decoding, reading ahead.

mod budget;
pub(super) mod decode;
pub(super) mod flatten;
pub(super) mod guard;
pub(super) mod order;
pub(super) mod positioned;
pub(super) mod prefetch;
pub(super) mod source;
