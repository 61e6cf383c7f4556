//! From the plan to code. Nothing here can fail: the plan holds nothing that cannot be generated.
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
//!         Err(missed) => {
//!             Arc::<str>::load(cache, missed, move || price::uncached(sku, qty), Whole)
//!         }
//!     }
//! }
//! pub enum price {}                        // types and functions do not share names
//! impl price { pub fn cache() -> &'static Cache<(String, u64), Arc<str>> { .. } .. }
//! impl price { pub fn uncached(sku: &str, qty: u64) -> Arc<str> { BODY } }
//! ```
//!
//! An `impl` cannot hold the type. There the cache stands in a static in the method, and the body
//! in a closure, or for an `async fn` in a future.
//!
//! Variables are `mixed_site`, so that none of them can meet a name of the user; every path starts
//! at the root, so that it cannot meet a name that shadows it.
//!
//! `names` and `fragments` are computed once, and handed down: to `wrapper`, the function that
//! callers see, and to `companion`, the functions beside it.

mod arguments;
mod body;
mod companion;
mod fragments;
mod key_type;
mod lints;
mod names;
mod return_value;
mod storage;
mod tokens;
mod view;
mod wrapper;

use crate::plan::Plan;
use fragments::Fragments;
use names::Names;
use proc_macro2::TokenStream;
use quote::quote;

/// Generates everything.
///
/// Input: the plan of `price`. Output: the function and, beside it, what belongs to its cache.
pub(crate) fn expand(plan: &Plan) -> TokenStream {
    let code = Fragments::new(Names::new(plan, false));
    let (wrapper, companion) = (wrapper::expand(&code), companion::expand(&code));
    quote! { #wrapper #companion }
}

/// Generates what stands beside the function, with nothing in it: for editors, while options are
/// wrong.
pub(crate) fn outline(plan: &Plan) -> TokenStream {
    companion::expand(&Fragments::new(Names::new(plan, true)))
}
