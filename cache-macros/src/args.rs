//! The grammar of the attribute: `#[cached(ttl = 60, key(id: u64 = user.id), cache_none)]`.
//!
//! Every option is read on its own, so that one that is wrong does not hide another; how options
//! go together, and with the function, is decided in `check`. The list is read in `attr_list.rs`, what stands behind the `=` is read in
//! `values.rs`; what a word that is no option was meant to be is found in `option_names.rs`.

mod attr_list;
mod option_names;
mod values;

pub(crate) use option_names::OF_CACHE;

use crate::errors::Errors;
use attr_list::{RawOption, RawValue};
use proc_macro2::{Span, TokenStream};
use std::time::Duration;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, LitStr, Path, Token, Type, parse_quote};

/// The options as written, each at most once.
pub(crate) struct Options {
    /// The words of all options that were given, right or wrong.
    given: Vec<Ident>,
    /// Those of them that could not be read.
    broken: Vec<String>,
    pub(crate) ttl: Option<Time>,
    pub(crate) ttl_from: Option<Expr>,
    pub(crate) tti: Option<Time>,
    pub(crate) jitter: Option<Expr>,
    pub(crate) negative_ttl: Option<Time>,
    pub(crate) refresh_after: Option<Time>,
    pub(crate) stale_while_revalidate: Option<Time>,
    pub(crate) stale_if_error: Option<Time>,
    pub(crate) max_capacity: Option<Expr>,
    pub(crate) weigher: Option<Expr>,
    pub(crate) key: Option<Vec<KeyItem>>,
    pub(crate) skip: Option<Skip>,
    /// The argument whose elements are keys.
    pub(crate) many: Option<Ident>,
    pub(crate) cache: Option<Expr>,
    /// Where `thread_local` stands, if it is on.
    pub(crate) thread_local: Option<Span>,
    pub(crate) cache_if: Option<Expr>,
    pub(crate) single_flight: bool,
    pub(crate) bypass: Option<Expr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) companion: Companion,
    pub(crate) crate_path: Path,
    /// Where `cache_errors` stands, if it is on.
    pub(crate) cache_errors: Option<Span>,
    /// Where `cache_none` stands, if it is on.
    pub(crate) cache_none: Option<Span>,
}

impl Options {
    /// The expressions that say something of the cache.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &Expr> {
        let times = [
            &self.ttl,
            &self.tti,
            &self.negative_ttl,
            &self.refresh_after,
            &self.stale_while_revalidate,
            &self.stale_if_error,
        ];
        let exprs =
            [&self.ttl_from, &self.jitter, &self.max_capacity, &self.weigher, &self.cache_if];
        let times = times.into_iter().flatten().filter_map(|time| match time {
            Time::Computed(expr) => Some(expr),
            Time::Known(_) => None,
        });
        times.chain(exprs.into_iter().flatten())
    }

    /// The word of an option, where it was given.
    pub(crate) fn given(&self, word: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == word)
    }

    /// Whether an option was given that could not be read: nobody knows what it would have said.
    pub(crate) fn is_broken(&self, word: &str) -> bool {
        self.broken.iter().any(|broken| broken == word)
    }
}

/// A length of time.
pub(crate) enum Time {
    Known(Duration),
    Computed(Expr),
}

/// One entry of `key(..)`.
pub(crate) enum KeyItem {
    /// `sku`: an argument; or `self.id`: an expression whose type shows.
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
pub(crate) enum Companion {
    /// Nothing was said: what fits the function.
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
            let message = "a part of a key with a type wants an expression, `name: Type = expression`; an \
                           argument has its type";
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
    let mut options = nothing_given();
    for entry in attr_list::parse(tokens, errors) {
        let name = entry.word.unraw();
        let word = name.to_string();
        if options.given(&word).is_some() {
            errors.push(&entry.word, format!("`{word}` is given twice"));
            continue;
        }
        options.given.push(name);
        if let RawValue::Broken = entry.value {
            options.broken.push(word);
            continue;
        }
        if let Err(error) = set(&mut options, &word, entry) {
            options.broken.push(word);
            errors.push_error(error);
        }
    }
    options
}

fn nothing_given() -> Options {
    Options {
        given: Vec::new(),
        broken: Vec::new(),
        ttl: None,
        ttl_from: None,
        tti: None,
        jitter: None,
        negative_ttl: None,
        refresh_after: None,
        stale_while_revalidate: None,
        stale_if_error: None,
        max_capacity: None,
        weigher: None,
        key: None,
        skip: None,
        many: None,
        cache: None,
        thread_local: None,
        cache_if: None,
        single_flight: true,
        bypass: None,
        name: None,
        companion: Companion::Default,
        crate_path: parse_quote!(::cache_core),
        cache_errors: None,
        cache_none: None,
    }
}

/// Sets one option.
fn set(options: &mut Options, word: &str, entry: RawOption) -> syn::Result<()> {
    match word {
        "ttl" => options.ttl = Some(values::time(entry)?),
        "ttl_from" => options.ttl_from = Some(values::function(entry, "|value| duration", 1)?),
        "tti" => options.tti = Some(values::time(entry)?),
        "jitter" => options.jitter = Some(values::jitter(entry)?),
        "negative_ttl" => options.negative_ttl = Some(values::time(entry)?),
        "refresh_after" => options.refresh_after = Some(values::time(entry)?),
        "stale_while_revalidate" => options.stale_while_revalidate = Some(values::time(entry)?),
        "stale_if_error" => options.stale_if_error = Some(values::time(entry)?),
        "max_capacity" => options.max_capacity = Some(values::max_capacity(entry)?),
        "weigher" => options.weigher = Some(values::function(entry, "|key, value| weight", 2)?),
        "key" => {
            let usage = "key(argument, name: Type = expression)";
            options.key = Some(values::list(entry.value, &entry.word, usage)?);
        }
        "skip" => {
            let names: Vec<AnyName> = values::list(entry.value, &entry.word, "skip(argument, ..)")?;
            let names = names.into_iter().map(|name| name.0).collect();
            options.skip = Some(Skip { word: entry.word, names });
        }
        "many" => options.many = Some(values::argument(entry)?),
        "cache" => options.cache = Some(values::assigned(entry, "&CACHE")?),
        "thread_local" => options.thread_local = values::flag(&entry)?,
        "cache_if" => options.cache_if = Some(values::function(entry, "|value| condition", 1)?),
        "single_flight" => options.single_flight = values::flag(&entry)?.is_some(),
        "bypass" => options.bypass = Some(values::assigned(entry, "condition")?),
        "name" => options.name = Some(values::name(entry)?),
        "companion" => options.companion = values::companion(entry)?,
        "crate" => options.crate_path = values::crate_path(entry)?,
        "cache_errors" => options.cache_errors = values::flag(&entry)?,
        "cache_none" => options.cache_none = values::flag(&entry)?,
        _ => return Err(option_names::unknown(word, &entry.word)),
    }
    Ok(())
}

/// An identifier or `self`, which the grammar of `Ident` leaves out.
struct AnyName(Ident);

impl Parse for AnyName {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        input.call(Ident::parse_any).map(Self)
    }
}
