//! Hashers of integers: one is the same in each run, one makes all keys collide.

use std::hash::{BuildHasher, Hasher};

pub(crate) trait TestHasher: BuildHasher + Clone + Default + Send + Sync + 'static {}
impl<S: BuildHasher + Clone + Default + Send + Sync + 'static> TestHasher for S {}

/// Hands integers through as they are.
#[derive(Clone, Default)]
pub(crate) struct Identity;
pub(crate) struct IdentityHasher(u64);

impl BuildHasher for Identity {
    type Hasher = IdentityHasher;
    fn build_hasher(&self) -> IdentityHasher {
        IdentityHasher(0)
    }
}

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, &byte| (hash << 8) ^ (hash >> 56) ^ u64::from(byte));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// One hash for all keys.
#[derive(Clone, Default)]
pub(crate) struct Constant;
pub(crate) struct ConstantHasher;

impl BuildHasher for Constant {
    type Hasher = ConstantHasher;
    fn build_hasher(&self) -> ConstantHasher {
        ConstantHasher
    }
}

impl Hasher for ConstantHasher {
    fn finish(&self) -> u64 {
        42
    }
    fn write(&mut self, _: &[u8]) {}
}
