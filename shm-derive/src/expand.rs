//! The pipeline from the item's tokens to those of the expansion.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, Path};

use crate::ctxt::Ctxt;
use crate::model::Model;
use crate::renamed::{self, Known};
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
    let known = match model.attr.krate {
        Some(_) => Known::Usual,
        None => renamed::shm_core(),
    };
    if let Known::Renamed(name) = known {
        check::renamed(&cx, name);
        model.attr.krate = syn::parse_str(&format!("::{name}")).ok();
    }
    // An import reports a missing crate once, and every path through it is silent afterwards.
    let import = (known == Known::Missing).then(|| {
        let alias = Ident::new("__shm_core", Span::call_site());
        model.attr.krate = Some(Path::from(alias.clone()));
        alias
    });
    check::all(&cx, &mut model);
    let errors = cx
        .into_errors()
        .iter()
        .map(syn::Error::to_compile_error)
        .collect();
    let expansion = emit::expansion(&model, errors);
    match import {
        Some(alias) => importing(&alias, &expansion),
        None => expansion,
    }
}

/// `expansion`, in which `alias` is the crate. The compiler's error cannot have words of ours, but it names the macro
/// that it comes from.
fn importing(alias: &Ident, expansion: &TokenStream) -> TokenStream {
    quote! {
        const _: () = {
            macro_rules! write_shm_crate_with_the_path_of_shm_core {
                () => { use ::shm_core as #alias; };
            }
            write_shm_crate_with_the_path_of_shm_core! {}
            #expansion
        };
    }
}
