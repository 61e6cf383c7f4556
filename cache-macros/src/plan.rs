//! What is to be generated, decided down to the last word: the end of the part that can fail.

use crate::args::{Companion, KeyItem, Options, Ttl};
use crate::check;
use crate::errors::Errors;
use crate::key::{self, Kind};
use crate::outcome::{self, Outcome};
use crate::signature::Function;
use proc_macro2::Span;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::{Expr, Ident, LitStr, Path, Type};

/// As many parts as the standard library hashes in a tuple.
const MAX_PARTS: usize = 12;

/// All that the expansion needs.
pub(crate) struct Plan {
    pub(crate) crate_path: Path,
    pub(crate) function: Function,
    /// The type that carries the cache and what belongs to it.
    pub(crate) companion: Ident,
    /// Whether that type stands inside of the function.
    pub(crate) hidden: bool,
    pub(crate) parts: Vec<KeyPart>,
    pub(crate) outcome: Outcome,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) max_capacity: Option<Expr>,
    pub(crate) name: Option<LitStr>,
}

/// One part of the key.
pub(crate) struct KeyPart {
    /// Where the part is found: an argument, or the variable of `computed`.
    pub(crate) place: Ident,
    /// The type and the expression of `key(name: Type = expression)`.
    pub(crate) computed: Option<(Type, Expr)>,
    pub(crate) kind: Kind,
}

/// Puts options and function together.
///
/// Input: `skip(db)` and `fn f(db: &Db, id: u64) -> Row`.
/// Output: one part, the value `id`; the whole `Row` is kept.
/// Nothing comes out where something was found wrong; `errors` has it.
pub(crate) fn make(
    options: Options,
    function: Option<Function>,
    errors: &mut Errors,
) -> Option<Plan> {
    check::all(&options, function.as_ref(), errors);
    let function = function?;
    let parts = parts(&options, &function, errors);
    if parts.len() > MAX_PARTS {
        errors.push(
            &function.name,
            format!(
                "the key has {} parts, {MAX_PARTS} are possible: take several as one tuple or \
                 struct, or leave some out with `skip`",
                parts.len()
            ),
        );
    }
    let outcome = outcome::decide(&function.output, &options, &function.generics, errors);
    let (companion, hidden) = match options.companion {
        Companion::SameName => (function.name.clone(), false),
        Companion::Named(name) => (name, false),
        Companion::Hidden => (format_ident!("__cached_{}", function.name.unraw()), true),
    };
    Some(Plan {
        crate_path: options.crate_path,
        companion,
        hidden,
        parts,
        outcome,
        ttl: options.ttl,
        max_capacity: options.max_capacity,
        name: options.name,
        function,
    })
}

/// The parts of the key: those of `key`, or every argument that is not skipped.
fn parts(options: &Options, function: &Function, errors: &mut Errors) -> Vec<KeyPart> {
    if let Some(key) = &options.key {
        let parts = key.iter().enumerate();
        return parts
            .filter_map(|(index, item)| errors.take(key_part(index, item, function)))
            .collect();
    }
    let mut parts = Vec::new();
    for argument in &function.arguments {
        let skipped =
            options.skip.iter().flat_map(|skip| &skip.names).any(|name| argument.is(name));
        if !skipped {
            let who = if argument.named { argument.name.to_string() } else { "name".to_owned() };
            let kind = errors.take(key::classify(argument.ty(), &who));
            parts.extend(kind.map(|kind| KeyPart {
                place: argument.name.clone(),
                computed: None,
                kind,
            }));
        }
    }
    parts
}

/// One entry of `key`.
fn key_part(index: usize, item: &KeyItem, function: &Function) -> syn::Result<KeyPart> {
    match item {
        KeyItem::Named { name, ty, expr } => Ok(KeyPart {
            place: format_ident!("cached_part_{index}", span = Span::mixed_site()),
            computed: Some(((**ty).clone(), (**expr).clone())),
            kind: key::classify(ty, &name.to_string())?,
        }),
        KeyItem::Bare(Expr::Path(path)) if path.path.get_ident().is_some() => {
            let name = path.path.require_ident()?;
            let argument = function.arguments.iter().find(|argument| argument.is(name));
            let argument = argument
                .ok_or_else(|| syn::Error::new_spanned(name, check::no_argument(name, function)))?;
            let kind = key::classify(argument.ty(), &name.to_string())?;
            Ok(KeyPart { place: argument.name.clone(), computed: None, kind })
        }
        KeyItem::Bare(expr) => Err(syn::Error::new_spanned(
            expr,
            "what is no argument needs a name and a type, as in `key(id: u64 = user.id)`",
        )),
    }
}
