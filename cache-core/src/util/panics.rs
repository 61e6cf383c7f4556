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
pub(crate) struct DeferredPanic {
    first: Option<Box<dyn Any + Send>>,
}

/// Drops what a panic carries. That may panic in turn, which must not unwind from here: between the
/// dropping of slots and their return, or through a listener's caller. What goes on panicking is
/// given up in the end.
pub(crate) fn drop_payload(mut panic: Box<dyn Any + Send>) {
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            Ok(()) => return,
            Err(again) => panic = again,
        }
    }
    std::mem::forget(panic);
}

/// What to call a cache of this name in a message.
pub(crate) fn title(name: Option<&str>) -> String {
    name.map_or("a cache".to_owned(), |name| format!("cache `{name}`"))
}

impl DeferredPanic {
    pub(crate) fn catch(&mut self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            match self.first {
                None => self.first = Some(panic),
                Some(_) => drop_payload(panic),
            }
        }
    }

    /// Lets the panic go on, if there was one; not while another is under way, which would abort
    /// the program.
    #[inline]
    pub(crate) fn resume(self) {
        if let Some(panic) = self.first
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
