//! What all that is generated is put together from: the type of the value, the calls, the expressions.

use super::{at, key};
use crate::many::ManyPlan;
use crate::plan::{PartPlan, Plan, Source};
use crate::return_type::CachedPart;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, Ident};

/// The type of the value; where there are many, that of one.
pub(super) fn value_type(plan: &Plan) -> TokenStream {
    let output = &plan.function.output;
    if let Some(ManyPlan { value, .. }) = &plan.many {
        return quote! { #value };
    }
    match &plan.returned.cached {
        CachedPart::Whole => quote! { #output },
        CachedPart::Ok(Some(inner)) | CachedPart::Some(Some(inner)) => quote! { #inner },
        CachedPart::Ok(None) => of_output(plan, "Fallible", "Value"),
        CachedPart::Some(None) => of_output(plan, "Optional", "Value"),
    }
}

/// The place of the return type, where only the compiler can learn from it the type of the value:
/// all that names that type stands there then, so that what is wrong with it is told once.
pub(super) fn unknown(plan: &Plan) -> Option<Span> {
    let unknown = matches!(plan.returned.cached, CachedPart::Ok(None) | CachedPart::Some(None));
    unknown.then(|| at(&plan.function.output))
}

/// Something of a trait that the return type must have, at its place, so that a miss of it is told
/// once.
///
/// Output: `<Arg<io::Result<u64>> as Fallible>::Value`
pub(super) fn of_output(plan: &Plan, of: &str, what: &str) -> TokenStream {
    let output = &plan.function.output;
    let at = at(output);
    let (krate, of, what) = (super::krate(plan, at), Ident::new(of, at), Ident::new(what, at));
    quote_spanned! {at=> <#krate::__private::Arg<#output> as #krate::__private::#of>::#what }
}

/// A call of one of the functions of the runtime, which are those of the value type; errors about that
/// point at the return type.
pub(super) fn call(plan: &Plan, function: &str, arguments: TokenStream) -> TokenStream {
    let path = path(plan, function);
    quote_spanned! {at(&plan.function.output)=> #path(#arguments) }
}

/// As `call`, with a type argument.
pub(super) fn call_for(
    plan: &Plan,
    function: &str,
    argument: &TokenStream,
    arguments: TokenStream,
) -> TokenStream {
    let path = path(plan, function);
    quote_spanned! {at(&plan.function.output)=> #path::<#argument>(#arguments) }
}

fn path(plan: &Plan, function: &str) -> TokenStream {
    let krate = &plan.crate_path;
    let value = value_type(plan);
    let at = at(&plan.function.output);
    let function = Ident::new(function, at);
    quote_spanned! {at=> <#value as #krate::__private::CacheValue<_>>::#function }
}

/// The variables of `key(..)`, which a view then borrows.
///
/// Input: `key(name: &str = &user.name, user.id)`.
/// Output: `let cached_part_0: &str = &user.name;` and `let cached_part_1 = Bare(&user.id)..;`
fn variables(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let lines = plan.parts.iter().map(|PartPlan { place, source, .. }| match source {
        Source::Argument => TokenStream::new(),
        Source::Computed(ty, expr) => quote! { let #place: #ty = #expr; },
        Source::Untyped(expr) => {
            let part = {
                let krate = super::krate(plan, at(expr));
                quote_spanned! {at(expr)=>
                    #krate::__private::KeyPart::<_>::part(
                        #krate::__private::Bare(#place).part_for_cached(),
                    )
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

/// What is done with the view, or with the views of many, in a block that ends the life of what the view borrows: nothing of it
/// may be alive while an `async fn` waits, or its arguments would have to be `Sync`.
pub(super) fn with_view(plan: &Plan, then: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let view = plan.many.as_ref().map_or_else(|| key::view(plan), |many| key::views(plan, many));
    in_block(plan, then(view))
}

/// As `with_view`, for functions that take one element of many.
pub(super) fn with_one_view(plan: &Plan, then: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    in_block(plan, then(key::view(plan)))
}

fn in_block(plan: &Plan, used: TokenStream) -> TokenStream {
    let variables = variables(plan);
    if variables.is_empty() {
        used
    } else {
        quote! { { #variables #used } }
    }
}
