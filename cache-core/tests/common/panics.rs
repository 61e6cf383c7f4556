//! Panics that a test provokes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Returns `true` if this panics. The payload is dropped.
pub(crate) fn panics<R>(body: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// From now on, panics with the text "on purpose" are not printed.
pub(crate) fn silence_panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some("on purpose") {
                tell(panic);
            }
        }));
    });
}
