//! How the options go together, with each other and with the function: small named checks, each
//! of one rule, run one after another so that all mistakes are told.

mod function;
mod options;

pub(crate) use function::no_argument;

use crate::args::Options;
use crate::errors::Errors;
use crate::signature::Function;

/// Runs every check.
pub(crate) fn all(options: &Options, function: Option<&Function>, errors: &mut Errors) {
    options::check(options, errors);
    if let Some(function) = function {
        function::check(options, function, errors);
    }
}
