//! The functions that belong to the cache: methods of a type beside the function, or methods beside
//! the method.
//!
//! The type is an empty enum and not a module: `use` imports it along with the function, it may
//! stand in any block, and it sees the names that the function sees. An `impl` can hold neither.

use super::fragments::Fragments;
use super::key_type::{self, PartCheck};
use super::names::{FunctionNames, Names};
use super::tokens::{at, local};
use super::view::KeyView;
use super::{arguments, body, lints, return_value, storage, wrapper};
use crate::many::ManyPlan;
use crate::plan::{CompanionKind, Storage};
use crate::signature::Argument;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Generics, Ident, Type, WherePredicate, parse_quote};

/// All that stands beside the function: nothing if it has no companion.
pub(super) fn expand(code: &Fragments<'_>) -> TokenStream {
    let Some(functions) = &code.names.functions else { return TokenStream::new() };
    let companion = Companion {
        code,
        functions,
        view: KeyView::of_one(&code.names),
        arguments: arguments::of_one(code.names.plan),
    };
    match &code.names.plan.companion {
        CompanionKind::Type(name) => companion.in_type(name),
        CompanionKind::Methods(_) | CompanionKind::None => companion.beside_method(),
    }
}

/// What the functions are made of.
struct Companion<'a> {
    code: &'a Fragments<'a>,
    functions: &'a FunctionNames<'a>,
    /// The view of one key.
    view: KeyView,
    /// The arguments that state one key.
    arguments: Vec<TokenStream>,
}

