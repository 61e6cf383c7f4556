//! The functions that belong to the cache: methods of a type beside the function, or methods beside
//! the method.
//!
//! The type is an empty enum and not a module: `use` brings it along with the function, it stands in
//! any block, and it sees the names that the function sees. In an `impl` neither may stand.

use super::wrapper::{arguments, arguments_for_one, keep};
use super::{at, body, key, lints, local, local_value, names, storage, tokens};
use crate::many::ManyPlan;
use crate::plan::{Plan, Storage};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Generics, parse_quote};

/// The type, its methods, and the body of the function as one of them.
pub(super) fn beside(plan: &Plan, companion: &syn::Ident) -> TokenStream {
    let (vis, unseen) = (lints::unseen(&plan.function.vis), lints::unseen(companion));
    let cfg = &plan.function.attributes.cfg;
    let (maker, methods, uncached) = (maker(plan), methods(plan), body::uncached(plan));
    let generated = lints::generated();
    quote! {
        #(#cfg)*
        #[doc(hidden)]
        #[non_exhaustive]
        #vis enum #unseen {}

        #(#cfg)*
        #generated
        impl #companion {
            #(#methods)*
        }

        #(#cfg)*
        impl #companion {
            #maker
            #uncached
        }
    }
}

/// The methods, one by one in an `impl` that the attribute does not see.
pub(super) fn siblings(plan: &Plan) -> TokenStream {
    let cfg = &plan.function.attributes.cfg;
    let generated = lints::generated();
    let methods = methods(plan).into_iter().map(|method| quote! { #generated #method });
    let others = maker(plan).into_iter().chain([body::uncached(plan)]);
    let all = methods.chain(others).map(|method| quote! { #(#cfg)* #method });
    quote! { #(#all)* }
}

/// All methods in which nothing but arguments and types is the user's.
fn methods(plan: &Plan) -> Vec<TokenStream> {
    let of_keys = [get(plan), insert(plan), invalidate(plan), refresh(plan)];
    let of_all = match &plan.storage {
        // The user has it.
        Storage::Given(_) => Vec::new(),
        Storage::Static => vec![clear(plan), stats(plan)],
        Storage::ThreadLocal => vec![with(plan), clear(plan), stats(plan)],
    };
    of_keys.into_iter().chain(of_all).collect()
}

/// The method that makes the cache, with the expressions of the options and the user's lint levels.
fn maker(plan: &Plan) -> Option<TokenStream> {
    let method = match &plan.storage {
        Storage::Given(_) => return None,
        Storage::Static => cache(plan),
        Storage::ThreadLocal => handle(plan),
    };
    let (generated, lints) = (lints::options(), &plan.function.attributes.lints);
    Some(quote! { #generated #(#lints)* #method })
}

/// What differs from method to method.
struct Method {
    doc: &'static str,
    name: &'static str,
    public: bool,
    awaits: bool,
    generics: Generics,
    arguments: Vec<TokenStream>,
    output: Option<TokenStream>,
    body: TokenStream,
}

impl Method {
    /// One that takes what the function takes.
    fn of_key(plan: &Plan, name: &'static str, doc: &'static str, body: TokenStream) -> Self {
        let bind = storage::bind(plan);
        let body = quote! { #bind #body };
        Self { arguments: arguments(plan), ..Self::of_cache(plan, name, doc, body) }
    }

    /// One that takes what the function takes, but of many keys one.
    fn of_one_key(plan: &Plan, name: &'static str, doc: &'static str, body: TokenStream) -> Self {
        Self { arguments: arguments_for_one(plan), ..Self::of_key(plan, name, doc, body) }
    }

    /// One that takes nothing.
    fn of_cache(plan: &Plan, name: &'static str, doc: &'static str, body: TokenStream) -> Self {
        let generics = plan.function.generics.clone();
        let arguments = Vec::new();
        Self { doc, name, public: true, awaits: false, generics, arguments, output: None, body }
    }

    fn returning(self, output: TokenStream) -> Self {
        Self { output: Some(output), ..self }
    }

    /// The generics of the function, a line of documentation, and the rest.
    fn written(self, plan: &Plan) -> TokenStream {
        let Self { doc, name, public, awaits, generics, arguments, output, body } = self;
        let vis = public.then(|| lints::unseen(&plan.function.vis));
        let asyncness = plan.function.asyncness.filter(|_| awaits);
        let (generics, _, clause) = generics.split_for_impl();
        let output = output.map(|output| quote! { -> #output });
        let name = names::name(plan, name);
        // What is wrong with a signature is said where it begins.
        quote_spanned! {at(&plan.function.output)=>
            #[doc = #doc]
            #[inline]
            #vis #asyncness fn #name #generics(#(#arguments),*) #output #clause { #body }
        }
    }
}

/// The type of the cache.
fn cache_type(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let (key, value) = (key::written(plan), tokens::value_type(plan));
    quote_spanned! {at(&plan.function.output)=> #krate::Cache<#key, #value> }
}

/// `cache()`: the cache in a `static`, built on first use.
fn cache(plan: &Plan) -> TokenStream {
    let cache = cache_type(plan);
    Method::of_cache(plan, "cache", " The cache of the function.", storage::made(plan))
        .returning(quote_spanned! {at(&plan.function.output)=> &'static #cache })
        .written(plan)
}

/// `__handle()`: what `with` shows, as the functions here use it.
fn handle(plan: &Plan) -> TokenStream {
    let cache = cache_type(plan);
    let doc = " The cache of the function on the calling thread.";
    let method = Method::of_cache(plan, "__handle", doc, storage::made(plan));
    Method { public: false, ..method }
        .returning(quote_spanned! {at(&plan.function.output)=> ::std::rc::Rc<#cache> })
        .written(plan)
}

/// `with(|cache| ..)`: the cache of the calling thread.
fn with(plan: &Plan) -> TokenStream {
    let cache = cache_type(plan);
    let (bind, reference, see) =
        (storage::bind(plan), storage::reference(plan), local_value(plan, "see"));
    let doc = " Shows the cache of the function on the calling thread.";
    let mut method = Method::of_cache(
        plan,
        "with",
        doc,
        quote_spanned! {at(&plan.function.output)=> #bind #see(#reference) },
    );
    method.generics.params.push(parse_quote!(CachedShown));
    method.arguments = vec![
        quote_spanned! {at(&plan.function.output)=> #see: impl ::core::ops::FnOnce(&#cache) -> CachedShown },
    ];
    method.returning(quote_spanned! {at(&plan.function.output)=> CachedShown }).written(plan)
}

fn get(plan: &Plan) -> TokenStream {
    let cache = storage::reference(plan);
    let value = tokens::value_type(plan);
    let body =
        tokens::with_one_view(plan, |view| tokens::call(plan, "get", quote! { #cache, #view }));
    Method::of_one_key(
        plan,
        "get",
        " The cached value, if there is one; nothing is computed.",
        body,
    )
    .returning(quote_spanned! {at(&plan.function.output)=> ::core::option::Option<#value> })
    .written(plan)
}

fn insert(plan: &Plan) -> TokenStream {
    let cache = storage::reference(plan);
    let (ty, value) = (tokens::value_type(plan), local_value(plan, "value"));
    let body = tokens::with_one_view(plan, |view| {
        tokens::call(plan, "insert", quote! { #cache, #view, #value })
    });
    let doc = " Puts a value into the cache, as if the function had returned it.";
    let mut method = Method::of_one_key(plan, "insert", doc, body);
    method.arguments.push(quote! { #value: #ty });
    method.written(plan)
}

fn invalidate(plan: &Plan) -> TokenStream {
    let cache = storage::reference(plan);
    let body = tokens::with_one_view(plan, |view| {
        tokens::call(plan, "invalidate", quote! { #cache, #view })
    });
    Method::of_one_key(
        plan,
        "invalidate",
        " Removes the cached value; whether there was one.",
        body,
    )
    .returning(quote! { ::core::primitive::bool })
    .written(plan)
}

/// `refresh(..)`: runs the body and replaces what is cached. What is not kept, an error or
/// nothing, leaves the cache as it is.
fn refresh(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let cache = storage::reference(plan);
    let (key, run, keep, output) =
        (local("key"), body::run(plan), keep(plan), &plan.function.output);
    let (made, one, arguments) = match &plan.many {
        None => (quote! { key_of }, "refresh", quote! { #cache, #key, #run, #keep }),
        Some(ManyPlan { name, .. }) => {
            (quote! { keys_of }, "refresh_many", quote! { #cache, #name, #key, #run, #keep })
        }
    };
    let made = tokens::with_view(plan, |view| quote! { #krate::__private::#made(#view) });
    let reload = if plan.function.asyncness.is_some() {
        let reload = tokens::call(plan, &format!("{one}_async"), arguments);
        quote! { #reload.await }
    } else {
        tokens::call(plan, one, arguments)
    };
    let doc = " Runs the body whatever is cached, keeps what it returns, and returns it.";
    let method = Method::of_key(plan, "refresh", doc, quote! { let #key = #made; #reload });
    Method { awaits: true, ..method }.returning(quote! { #output }).written(plan)
}

fn clear(plan: &Plan) -> TokenStream {
    let (bind, clear) =
        (storage::bind(plan), tokens::call(plan, "clear", storage::reference(plan)));
    let body = quote! { #bind #clear };
    Method::of_cache(plan, "clear", " Removes all cached values.", body).written(plan)
}

fn stats(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let (bind, stats) =
        (storage::bind(plan), tokens::call(plan, "stats", storage::reference(plan)));
    let body = quote! { #bind #stats };
    Method::of_cache(plan, "stats", " What the cache has counted so far.", body)
        .returning(quote! { #krate::Stats })
        .written(plan)
}
