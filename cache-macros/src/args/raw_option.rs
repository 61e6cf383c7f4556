//! An option as it is written.

use proc_macro2::TokenStream;
use syn::{Expr, Ident};

/// One option before its meaning is known.
pub(super) struct RawOption {
    pub(super) word: Ident,
    pub(super) value: RawValue,
}

pub(super) enum RawValue {
    Flag,
    Assigned(Expr),
    List(TokenStream),
    /// Something that could not be read and has been reported.
    Broken,
}
