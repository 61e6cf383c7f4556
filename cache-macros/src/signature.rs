//! The function under the attribute: its parts, and the kinds that cannot be cached.

use crate::attributes::Attributes;
use crate::boxed::{self, Boxed};
use crate::enclosing;
use crate::errors::Errors;
use crate::pattern::{self, Binding};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::format_ident;
use syn::visit::{self, Visit};
use syn::{
    Attribute, FnArg, Generics, Ident, Item, ItemFn, Pat, PatType, Receiver, ReturnType, Safety,
    Signature, Stmt, Token, Type, Visibility, token,
};

/// The parts of a function that can be cached.
pub(crate) struct Function {
    pub(crate) attributes: Attributes,
    pub(crate) vis: Visibility,
    pub(crate) asyncness: Option<Token![async]>,
    /// If it is an `async fn` that has been turned into a function of a boxed future, that form.
    pub(crate) boxed: Option<Boxed>,
    /// Kept, like the braces, for its place in the source: by where an item begins and ends, lints
    /// and errors see that it is a function of the user.
    pub(crate) fn_token: Token![fn],
    pub(crate) braces: token::Brace,
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    /// `self`, in whatever form.
    pub(crate) receiver: Option<Receiver>,
    /// `true` if `Self` is named, or the source shows that it is in an `impl` or a `trait`.
    pub(crate) is_in_impl: bool,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Type,
    pub(crate) stmts: Vec<Stmt>,
}

impl Function {
    /// Returns `true` if the text shows that this is no free function.
    pub(crate) fn is_associated(&self) -> bool {
        self.receiver.is_some() || self.is_in_impl
    }

    /// Returns `true` if it has an argument of this name, or one whose pattern binds it.
    pub(crate) fn binds(&self, name: &Ident) -> bool {
        self.arguments.iter().any(|argument| argument.is(name) || argument.binding(name).is_some())
    }
}

/// One argument.
pub(crate) struct Argument {
    /// The pattern, for the function that holds the body, with its attributes.
    pub(crate) pattern: PatType,
    /// The name, for all other functions; invented if the pattern has none.
    pub(crate) name: Ident,
    /// `true` if the user gave that name.
    pub(crate) named: bool,
    /// The names that its pattern binds; none if the pattern is a name.
    pub(crate) bindings: Vec<Binding>,
    /// `true` if an expression of an option names it, or something that its pattern binds, so that
    /// the body need not.
    pub(crate) mentioned: bool,
}

impl Argument {
    /// Returns `true` if the user gave it this name.
    pub(crate) fn is(&self, name: &Ident) -> bool {
        self.named && self.name == *name
    }

    /// The name that its pattern binds, if it is one.
    pub(crate) fn binding(&self, name: &Ident) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.name == *name)
    }

    /// Notes that an expression of an option names it.
    pub(crate) fn mention(&mut self) {
        if let Pat::Ident(pat) = &*self.pattern.pat {
            self.name = pat.ident.clone();
        }
        self.mentioned = true;
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
    let mut item = function(item, errors)?;
    refuse_kind(&item.sig, errors);
    refuse_twice(&item.attrs, errors);
    let is_in_impl = names_self(&item) || enclosing::is_in_impl(item.sig.fn_token.span);
    let mut output = output(&item.sig, errors)?;
    let unboxed = boxed::unboxed(&output, &item.block).filter(|_| item.sig.asyncness.is_none());
    let boxed = unboxed.map(|unboxed| {
        item.sig.asyncness = Some(unboxed.body.async_token);
        (output, *item.block) = (unboxed.output, unboxed.body.block);
        unboxed.form
    });
    let (mut receiver, mut arguments) = (None, Vec::new());
    for (index, input) in item.sig.inputs.into_iter().enumerate() {
        match input {
            FnArg::Typed(pattern) => arguments.push(argument(index, pattern, errors)),
            FnArg::Receiver(found) => receiver = Some(found),
        }
    }
    Some(Function {
        attributes: Attributes::sort(item.attrs),
        vis: item.vis,
        asyncness: item.sig.asyncness,
        boxed,
        fn_token: item.sig.fn_token,
        braces: item.block.brace_token,
        name: item.sig.ident,
        generics: item.sig.generics,
        receiver,
        is_in_impl,
        arguments,
        output,
        stmts: item.block.stmts,
    })
}

/// The function, or the error for something else.
fn function(item: TokenStream, errors: &mut Errors) -> Option<ItemFn> {
    if let Ok(function) = syn::parse2::<ItemFn>(item.clone()) {
        return Some(function);
    }
    let message = "`#[cached]` goes on a function with a body";
    match syn::parse2::<Item>(item) {
        Ok(Item::Impl(_) | Item::Trait(_)) => {
            let message = format!(
                "{message}\n  = note: put it on the functions inside, also where an attribute such \
                 as `#[async_trait]` stands on the whole"
            );
            errors.push_span(Span::call_site(), message);
        }
        _ => errors.push_span(Span::call_site(), message),
    }
    None
}

/// Refuses kinds of functions that cannot be cached.
fn refuse_kind(sig: &Signature, errors: &mut Errors) {
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
    if let Some(abi) = &sig.abi {
        errors.push(
            abi,
            "an `extern` function cannot be cached: a panic of its cache could not leave it\n  = \
             note: cache a plain function that it calls",
        );
    }
    if let Some(variadic) = &sig.variadic {
        errors.push(variadic, "a variadic function cannot be cached");
    }
}

/// Returns `true` if a function names `Self`, other than in items inside of it.
fn names_self(item: &ItemFn) -> bool {
    struct SelfTypeSearch(bool);
    impl<'ast> Visit<'ast> for SelfTypeSearch {
        fn visit_ident(&mut self, ident: &'ast Ident) {
            self.0 |= ident == "Self";
        }
        fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
            self.0 |= has_self(invoked.tokens.clone());
            visit::visit_macro(self, invoked);
        }
        // There it is another type.
        fn visit_item(&mut self, _: &'ast syn::Item) {}
    }
    let mut search = SelfTypeSearch(false);
    search.visit_signature(&item.sig);
    search.visit_block(&item.block);
    search.0
}

/// Returns `true` if `Self` is among the tokens.
fn has_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => has_self(group.stream()),
        _ => false,
    })
}

/// A second `#[cached]` below the first would cache the body again.
fn refuse_twice(attributes: &[Attribute], errors: &mut Errors) {
    let cached = |attribute: &&Attribute| {
        attribute.path().segments.last().is_some_and(|segment| segment.ident == "cached")
    };
    if let Some(second) = attributes.iter().find(cached) {
        errors.push(second, "`#[cached]` is given twice");
    }
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
    let bindings = if named { Vec::new() } else { pattern::bindings(&pattern.pat, &pattern.ty) };
    Argument { pattern, name, named, bindings, mentioned: false }
}

/// The name of an argument in the functions around the body.
///
/// There an argument called `_x` is used, which a lint would report. As an identifier of the macro
/// it keeps its name, and lints ignore it.
fn outer_name(ident: &Ident) -> Ident {
    if ident.to_string().starts_with('_') {
        Ident::new(&ident.to_string(), Span::mixed_site().located_at(ident.span()))
    } else {
        ident.clone()
    }
}
