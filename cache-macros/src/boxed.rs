//! An `async fn` that another attribute has turned into a function which returns a boxed future.
//!
//! `#[async_trait]` stands on the whole `impl` or `trait` and so is expanded before the attributes
//! of its functions. What it makes of `async fn f(&self) -> T { BODY }` is
//! `fn f(&self) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> { Box::pin(async move { BODY }) }`.
//! It is read as the `async fn` that it was, and written in the same form again.

use syn::{
    AngleBracketedGenericArguments, Block, Expr, ExprAsync, ExprPath, GenericArgument, Path,
    PathArguments, Stmt, Type, TypeParamBound,
};

use crate::key::last;

/// The form around the body.
pub(crate) struct Boxed {
    /// `Pin<Box<dyn Future<Output = T>>>`
    pub(crate) ty: Type,
    /// `Box::pin`
    pub(crate) pin: ExprPath,
}

/// A function that is nothing but a boxed future, as an `async fn`.
pub(crate) struct Unboxed {
    pub(crate) form: Boxed,
    /// What the future returns.
    pub(crate) output: Type,
    /// What the future does.
    pub(crate) body: ExprAsync,
}

/// Takes the form off.
///
/// Input: `Pin<Box<dyn Future<Output = u64> + Send>>` and `{ Box::pin(async move { n }) }`.
/// Output: `u64`, `async move { n }`, and the rest. `None` for all else.
pub(crate) fn unboxed(ty: &Type, block: &Block) -> Option<Unboxed> {
    let [Stmt::Expr(Expr::Call(call), None)] = block.stmts.as_slice() else { return None };
    let Expr::Path(pin) = &*call.func else { return None };
    let (Some(Expr::Async(body)), 1) = (call.args.first(), call.args.len()) else { return None };
    let names = pin.path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let is_pin = names.take(2).eq(["pin", "Box"]);
    let output = output_of(ty)?.clone();
    let form = Boxed { ty: ty.clone(), pin: pin.clone() };
    (is_pin && body.capture.is_some()).then(|| Unboxed { form, output, body: body.clone() })
}

/// Input: `Pin<Box<dyn Future<Output = u64> + Send>>`. Output: `u64`.
fn output_of(ty: &Type) -> Option<&Type> {
    let Type::TraitObject(object) = argument_of(argument_of(ty, "Pin")?, "Box")? else {
        return None;
    };
    object.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => output_argument(&bound.path),
        _ => None,
    })
}

/// The type argument of a path that ends with this word.
fn argument_of<'a>(ty: &'a Type, word: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    match last(path) {
        (name, arguments) if name == word && arguments.len() == 1 => Some(arguments[0]),
        _ => None,
    }
}

/// Input: `core::future::Future<Output = u64>`. Output: `u64`.
fn output_argument(path: &Path) -> Option<&Type> {
    let segment = path.segments.last().filter(|segment| segment.ident == "Future")?;
    let PathArguments::AngleBracketed(AngleBracketedGenericArguments { args, .. }) =
        &segment.arguments
    else {
        return None;
    };
    args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assigned) if assigned.ident == "Output" => Some(&assigned.ty),
        _ => None,
    })
}
