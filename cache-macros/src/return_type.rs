//! The part of a return value that is cached.

use crate::args::Options;
use crate::errors::Errors;
use crate::key::{borrows, last};
use syn::{GenericParam, Generics, Ident, Type, TypePath, visit::Visit};

/// The part that is cached.
pub(crate) enum CachedPart {
    /// The value as returned.
    Whole,
    /// The value of `Ok`, with its type if the text shows it.
    Ok(Option<Type>),
    /// The value of `Some`, with its type if the text shows it.
    Some(Option<Type>),
}

/// A compile-time assertion about a return type that the macro knows only by name.
pub(crate) enum TypeAssertion {
    /// It is neither `Result` nor `Option`.
    Plain,
    /// It is a `Result`, under whatever name.
    Result,
    /// It is an `Option`, under whatever name.
    Option,
}

/// The return type, decided.
pub(crate) struct ReturnPlan {
    pub(crate) cached: CachedPart,
    pub(crate) assertion: Option<TypeAssertion>,
}

/// Decides what is cached.
///
/// Input: `Result<u64, E>`. Output: the `u64` of `Ok`.
/// Input: `Price`. Output: all of it, with the assertion that it is no alias of `Result`.
pub(crate) fn decide(
    ty: &Type,
    options: &Options,
    generics: &Generics,
    errors: &mut Errors,
) -> ReturnPlan {
    refuse(ty, errors);
    let word = last_word(ty);
    // With `many`, each value is negative by itself; a tier keeps the absence of a value.
    let whole = options.many.is_none() && options.given("tier").is_none();
    let negative = options.setting("negative_ttl").is_some() && whole;
    let cached = match word.as_str() {
        "Result" if options.cache_errors.is_none() && !negative => CachedPart::Ok(inner(ty, 2)),
        "Option" if options.cache_none.is_none() && !negative => CachedPart::Some(inner(ty, 1)),
        _ => CachedPart::Whole,
    };
    let assertion = match word.as_str() {
        "Result" | "Option" => None,
        _ if options.cache_errors.is_some() => Some(TypeAssertion::Result),
        _ if options.cache_none.is_some() => Some(TypeAssertion::Option),
        _ if path(ty).is_none() || is_well_known(&word) => None,
        _ => Some(TypeAssertion::Plain),
    };
    // A constant outside of the function cannot name its type parameters.
    let assertion = assertion.filter(|_| !mentions(ty, generics));
    ReturnPlan { cached, assertion }
}

/// The last word of the path of a type: empty for a type that is no path.
///
/// Input: `std::io::Result<u8>`. Output: `Result`.
pub(crate) fn last_word(ty: &Type) -> String {
    path(ty).map(|path| last(path).0).unwrap_or_default()
}

/// Returns `true` for a return type that cannot be cached.
pub(crate) fn is_refused(ty: &Type) -> bool {
    let mut errors = Errors::default();
    refuse(ty, &mut errors);
    errors.count() > 0
}

/// Refuses return types that cannot be cached.
fn refuse(ty: &Type, errors: &mut Errors) {
    if let Type::ImplTrait(_) = ty {
        errors.push(ty, "an `impl Trait` return value cannot be cached: name its type");
    } else if is_boxed_future(ty) {
        errors.push(
            ty,
            "a boxed future cannot be cached, unless the body is `Box::pin(async move { .. })` and \
             nothing else\n  = note: where another attribute turned an `async fn` into this, put \
             `#[cached]` on a plain function that it calls",
        );
    } else if borrows(ty) {
        errors.push(
            ty,
            "a return value that borrows cannot be cached: it would outlive what it points to\n  \
             = note: return an owned value, such as `String` or `Arc<str>`",
        );
    }
}

/// Returns `true` for `Pin<Box<..>>` and `BoxFuture<'_, T>`, not for other types of these names.
fn is_boxed_future(ty: &Type) -> bool {
    let Some((word, arguments)) = path(ty).map(last) else { return false };
    match (word.as_str(), arguments.as_slice()) {
        ("Pin", [inner]) => path(inner).is_some_and(|inner| last(inner).0 == "Box"),
        ("BoxFuture", [_]) => true,
        _ => false,
    }
}

/// The type as a path, without the groups in which a `macro_rules!` macro passes it on.
fn path(ty: &Type) -> Option<&TypePath> {
    match ty {
        Type::Path(path) => Some(path),
        Type::Group(group) => path(&group.elem),
        Type::Paren(paren) => path(&paren.elem),
        _ => None,
    }
}

/// The first type argument, if all `count` of them are written out. A type with fewer is an alias,
/// which only the compiler can resolve.
fn inner(ty: &Type, count: usize) -> Option<Type> {
    let (_, arguments) = last(path(ty)?);
    if arguments.len() == count { Some(arguments[0].clone()) } else { None }
}

/// Returns `true` for names that nobody gives to an alias of `Result`: common types get a shorter
/// expansion.
pub(crate) fn is_well_known(word: &str) -> bool {
    const NAMES: [&str; 21] = [
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
        "i128", "isize", "f32", "f64", "String", "Vec", "Arc", "Box", "HashMap",
    ];
    NAMES.contains(&word)
}

/// Returns `true` if a type names a type or const parameter.
fn mentions(ty: &Type, generics: &Generics) -> bool {
    struct ParameterSearch<'a>(&'a Generics, bool);
    impl<'ast> Visit<'ast> for ParameterSearch<'_> {
        fn visit_ident(&mut self, ident: &'ast Ident) {
            self.1 |= self.0.params.iter().any(|param| match param {
                GenericParam::Type(param) => param.ident == *ident,
                GenericParam::Const(param) => param.ident == *ident,
                GenericParam::Lifetime(_) => false,
            });
        }
    }
    let mut search = ParameterSearch(generics, false);
    search.visit_type(ty);
    search.1
}
