//! From the plan to code. Nothing here can fail: what could not be generated has been refused.
//!
//! ```text
//! #[cached(ttl = 60)]
//! pub fn price(sku: &str, qty: u64) -> Arc<str> { BODY }
//!
//! // becomes
//! pub fn price(sku: &str, qty: u64) -> Arc<str> {
//!     let cache = price::cache();
//!     let looked = Arc::<str>::find(cache, View((sku, &qty)));
//!     match looked {
//!         Ok(hit) => hit,
//!         Err(missed) => Arc::<str>::load(cache, missed, move || price::uncached(sku, qty), Whole),
//!     }
//! }
//! pub enum price {}                        // types and functions do not share names
//! impl price { pub fn cache() -> &'static Cache<(String, u64), Arc<str>> { .. } .. }
//! impl price { pub fn uncached(sku: &str, qty: u64) -> Arc<str> { BODY } }
//! ```
//!
//! In an `impl` there is no place for the type. There the cache stands in a static inside of the method,
//! and the body in a closure, or for an `async fn` in a future.
//!
//! Variables are `mixed_site`, so that none of them can meet a name of the user; every path starts
//! at the root, so that nothing the user shadows is met either.

mod body;
mod companion;
mod key;
mod lints;
mod names;
mod storage;
mod tokens;
mod wrapper;

use crate::plan::{CompanionKind, Plan};
use crate::return_type::TypeAssertion;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericParam, Generics};

/// A variable that only the expansion sees.
///
/// Hygiene keeps it apart from variables of the user; a constant of the user would still be taken
/// for a pattern, hence the prefix.
fn local(name: &str) -> Ident {
    Ident::new(&format!("cached_{name}"), Span::mixed_site())
}

/// A place in the source, for code that only the expansion sees: errors point there, lints do not.
fn at(tokens: &impl Spanned) -> Span {
    Span::call_site().located_at(tokens.span())
}

/// As `local`, for a value: what is wrong with its type is said where all else of that is.
fn local_value(plan: &Plan, name: &str) -> Ident {
    let mut variable = local(name);
    variable.set_span(variable.span().located_at(plan.function.output.span()));
    variable
}

/// The crate, for code with such a span.
fn krate(plan: &Plan, at: Span) -> TokenStream {
    let path = plan.crate_path.to_token_stream().into_iter();
    path.map(|mut token| {
        token.set_span(token.span().located_at(at));
        token
    })
    .collect()
}

/// Generates everything.
///
/// Input: the plan of `price`. Output: the function and, beside it, what belongs to its cache.
pub(crate) fn expand(plan: &Plan) -> TokenStream {
    let wrapper = wrapper::expand(plan);
    match &plan.companion {
        CompanionKind::None => wrapper,
        CompanionKind::Methods(_) => {
            let siblings = companion::siblings(plan);
            quote! { #wrapper #siblings }
        }
        CompanionKind::Type(name) => {
            let companion = companion::beside(plan, name);
            let cfg = &plan.function.attributes.cfg;
            let assertion =
                type_assertion(plan).map(|assertion| quote! { #(#cfg)* const _: () = #assertion; });
            quote! { #wrapper #companion #assertion }
        }
    }
}

/// A block that does not compile where the return type is not what its name made believe.
fn type_assertion(plan: &Plan) -> Option<TokenStream> {
    let krate = &plan.crate_path;
    let output = &plan.function.output;
    let probe = quote! { #krate::__private::Probe::<#output> };
    let (holds, message) = match plan.returned.assertion.as_ref()? {
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
            use #krate::__private::{NotOptional as _, NotResult as _};
            ::core::assert!(#holds, #message);
        }
    })
}

/// The type and const parameters as arguments: lifetimes are always inferred, the types may
/// appear nowhere in the signature.
fn turbofish(generics: &Generics) -> TokenStream {
    let names: Vec<_> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    if names.is_empty() {
        TokenStream::new()
    } else {
        quote! { ::<#(#names),*> }
    }
}
