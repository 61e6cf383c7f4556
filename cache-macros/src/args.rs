//! The grammar of the attribute: `#[cached(ttl = 60, key(id: u64 = user.id), cache_none)]`.
//!
//! Every option is read on its own, so that one that is wrong does not hide another; how options
//! go together, and with the function, is decided in `check`.

use crate::duration;
use crate::errors::Errors;
use crate::suggest;
use proc_macro2::{Span, TokenStream};
use std::time::Duration;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Lit, LitStr, Path, Token, Type, parenthesized, parse_quote, token};

/// The options of this version.
const KNOWN: [&str; 9] = [
    "ttl",
    "max_capacity",
    "key",
    "skip",
    "name",
    "companion",
    "crate",
    "cache_errors",
    "cache_none",
];

/// Options with a settled meaning that this version cannot do.
const LATER: [&str; 17] = [
    "ttl_from",
    "tti",
    "jitter",
    "weigher",
    "cache",
    "thread_local",
    "cache_if",
    "negative_ttl",
    "refresh_after",
    "stale_while_revalidate",
    "stale_if_error",
    "single_flight",
    "bypass",
    "tier",
    "schema",
    "l1_ttl",
    "tags",
];

/// What other caches call an option.
const ELSEWHERE: [(&str, &str); 8] = [
    ("time", "ttl"),
    ("time_to_live", "ttl"),
    ("expire", "ttl"),
    ("size", "max_capacity"),
    ("max_size", "max_capacity"),
    ("capacity", "max_capacity"),
    ("convert", "key"),
    ("ignore", "skip"),
];

/// The options as written, each at most once.
pub(crate) struct Options {
    pub(crate) ttl: Option<Ttl>,
    pub(crate) max_capacity: Option<Expr>,
    pub(crate) key: Option<Vec<KeyItem>>,
    pub(crate) skip: Option<Skip>,
    pub(crate) name: Option<LitStr>,
    pub(crate) companion: Companion,
    pub(crate) crate_path: Path,
    /// Where `cache_errors` stands, if it is on.
    pub(crate) cache_errors: Option<Span>,
    /// Where `cache_none` stands, if it is on.
    pub(crate) cache_none: Option<Span>,
}

/// How long a value lives.
pub(crate) enum Ttl {
    Known(Duration),
    Computed(Expr),
}

/// One entry of `key(..)`.
pub(crate) enum KeyItem {
    /// `sku`: an argument.
    Bare(Expr),
    /// `id: u64 = user.id`.
    Named { name: Ident, ty: Box<Type>, expr: Box<Expr> },
}

/// `skip(..)`.
pub(crate) struct Skip {
    pub(crate) word: Ident,
    pub(crate) names: Vec<Ident>,
}

/// The type beside the function.
pub(crate) enum Companion {
    /// Named like the function.
    SameName,
    /// Named otherwise.
    Named(Ident),
    /// Inside the function, where nobody sees it.
    Hidden,
}

/// One option before its meaning is known.
struct Entry {
    word: Ident,
    value: Value,
}

enum Value {
    Flag,
    Assigned(Expr),
    List(TokenStream),
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let word = input.call(Ident::parse_any)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Value::Assigned(input.parse()?)
        } else if input.peek(token::Paren) {
            let content;
            parenthesized!(content in input);
            Value::List(content.parse()?)
        } else {
            Value::Flag
        };
        Ok(Self { word, value })
    }
}

impl Parse for KeyItem {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let named = input.peek(Ident) && input.peek2(Token![:]) && !input.peek2(Token![::]);
        if !named {
            return Ok(Self::Bare(input.parse()?));
        }
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self::Named { name, ty, expr: input.parse()? })
    }
}

/// Reads the attribute.
///
/// Input: `ttl = 60, skip(db)`. Output: the options, with what was not given at its default.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Options {
    let mut options = Options {
        ttl: None,
        max_capacity: None,
        key: None,
        skip: None,
        name: None,
        companion: Companion::SameName,
        crate_path: parse_quote!(::cache_core),
        cache_errors: None,
        cache_none: None,
    };
    let entries = errors.take(Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens));
    let mut seen: Vec<String> = Vec::new();
    for entry in entries.into_iter().flatten() {
        let word = entry.word.unraw().to_string();
        if seen.contains(&word) {
            errors.push(&entry.word, format!("`{word}` is given twice"));
            continue;
        }
        if let Err(error) = set(&mut options, &word, entry) {
            errors.push_error(error);
        }
        seen.push(word);
    }
    options
}

/// Sets one option.
fn set(options: &mut Options, word: &str, entry: Entry) -> syn::Result<()> {
    match word {
        "ttl" => options.ttl = Some(ttl(entry)?),
        "max_capacity" => options.max_capacity = Some(max_capacity(entry)?),
        "key" => {
            let usage = "key(argument, name: Type = expression)";
            options.key = Some(list(entry.value, &entry.word, usage)?);
        }
        "skip" => {
            let names: Vec<AnyName> = list(entry.value, &entry.word, "skip(argument, ..)")?;
            let names = names.into_iter().map(|name| name.0).collect();
            options.skip = Some(Skip { word: entry.word, names });
        }
        "name" => options.name = Some(name(entry)?),
        "companion" => options.companion = companion(entry)?,
        "crate" => options.crate_path = crate_path(entry)?,
        "cache_errors" => options.cache_errors = flag(&entry)?,
        "cache_none" => options.cache_none = flag(&entry)?,
        _ => return Err(unknown(word, &entry.word)),
    }
    Ok(())
}

