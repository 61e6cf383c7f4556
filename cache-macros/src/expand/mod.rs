//! From the plan to code. Nothing here can fail: what could not be generated has been refused.
//!
//! ```text
//! #[cached(ttl = 60)]
//! pub fn price(sku: &str, qty: u64) -> Arc<str> { BODY }
//!
//! // becomes
//! pub fn price(sku: &str, qty: u64) -> Arc<str> {
//!     let cache = price::cache();
//!     match Arc::<str>::find(cache, View((sku, &qty))) {
//!         Ok(hit) => hit,
//!         Err(key) => Arc::<str>::load(cache, key, move || price::uncached(sku, qty)),
//!     }
//! }
//! pub enum price {}                        // types and functions do not share names
//! impl price { pub fn cache() -> &'static Cache<(String, u64), Arc<str>> { .. } .. }
//! impl price { pub fn uncached(sku: &str, qty: u64) -> Arc<str> { BODY } }
//! ```
//!
//! Variables are `mixed_site`, so that none of them can meet a name of the user; every path starts
//! at the root, so that nothing the user shadows is met either.

mod companion;
mod parts;
mod wrapper;

use crate::outcome::Claim;
use crate::plan::Plan;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

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

/// Generates everything.
///
/// Input: the plan of `price`. Output: the function and, beside or inside of it, its companion.
pub(crate) fn expand(plan: &Plan) -> TokenStream {
    let companion = companion::expand(plan);
    let claim = claim(plan);
    if plan.hidden {
        return wrapper::expand(plan, &quote! { #companion #claim });
    }
    let wrapper = wrapper::expand(plan, &TokenStream::new());
    quote! { #wrapper #companion #claim }
}

/// A constant that does not compile where the return type is not what its name made believe.
fn claim(plan: &Plan) -> Option<TokenStream> {
    let krate = &plan.crate_path;
    let output = &plan.function.output;
    let cfg = &plan.function.attributes.cfg;
    let probe = quote! { #krate::__private::Probe::<#output> };
    let (holds, message) = match plan.outcome.claim.as_ref()? {
        Claim::Plain => (
            quote! { !#probe::IS_RESULT && !#probe::IS_OPTION },
            "this return type is an alias of `Result` or `Option`: spell it `Result<T, E>` or \
             `Option<T>` to have only `Ok` or `Some` cached, or say `cache_errors` or \
             `cache_none` to have all of it cached",
        ),
        Claim::Result => {
            (quote! { #probe::IS_RESULT }, "`cache_errors` is for functions that return a `Result`")
        }
        Claim::Option => {
            (quote! { #probe::IS_OPTION }, "`cache_none` is for functions that return an `Option`")
        }
    };
    Some(quote_spanned! {at(output)=>
        #(#cfg)*
        const _: () = {
            #[allow(unused_imports)]
            use #krate::__private::{NotOptional as _, NotResult as _};
            ::core::assert!(#holds, #message);
        };
    })
}
