//! The grammar of the attribute: `#[cached(ttl = 60, key(id: u64 = user.id), cache_none)]`.
//!
//! Every option is read on its own, so that one that is wrong does not hide another; how options
//! go together, and with the function, is decided in `check`. The list is read in `attr_list.rs`,
//! the value of an option in `values.rs`; `option_table.rs` says which options there are, and
//! `option_names.rs` what an unknown word was meant to be.

mod attr_list;
mod option_names;
mod option_table;
mod values;

use crate::errors::Errors;
use attr_list::RawValue;
use option_table::{Group, OPTIONS, Reader};
use proc_macro2::{Span, TokenStream};
use std::time::Duration;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, LitStr, Path, Token, Type};

/// The options as written, each at most once.
#[derive(Default)]
pub(crate) struct Options {
    /// The words of all options that were given, right or wrong.
    given: Vec<Ident>,
    /// Those of them that could not be read.
    broken: Vec<String>,
    /// The values of the options that have a method of that name in the runtime's `Settings`.
    settings: Vec<(&'static str, Setting)>,
    pub(crate) name: Option<LitStr>,
    pub(crate) key: Option<Vec<KeyItem>>,
    pub(crate) skip: Option<Skip>,
    /// The argument whose elements are keys.
    pub(crate) many: Option<Ident>,
    pub(crate) cache: Option<Expr>,
    /// The place of `thread_local`, if it is on.
    pub(crate) thread_local: Option<Span>,
    /// The place of `cache_errors`, if it is on.
    pub(crate) cache_errors: Option<Span>,
    /// The place of `cache_none`, if it is on.
    pub(crate) cache_none: Option<Span>,
    /// `single_flight = false`.
    pub(crate) unshared: bool,
    pub(crate) bypass: Option<Expr>,
    pub(crate) companion: CompanionChoice,
    pub(crate) crate_path: Option<Path>,
}

impl Options {
    /// The word of an option, if it was given.
    pub(crate) fn given(&self, word: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == word)
    }

    /// The words of the given options that configure the cache.
    pub(crate) fn given_for_cache(&self) -> impl Iterator<Item = &Ident> {
        let words = OPTIONS.iter().filter(|(_, group, _)| matches!(group, Group::Cache));
        words.filter_map(|(word, ..)| self.given(word))
    }

    /// Returns `true` if an option was given that could not be read: its meaning is unknown.
    pub(crate) fn is_broken(&self, word: &str) -> bool {
        self.broken.iter().any(|broken| broken == word)
    }

    /// The value of an option that configures the cache.
    pub(crate) fn setting(&self, word: &str) -> Option<&Setting> {
        self.settings.iter().find(|(known, _)| *known == word).map(|(_, setting)| setting)
    }

    /// The value of such an option, if it is a length of time that is known here.
    pub(crate) fn duration(&self, word: &str) -> Option<Duration> {
        match self.setting(word) {
            Some(Setting::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    /// The expressions that configure the cache.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.settings.iter().filter_map(|(_, setting)| match setting {
            Setting::Expr(expr) => Some(expr),
            Setting::Duration(_) => None,
        })
    }

    /// All that configures the cache, in the order of the table, whatever order the user chose.
    pub(crate) fn take_settings(&mut self) -> Vec<(&'static str, Setting)> {
        let mut settings = std::mem::take(&mut self.settings);
        settings.sort_by_key(|(word, _)| OPTIONS.iter().position(|(known, ..)| known == word));
        settings
    }
}

/// The value of an option that configures the cache.
pub(crate) enum Setting {
    /// A length of time that is known here.
    Duration(Duration),
    Expr(Expr),
}

/// One entry of `key(..)`.
pub(crate) enum KeyItem {
    /// `sku`: an argument; or `self.id`: an expression whose type the compiler infers.
    Bare(Expr),
    /// `id: u64 = user.id`.
    Named { name: Ident, ty: Box<Type>, expr: Box<Expr> },
}

/// `skip(..)`.
pub(crate) struct Skip {
    pub(crate) word: Ident,
    pub(crate) names: Vec<Ident>,
}

/// What stands beside the function.
#[derive(Default)]
pub(crate) enum CompanionChoice {
    /// What fits the function.
    #[default]
    Default,
    /// Something named like the function.
    SameName,
    /// Something of this name.
    Named(Ident),
    /// Nothing.
    Hidden,
}

impl Parse for KeyItem {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let named = input.peek(Ident) && input.peek2(Token![:]) && !input.peek2(Token![::]);
        if !named {
            return Ok(Self::Bare(input.parse()?));
        }
        let name: Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        if !input.peek(Token![=]) {
            let message = "a part of a key with a type needs an expression, \
                           `name: Type = expression`; an argument has its type";
            return Err(syn::Error::new_spanned(&name, message));
        }
        input.parse::<Token![=]>()?;
        Ok(Self::Named { name, ty, expr: input.parse()? })
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
