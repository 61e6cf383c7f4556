//! The type beside the function, which carries its cache and what one can do with it.
//!
//! An empty enum and not a module: `use` brings it along with the function, it stands in any
//! block, and it sees the names that the function sees.

use super::wrapper::{arguments, call_uncached, turbofish};
use super::{at, local, parts};
use crate::args::Ttl;
use crate::outcome::Kept;
use crate::plan::Plan;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

/// The type, its methods, and the body of the function as one of them.
///
/// The body is apart, so that the lints silenced for what is generated stay on for what the user
/// wrote.
pub(super) fn expand(plan: &Plan) -> TokenStream {
    let (companion, vis) = (&plan.companion, &plan.function.vis);
    let cfg = &plan.function.attributes.cfg;
    let quiet = quiet();
    let methods = [
        cache(plan),
        get(plan),
        insert(plan),
        invalidate(plan),
        refresh(plan),
        clear(plan),
        stats(plan),
    ];
    let uncached = uncached(plan);
    quote! {
        #(#cfg)*
        #[doc(hidden)]
        #quiet
        #vis enum #companion {}

        #(#cfg)*
        #quiet
        impl #companion {
            #(#methods)*
        }

        #(#cfg)*
        impl #companion {
            #uncached
        }
    }
}

/// Lints that say nothing about code nobody wrote.
fn quiet() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            missing_debug_implementations,
            non_camel_case_types,
            unreachable_pub,
            unused_qualifications,
            unused_variables,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
        )]
    }
}

