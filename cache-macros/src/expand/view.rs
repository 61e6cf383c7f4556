//! The key of one call as it is looked up: a view of the arguments, on the stack.

use super::key_type::{LeafType, PartCheck};
use super::names::Names;
use super::tokens::{at, borrow, local};
use crate::key::PartKind;
use crate::many::ManyPlan;
use crate::pattern;
use crate::plan::{PartPlan, Plan, Source};
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::Index;

/// A view, or the views of many keys, and the variables that it borrows.
pub(super) struct KeyView {
    variables: TokenStream,
    view: TokenStream,
}

impl KeyView {
    /// The view of the arguments; if one of them holds many keys, an iterator of views.
    pub(super) fn of_call(names: &Names<'_>) -> Self {
        let view = match &names.plan.many {
            None => view(names),
            Some(many) => views(names, many),
        };
        Self { variables: variables(names), view }
    }

    /// As `of_call`, for functions that take one element of many.
    pub(super) fn of_one(names: &Names<'_>) -> Self {
        Self { variables: variables(names), view: view(names) }
    }

    /// Wraps the use of the view in a block, so that its borrows end before the first `.await`;
    /// otherwise the arguments would have to be `Sync`.
    pub(super) fn used(&self, then: impl Fn(&TokenStream) -> TokenStream) -> TokenStream {
        let (variables, used) = (&self.variables, then(&self.view));
        if variables.is_empty() {
            used
        } else {
            quote! { { #variables #used } }
        }
    }
}

/// The variables of `key(..)`, which a view then borrows, and before them what the patterns of
/// arguments bind, as references.
///
/// Input: `key(name: &str = &user.name, user.id)`.
/// Output: `let cached_part_0: &str = &user.name;` and `let cached_part_1 = Bare(&user.id)..;`.
fn variables(names: &Names<'_>) -> TokenStream {
    let (krate, check) = (names.krate, PartCheck::of(names.plan));
    let lines = names.plan.parts.iter().map(|PartPlan { place, source, .. }| match source {
        Source::Argument | Source::Binding => TokenStream::new(),
        Source::Computed(ty, expr) => quote! { let #place: #ty = #expr; },
        Source::Untyped(expr) => {
            let part = {
                let (krate, part) = (names.krate_at(at(expr)), check.of_untyped(at(expr)));
                quote_spanned! {at(expr)=>
                    #part(#krate::__private::Bare(#place).part_for_cached(),)
                }
            };
            let expr = borrow(expr).unwrap_or_else(|| quote! { &(#expr) });
            // In two steps: a temporary lives as long as the variable that is a reference to it.
            quote! {
                let #place = #expr;
                let #place = {
                    #[allow(unused_imports)]
                    use #krate::__private::BareValue as _;
                    #part
                };
            }
        }
    });
    let bindings = bindings(names.plan);
    quote! { #bindings #(#lines)* }
}

/// The names that patterns bind and options mention.
///
/// Output: `let State(app) = &cached_argument_0;`.
fn bindings(plan: &Plan) -> TokenStream {
    let arguments = plan.function.arguments.iter();
    let mentioned =
        arguments.filter(|argument| argument.mentioned && !argument.bindings.is_empty());
    let lines = mentioned.map(|argument| {
        let (name, pattern) = (&argument.name, pattern::of_reference(&argument.pattern.pat));
        quote! { #[allow(unused_variables)] let #pattern = &#name; }
    });
    quote! { #(#lines)* }
}

/// The view of the arguments.
///
/// Input: `(sku: &str, user: &User, qty: u64)`.
/// Output: `View((sku, <User as KeyPart<_>>::part(user), &qty,))`.
fn view(names: &Names<'_>) -> TokenStream {
    view_of(names, |place| quote! { #place })
}

/// The views of the elements of an argument: an iterator.
///
/// Output: `Iterator::map(ids.iter(), |cached_id| View((region, cached_id,)))`.
fn views(names: &Names<'_>, many: &ManyPlan) -> TokenStream {
    let (ids, id) = (&many.name, local("id"));
    let view = view_of(names, |place| {
        if place == ids {
            quote! { #id }
        } else {
            quote! { #place }
        }
    });
    quote! { ::core::iter::Iterator::map(#ids.iter(), |#id| #view) }
}

/// The view of what stands in these places.
fn view_of(names: &Names<'_>, stands: impl Fn(&Ident) -> TokenStream) -> TokenStream {
    let (krate, check) = (names.krate, PartCheck::of(names.plan));
    let parts = names.plan.parts.iter().map(|part| {
        let place = match part.source {
            Source::Binding => {
                let place = &part.place;
                quote! { (*#place) }
            }
            _ => stands(&part.place),
        };
        borrowed(check, &part.kind, place)
    });
    quote! { #krate::__private::View((#(#parts,)*)) }
}

/// One part of the view, out of the place where the part is.
fn borrowed(check: PartCheck<'_>, kind: &PartKind, place: TokenStream) -> TokenStream {
    match kind {
        PartKind::Value(ty) => checked(check, LeafType::Value(ty), quote! { &#place }),
        PartKind::Reference { depth, target } => {
            let stars = std::iter::repeat_n(quote! { * }, depth - 1);
            checked(check, LeafType::Target(target), quote! { #(#stars)* #place })
        }
        PartKind::Cow { ty, target } => {
            let target_of = check.through(ty, "CowPart", "target");
            let reference = quote_spanned! {at(ty)=> #target_of(&#place) };
            checked(check, LeafType::Target(target), reference)
        }
        PartKind::Option { ty, inner } => {
            let (some, value) = (local("some"), check.through(ty, "OptionPart", "value"));
            let inner = borrowed(check, inner, quote! { (*#some) });
            quote_spanned! {at(ty)=> ::core::option::Option::map(#value(&#place), |#some| #inner) }
        }
        PartKind::Tuple(parts) => {
            let parts = parts.iter().enumerate().map(|(index, part)| {
                let index = Index::from(index);
                borrowed(check, part, quote! { #place.#index })
            });
            quote! { (#(#parts,)*) }
        }
        // Borrowed and checked where the expression is evaluated.
        PartKind::Untyped => place,
    }
}

/// A reference to a part, by way of the check of its type.
fn checked(check: PartCheck<'_>, leaf: LeafType<'_>, reference: TokenStream) -> TokenStream {
    match leaf.to_be_checked() {
        Some(ty) => {
            let part = check.of_part(ty, "part");
            quote_spanned! {at(ty)=> #part(#reference) }
        }
        None => reference,
    }
}
