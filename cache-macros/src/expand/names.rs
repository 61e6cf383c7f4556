//! What an expansion calls things: computed once, for all that is generated.

use super::key_type::{self, PartCheck};
use super::tokens::{at, local, located, turbofish};
use crate::many::ManyPlan;
use crate::plan::{CompanionKind, Plan, Storage};
use crate::return_type::CachedPart;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Path, Type};

/// The types, paths and places that occur all over an expansion.
pub(super) struct Names<'a> {
    pub(super) plan: &'a Plan,
    /// Only signatures are wanted.
    pub(super) outline: bool,
    /// The path of cache-core.
    pub(super) krate: &'a Path,
    /// The place of the return type, where errors about the value are reported.
    pub(super) at_output: Span,
    /// The same place, if only the compiler can learn from the return type what type the value has:
    /// all that names that type stands there then, so that an error about it is reported once.
    pub(super) at_unknown_value: Option<Span>,
    /// The type of the key in the body of a function.
    pub(super) key_ty: TokenStream,
    /// The types of parts for which a signature that names the key has a parameter.
    pub(super) doubtful: Vec<Type>,
    /// The type of the value; of one value, if there are many.
    pub(super) value_ty: TokenStream,
    /// The type of the cache, in signatures.
    pub(super) cache_ty: TokenStream,
    /// The type of what the function has its values in: the cache, or with a tier both.
    pub(super) stored_ty: TokenStream,
    /// The type and const parameters of the function as arguments.
    pub(super) turbofish: TokenStream,
    /// The functions that belong to the cache, if there are any.
    pub(super) functions: Option<FunctionNames<'a>>,
    /// The trait with the functions of the runtime: `<V as CacheValue<_>>`, or `TieredValue`.
    runtime: TokenStream,
}

