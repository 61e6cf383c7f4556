//! What the loader of a batch has returned: which of its pairs were asked for.

use std::collections::HashMap;
use std::hash::Hash;

use crate::util::hash::{Hashed, KeyHash};

/// What a loader has returned.
pub(crate) struct Answers<K, V> {
    /// Numbers of keys that it was asked for, with their values.
    pub(crate) asked: Vec<(usize, V)>,
    /// Other keys, with their values.
    pub(crate) others: Vec<(Hashed<K>, V)>,
}

/// Separates pairs with keys that were asked for from others. `hash` is the cache's hash of a key.
pub(crate) fn answers<K: Hash + Eq, V>(
    asked: &[&K],
    pairs: Vec<(K, V)>,
    hash: impl Fn(&K) -> KeyHash,
) -> Answers<K, V> {
    let numbers = numbers(asked, pairs.iter().map(|(key, _)| key));
    let mut answers = Answers { asked: Vec::with_capacity(pairs.len()), others: Vec::new() };
    for (number, (key, value)) in numbers.into_iter().zip(pairs) {
        let Some(number) = number else {
            answers.others.push((Hashed { hash: hash(&key), key }, value));
            continue;
        };
        // Before the value is moved: a panic of this would leak it.
        drop(key);
        answers.asked.push((number, value));
    }
    answers
}

/// Returns the values of those keys that have a number.
pub(crate) fn numbered<Q, V>(numbers: Vec<Option<usize>>, pairs: Vec<(Q, V)>) -> Vec<(usize, V)> {
    let mut answers = Vec::with_capacity(pairs.len());
    for (number, (key, value)) in numbers.into_iter().zip(pairs) {
        // Before the value is moved: a panic of this would leak it.
        drop(key);
        answers.extend(number.map(|number| (number, value)));
    }
    answers
}

/// Returns for each answered key its number among those that were asked for. Others have none.
pub(crate) fn numbers<'a, Q: Hash + Eq + 'a>(
    asked: &[&Q],
    answered: impl Iterator<Item = &'a Q>,
) -> Vec<Option<usize>> {
    let mut by_key: Option<HashMap<&Q, usize>> = None;
    let numbered = answered.enumerate().map(|(next, key)| {
        // Most loaders answer in the order in which they were asked.
        if asked.get(next).is_some_and(|asked| **asked == *key) {
            return Some(next);
        }
        let numbered = || asked.iter().enumerate().map(|(number, &key)| (key, number));
        by_key.get_or_insert_with(|| numbered().collect()).get(key).copied()
    });
    numbered.collect()
}
