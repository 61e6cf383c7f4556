//! The attribute [`#[cached]`](macro@cached) of cache-core, which re-exports it: depend on that
//! crate and write `use cache_core::cached`. The code that the attribute generates calls it.

// The way through this crate is one line: `args` and `signature` read what the user wrote,
// `check`, `key`, `many` and `return_type` decide what it means, `plan` holds the decisions,
// `expand` writes the code. Everything before the plan can fail and collects its errors in
// `errors`; nothing after it can, and a panic is reported as a bug (`bug`). The runtime of the
// code is `cache_core::__private`. `cached.md` is the documentation for users; its examples are
// tested with this crate.

#![deny(unsafe_code)]

mod args;
mod attributes;
mod boxed;
mod bug;
mod check;
mod duration;
mod enclosing;
mod errors;
mod expand;
mod key;
mod many;
mod pattern;
mod plan;
mod return_type;
mod signature;
mod suggest;
#[cfg(test)]
mod tests;

use errors::Errors;
use proc_macro2::TokenStream;
use quote::quote;

#[doc = include_str!("cached.md")]
#[proc_macro_attribute]
pub fn cached(
    attribute: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand_attribute(attribute.into(), item.into()).into()
}

/// The whole way: read, check, plan, expand.
///
/// If anything is wrong, a panic of this crate included, the errors come out together with the
/// function as the user wrote it: the rest of the crate then has no errors for want of it. If only
/// options are wrong, perhaps half typed, so does the companion, for those who call it.
fn expand_attribute(attribute: TokenStream, item: TokenStream) -> TokenStream {
    bug::reported(&item, || {
        let mut errors = Errors::default();
        let options = args::parse(attribute, &mut errors);
        let mut refusals = Errors::default();
        let function = signature::parse(item.clone(), &mut refusals);
        let may_be_cached = refusals.count() == 0;
        errors.append(refusals);
        let plan = plan::make(options, function, &mut errors);
        match (plan, errors.into_tokens()) {
            (Some(plan), None) => expand::expand(&plan),
            (Some(plan), errors) if may_be_cached && plan.has_signatures => {
                let outline = expand::outline(&plan);
                quote! { #errors #outline #item }
            }
            (_, errors) => quote! { #errors #item },
        }
    })
}

/// The example of the README is tested like those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
