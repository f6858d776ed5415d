//! Type parameters that no field stores need no bound.

#![deny(warnings)]

use std::marker::PhantomData;

use shm_core::{ShmLayout, ShmVec};

/// Has no derive.
struct UserTag;

trait Kind {
    type Base;
}

impl Kind for UserTag {
    type Base = u64;
}

#[derive(ShmLayout)]
#[repr(C)]
struct Id<P> {
    id: u64,
    _kind: PhantomData<P>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Handle<P: ?Sized> {
    index: u64,
    _owner: PhantomData<fn() -> P>,
    _marks: [PhantomData<(*const P, u8)>; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Based<P: Kind> {
    base: P::Base,
    many: [<P as Kind>::Base; 2],
    list: ShmVec<P::Base, 2>,
}

/// One parameter that is stored, one that is not.
#[derive(ShmLayout)]
#[repr(C)]
struct Tagged<T, P>
where
    P: ?Sized,
{
    value: T,
    _tag: PhantomData<P>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: Id<UserTag>,
    text: Id<String>,
    handle: Handle<str>,
    based: Based<UserTag>,
    tagged: Tagged<u64, dyn Send>,
    function: PhantomData<fn(&u8) -> String>,
    pointer: PhantomData<*const u8>,
    reference: PhantomData<&'static str>,
    nested: Tagged<PhantomData<String>, Vec<u8>>,
}

fn main() {
    let shm = Shared::create_anonymous().unwrap();
    shm.id.id.set(1);
    shm.handle.index.set(2);
    shm.based.many[1].set(3);
    shm.tagged.value.set(4);
    assert_eq!(Shared::SIZE, 80);
    Id::<UserTag>::create_anonymous().unwrap().id.set(5);
    Handle::<[u8]>::create_anonymous().unwrap().index.set(6);
}
