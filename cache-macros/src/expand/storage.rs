//! Where the cache is: how it is made, and how to get at it.

use super::{at, key, lints, local, local_value, names, tokens};
use crate::args::Time;
use crate::plan::{CompanionKind, Plan, Setting, Storage};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

/// The statement that makes the cache a variable.
///
/// Output: `let cached_cache = price::cache();`
pub(super) fn bind(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let cache = local_value(plan, "cache");
    match (&plan.storage, &plan.companion) {
        (Storage::Given(expr), _) => {
            let (key, value) = (key::written(plan), tokens::value_type(plan));
            // What is no place, such as an `if`, must be a reference itself.
            let expr = tokens::borrow(expr).unwrap_or_else(|| quote! { #expr });
            quote! { let #cache: &#krate::Cache<#key, #value, _> = #expr; }
        }
        (_, CompanionKind::None) => {
            let written = plan.settings.iter().any(|(_, set)| matches!(set, Setting::Expr(_)));
            let (shadowing, made) = (written.then(lints::shadowing), made(plan));
            quote! { #shadowing let #cache = #made; }
        }
        (Storage::Static, _) => {
            let own = own(plan, "cache");
            quote! { let #cache = #own; }
        }
        (Storage::ThreadLocal, _) => {
            let own = own(plan, "__handle");
            quote! { let #cache = #own; }
        }
    }
}

/// The call of the method that makes the cache.
fn own(plan: &Plan, word: &str) -> TokenStream {
    let own = names::call(plan, word);
    let call = quote! { #own() };
    tokens::unknown(plan).map_or_else(|| call.clone(), |at| lints::moved(&call, &|_| at))
}

/// The variable as a reference to the cache.
pub(super) fn reference(plan: &Plan) -> TokenStream {
    let cache = local_value(plan, "cache");
    match plan.storage {
        Storage::ThreadLocal => quote_spanned! {at(&plan.function.output)=> &*#cache },
        Storage::Static | Storage::Given(_) => quote! { #cache },
    }
}

/// The cache in its static: an expression that makes it on first use.
///
/// A static without parameters suffices where nothing is generic. In an `impl` that cannot be known.
pub(super) fn made(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let build = build(plan);
    if let Storage::ThreadLocal = plan.storage {
        return quote! {{
            ::std::thread_local! {
                static __CACHED: #krate::__private::Local = const { #krate::__private::Local::new() };
            }
            #krate::__private::Local::get(&__CACHED, || #build)
        }};
    }
    let generic = super::turbofish(&plan.function.generics).is_empty();
    if let (CompanionKind::Type(_), true) = (&plan.companion, generic) {
        let (key, value) = (key::written(plan), tokens::value_type(plan));
        let at = tokens::unknown(plan).unwrap_or_else(Span::call_site);
        return quote_spanned! {at=> {
            static __CACHED: #krate::__private::Slot<#krate::Cache<#key, #value>> =
                #krate::__private::Slot::new();
            __CACHED.get(|| #build)
        }};
    }
    quote! {{
        static __CACHED: #krate::__private::ByType = #krate::__private::ByType::new();
        __CACHED.get(|| #build)
    }}
}

/// The cache, built.
///
/// Output: `<V as CacheValue<_>>::build("path::price", |settings: Settings<(String,), _>| settings.ttl(..))`
///
/// Where no signature says the type of the key, it is said by the parts; else these say that it is a key.
fn build(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let inside = matches!(plan.companion, CompanionKind::None);
    let key = if inside { key::kept(plan) } else { key::written(plan) };
    let name = name(plan);
    let settings = local("settings");
    let thread = matches!(plan.storage, Storage::ThreadLocal).then(|| quote! { .thread_local() });
    let options = plan.settings.iter().map(|(word, setting)| {
        let word = format_ident!("{word}");
        let value = match setting {
            Setting::Time(time) => duration(time),
            Setting::Expr(expr) => quote! { #expr },
        };
        quote! { .#word(#value) }
    });
    let set = quote! {
        |#settings: #krate::__private::Settings<#key, _>| #settings #thread #(#options)*
    };
    if inside || !key::is_checked(plan) {
        return tokens::call(plan, "build", quote! { #name, #set });
    }
    let parts = key::looked_up(plan);
    tokens::call_for(plan, "build_for", &parts, quote! { #name, #set })
}

/// The name of the cache: as given, or the path of the function.
fn name(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let own = plan.function.name.unraw().to_string();
    match &plan.name {
        Some(name) => quote! { #name },
        None if plan.function.is_associated() => {
            quote! { &#krate::__private::method_name::<Self>(#own) }
        }
        None => {
            let path = format!("::{own}");
            quote! { ::core::concat!(::core::module_path!(), #path) }
        }
    }
}

/// A length of time; an expression must be a `Duration`, and says so itself if not.
fn duration(time: &Time) -> TokenStream {
    match time {
        Time::Known(duration) => {
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            quote! { ::core::time::Duration::new(#seconds, #nanos) }
        }
        Time::Computed(expr) => quote! { #expr },
    }
}
