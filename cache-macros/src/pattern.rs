//! The names that the pattern of an argument binds: `app` in `State(app): State<App>`.
//!
//! Options name them as they name arguments. The functions around the body have the whole argument,
//! so they take a reference to it apart, by the same pattern without what only a body needs.

use syn::punctuated::Punctuated;
use syn::{Ident, Pat, PatIdent, Token, Type};

use crate::key::last;

/// A name that a pattern binds.
pub(crate) struct Binding {
    pub(crate) name: Ident,
    /// Its type, if pattern and type show it.
    pub(crate) ty: Option<Type>,
}

/// The names that a pattern binds, in their order.
///
/// Input: `Path((id, tag)): Path<(u64, String)>`. Output: `id` of type `u64`, `tag` of `String`.
pub(crate) fn bindings(pattern: &Pat, ty: &Type) -> Vec<Binding> {
    let mut found = Vec::new();
    collect(pattern, Some(ty), &mut found);
    found
}

fn collect(pattern: &Pat, ty: Option<&Type>, found: &mut Vec<Binding>) {
    match (pattern, ty) {
        (_, Some(Type::Group(group))) => collect(pattern, Some(&group.elem), found),
        (_, Some(Type::Paren(paren))) => collect(pattern, Some(&paren.elem), found),
        (Pat::Ident(PatIdent { ident, subpat, .. }), _) => {
            found.push(Binding { name: ident.clone(), ty: ty.cloned() });
            if let Some((_, pattern)) = subpat {
                collect(pattern, ty, found);
            }
        }
        (Pat::Paren(paren), _) => collect(&paren.pat, ty, found),
        (Pat::Type(typed), _) => collect(&typed.pat, Some(&typed.ty), found),
        (Pat::Reference(reference), Some(Type::Reference(ty))) => {
            collect(&reference.pat, Some(&ty.elem), found);
        }
        (Pat::Reference(reference), _) => collect(&reference.pat, None, found),
        (Pat::Tuple(tuple), Some(Type::Tuple(types))) if tuple.elems.len() == types.elems.len() => {
            for (pattern, ty) in tuple.elems.iter().zip(&types.elems) {
                collect(pattern, Some(ty), found);
            }
        }
        (Pat::Tuple(tuple), _) => all(&tuple.elems, found),
        (Pat::TupleStruct(wrapper), _) => match wrapper.elems.first() {
            Some(only) if wrapper.elems.len() == 1 => collect(only, ty.and_then(wrapped), found),
            _ => all(&wrapper.elems, found),
        },
        (Pat::Slice(slice), _) => all(&slice.elems, found),
        (Pat::Struct(named), _) => {
            named.fields.iter().for_each(|field| collect(&field.pat, None, found));
        }
        _ => {}
    }
}

fn all(patterns: &Punctuated<Pat, Token![,]>, found: &mut Vec<Binding>) {
    patterns.iter().for_each(|pattern| collect(pattern, None, found));
}

/// What a type of one parameter most likely holds; if it does not, the compiler says so.
///
/// Input: `State<App>`. Output: `App`.
fn wrapped(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    match last(path).1.as_slice() {
        [inner] => Some(inner),
        _ => None,
    }
}

/// The pattern for a reference to the argument: without `mut`, `ref` and the references that it
/// would take away.
pub(crate) fn of_reference(pattern: &Pat) -> Pat {
    let mut pattern = pattern.clone();
    loosen(&mut pattern);
    pattern
}

fn loosen(pattern: &mut Pat) {
    match pattern {
        Pat::Ident(ident) => {
            (ident.by_ref, ident.mutability) = (None, None);
            if let Some((_, pattern)) = &mut ident.subpat {
                loosen(pattern);
            }
        }
        Pat::Reference(reference) => {
            let mut inner = (*reference.pat).clone();
            loosen(&mut inner);
            *pattern = inner;
        }
        Pat::Paren(paren) => loosen(&mut paren.pat),
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(loosen),
        Pat::TupleStruct(wrapper) => wrapper.elems.iter_mut().for_each(loosen),
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(loosen),
        Pat::Struct(named) => named.fields.iter_mut().for_each(|field| loosen(&mut field.pat)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse::Parser;
    use syn::parse_quote;

    fn shown(pattern: &str, ty: &Type) -> String {
        let pattern = Pat::parse_single.parse_str(pattern).expect("a pattern");
        let found = bindings(&pattern, ty).into_iter().map(|Binding { name, ty }| {
            let ty = ty.map_or_else(|| "?".to_owned(), |ty| ty.to_token_stream().to_string());
            format!("{name}: {ty}")
        });
        found.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn bindings_have_the_types_that_show() {
        assert_eq!(shown("n", &parse_quote!(u64)), "n: u64");
        assert_eq!(shown("State(app)", &parse_quote!(State<App>)), "app: App");
        assert_eq!(
            shown("Path((id, mut tag))", &parse_quote!(axum::Path<(u64, String)>)),
            "id: u64, tag: String"
        );
        assert_eq!(shown("&(a, _)", &parse_quote!(&(u8, u16))), "a: u8");
        assert_eq!(shown("User { id, name: n }", &parse_quote!(User)), "id: ?, n: ?");
        assert_eq!(shown("Pair(a, b)", &parse_quote!(Pair<u8>)), "a: ?, b: ?");
        assert_eq!(shown("[a, ..]", &parse_quote!([u8; 3])), "a: ?");
        assert_eq!(shown("_", &parse_quote!(u8)), "");
    }

    #[test]
    fn of_reference_keeps_names_and_shape() {
        for (pattern, loose) in [
            ("State(mut app)", "State (app)"),
            ("&(ref a, b)", "(a , b)"),
            ("User { ref id, .. }", "User { id , .. }"),
        ] {
            let pattern = Pat::parse_single.parse_str(pattern).expect("a pattern");
            assert_eq!(of_reference(&pattern).to_token_stream().to_string(), loose);
        }
    }
}
