//! Which lints are silenced where: those about code that the user did not write.
//!
//! The code of an expansion is made of tokens of two kinds. Lints ignore tokens with a place of the
//! macro (`Span::call_site`, `Span::mixed_site`); tokens of the user keep their place, and code put
//! together from them looks to a lint as if the user had written it. So there are three measures,
//! in this order: names and places of the macro for all that the expansion adds; code that no lint
//! objects to; an `allow` on the smallest item or statement that holds nothing which the user could
//! change. It names single lints, never a group: that would not compile where the user forbids a
//! lint of the group.
//!
//! The user's code keeps its lints: the body in `uncached` (or in the function itself), the
//! signature in the function that callers see, and the expressions of the options where the cache
//! is built.
//!
//! `cache-core/tests/macro_lints.rs` has every kind of function under every lint.

use crate::plan::{CompanionKind, Plan};
use crate::signature::Argument;
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Pat;

/// For a function with nothing of the user's but arguments and types: lints report these at the
/// function that callers see.
pub(super) fn generated() -> TokenStream {
    quote! {
        #[allow(
            single_use_lifetimes,
            unused_lifetimes,
            unused_qualifications,
            unused_variables,
            clippy::absolute_paths,
            clippy::alloc_instead_of_core,
            clippy::extra_unused_lifetimes,
            clippy::impl_trait_in_params,
            clippy::ptr_arg,
            clippy::std_instead_of_alloc,
            clippy::std_instead_of_core,
            clippy::too_many_arguments,
            clippy::type_complexity,
        )]
    }
}

/// For the function with the expressions of the options: lints about all else in it.
pub(super) fn options() -> TokenStream {
    quote! {
        #[allow(
            single_use_lifetimes,
            unused_lifetimes,
            unused_qualifications,
            clippy::absolute_paths,
            clippy::alloc_instead_of_core,
            clippy::extra_unused_lifetimes,
            clippy::std_instead_of_alloc,
            clippy::std_instead_of_core,
            clippy::type_complexity,
        )]
    }
}

/// For the function that holds the body: lints about a function as callers see it. A type parameter
/// that the body does not use tells caches apart.
pub(super) fn body() -> TokenStream {
    quote! {
        #[allow(
            unreachable_pub,
            clippy::extra_unused_type_parameters,
            clippy::impl_trait_in_params,
            clippy::missing_const_for_fn,
            clippy::missing_errors_doc,
            clippy::missing_inline_in_public_items,
            clippy::missing_panics_doc,
            clippy::must_use_candidate,
            clippy::single_call_fn,
            clippy::too_many_arguments,
        )]
    }
}

/// For the statement that binds an argument to its pattern again.
pub(super) fn bound_again() -> TokenStream {
    quote! {
        #[allow(
            clippy::no_effect_underscore_binding,
            clippy::shadow_reuse,
            clippy::shadow_same,
            clippy::shadow_unrelated,
        )]
    }
}

/// For closures of the options: their names may be those of arguments, which they cannot use.
pub(super) fn shadowing() -> TokenStream {
    quote! { #[allow(clippy::shadow_reuse, clippy::shadow_same, clippy::shadow_unrelated)] }
}

/// For a function that does not consume an argument although the body might: it clones the
/// arguments of a body that may run again, and looks up those that a body ignores.
pub(super) fn unconsumed(plan: &Plan) -> Option<TokenStream> {
    let inside = matches!(plan.companion, CompanionKind::None);
    let ignored = |argument: &Argument| matches!(&*argument.pattern.pat, Pat::Wild(_));
    let unconsumed = plan.many.is_some() || inside && plan.function.arguments.iter().any(ignored);
    unconsumed.then(|| quote! { #[allow(clippy::needless_pass_by_value)] })
}

/// Tokens of the user at their place, but as if the macro had written them.
pub(super) fn unseen(tokens: &impl ToTokens) -> TokenStream {
    moved(tokens, &|span| Span::call_site().located_at(span))
}

/// Tokens with other places.
pub(super) fn moved(tokens: &impl ToTokens, place: &dyn Fn(Span) -> Span) -> TokenStream {
    let tokens = tokens.to_token_stream().into_iter();
    tokens
        .map(|token| match token {
            TokenTree::Group(group) => {
                let mut moved = Group::new(group.delimiter(), self::moved(&group.stream(), place));
                moved.set_span(place(group.span()));
                TokenTree::Group(moved)
            }
            // Keywords of the macro's edition, but perhaps not of the user's.
            TokenTree::Ident(ident) if ident == "gen" || ident == "try" => {
                TokenTree::Ident(Ident::new_raw(&ident.to_string(), place(ident.span())))
            }
            mut other => {
                other.set_span(place(other.span()));
                other
            }
        })
        .collect()
}
