//! The options as values, once they are read.

use proc_macro2::Span;
use std::time::Duration;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, LitStr, Path, Token, Type};

/// The options as written, each at most once.
#[derive(Default)]
pub(crate) struct Options {
    /// The words of all options that were given, right or wrong.
    pub(super) given: Vec<Ident>,
    /// Those of them that could not be read.
    pub(super) broken: Vec<String>,
    /// The values of the options that have a method of that name in the runtime's `Settings`.
    pub(super) settings: Vec<(&'static str, Setting)>,
    pub(crate) name: Option<LitStr>,
    pub(crate) key: Option<Vec<KeyItem>>,
    pub(crate) skip: Option<Skip>,
    /// The argument whose elements are keys.
    pub(crate) many: Option<Ident>,
    pub(crate) cache: Option<Expr>,
    /// What stands behind the cache.
    pub(crate) tier: Option<Expr>,
    /// How values are written for it.
    pub(crate) codec: Option<Expr>,
    /// The place of `thread_local`, if it is on.
    pub(crate) thread_local: Option<Span>,
    /// The place of `cache_errors`, if it is on.
    pub(crate) cache_errors: Option<Span>,
    /// The place of `cache_none`, if it is on.
    pub(crate) cache_none: Option<Span>,
    /// `single_flight = false`.
    pub(crate) unshared: bool,
    pub(crate) bypass: Option<Expr>,
    /// The condition under which a call loads anew.
    pub(crate) refresh_if: Option<Expr>,
    pub(crate) companion: CompanionChoice,
    pub(crate) crate_path: Option<Path>,
}

impl Options {
    /// The word of an option, if it was given.
    pub(crate) fn given(&self, word: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == word)
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
        let settings = self.settings.iter().filter_map(|(_, setting)| match setting {
            Setting::Expr(expr) => Some(expr),
            Setting::Duration(_) => None,
        });
        settings.chain(&self.tier).chain(&self.codec)
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
    /// `..`: all arguments.
    pub(crate) all: bool,
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