/// One method: a line of documentation, the generics of the function, and the rest.
fn method(plan: &Plan, doc: &str, rest: Method) -> TokenStream {
    let Method { name, arguments, output, body } = rest;
    let function = &plan.function;
    let vis = &function.vis;
    let (generics, _, clause) = function.generics.split_for_impl();
    let output = output.map(|output| quote! { -> #output });
    let name = syn::Ident::new(name, plan.companion.span());
    quote! {
        #[doc = #doc]
        #[inline]
        #vis fn #name #generics(#(#arguments),*) #output #clause { #body }
    }
}

/// What differs from method to method.
struct Method {
    name: &'static str,
    arguments: Vec<TokenStream>,
    output: Option<TokenStream>,
    body: TokenStream,
}

/// `cache()`: the cache in a `static`, built on first use.
fn cache(plan: &Plan) -> TokenStream {
    let krate = &plan.crate_path;
    let (key, value) = (parts::key_type(plan), parts::value_type(plan));
    let cache = quote! { #krate::Cache<#key, #value> };
    let build = build(plan);
    let turbofish = turbofish(&plan.function.generics);
    let body = if turbofish.is_empty() {
        quote! {
            static __CACHED: #krate::__private::Slot<#cache> = #krate::__private::Slot::new();
            __CACHED.get(|| #build)
        }
    } else {
        // The type of this very method names all type parameters: it tells the instances apart.
        quote! {
            static __CACHED: #krate::__private::ByType = #krate::__private::ByType::new();
            __CACHED.get(Self::cache #turbofish, || #build)
        }
    };
    let output = Some(quote! { &'static #cache });
    method(
        plan,
        "The cache of the function.",
        Method { name: "cache", arguments: Vec::new(), output, body },
    )
}

/// The settings, and the check of the types, each at the place where the type stands.
fn build(plan: &Plan) -> TokenStream {
    let runtime = parts::runtime(plan);
    let krate = &plan.crate_path;
    let keys = plan.parts.iter().map(|part| {
        let ty = parts::owned(&part.kind);
        quote_spanned! {at(&ty)=> #krate::__private::check_key::<#ty, _>(); }
    });
    let name = match &plan.name {
        Some(name) => quote! { #name },
        None => {
            let path = format!("::{}", plan.function.name.unraw());
            quote! { ::core::concat!(::core::module_path!(), #path) }
        }
    };
    let capacity = match &plan.max_capacity {
        Some(capacity) => quote! { #capacity },
        None => quote! { #krate::__private::DEFAULT_CAPACITY },
    };
    let ttl = ttl(plan);
    quote! {{
        #(#keys)*
        #runtime::build(#name, #capacity, #ttl)
    }}
}

/// The time to live, or none; an expression must be a `Duration`, and says so itself if not.
fn ttl(plan: &Plan) -> TokenStream {
    match &plan.ttl {
        None => quote! { ::core::option::Option::None },
        Some(Ttl::Known(duration)) => {
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            quote! {
                ::core::option::Option::Some(::core::time::Duration::new(#seconds, #nanos))
            }
        }
        Some(Ttl::Computed(expr)) => {
            let ttl = local("ttl");
            quote! {{
                let #ttl: ::core::time::Duration = #expr;
                ::core::option::Option::Some(#ttl)
            }}
        }
    }
}

fn get(plan: &Plan) -> TokenStream {
    let runtime = parts::runtime(plan);
    let cache = own_cache(plan);
    let (computed, view, value) =
        (parts::computed(plan), parts::view(plan), parts::value_type(plan));
    method(
        plan,
        "The cached value, if there is one; nothing is computed.",
        Method {
            name: "get",
            arguments: arguments(plan),
            output: Some(quote! { ::core::option::Option<#value> }),
            body: quote! { #computed #runtime::get(#cache, #view) },
        },
    )
}

fn insert(plan: &Plan) -> TokenStream {
    let runtime = parts::runtime(plan);
    let cache = own_cache(plan);
    let (computed, view, ty) = (parts::computed(plan), parts::view(plan), parts::value_type(plan));
    let value = local("value");
    let mut arguments = arguments(plan);
    arguments.push(quote! { #value: #ty });
    method(
        plan,
        "Puts a value into the cache, as if the function had returned it.",
        Method {
            name: "insert",
            arguments,
            output: None,
            body: quote! { #computed #runtime::insert(#cache, #view, #value) },
        },
    )
}

fn invalidate(plan: &Plan) -> TokenStream {
    let runtime = parts::runtime(plan);
    let cache = own_cache(plan);
    let (computed, view) = (parts::computed(plan), parts::view(plan));
    method(
        plan,
        "Removes the cached value; whether there was one.",
        Method {
            name: "invalidate",
            arguments: arguments(plan),
            output: Some(quote! { ::core::primitive::bool }),
            body: quote! { #computed #runtime::invalidate(#cache, #view) },
        },
    )
}

/// `refresh(..)`: runs the body and replaces what is cached. What is not kept, an error or
/// nothing, leaves the cache as it is.
fn refresh(plan: &Plan) -> TokenStream {
    let runtime = parts::runtime(plan);
    let krate = &plan.crate_path;
    let cache = own_cache(plan);
    let (computed, view) = (parts::computed(plan), parts::view(plan));
    let call = call_uncached(plan, &quote! { Self });
    let (key, fresh) = (local("key"), local("fresh"));
    let kept = match &plan.outcome.kept {
        Kept::Whole => quote! { ::core::option::Option::Some(#fresh) },
        Kept::Ok(_) => {
            quote! { ::core::result::Result::ok(::core::result::Result::as_ref(#fresh)) }
        }
        Kept::Some(_) => quote! { ::core::option::Option::as_ref(#fresh) },
    };
    let output = &plan.function.output;
    method(
        plan,
        "Runs the body whatever is cached, keeps what it returns, and returns it.",
        Method {
            name: "refresh",
            arguments: arguments(plan),
            output: Some(quote! { #output }),
            body: quote! {
                #computed
                let #key = #krate::__private::key_of(#view);
                #runtime::refresh(#cache, #key, move || #call, |#fresh| #kept)
            },
        },
    )
}

fn clear(plan: &Plan) -> TokenStream {
    let runtime = parts::runtime(plan);
    let cache = own_cache(plan);
    method(
        plan,
        "Removes all cached values.",
        Method {
            name: "clear",
            arguments: Vec::new(),
            output: None,
            body: quote! { #runtime::clear(#cache) },
        },
    )
}

fn stats(plan: &Plan) -> TokenStream {
    let runtime = parts::runtime(plan);
    let krate = &plan.crate_path;
    let cache = own_cache(plan);
    method(
        plan,
        "What the cache has counted so far.",
        Method {
            name: "stats",
            arguments: Vec::new(),
            output: Some(quote! { #krate::Stats }),
            body: quote! { #runtime::stats(#cache) },
        },
    )
}

/// The cache, from within the companion.
fn own_cache(plan: &Plan) -> TokenStream {
    let turbofish = turbofish(&plan.function.generics);
    quote! { Self::cache #turbofish() }
}

/// `uncached(..)`: the body as the user wrote it, patterns and all.
fn uncached(plan: &Plan) -> TokenStream {
    let function = &plan.function;
    let (vis, inside, stmts) = (&function.vis, &function.attributes.inside, &function.stmts);
    let (generics, _, clause) = function.generics.split_for_impl();
    let arguments = function.arguments.iter().map(|argument| &argument.pattern);
    let output = &function.output;
    quote! {
        #[doc = "The body of the function, past the cache."]
        #[allow(
            dead_code,
            unreachable_pub,
            clippy::missing_errors_doc,
            clippy::missing_panics_doc,
            clippy::must_use_candidate,
            clippy::too_many_arguments,
        )]
        #(#inside)*
        #vis fn uncached #generics(#(#arguments),*) -> #output #clause { #(#stmts)* }
    }
}