impl<'a> Names<'a> {
    pub(super) fn new(plan: &'a Plan, outline: bool) -> Self {
        let (krate, output) = (&plan.crate_path, &plan.function.output);
        let at_output = at(output);
        let unknown = matches!(plan.returned.cached, CachedPart::Ok(None) | CachedPart::Some(None));
        let (written, value_ty) = (key_type::written(plan), value_type(plan));
        let doubtful = key_type::doubtful(plan);
        let key_ty = match doubtful.is_empty() {
            true => written.clone(),
            false => key_type::kept(PartCheck::of(plan), &plan.parts),
        };
        let turbofish = turbofish(&plan.function.generics);
        let runtime = if plan.tier.is_some() { "TieredValue" } else { "CacheValue" };
        let runtime = Ident::new(runtime, at_output);
        let place = matches!(plan.storage, Storage::ThreadLocal).then(|| {
            quote_spanned! {at_output=> , #krate::__private::OneThread }
        });
        Self {
            plan,
            outline,
            krate,
            at_output,
            at_unknown_value: unknown.then_some(at_output),
            cache_ty: quote_spanned! {at_output=> #krate::Cache<#written, #value_ty> },
            stored_ty: match plan.tier {
                None => quote_spanned! {at_output=> #krate::Cache<#written, #value_ty> },
                Some(_) => {
                    quote_spanned! {at_output=> #krate::tier::TieredCache<#written, #value_ty> }
                }
            },
            runtime: quote_spanned! {at_output=>
                <#value_ty as #krate::__private::#runtime<_ #place>>
            },
            key_ty,
            doubtful,
            value_ty,
            functions: FunctionNames::new(&plan.companion, &turbofish),
            turbofish,
        }
    }

    /// The path of cache-core, for code at such a place.
    pub(super) fn krate_at(&self, at: Span) -> TokenStream {
        located(self.krate, at)
    }

    /// A variable for a value: an error about its type is reported at the return type.
    pub(super) fn value(&self, name: &str) -> Ident {
        let mut variable = local(name);
        variable.set_span(variable.span().located_at(self.plan.function.output.span()));
        variable
    }

    /// A call of one of the functions of the runtime.
    ///
    /// Output: `<V as CacheValue<_>>::find(cached_cache, ..)`.
    pub(super) fn call(&self, function: &str, arguments: TokenStream) -> TokenStream {
        let (at, runtime) = (self.at_output, &self.runtime);
        let function = Ident::new(function, at);
        quote_spanned! {at=> #runtime::#function(#arguments) }
    }

    /// As `call`; in an `async fn` of the function with a future, which is awaited.
    ///
    /// Output: `<V as CacheValue<_>>::load_async(..).await`.
    pub(super) fn call_awaited(&self, function: &str, arguments: TokenStream) -> TokenStream {
        if self.plan.function.asyncness.is_some() {
            let call = self.call(&format!("{function}_async"), arguments);
            quote! { #call.await }
        } else {
            self.call(function, arguments)
        }
    }

    /// As `call`, with a type argument.
    pub(super) fn call_for(
        &self,
        function: &str,
        argument: &TokenStream,
        arguments: TokenStream,
    ) -> TokenStream {
        let (at, runtime) = (self.at_output, &self.runtime);
        let function = Ident::new(function, at);
        quote_spanned! {at=> #runtime::#function::<#argument>(#arguments) }
    }

    /// Something of a trait that the return type must have.
    ///
    /// Output: `<Arg<io::Result<u64>> as Fallible>::error`.
    pub(super) fn of_output(&self, of: &str, what: &str) -> TokenStream {
        of_output(self.krate, &self.plan.function.output, of, what)
    }
}

/// Here and not at each use: the same words at the same place are one error.
fn of_output(krate: &Path, output: &Type, of: &str, what: &str) -> TokenStream {
    let at = at(output);
    let (krate, of, what) = (located(krate, at), Ident::new(of, at), Ident::new(what, at));
    quote_spanned! {at=> <#krate::__private::Arg<#output> as #krate::__private::#of>::#what }
}

fn value_type(plan: &Plan) -> TokenStream {
    let output = &plan.function.output;
    if let Some(ManyPlan { value, .. }) = &plan.many {
        return quote! { #value };
    }
    match &plan.returned.cached {
        CachedPart::Whole => quote! { #output },
        CachedPart::Ok(Some(inner)) | CachedPart::Some(Some(inner)) => quote! { #inner },
        CachedPart::Ok(None) => of_output(&plan.crate_path, output, "Fallible", "Value"),
        CachedPart::Some(None) => of_output(&plan.crate_path, output, "Optional", "Value"),
    }
}

/// The names of the functions that belong to the cache.
///
/// They stand at places of the macro, so lints ignore them.
pub(super) struct FunctionNames<'a> {
    /// The companion, or `Self`.
    owner: TokenStream,
    /// What the names begin with, beside a method.
    prefix: Option<&'a Ident>,
    at: Span,
    turbofish: TokenStream,
}

impl<'a> FunctionNames<'a> {
    fn new(companion: &'a CompanionKind, turbofish: &TokenStream) -> Option<Self> {
        let (owner, prefix, at) = match companion {
            CompanionKind::Type(name) => (quote! { #name }, None, at(name)),
            CompanionKind::Methods(prefix) => (quote! { Self }, Some(prefix), at(prefix)),
            CompanionKind::None => return None,
        };
        Some(Self { owner, prefix, at, turbofish: turbofish.clone() })
    }

    /// The name of one of them where it is defined.
    ///
    /// Input: `get`. Output: `get` for a method of the companion, `price_get` for one beside a
    /// method.
    pub(super) fn name(&self, word: &str) -> Ident {
        match self.prefix {
            None => Ident::new(word, self.at),
            Some(prefix) => format_ident!("{}_{word}", prefix.unraw(), span = self.at),
        }
    }

    /// The path of one of them where it is called, with its type arguments.
    ///
    /// Input: `get`. Output: `price::get::<T>` or `Self::price_get::<T>`.
    pub(super) fn path(&self, word: &str) -> TokenStream {
        let (owner, name, turbofish) = (&self.owner, self.name(word), &self.turbofish);
        quote! { #owner::#name #turbofish }
    }
}