fn unknown(word: &str, at: &Ident) -> syn::Error {
    if LATER.contains(&word) {
        let message = format!("`{word}` is not supported yet by this version of `#[cached]`");
        return syn::Error::new_spanned(at, message);
    }
    let foreign = ELSEWHERE.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    let remark = match foreign {
        Some(ours) => format!(", did you mean `{ours}`?"),
        None => suggest::remark(word, KNOWN.into_iter().chain(LATER)),
    };
    let remark =
        if remark.is_empty() { format!("; known are `{}`", KNOWN.join("`, `")) } else { remark };
    syn::Error::new_spanned(at, format!("unknown option `{word}`{remark}"))
}

/// An identifier or `self`, which the grammar of `Ident` leaves out.
struct AnyName(Ident);

impl Parse for AnyName {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        input.call(Ident::parse_any).map(Self)
    }
}

/// The entries of `word(a, b)`; at least one.
fn list<T: Parse>(value: Value, word: &Ident, usage: &str) -> syn::Result<Vec<T>> {
    let Value::List(tokens) = value else {
        return Err(syn::Error::new_spanned(word, format!("write `{usage}`")));
    };
    let items = Punctuated::<T, Token![,]>::parse_terminated.parse2(tokens)?;
    if items.is_empty() {
        return Err(syn::Error::new_spanned(word, format!("nothing is named; write `{usage}`")));
    }
    Ok(items.into_iter().collect())
}

/// The expression of `word = expression`.
fn assigned(entry: Entry, usage: &str) -> syn::Result<Expr> {
    match entry.value {
        Value::Assigned(expr) => Ok(peel(expr)),
        _ => Err(syn::Error::new_spanned(&entry.word, format!("write `{usage}`"))),
    }
}

/// Removes the invisible groups in which a `macro_rules!` macro hands over a fragment.
fn peel(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => peel(*group.expr),
        other => other,
    }
}

/// Input: `60`, `"1m30s"`, or an expression. Output: a duration, or the expression that gives one.
fn ttl(entry: Entry) -> syn::Result<Ttl> {
    let expr = assigned(entry, "ttl = 60")?;
    let fail = |message: String| Err(syn::Error::new_spanned(&expr, message));
    let known = match &expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(seconds) if seconds.suffix().is_empty() => {
                Duration::from_secs(seconds.base10_parse()?)
            }
            Lit::Str(text) => match duration::parse(&text.value()) {
                Ok(duration) => duration,
                Err(message) => return fail(message),
            },
            _ => {
                return fail(
                    "expected whole seconds, a text like \"1m30s\", or an expression of type \
                     `Duration`"
                        .to_owned(),
                );
            }
        },
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
            return fail("a time to live cannot be negative".to_owned());
        }
        _ => return Ok(Ttl::Computed(expr)),
    };
    if known.is_zero() {
        return fail(
            "`ttl` must be longer than zero; for a value that never expires, leave `ttl` out"
                .to_owned(),
        );
    }
    Ok(Ttl::Known(known))
}

fn max_capacity(entry: Entry) -> syn::Result<Expr> {
    let expr = assigned(entry, "max_capacity = 10_000")?;
    if let Expr::Lit(lit) = &expr {
        let Lit::Int(number) = &lit.lit else {
            return Err(syn::Error::new_spanned(&expr, "expected a number of entries"));
        };
        if number.base10_parse::<u64>()? == 0 {
            let message = "`max_capacity` must not be zero: such a cache could keep nothing";
            return Err(syn::Error::new_spanned(&expr, message));
        }
    }
    Ok(expr)
}

fn name(entry: Entry) -> syn::Result<LitStr> {
    match assigned(entry, "name = \"...\"")? {
        Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        other => Err(syn::Error::new_spanned(other, "expected a text, as in `name = \"prices\"`")),
    }
}

fn companion(entry: Entry) -> syn::Result<Companion> {
    let usage = "companion = other_name";
    let expr = assigned(entry, usage)?;
    match &expr {
        Expr::Lit(syn::ExprLit { lit: Lit::Bool(on), .. }) => {
            Ok(if on.value { Companion::SameName } else { Companion::Hidden })
        }
        Expr::Path(path) if path.path.get_ident().is_some() => {
            Ok(Companion::Named(path.path.require_ident()?.clone()))
        }
        _ => {
            let message = format!("expected a name or `false`, as in `{usage}`");
            Err(syn::Error::new_spanned(expr, message))
        }
    }
}

fn crate_path(entry: Entry) -> syn::Result<Path> {
    match assigned(entry, "crate = path::to::cache_core")? {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path),
        other => {
            let message = "expected a path, as in `crate = my_library::cache_core`";
            Err(syn::Error::new_spanned(other, message))
        }
    }
}

/// Input: `word` or `word = true`. Output: where it stands; nothing for `word = false`.
fn flag(entry: &Entry) -> syn::Result<Option<Span>> {
    match &entry.value {
        Value::Flag => Ok(Some(entry.word.span())),
        Value::Assigned(Expr::Lit(syn::ExprLit { lit: Lit::Bool(on), .. })) => {
            Ok(on.value.then(|| entry.word.span()))
        }
        _ => {
            let message = format!("write `{0}` or `{0} = false`", entry.word);
            Err(syn::Error::new_spanned(&entry.word, message))
        }
    }
}
