//! Code that occurs in more than one function of an expansion: written once, for all of them.

use super::names::Names;
use super::view::KeyView;
use super::{arguments, body, return_value, storage};
use proc_macro2::TokenStream;

/// The pieces, and the names that they are made of.
pub(super) struct Fragments<'a> {
    pub(super) names: Names<'a>,
    /// The statement that makes the cache a variable.
    pub(super) bind: TokenStream,
    /// That variable as a reference.
    pub(super) cache: TokenStream,
    /// The view of the key, or the views of many.
    pub(super) view: KeyView,
    /// The description of the return value for the runtime.
    pub(super) return_kind: TokenStream,
    /// What a load of the whole call runs.
    pub(super) run: TokenStream,
    /// `self` and the arguments.
    pub(super) arguments: Vec<TokenStream>,
}

impl<'a> Fragments<'a> {
    pub(super) fn new(names: Names<'a>) -> Self {
        Self {
            bind: storage::bind(&names),
            cache: storage::reference(&names),
            view: KeyView::of_call(&names),
            return_kind: return_value::kind(&names),
            run: body::run(&names),
            arguments: arguments::of_call(names.plan),
            names,
        }
    }
}
