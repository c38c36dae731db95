//! The system's allocator, which ends the program with one line and exit code 1 where there is no memory left: the standard library would
//! abort. With `main` and `gpu` the only places with `unsafe`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;

/// See the module.
pub struct Allocator;

// SAFETY: every call is the system allocator's, whose contract is the same.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn given(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() {
        end(bytes);
    }
    pointer
}

/// Nothing in here allocates.
#[cold]
fn end(bytes: usize) -> ! {
    let _ = writeln!(
        std::io::stderr(),
        "error: the system gives this program no more memory ({bytes} bytes were asked for); free some, raise its limit, or use a smaller \
         optim.batch_size or data.limit_train"
    );
    exit()
}

#[cfg(unix)]
fn exit() -> ! {
    // SAFETY: ends the process; what others have registered for its end might allocate.
    unsafe { libc::_exit(1) }
}

#[cfg(not(unix))]
fn exit() -> ! {
    std::process::exit(1)
}
