//! The values of options, each kind with its errors.

use super::options::{CompanionChoice, KeyItem, Setting, Skip};
use super::raw_option::{RawOption, RawValue, placed};
use crate::duration;
use proc_macro2::Span;
use std::time::Duration;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Path, Token};

/// The entries of `word(a, b)`, at least one, and the word.
fn list<T: Parse>(
    RawOption { word, value }: RawOption,
    usage: &str,
) -> syn::Result<(Ident, Vec<T>)> {
    let RawValue::List(tokens) = value else {
        return Err(syn::Error::new_spanned(word, format!("write `{usage}`")));
    };
    let items = Punctuated::<T, Token![,]>::parse_terminated.parse2(tokens.clone());
    let items = items.map_err(|error| placed(error, tokens))?;
    if items.is_empty() {
        return Err(syn::Error::new_spanned(word, format!("nothing is named; write `{usage}`")));
    }
    Ok((word, items.into_iter().collect()))
}

/// The parts of a key.
pub(super) fn key(raw: RawOption) -> syn::Result<Vec<KeyItem>> {
    list(raw, "key(argument, name: Type = expression)").map(|(_, items)| items)
}

/// The names of arguments.
pub(super) fn skip(raw: RawOption) -> syn::Result<Skip> {
    let (word, items) = list(raw, "skip(argument)")?;
    let all = items.iter().any(|item| matches!(item, SkipItem::All));
    let names = items.into_iter().filter_map(|item| match item {
        SkipItem::Name(name) => Some(name),
        SkipItem::All => None,
    });
    Ok(Skip { word, names: names.collect(), all })
}

/// One entry of `skip(..)`.
enum SkipItem {
    /// An identifier or `self`, which the grammar of `Ident` leaves out.
    Name(Ident),
    /// `..`
    All,
}

impl Parse for SkipItem {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if input.parse::<Option<Token![..]>>()?.is_some() {
            return Ok(Self::All);
        }
        input.call(Ident::parse_any).map(Self::Name)
    }
}

/// The expression of `word = expression`.
pub(super) fn assigned(raw: RawOption, usage: &str) -> syn::Result<Expr> {
    match raw.value {
        RawValue::Assigned(expr) => Ok(peel(expr)),
        _ => {
            let message = format!("write `{} = {usage}`", raw.word);
            Err(syn::Error::new_spanned(&raw.word, message))
        }
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
pub(super) fn time(raw: RawOption) -> syn::Result<Setting> {
    let word = raw.word.clone();
    let expr = assigned(raw, "60")?;
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
                    "expected whole seconds, a text like \"1m30s\" or \"1500ms\", or an \
                     expression of type `Duration`"
                        .to_owned(),
                );
            }
        },
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
            return fail(format!("`{word}` cannot be negative"));
        }
        _ => return Ok(Setting::Expr(expr)),
    };
    if known.is_zero() {
        let without = match word.to_string().as_str() {
            "ttl" | "tti" => "for a value that never expires, leave it out",
            "negative_ttl" => "for what is not to be kept, leave it out",
            "l1_ttl" => "for a tenth of `ttl`, and five seconds at most, leave it out",
            _ => "to do without, leave it out",
        };
        return fail(format!("`{word}` must be longer than zero; {without}"));
    }
    Ok(Setting::Duration(known))
}

/// The part of its life that a value may lose.
pub(super) fn jitter(raw: RawOption) -> syn::Result<Setting> {
    const MESSAGE: &str = "expected a part of the time to live, from 0.0 to below 1.0, such as 0.1";
    let expr = assigned(raw, "0.1")?;
    let fits = match &expr {
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => {
            (0.0..1.0).contains(&number.base10_parse::<f64>()?)
        }
        Expr::Lit(_) => false,
        Expr::Unary(unary) => !matches!(unary.op, syn::UnOp::Neg(_)),
        _ => true,
    };
    if fits { Ok(Setting::Expr(expr)) } else { Err(syn::Error::new_spanned(expr, MESSAGE)) }
}

