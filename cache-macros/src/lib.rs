//! The `#[cached]` attribute of cache-core, which re-exports it: use it from there.
//!
//! The way through this crate is one line: `args` and `signature` read what was written,
//! `check`, `key` and `outcome` decide what it means, `plan` holds the decisions, `expand`
//! writes the code. Everything before the plan can fail and collects its errors in `errors`;
//! nothing after it can. What the code does at run time stands in `cache_core::__private`.

#![deny(unsafe_code)]

mod args;
mod attributes;
mod check;
mod duration;
mod errors;
mod expand;
mod key;
mod outcome;
mod plan;
mod signature;
mod suggest;

use errors::Errors;
use proc_macro2::TokenStream;
use quote::quote;

/// Caches what a function returns, by its arguments.
///
/// ```
/// use cache_core::cached;
/// use std::sync::Arc;
///
/// #[cached(ttl = 60)]
/// fn price(sku: &str, qty: u64) -> Arc<str> {
///     format!("{qty} of {sku}").into() // in truth: slow
/// }
///
/// let first = price("apple", 3);
/// assert!(Arc::ptr_eq(&first, &price("apple", 3)));
/// ```
///
/// The function keeps its signature. A call whose arguments have been seen returns a clone of
/// what was returned then; nothing is allocated for it and no argument is cloned. Calls that miss
/// the same key at the same time share one run of the body. Without options the cache keeps up to
/// 10 000 entries and they do not expire.
///
/// The return type must be `Clone + Send + Sync + 'static`. Every hit clones it, so wrap in
/// [`Arc`](std::sync::Arc) what is large or cannot be cloned.
///
/// # What is cached
///
/// Of a function that returns a `Result` only the value of `Ok` is cached, of one that returns an
/// `Option` only that of `Some`: the next call after an error tries again. The error need not be
/// `Clone`; where it is, callers that waited for a run that failed get a clone of its error, and
/// where it is not they run the body themselves. A return type counts as a `Result` or an `Option`
/// by its last word, so `io::Result<T>` is one. An alias of another name is an error that says
/// what to write instead.
///
/// # The key
///
/// The key is a plain tuple of the arguments in their owned form. To look it up, the arguments are
/// borrowed as they are.
///
/// | argument | in the key |
/// |---|---|
/// | `qty: u64` and other values | a clone, `u64` |
/// | `sku: &str`, `path: &Path`, `list: &[T]`, `user: &User`, `deep: &&str` | `String`, `PathBuf`, `Vec<T>`, `User`, `String` |
/// | `text: Cow<'_, str>` | `String` |
/// | `tag: Option<&str>`, `pair: (&str, u64)` | `Option<String>`, `(String, u64)` |
///
/// So the cache of `price` above is a `Cache<(String, u64), Arc<str>>`. One argument makes a tuple
/// of one, `(u64,)`, none the empty tuple. Each part must be
/// `Hash + Eq + Clone + Send + Sync + 'static`. What cannot be part of a key is refused unless
/// [`skip`](#skipa-b) or [`key`](#keyargument-name-type--expression) leaves it out: `&mut` and
/// `impl Trait` arguments, floats, and other types that borrow.
///
/// # The companion
///
/// Beside the function stands an empty type of the same name. Functions and types do not share
/// names, and `use` brings along both. It carries:
///
/// | | |
/// |---|---|
/// | `price::get(sku, qty)` | the cached value, if there is one; runs nothing |
/// | `price::insert(sku, qty, value)` | puts a value in |
/// | `price::invalidate(sku, qty)` | removes the value; whether there was one |
/// | `price::refresh(sku, qty)` | runs the body, keeps what it returns, and returns it; an error or `None` leaves the old value |
/// | `price::uncached(sku, qty)` | runs the body past the cache |
/// | `price::cache()` | the cache itself, a `&'static Cache<(String, u64), Arc<str>>` |
/// | `price::clear()` | removes all values |
/// | `price::stats()` | hits, misses and loads so far |
///
/// They are as visible as the function and take the same arguments, also those that are not part
/// of the key. `get` and `insert` deal in what is cached: of a `Result<T, E>` that is `T`.
///
/// ```
/// # use cache_core::cached;
/// #[cached]
/// fn length(text: &str) -> usize {
///     text.len()
/// }
///
/// assert_eq!(length::get("abc"), None);
/// length("abc");
/// assert_eq!(length::get("abc"), Some(3));
/// length::insert("abc", 4);
/// assert_eq!((length("abc"), length::uncached("abc")), (4, 3));
/// assert_eq!(length::refresh("abc"), 3);
/// assert!(length::invalidate("abc"));
/// assert_eq!(length::cache().entry_count(), 0);
/// assert_eq!(length::stats().hits, 2);
/// ```
///
/// # Generic functions
///
/// Each instance of a generic function has a cache of its own, and the methods of the companion
/// take the type arguments: `parse::cache::<u8>()`. Type parameters must be `'static`.
///
/// ```
/// # use cache_core::cached;
/// #[cached]
/// fn parse<T: std::str::FromStr + Clone + Send + Sync + 'static>(text: &str) -> Option<T> {
///     text.parse().ok()
/// }
///
/// assert_eq!(parse::<u8>("12"), Some(12));
/// assert_eq!(parse::get::<u8>("12"), Some(12));
/// assert_eq!(parse::get::<f64>("12"), None);
/// ```
///
/// # Options
///
/// ## `ttl = ..`
///
/// How long a value may be served: whole seconds, a text with units (`ns`, `us`, `ms`, `s`, `m`,
/// `h`, `d`), or an expression of type `Duration`, which is evaluated once, on the first call. By
/// default values do not expire.
///
/// ```
/// # use cache_core::cached;
/// # use std::time::Duration;
/// const HOUR: Duration = Duration::from_secs(3600);
///
/// #[cached(ttl = 60)]
/// fn seconds(n: u64) -> u64 {
///     n
/// }
///
/// #[cached(ttl = "1m30s")]
/// fn text(n: u64) -> u64 {
///     n
/// }
///
/// #[cached(ttl = 2 * HOUR)]
/// fn expression(n: u64) -> u64 {
///     n
/// }
/// # assert_eq!((seconds(1), text(1), expression(1)), (1, 1, 1));
/// ```
///
/// ## `max_capacity = N`
///
/// How many entries there may be, 10 000 by default: a number or an expression of type `u64`.
///
/// ```
/// # use cache_core::cached;
/// #[cached(max_capacity = 100)]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// for n in 0..1_000 {
///     square(n);
/// }
/// assert!(square::cache().entry_count() <= 100);
/// ```
///
/// ## `skip(a, b)`
///
/// Arguments that are not part of the key, because the result does not depend on them. A hit
/// leaves them untouched.
///
/// ```
/// # use cache_core::cached;
/// # struct Database;
/// # impl Database { fn name(&self, id: u64) -> Option<String> { Some(format!("user {id}")) } }
/// #[cached(skip(db))]
/// fn user_name(db: &Database, id: u64) -> Option<String> {
///     db.name(id)
/// }
/// # assert_eq!(user_name(&Database, 1).as_deref(), Some("user 1"));
/// # let _: &cache_core::Cache<(u64,), String> = user_name::cache();
/// ```
///
/// ## `key(argument, name: Type = expression)`
///
/// All that the key is made of, in place of the arguments: names of arguments, and expressions
/// over them with a name and a type. The expressions are evaluated at every call, so let them
/// borrow: a part of type `&str` is looked up as it is and kept as a `String`.
///
/// ```
/// # use cache_core::{Cache, cached};
/// struct User {
///     id: u64,
///     language: String,
/// }
///
/// #[cached(key(id: u64 = user.id, language: &str = &user.language, formal))]
/// fn greeting(user: &User, formal: bool, brightness: f64) -> String {
///     format!("{} {} {formal} {brightness}", user.language, user.id)
/// }
///
/// let user = User { id: 1, language: "en".to_owned() };
/// assert_eq!(greeting(&user, true, 0.5), greeting(&user, true, 0.7));
/// let _: &Cache<(u64, String, bool), String> = greeting::cache();
/// ```
///
/// ## `cache_errors`, `cache_none`
///
/// Caches the whole `Result`, or the whole `Option`, which must then be `Clone`.
///
/// ```
/// # use cache_core::cached;
/// #[cached(cache_errors, ttl = 5)]
/// fn port(text: &str) -> Result<u16, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// assert!(port("x").is_err());
/// assert!(port::get("x").is_some());
///
/// #[cached(cache_none)]
/// fn vowel(text: &str) -> Option<char> {
///     text.chars().find(|c| "aeiou".contains(*c))
/// }
///
/// assert_eq!(vowel("xyz"), None);
/// assert_eq!(vowel::get("xyz"), Some(None));
/// ```
///
/// ## `name = ".."`
///
/// The name of the cache, by default the path of the function.
///
/// ```
/// # use cache_core::cached;
/// #[cached(name = "squares")]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// assert_eq!(square::cache().name(), Some("squares"));
/// ```
///
/// ## `companion = other_name`, `companion = false`
///
/// Another name for the companion, for where there is a type or a module named like the function,
/// or no companion at all. Without it the attribute may also stand on an associated function that
/// takes no `self` and does not name `Self`.
///
/// ```
/// # use cache_core::cached;
/// mod area {}
///
/// #[cached(companion = Areas)]
/// fn area(width: u64, height: u64) -> u64 {
///     width * height
/// }
///
/// assert_eq!(area(2, 3), 6);
/// assert_eq!(Areas::get(2, 3), Some(6));
///
/// struct Shop;
///
/// impl Shop {
///     #[cached(companion = false)]
///     fn total(price: u64, qty: u64) -> u64 {
///         price * qty
///     }
/// }
///
/// assert_eq!(Shop::total(2, 3), 6);
/// ```
///
/// ## `crate = path`
///
/// Where cache-core is, for code that reaches it through another crate.
///
/// ```
/// mod vendored {
///     pub use cache_core;
/// }
///
/// #[vendored::cache_core::cached(crate = vendored::cache_core)]
/// fn square(n: u64) -> u64 {
///     n * n
/// }
/// # assert_eq!(square(3), 9);
/// ```
///
/// # Where attributes go
///
/// `doc`, `must_use`, `inline`, `deprecated` and the like stay on the function, `cfg` goes to
/// everything that is generated, lint levels to function and body, and all others to the body.
///
/// # Not yet
///
/// Methods and `async fn` are refused, as are the options `ttl_from`, `tti`, `jitter`, `weigher`,
/// `cache`, `thread_local`, `cache_if`, `negative_ttl`, `refresh_after`, `stale_while_revalidate`,
/// `stale_if_error`, `single_flight`, `bypass`, `tier`, `schema`, `l1_ttl` and `tags`.
///
/// # Panics
///
/// A call panics, each time, where an expression for `ttl` or `max_capacity` gives zero; as a
/// literal this does not compile.
#[proc_macro_attribute]
pub fn cached(
    attribute: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand_attribute(attribute.into(), item.into()).into()
}

/// The whole way: read, check, plan, expand.
///
/// Where anything is wrong the errors come out together with the function as the user wrote it,
/// so that the rest of the crate does not fail for want of it.
fn expand_attribute(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = args::parse(attribute, &mut errors);
    let function = signature::parse(item.clone(), &mut errors);
    let plan = plan::make(options, function, &mut errors);
    let errors = errors.into_tokens();
    match plan {
        Some(plan) if errors.is_none() => expand::expand(&plan),
        _ => quote! { #errors #item },
    }
}
