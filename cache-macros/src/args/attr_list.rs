//! The options as a list, whatever they mean: `word`, `word = expression`, `word(..)`.
//!
//! A mistake is reported where the list stops being one, and reading continues with the next
//! option after it, so that one mistake does not hide the others.

use super::option_names;
use super::raw_option::{RawOption, RawValue, placed};
use crate::errors::Errors;
use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token, parenthesized, token};

/// Reads the list.
///
/// Input: `ttl = 60, skip(db)`. Output: two entries.
/// Input: `ttl = , skip(db)`. Output: the same words, the first with a broken value, and an error.
pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Vec<RawOption> {
    let mut entries = Vec::new();
    let read = |input: ParseStream| {
        while !input.is_empty() {
            if let Err(error) = entry(input, &mut entries).and_then(|()| end(input)) {
                errors.push_error(error);
                skip_to_option(input)?;
            }
        }
        Ok(())
    };
    if let Err(error) = read.parse2(tokens) {
        errors.push_error(error);
    }
    entries
}

fn entry(input: ParseStream, entries: &mut Vec<RawOption>) -> syn::Result<()> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error("expected an option, such as `ttl = 60`"));
    }
    let word = input.call(Ident::parse_any)?;
    let value = value(input, &word);
    let (value, result) = match value {
        Ok(value) => (value, Ok(())),
        Err(error) => (RawValue::Broken, Err(error)),
    };
    entries.push(RawOption { word, value });
    result
}

fn value(input: ParseStream, word: &Ident) -> syn::Result<RawValue> {
    if input.peek(Token![:]) {
        if !option_names::is_option(&word.unraw().to_string()) {
            // The word is what is wrong, and that is told when it is looked up: `Capacity: 10`.
            skip_value(input)?;
            return Ok(RawValue::Flag);
        }
        return Err(input.error(format!("write `{word} = ..`, with an equals sign")));
    }
    if input.peek(token::Paren) {
        let content;
        parenthesized!(content in input);
        return Ok(RawValue::List(content.parse()?));
    }
    if !input.peek(Token![=]) {
        return Ok(RawValue::Flag);
    }
    let equals = input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new_spanned(equals, format!("`{word} =` needs a value")));
    }
    let ahead = input.fork();
    match input.parse() {
        Ok(expr) => Ok(RawValue::Assigned(expr)),
        Err(error) => Err(placed(error, ahead.parse()?)),
    }
}

/// Skips to the next comma.
fn skip_value(input: ParseStream) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// A comma, or nothing more.
fn end(input: ParseStream) -> syn::Result<()> {
    if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
        return Ok(());
    }
    Err(input.error("expected a comma between options"))
}

/// Skips to behind the next comma that an option follows.
fn skip_to_option(input: ParseStream) -> syn::Result<()> {
    let mut after_comma = false;
    while !input.is_empty() {
        let next = input.fork().call(Ident::parse_any);
        if after_comma && next.is_ok_and(|word| option_names::is_option(&word.unraw().to_string()))
        {
            break;
        }
        let token = input.parse::<TokenTree>()?;
        after_comma = matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    }
    Ok(())
}
