//! The function that callers see.

use super::{at, body, lints, local, local_value, storage, tokens, type_assertion};
use crate::many::ManyPlan;
use crate::plan::{CompanionKind, Plan, Storage};
use crate::return_type::CachedPart;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};

/// The function with its look-up.
///
/// Input: the plan of `price`.
/// Output: `pub fn price(sku: &str, qty: u64) -> V { .. }`, with a paragraph of documentation.
pub(super) fn expand(plan: &Plan) -> TokenStream {
    let function = &plan.function;
    let cfg = &function.attributes.cfg;
    let outside = match plan.companion {
        CompanionKind::None => &function.attributes.all,
        CompanionKind::Type(_) | CompanionKind::Methods(_) => &function.attributes.outside,
    };
    let (vis, asyncness) = (&function.vis, &function.asyncness);
    let (fn_token, name) = (&function.fn_token, &function.name);
    let (generics, _, clause) = function.generics.split_for_impl();
    let arguments = arguments(plan);
    let output = &function.output;
    let (docs, unconsumed) = (docs(plan), lints::unconsumed(plan));
    let mut tokens = quote! {
        #(#cfg)*
        #unconsumed
        #(#outside)*
        #docs
        #vis #asyncness #fn_token #name #generics(#(#arguments),*) -> #output #clause
    };
    function.braces.surround(&mut tokens, |inner| inner.extend(self::inner(plan)));
    tokens
}

