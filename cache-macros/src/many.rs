//! A function over many keys at once: which argument holds the keys, and the types of one key and
//! its value.

use crate::args::Options;
use crate::check;
use crate::errors::Errors;
use crate::key::{borrows, last};
use crate::signature::Function;
use syn::{Ident, Type};

/// The argument whose elements are keys.
pub(crate) struct ManyPlan {
    /// The name of the argument in the functions around the body.
    pub(crate) name: Ident,
    /// The type of an element.
    pub(crate) element: Type,
    /// The type of the pairs that are returned.
    pub(crate) pairs: Type,
    /// The type of the value of an element.
    pub(crate) value: Type,
}

/// Finds the argument and the types. `None` if there is no `many`, or an error.
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
            "a function over many keys returns pairs, for the keys that have a value\n  \
             = note: write it as a `HashMap<Key, Value>`, a `BTreeMap<Key, Value>`, a \
             `Vec<(Key, Value)>`, or a `Result` of one",
        );
    }
    let ((pairs, value), element, name) = (pairs?, element?.clone(), argument.name.clone());
    Some(ManyPlan { name, element, pairs, value })
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
/// Input: `HashMap<u64, String>`, `Vec<(u64, String)>`, or a `Result` of one.
/// Output: that collection, and `String`.
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
