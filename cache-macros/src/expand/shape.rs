//! What the functions that belong to a cache are called.

use super::{at, turbofish};
use crate::plan::{Plan, Shape};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;

/// The name of one of them where it is written.
///
/// Input: `get`. Output: `get` for a method of the companion, `price_get` for one beside a method.
/// Nobody wrote these names, so lints do not look at them.
pub(super) fn name(plan: &Plan, word: &str) -> Ident {
    match &plan.shape {
        Shape::Beside(companion) => Ident::new(word, at(companion)),
        Shape::Siblings(prefix) => {
            format_ident!("{}_{word}", prefix.unraw(), span = at(prefix))
        }
        Shape::Inside => unreachable!("there are none"),
    }
}

/// The path of one of them where it is called, with its type arguments.
///
/// Input: `get`. Output: `price::get::<T>` or `Self::price_get::<T>`.
pub(super) fn call(plan: &Plan, word: &str) -> TokenStream {
    let name = name(plan, word);
    let turbofish = turbofish(&plan.function.generics);
    match &plan.shape {
        Shape::Beside(companion) => quote! { #companion::#name #turbofish },
        Shape::Siblings(_) | Shape::Inside => quote! { Self::#name #turbofish },
    }
}
