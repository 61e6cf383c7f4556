//! The complete, validated description of the expansion. Nothing after it can fail.

use crate::args::{CompanionChoice, KeyItem, Options, Setting};
use crate::check;
use crate::errors::Errors;
use crate::key::{self, PartKind};
use crate::many::{self, ManyPlan};
use crate::pattern::Binding;
use crate::return_type::{self, ReturnPlan};
use crate::signature::{Argument, Function};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;
use syn::{Expr, Ident, LitStr, Path, Type, parse_quote, parse_quote_spanned};

/// As many parts as the standard library hashes in a tuple.
const MAX_PARTS: usize = 12;

/// All that the expansion needs.
pub(crate) struct Plan {
    pub(crate) crate_path: Path,
    pub(crate) function: Function,
    pub(crate) companion: CompanionKind,
    pub(crate) storage: Storage,
    /// What stands behind the cache, if something does.
    pub(crate) tier: Option<TierPlan>,
    pub(crate) parts: Vec<PartPlan>,
    pub(crate) returned: ReturnPlan,
    /// If one call is for many keys, these.
    pub(crate) many: Option<ManyPlan>,
    /// The options that configure the cache, each under its name.
    pub(crate) settings: Vec<(&'static str, Setting)>,
    pub(crate) name: Option<LitStr>,
    pub(crate) bypass: Option<Expr>,
    /// The condition under which a call loads anew.
    pub(crate) refresh_if: Option<Expr>,
    /// Each call loads unshared.
    pub(crate) unshared: bool,
    /// If options are wrong: the signatures of the companion are known all the same.
    pub(crate) has_signatures: bool,
    /// If options are wrong: the parts of the key are known all the same.
    pub(crate) has_key: bool,
}

/// What stands behind the cache: a tier that several processes share.
pub(crate) struct TierPlan {
    pub(crate) tier: Expr,
    /// How values are written for it; `None`: the default.
    pub(crate) codec: Option<Expr>,
}

/// Where the functions that belong to the cache stand, the body among them.
pub(crate) enum CompanionKind {
    /// Methods of a type beside the function, of this name.
    Type(Ident),
    /// Methods beside the method, whose names begin with this one.
    Methods(Ident),
    /// There are none; the body is a closure or a future in the function.
    None,
}

/// Where the cache is stored.
pub(crate) enum Storage {
    /// In a static.
    Static,
    /// In a thread-local static.
    ThreadLocal,
    /// Where the user has put it.
    Given(Expr),
}

/// One part of the key.
pub(crate) struct PartPlan {
    /// The variable that holds the part: an argument, or one of the expansion.
    pub(crate) place: Ident,
    pub(crate) source: Source,
    pub(crate) kind: PartKind,
}

/// Where a part comes from.
pub(crate) enum Source {
    Argument,
    /// What the pattern of an argument binds. The variable is a reference to it.
    Binding,
    /// The type and the expression of `key(name: Type = expression)`.
    Computed(Box<Type>, Box<Expr>),
    /// The expression of `key(expression)`.
    Untyped(Expr),
}

/// Puts options and function together.
///
/// Input: `skip(db)` and `fn f(db: &Db, id: u64) -> Row`.
/// Output: one part, the value `id`; the whole `Row` is kept.
/// If a mistake is found it is in `errors`, and the plan, if there is one, is not to be used.
pub(crate) fn make(
    mut options: Options,
    function: Option<Function>,
    errors: &mut Errors,
) -> Option<Plan> {
    check::all(&options, function.as_ref(), errors);
    let mut function = function?;
    mention(&options, &mut function);
    let companion = companion_kind(&options.companion, &function);
    let typed = options.cache.is_none() && !matches!(companion, CompanionKind::None);
    let many = many::decide(&options, &function, errors);
    let (before, many_plan) = (errors.count(), many.as_ref());
    let parts = KeyPlanner { options: &options, function: &function, many: many_plan, typed };
    let parts = parts.all(errors);
    let is_broken = ["key", "skip", "many"].iter().any(|word| options.is_broken(word));
    let has_key = errors.count() == before && !is_broken;
    let has_signatures = options.many.is_some() == many.is_some()
        && !check::hides_primitive(&options, &function)
        && !return_type::is_refused(&function.output);
    let returned = return_type::decide(&function.output, &options, &function.generics, errors);
    let settings = options.take_settings();
    let storage = match options.cache {
        Some(expr) => Storage::Given(expr),
        None if options.thread_local.is_some() => Storage::ThreadLocal,
        None => Storage::Static,
    };
    let codec = options.codec;
    let tier = options.tier.map(|tier| TierPlan { tier, codec });
    Some(Plan {
        crate_path: options.crate_path.unwrap_or_else(|| parse_quote!(::cache_core)),
        companion,
        storage,
        tier,
        parts,
        returned,
        many,
        settings,
        name: options.name,
        bypass: options.bypass,
        refresh_if: options.refresh_if,
        unshared: options.unshared,
        has_signatures,
        has_key,
        function,
    })
}

/// Marks the arguments that options name, by what their patterns bind too.
fn mention(options: &Options, function: &mut Function) {
    let keys = options.key.iter().flatten().map(|item| match item {
        KeyItem::Bare(expr) => expr,
        KeyItem::Named { expr, .. } => expr,
    });
    let exprs = keys.chain(&options.cache).chain(&options.bypass).chain(&options.refresh_if);
    let tokens: TokenStream = exprs.map(ToTokens::to_token_stream).collect();
    let skip = options.skip.iter().flat_map(|skip| &skip.names);
    for argument in &mut function.arguments {
        let named = argument.named && has(tokens.clone(), &argument.name.to_string());
        let is_mentioned = |binding: &Binding| {
            has(tokens.clone(), &binding.name.to_string())
                || skip.clone().any(|name| *name == binding.name)
        };
        if named || argument.bindings.iter().any(is_mentioned) {
            argument.mention();
        }
    }
}

/// Returns `true` if a name is among the tokens.
fn has(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => has(group.stream(), name),
        _ => false,
    })
}

