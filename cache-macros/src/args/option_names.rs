//! What a word that is no option was meant to be.

use super::elsewhere::{self, Remedy};
use super::option_table::OPTIONS;
use crate::suggest;
use syn::Ident;

/// Options with a settled meaning that this version cannot do.
const LATER: [&str; 1] = ["tags"];

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
    let remark = match elsewhere::remedy(word) {
        Some(Remedy::Same(ours)) => format!(", did you mean `{ours}`?"),
        Some(Remedy::Say(ours)) => format!("; {ours}"),
        None => suggest::remark(word, known().chain(LATER)),
    };
    let remark = if remark.is_empty() {
        format!("; known are `{}`", known().collect::<Vec<_>>().join("`, `"))
    } else {
        remark
    };
    syn::Error::new_spanned(at, format!("unknown option `{word}`{remark}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An option of this crate is none of another one.
    #[test]
    fn remedy_names_options_that_there_are() {
        for word in elsewhere::words() {
            assert!(!is_option(word), "{word} is an option");
            match elsewhere::remedy(word) {
                Some(Remedy::Same(ours)) => assert!(is_option(ours), "{ours}"),
                Some(Remedy::Say(text)) => assert!(!text.is_empty()),
                None => panic!("{word} has no remedy"),
            }
        }
    }

    #[test]
    fn words_stand_in_one_row() {
        let mut words: Vec<&str> = elsewhere::words().collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
    }
}
