//! What a remote tier allows, in options and function.

use crate::args::{CompanionChoice, Options};
use crate::errors::Errors;
use crate::return_type::last_word;
use crate::signature::Function;
use std::time::Duration;
use syn::GenericParam;

/// They say something of the tier.
pub(super) fn options_of_a_tier_need_one(options: &Options, errors: &mut Errors) {
    if options.given("tier").is_some() {
        return;
    }
    for word in options.given_for_tier() {
        let remedy =
            if word == "l1_ttl" { "say `ttl`, or add `tier = ..`" } else { "add `tier = ..`" };
        errors.push(word, format!("`{word}` without a tier behind the cache: {remedy}"));
    }
}

/// The attribute builds the memory in front of the tier, one for the process.
pub(super) fn memory_in_front_is_of_the_process(options: &Options, errors: &mut Errors) {
    let Some(tier) = options.given("tier") else { return };
    if options.cache.is_some() {
        errors.push(
            tier,
            "`cache` and `tier` exclude each other: the cache is there already\n  = note: leave \
             out `cache`, or build a `TieredCache` and call its `get_with` in the function",
        );
    }
    if let Some(at) = options.thread_local {
        errors.push_span(
            at,
            "`tier` and `thread_local` exclude each other: one cache of the process is in front of \
             a tier; leave out `thread_local`",
        );
    }
}

/// A tier keeps all values of a cache for the same time, used or not.
pub(super) fn values_live_as_long_as_each_other(options: &Options, errors: &mut Errors) {
    if options.given("tier").is_none() {
        return;
    }
    for (word, why) in [
        ("ttl_from", "a tier keeps all values for the same time; say `ttl`"),
        ("tti", "a tier does not count uses; say `ttl`, and `l1_ttl` for the memory"),
    ] {
        if let Some(word) = options.given(word) {
            errors.push(word, format!("`tier` and `{word}` exclude each other: {why}"));
        }
    }
}

/// A miss in the tier is a lease.
pub(super) fn loads_are_shared_by_all_processes(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(word), true) =
        (options.given("tier"), options.given("single_flight"), options.unshared)
    {
        errors.push(
            word,
            "`tier` and `single_flight = false` exclude each other: of all processes that miss a \
             key one runs the body",
        );
    }
}

/// What is in memory is in the tier, too, and is refreshed from there.
pub(super) fn memory_forgets_first(options: &Options, errors: &mut Errors) {
    if options.given("tier").is_none() {
        return;
    }
    let (remote, memory) = (options.duration("ttl"), options.duration("l1_ttl"));
    if let (Some(remote), Some(memory), Some(word)) = (remote, memory, options.given("l1_ttl"))
        && memory > remote
    {
        errors.push(
            word,
            format!(
                "`l1_ttl` says nothing that `ttl` does not say: no value lives longer than \
                 {remote:?}; give at most that"
            ),
        );
    }
    let by_default = || {
        let has_default = options.given("l1_ttl").is_none();
        has_default.then(|| remote.map_or(LONGEST, |remote| (remote / 10).min(LONGEST)))
    };
    if let (Some(refresh), Some(memory), Some(word)) = (
        options.duration("refresh_after"),
        memory.or_else(by_default),
        options.given("refresh_after"),
    ) && refresh >= memory
    {
        errors.push(
            word,
            format!(
                "a value leaves the memory, after {memory:?}, before its refresh from the tier is \
                 due, after {refresh:?}; give less, or another `l1_ttl`"
            ),
        );
    }
}

/// How long values are in memory at most, if `l1_ttl` does not say; see `tier/builder.rs` of
/// cache-core.
const LONGEST: Duration = Duration::from_secs(5);

/// Keys of a tier have a grammar.
pub(super) fn name_is_part_of_remote_keys(options: &Options, errors: &mut Errors) {
    let (Some(_), Some(name)) = (options.given("tier"), &options.name) else { return };
    let text = name.value();
    let is_valid = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if text.len() > 64 || !text.bytes().all(is_valid) {
        errors.push(
            name,
            "with `tier` the name is part of remote keys: give up to 64 printable ASCII characters \
             without blanks and colons",
        );
    }
}

/// The instances of a generic function have one name.
pub(super) fn instances_are_told_apart(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    let Some(tier) = options.given("tier") else { return };
    let is_lifetime = |param: &GenericParam| matches!(param, GenericParam::Lifetime(_));
    if function.generics.params.iter().all(is_lifetime) {
        return;
    }
    errors.push(
        tier,
        "a generic function cannot have a `tier`: its instances would share remote keys\n  \
         = note: call a function from it that is not generic, and give that the `tier`",
    );
}

/// Without a companion, a function may be one of a generic type, whose instances it would share.
pub(super) fn functions_have_a_place(options: &Options, function: &Function, errors: &mut Errors) {
    let is_hidden = matches!(options.companion, CompanionChoice::Hidden);
    if let (Some(_), Some(word), true) =
        (options.given("tier"), options.given("companion"), is_hidden)
        && !function.is_associated()
    {
        errors.push(
            word,
            "with `tier`, `companion = false` is for methods, whose types are part of their remote \
             keys\n  = note: on a free function, give the companion a name: `companion = \
             other_name`\n  = note: an associated function is known by `self` or `Self`: let it \
             name `Self`",
        );
    }
}

/// A tier keeps that there is no value, and no errors.
pub(super) fn absence_is_that_of_an_option(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    let (Some(_), Some(word)) = (options.given("tier"), options.given("negative_ttl")) else {
        return;
    };
    let message = if options.many.is_some() {
        "with `tier`, `many` and `negative_ttl` exclude each other: a key without a value is asked \
         for again\n  = note: to keep that a key has no value, return pairs with an `Option`"
    } else if options.cache_errors.is_some() || options.cache_none.is_some() {
        "with `tier`, `negative_ttl` does not go with `cache_errors` and `cache_none`: a tier \
         keeps all values for the same time"
    } else if last_word(&function.output) != "Option" {
        "with `tier`, `negative_ttl` is for functions that return an `Option`: a tier keeps that \
         there is no value, and no errors"
    } else {
        return;
    };
    errors.push(word, message);
}
