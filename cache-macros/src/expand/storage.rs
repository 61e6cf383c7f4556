//! Where the cache is stored: how it is built, and how functions reach it.

use super::key_type::{self, PartCheck};
use super::lints;
use super::names::Names;
use super::tokens::{at, borrow, local};
use crate::args::Setting;
use crate::plan::{CompanionKind, Plan, Storage, TierPlan};
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
            let written = written || plan.tier.is_some();
            let (shadowing, built) = (written.then(lints::shadowing), built(names));
            quote! { #shadowing let #cache = #built; }
        }
        (_, Some(functions)) => {
            let maker = functions.path(maker_name(plan));
            let call = quote! { #maker() };
            // Where an error about a type that it names is reported in the same words already.
            let place = names.doubtful.first().map(at).or(names.at_unknown_value);
            let call = match place {
                Some(at) => lints::moved(&call, &|_| at),
                None => call,
            };
            quote! { let #cache = #call; }
        }
    }
}

/// The name of the function that builds the cache.
pub(super) const fn maker_name(plan: &Plan) -> &'static str {
    match (&plan.storage, &plan.tier) {
        (Storage::ThreadLocal, _) => "__handle",
        (Storage::Static, Some(_)) => "tiered",
        (Storage::Static | Storage::Given(_), _) => "cache",
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
    let Names { plan, krate, stored_ty, .. } = names;
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
    let is_plain = names.turbofish.is_empty() && names.doubtful.is_empty();
    if let (CompanionKind::Type(_), true) = (&plan.companion, is_plain) {
        let at = names.at_unknown_value.unwrap_or_else(Span::call_site);
        return quote_spanned! {at=> {
            static __CACHED: #krate::__private::StaticCache<#stored_ty> =
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
    let check = PartCheck::of(plan);
    let kept = functions.is_none().then(|| key_type::kept(check, &plan.parts));
    // In a function with a parameter for the way: of that way.
    let written = (!names.doubtful.is_empty()).then(|| key_type::written(plan));
    let key_ty = kept.as_ref().or(written.as_ref()).unwrap_or(key_ty);
    let (name, settings) = (cache_name(names), local("settings"));
    let tier = plan.tier.as_ref().map(|tier| tier_settings(names, tier));
    let of = if tier.is_some() { "TieredSettings" } else { "Settings" };
    let of = format_ident!("{of}");
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
        |#settings: #krate::__private::#of<#key_ty, _>| #settings #tier #(#options)*
    };
    if kept.is_some() || !key_type::is_checked(&plan.parts) {
        return names.call("build", quote! { #name, #set });
    }
    let parts = key_type::looked_up(plan);
    names.call_for("build_for", &parts, quote! { #name, #set })
}

/// The settings that a tier needs: itself, the codec, and what its name is made of beside that of
/// the cache.
///
/// Output: `.tier(&*TIER).codec(Postcard).at("src/lib.rs:7:1")`.
///
/// The error of a value without a codec is reported at the return type, if the codec is not the
/// user's.
fn tier_settings(names: &Names<'_>, TierPlan { tier, codec }: &TierPlan) -> TokenStream {
    let Names { plan, at_output, .. } = names;
    let tier = match plan.function.asyncness {
        None => quote! { .tier(#tier) },
        Some(_) => {
            let (at, krate) = (at(tier), names.krate_at(at(tier)));
            let sides = quote_spanned! {at=>
                {
                    #[allow(unused_imports)]
                    use #krate::__private::{BothSides as _, TaskSide as _, ThreadSide as _};
                    (&&&#krate::__private::TierOf(#tier)).sides_for_cached()
                }
            };
            quote! { .tier_of_tasks(#sides) }
        }
    };
    let codec = match codec {
        Some(codec) => quote! { .codec(#codec) },
        None => {
            let krate = names.krate_at(*at_output);
            quote_spanned! {*at_output=> .codec(#krate::__private::Postcard) }
        }
    };
    let name = match (&plan.name, plan.function.is_associated()) {
        (Some(_), false) => TokenStream::new(),
        (Some(_), true) => quote! { .of_type(::core::any::type_name::<Self>()) },
        (None, _) => quote! {
            .at(::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!()))
        },
    };
    quote! { #tier #codec #name }
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
