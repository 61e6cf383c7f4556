//! Panics of the user's `Drop`, kept until the work is done.
//!
//! Dropping garbage means dropping many values, and one that panics must not keep the others, or
//! the rest of a call that empties the cache, from their turn. The first panic is kept and goes on
//! to the caller at the end; later ones are lost, as they would be if they came while unwinding.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// See the module's head.
#[must_use = "a panic that was caught goes on to the caller"]
#[derive(Default)]
pub(crate) struct Panics {
    first: Option<Box<dyn Any + Send>>,
}

impl Panics {
    pub(crate) fn catch(&mut self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            if self.first.is_none() {
                self.first = Some(panic);
            } else {
                // Not dropped: what a panic carries may panic when it is dropped, and would unwind
                // from here, between the dropping of slots and their return.
                std::mem::forget(panic);
            }
        }
    }

    /// Lets the panic go on, if there was one; not while another is under way, which would abort
    /// the program.
    pub(crate) fn resume(self) {
        if let Some(panic) = self.first
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
