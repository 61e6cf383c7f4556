//! The collector's half of a barrier between it and all readers: see `epoch.rs`.
//!
//! Linux offers it as a system call, `membarrier(2)`. A sandbox may forbid that call from some
//! moment on, so it may fail whenever it is made. For that one moment, the change to fences on the
//! readers' side, there is a second way, which every program needs and sandboxes therefore allow:
//! to revoke the access to a page. The kernel must then invalidate every core's copy of the page's
//! rights, and on x86-64 it does so by interrupting every core that runs a thread of the process;
//! an interrupt is a full barrier. (The .NET runtime and Folly fall back on the same.) Where an
//! instruction invalidates the copies (`INVLPGB` on x86-64, `TLBI` on ARM) no core is interrupted,
//! so the second way is not used there.

#[cfg(all(target_os = "linux", not(loom), not(miri)))]
mod system {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};

    use crate::util::fork;

    /// The call has failed after its registration: new caches need not try it.
    static FORBIDDEN: AtomicBool = AtomicBool::new(false);

    /// Registers the process for the cheap form of `membarrier(2)`; returns `false` where there is
    /// none.
    pub(in super::super) fn asymmetric() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        // A child forked meanwhile would otherwise wait for a thread that it does not have.
        let _gate = fork::gate();
        let registered = *REGISTERED.get_or_init(|| {
            let needed =
                MembarrierQuery::PRIVATE_EXPEDITED | MembarrierQuery::REGISTER_PRIVATE_EXPEDITED;
            membarrier_query().contains(needed)
                && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
        });
        // Relaxed: a cache that learns of it late finds out by itself.
        registered && !FORBIDDEN.load(Relaxed)
    }

    /// Returns `false` if the system refuses.
    pub(in super::super) fn heavy() -> bool {
        let done = membarrier(MembarrierCommand::PrivateExpedited).is_ok();
        if !done {
            FORBIDDEN.store(true, Relaxed);
        }
        done
    }

    /// As `heavy`, by revoking the access to a page. Returns `false` if the system refuses, or
    /// where that is no barrier. Slow, and meant to be called once for a cache.
    #[cfg(target_arch = "x86_64")]
    pub(in super::super) fn by_page() -> bool {
        use std::ptr::null_mut;

        use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

        const PAGE: usize = 4096;
        if invalidates_by_instruction() {
            return false;
        }
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the system chooses.
        let Ok(page) = (unsafe { mmap_anonymous(null_mut(), PAGE, rights, MapFlags::PRIVATE) })
        else {
            return false;
        };
        // SAFETY: the page is mapped and writable, and no other thread knows it; volatile, because
        // a core has a copy of the rights only of a page in use.
        unsafe { page.cast::<u8>().write_volatile(1) };
        // SAFETY: the page is not used any more.
        let taken = unsafe { mprotect(page, PAGE, MprotectFlags::empty()) }.is_ok();
        // SAFETY: as above.
        let _ = unsafe { munmap(page, PAGE) };
        taken
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(in super::super) fn by_page() -> bool {
        false
    }

    /// Returns `true` if the processor has `INVLPGB` (AMD64 Architecture Programmer's Manual,
    /// volume 3, CPUID function 8000_0008h).
    #[cfg(target_arch = "x86_64")]
    fn invalidates_by_instruction() -> bool {
        use std::arch::x86_64::__cpuid;
        __cpuid(0x8000_0000).eax >= 0x8000_0008 && __cpuid(0x8000_0008).ebx & (1 << 3) != 0
    }
}

/// Elsewhere there is none.
#[cfg(not(all(target_os = "linux", not(loom), not(miri))))]
mod system {
    pub(in super::super) use self::{none as asymmetric, none as by_page, none as heavy};

    pub(in super::super) fn none() -> bool {
        false
    }
}

pub(super) use self::system::{asymmetric, by_page, heavy};
