//! The type of the key in its forms: as users write it, as it is kept, as it is looked up.
//!
//! A type that the compiler has to check before it can be part of a key is named through
//! `KeyPart` (`RemotePart`, if a tier is to know the key), at the place where the user wrote it. So
//! each mistake is reported there, in the same words by all that is generated. Types that are known
//! to be fit need no check, and the code is shorter.

use super::tokens::{at, located};
use crate::key::PartKind;
use crate::plan::{PartPlan, Plan};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Path, Type, TypePath};

/// The type of the key as users write it.
///
/// Input: `(sku: &str, user: &User, qty: u64)`.
/// Output: `(<str as ToOwned>::Owned, <User as ToOwned>::Owned, u64,)`.
pub(super) fn written(parts: &[PartPlan]) -> TokenStream {
    types(parts, &owned)
}

/// How parts of a key are checked.
#[derive(Clone, Copy)]
pub(super) struct PartCheck<'a> {
    krate: &'a Path,
    /// The trait that each part must have.
    part: &'static str,
}

impl<'a> PartCheck<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let part = if plan.tier.is_some() { "RemotePart" } else { "KeyPart" };
        PartCheck { krate: &plan.crate_path, part }
    }

    /// Something of that trait.
    ///
    /// Output: `<Arg<User> as KeyPart<_>>::part`.
    pub(super) fn of_part(self, ty: &Type, what: &str) -> TokenStream {
        self.through(ty, self.part, what)
    }

    /// Something of a trait of the runtime that checks a part of a key.
    ///
    /// Output: `<Arg<Cow<'_, str>> as CowPart>::target`.
    pub(super) fn through(self, ty: &Type, of: &str, what: &str) -> TokenStream {
        let (krate, what) = (located(self.krate, at(ty)), Ident::new(what, at(ty)));
        let way = (of == self.part).then(|| quote_spanned! {at(ty)=> <_> });
        let of = Ident::new(of, at(ty));
        quote_spanned! {at(ty)=>
            <#krate::__private::Arg<#ty> as #krate::__private::#of #way>::#what
        }
    }

    /// The function that borrows an expression of which only the compiler knows the type, at its
    /// place.
    ///
    /// Output: `KeyPart::<_>::part`.
    pub(super) fn of_untyped(self, at: Span) -> TokenStream {
        let (krate, part) = (located(self.krate, at), Ident::new(self.part, at));
        quote_spanned! {at=> #krate::__private::#part::<_>::part }
    }
}

/// The same type, in the body of a function.
///
/// Output for the same input: `(<str as ToOwned>::Owned, <User as KeyPart<_>>::Kept, u64,)`.
pub(super) fn kept(check: PartCheck<'_>, parts: &[PartPlan]) -> TokenStream {
    types(parts, &|leaf| match leaf.to_be_checked() {
        Some(ty) => check.of_part(ty, "Kept"),
        None => owned(leaf),
    })
}

/// The type of what is looked up, in the body of a function. It determines that of the key.
///
/// Output for the same input: `(&str, <User as KeyPart<_>>::Borrowed<'_>, &u64,)`.
pub(super) fn looked_up(check: PartCheck<'_>, parts: &[PartPlan]) -> TokenStream {
    types(parts, &|leaf| match (leaf.to_be_checked(), leaf) {
        (Some(ty), _) => {
            let borrowed = check.of_part(ty, "Borrowed");
            quote_spanned! {at(ty)=> #borrowed<'_> }
        }
        (None, LeafType::Value(ty) | LeafType::Target(ty)) => quote! { &#ty },
        (None, LeafType::Untyped) => quote! { _ },
    })
}

/// Returns `true` if the compiler has to check the type of some part.
pub(super) fn is_checked(parts: &[PartPlan]) -> bool {
    let found = std::cell::Cell::new(false);
    types(parts, &|leaf| {
        found.set(found.get() || leaf.to_be_checked().is_some());
        TokenStream::new()
    });
    found.get()
}

/// A type in a part that is not taken apart further.
#[derive(Clone, Copy)]
pub(super) enum LeafType<'a> {
    /// A value, kept as a clone.
    Value(&'a Type),
    /// The type that a reference points to.
    Target(&'a Type),
    /// A type that only the compiler knows.
    Untyped,
}

impl<'a> LeafType<'a> {
    /// The type, unless it is known to be fit for a key.
    pub(super) fn to_be_checked(self) -> Option<&'a Type> {
        match self {
            Self::Value(Type::Path(path)) | Self::Target(Type::Path(path)) if is_fit(path) => None,
            Self::Value(ty) | Self::Target(ty) => Some(ty),
            Self::Untyped => None,
        }
    }
}

/// Returns `true` for the types that are known to be fit for keys. All but `str` are kept as they
/// are.
fn is_fit(path: &TypePath) -> bool {
    const FIT: [&str; 15] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize",
    ];
    FIT.iter().any(|name| path.path.is_ident(name))
}

/// The tuple of the types of the parts, with what `write` makes of their leaves.
fn types(parts: &[PartPlan], write: &dyn Fn(LeafType<'_>) -> TokenStream) -> TokenStream {
    let types = parts.iter().map(|part| shaped(&part.kind, write));
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
