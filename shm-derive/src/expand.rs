//! The pipeline from the item's tokens to those of the expansion.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::ctxt::Ctxt;
use crate::model::Model;
use crate::{bound, check, emit, lifetimes, receiver};

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let mut item: DeriveInput = match syn::parse2(input) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error(),
    };
    receiver::name_self(&mut item);
    let cx = Ctxt::new();
    let lifetimes = lifetimes::take(&mut item);
    for param in &lifetimes.unreported {
        check::no_lifetime(&cx, param);
    }
    for bound in bound::take_unsized(&mut item) {
        check::no_unsized_parameter(&cx, &bound);
    }
    let mut model = Model::read(&cx, &item, lifetimes.number);
    check::all(&cx, &mut model);
    let errors = cx
        .into_errors()
        .iter()
        .map(syn::Error::to_compile_error)
        .collect();
    emit::expansion(&model, errors)
}
