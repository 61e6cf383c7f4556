//! The bounds that stand below all else here, by one name each; and the ways of `check.rs`.

use std::hash::{BuildHasher, Hash};

/// The way that applies.
#[derive(Debug)]
pub enum Fits {}

/// The way that never does.
#[derive(Debug)]
pub enum Never {}

/// Implemented by nothing.
pub trait Impossible {}

/// What a whole key is, once its parts are.
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Key for K {}

/// What makes the hashers of a cache.
pub trait HashBuilder: BuildHasher + Clone + Send + Sync + 'static {}

impl<S: BuildHasher + Clone + Send + Sync + 'static> HashBuilder for S {}