/// A closure, or an expression that may name a function.
pub(super) fn function(raw: RawOption, usage: &str, parameters: usize) -> syn::Result<Setting> {
    let expr = assigned(raw, usage)?;
    let message = match &expr {
        Expr::Closure(closure) if closure.inputs.len() != parameters => format!(
            "expected a closure of {}, as in `{usage}`",
            if parameters == 1 { "one parameter" } else { "two parameters" }
        ),
        Expr::Lit(_) => format!("expected a closure or a function, as in `{usage}`"),
        _ => return Ok(Setting::Expr(expr)),
    };
    Err(syn::Error::new_spanned(expr, message))
}

/// A number of entries, or an expression that gives one.
pub(super) fn max_capacity(raw: RawOption) -> syn::Result<Setting> {
    let expr = assigned(raw, "10_000")?;
    if let Expr::Lit(lit) = &expr {
        let Lit::Int(number) = &lit.lit else {
            return Err(syn::Error::new_spanned(&expr, "expected a number of entries"));
        };
        if number.base10_parse::<u64>()? == 0 {
            let message = "`max_capacity` must not be zero: such a cache could keep nothing";
            return Err(syn::Error::new_spanned(&expr, message));
        }
    }
    Ok(Setting::Expr(expr))
}

/// The version of the type of the values: a number, or an expression that gives one.
pub(super) fn schema(raw: RawOption) -> syn::Result<Setting> {
    let expr = assigned(raw, "1")?;
    let fits = match &expr {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<u32>().is_ok(),
        Expr::Lit(_) => false,
        Expr::Unary(unary) => !matches!(unary.op, syn::UnOp::Neg(_)),
        _ => true,
    };
    if fits {
        return Ok(Setting::Expr(expr));
    }
    Err(syn::Error::new_spanned(expr, "expected the number of a version, such as 1"))
}

/// A text.
pub(super) fn name(raw: RawOption) -> syn::Result<LitStr> {
    match assigned(raw, "\"...\"")? {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        other => Err(syn::Error::new_spanned(other, "expected a text, as in `name = \"prices\"`")),
    }
}

/// A name, or `true` or `false`.
pub(super) fn companion(raw: RawOption) -> syn::Result<CompanionChoice> {
    let expr = assigned(raw, "other_name")?;
    match &expr {
        Expr::Lit(ExprLit { lit: Lit::Bool(on), .. }) => {
            Ok(if on.value { CompanionChoice::SameName } else { CompanionChoice::Hidden })
        }
        Expr::Path(path) if path.path.get_ident().is_some() => {
            Ok(CompanionChoice::Named(path.path.require_ident()?.clone()))
        }
        _ => {
            let message = "expected a name or `false`, as in `companion = other_name`";
            Err(syn::Error::new_spanned(expr, message))
        }
    }
}

/// The name of an argument.
pub(super) fn argument(raw: RawOption) -> syn::Result<Ident> {
    let expr = assigned(raw, "argument")?;
    match &expr {
        Expr::Path(path) if path.path.get_ident().is_some_and(|name| name != "self") => {
            path.path.require_ident().cloned()
        }
        _ => Err(syn::Error::new_spanned(expr, "expected the name of an argument, a slice")),
    }
}

/// A path.
pub(super) fn crate_path(raw: RawOption) -> syn::Result<Path> {
    match assigned(raw, "path::to::cache_core")? {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path),
        other => {
            let message = "expected a path, as in `crate = my_library::cache_core`";
            Err(syn::Error::new_spanned(other, message))
        }
    }
}

/// Input: `word` or `word = true`. Output: its place; `None` for `word = false`.
pub(super) fn flag(raw: &RawOption) -> syn::Result<Option<Span>> {
    match &raw.value {
        RawValue::Flag => Ok(Some(raw.word.span())),
        RawValue::Assigned(Expr::Lit(ExprLit { lit: Lit::Bool(on), .. })) => {
            Ok(on.value.then(|| raw.word.span()))
        }
        _ => {
            let message = format!("write `{0}` or `{0} = false`", raw.word);
            Err(syn::Error::new_spanned(&raw.word, message))
        }
    }
}

/// Input: `word = false`. Output: `true`.
pub(super) fn is_off(raw: &RawOption) -> syn::Result<bool> {
    flag(raw).map(|on| on.is_none())
}
