//! Fetching from a server that cuts, lies, stalls or sends dangerous archives: the set comes whole or not at all, and nothing is
//! written beside the folder that was named.

mod archive;
mod command;
mod download;
mod folders;
mod place;
mod server;
mod unpack;
