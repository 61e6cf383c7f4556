//! The body of the function, past the cache.

use super::shape;
use crate::many::Many;
use crate::plan::{Plan, Shape};
use crate::signature::Argument;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Pat, Receiver, Type};

/// What a load runs: a closure, or a future.
///
/// Output: `move || price::uncached(sku, qty)`, or `price::uncached(sku, qty)` for an `async fn`; with
/// the body itself where no function holds it.
pub(super) fn run(plan: &Plan) -> TokenStream {
    let awaited = plan.function.asyncness.is_some();
    match (&plan.shape, awaited) {
        (Shape::Inside, false) => closure(plan),
        (Shape::Inside, true) => future(plan, TokenStream::new()),
        (_, false) => {
            let call = call(plan);
            quote! { move || #call }
        }
        (_, true) => call(plan),
    }
}

/// What a load of many keys runs, perhaps more than once: a closure of the elements that are missing, which
/// leaves the other arguments as they are.
///
/// Output: `|ids: &[u64]| { let qty = Clone::clone(&qty); names::uncached(region, ids, qty) }`, or, for an
/// `async fn`, a closure of a `Vec` with a future that owns it.
pub(super) fn run_many(plan: &Plan, many: &Many) -> TokenStream {
    let (ids, element, again) = (&many.name, &many.element, again(plan, many));
    let slice = quote! { let #ids: &[#element] = &#ids; };
    match (&plan.shape, plan.function.asyncness.is_some()) {
        (Shape::Inside, false) => {
            let (patterns, stmts, output) =
                (patterns(plan), &plan.function.stmts, &plan.function.output);
            quote! { |#ids: &[#element]| -> #output { #again #patterns #(#stmts)* } }
        }
        (Shape::Inside, true) => {
            let future = future(plan, slice);
            quote! { |#ids: ::std::vec::Vec<#element>| { #again #future } }
        }
        (_, false) => {
            let call = call(plan);
            quote! { |#ids: &[#element]| { #again #call } }
        }
        (_, true) => {
            let call = call(plan);
            quote! {
                |#ids: ::std::vec::Vec<#element>| { #again async move { #slice #call.await } }
            }
        }
    }
}

/// The arguments once more, for another run: what is no shared reference is cloned, or borrowed again.
fn again(plan: &Plan, many: &Many) -> TokenStream {
    let others = plan.function.arguments.iter().filter(|argument| argument.name != many.name);
    let lines = others.filter_map(|argument| {
        let name = &argument.name;
        match argument.ty() {
            Type::Reference(reference) if reference.mutability.is_none() => None,
            Type::Reference(_) => Some(quote! { let #name = &mut *#name; }),
            _ => Some(quote! { let #name = ::core::clone::Clone::clone(&#name); }),
        }
    });
    quote! { #(#lines)* }
}

/// The call of the function that holds the body, with the arguments as they are.
fn call(plan: &Plan) -> TokenStream {
    let own = shape::call(plan, "uncached");
    let names = plan.function.arguments.iter().map(|argument| &argument.name);
    let receiver = plan.function.receiver.iter().map(|receiver| &receiver.self_token);
    let names = receiver.map(ToTokens::to_token_stream).chain(names.map(ToTokens::to_token_stream));
    quote! { #own(#(#names),*) }
}

/// In a closure `return` and `?` mean what they meant in the function.
fn closure(plan: &Plan) -> TokenStream {
    let (patterns, stmts, output) = (patterns(plan), &plan.function.stmts, &plan.function.output);
    quote! { move || -> #output { #patterns #(#stmts)* } }
}

/// In a future too, once its output is known: what it returns first is never returned, and only says
/// of which type it is. `first` is done before all else.
fn future(plan: &Plan, first: TokenStream) -> TokenStream {
    let krate = &plan.crate_path;
    let (patterns, stmts, output) = (patterns(plan), &plan.function.stmts, &plan.function.output);
    let never = super::local("never");
    quote! {
        #krate::__private::typed::<#output, _>(async move {
            if let ::core::option::Option::Some(#never) = ::core::option::Option::<#output>::None {
                return #never;
            }
            #first
            #patterns
            #(#stmts)*
        })
    }
}

/// The arguments under their patterns again.
fn patterns(plan: &Plan) -> TokenStream {
    let lines =
        plan.function.arguments.iter().filter(|argument| !is_plain(argument)).map(|argument| {
            let (name, pattern) = (&argument.name, &argument.pattern);
            let (attributes, pattern) = (&pattern.attrs, &pattern.pat);
            quote! { #(#attributes)* let #pattern = #name; }
        });
    quote! { #(#lines)* }
}

/// Whether an argument has the same name in the signature as in the body.
fn is_plain(argument: &Argument) -> bool {
    match &*argument.pattern.pat {
        Pat::Ident(pat) => {
            pat.by_ref.is_none()
                && pat.mutability.is_none()
                && pat.subpat.is_none()
                && !pat.ident.to_string().starts_with('_')
        }
        _ => false,
    }
}

/// `self` as the functions around the body take it, which do not change it.
pub(super) fn receiver(plan: &Plan) -> Option<TokenStream> {
    let mut receiver: Receiver = plan.function.receiver.clone()?;
    if !matches!(plan.shape, Shape::Inside) {
        receiver.mutability = None;
    }
    Some(receiver.to_token_stream())
}

/// The body as a function of its own, as the user wrote it, patterns and all.
///
/// Lints that are silenced for what is generated stay on for what the user wrote.
pub(super) fn uncached(plan: &Plan) -> TokenStream {
    let function = &plan.function;
    let name = shape::name(plan, "uncached");
    let (vis, inside, stmts) = (&function.vis, &function.attributes.inside, &function.stmts);
    let (generics, _, clause) = function.generics.split_for_impl();
    let receiver = function.receiver.iter().map(ToTokens::to_token_stream);
    let arguments = receiver.chain(function.arguments.iter().map(|argument| {
        let pattern = &argument.pattern;
        let used = argument.mentioned.then(|| quote! { #[allow(unused_variables)] });
        quote! { #used #pattern }
    }));
    let (asyncness, output) = (&function.asyncness, &function.output);
    quote! {
        #[doc = " The body of the function, past the cache."]
        #[allow(
            dead_code,
            unreachable_pub,
            clippy::missing_errors_doc,
            clippy::missing_panics_doc,
            clippy::must_use_candidate,
            clippy::too_many_arguments,
        )]
        #(#inside)*
        #vis #asyncness fn #name #generics(#(#arguments),*) -> #output #clause { #(#stmts)* }
    }
}
