//! What a word that is no option was meant to be.

use super::option_table::OPTIONS;
use crate::suggest;
use syn::Ident;

/// Options with a settled meaning that this version cannot do.
const LATER: [&str; 1] = ["tags"];

/// What other caches call an option.
const ELSEWHERE: [(&str, &str); 27] = [
    ("time", "ttl"),
    ("time_to_live", "ttl"),
    ("expire", "ttl"),
    ("expire_after", "ttl_from"),
    ("time_to_idle", "tti"),
    ("ttl_jitter", "jitter"),
    ("size", "max_capacity"),
    ("max_size", "max_capacity"),
    ("maxsize", "max_capacity"),
    ("capacity", "max_capacity"),
    ("weight", "weigher"),
    ("convert", "key"),
    ("ignore", "skip"),
    ("exclude", "skip"),
    ("batch", "many"),
    ("keys", "many"),
    ("condition", "cache_if"),
    ("when", "cache_if"),
    ("result", "cache_errors"),
    ("option", "cache_none"),
    ("sync_writes", "single_flight"),
    ("unless", "bypass"),
    ("remote", "tier"),
    ("l2", "tier"),
    ("memory_time_to_live", "l1_ttl"),
    ("memory_ttl", "l1_ttl"),
    ("version", "schema"),
];

/// Returns `true` for an option, also for one of a later version.
pub(super) fn is_option(word: &str) -> bool {
    known().chain(LATER).any(|option| option == word)
}

fn known() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(word, ..)| *word)
}

/// The error for a word that is no option.
pub(super) fn unknown(word: &str, at: &Ident) -> syn::Error {
    if LATER.contains(&word) {
        let message = format!("`{word}` is not supported yet by this version of `#[cached]`");
        return syn::Error::new_spanned(at, message);
    }
    let foreign = ELSEWHERE.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    let remark = match foreign {
        Some(ours) => format!(", did you mean `{ours}`?"),
        None => suggest::remark(word, known().chain(LATER)),
    };
    let remark = if remark.is_empty() {
        format!("; known are `{}`", known().collect::<Vec<_>>().join("`, `"))
    } else {
        remark
    };
    syn::Error::new_spanned(at, format!("unknown option `{word}`{remark}"))
}
