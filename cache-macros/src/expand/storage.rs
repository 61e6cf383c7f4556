//! Where the cache is stored: how it is built, and how functions reach it.

use super::names::Names;
use super::tokens::{borrow, local};
use super::{key_type, lints};
use crate::args::Setting;
use crate::plan::{CompanionKind, Storage};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

/// The statement that makes the cache a variable.
///
/// Output: `let cached_cache = price::cache();`
pub(super) fn bind(names: &Names<'_>) -> TokenStream {
    let Names { plan, krate, key_ty, value_ty, .. } = names;
    let cache = names.value("cache");
    match (&plan.storage, &names.functions) {
        (Storage::Given(expr), _) => {
            // An expression that is no place, such as an `if`, must be a reference itself.
            let expr = borrow(expr).unwrap_or_else(|| quote! { #expr });
            quote! { let #cache: &#krate::Cache<#key_ty, #value_ty, _> = #expr; }
        }
        (_, None) => {
            let written = plan.settings.iter().any(|(_, set)| matches!(set, Setting::Expr(_)));
            let (shadowing, built) = (written.then(lints::shadowing), built(names));
            quote! { #shadowing let #cache = #built; }
        }
        (storage, Some(functions)) => {
            let maker = functions.path(maker_name(storage));
            let call = quote! { #maker() };
            let call = match names.at_unknown_value {
                Some(at) => lints::moved(&call, &|_| at),
                None => call,
            };
            quote! { let #cache = #call; }
        }
    }
}

/// The name of the function that builds the cache.
pub(super) const fn maker_name(storage: &Storage) -> &'static str {
    match storage {
        Storage::ThreadLocal => "__handle",
        Storage::Static | Storage::Given(_) => "cache",
    }
}

/// The variable as a reference to the cache.
pub(super) fn reference(names: &Names<'_>) -> TokenStream {
    let cache = names.value("cache");
    match names.plan.storage {
        Storage::ThreadLocal => quote_spanned! {names.at_output=> &*#cache },
        Storage::Static | Storage::Given(_) => quote! { #cache },
    }
}

/// The cache in its static: an expression that builds it on first use.
///
/// A static without parameters suffices if nothing is generic. In an `impl` the macro cannot know.
pub(super) fn built(names: &Names<'_>) -> TokenStream {
    let Names { plan, krate, key_ty, value_ty, .. } = names;
    let build = build(names);
    if let Storage::ThreadLocal = plan.storage {
        return quote! {{
            ::std::thread_local! {
                static __CACHED: #krate::__private::ThreadCaches =
                    const { #krate::__private::ThreadCaches::empty() };
            }
            #krate::__private::ThreadCaches::get(&__CACHED, || #build)
        }};
    }
    if let (CompanionKind::Type(_), true) = (&plan.companion, names.turbofish.is_empty()) {
        let at = names.at_unknown_value.unwrap_or_else(Span::call_site);
        return quote_spanned! {at=> {
            static __CACHED: #krate::__private::StaticCache<#krate::Cache<#key_ty, #value_ty>> =
                #krate::__private::StaticCache::unbuilt();
            __CACHED.get(|| #build)
        }};
    }
    quote! {{
        static __CACHED: #krate::__private::CacheByType = #krate::__private::CacheByType::empty();
        __CACHED.get(|| #build)
    }}
}

/// The call that builds the cache.
///
/// Output: `<V as CacheValue<_>>::build(name, |settings: Settings<K, _>| settings.ttl(..))`.
///
/// If no signature states the type of the key, the parts do; otherwise they state only that it is
/// fit for a key.
fn build(names: &Names<'_>) -> TokenStream {
    let Names { plan, krate, key_ty, functions, .. } = names;
    let kept = functions.is_none().then(|| key_type::kept(krate, &plan.parts));
    let key_ty = kept.as_ref().unwrap_or(key_ty);
    let (name, settings) = (cache_name(names), local("settings"));
    let thread = matches!(plan.storage, Storage::ThreadLocal).then(|| quote! { .thread_local() });
    let options = plan.settings.iter().map(|(word, setting)| {
        let word = format_ident!("{word}");
        match setting {
            Setting::Expr(expr) => quote! { .#word(#expr) },
            Setting::Duration(time) => {
                let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
                quote! { .#word(::core::time::Duration::new(#seconds, #nanos)) }
            }
        }
    });
    let set = quote! {
        |#settings: #krate::__private::Settings<#key_ty, _>| #settings #thread #(#options)*
    };
    if kept.is_some() || !key_type::is_checked(&plan.parts) {
        return names.call("build", quote! { #name, #set });
    }
    let parts = key_type::looked_up(krate, &plan.parts);
    names.call_for("build_for", &parts, quote! { #name, #set })
}

/// The name of the cache: as given, or the path of the function.
fn cache_name(names: &Names<'_>) -> TokenStream {
    let Names { plan, krate, .. } = names;
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
