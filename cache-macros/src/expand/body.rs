//! The body of the function, past the cache.

use super::lints;
use super::names::{FunctionNames, Names};
use super::tokens::local;
use crate::many::ManyPlan;
use crate::plan::{CompanionKind, Plan};
use crate::signature::Argument;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::ext::IdentExt;
use syn::{Pat, Type};

/// What a load runs: a closure, or a future.
///
/// Output: `move || price::uncached(sku, qty)`, or `price::uncached(sku, qty)` for an `async fn`;
/// with the body itself if no function holds it.
pub(super) fn run(names: &Names<'_>) -> TokenStream {
    let plan = names.plan;
    match (&names.functions, &plan.function.asyncness) {
        (None, None) => closure(plan),
        (None, Some(_)) => future(names, &[], TokenStream::new()),
        (Some(functions), None) => {
            let call = call(plan, functions, &[]);
            quote! { move || #call }
        }
        (Some(functions), Some(_)) => call(plan, functions, &[]),
    }
}

/// What a load of many keys runs, perhaps more than once: a closure of the elements that are
/// missing, which leaves the other arguments as they are.
///
/// Output: `|cached_ids: &[u64]| { names::uncached(region, cached_ids, Clone::clone(&qty)) }`, or,
/// for an `async fn`, a closure of a `Vec` with a future that owns it and the clones.
pub(super) fn run_many(names: &Names<'_>, many: &ManyPlan) -> TokenStream {
    let plan = names.plan;
    let (element, ids) = (&many.element, local("ids"));
    let again = again(plan, many, &ids);
    let (slice, list) = (quote! { &[#element] }, quote! { ::std::vec::Vec<#element> });
    if plan.function.asyncness.is_some() {
        let (lines, variables) = made_before(plan, many, again);
        let borrow = quote! { let #ids: #slice = &#ids; };
        let future = match &names.functions {
            None => future(names, &variables, borrow),
            Some(functions) => {
                let call = call(plan, functions, &variables);
                quote! { async move { #borrow #call.await } }
            }
        };
        return quote! { |#ids: #list| { #lines #future } };
    }
    let Some(functions) = &names.functions else {
        let (patterns, stmts, output) =
            (patterns(plan, &again), &plan.function.stmts, &plan.function.output);
        return quote! { |#ids: #slice| -> #output { #patterns #(#stmts)* } };
    };
    let call = call(plan, functions, &again);
    quote! { |#ids: #slice| { #call } }
}

/// What stands for an argument in a body or its call. `None` for the argument itself.
type Given = Option<TokenStream>;

/// The arguments once more, for another run: cloned, or borrowed again, unless they are shared
/// references.
fn again(plan: &Plan, many: &ManyPlan, ids: &Ident) -> Vec<Given> {
    let arguments = plan.function.arguments.iter();
    arguments
        .map(|Argument { name, pattern, .. }| match &*pattern.ty {
            _ if *name == many.name => Some(quote! { #ids }),
            Type::Reference(reference) if reference.mutability.is_none() => None,
            Type::Reference(_) => Some(quote! { &mut *#name }),
            _ => Some(quote! { ::core::clone::Clone::clone(&#name) }),
        })
        .collect()
}

/// Makes variables of them, for a future that owns them; the elements are one already. Returns the
/// statements, and the variables.
fn made_before(plan: &Plan, many: &ManyPlan, given: Vec<Given>) -> (TokenStream, Vec<Given>) {
    let mut lines = TokenStream::new();
    let variables = plan.function.arguments.iter().zip(given).map(|(argument, given)| {
        let given = given?;
        if argument.name == many.name {
            return Some(given);
        }
        let name = local(&argument.name.unraw().to_string());
        lines.extend(quote! { let #name = #given; });
        Some(quote! { #name })
    });
    let variables = variables.collect();
    (lines, variables)
}

/// The call of the function that holds the body.
fn call(plan: &Plan, functions: &FunctionNames<'_>, given: &[Given]) -> TokenStream {
    let uncached = functions.path("uncached");
    let arguments = plan.function.arguments.iter().enumerate().map(|(at, argument)| {
        given.get(at).cloned().flatten().unwrap_or_else(|| argument.name.to_token_stream())
    });
    let receiver =
        plan.function.receiver.iter().map(|receiver| receiver.self_token.to_token_stream());
    let arguments = receiver.chain(arguments);
    quote! { #uncached(#(#arguments),*) }
}

/// In a closure `return` and `?` mean what they meant in the function.
fn closure(plan: &Plan) -> TokenStream {
    let (patterns, stmts, output) =
        (patterns(plan, &[]), &plan.function.stmts, &plan.function.output);
    quote! { move || -> #output { #patterns #(#stmts)* } }
}

/// In a future too, once its output is known: the first `return` never runs, and only says of which
/// type the output is. `first` runs before all else.
fn future(names: &Names<'_>, given: &[Given], first: TokenStream) -> TokenStream {
    let Names { plan, krate, .. } = names;
    let (patterns, stmts, output) =
        (patterns(plan, given), &plan.function.stmts, &plan.function.output);
    let never = local("never");
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

/// The arguments under their patterns again. A pattern that ignores its argument binds nothing.
fn patterns(plan: &Plan, given: &[Given]) -> TokenStream {
    let bound = lints::bound_again();
    let lines = plan.function.arguments.iter().enumerate().filter_map(|(at, argument)| {
        let given = given.get(at).and_then(Option::as_ref);
        let (attributes, pattern) = (&argument.pattern.attrs, &*argument.pattern.pat);
        if matches!(pattern, Pat::Wild(_)) || given.is_none() && is_plain(argument) {
            return None;
        }
        let name = argument.name.to_token_stream();
        let given = given.unwrap_or(&name);
        Some(quote! { #bound #(#attributes)* let #pattern = #given; })
    });
    quote! { #(#lines)* }
}

/// Returns `true` if an argument has the same name in the signature as in the body.
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

/// The function that holds the body, as the user wrote it, patterns and all.
///
/// Its word `fn` and its braces stand where the user wrote them: by these lints tell a function of
/// the user from one of a macro. Not so beside a method, where a lint about the order of the items
/// of an `impl` would report it.
pub(super) fn uncached(plan: &Plan, functions: &FunctionNames<'_>) -> TokenStream {
    let function = &plan.function;
    let name = functions.name("uncached");
    let (vis, inside, stmts) = (&function.vis, &function.attributes.inside, &function.stmts);
    let (generics, _, clause) = function.generics.split_for_impl();
    let receiver = function.receiver.iter().map(ToTokens::to_token_stream);
    let arguments = receiver.chain(function.arguments.iter().map(|argument| {
        let pattern = &argument.pattern;
        let used = argument.mentioned.then(|| quote! { #[allow(unused_variables)] });
        quote! { #used #pattern }
    }));
    let (asyncness, output, quiet) = (&function.asyncness, &function.output, lints::body());
    let (fn_token, braces) = match plan.companion {
        CompanionKind::Methods(_) => Default::default(),
        _ => (function.fn_token, function.braces),
    };
    let mut tokens = quote! {
        #[doc = " The body of the function, past the cache."]
        #quiet
        #(#inside)*
        #vis #asyncness #fn_token #name #generics(#(#arguments),*) -> #output #clause
    };
    braces.surround(&mut tokens, |body| body.append_all(stmts));
    tokens
}
