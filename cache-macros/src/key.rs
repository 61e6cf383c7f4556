//! An argument as a part of the key: how it is borrowed for the look-up, and what is kept.

use syn::visit::{self, Visit};
use syn::{GenericArgument, Lifetime, PathArguments, Type, TypePath};

/// How one part of the key is looked up and kept.
pub(crate) enum PartKind {
    /// A value, kept as a clone.
    Value(Type),
    /// A reference, `&T` or `&&T`, kept as `<T as ToOwned>::Owned`.
    Reference { depth: usize, target: Type },
    /// `Cow<'_, T>`, kept like a reference.
    Cow { ty: Box<Type>, target: Type },
    /// An `Option` of something borrowed.
    Option { ty: Box<Type>, inner: Box<Self> },
    /// A tuple with something borrowed.
    Tuple(Vec<Self>),
    /// The value of an expression; only the compiler knows its type.
    Untyped,
}

/// Sorts a type into its kind.
///
/// Input: `Option<&str>`. Output: an option of a reference, depth 1, to `str`.
/// Input: `&mut u8`. Output: an error that says how to leave out the `argument`.
pub(crate) fn classify(ty: &Type, argument: &str) -> syn::Result<PartKind> {
    match ty {
        Type::Group(group) => return classify(&group.elem, argument),
        Type::Paren(paren) => return classify(&paren.elem, argument),
        Type::Reference(_) => return reference(ty, argument),
        Type::ImplTrait(_) => {
            return Err(refuse(
                ty,
                "an `impl Trait` argument cannot be part of a cache key",
                argument,
            ));
        }
        _ => {}
    }
    if let Some(float) = float(ty) {
        return Err(refuse(ty, &format!("`{float}` cannot be part of a cache key"), argument));
    }
    if !borrows(ty) {
        return Ok(PartKind::Value(ty.clone()));
    }
    match ty {
        Type::Tuple(tuple) => tuple
            .elems
            .iter()
            .map(|elem| classify(elem, argument))
            .collect::<syn::Result<_>>()
            .map(PartKind::Tuple),
        Type::Path(path) => match last(path) {
            (name, inner) if name == "Option" && inner.len() == 1 => Ok(PartKind::Option {
                ty: Box::new(ty.clone()),
                inner: Box::new(classify(inner[0], argument)?),
            }),
            (name, inner) if name == "Cow" && inner.len() == 1 && !borrows(inner[0]) => {
                Ok(PartKind::Cow { ty: Box::new(ty.clone()), target: inner[0].clone() })
            }
            _ => Err(refuse(ty, "a type that borrows cannot be part of a cache key", argument)),
        },
        _ => Err(refuse(ty, "a type that borrows cannot be part of a cache key", argument)),
    }
}

/// Input: `&&str`. Output: a reference, depth 2, to `str`.
fn reference(ty: &Type, argument: &str) -> syn::Result<PartKind> {
    let mut depth = 0;
    let mut target = ty;
    loop {
        target = match target {
            Type::Reference(reference) if reference.mutability.is_some() => {
                let what = "a `&mut` argument cannot be part of a cache key: a hit would leave \
                            it as it is";
                return Err(refuse(ty, what, argument));
            }
            Type::Reference(reference) => {
                depth += 1;
                &reference.elem
            }
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => break,
        };
    }
    if let Some(float) = float(target) {
        return Err(refuse(ty, &format!("`{float}` cannot be part of a cache key"), argument));
    }
    match target {
        Type::ImplTrait(_) => {
            return Err(refuse(
                ty,
                "an `impl Trait` argument cannot be part of a cache key",
                argument,
            ));
        }
        Type::TraitObject(_) => {
            return Err(refuse(
                ty,
                "a `dyn Trait` argument cannot be part of a cache key",
                argument,
            ));
        }
        _ => {}
    }
    if borrows(target) {
        return Err(refuse(ty, "a type that borrows cannot be part of a cache key", argument));
    }
    Ok(PartKind::Reference { depth, target: target.clone() })
}

/// An error that says both ways out.
fn refuse(ty: &Type, what: &str, argument: &str) -> syn::Error {
    let message = format!(
        "{what}\n  = note: leave it out with `skip({argument})`, or say with `key(name: Type = \
         expression)` what the result depends on"
    );
    syn::Error::new_spanned(ty, message)
}

/// Returns `true` if the text of a type shows that it holds something that may not be `'static`.
pub(crate) fn borrows(ty: &Type) -> bool {
    struct BorrowSearch(bool);
    impl<'ast> Visit<'ast> for BorrowSearch {
        fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            self.0 |= reference.lifetime.is_none() || reference.mutability.is_some();
            visit::visit_type_reference(self, reference);
        }
        // The one well-known type whose lifetime is often left out. Without any argument it is some
        // other type of that name.
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0 |= segment.ident == "Cow"
                && !segment.arguments.is_empty()
                && !has_lifetime(&segment.arguments);
            visit::visit_path_segment(self, segment);
        }
        // A function pointer holds none of its arguments.
        fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}
    }
    let mut search = BorrowSearch(false);
    search.visit_type(ty);
    search.0
}

