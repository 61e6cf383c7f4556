//! The function that callers see.

use super::fragments::Fragments;
use super::tokens::local;
use super::view::KeyView;
use super::{body, lints, return_value};
use crate::boxed::Boxed;
use crate::many::ManyPlan;
use crate::plan::{CompanionKind, Plan, Storage};
use crate::return_type::CachedPart;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Expr;

/// The function with its look-up.
///
/// Input: the plan of `price`.
/// Output: `pub fn price(sku: &str, qty: u64) -> V { .. }`, with a paragraph of documentation.
pub(super) fn expand(code: &Fragments<'_>) -> TokenStream {
    let plan = code.names.plan;
    let function = &plan.function;
    let cfg = &function.attributes.cfg;
    let outside = match plan.companion {
        CompanionKind::None => &function.attributes.all,
        CompanionKind::Type(_) | CompanionKind::Methods(_) => &function.attributes.outside,
    };
    let vis = &function.vis;
    let (asyncness, output) = match &function.boxed {
        None => (function.asyncness.as_ref(), &function.output),
        Some(boxed) => (None, &boxed.ty),
    };
    let (fn_token, name) = (&function.fn_token, &function.name);
    let (generics, _, clause) = function.generics.split_for_impl();
    let arguments = &code.arguments;
    let (docs, unconsumed) = (docs(plan), lints::unconsumed(plan));
    let mut tokens = quote! {
        #(#cfg)*
        #unconsumed
        #(#outside)*
        #docs
        #vis #asyncness #fn_token #name #generics(#(#arguments),*) -> #output #clause
    };
    function.braces.surround(&mut tokens, |inner| inner.extend(self::inner(code)));
    tokens
}

