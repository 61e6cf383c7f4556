//! What options demand of the return type, by its last word.

use crate::args::Options;
use crate::errors::Errors;
use crate::return_type::{is_well_known, last_word};
use crate::signature::Function;

/// `cache_errors` is for `Result`, `cache_none` for `Option`.
pub(super) fn negative_values_are_of_that_type(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    let word = last_word(&function.output);
    if word == "Result"
        && let Some(at) = options.cache_none
    {
        errors.push_span(at, "`cache_none` is for functions that return an `Option`");
    }
    if word == "Option"
        && let Some(at) = options.cache_errors
    {
        errors.push_span(at, "`cache_errors` is for functions that return a `Result`");
    }
}

/// An alias counts only if another option says what it is. With `many`, each value is negative by
/// itself.
pub(super) fn negative_ttl_has_negative_values(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    let all = options.cache_errors.is_some() || options.cache_none.is_some();
    if let Some(at) = options.given("negative_ttl")
        && !all
        && options.given("tier").is_none()
        && options.many.is_none()
        && !matches!(last_word(&function.output).as_str(), "Result" | "Option")
    {
        errors.push(
            at,
            "`negative_ttl` is for functions that return a `Result` or an `Option`\n  \
             = note: for an alias of one, say `cache_errors` or `cache_none` as well",
        );
    }
}

/// A cached error takes the place of the old value.
pub(super) fn stale_if_error_has_errors(
    options: &Options,
    function: &Function,
    errors: &mut Errors,
) {
    let word = last_word(&function.output);
    let cached = options.cache_errors.is_some() || options.cache_none.is_some();
    let negative = options.setting("negative_ttl").is_some() && options.many.is_none();
    if let Some(at) = options.given("stale_if_error")
        && (cached || negative || word == "Option" || is_well_known(&word))
    {
        errors.push(
            at,
            "`stale_if_error` is for functions that return a `Result` whose errors are not kept",
        );
    }
}
