//! How the options go together, with each other and with the function: one list of small named
//! checks, each of one rule. All of them run, so that all mistakes are reported.

mod function;
mod many;
mod options;
mod return_type;
mod tier;

pub(crate) use function::{hides_primitive, no_argument};

use crate::args::Options;
use crate::errors::Errors;
use crate::signature::Function;

/// The checks of the options among each other.
const OF_OPTIONS: [fn(&Options, &mut Errors); 17] = [
    options::key_excludes_skip,
    options::errors_exclude_none,
    options::names_differ,
    options::name_is_not_empty,
    options::own_cache_has_its_own_settings,
    options::stale_values_need_single_flights,
    options::what_is_stale_has_expired,
    options::jitter_needs_a_time_to_live,
    options::refresh_comes_before_the_end,
    options::negative_values_live_shorter,
    options::weights_need_a_bound,
    tier::options_of_a_tier_need_one,
    tier::memory_in_front_is_of_the_process,
    tier::values_live_as_long_as_each_other,
    tier::loads_are_shared_by_all_processes,
    tier::memory_forgets_first,
    tier::name_is_part_of_remote_keys,
];

/// The checks of the options against the function.
const OF_FUNCTION: [fn(&Options, &Function, &mut Errors); 16] = [
    function::skip_names_arguments,
    function::self_is_decided,
    function::companion_hides_no_primitive,
    function::tasks_have_no_thread,
    function::refreshed_values_have_the_same_key,
    function::settings_are_for_all_calls,
    many::values_are_cached_key_by_key,
    many::missing_keys_are_shared,
    many::elements_are_part_of_the_key,
    many::body_may_run_again,
    return_type::negative_values_are_of_that_type,
    return_type::negative_ttl_has_negative_values,
    return_type::stale_if_error_has_errors,
    tier::instances_are_told_apart,
    tier::functions_have_a_place,
    tier::absence_is_that_of_an_option,
];

/// Runs every check; those of the function if it could be read.
pub(crate) fn all(options: &Options, function: Option<&Function>, errors: &mut Errors) {
    for check in OF_OPTIONS {
        check(options, errors);
    }
    let Some(function) = function else { return };
    for check in OF_FUNCTION {
        check(options, function, errors);
    }
}
