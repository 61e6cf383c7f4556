//! Panics of this crate, reported as what they are.
//!
//! rustc would say "custom attribute panicked" and drop the function, and each call of it would be
//! one more error.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the attribute. Output: what it generates, or if it panics a `compile_error!` and the item.
pub(crate) fn reported(item: &TokenStream, run: impl FnOnce() -> TokenStream) -> TokenStream {
    // Nothing of what a panic leaves half done is used again.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let text = format!(
            "this is a bug in `#[cached]`: please report it, with this function\n  = note: {}",
            message(&*payload)
        );
        let error = syn::Error::new(Span::call_site(), text).into_compile_error();
        quote! { #error #item }
    })
}

/// The message of a panic.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let formatted = || payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(formatted).unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_panic_is_an_error_that_leaves_the_function() {
        type Run = fn() -> TokenStream;
        let item = quote! { fn f(a: u8) -> u8 { a } };
        let panics: [(Run, &str); 3] = [
            (|| panic!("there are none"), "there are none"),
            (|| panic!("there are {}", 1 + 1), "there are 2"),
            (|| std::panic::panic_any(7_u8), "a panic without a message"),
        ];
        for (panic, text) in panics {
            let code = reported(&item, panic).to_string();
            assert!(code.contains("compile_error") && code.ends_with(&item.to_string()), "{code}");
            assert!(code.contains("bug in `#[cached]`") && code.contains(text), "{code}");
        }
    }

    #[test]
    fn reported_code_without_a_panic_is_as_it_was() {
        let item = quote! { fn f() -> u8 { 1 } };
        let code = reported(&item, || quote! { fn g() -> u8 { 2 } });
        assert_eq!(code.to_string(), quote! { fn g() -> u8 { 2 } }.to_string());
    }
}