/// What the function does.
fn inner(plan: &Plan) -> TokenStream {
    let assertion = match plan.companion {
        CompanionKind::Type(_) => None,
        CompanionKind::None | CompanionKind::Methods(_) => {
            type_assertion(plan).map(|assertion| quote! { const #assertion; })
        }
    };
    let bind = storage::bind(plan);
    let look_up = match &plan.many {
        None => look_up(plan),
        Some(many) => look_up_many(plan, many),
    };
    quote! { #assertion #bind #look_up }
}

/// Looks up, and loads what is missing.
fn look_up(plan: &Plan) -> TokenStream {
    let (looked, hit, missed) = (local("looked"), local_value(plan, "hit"), local("missed"));
    let found = find(plan, "find");
    let wrapped = wrap(plan, &hit.to_token_stream());
    let load = load(plan);
    quote! {
        let #looked = #found;
        return match #looked {
            ::core::result::Result::Ok(#hit) => #wrapped,
            ::core::result::Result::Err(#missed) => #load,
        };
    }
}

/// Looks many keys up, and loads those that are missing.
fn look_up_many(plan: &Plan, many: &ManyPlan) -> TokenStream {
    let (looked, ids) = (local("looked"), &many.name);
    let (cache, run, keep) = (storage::reference(plan), body::run_many(plan, many), keep(plan));
    let found = find(plan, "find_many");
    let arguments = quote! { #cache, #looked, #ids, #run, #keep };
    let load = if plan.function.asyncness.is_some() {
        let load = tokens::call(plan, "load_many_async", arguments);
        quote! { #load.await }
    } else {
        tokens::call(plan, "load_many", arguments)
    };
    quote! {
        let #looked = #found;
        return #load;
    }
}

/// The look-up, unless the call is to pass the cache.
fn find(plan: &Plan, function: &str) -> TokenStream {
    let cache = storage::reference(plan);
    tokens::with_view(plan, |view| match &plan.bypass {
        None => tokens::call(plan, function, quote! { #cache, #view }),
        Some(bypass) => {
            tokens::call(plan, &format!("{function}_unless"), quote! { #bypass, #cache, #view })
        }
    })
}

/// What a miss does: one load for all who ask at once, unless each is to load alone.
fn load(plan: &Plan) -> TokenStream {
    let missed = local("missed");
    let alone = (!plan.single_flight).then(|| quote! { .alone() });
    let (cache, run, keep) = (storage::reference(plan), body::run(plan), keep(plan));
    let arguments = quote! { #cache, #missed #alone, #run, #keep };
    if plan.function.asyncness.is_some() {
        let load = tokens::call(plan, "load_async", arguments);
        quote! { #load.await }
    } else {
        tokens::call(plan, "load", arguments)
    }
}

/// What of the return value is kept.
pub(super) fn keep(plan: &Plan) -> TokenStream {
    let at = at(&plan.function.output);
    let krate = super::krate(plan, at);
    let whole = match &plan.returned.cached {
        CachedPart::Whole => quote_spanned! {at=> #krate::__private::Whole },
        CachedPart::Some(_) => {
            let keep = tokens::of_output(plan, "Optional", "keep");
            quote_spanned! {at=> #keep() }
        }
        CachedPart::Ok(_) => {
            let of_output = |what| tokens::of_output(plan, "Fallible", what);
            let (keep, make) = (of_output("keep"), of_output("error"));
            let error = local_value(plan, "error");
            quote_spanned! {at=>
                {
                    #[allow(unused_imports)]
                    use #krate::__private::{CloneShared as _, KeepOwn as _};
                    let #error = #make();
                    #keep((&#error).share_for_cached())
                }
            }
        }
    };
    let Some(ManyPlan { element, pairs, value, .. }) = &plan.many else { return whole };
    let at = super::at(pairs);
    let krate = super::krate(plan, at);
    let pairing = quote_spanned! {at=>
        <#krate::__private::Arg<#pairs> as #krate::__private::Pairs<#element, #value, _>>::pairing()
    };
    quote! { (#whole, #pairing) }
}

/// Puts a kept value back into what the function returns.
fn wrap(plan: &Plan, value: &TokenStream) -> TokenStream {
    let of = match &plan.returned.cached {
        CachedPart::Whole => return value.clone(),
        CachedPart::Ok(_) => tokens::of_output(plan, "Fallible", "of"),
        CachedPart::Some(_) => tokens::of_output(plan, "Optional", "of"),
    };
    quote_spanned! {at(&plan.function.output)=> #of(#value) }
}

/// `self` and the arguments, each with a name instead of its pattern.
pub(super) fn arguments(plan: &Plan) -> Vec<TokenStream> {
    let arguments = plan.function.arguments.iter().map(|argument| {
        let (name, ty) = (&argument.name, argument.ty());
        quote! { #name: #ty }
    });
    body::receiver(plan).into_iter().chain(arguments).collect()
}

/// As `arguments`, with one element in place of many.
pub(super) fn arguments_for_one(plan: &Plan) -> Vec<TokenStream> {
    let Some(ManyPlan { name, element, .. }) = &plan.many else { return arguments(plan) };
    let arguments = plan.function.arguments.iter().map(|argument| {
        let (own, ty) = (&argument.name, argument.ty());
        if own == name {
            quote! { #name: &#element }
        } else {
            quote! { #own: #ty }
        }
    });
    body::receiver(plan).into_iter().chain(arguments).collect()
}

/// Tells readers of the documentation what stands beside the function.
fn docs(plan: &Plan) -> TokenStream {
    let what = match &plan.returned.cached {
        CachedPart::Whole => "results are",
        CachedPart::Ok(_) => "`Ok` values are",
        CachedPart::Some(_) => "`Some` values are",
    };
    let mut text = match &plan.many {
        None => format!("\n# Cache\n\nThe {what} cached by the arguments."),
        Some(ManyPlan { name, .. }) => format!(
            "\n# Cache\n\nThe values are cached one by one for the elements of `{name}`. The body runs \
             for those that are missing."
        ),
    };
    let name = match &plan.companion {
        CompanionKind::Type(companion) => Some(format!("{companion}::")),
        CompanionKind::Methods(prefix) => Some(format!("{prefix}_")),
        CompanionKind::None => None,
    };
    if let Some(name) = name {
        let others = match &plan.many {
            None => "",
            Some(_) => ", the first three with one element",
        };
        text.push_str(&format!(
            " Beside the function stand `{name}get(..)`, `{name}insert(.., value)`, \
             `{name}invalidate(..)`, `{name}refresh(..)` and `{name}uncached(..)`, which \
             take the same arguments{others}"
        ));
        text.push_str(&match plan.storage {
            Storage::Given(_) => ".".to_owned(),
            Storage::Static => format!(", and `{name}cache()`, `{name}clear()` and `{name}stats()`."),
            Storage::ThreadLocal => format!(
                ", and `{name}with(|cache| ..)`, `{name}clear()` and `{name}stats()`, for the cache \
                 of the calling thread."
            ),
        });
    }
    // As `///` has it.
    let lines =
        text.lines().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote! { #(#[doc = #lines])* }
}
