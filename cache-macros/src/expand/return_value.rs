//! The return value: what of it is cached, how it is put together again, and what the compiler
//! confirms of its type.

use super::names::Names;
use super::tokens::at;
use crate::many::ManyPlan;
use crate::return_type::{CachedPart, TypeAssertion};
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

/// The description of the return value for the runtime: which part of it is cached, and for a
/// function over many keys how its pairs are taken apart.
pub(super) fn kind(names: &Names<'_>) -> TokenStream {
    let at = names.at_output;
    let krate = names.krate_at(at);
    let whole = match &names.plan.returned.cached {
        CachedPart::Whole => quote_spanned! {at=> #krate::__private::Whole },
        CachedPart::Some(_) => {
            let keep = names.of_output("Optional", "kind");
            quote_spanned! {at=> #keep() }
        }
        CachedPart::Ok(_) => {
            let of_output = |what| names.of_output("Fallible", what);
            let (keep, make) = (of_output("kind"), of_output("error"));
            let error = names.value("error");
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
    let Some(ManyPlan { element, pairs, value, .. }) = &names.plan.many else { return whole };
    let at = super::tokens::at(pairs);
    let krate = names.krate_at(at);
    let pairing = quote_spanned! {at=>
        <#krate::__private::Arg<#pairs> as #krate::__private::Pairs<#element, #value, _>>::pairing()
    };
    quote! { (#whole, #pairing) }
}

/// Puts a cached value back into what the function returns.
pub(super) fn wrap(names: &Names<'_>, value: &TokenStream) -> TokenStream {
    let of = match &names.plan.returned.cached {
        CachedPart::Whole => return value.clone(),
        CachedPart::Ok(_) => names.of_output("Fallible", "from_cached"),
        CachedPart::Some(_) => names.of_output("Optional", "from_cached"),
    };
    quote_spanned! {names.at_output=> #of(#value) }
}

/// The type of what the function returns, with how the value was obtained.
///
/// Output: `(Arc<str>, Status)`, or `Result<(u64, Status), E>`.
pub(super) fn stated(names: &Names<'_>) -> TokenStream {
    let Names { value_ty, at_output, .. } = names;
    let krate = names.krate_at(*at_output);
    let stated = quote_spanned! {*at_output=> (#value_ty, #krate::__private::Status) };
    match &names.plan.returned.cached {
        CachedPart::Whole => stated,
        CachedPart::Ok(_) => {
            let error = names.of_output("Fallible", "Error");
            quote_spanned! {*at_output=> ::core::result::Result<#stated, #error> }
        }
        CachedPart::Some(_) => quote_spanned! {*at_output=> ::core::option::Option<#stated> },
    }
}

/// Puts a cached value and how it was obtained back into that type.
pub(super) fn wrap_stated(names: &Names<'_>, stated: &Ident) -> TokenStream {
    match &names.plan.returned.cached {
        CachedPart::Whole => quote! { #stated },
        CachedPart::Ok(_) => quote! { ::core::result::Result::Ok(#stated) },
        CachedPart::Some(_) => quote! { ::core::option::Option::Some(#stated) },
    }
}

/// A block that does not compile if the return type is not what its name suggests.
pub(super) fn assertion(names: &Names<'_>) -> Option<TokenStream> {
    let krate = names.krate;
    let output = &names.plan.function.output;
    let probe = quote! { #krate::__private::TypeProbe::<#output> };
    let (holds, message) = match names.plan.returned.assertion.as_ref()? {
        TypeAssertion::Plain => (
            quote! { !#probe::IS_RESULT && !#probe::IS_OPTION },
            "this return type is an alias of `Result` or `Option`: spell it `Result<T, E>` or \
             `Option<T>` to have only `Ok` or `Some` cached, or say `cache_errors` or \
             `cache_none` to have all of it cached",
        ),
        TypeAssertion::Result => {
            (quote! { #probe::IS_RESULT }, "`cache_errors` is for functions that return a `Result`")
        }
        TypeAssertion::Option => {
            (quote! { #probe::IS_OPTION }, "`cache_none` is for functions that return an `Option`")
        }
    };
    Some(quote_spanned! {at(output)=>
        {
            #[allow(unused_imports)]
            use #krate::__private::OtherType as _;
            ::core::assert!(#holds, #message);
        }
    })
}
