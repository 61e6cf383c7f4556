//! The grammar of the attribute: `#[cached(ttl = 60, key(id: u64 = user.id), cache_none)]`.
//!
//! Every option is read on its own, so that one that is wrong does not hide another; how options
//! go together, and with the function, is decided in `check`. The list is read in `attr_list.rs`,
//! the value of an option in `values.rs`; `option_table.rs` says which options there are,
//! `options.rs` what they are once read, `option_names.rs` what an unknown word was meant to be,
//! and `elsewhere.rs` what the words of other caches stand for.

mod attr_list;
mod elsewhere;
mod option_names;
mod option_table;
mod options;
mod raw_option;
mod values;

pub(crate) use self::options::{CompanionChoice, KeyItem, Options, Setting};

use self::option_table::{Group, OPTIONS, Reader};
use self::raw_option::RawValue;
use crate::errors::Errors;
use proc_macro2::TokenStream;
use syn::Ident;
use syn::ext::IdentExt;

impl Options {
    /// The words of the given options that configure the cache.
    pub(crate) fn given_for_cache(&self) -> impl Iterator<Item = &Ident> {
        self.given_of(|group| matches!(group, Group::Cache))
    }

    /// The words of the given options that are about what stands behind the cache.
    pub(crate) fn given_for_tier(&self) -> impl Iterator<Item = &Ident> {
        self.given_of(|group| matches!(group, Group::Tier))
    }

    fn given_of(&self, is_meant: fn(&Group) -> bool) -> impl Iterator<Item = &Ident> {
        let words = OPTIONS.iter().filter(move |(_, group, _)| is_meant(group));
        words.filter_map(|(word, ..)| self.given(word))
    }

    /// All that configures the cache, in the order of the table, whatever order the user chose.
    pub(crate) fn take_settings(&mut self) -> Vec<(&'static str, Setting)> {
        let mut settings = std::mem::take(&mut self.settings);
        settings.sort_by_key(|(word, _)| OPTIONS.iter().position(|(known, ..)| known == word));
        settings
    }
}

/// Reads the attribute.
///
/// Input: `ttl = 60, skip(db)`. Output: the options, with what was not given at its default.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    for raw in attr_list::parse(tokens, errors) {
        let name = raw.word.unraw();
        let word = name.to_string();
        if options.given(&word).is_some() {
            errors.push(&raw.word, format!("`{word}` is given twice"));
            continue;
        }
        options.given.push(name);
        if let RawValue::Broken = raw.value {
            options.broken.push(word);
            continue;
        }
        let read = match OPTIONS.iter().find(|(known, ..)| *known == word) {
            None => Err(option_names::unknown(&word, &raw.word)),
            Some((_, _, Reader::Field(read))) => read(&mut options, raw),
            Some((known, _, Reader::Value(read))) => {
                read(raw).map(|setting| options.settings.push((known, setting)))
            }
        };
        if let Err(error) = read {
            options.broken.push(word);
            errors.push_error(error);
        }
    }
    options
}
