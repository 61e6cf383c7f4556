//! Panics of the user's `Drop`, deferred until the work is done.
//!
//! Dropping garbage means dropping many values. One that panics must prevent neither the drops of
//! the others nor the rest of a call that empties the cache. The first panic is kept and resumed in
//! the caller at the end; later ones are lost, as they would be during unwinding.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The first panic of several pieces of work, to be resumed when all are done.
#[must_use = "a panic that was caught goes on to the caller"]
#[derive(Default)]
pub(crate) struct DeferredPanic {
    first: Option<Box<dyn Any + Send>>,
}

/// Drops the payload of a panic. Its drop may panic in turn, which must not unwind from here:
/// callers are between the drops of slots and their return, or called a listener. A payload whose
/// drop panics again and again is leaked after the fourth time.
pub(crate) fn drop_payload(mut panic: Box<dyn Any + Send>) {
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            Ok(()) => return,
            Err(again) => panic = again,
        }
    }
    std::mem::forget(panic);
}

/// Returns how a message refers to a cache of this name.
pub(crate) fn title(name: Option<&str>) -> String {
    name.map_or("a cache".to_owned(), |name| format!("cache `{name}`"))
}

impl DeferredPanic {
    /// Does a piece of work; keeps its panic, if it is the first.
    pub(crate) fn catch(&mut self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            match self.first {
                None => self.first = Some(panic),
                Some(_) => drop_payload(panic),
            }
        }
    }

    /// Resumes the panic, if there was one; not during another panic, which would abort the
    /// program.
    #[inline]
    pub(crate) fn resume(self) {
        if let Some(panic) = self.first
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
