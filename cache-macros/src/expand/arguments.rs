//! The arguments of the functions around the body.

use crate::plan::{CompanionKind, Plan};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Receiver;

/// `self` and the arguments, each with a name instead of its pattern.
pub(super) fn of_call(plan: &Plan) -> Vec<TokenStream> {
    let arguments = plan.function.arguments.iter().map(|argument| {
        let (name, ty) = (&argument.name, argument.ty());
        quote! { #name: #ty }
    });
    receiver(plan).into_iter().chain(arguments).collect()
}

/// As `of_call`, with one element in place of many.
pub(super) fn of_one(plan: &Plan) -> Vec<TokenStream> {
    let arguments = plan.function.arguments.iter().map(|argument| {
        let (name, ty) = (&argument.name, argument.ty());
        match &plan.many {
            Some(many) if *name == many.name => {
                let element = &many.element;
                quote! { #name: &#element }
            }
            _ => quote! { #name: #ty },
        }
    });
    receiver(plan).into_iter().chain(arguments).collect()
}

/// `self` as the functions around the body take it, which do not change it.
fn receiver(plan: &Plan) -> Option<TokenStream> {
    let mut receiver: Receiver = plan.function.receiver.clone()?;
    if !matches!(plan.companion, CompanionKind::None) {
        receiver.mutability = None;
    }
    Some(receiver.to_token_stream())
}