/// What the function does.
fn inner(code: &Fragments<'_>) -> TokenStream {
    let Fragments { names, bind, .. } = code;
    let assertion = match names.plan.companion {
        // There it stands beside the function.
        CompanionKind::Type(_) => None,
        CompanionKind::None | CompanionKind::Methods(_) => {
            return_value::assertion(names).map(|assertion| quote! { const #assertion; })
        }
    };
    let look_up = match &names.plan.many {
        None => look_up(code),
        Some(many) => look_up_many(code, many),
    };
    let inner = quote! { #assertion #bind #look_up };
    match &names.plan.function.boxed {
        None => inner,
        Some(Boxed { pin, .. }) => quote! { #pin(async move { #inner }) },
    }
}

/// Looks up, and loads what is missing.
fn look_up(code: &Fragments<'_>) -> TokenStream {
    let names = &code.names;
    let (looked, hit, missed) = (local("looked"), names.value("hit"), local("missed"));
    let found = find(code, &code.view, "find");
    let wrapped = return_value::wrap(names, &hit.to_token_stream());
    let load = load(code, "load");
    quote! {
        let #looked = #found;
        return match #looked {
            ::core::result::Result::Ok(#hit) => #wrapped,
            ::core::result::Result::Err(#missed) => #load,
        };
    }
}

/// Looks many keys up, and loads those that are missing.
fn look_up_many(code: &Fragments<'_>, many: &ManyPlan) -> TokenStream {
    let Fragments { names, cache, return_kind, .. } = code;
    let (looked, ids) = (local("looked"), &many.name);
    let (run, found) = (body::run_many(names, many), find(code, &code.view, "find_many"));
    let arguments = quote! { #cache, #looked, #ids, #run, #return_kind };
    let load = names.call_awaited("load_many", arguments);
    quote! {
        let #looked = #found;
        return #load;
    }
}

/// The look-up, unless the call bypasses the cache, or loads anew.
///
/// Output: `CacheValue::find(false, cached_cache, View((sku, &qty)))`; with `refresh_if`,
/// `{ let cached_anew: bool = fresh; if cached_anew { Err(CacheValue::miss_anew(..)) } else .. }`.
///
/// A condition is a variable of a type that is written, so that an error about it is the same error
/// wherever it stands.
pub(super) fn find(code: &Fragments<'_>, view: &KeyView, function: &str) -> TokenStream {
    let Fragments { names, cache, .. } = code;
    let condition = |name, condition: &Expr| {
        let name = local(name);
        quote! { let #name: ::core::primitive::bool = #condition; }
    };
    let (bypass, anew) = (local("bypass"), local("anew"));
    let is_bypass = names.plan.bypass.as_ref().map(|expr| condition("bypass", expr));
    let is_anew = names.plan.refresh_if.as_ref().map(|expr| condition("anew", expr));
    let bypass = is_bypass.as_ref().map_or_else(|| quote! { false }, |_| quote! { #bypass });
    view.used(|view| {
        let arguments = quote! { #bypass, #cache, #view };
        let found = names.call(function, arguments.clone());
        let Some(is_anew) = &is_anew else {
            return match &is_bypass {
                None => found,
                Some(is_bypass) => quote! { { #is_bypass #found } },
            };
        };
        let missed = match names.plan.many {
            None => {
                let missed = names.call("miss_anew", arguments);
                quote! { ::core::result::Result::Err(#missed) }
            }
            Some(_) => names.call("miss_many_anew", arguments),
        };
        quote! {
            {
                #is_bypass
                #is_anew
                if #anew { #missed } else { #found }
            }
        }
    })
}

/// What a miss does: one load for all concurrent callers, unless each loads unshared.
pub(super) fn load(code: &Fragments<'_>, function: &str) -> TokenStream {
    let Fragments { names, cache, run, return_kind, .. } = code;
    let missed = local("missed");
    let alone = names.plan.unshared.then(|| quote! { .unshared() });
    names.call_awaited(function, quote! { #cache, #missed #alone, #run, #return_kind })
}

/// The paragraph that tells readers of the documentation what stands beside the function.
fn docs(plan: &Plan) -> TokenStream {
    let what = match &plan.returned.cached {
        CachedPart::Whole => "results are",
        CachedPart::Ok(_) => "`Ok` values are",
        CachedPart::Some(_) => "`Some` values are",
    };
    let mut text = match &plan.many {
        None => format!("\n# Cache\n\nThe {what} cached by the arguments."),
        Some(ManyPlan { name, .. }) => format!(
            "\n# Cache\n\nThe values are cached one by one for the elements of `{name}`. \
             The body runs for those that are missing."
        ),
    };
    let owner = match &plan.companion {
        CompanionKind::Type(companion) => Some(format!("{companion}::")),
        CompanionKind::Methods(prefix) => Some(format!("{prefix}_")),
        CompanionKind::None => None,
    };
    if let Some(owner) = owner {
        text.push_str(&functions(plan, &owner));
    }
    // As `///` has it.
    let lines =
        text.lines().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote! { #(#[doc = #lines])* }
}

/// The functions that belong to the cache, each under its full name.
fn functions(plan: &Plan, owner: &str) -> String {
    let others = match &plan.many {
        None => "",
        Some(_) => ", the first three with one element",
    };
    let status = match &plan.many {
        None => format!(", `{owner}get_with_status(..)`"),
        Some(_) => String::new(),
    };
    let of_keys = format!(
        " Beside the function stand `{owner}get(..)`, `{owner}insert(.., value)`, \
         `{owner}invalidate(..)`, `{owner}refresh(..)`{status} and `{owner}uncached(..)`, which \
         take the same arguments{others}"
    );
    match plan.storage {
        Storage::Given(_) => format!("{of_keys}."),
        Storage::Static if plan.tier.is_some() => format!(
            "{of_keys}, and `{owner}cache()` for the tier in memory, `{owner}tiered()` for both, \
             `{owner}clear()` and `{owner}stats()`."
        ),
        Storage::Static => {
            format!("{of_keys}, and `{owner}cache()`, `{owner}clear()` and `{owner}stats()`.")
        }
        Storage::ThreadLocal => format!(
            "{of_keys}, and `{owner}with(|cache| ..)`, `{owner}clear()` and `{owner}stats()`, for \
             the cache of the calling thread."
        ),
    }
}
