//! The body of the function, past the cache.

use super::{lints, local, names};
use crate::many::ManyPlan;
use crate::plan::{CompanionKind, Plan};
use crate::signature::Argument;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::ext::IdentExt;
use syn::{Pat, Receiver, Type};

/// What a load runs: a closure, or a future.
///
/// Output: `move || price::uncached(sku, qty)`, or `price::uncached(sku, qty)` for an `async fn`; with
/// the body itself where no function holds it.
pub(super) fn run(plan: &Plan) -> TokenStream {
    let awaited = plan.function.asyncness.is_some();
    match (&plan.companion, awaited) {
        (CompanionKind::None, false) => closure(plan),
        (CompanionKind::None, true) => future(plan, &[], TokenStream::new()),
        (_, false) => {
            let call = call(plan, &[]);
            quote! { move || #call }
        }
        (_, true) => call(plan, &[]),
    }
}

/// What a load of many keys runs, perhaps more than once: a closure of the elements that are missing, which
/// leaves the other arguments as they are.
///
/// Output: `|cached_ids: &[u64]| { names::uncached(region, cached_ids, Clone::clone(&qty)) }`, or,
/// for an `async fn`, a closure of a `Vec` with a future that owns it and the clones.
pub(super) fn run_many(plan: &Plan, many: &ManyPlan) -> TokenStream {
    let (element, ids) = (&many.element, local("ids"));
    let again = again(plan, many, &ids);
    let (slice, list) = (quote! { &[#element] }, quote! { ::std::vec::Vec<#element> });
    let inside = matches!(plan.companion, CompanionKind::None);
    if plan.function.asyncness.is_some() {
        let (lines, names) = made_before(plan, many, again);
        let borrow = quote! { let #ids: #slice = &#ids; };
        let future = if inside {
            future(plan, &names, borrow)
        } else {
            let call = call(plan, &names);
            quote! { async move { #borrow #call.await } }
        };
        return quote! { |#ids: #list| { #lines #future } };
    }
    if inside {
        let (patterns, stmts, output) =
            (patterns(plan, &again), &plan.function.stmts, &plan.function.output);
        return quote! { |#ids: #slice| -> #output { #patterns #(#stmts)* } };
    }
    let call = call(plan, &again);
    quote! { |#ids: #slice| { #call } }
}

/// What stands for an argument in a body or its call; nothing where it is the argument itself.
type Given = Option<TokenStream>;

/// The arguments once more, for another run: what is no shared reference is cloned, or borrowed again.
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

/// The same as variables of the expansion, for a future that owns them; the elements it has already.
fn made_before(plan: &Plan, many: &ManyPlan, given: Vec<Given>) -> (TokenStream, Vec<Given>) {
    let mut lines = TokenStream::new();
    let names = plan.function.arguments.iter().zip(given).map(|(argument, given)| {
        let given = given?;
        if argument.name == many.name {
            return Some(given);
        }
        let name = local(&argument.name.unraw().to_string());
        lines.extend(quote! { let #name = #given; });
        Some(quote! { #name })
    });
    let names = names.collect();
    (lines, names)
}

/// The call of the function that holds the body.
fn call(plan: &Plan, given: &[Given]) -> TokenStream {
    let own = names::call(plan, "uncached");
    let arguments = plan.function.arguments.iter().enumerate().map(|(at, argument)| {
        given.get(at).cloned().flatten().unwrap_or_else(|| argument.name.to_token_stream())
    });
    let receiver =
        plan.function.receiver.iter().map(|receiver| receiver.self_token.to_token_stream());
    let arguments = receiver.chain(arguments);
    quote! { #own(#(#arguments),*) }
}

/// In a closure `return` and `?` mean what they meant in the function.
fn closure(plan: &Plan) -> TokenStream {
    let (patterns, stmts, output) =
        (patterns(plan, &[]), &plan.function.stmts, &plan.function.output);
    quote! { move || -> #output { #patterns #(#stmts)* } }
}

/// In a future too, once its output is known: what it returns first is never returned, and only says
/// of which type it is. `first` is done before all else.
fn future(plan: &Plan, given: &[Given], first: TokenStream) -> TokenStream {
    let krate = &plan.crate_path;
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

/// The arguments under their patterns again. One that ignores its argument binds nothing.
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
    if !matches!(plan.companion, CompanionKind::None) {
        receiver.mutability = None;
    }
    Some(receiver.to_token_stream())
}

/// The body as a function of its own, as the user wrote it, patterns and all.
///
/// Its word `fn` and its braces stand where the user wrote them: by these lints know a function of
/// the user's from one of a macro. Not so beside a method, where a lint about the order of the
/// items of an `impl` would speak of it.
pub(super) fn uncached(plan: &Plan) -> TokenStream {
    let function = &plan.function;
    let name = names::name(plan, "uncached");
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
