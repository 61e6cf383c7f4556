//! The function under the attribute: what it is made of, and what cannot be cached at all.

use crate::attributes::Attributes;
use crate::errors::Errors;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::{
    Abi, Attribute, FnArg, Generics, Ident, ItemFn, Pat, PatType, ReturnType, Safety, Signature,
    Stmt, Token, Type, Visibility, token,
};

/// A function that can be cached, as far as its signature shows.
pub(crate) struct Function {
    pub(crate) attributes: Attributes,
    pub(crate) vis: Visibility,
    pub(crate) abi: Option<Abi>,
    /// Kept, like the braces, for its place in the source: by where an item begins and ends lints
    /// and errors see that it is a function of the user.
    pub(crate) fn_token: Token![fn],
    pub(crate) braces: token::Brace,
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Type,
    pub(crate) stmts: Vec<Stmt>,
}

/// One argument.
pub(crate) struct Argument {
    /// The pattern, for the function that holds the body, with its attributes.
    pub(crate) pattern: PatType,
    /// The name, for all other functions; made up where the pattern has none.
    pub(crate) name: Ident,
    /// Whether the user gave that name.
    pub(crate) named: bool,
}

impl Argument {
    /// Whether the user calls it so.
    pub(crate) fn is(&self, name: &Ident) -> bool {
        self.named && self.name == *name
    }

    /// The type as written.
    pub(crate) fn ty(&self) -> &Type {
        &self.pattern.ty
    }
}

/// Reads the function.
///
/// Input: `pub fn f((a, b): (u8, u8), mut c: &str) -> u64 { .. }`.
/// Output: its parts, with a name for each argument: `cached_argument_0` and `c`.
pub(crate) fn parse(item: TokenStream, errors: &mut Errors) -> Option<Function> {
    let Ok(item) = syn::parse2::<ItemFn>(item) else {
        let message = "`#[cached]` goes on a function with a body";
        errors.push_span(Span::call_site(), message);
        return None;
    };
    refuse_kind(&item.sig, errors);
    refuse_twice(&item.attrs, errors);
    let output = output(&item.sig, errors)?;
    let mut arguments = Vec::new();
    for (index, input) in item.sig.inputs.into_iter().enumerate() {
        match input {
            FnArg::Typed(pattern) => arguments.push(argument(index, pattern, errors)),
            FnArg::Receiver(receiver) => errors.push(
                receiver,
                "methods are not supported yet by `#[cached]`: call a cached free function that \
                 takes what the result depends on",
            ),
        }
    }
    Some(Function {
        attributes: Attributes::sort(item.attrs),
        vis: item.vis,
        abi: item.sig.abi,
        fn_token: item.sig.fn_token,
        braces: item.block.brace_token,
        name: item.sig.ident,
        generics: item.sig.generics,
        arguments,
        output,
        stmts: item.block.stmts,
    })
}

/// Kinds of function that cannot be cached.
fn refuse_kind(sig: &Signature, errors: &mut Errors) {
    if let Some(token) = &sig.asyncness {
        errors.push(token, "`async fn` is not supported yet by `#[cached]`");
    }
    if let Some(token) = &sig.constness {
        errors.push(
            token,
            "a `const fn` cannot be cached: what is computed at compile time has no cache to \
             look into",
        );
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.push(
            token,
            "an `unsafe fn` cannot be cached: the promises of one call say nothing about the \
             next\n  = note: cache a safe function that upholds them",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.push(variadic, "a variadic function cannot be cached");
    }
    // A receiver is told of on its own.
    if sig.receiver().is_none()
        && let Some(token) = find_self_type(sig.to_token_stream())
    {
        errors.push(
            token,
            "associated functions that name `Self` are not supported yet by `#[cached]`",
        );
    }
}

/// A second `#[cached]` below the first would cache the body once more.
fn refuse_twice(attributes: &[Attribute], errors: &mut Errors) {
    let cached = |attribute: &&Attribute| {
        attribute.path().segments.last().is_some_and(|segment| segment.ident == "cached")
    };
    if let Some(second) = attributes.iter().find(cached) {
        errors.push(second, "`#[cached]` is given twice");
    }
}

/// The first `Self` among the tokens.
fn find_self_type(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => Some(ident),
        TokenTree::Group(group) => find_self_type(group.stream()),
        _ => None,
    })
}

/// The return type; a function without one has nothing to cache.
fn output(sig: &Signature, errors: &mut Errors) -> Option<Type> {
    let message = "a function that returns nothing leaves nothing to cache";
    match &sig.output {
        ReturnType::Default => {
            errors.push(&sig.ident, message);
            None
        }
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => {
                errors.push(ty, message);
                None
            }
            Type::Never(_) => {
                errors.push(ty, "a function that never returns leaves nothing to cache");
                None
            }
            _ => Some((**ty).clone()),
        },
    }
}

fn argument(index: usize, pattern: PatType, errors: &mut Errors) -> Argument {
    if let Some(cfg) = pattern.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        errors.push(cfg, "`#[cached]` cannot follow a `cfg` on an argument");
    }
    let (name, named) = match &*pattern.pat {
        Pat::Ident(pat) => (outer_name(&pat.ident), true),
        _ => (format_ident!("cached_argument_{index}", span = Span::mixed_site()), false),
    };
    Argument { pattern, name, named }
}

/// The name of an argument in the functions around the body.
///
/// There an argument called `_x` is used, and lints would say that it should not be called so.
/// As an identifier of the macro it keeps its name and is none of their business.
fn outer_name(ident: &Ident) -> Ident {
    if ident.to_string().starts_with('_') {
        Ident::new(&ident.to_string(), Span::mixed_site().located_at(ident.span()))
    } else {
        ident.clone()
    }
}
