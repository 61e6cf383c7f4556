//! Free functions.

use super::User;
use alloc::borrow::Cow;
use alloc::sync::Arc;
use cache_core::{Cache, cached};
use core::fmt::Debug;
use core::future::ready;
use core::hash::Hash;
use core::num::ParseIntError;
use core::str::FromStr;
use core::time::Duration;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

/// Not a literal.
const HOUR: Duration = Duration::from_hours(1);

/// Of the user's own.
static PRICES: LazyLock<Cache<(String, u64), u64>> = LazyLock::new(|| Cache::new(10));

/// With the times.
#[cached(ttl = 60, tti = "1m", jitter = 0.1, max_capacity = 10, name = "prices")]
#[must_use]
pub fn price(sku: &str, qty: u64) -> Arc<str> {
    format!("{qty} of {sku}").into()
}

/// Private.
#[cached]
fn private(sku: &str) -> usize {
    sku.len()
}

/// For the crate.
#[cached]
#[must_use]
pub(crate) fn for_the_crate(sku: &str) -> usize {
    private(sku)
}

/// Every kind of argument.
#[cached(bypass = qty > 100)]
#[must_use]
pub fn arguments(
    text: &str,
    path: &Path,
    list: &[u8],
    deep: &&str,
    cow: Cow<'_, str>,
    maybe: Option<&User>,
    (left, right): (&str, Option<&&u8>),
    (ref user, mut other): (User, u64),
    _: String,
    _part: u8,
    mut qty: u64,
) -> String {
    qty = qty.saturating_add(other);
    other = other.saturating_add(user.id);
    let place = path.display();
    format!("{text}{place}{list:?}{deep}{cow}{maybe:?}{left}{right:?}{other}{qty}")
}

/// The same with the body inside.
#[cached(bypass = qty > 100, companion = false)]
#[must_use]
pub fn arguments_inside(
    (left, right): (&str, Option<&&u8>),
    (ref user, mut other): (User, u64),
    _: String,
    _part: u8,
    mut qty: u64,
) -> String {
    qty = qty.saturating_add(other);
    other = other.saturating_add(user.id);
    format!("{left}{right:?}{other}{qty}")
}

/// What may fail.
///
/// # Errors
///
/// When `text` is no number.
#[cached(ttl = HOUR, refresh_after = 30, stale_if_error = 60, stale_while_revalidate = 10)]
pub fn parse(text: &str) -> Result<u64, ParseIntError> {
    text.parse()
}

/// What may fail, whole.
///
/// # Errors
///
/// When `text` is no number.
#[cached(cache_errors)]
pub fn parse_whole(text: &str) -> Result<u64, ParseIntError> {
    text.parse()
}

/// A `Result` of another path.
///
/// # Errors
///
/// Never.
#[cached]
pub fn size(text: &str) -> io::Result<usize> {
    Ok(text.len())
}

/// What may not be there.
#[cached]
#[must_use]
pub fn first(text: &str) -> Option<char> {
    text.chars().next()
}

/// What may not be there, whole.
#[cached(cache_none)]
#[must_use]
pub fn first_whole(text: &str) -> Option<char> {
    text.chars().next()
}

/// What may not be there, for a while.
#[cached(negative_ttl = 5)]
#[must_use]
pub fn first_for_a_while(text: &str) -> Option<char> {
    text.chars().next()
}

/// Of a type that the attribute does not know.
#[cached]
#[must_use]
pub fn user(id: u64) -> User {
    User { id, name: String::new() }
}

/// Of a type parameter.
#[cached]
#[must_use]
pub fn read<T: FromStr + Clone + Send + Sync + 'static>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// Of a number, with a lifetime that does nothing.
#[cached(skip(user))]
#[must_use]
pub fn ids<'user, const N: usize>(user: &'user User, name: &'user str) -> [u64; N] {
    [user.id; N].map(|id| id.saturating_add(u64::from(name.is_empty())))
}

/// Waits.
#[cached]
#[must_use]
pub async fn show<T>(value: T) -> String
where
    T: Debug + Hash + Eq + Clone + Send + Sync + 'static,
{
    ready(()).await;
    format!("{value:?}")
}

/// Waits and may fail.
///
/// # Errors
///
/// When `text` is no number.
#[cached(ttl = 60, refresh_after = 30, bypass = text.is_empty())]
pub async fn later(text: &str) -> Result<u64, ParseIntError> {
    ready(()).await;
    text.parse()
}

/// Waits and may fail, with the body inside.
///
/// # Errors
///
/// When `text` is no number.
#[cached(companion = false)]
pub async fn later_inside(text: &str) -> Result<u64, ParseIntError> {
    ready(()).await;
    let number: u64 = text.parse()?;
    Ok(number)
}

/// With an argument of a type that has no name.
#[cached(skip(make))]
#[must_use]
pub fn made(number: u64, make: impl Fn(u64) -> u64) -> u64 {
    make(number)
}

/// The same with the body inside.
#[cached(skip(make), companion = false)]
#[must_use]
pub fn made_inside(number: u64, make: impl Fn(u64) -> u64) -> u64 {
    make(number)
}

/// With another companion, and a name that ends like no other.
#[cached(companion = Other)]
#[must_use]
pub fn match_(r#type: u64) -> u64 {
    r#type
}

/// For each thread.
#[cached(thread_local, max_capacity = 5, cache_if = |found: &u64| *found > 0)]
#[must_use]
pub fn mine(number: u64) -> u64 {
    number
}

/// For each thread and type.
#[cached(thread_local)]
#[must_use]
pub fn mine_of<T>(number: u64) -> usize {
    size_of::<T>().saturating_add(usize::from(number == 0))
}

/// By weight, with names that an argument has as well.
#[cached(
    weigher = |_, text: &String| u32::try_from(text.len()).unwrap_or(u32::MAX),
    max_capacity = 100,
    ttl_from = |_: &String| HOUR,
    companion = false
)]
#[must_use]
pub fn weighed(text: &str) -> String {
    text.to_owned()
}

/// In a cache of the user's.
#[cached(cache = PRICES)]
#[must_use]
pub fn given(sku: &str, qty: u64) -> u64 {
    qty.saturating_add(u64::from(sku.is_empty()))
}

/// With a key.
#[cached(key(id: u64 = user.id, name: &str = &user.name, formal))]
#[must_use]
pub fn keyed(user: &User, formal: bool) -> String {
    format!("{}{}{formal}", user.id, user.name)
}

/// With a key and the body inside.
#[cached(key(user.id, user.name.as_str(), formal), companion = false)]
#[must_use]
pub fn keyed_inside(user: &User, formal: bool) -> String {
    format!("{}{}{formal}", user.id, user.name)
}

/// Each caller runs the body.
#[cached(skip(user, fresh), bypass = fresh, single_flight = false)]
#[must_use]
pub fn unshared(user: &User, number: u64, fresh: bool) -> u64 {
    user.id.saturating_add(number).saturating_add(u64::from(fresh))
}

/// Of no argument, with one inside.
#[cached]
#[must_use]
pub fn outer() -> u64 {
    /// Inside.
    #[cached]
    fn inner(number: u64) -> u64 {
        number
    }
    inner(1)
}

/// No more.
#[cached]
#[deprecated(note = "the test", since = "0.1.0")]
#[must_use]
pub fn old(number: u64) -> u64 {
    number
}
