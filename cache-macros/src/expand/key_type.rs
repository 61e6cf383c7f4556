//! The type of the key in its forms: as users write it, as it is kept, as it is looked up.
//!
//! A type that the compiler has to check before it can be part of a key is named through
//! `KeyPart` (`RemotePart`, if a tier is to know the key; `LocalPart`, if one thread uses the
//! cache), at the place where the user wrote it. So each mistake is reported there, in the same
//! words by all that is generated. Types that are known to be fit need no check, and the code is
//! shorter.
//!
//! A signature cannot name `KeyPart<_>`, and `<Db as ToOwned>::Owned` in one would be an error of
//! its own wherever it stands. So where the type behind a reference may be no `ToOwned`, a function
//! whose signature names the key has a parameter for the way, `cache::<CachedWay>()`, which the
//! compiler infers as it infers `_`.

use super::tokens::{at, located};
use crate::key::PartKind;
use crate::plan::{PartPlan, Plan, Storage};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use std::cell::{Cell, RefCell};
use syn::{GenericParam, Path, Type, TypePath};

/// The type of the key as a signature names it.
///
/// Input: `(sku: &str, user: &User, qty: u64)`.
/// Output: `(<str as ToOwned>::Owned, <User as KeyPart<CachedWay>>::Kept, u64,)`.
pub(super) fn written(plan: &Plan) -> TokenStream {
    match doubtful(plan).is_empty() {
        true => types(&plan.parts, &owned),
        false => kept(PartCheck::in_signature(plan), &plan.parts),
    }
}

/// The types of the parts for which a signature needs the way as a parameter: all that are checked,
/// if one of them is behind a reference and the text does not show that it is `ToOwned`. (One type
/// may be two parts, and has one way.) A generic function has no room for one more parameter.
pub(super) fn doubtful(plan: &Plan) -> Vec<Type> {
    fn is_owned(ty: &Type) -> bool {
        match ty {
            Type::Path(path) => is_fit(path),
            Type::Slice(slice) => is_owned(&slice.elem),
            Type::Array(array) => is_owned(&array.elem),
            Type::Tuple(tuple) => tuple.elems.iter().all(is_owned),
            _ => false,
        }
    }
    let (checked, is_doubtful) = (RefCell::new(Vec::new()), Cell::new(false));
    types(&plan.parts, &|leaf| {
        checked.borrow_mut().extend(leaf.to_be_checked().cloned());
        let doubtful = matches!(leaf, LeafType::Target(ty) if !is_owned(ty));
        is_doubtful.set(is_doubtful.get() || doubtful);
        TokenStream::new()
    });
    let is_generic = plan.function.generics.params.iter().any(is_type_or_const);
    if is_doubtful.get() && !is_generic { checked.into_inner() } else { Vec::new() }
}

fn is_type_or_const(param: &GenericParam) -> bool {
    !matches!(param, GenericParam::Lifetime(_))
}

/// The parameter for the way.
pub(super) const WAY: &str = "CachedWay";

/// How parts of a key are checked.
#[derive(Clone, Copy)]
pub(super) struct PartCheck<'a> {
    krate: &'a Path,
    /// The trait that each part must have.
    part: &'static str,
    /// The way is a parameter of the function.
    within_signature: bool,
}

impl<'a> PartCheck<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let part = match (&plan.tier, &plan.storage) {
            (Some(_), _) => "RemotePart",
            (None, Storage::ThreadLocal) => "LocalPart",
            (None, Storage::Static | Storage::Given(_)) => "KeyPart",
        };
        PartCheck { krate: &plan.crate_path, part, within_signature: false }
    }

    /// As `of`, in a function with the way as a parameter.
    fn in_signature(plan: &'a Plan) -> Self {
        PartCheck { within_signature: true, ..PartCheck::of(plan) }
    }

    /// The bound of a function with the way as a parameter.
    ///
    /// Output: `User: KeyPart<CachedWay>`.
    pub(super) fn bound(self, ty: &Type) -> TokenStream {
        let (krate, part) = (located(self.krate, at(ty)), Ident::new(self.part, at(ty)));
        let way = Ident::new(WAY, at(ty));
        quote_spanned! {at(ty)=> #krate::__private::Arg<#ty>: #krate::__private::#part<#way> }
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
        let way = match self.within_signature {
            false => quote_spanned! {at(ty)=> _ },
            true => Ident::new(WAY, at(ty)).into_token_stream(),
        };
        let way = (of == self.part).then(|| quote_spanned! {at(ty)=> <#way> });
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
/// Output for the same input: `(&str, <User as KeyPart<CachedWay>>::Borrowed<'_>, &u64,)`.
pub(super) fn looked_up(plan: &Plan) -> TokenStream {
    let check = match doubtful(plan).is_empty() {
        true => PartCheck::of(plan),
        false => PartCheck::in_signature(plan),
    };
    types(&plan.parts, &|leaf| match (leaf.to_be_checked(), leaf) {
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
