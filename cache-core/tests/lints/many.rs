//! Functions over many keys.

use super::User;
use alloc::collections::BTreeMap;
use cache_core::cached;
use core::future::ready;
use core::iter::once;
use core::num::ParseIntError;
use std::collections::HashMap;

/// Free.
#[cached(many = ids, ttl = 60)]
#[must_use]
pub fn names(region: &str, ids: &[u64], limit: u8, user: User) -> HashMap<u64, User> {
    let known = usize::from(limit).saturating_sub(region.len());
    ids.iter().take(known).copied().zip(once(user)).collect()
}

/// What may fail.
///
/// # Errors
///
/// Never.
#[cached(many = ids, negative_ttl = 5, skip(text))]
pub fn fallible(
    ids: &[String],
    text: &mut String,
) -> Result<BTreeMap<String, Option<usize>>, ParseIntError> {
    text.push('a');
    Ok(ids.iter().map(|id| (id.clone(), Some(id.len()))).collect())
}

/// Waits.
#[cached(many = ids)]
#[must_use]
pub async fn later(ids: &[u64], qty: u8, user: User) -> Vec<(u64, u64)> {
    ready(()).await;
    ids.iter().map(|id| (*id, u64::from(qty).saturating_add(user.id))).collect()
}

/// With the body inside.
#[cached(many = ids, companion = false, skip(text))]
#[must_use]
pub fn inside(ids: &[u64], mut qty: u8, user: User, text: &mut String) -> Vec<(u64, User)> {
    qty = qty.saturating_add(1);
    text.push('a');
    ids.iter().copied().take(qty.into()).zip(once(user)).collect()
}

/// With the body inside, in a future.
#[cached(many = ids, companion = false)]
#[must_use]
pub async fn later_inside(ids: &[u64], qty: u8, (left, _): (u64, u8)) -> Vec<(u64, u64)> {
    ready(()).await;
    ids.iter().map(|id| (*id, u64::from(qty).saturating_add(left))).collect()
}