/// Where the functions stand.
impl Companion<'_> {
    /// The type, its methods, and the body of the function as one of them.
    fn in_type(&self, companion: &Ident) -> TokenStream {
        let names = &self.code.names;
        let function = &names.plan.function;
        let (vis, unseen) = (lints::unseen(&function.vis), lints::unseen(companion));
        let (cfg, generated) = (&function.attributes.cfg, lints::generated());
        let (maker, methods) = (self.maker(), self.methods());
        let uncached = self.uncached();
        let assertion = return_value::assertion(names)
            .filter(|_| !names.outline)
            .map(|assertion| quote! { #(#cfg)* const _: () = #assertion; });
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

            #assertion
        }
    }

    /// The methods, one by one in an `impl` that the attribute does not see.
    fn beside_method(&self) -> TokenStream {
        let plan = self.code.names.plan;
        let cfg = &plan.function.attributes.cfg;
        let generated = lints::generated();
        let methods = self.methods().into_iter().map(|method| quote! { #generated #method });
        let others = self.maker().into_iter().chain([self.uncached()]);
        let all = methods.chain(others).map(|method| quote! { #(#cfg)* #method });
        quote! { #(#all)* }
    }

    /// All methods in which nothing but arguments and types is the user's.
    fn methods(&self) -> Vec<TokenStream> {
        let of_keys = [self.get(), self.insert(), self.invalidate(), self.refresh()];
        let status = self.code.names.plan.many.is_none().then(|| self.get_with_status());
        let of_all = match &self.code.names.plan.storage {
            // The user has it.
            Storage::Given(_) => Vec::new(),
            Storage::Static => {
                let memory = self.code.names.plan.tier.as_ref().map(|_| self.memory());
                memory.into_iter().chain([self.clear(), self.stats()]).collect()
            }
            Storage::ThreadLocal => vec![self.with(), self.clear(), self.stats()],
        };
        let all = of_keys.into_iter().chain(status).chain(of_all);
        all.filter(|method| !method.is_empty()).collect()
    }

    /// The body of the function; in an outline its signature.
    fn uncached(&self) -> TokenStream {
        let Names { plan, outline, .. } = self.code.names;
        if !outline {
            return body::uncached(plan, self.functions);
        }
        let output = &plan.function.output;
        let doc = " The body of the function, past the cache.";
        let method = self.of_cache("uncached", doc, TokenStream::new());
        let method = Method { awaits: true, arguments: self.code.arguments.clone(), ..method }
            .returning(quote! { #output })
            .written();
        let generated = lints::generated();
        quote! { #generated #method }
    }

    /// The method that builds the cache, with the expressions of the options and the user's lint
    /// levels.
    fn maker(&self) -> Option<TokenStream> {
        let plan = self.code.names.plan;
        let method = match &plan.storage {
            Storage::Given(_) => return None,
            Storage::Static => self.stored(),
            Storage::ThreadLocal => self.handle(),
        };
        let (generated, lints) = (lints::options(), &plan.function.attributes.lints);
        (!method.is_empty()).then(|| quote! { #generated #(#lints)* #method })
    }
}

/// The functions, one by one.
impl Companion<'_> {
    /// `cache()`, or `tiered()`: the cache in a `static`, built on first use.
    fn stored(&self) -> TokenStream {
        let names = &self.code.names;
        let stored_ty = &names.stored_ty;
        let doc = match names.plan.tier {
            None => " The cache of the function.",
            Some(_) => " The cache of the function, and the tier behind it.",
        };
        self.of_cache(storage::maker_name(names.plan), doc, storage::built(names))
            .naming_the_key()
            .returning(quote_spanned! {names.at_output=> &'static #stored_ty })
            .written()
    }

    /// `cache()` in front of a tier.
    fn memory(&self) -> TokenStream {
        let Fragments { names: Names { cache_ty, at_output, .. }, bind, cache, .. } = self.code;
        let body = quote_spanned! {*at_output=> #bind #cache.memory() };
        self.of_cache("cache", " The cache of the function in memory.", body)
            .naming_the_key()
            .returning(quote_spanned! {*at_output=> &'static #cache_ty })
            .written()
    }

    /// `__handle()`: the cache of the calling thread, for the functions here.
    fn handle(&self) -> TokenStream {
        let names = &self.code.names;
        let cache_ty = &names.cache_ty;
        let doc = " The cache of the function on the calling thread.";
        let name = storage::maker_name(names.plan);
        let method = self.of_cache(name, doc, storage::built(names));
        Method { public: false, ..method }
            .naming_the_key()
            .returning(quote_spanned! {names.at_output=> ::std::rc::Rc<#cache_ty> })
            .written()
    }

    /// `with(|cache| ..)`: the cache of the calling thread, for the user.
    fn with(&self) -> TokenStream {
        let Fragments { names: Names { cache_ty, at_output, .. }, bind, cache, .. } = self.code;
        let see = self.code.names.value("see");
        let doc = " Passes the cache of the calling thread to a closure.";
        let body = quote_spanned! {*at_output=> #bind #see(#cache) };
        let mut method = self.of_cache("with", doc, body);
        method.generics.params.push(parse_quote!(CachedShown));
        method.arguments = vec![quote_spanned! {*at_output=>
            #see: impl ::core::ops::FnOnce(&#cache_ty) -> CachedShown
        }];
        method.naming_the_key().returning(quote_spanned! {*at_output=> CachedShown }).written()
    }

    fn get(&self) -> TokenStream {
        let Fragments { names, cache, .. } = self.code;
        let value_ty = &names.value_ty;
        let body = match self.asks_a_tier() {
            false => self.view.used(|view| names.call("get", quote! { #cache, #view })),
            true => {
                let look = self.view.used(|view| names.call("look", quote! { #cache, #view }));
                self.asked("get", &look, None)
            }
        };
        self.of_one_key("get", " The cached value, if there is one; nothing is computed.", body)
            .returning(quote_spanned! {names.at_output=> ::core::option::Option<#value_ty> })
            .asking()
            .written()
    }

    fn insert(&self) -> TokenStream {
        let Fragments { names, cache, .. } = self.code;
        let (value_ty, value) = (&names.value_ty, names.value("value"));
        let body = match self.asks_a_tier() {
            false => self.view.used(|view| names.call("insert", quote! { #cache, #view, #value })),
            true => self.asked("insert", &self.own_key(), Some(&value)),
        };
        let doc = " Puts a value into the cache, as if the function had returned it.";
        let mut method = self.of_one_key("insert", doc, body);
        method.arguments.push(quote! { #value: #value_ty });
        method.telling(&quote! { () }).asking().written()
    }

    fn invalidate(&self) -> TokenStream {
        let Fragments { names, cache, .. } = self.code;
        let body = match self.asks_a_tier() {
            false => self.view.used(|view| names.call("invalidate", quote! { #cache, #view })),
            true => self.asked("invalidate", &self.own_key(), None),
        };
        let doc = " Removes the cached value, and returns whether there was one.";
        let found = quote! { ::core::primitive::bool };
        self.of_one_key("invalidate", doc, body)
            .returning(found.clone())
            .telling(&found)
            .asking()
            .written()
    }

    /// `refresh(..)`: runs the body and replaces what is cached. A result that is not cached, an
    /// error or `None`, leaves the cache as it is.
    fn refresh(&self) -> TokenStream {
        let Fragments { names, bind, cache, view, return_kind, run, arguments } = self.code;
        let Names { plan, krate, .. } = names;
        let (key, output) = (local("key"), &plan.function.output);
        let (made, name, handed) = match &plan.many {
            None => (quote! { key_of }, "refresh", quote! { #cache, #key, #run, #return_kind }),
            Some(ManyPlan { name, .. }) => {
                let handed = quote! { #cache, #name, #key, #run, #return_kind };
                (quote! { keys_of }, "refresh_many", handed)
            }
        };
        let made = view.used(|view| quote! { #krate::__private::#made(#view) });
        let reload = names.call_awaited(name, handed);
        let doc = " Runs the body whatever is cached, keeps what it returns, and returns it.";
        let body = quote! { #bind let #key = #made; #reload };
        let method = self.of_cache("refresh", doc, body);
        Method { awaits: true, arguments: arguments.clone(), ..method }
            .returning(quote! { #output })
            .written()
    }

    /// `get_with_status(..)`: the function itself, with how the value was obtained.
    fn get_with_status(&self) -> TokenStream {
        let Fragments { names, bind, view, arguments, .. } = self.code;
        let found = wrapper::find(self.code, view, "find_stated");
        let load = wrapper::load(self.code, "load_stated");
        let (looked, hit, missed) = (local("looked"), names.value("hit"), local("missed"));
        let wrapped = return_value::wrap_stated(names, &hit);
        let uses = self.use_of_the_function();
        let body = quote! {
            #uses
            #bind
            let #looked = #found;
            match #looked {
                ::core::result::Result::Ok(#hit) => #wrapped,
                ::core::result::Result::Err(#missed) => #load,
            }
        };
        let doc = " As the function, with how the value was obtained.";
        let method = self.of_cache("get_with_status", doc, body);
        Method { awaits: true, arguments: arguments.clone(), ..method }
            .returning(return_value::stated(names))
            .written()
    }

    /// A statement by which a function that is only called in this way counts as used. Not where
    /// an argument has its name, its type is not known, or a use of it is a warning.
    fn use_of_the_function(&self) -> Option<TokenStream> {
        let Names { plan, turbofish, .. } = &self.code.names;
        let function = &plan.function;
        let is_hidden = function.binds(&function.name);
        let is_impl = |argument: &Argument| matches!(argument.ty(), Type::ImplTrait(_));
        if is_hidden
            || function.attributes.is_deprecated()
            || function.arguments.iter().any(is_impl)
        {
            return None;
        }
        let (name, owner) =
            (lints::unseen(&function.name), function.is_associated().then(|| quote! { Self:: }));
        Some(quote! { let _ = #owner #name #turbofish; })
    }

    fn clear(&self) -> TokenStream {
        let Fragments { names, bind, cache, .. } = self.code;
        let clear = match self.asks_a_tier() {
            false => names.call("clear", cache.clone()),
            true => names.call_awaited("clear", cache.clone()),
        };
        self.of_cache("clear", " Removes all cached values.", quote! { #bind #clear })
            .telling(&quote! { () })
            .asking()
            .written()
    }

    fn stats(&self) -> TokenStream {
        let Fragments { names, bind, cache, .. } = self.code;
        let (krate, stats) = (names.krate, names.call("stats", cache.clone()));
        self.of_cache("stats", " The statistics of the cache.", quote! { #bind #stats })
            .returning(quote! { #krate::Stats })
            .written()
    }

    /// Returns `true` if a task would block for what a function asks of the tier, so that it is to
    /// be awaited.
    fn asks_a_tier(&self) -> bool {
        let plan = self.code.names.plan;
        plan.tier.is_some() && plan.function.asyncness.is_some()
    }

    /// The owned key of the arguments: a borrowed one must not live across the `.await`.
    fn own_key(&self) -> TokenStream {
        let krate = self.code.names.krate;
        self.view.used(|view| quote! { #krate::__private::key_of(#view) })
    }

    /// The question to the tier, with what has been made of the arguments before.
    fn asked(&self, function: &str, first: &TokenStream, value: Option<&Ident>) -> TokenStream {
        let Fragments { names, cache, .. } = self.code;
        let (made, value) = (local("made"), value.into_iter());
        let ask = names.call_awaited(function, quote! { #cache, #made #(, #value)* });
        quote! { let #made = #first; #ask }
    }

    /// A function that takes the arguments of one key, and finds the cache in a variable.
    fn of_one_key(&self, name: &'static str, doc: &'static str, body: TokenStream) -> Method<'_> {
        let bind = &self.code.bind;
        let method = self.of_cache(name, doc, quote! { #bind #body });
        Method { arguments: self.arguments.clone(), ..method }
    }

    /// A function that takes nothing.
    fn of_cache(&self, name: &'static str, doc: &'static str, body: TokenStream) -> Method<'_> {
        Method {
            companion: self,
            doc,
            name,
            public: true,
            awaits: false,
            names_key: false,
            generics: self.code.names.plan.function.generics.clone(),
            arguments: Vec::new(),
            output: None,
            body,
        }
    }
}

/// What differs from function to function.
struct Method<'a> {
    companion: &'a Companion<'a>,
    doc: &'static str,
    name: &'static str,
    public: bool,
    awaits: bool,
    names_key: bool,
    generics: Generics,
    arguments: Vec<TokenStream>,
    output: Option<TokenStream>,
    body: TokenStream,
}

impl Method<'_> {
    /// Its signature names the type of the key, perhaps by a way that is a parameter then.
    fn naming_the_key(mut self) -> Self {
        self.names_key = true;
        let Names { plan, doubtful, .. } = &self.companion.code.names;
        if let Some(first) = doubtful.first() {
            let way = Ident::new(key_type::WAY, at(first));
            self.generics.params.push(parse_quote!(#way: 'static));
            let bounds = doubtful.iter().map(|ty| PartCheck::of(plan).bound(ty));
            let clause = self.generics.make_where_clause();
            clause
                .predicates
                .extend(bounds.map(|bound| -> WherePredicate { parse_quote!(#bound) }));
        }
        self
    }

    fn returning(self, output: TokenStream) -> Self {
        Self { output: Some(output), ..self }
    }

    /// With a tier, it returns whether that could be told.
    fn telling(self, output: &TokenStream) -> Self {
        let names = &self.companion.code.names;
        if names.plan.tier.is_none() {
            return self;
        }
        let krate = names.krate;
        let output = quote! { ::core::result::Result<#output, #krate::tier::TierError> };
        self.returning(output)
    }

    /// For tasks, what it asks of a tier is awaited.
    fn asking(self) -> Self {
        let awaits = self.awaits || self.companion.asks_a_tier();
        Self { awaits, ..self }
    }

    /// The generics of the function, a line of documentation, and the rest. In an outline the body
    /// is empty, and a method whose signature names a key that is not known is left out.
    fn written(self) -> TokenStream {
        let Self { companion, doc, name, public, awaits, generics, arguments, output, .. } = self;
        let names = &companion.code.names;
        if names.outline && self.names_key && !names.plan.has_key {
            return TokenStream::new();
        }
        let body = match names.outline {
            false => self.body,
            true => quote! { ::core::unimplemented!() },
        };
        let function = &names.plan.function;
        let vis = public.then(|| lints::unseen(&function.vis));
        let asyncness = function.asyncness.filter(|_| awaits);
        let (generics, _, clause) = generics.split_for_impl();
        let output = output.map(|output| quote! { -> #output });
        let name = companion.functions.name(name);
        // An error in a signature is reported where it begins.
        quote_spanned! {names.at_output=>
            #[doc = #doc]
            #[inline]
            #vis #asyncness fn #name #generics(#(#arguments),*) #output #clause { #body }
        }
    }
}
