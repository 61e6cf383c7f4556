//! A function over many keys at once: which argument holds them, and what stands for one of them.

use crate::args::{KeyItem, Options};
use crate::check;
use crate::errors::Errors;
use crate::key::{borrows, last};
use crate::signature::{Argument, Function};
use syn::{Expr, Ident, Receiver, ReceiverKind, Type};

/// The argument whose elements are keys.
pub(crate) struct ManyPlan {
    /// The argument, under the name that the functions around the body give it.
    pub(crate) name: Ident,
    /// The type of an element.
    pub(crate) element: Type,
    /// The type of the pairs that are returned.
    pub(crate) pairs: Type,
    /// The type of the value of an element.
    pub(crate) value: Type,
}

/// Decides.
///
/// Input: `many = ids` and `fn names(ids: &[u64]) -> HashMap<u64, String>`.
/// Output: the argument `ids`, elements `u64`, values `String`, and the map.
pub(crate) fn decide(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) -> Option<ManyPlan> {
    let name = options.many.as_ref()?;
    let Some(argument) = function.arguments.iter().find(|argument| argument.is(name)) else {
        errors.push(name, check::no_argument(name, function));
        return None;
    };
    check_options(options, name, errors);
    check_function(function, argument, errors);
    let element = element(argument.ty()).filter(|element| !borrows(element));
    if element.is_none() {
        errors.push(
            argument.ty(),
            format!(
                "`many = {name}` is for a slice of owned elements, such as `&[u64]` or `&[String]`"
            ),
        );
    }
    let pairs = pairs(&function.output);
    if pairs.is_none() {
        errors.push(
            &function.output,
            "a function over many keys returns pairs, those that there are\n  = note: write it as a \
             `HashMap<Key, Value>`, a `BTreeMap<Key, Value>`, a `Vec<(Key, Value)>`, or a `Result` of one",
        );
    }
    let ((pairs, value), element, name) = (pairs?, element?.clone(), argument.name.clone());
    Some(ManyPlan { name, element, pairs, value })
}

fn check_options(options: &Options, name: &Ident, errors: &mut Errors) {
    for (word, on) in [
        ("cache_errors", options.cache_errors.is_some()),
        ("cache_none", options.cache_none.is_some()),
    ] {
        if let (Some(word), true) = (options.given(word), on) {
            errors.push(
                word,
                format!(
                    "`many` and `{word}` exclude each other: values are kept key by key\n  = note: to \
                     keep that a key has no value, return pairs with an `Option`"
                ),
            );
        }
    }
    if let (Some(word), false) = (options.given("single_flight"), options.single_flight) {
        errors.push(
            word,
            "`many` and `single_flight = false` exclude each other: each missing key is loaded once",
        );
    }
    if let Some(skip) = options.skip.iter().flat_map(|skip| &skip.names).find(|skip| *skip == name)
    {
        errors.push(skip, format!("`{name}` holds the keys and cannot be left out of them"));
    }
    let named = |item: &KeyItem| matches!(item, KeyItem::Bare(Expr::Path(path)) if path.path.is_ident(name));
    if let Some(key) = &options.key
        && !key.iter().any(named)
    {
        errors.push(name, format!("`{name}` holds the keys: name it in `key(.., {name})`"));
    }
}

/// The body may run more than once: a second time for keys that another caller was to load, and did not.
fn check_function(function: &Function, many: &Argument, errors: &mut Errors) {
    if let Some(receiver) = function.receiver.as_ref().filter(|receiver| !is_shared(receiver)) {
        errors.push(receiver, "`many` needs `&self`: the body may run more than once for one call");
    }
    for argument in function.arguments.iter().filter(|other| other.name != many.name) {
        if let (Type::Reference(reference), Some(_)) = (argument.ty(), &function.asyncness)
            && reference.mutability.is_some()
        {
            errors.push(
                argument.ty(),
                "an `async fn` with `many` cannot take `&mut`: the body may run more than once for \
                 one call",
            );
        }
    }
}

fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => {
            matches!(&**ty, Type::Reference(reference) if reference.mutability.is_none())
        }
        _ => false,
    }
}

/// Input: `&[u64]`. Output: `u64`.
fn element(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Group(group) => element(&group.elem),
        Type::Paren(paren) => element(&paren.elem),
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Slice(slice) => Some(&slice.elem),
            _ => None,
        },
        _ => None,
    }
}

/// The collection and the value of its pairs.
///
/// Input: `HashMap<u64, String>`, `Vec<(u64, String)>`, or a `Result` of one. Output: that, and `String`.
fn pairs(ty: &Type) -> Option<(Type, Type)> {
    let path = match ty {
        Type::Group(group) => return pairs(&group.elem),
        Type::Paren(paren) => return pairs(&paren.elem),
        Type::Path(path) => path,
        _ => return None,
    };
    match last(path) {
        (word, arguments) if word == "Result" => pairs(arguments.first()?),
        (_, arguments) => match arguments.as_slice() {
            [Type::Tuple(pair)] if pair.elems.len() == 2 => {
                Some((ty.clone(), pair.elems[1].clone()))
            }
            [_, value, ..] => Some((ty.clone(), (*value).clone())),
            _ => None,
        },
    }
}
