//! The `#[cached]` attribute of cache-core, which re-exports it: use it from there.
//!
//! The way through this crate is one line: `args` and `signature` read what was written,
//! `check`, `key` and `outcome` decide what it means, `plan` holds the decisions, `expand`
//! writes the code. Everything before the plan can fail and collects its errors in `errors`;
//! nothing after it can. What the code does at run time stands in `cache_core::__private`. What users
//! read is in `cached.md`, whose examples are tested with this crate.

#![deny(unsafe_code)]

mod args;
mod attributes;
mod check;
mod duration;
mod errors;
mod expand;
mod key;
mod outcome;
mod plan;
mod signature;
mod suggest;

use errors::Errors;
use proc_macro2::TokenStream;
use quote::quote;

#[doc = include_str!("cached.md")]
#[proc_macro_attribute]
pub fn cached(
    attribute: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand_attribute(attribute.into(), item.into()).into()
}

/// The whole way: read, check, plan, expand.
///
/// Where anything is wrong the errors come out together with the function as the user wrote it,
/// so that the rest of the crate does not fail for want of it.
fn expand_attribute(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = args::parse(attribute, &mut errors);
    let function = signature::parse(item.clone(), &mut errors);
    let plan = plan::make(options, function, &mut errors);
    let errors = errors.into_tokens();
    match plan {
        Some(plan) if errors.is_none() => expand::expand(&plan),
        _ => quote! { #errors #item },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shape of an expansion, with every way to keep a value.
    fn all_shapes(attribute: &TokenStream) -> Vec<TokenStream> {
        vec![
            expand_attribute(attribute.clone(), quote! { fn f(a: &str) -> u64 { 1 } }),
            expand_attribute(
                attribute.clone(),
                quote! { async fn f(a: u8) -> Result<u8, E> { g() } },
            ),
            expand_attribute(
                quote! { #attribute, skip(self) },
                quote! { fn f<T>(&self, a: &str) -> Option<T> { g() } },
            ),
            expand_attribute(
                quote! { #attribute, key(self.a) },
                quote! { async fn f(&self) -> std::io::Result<u8> { g() } },
            ),
            expand_attribute(
                quote! { #attribute, companion = true, key(a: u64 = self.a) },
                quote! { fn f(&self) -> Alias { g() } },
            ),
            expand_attribute(
                quote! { #attribute, thread_local, ttl = 60, weigher = w, max_capacity = 5 },
                quote! { fn f(a: u8) -> Alias { g() } },
            ),
            expand_attribute(
                quote! { #attribute, cache = self.cache, bypass = a > 1 },
                quote! { fn f(&self, a: u8) -> u8 { g() } },
            ),
        ]
    }

    /// A crate that knows this one under another name has nothing called `cache_core`.
    #[test]
    fn expand_attribute_crate_path_is_the_only_way() {
        for tokens in all_shapes(&quote! { crate = renamed }) {
            let code = tokens.to_string();
            assert!(
                code.contains("renamed :: __private") && !code.contains("cache_core"),
                "{code}"
            );
            assert!(!code.contains("compile_error"), "{code}");
        }
    }

    /// Paths of the standard library begin at the root: no name that the user may shadow.
    #[test]
    fn expand_attribute_paths_begin_at_the_root() {
        for tokens in all_shapes(&quote! { crate = ::krate }) {
            syn::parse2::<syn::File>(quote! { impl X { const X: () = { #tokens }; } })
                .expect("an expansion is code");
            for word in ["core ::", "std ::"] {
                let code = tokens.to_string().replace("std :: io", "");
                let rooted = code.matches(&format!(":: {word}")).count();
                assert_eq!(code.matches(word).count(), rooted, "{code}");
            }
        }
    }

    /// Whatever is wrong, the function is there, once and as it was.
    #[test]
    fn expand_attribute_errors_leave_the_function() {
        let item = quote! { #[inline] fn f(a: f64) -> u8 { g(a) } };
        for attribute in [quote! { tll = 5 }, quote! { ttl = = }, quote! { key(b) }, quote! { , }] {
            let code = expand_attribute(attribute, item.clone()).to_string();
            assert!(code.contains("compile_error") && code.ends_with(&item.to_string()), "{code}");
        }
    }
}