/// Returns `true` if there is a lifetime among generic arguments.
fn has_lifetime(arguments: &PathArguments) -> bool {
    match arguments {
        PathArguments::AngleBracketed(list) => {
            list.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
        }
        _ => false,
    }
}

/// The float in a type that hashes only if its content does. Other wrappers may make floats hash,
/// so they are not searched.
fn float(ty: &Type) -> Option<&'static str> {
    const TRANSPARENT: [&str; 6] = ["Option", "Vec", "Box", "Arc", "Rc", "Cow"];
    match ty {
        Type::Group(group) => float(&group.elem),
        Type::Paren(paren) => float(&paren.elem),
        Type::Reference(reference) => float(&reference.elem),
        Type::Slice(slice) => float(&slice.elem),
        Type::Array(array) => float(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(float),
        Type::Path(path) if path.path.is_ident("f64") => Some("f64"),
        Type::Path(path) if path.path.is_ident("f32") => Some("f32"),
        Type::Path(path) => {
            let (name, inner) = last(path);
            let transparent = TRANSPARENT.contains(&name.as_str());
            if transparent { inner.into_iter().find_map(float) } else { None }
        }
        _ => None,
    }
}

/// The last word of a path and its type arguments.
///
/// Input: `std::borrow::Cow<'_, str>`. Output: `Cow` and `[str]`.
pub(crate) fn last(path: &TypePath) -> (String, Vec<&Type>) {
    let Some(segment) = path.path.segments.last() else { return (String::new(), Vec::new()) };
    let inner = match &segment.arguments {
        PathArguments::AngleBracketed(list) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    (segment.ident.to_string(), inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse_quote;

    /// The kind in a few letters.
    fn shape(kind: &PartKind) -> String {
        match kind {
            PartKind::Value(ty) => format!("value {}", ty.to_token_stream()),
            PartKind::Reference { depth, target } => {
                format!("ref{depth} {}", target.to_token_stream())
            }
            PartKind::Cow { target, .. } => format!("cow {}", target.to_token_stream()),
            PartKind::Option { inner, .. } => format!("option({})", shape(inner)),
            PartKind::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(shape).collect();
                format!("tuple({})", parts.join(", "))
            }
            PartKind::Untyped => "untyped".to_owned(),
        }
    }

    fn classified(ty: &Type) -> String {
        classify(ty, "x").map_or_else(|error| error.to_string(), |kind| shape(&kind))
    }

    #[test]
    fn classify_borrowed_shapes_keep_what_is_owned() {
        assert_eq!(classified(&parse_quote!(u64)), "value u64");
        assert_eq!(classified(&parse_quote!(&str)), "ref1 str");
        assert_eq!(classified(&parse_quote!(&&'a std::path::Path)), "ref2 std :: path :: Path");
        assert_eq!(classified(&parse_quote!(Option<&str>)), "option(ref1 str)");
        assert_eq!(classified(&parse_quote!((u8, &[u8]))), "tuple(value u8, ref1 [u8])");
        assert_eq!(classified(&parse_quote!(std::borrow::Cow<'_, str>)), "cow str");
        assert_eq!(classified(&parse_quote!(Option<Cow<str>>)), "option(cow str)");
        assert_eq!(
            classified(&parse_quote!(Vec<Cow<'static, str>>)),
            "value Vec < Cow < 'static , str > >"
        );
        assert_eq!(classified(&parse_quote!(&[Cow])), "ref1 [Cow]");
        assert_eq!(classified(&parse_quote!(Option<(u8, u8)>)), "value Option < (u8 , u8) >");
        assert_eq!(classified(&parse_quote!(&'static str)), "ref1 str");
        assert_eq!(classified(&parse_quote!(fn(&str) -> u8)), "value fn (& str) -> u8");
    }

    #[test]
    fn classify_what_cannot_be_a_key_is_refused() {
        for ty in [
            parse_quote!(&mut u8),
            parse_quote!(&&mut u8),
            parse_quote!(Option<&mut u8>),
            parse_quote!(Vec<&str>),
            parse_quote!(&[&str]),
            parse_quote!(Parser<'_>),
            parse_quote!(impl Fn(u8)),
            parse_quote!(&impl Fn(u8)),
            parse_quote!(&dyn Fn(u8)),
            parse_quote!(Vec<Cow<str>>),
        ] {
            assert!(classified(&ty).contains("skip(x)"), "{}", ty.to_token_stream());
        }
    }

    #[test]
    fn classify_float_is_found_in_what_hashes_its_parts() {
        for ty in [
            parse_quote!(f64),
            parse_quote!(&f64),
            parse_quote!((u8, f64)),
            parse_quote!(Option<&f64>),
            parse_quote!(Vec<Option<f64>>),
            parse_quote!([f64; 3]),
        ] {
            assert!(classified(&ty).starts_with("`f64`"), "{}", ty.to_token_stream());
        }
        assert!(classified(&parse_quote!(OrderedFloat<f64>)).starts_with("value"));
    }
}
