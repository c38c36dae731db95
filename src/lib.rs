//! SimSiam on any GPU.
