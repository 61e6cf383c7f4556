//! The key in its forms: what it is called where it is kept, and how it is looked up.
//!
//! A type that the compiler has to look at before it can be part of a key is named through
//! `KeyPart`, at the place where the user wrote it, so that all that can be wrong with it is said there,
//! in the same words by all that is generated. Of types that are known to be fit nothing needs to be
//! asked, and the code is shorter.

use super::{at, krate, local};
use crate::key::PartKind;
use crate::many::ManyPlan;
use crate::plan::Plan;
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Index, Type, TypePath};

/// The type of the key as users write it.
///
/// Input: `(sku: &str, user: &User, qty: u64)`.
/// Output: `(<str as ToOwned>::Owned, <User as ToOwned>::Owned, u64,)`.
pub(super) fn written(plan: &Plan) -> TokenStream {
    types(plan, &owned)
}

/// The same type, in the body of a function.
///
/// Output for the same input: `(<str as ToOwned>::Owned, <User as KeyPart<_>>::Kept, u64,)`.
pub(super) fn kept(plan: &Plan) -> TokenStream {
    types(plan, &|leaf| match leaf.to_be_checked() {
        Some(ty) => through(plan, ty, "KeyPart", "Kept"),
        None => owned(leaf),
    })
}

/// The type of what is looked up, in the body of a function; it says that of the key.
///
/// Output for the same input: `(&str, <User as KeyPart<_>>::Borrowed<'_>, &u64,)`.
pub(super) fn looked_up(plan: &Plan) -> TokenStream {
    types(plan, &|leaf| match (leaf.to_be_checked(), leaf) {
        (Some(ty), _) => {
            let borrowed = through(plan, ty, "KeyPart", "Borrowed");
            quote_spanned! {at(ty)=> #borrowed<'_> }
        }
        (None, LeafType::Value(ty) | LeafType::Target(ty)) => quote! { &#ty },
        (None, LeafType::Untyped) => quote! { _ },
    })
}

/// The view of the arguments.
///
/// Output for the same input: `View((sku, <User as KeyPart<_>>::part(user), &qty,))`.
pub(super) fn view(plan: &Plan) -> TokenStream {
    view_of(plan, |place| quote! { #place })
}

/// The view of what stands in these places.
fn view_of(plan: &Plan, stands: impl Fn(&Ident) -> TokenStream) -> TokenStream {
    let krate = &plan.crate_path;
    let parts = plan.parts.iter().map(|part| borrowed(plan, &part.kind, stands(&part.place)));
    quote! { #krate::__private::View((#(#parts,)*)) }
}

/// The views of the elements of an argument: an iterator.
///
/// Output: `Iterator::map(ids.iter(), |cached_id| View((region, cached_id,)))`.
pub(super) fn views(plan: &Plan, many: &ManyPlan) -> TokenStream {
    let (ids, id) = (&many.name, local("id"));
    let view = view_of(plan, |place| {
        if place == ids {
            quote! { #id }
        } else {
            quote! { #place }
        }
    });
    quote! { ::core::iter::Iterator::map(#ids.iter(), |#id| #view) }
}

/// Whether the compiler has to look at the type of some part.
pub(super) fn is_checked(plan: &Plan) -> bool {
    let found = std::cell::Cell::new(false);
    types(plan, &|leaf| {
        found.set(found.get() || leaf.to_be_checked().is_some());
        TokenStream::new()
    });
    found.get()
}

/// What a part is made of in the end.
#[derive(Clone, Copy)]
enum LeafType<'a> {
    /// A value, kept as a clone.
    Value(&'a Type),
    /// What a reference points to.
    Target(&'a Type),
    /// Something whose type only the compiler knows.
    Untyped,
}

impl<'a> LeafType<'a> {
    /// The type, unless it is known that it can be part of a key.
    fn to_be_checked(self) -> Option<&'a Type> {
        match self {
            LeafType::Value(Type::Path(path)) | LeafType::Target(Type::Path(path))
                if is_fit(path) =>
            {
                None
            }
            LeafType::Value(ty) | LeafType::Target(ty) => Some(ty),
            LeafType::Untyped => None,
        }
    }
}

/// Whether this is one of the types that are known to be fit for keys, and, but for `str`, kept as they are.
fn is_fit(path: &TypePath) -> bool {
    const FIT: [&str; 15] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize",
    ];
    FIT.iter().any(|name| path.path.is_ident(name))
}

/// The tuple of the types of the parts, with what `write` makes of their leaves.
fn types(plan: &Plan, write: &dyn Fn(LeafType<'_>) -> TokenStream) -> TokenStream {
    let types = plan.parts.iter().map(|part| shaped(&part.kind, write));
    quote! { (#(#types,)*) }
}

fn shaped(kind: &PartKind, write: &dyn Fn(LeafType<'_>) -> TokenStream) -> TokenStream {
    match kind {
        PartKind::Value(ty) => write(LeafType::Value(ty)),
        PartKind::Reference { target, .. } | PartKind::Cow { target, .. } => {
            write(LeafType::Target(target))
        }
        PartKind::Option { inner, .. } => {
            let inner = shaped(inner, write);
            quote! { ::core::option::Option<#inner> }
        }
        PartKind::Tuple(parts) => {
            let parts = parts.iter().map(|part| shaped(part, write));
            quote! { (#(#parts,)*) }
        }
        PartKind::Untyped => write(LeafType::Untyped),
    }
}

fn owned(leaf: LeafType<'_>) -> TokenStream {
    match leaf {
        LeafType::Value(ty) => quote! { #ty },
        LeafType::Target(Type::Path(path)) if is_fit(path) && !path.path.is_ident("str") => {
            quote! { #path }
        }
        LeafType::Target(ty) => {
            quote_spanned! {at(ty)=> <#ty as ::std::borrow::ToOwned>::Owned }
        }
        LeafType::Untyped => quote! { _ },
    }
}

/// Something of a trait that says what can be part of a key.
fn through(plan: &Plan, ty: &Type, of: &str, what: &str) -> TokenStream {
    let (krate, what) = (krate(plan, at(ty)), Ident::new(what, at(ty)));
    let way = (of == "KeyPart").then(|| quote_spanned! {at(ty)=> <_> });
    let of = Ident::new(of, at(ty));
    quote_spanned! {at(ty)=> <#krate::__private::Arg<#ty> as #krate::__private::#of #way>::#what }
}

/// One part of the view, out of the place where the part is.
fn borrowed(plan: &Plan, kind: &PartKind, place: TokenStream) -> TokenStream {
    match kind {
        PartKind::Value(ty) => checked(plan, LeafType::Value(ty), quote! { &#place }),
        PartKind::Reference { depth, target } => {
            let stars = std::iter::repeat_n(quote! { * }, depth - 1);
            checked(plan, LeafType::Target(target), quote! { #(#stars)* #place })
        }
        PartKind::Cow { ty, target } => {
            let target_of = through(plan, ty, "CowPart", "target");
            let reference = quote_spanned! {at(ty)=> #target_of(&#place) };
            checked(plan, LeafType::Target(target), reference)
        }
        PartKind::Option { ty, inner } => {
            let (some, value) = (local("some"), through(plan, ty, "OptionPart", "value"));
            let inner = borrowed(plan, inner, quote! { (*#some) });
            quote_spanned! {at(ty)=> ::core::option::Option::map(#value(&#place), |#some| #inner) }
        }
        PartKind::Tuple(parts) => {
            let parts = parts.iter().enumerate().map(|(index, part)| {
                let index = Index::from(index);
                borrowed(plan, part, quote! { #place.#index })
            });
            quote! { (#(#parts,)*) }
        }
        // Borrowed and checked where the expression is evaluated.
        PartKind::Untyped => place,
    }
}

/// A reference to a part, by way of the check of its type.
fn checked(plan: &Plan, leaf: LeafType<'_>, reference: TokenStream) -> TokenStream {
    match leaf.to_be_checked() {
        Some(ty) => {
            let part = through(plan, ty, "KeyPart", "part");
            quote_spanned! {at(ty)=> #part(#reference) }
        }
        None => reference,
    }
}
