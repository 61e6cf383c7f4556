//! The function that callers see.

use super::{at, body, claim, home, local, parts};
use crate::outcome::Kept;
use crate::plan::{Home, Plan, Shape};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};

/// The function with its look-up.
///
/// Input: the plan of `price`.
/// Output: `pub fn price(sku: &str, qty: u64) -> V { .. }`, with a paragraph of documentation.
pub(super) fn expand(plan: &Plan) -> TokenStream {
    let function = &plan.function;
    let cfg = &function.attributes.cfg;
    let outside = match plan.shape {
        Shape::Inside => &function.attributes.all,
        Shape::Beside(_) | Shape::Siblings(_) => &function.attributes.outside,
    };
    let (vis, asyncness) = (&function.vis, &function.asyncness);
    let (fn_token, name) = (&function.fn_token, &function.name);
    let (generics, _, clause) = function.generics.split_for_impl();
    let arguments = arguments(plan);
    let output = &function.output;
    let docs = docs(plan);
    let mut tokens = quote! {
        #(#cfg)*
        #(#outside)*
        #docs
        #vis #asyncness #fn_token #name #generics(#(#arguments),*) -> #output #clause
    };
    function.braces.surround(&mut tokens, |inner| inner.extend(look_up(plan)));
    tokens
}

/// Looks up, and loads what is missing.
fn look_up(plan: &Plan) -> TokenStream {
    let (looked, hit, missed) = (local("looked"), local("hit"), local("missed"));
    let claim = match plan.shape {
        Shape::Beside(_) => None,
        Shape::Inside | Shape::Siblings(_) => claim(plan).map(|claim| quote! { const #claim; }),
    };
    let bind = home::bind(plan);
    let cache = home::reference(plan);
    let found = parts::with_view(plan, |view| match &plan.bypass {
        None => parts::call(plan, "find", quote! { #cache, #view }),
        Some(bypass) => parts::call(plan, "find_unless", quote! { #bypass, #cache, #view }),
    });
    let wrapped = wrap(plan, &hit.to_token_stream());
    let load = load(plan);
    quote! {
        #claim
        #bind
        let #looked = #found;
        match #looked {
            ::core::result::Result::Ok(#hit) => #wrapped,
            ::core::result::Result::Err(#missed) => #load,
        }
    }
}

/// What a miss does: one load for all who ask at once, unless each is to load alone.
fn load(plan: &Plan) -> TokenStream {
    let missed = local("missed");
    let alone = (!plan.single_flight).then(|| quote! { .alone() });
    let (cache, run, keep) = (home::reference(plan), body::run(plan), keep(plan));
    let arguments = quote! { #cache, #missed #alone, #run, #keep };
    if plan.function.asyncness.is_some() {
        let load = parts::call(plan, "load_async", arguments);
        quote! { #load.await }
    } else {
        parts::call(plan, "load", arguments)
    }
}

/// What of the return value is kept.
pub(super) fn keep(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let output = &plan.function.output;
    match &plan.outcome.kept {
        Kept::Whole => quote! { #krate::__private::Whole },
        Kept::Some(_) => quote! { #krate::__private::SomeOnly },
        Kept::Ok(_) => {
            let error = quote_spanned! {at(output)=> #krate::__private::error_of::<#output>() };
            quote! {{
                #[allow(unused_imports)]
                use #krate::__private::{CloneShared as _, KeepOwn as _};
                #krate::__private::OkOnly((&#error).share_for_cached())
            }}
        }
    }
}

/// Puts a kept value back into what the function returns.
fn wrap(plan: &Plan, value: &TokenStream) -> TokenStream {
    match &plan.outcome.kept {
        Kept::Whole => value.clone(),
        Kept::Ok(_) => quote! { ::core::result::Result::Ok(#value) },
        Kept::Some(_) => quote! { ::core::option::Option::Some(#value) },
    }
}

/// `self` and the arguments, each with a name instead of its pattern.
pub(super) fn arguments(plan: &Plan) -> Vec<TokenStream> {
    let arguments = plan.function.arguments.iter().map(|argument| {
        let (name, ty) = (&argument.name, argument.ty());
        quote! { #name: #ty }
    });
    body::receiver(plan).into_iter().chain(arguments).collect()
}

/// Tells readers of the documentation what stands beside the function.
fn docs(plan: &Plan) -> TokenStream {
    let what = match &plan.outcome.kept {
        Kept::Whole => "results are",
        Kept::Ok(_) => "`Ok` values are",
        Kept::Some(_) => "`Some` values are",
    };
    let mut text = format!("\n# Cache\n\nThe {what} cached by the arguments.");
    let name = match &plan.shape {
        Shape::Beside(companion) => Some(format!("{companion}::")),
        Shape::Siblings(prefix) => Some(format!("{prefix}_")),
        Shape::Inside => None,
    };
    if let Some(name) = name {
        text.push_str(&format!(
            " Beside the function stand `{name}get(..)`, `{name}insert(.., value)`, \
             `{name}invalidate(..)`, `{name}refresh(..)` and `{name}uncached(..)`, which \
             take the same arguments"
        ));
        text.push_str(&match plan.home {
            Home::Given(_) => ".".to_owned(),
            Home::Static => format!(", and `{name}cache()`, `{name}clear()` and `{name}stats()`."),
            Home::Thread => format!(
                ", and `{name}with(|cache| ..)`, `{name}clear()` and `{name}stats()`, for the cache \
                 of the calling thread."
            ),
        });
    }
    // As `///` has it.
    let lines =
        text.lines().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote! { #(#[doc = #lines])* }
}
