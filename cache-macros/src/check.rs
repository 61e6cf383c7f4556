//! How the options go together, with each other and with the function: small named checks, each
//! of one rule, run one after another so that all mistakes are told.

use crate::args::{Companion, KeyItem, Options};
use crate::errors::Errors;
use crate::signature::Function;
use crate::suggest;
use syn::Ident;

/// Runs every check.
pub(crate) fn all(options: &Options, function: Option<&Function>, errors: &mut Errors) {
    key_excludes_skip(options, errors);
    errors_exclude_none(options, errors);
    names_differ(options, errors);
    if let Some(function) = function {
        skip_names_arguments(options, function, errors);
        companion_hides_no_primitive(options, function, errors);
        name_is_not_empty(options, errors);
    }
}

/// `key` lists all there is, so there is nothing left to skip.
fn key_excludes_skip(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(skip)) = (&options.key, &options.skip) {
        errors.push(
            &skip.word,
            "`skip` and `key` exclude each other: what `key` does not name is left out anyway",
        );
    }
}

/// No return type is both.
fn errors_exclude_none(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(at)) = (options.cache_errors, options.cache_none) {
        errors.push_span(
            at,
            "`cache_errors` and `cache_none` exclude each other: one is for `Result`, the other \
             for `Option`",
        );
    }
}

/// Nothing is named twice within `skip` or `key`.
fn names_differ(options: &Options, errors: &mut Errors) {
    let skip = options.skip.iter().flat_map(|skip| &skip.names);
    let key = options.key.iter().flatten().filter_map(|item| match item {
        KeyItem::Named { name, .. } => Some(name),
        KeyItem::Bare(_) => None,
    });
    for names in [skip.collect::<Vec<&Ident>>(), key.collect()] {
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                errors.push(name, format!("`{name}` is named twice"));
            }
        }
    }
}

/// What is skipped is there.
fn skip_names_arguments(options: &Options, function: &Function, errors: &mut Errors) {
    for name in options.skip.iter().flat_map(|skip| &skip.names) {
        // The receiver is told of with the signature.
        if name != "self" && !function.arguments.iter().any(|argument| argument.is(name)) {
            errors.push(name, no_argument(name, function));
        }
    }
}

/// The text for a name that is no argument.
pub(crate) fn no_argument(name: &Ident, function: &Function) -> String {
    let known: Vec<String> = function
        .arguments
        .iter()
        .filter(|argument| argument.named)
        .map(|argument| argument.name.to_string())
        .collect();
    let remark = suggest::remark(&name.to_string(), known.iter().map(String::as_str));
    format!("there is no argument named `{name}`{remark}")
}

/// A companion is a type: under the name of a primitive it would stand in for it all over the
/// module.
fn companion_hides_no_primitive(options: &Options, function: &Function, errors: &mut Errors) {
    const PRIMITIVES: [&str; 17] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64",
    ];
    let name = match &options.companion {
        Companion::SameName => &function.name,
        Companion::Named(name) => name,
        Companion::Hidden => return,
    };
    if PRIMITIVES.iter().any(|primitive| name == primitive) {
        errors.push(
            name,
            format!(
                "the companion type `{name}` would hide the type `{name}`\n  = note: give it \
                 another name with `companion = other_name`, or none with `companion = false`"
            ),
        );
    }
}

/// An empty name would be worse than the default one.
fn name_is_not_empty(options: &Options, errors: &mut Errors) {
    if let Some(name) = options.name.as_ref().filter(|name| name.value().is_empty()) {
        errors.push(name, "an empty name; leave `name` out for the path of the function");
    }
}