/// What stands beside the function.
fn companion_kind(companion: &CompanionChoice, function: &Function) -> CompanionKind {
    match companion {
        CompanionChoice::Hidden => CompanionKind::None,
        CompanionChoice::Named(name) if function.is_associated() => {
            CompanionKind::Methods(name.clone())
        }
        CompanionChoice::SameName if function.is_associated() => {
            CompanionKind::Methods(function.name.clone())
        }
        // An `impl` cannot hold a type, and that of a trait no further methods.
        CompanionChoice::Default if function.is_associated() => CompanionKind::None,
        CompanionChoice::Named(name) => CompanionKind::Type(name.clone()),
        CompanionChoice::Default | CompanionChoice::SameName => {
            CompanionKind::Type(function.name.clone())
        }
    }
}

/// What the parts of the key are computed from.
struct KeyPlanner<'a> {
    options: &'a Options,
    function: &'a Function,
    many: Option<&'a ManyPlan>,
    /// The type of every part must be known here.
    typed: bool,
}

impl KeyPlanner<'_> {
    /// The parts: those of `key`, or every argument that is not skipped.
    fn all(&self, errors: &mut Errors) -> Vec<PartPlan> {
        let parts = self.listed(errors);
        if parts.len() > MAX_PARTS {
            errors.push(
                &self.function.name,
                format!(
                    "the key has {} parts, {MAX_PARTS} are possible: take several as one tuple or \
                     struct, or leave some out with `skip`",
                    parts.len()
                ),
            );
        }
        parts
    }

    fn listed(&self, errors: &mut Errors) -> Vec<PartPlan> {
        let Self { options, function, .. } = self;
        if let Some(key) = &options.key {
            let parts = key.iter().enumerate();
            return parts
                .filter_map(|(index, item)| errors.take(self.of_item(index, item)).flatten())
                .collect();
        }
        if options.skip.as_ref().is_some_and(|skip| skip.all) {
            return Vec::new();
        }
        let parts = function.arguments.iter().flat_map(|argument| self.not_skipped(argument));
        parts.filter_map(|part| errors.take(part).flatten()).collect()
    }

    /// What `skip` leaves of an argument: all of it, nothing, or some of what its pattern binds.
    fn not_skipped(&self, argument: &Argument) -> Vec<syn::Result<Option<PartPlan>>> {
        let skip = self.options.skip.iter().flat_map(|skip| &skip.names);
        let is_skipped = |name: &Ident| skip.clone().any(|skipped| skipped == name);
        if argument.named && is_skipped(&argument.name) {
            return Vec::new();
        }
        if !argument.bindings.iter().any(|binding| is_skipped(&binding.name)) {
            return vec![self.of_argument(argument)];
        }
        let left = argument.bindings.iter().filter(|binding| !is_skipped(&binding.name));
        left.map(|binding| self.of_binding(binding)).collect()
    }

    /// What a pattern binds, if its type shows or need not show.
    fn of_binding(&self, Binding { name, ty }: &Binding) -> syn::Result<Option<PartPlan>> {
        let (source, kind) = match ty {
            Some(ty) => (Source::Binding, key::classify(ty, &name.to_string())?),
            None if !self.typed => (Source::Untyped(parse_quote!(#name)), PartKind::Untyped),
            None => {
                let message = format!(
                    "the type of `{name}` does not show in the pattern: say it, as in \
                     `key({name}: u64 = *{name})`, where `{name}` is a reference"
                );
                return Err(syn::Error::new_spanned(name, message));
            }
        };
        Ok(Some(PartPlan { place: name.clone(), source, kind }))
    }

    /// The binding that an expression names.
    fn binding(&self, expr: &Expr) -> Option<&Binding> {
        let Expr::Path(path) = expr else { return None };
        let name = path.path.get_ident()?;
        self.function.arguments.iter().find_map(|argument| argument.binding(name))
    }

    /// An argument, or one element of it. `None` for an argument that should hold many keys but
    /// does not, which has been reported.
    fn of_argument(&self, argument: &Argument) -> syn::Result<Option<PartPlan>> {
        let label = if argument.named { argument.name.to_string() } else { "name".to_owned() };
        let is_many = self.options.many.as_ref().is_some_and(|many| argument.is(many));
        let kind = match self.many {
            Some(many) if is_many => {
                let element = &many.element;
                key::classify(&parse_quote_spanned!(element.span()=> &#element), &label)?
            }
            None if is_many => return Ok(None),
            _ => key::classify(argument.ty(), &label)?,
        };
        let (place, source) = (argument.name.clone(), Source::Argument);
        Ok(Some(PartPlan { place, source, kind }))
    }

    /// One entry of `key`.
    fn of_item(&self, index: usize, item: &KeyItem) -> syn::Result<Option<PartPlan>> {
        let variable = |expr: &Expr| {
            format_ident!("cached_part_{index}", span = Span::mixed_site().located_at(expr.span()))
        };
        let expr = match item {
            KeyItem::Named { ty, expr, .. }
                if !matches!(**ty, Type::Reference(_)) && self.binding(expr).is_some() =>
            {
                let binding = self.binding(expr).map(|binding| binding.name.clone());
                return self.of_binding(&Binding {
                    name: binding.expect("one"),
                    ty: Some((**ty).clone()),
                });
            }
            KeyItem::Named { name, ty, expr } => {
                return Ok(Some(PartPlan {
                    place: variable(expr),
                    source: Source::Computed(ty.clone(), expr.clone()),
                    kind: key::classify(ty, &name.to_string())?,
                }));
            }
            KeyItem::Bare(expr) => expr,
        };
        if let Some(binding) = self.binding(expr) {
            return self.of_binding(binding);
        }
        match expr {
            Expr::Path(path) if path.path.get_ident().is_some_and(|name| name != "self") => {
                let name = path.path.require_ident()?;
                let known = self.function.arguments.iter().find(|argument| argument.is(name));
                let unknown = || check::no_argument(name, self.function);
                self.of_argument(known.ok_or_else(|| syn::Error::new_spanned(name, unknown()))?)
            }
            _ if self.typed => Err(syn::Error::new_spanned(
                expr,
                "an expression that is no argument needs a name and a type, as in \
                 `key(id: u64 = user.id)`",
            )),
            _ => Ok(Some(PartPlan {
                place: variable(expr),
                source: Source::Untyped(expr.clone()),
                kind: PartKind::Untyped,
            })),
        }
    }
}
