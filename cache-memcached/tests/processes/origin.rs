//! The origin that several processes share: a version for each key, in a file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

/// How many keys it has.
pub(crate) const KEYS: usize = 16;

/// A version and its complement, so that a reader sees whether it was half written.
const RECORD: usize = 16;

/// The origin, as one thread sees it: the lock of a file belongs to the handle that opened it.
pub(crate) struct Origin {
    versions: File,
    /// One for each key, held while its version is raised.
    raising: Vec<File>,
    /// One for each key, held by a writer that lets no other in.
    writing: Vec<File>,
}

impl Origin {
    /// Makes one in which each key has its first version, 1.
    pub(crate) fn create(folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder");
        let records: Vec<u8> = (0..KEYS).flat_map(|_| record(1)).collect();
        std::fs::write(folder.join("versions"), records).expect("it is ours");
    }

    pub(crate) fn open(folder: &Path) -> Self {
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false);
            file.open(folder.join(name)).expect("it is ours")
        };
        let of_each_key = |name: &str| (0..KEYS).map(|key| open(&format!("{name}{key}"))).collect();
        Origin {
            versions: open("versions"),
            raising: of_each_key("raising"),
            writing: of_each_key("writing"),
        }
    }

    /// Returns the version of a key.
    pub(crate) fn version(&self, key: usize) -> u64 {
        loop {
            let mut record = [0; RECORD];
            let place = (key * RECORD) as u64;
            self.versions.read_exact_at(&mut record, place).expect("it is there");
            let word = |at: usize| record[at..at + 8].try_into().map(u64::from_le_bytes);
            let (version, check) = (word(0).expect("a word"), word(8).expect("a word"));
            if version == !check {
                return version;
            }
        }
    }

    /// Makes a new version of a key, and returns it.
    pub(crate) fn raise(&self, key: usize) -> u64 {
        self.raising[key].lock().expect("it is ours");
        let version = self.version(key) + 1;
        let written = self.versions.write_all_at(&record(version), (key * RECORD) as u64);
        written.expect("it is ours");
        self.raising[key].unlock().expect("it is ours");
        version
    }

    /// Runs this while no other writer does so for the same key.
    pub(crate) fn alone<T>(&self, key: usize, write: impl FnOnce() -> T) -> T {
        self.writing[key].lock().expect("it is ours");
        let written = write();
        self.writing[key].unlock().expect("it is ours");
        written
    }
}

fn record(version: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&version.to_le_bytes());
    record[8..].copy_from_slice(&(!version).to_le_bytes());
    record
}

/// Returns the time in nanoseconds, which is the same for all processes of a machine.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).expect("after the start")
}

/// xorshift64*: numbers that are the same in each run.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn seeded(seed: u64) -> Self {
        Numbers(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }
}
