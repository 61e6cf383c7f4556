//! What a function over many keys allows in its options and its signature.

use crate::args::{KeyItem, Options};
use crate::errors::Errors;
use crate::signature::Function;
use syn::{Expr, Ident, Receiver, ReceiverKind, Type};

/// The argument that holds the keys, if there is one. `many.rs` reports if there is none.
fn keys<'a>(options: &'a Options, function: &Function) -> Option<&'a Ident> {
    let name = options.many.as_ref()?;
    function.arguments.iter().any(|argument| argument.is(name)).then_some(name)
}

/// An error or `None` belongs to the whole call, a cached value to one key.
pub(super) fn values_are_cached_key_by_key(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    if keys(options, function).is_none() {
        return;
    }
    for (word, on) in [
        ("cache_errors", options.cache_errors.is_some()),
        ("cache_none", options.cache_none.is_some()),
    ] {
        if let (Some(word), true) = (options.given(word), on) {
            errors.push(
                word,
                format!(
                    "`many` and `{word}` exclude each other: values are kept key by key\n  \
                     = note: to keep that a key has no value, return pairs with an `Option`"
                ),
            );
        }
    }
}

/// A call waits for the running loads of its keys.
pub(super) fn missing_keys_are_shared(options: &Options, function: &Function, errors: &mut Errors) {
    if let (Some(_), Some(word), true) =
        (keys(options, function), options.given("single_flight"), options.unshared)
    {
        errors.push(
            word,
            "`many` and `single_flight = false` exclude each other: each missing key is loaded \
             once",
        );
    }
}

/// The elements tell the keys of one call apart.
pub(super) fn elements_are_part_of_the_key(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    let Some(name) = keys(options, function) else { return };
    let skipped = options.skip.iter().find_map(|skip| {
        let by_name = skip.names.iter().find(|skipped| *skipped == name);
        by_name.or_else(|| skip.all.then_some(&skip.word))
    });
    if let Some(skipped) = skipped {
        errors.push(skipped, format!("`{name}` holds the keys and cannot be left out of them"));
    }
    let named = |item: &KeyItem| match item {
        KeyItem::Bare(Expr::Path(path)) => path.path.is_ident(name),
        _ => false,
    };
    if let Some(key) = &options.key
        && !key.iter().any(named)
    {
        errors.push(name, format!("`{name}` holds the keys: name it in `key(.., {name})`"));
    }
}

/// The body may run more than once: again for keys that another caller began to load and did not.
pub(super) fn body_may_run_again(options: &Options, function: &Function, errors: &mut Errors) {
    let Some(name) = keys(options, function) else { return };
    if let Some(receiver) = function.receiver.as_ref().filter(|receiver| !is_shared(receiver)) {
        errors.push(receiver, "`many` needs `&self`: the body may run more than once for one call");
    }
    for argument in function.arguments.iter().filter(|argument| !argument.is(name)) {
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
