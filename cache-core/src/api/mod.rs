//! What users call: handles, builders and selectors. Thin methods and their documentation; the work
//! is done one floor down.

pub(crate) mod builder;
pub(crate) mod cache;
pub(crate) mod entry_selector;
pub(crate) mod iter;
pub(crate) mod load_guard;
pub(crate) mod loading;
mod unwind;
