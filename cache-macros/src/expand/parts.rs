//! The key in its forms: the type that is kept, the view that is looked up.

use super::{at, local};
use crate::key::Kind;
use crate::outcome::Kept;
use crate::plan::{KeyPart, Plan, Source};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Expr, Ident, Index, Type};

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

/// A call of one of the functions of the runtime, which are those of the value type; errors about that
/// point at the return type.
pub(super) fn call(plan: &Plan, function: &str, arguments: TokenStream) -> TokenStream {
    let krate = &plan.crate_path;
    let value = value_type(plan);
    let at = at(&plan.function.output);
    let function = Ident::new(function, at);
    quote_spanned! {at=> <#value as #krate::__private::CacheValue<_>>::#function(#arguments) }
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
        Kind::Untyped => quote! { _ },
    }
}

fn owned_target(target: &Type) -> TokenStream {
    quote_spanned! {at(target)=> <#target as ::std::borrow::ToOwned>::Owned }
}

/// The variables of `key(..)`, which a view then borrows.
///
/// Input: `key(name: &str = &user.name, user.id)`.
/// Output: `let cached_part_0: &str = &user.name;` and `let cached_part_1 = Bare(&user.id)..;`
fn variables(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let lines = plan.parts.iter().map(|KeyPart { place, source, .. }| match source {
        Source::Argument => TokenStream::new(),
        Source::Computed(ty, expr) => quote! { let #place: #ty = #expr; },
        Source::Untyped(expr) => {
            let check = quote_spanned! {at(expr)=> #krate::__private::check_bare(#place) };
            let expr = borrow(expr).unwrap_or_else(|| quote! { &(#expr) });
            // In two steps: a temporary lives as long as the variable that is a reference to it.
            quote! {
                let #place = #expr;
                let #place = {
                    #[allow(unused_imports)]
                    use #krate::__private::BareValue as _;
                    let #place = #krate::__private::Bare(#place).part_for_cached();
                    #check
                };
            }
        }
    });
    quote! { #(#lines)* }
}

/// A reference to what an expression says, which is not moved where it is a place; nothing for an
/// expression that would need parentheses.
pub(super) fn borrow(expr: &Expr) -> Option<TokenStream> {
    match expr {
        Expr::Path(_)
        | Expr::Field(_)
        | Expr::MethodCall(_)
        | Expr::Call(_)
        | Expr::Index(_)
        | Expr::Unary(_)
        | Expr::Reference(_)
        | Expr::Paren(_)
        | Expr::Macro(_)
        | Expr::Lit(_)
        | Expr::Tuple(_) => Some(quote_spanned! {at(expr)=> &#expr }),
        _ => None,
    }
}

/// What is done with a view, in a block that ends the life of what the view borrows: nothing of it
/// may be alive while an `async fn` waits, or its arguments would have to be `Sync`.
pub(super) fn with_view(plan: &Plan, then: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let (variables, used) = (variables(plan), then(view(plan)));
    if variables.is_empty() {
        used
    } else {
        quote! { { #variables #used } }
    }
}

/// The checks of the types of the key, each at the place where the type stands. Nothing of them runs.
pub(super) fn checks(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let keys = plan.parts.iter().filter(|part| !matches!(part.kind, Kind::Untyped)).map(|part| {
        let ty = owned(&part.kind);
        quote_spanned! {at(&ty)=> let _: fn() = #krate::__private::check_key::<#ty, _>; }
    });
    quote! { #(#keys)* }
}

/// The view of the arguments.
///
/// Input: `(sku: &str, qty: u64)`. Output: `View((sku, &qty,))`.
fn view(plan: &Plan) -> TokenStream {
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
        // A reference already.
        Kind::Untyped => place,
    }
}
