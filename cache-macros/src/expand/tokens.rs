//! The smallest pieces of generated code: variables, places, references.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, GenericParam, Generics, Path};

/// A variable that only the expansion sees.
///
/// Hygiene keeps it apart from variables of the user; a constant of the user would still be taken
/// for a pattern, hence the prefix.
pub(super) fn local(name: &str) -> Ident {
    Ident::new(&format!("cached_{name}"), Span::mixed_site())
}

/// A place in the source, for code that only the expansion sees: errors point there, lints do not.
pub(super) fn at(tokens: &impl Spanned) -> Span {
    Span::call_site().located_at(tokens.span())
}

/// A path whose tokens stand at one place.
pub(super) fn located(path: &Path, at: Span) -> TokenStream {
    let tokens = path.to_token_stream().into_iter();
    tokens
        .map(|mut token| {
            token.set_span(token.span().located_at(at));
            token
        })
        .collect()
}

/// The type and const parameters as arguments: lifetimes are always inferred, the types may
/// appear nowhere in the signature.
pub(super) fn turbofish(generics: &Generics) -> TokenStream {
    let names: Vec<_> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    if names.is_empty() {
        TokenStream::new()
    } else {
        quote! { ::<#(#names),*> }
    }
}

/// A reference to the value of an expression, which is not moved if it is a place. `None` for an
/// expression that would need parentheses.
pub(super) fn borrow(expr: &Expr) -> Option<TokenStream> {
    match expr {
        Expr::Path(_)
        | Expr::Field(_)
        | Expr::MethodCall(_)
        | Expr::Call(_)
        | Expr::Index(_)
        | Expr::Unary(_)
        | Expr::Reference(_)
        | Expr::Paren(_)
        | Expr::Macro(_)
        | Expr::Lit(_)
        | Expr::Tuple(_) => Some(quote_spanned! {at(expr)=> &#expr }),
        _ => None,
    }
}
