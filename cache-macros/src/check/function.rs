//! How the options go together with the function.

use crate::args::{CompanionChoice, KeyItem, Options};
use crate::errors::Errors;
use crate::signature::Function;
use crate::suggest;
use quote::ToTokens;
use syn::visit::Visit;
use syn::{Expr, Ident};

/// Only arguments can be skipped.
pub(super) fn skip_names_arguments(options: &Options, function: &Function, errors: &mut Errors) {
    for name in options.skip.iter().flat_map(|skip| &skip.names) {
        let is_self = name == "self" && function.receiver.is_some();
        if !is_self && !function.binds(name) {
            errors.push(name, no_argument(name, function));
        }
    }
}

/// The text for a name that is no argument.
pub(crate) fn no_argument(name: &Ident, function: &Function) -> String {
    let arguments = function.arguments.iter();
    let named = arguments.clone().filter(|argument| argument.named).map(|argument| &argument.name);
    let bound = arguments.flat_map(|argument| &argument.bindings).map(|binding| &binding.name);
    let known: Vec<String> = named.chain(bound).map(ToString::to_string).collect();
    let remark = suggest::remark(&name.to_string(), known.iter().map(String::as_str));
    format!("there is no argument named `{name}`{remark}")
}

/// Only the user knows whether results depend on `self`.
pub(super) fn self_is_decided(options: &Options, function: &Function, errors: &mut Errors) {
    let Some(receiver) = &function.receiver else { return };
    if ["key", "skip", "cache"].iter().any(|word| options.is_broken(word)) {
        return;
    }
    let skipped = options.skip.iter().flat_map(|skip| &skip.names).any(|name| name == "self");
    let own = options.cache.as_ref().is_some_and(names_self);
    if skipped && own {
        let word = options.skip.as_ref().map(|skip| &skip.word);
        errors.push(word, "`self` is left out of the key anyway: each `self` has its own cache");
    } else if !skipped && !own && options.key.is_none() {
        errors.push(
            receiver,
            "say what `self` means to the cache\n  \
             = note: `key(self.id, argument)` makes a part of it part of the key\n  \
             = note: `cache = self.field` takes a cache that each `self` has\n  \
             = note: `skip(self)` leaves it out (with `..`: `skip(self, ..)`): equal arguments, equal \
             results, whatever `self`",
        );
    }
}

/// Returns `true` if an expression names `self`.
fn names_self(expr: &Expr) -> bool {
    struct SelfValueSearch(bool);
    impl<'ast> Visit<'ast> for SelfValueSearch {
        fn visit_ident(&mut self, ident: &'ast Ident) {
            self.0 |= ident == "self";
        }
        fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
            self.0 |= invoked.to_token_stream().to_string().contains("self");
        }
    }
    let mut search = SelfValueSearch(false);
    search.visit_expr(expr);
    search.0
}

/// A companion is a type: under the name of a primitive it would replace it in the whole module.
pub(super) fn companion_hides_no_primitive(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    if let (Some(name), true) =
        (companion_type(options, function), hides_primitive(options, function))
    {
        errors.push(
            name,
            format!(
                "the companion type `{name}` would hide the type `{name}`\n  = note: give it \
                 another name with `companion = other_name`, or none with `companion = false`"
            ),
        );
    }
}

/// The name of the type beside the function. Beside a method there is none: there are methods of a
/// longer name, or nothing.
fn companion_type<'a>(options: &'a Options, function: &'a Function) -> Option<&'a Ident> {
    match &options.companion {
        _ if function.is_associated() => None,
        CompanionChoice::Default | CompanionChoice::SameName => Some(&function.name),
        CompanionChoice::Named(name) => Some(name),
        CompanionChoice::Hidden => None,
    }
}

/// Returns `true` if the companion would have the name of a primitive type.
pub(crate) fn hides_primitive(options: &Options, function: &Function) -> bool {
    const PRIMITIVES: [&str; 17] = [
        "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64",
    ];
    let companion = companion_type(options, function);
    companion.is_some_and(|name| PRIMITIVES.iter().any(|primitive| name == primitive))
}

/// A task may resume on any thread.
pub(super) fn tasks_have_no_thread(options: &Options, function: &Function, errors: &mut Errors) {
    if let (Some(at), Some(_)) = (options.thread_local, &function.asyncness) {
        errors.push_span(
            at,
            "an `async fn` cannot have a `thread_local` cache: its task may go on on another \
             thread",
        );
    }
}

/// A flag that asks for a refresh tells keys apart, if it is part of them: the value would be
/// stored where no other call looks.
pub(super) fn refreshed_values_have_the_same_key(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    let Some(flag) = options.refresh_if.as_ref().and_then(flag) else { return };
    let skip = options.skip.as_ref();
    let is_skipped = skip.is_some_and(|skip| skip.all || skip.names.contains(flag));
    let named = |expr: &Expr| matches!(expr, Expr::Path(path) if path.path.is_ident(flag));
    let is_part = match &options.key {
        None => function.binds(flag) && !is_skipped,
        Some(key) => key.iter().any(|item| match item {
            KeyItem::Bare(expr) => named(expr),
            KeyItem::Named { expr, .. } => named(expr),
        }),
    };
    if is_part && !options.is_broken("skip") && !options.is_broken("key") {
        errors.push(
            flag,
            format!(
                "`{flag}` is part of the key: what a refresh loads would be stored where no other \
                 call looks\n  = note: leave it out with `skip({flag})`"
            ),
        );
    }
}

/// The argument that is a whole condition, perhaps negated.
fn flag(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Unary(unary) => flag(&unary.expr),
        Expr::Paren(paren) => flag(&paren.expr),
        _ => None,
    }
}

/// The options of the cache are evaluated once, on the first call.
pub(super) fn settings_are_for_all_calls(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    for expr in options.expressions() {
        let mut search = ArgumentSearch { function, bound: Vec::new(), found: Vec::new() };
        search.visit_expr(expr);
        for name in search.found {
            errors.push(
                name,
                format!(
                    "`{name}` is an argument: the options of the cache hold for all calls, and are \
                     evaluated once"
                ),
            );
        }
    }
}

/// Finds arguments among the variables of an expression.
struct ArgumentSearch<'a> {
    function: &'a Function,
    /// The parameters of closures visited so far, which hide arguments of that name.
    bound: Vec<&'a Ident>,
    found: Vec<&'a Ident>,
}

impl<'a> Visit<'a> for ArgumentSearch<'a> {
    fn visit_pat_ident(&mut self, pat: &'a syn::PatIdent) {
        self.bound.push(&pat.ident);
    }
    fn visit_expr_path(&mut self, path: &'a syn::ExprPath) {
        let Some(name) = path.path.get_ident() else { return };
        let receiver = name == "self" && self.function.receiver.is_some();
        if (receiver || self.function.binds(name)) && !self.bound.contains(&name) {
            self.found.push(name);
        }
    }
}
