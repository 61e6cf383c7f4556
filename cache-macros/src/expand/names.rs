//! What the functions that belong to a cache are called.

use super::{at, turbofish};
use crate::plan::{CompanionKind, Plan};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;

/// The name of one of them where it is written.
///
/// Input: `get`. Output: `get` for a method of the companion, `price_get` for one beside a method.
/// Nobody wrote these names, so lints do not look at them.
pub(super) fn name(plan: &Plan, word: &str) -> Ident {
    match &plan.companion {
        CompanionKind::Type(companion) => Ident::new(word, at(companion)),
        CompanionKind::Methods(prefix) => {
            format_ident!("{}_{word}", prefix.unraw(), span = at(prefix))
        }
        CompanionKind::None => unreachable!("there are none"),
    }
}

/// The path of one of them where it is called, with its type arguments.
///
/// Input: `get`. Output: `price::get::<T>` or `Self::price_get::<T>`.
pub(super) fn call(plan: &Plan, word: &str) -> TokenStream {
    let name = name(plan, word);
    let turbofish = turbofish(&plan.function.generics);
    match &plan.companion {
        CompanionKind::Type(companion) => quote! { #companion::#name #turbofish },
        CompanionKind::Methods(_) | CompanionKind::None => quote! { Self::#name #turbofish },
    }
}
