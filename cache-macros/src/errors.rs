//! All errors of one attribute, reported together.
//!
//! A step that finds a mistake notes it here and continues if it can, so that a user sees all
//! mistakes in one compilation.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use std::fmt::Display;

/// The errors found so far.
#[derive(Default)]
pub(crate) struct Errors {
    all: Option<syn::Error>,
    count: usize,
}

impl Errors {
    /// Notes an error that spans `at`.
    pub(crate) fn push(&mut self, at: impl ToTokens, message: impl Display) {
        self.push_error(syn::Error::new_spanned(at, message));
    }

    /// Notes an error at one place.
    pub(crate) fn push_span(&mut self, at: Span, message: impl Display) {
        self.push_error(syn::Error::new(at, message));
    }

    /// Notes an error found by the parser.
    pub(crate) fn push_error(&mut self, error: syn::Error) {
        self.count += 1;
        match &mut self.all {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    /// The number of errors so far.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Notes the errors of another step.
    pub(crate) fn append(&mut self, other: Self) {
        if let Some(error) = other.all {
            self.push_error(error);
        }
    }

    /// Returns the result of a step, or notes its error.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push_error(error)).ok()
    }

    /// The errors as `compile_error!` calls; `None` if there are none.
    pub(crate) fn into_tokens(self) -> Option<TokenStream> {
        self.all.map(syn::Error::into_compile_error)
    }
}
