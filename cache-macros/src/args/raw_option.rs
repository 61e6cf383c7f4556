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

/// An error where the tokens end before they should: there is no place behind them, so it is
/// reported at the tokens.
///
/// Input: `unexpected end of input` at the whole attribute, and `CFG.`. Output: the same at `CFG.`.
pub(super) fn placed(error: syn::Error, tokens: TokenStream) -> syn::Error {
    let message = error.to_string();
    match message.strip_prefix("unexpected end of input, ") {
        Some(expected) if !tokens.is_empty() => {
            syn::Error::new_spanned(tokens, format!("this ends too early: {expected}"))
        }
        _ => error,
    }
}
