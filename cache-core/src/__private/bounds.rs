//! Trait aliases for keys and hashers, and the marker types of `diagnostics.rs`.

use std::hash::{BuildHasher, Hash};

/// What a whole key is, once its parts are.
pub trait Key: Hash + Eq + Clone + 'static {}

impl<K: Hash + Eq + Clone + 'static> Key for K {}

/// The hasher of a cache.
pub trait HashBuilder: BuildHasher + Clone + Send + Sync + 'static {}

impl<S: BuildHasher + Clone + Send + Sync + 'static> HashBuilder for S {}

/// The `Way` that applies.
pub enum Fits {}

/// The `Way` that never applies.
pub enum Never {}

/// Implemented by no type.
pub trait Impossible {}

/// What a value of any cache is. Either way applies, so that none follows from it.
pub trait Clonable<Way>: Clone + 'static {}

impl<V: Clone + 'static> Clonable<Fits> for V {}

impl<V: Clone + 'static> Clonable<Never> for V {}

/// What a value is that threads share. As [`Clonable`].
pub trait Shareable<Way>: Clone + Send + Sync + 'static {}

impl<V: Clone + Send + Sync + 'static> Shareable<Fits> for V {}

impl<V: Clone + Send + Sync + 'static> Shareable<Never> for V {}
