//! The function that callers see.

use super::{at, local, parts};
use crate::outcome::Kept;
use crate::plan::Plan;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericParam, Generics};

/// The function with its look-up; `inner` stands in front, for a companion that is hidden there.
///
/// Input: the plan of `price`.
/// Output: `pub fn price(sku: &str, qty: u64) -> V { .. }`, with a paragraph of documentation.
pub(super) fn expand(plan: &Plan, inner: &TokenStream) -> TokenStream {
    let function = &plan.function;
    let (cfg, outside) = (&function.attributes.cfg, &function.attributes.outside);
    let (vis, abi) = (&function.vis, &function.abi);
    let (fn_token, name) = (&function.fn_token, &function.name);
    let (generics, _, clause) = function.generics.split_for_impl();
    let arguments = arguments(plan);
    let output = &function.output;
    let companion = &plan.companion;
    let turbofish = turbofish(&function.generics);
    let (cache, hit, key) = (local("cache"), local("hit"), local("key"));
    let runtime = parts::runtime(plan);
    let computed = parts::computed(plan);
    let view = parts::view(plan);
    let wrapped = wrap(plan, &hit.to_token_stream());
    let load = load(plan);
    let docs = docs(plan);
    let mut tokens = quote! {
        #(#cfg)*
        #(#outside)*
        #docs
        #vis #abi #fn_token #name #generics(#(#arguments),*) -> #output #clause
    };
    function.braces.surround(&mut tokens, |body| {
        body.extend(quote! {
            #inner
            let #cache = #companion::cache #turbofish();
            #computed
            match #runtime::find(#cache, #view) {
                ::core::result::Result::Ok(#hit) => #wrapped,
                ::core::result::Result::Err(#key) => #load,
            }
        });
    });
    tokens
}

/// What a miss does: one load for all who ask at once.
fn load(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let (cache, key) = (local("cache"), local("key"));
    let companion = &plan.companion;
    let body = call_uncached(plan, &quote! { #companion });
    let output = &plan.function.output;
    let runtime = parts::runtime(plan);
    match &plan.outcome.kept {
        Kept::Whole => quote! { #runtime::load(#cache, #key, move || #body) },
        Kept::Some(_) => quote! { #runtime::load_option(#cache, #key, move || #body) },
        Kept::Ok(_) => {
            let error = quote_spanned! {at(output)=> #krate::__private::error_of::<#output>() };
            quote! {{
                #[allow(unused_imports)]
                use #krate::__private::{CloneShared as _, KeepOwn as _};
                #runtime::load_result(#cache, #key, move || #body, (&#error).share_for_cached())
            }}
        }
    }
}

/// Puts a kept value back into what the function returns.
pub(super) fn wrap(plan: &Plan, value: &TokenStream) -> TokenStream {
    match &plan.outcome.kept {
        Kept::Whole => value.clone(),
        Kept::Ok(_) => quote! { ::core::result::Result::Ok(#value) },
        Kept::Some(_) => quote! { ::core::option::Option::Some(#value) },
    }
}

/// The call of the body with the arguments as they are.
pub(super) fn call_uncached(plan: &Plan, companion: &TokenStream) -> TokenStream {
    let turbofish = turbofish(&plan.function.generics);
    let names = plan.function.arguments.iter().map(|argument| &argument.name);
    quote! { #companion::uncached #turbofish(#(#names),*) }
}

/// The arguments, each with a name instead of its pattern.
pub(super) fn arguments(plan: &Plan) -> Vec<TokenStream> {
    let arguments = plan.function.arguments.iter();
    arguments
        .map(|argument| {
            let (name, ty) = (&argument.name, argument.ty());
            quote! { #name: #ty }
        })
        .collect()
}

/// The type and const parameters as arguments: lifetimes are always inferred, the types may
/// appear nowhere in the signature.
pub(super) fn turbofish(generics: &Generics) -> TokenStream {
    let names: Vec<_> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    if names.is_empty() {
        TokenStream::new()
    } else {
        quote! { ::<#(#names),*> }
    }
}

/// Tells readers of the documentation what stands beside the function.
fn docs(plan: &Plan) -> TokenStream {
    let what = match &plan.outcome.kept {
        Kept::Whole => "results are",
        Kept::Ok(_) => "`Ok` values are",
        Kept::Some(_) => "`Some` values are",
    };
    let mut text = format!("\n# Cache\n\nThe {what} cached by the arguments.");
    if !plan.hidden {
        let name = &plan.companion;
        text.push_str(&format!(
            " Beside the function stand `{name}::get(..)`, `{name}::insert(.., value)`, \
             `{name}::invalidate(..)`, `{name}::refresh(..)` and `{name}::uncached(..)`, which \
             take the same arguments, and `{name}::cache()`, `{name}::clear()` and \
             `{name}::stats()`."
        ));
    }
    let lines = text.lines();
    quote! { #(#[doc = #lines])* }
}
