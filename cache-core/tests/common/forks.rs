//! Children of a test that forks, without `exec`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// A child that is to be waited for. None in the child.
pub(crate) struct Forked(Option<libc::pid_t>);

/// Forks. Only inside [`forking`], which keeps the child from going on with other tests.
#[track_caller]
#[must_use]
pub(crate) fn fork() -> Forked {
    // SAFETY: the child goes on with code that takes no locks but those of the cache, which are
    // held while it is forked, of the allocator, which the C library holds, and of what the test
    // made in this thread.
    match unsafe { libc::fork() } {
        0 => {
            print_panics();
            Forked(None)
        }
        -1 => panic!("the system forks no process"),
        child => Forked(Some(child)),
    }
}

impl Forked {
    pub(crate) fn is_child(&self) -> bool {
        self.0.is_none()
    }

    /// In the child: does this, and ends. In the parent: waits until the child has done so.
    #[track_caller]
    pub(crate) fn then(self, work: impl FnOnce()) {
        let Some(child) = self.0 else {
            if can_start_threads() {
                work();
            }
            end(0)
        };
        // Only a failure takes so long.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut status = 0;
            // SAFETY: the pointer is one to a number.
            let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
            assert_ne!(ended, -1, "the child is a zombie until it is waited for");
            if ended == child {
                return assert_eq!(status, 0, "the child has failed");
            }
            if Instant::now() > deadline {
                // SAFETY: it takes no pointers, and the child is ours.
                unsafe { libc::kill(child, libc::SIGKILL) };
                // SAFETY: as above.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                panic!("the child does not end: a deadlock or a livelock");
            }
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Returns `false` in a child that can start no threads. A thread that was just starting or ending
/// when the process was forked, be it of another test, has left a lock of the standard library
/// locked (of `sys::pal::unix::stack_overflow`): then no thread gets past its start in the child.
/// That child can show nothing, and is skipped.
fn can_start_threads() -> bool {
    let (send, sent) = channel();
    let probe = thread::spawn(move || send.send(()));
    let started = sent.recv_timeout(Duration::from_secs(5)).is_ok();
    if started {
        drop(probe.join());
    }
    started
}

/// Runs a test that forks: a child that panics ends here and not in the test harness.
pub(crate) fn forking(test: impl FnOnce()) {
    let own = process::id();
    let outcome = catch_unwind(AssertUnwindSafe(test));
    if process::id() != own {
        end(1);
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Ends the child without what belongs to the parent: destructors, the harness, buffers.
fn end(code: i32) -> ! {
    // SAFETY: it has no conditions.
    unsafe { libc::_exit(code) }
}

/// The harness catches what is printed, under locks that other threads may have held, and scopes
/// wait for threads that are not there. So a child writes the text of its panic itself, and ends.
fn print_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload_as_str() != Some("on purpose") {
            let text = format!("in a child: {panic}\n");
            // SAFETY: the text has so many bytes.
            let _ = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
            end(1);
        }
    }));
}
