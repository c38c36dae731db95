//! The command line: parses, runs one command, prints the error chain in one line. Exit codes: 0 done, 1 failed, 2 bad usage.

#[allow(unsafe_code, reason = "an allocator is unsafe to write")]
mod allocator;
mod cli;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> std::process::ExitCode {
    // Looking for GL adapters makes libwayland complain on standard error where there is no desktop session.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "to set a variable is safe only before there is another thread")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: there is no other thread yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
    cli::run()
}
