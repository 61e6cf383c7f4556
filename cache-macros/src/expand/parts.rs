//! The key in its forms: the type that is kept, the view that is looked up.

use super::{at, local};
use crate::key::Kind;
use crate::outcome::Kept;
use crate::plan::{KeyPart, Plan};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Index, Type};

/// The type of the key.
///
/// Input: `(sku: &str, qty: u64)`. Output: `(<str as ToOwned>::Owned, u64,)`.
pub(super) fn key_type(plan: &Plan) -> TokenStream {
    let types = plan.parts.iter().map(|part| owned(&part.kind));
    quote! { (#(#types,)*) }
}

/// The type of the value.
pub(super) fn value_type(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let output = &plan.function.output;
    match &plan.outcome.kept {
        Kept::Whole => quote! { #output },
        Kept::Ok(Some(inner)) | Kept::Some(Some(inner)) => quote! { #inner },
        Kept::Ok(None) => quote! { <#output as #krate::__private::Fallible>::Value },
        Kept::Some(None) => quote! { <#output as #krate::__private::Optional>::Value },
    }
}

/// The value type as what has the functions of the runtime; errors about it point at the return
/// type.
pub(super) fn runtime(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let value = value_type(plan);
    quote_spanned! {at(&plan.function.output)=> <#value as #krate::__private::CacheValue<_>> }
}

/// What is kept of one part.
///
/// Input: `Option<&str>`. Output: `Option<<str as ToOwned>::Owned>`.
pub(super) fn owned(kind: &Kind) -> TokenStream {
    match kind {
        Kind::Value(ty) => quote! { #ty },
        Kind::Reference { target, .. } | Kind::Cow(target) => owned_target(target),
        Kind::Option(inner) => {
            let inner = owned(inner);
            quote! { ::core::option::Option<#inner> }
        }
        Kind::Tuple(parts) => {
            let parts = parts.iter().map(owned);
            quote! { (#(#parts,)*) }
        }
    }
}

fn owned_target(target: &Type) -> TokenStream {
    quote_spanned! {at(target)=> <#target as ::std::borrow::ToOwned>::Owned }
}

/// The variables of `key(name: Type = expression)`, which a view then borrows.
pub(super) fn computed(plan: &Plan) -> TokenStream {
    let lines = plan.parts.iter().filter_map(|KeyPart { place, computed, .. }| {
        let (ty, expr) = computed.as_ref()?;
        Some(quote! { let #place: #ty = #expr; })
    });
    quote! { #(#lines)* }
}

/// The view of the arguments.
///
/// Input: `(sku: &str, qty: u64)`. Output: `View((sku, &qty,))`.
pub(super) fn view(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let parts = plan.parts.iter().map(|part| {
        let place = &part.place;
        borrowed(&part.kind, quote! { #place })
    });
    quote! { #krate::__private::View((#(#parts,)*)) }
}

/// One part of the view, out of the place where the part is.
fn borrowed(kind: &Kind, place: TokenStream) -> TokenStream {
    match kind {
        Kind::Value(_) => quote! { &#place },
        Kind::Reference { depth, .. } => {
            let stars = std::iter::repeat_n(quote! { * }, depth - 1);
            quote! { #(#stars)* #place }
        }
        Kind::Cow(_) => quote! { &*#place },
        // Copied as it is.
        Kind::Option(inner) if matches!(**inner, Kind::Reference { depth: 1, .. }) => place,
        Kind::Option(inner) => {
            let some = local("some");
            let inner = borrowed(inner, quote! { (*#some) });
            quote! {
                ::core::option::Option::map(
                    ::core::option::Option::as_ref(&#place),
                    |#some| #inner,
                )
            }
        }
        Kind::Tuple(parts) => {
            let parts = parts.iter().enumerate().map(|(index, part)| {
                let index = Index::from(index);
                borrowed(part, quote! { #place.#index })
            });
            quote! { (#(#parts,)*) }
        }
    }
}
