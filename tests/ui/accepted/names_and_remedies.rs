//! Fields whose types are behind names and macros, and the remedies that messages name.

use std::marker::PhantomData;

use shm_core::sync::Mutex;
use shm_core::{ShmError, ShmLayout, ShmOffset, ShmStr, ShmVec};

type Word = u64;
type Quad = [u64; 4];
type Name = ShmStr<16>;

macro_rules! word {
    () => {
        u64
    };
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Point {
    x: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Hidden {
    word: Word,
    quad: Quad,
    point: Point,
    name: Name,
    meant: word!(),
    some: [word!(); 2],
    end: Word,
}

// For a struct that contains itself.
#[derive(ShmLayout)]
#[repr(C)]
struct Node {
    key: u64,
    children: ShmVec<ShmOffset<Node>, 4>,
    siblings: Mutex<[ShmOffset<Self>; 2]>,
    owner: PhantomData<Tree>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Tree {
    nodes: [Node; 10],
}

// For an enum of the standard library, a `Result` and a `Range`.
#[derive(Clone, Copy, ShmLayout)]
#[repr(i8)]
enum Order {
    Less = -1,
    Equal = 0,
    Greater = 1,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Kind {
    Ok,
    Err,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Outcome<T> {
    ok: u32,
    error: i32,
    start: u32,
    end: u32,
    kind: Kind,
    order: Order,
    _pad: [u8; 6],
    owner: PhantomData<T>,
}

// Lists of attributes may end in a comma.
#[derive(ShmLayout)]
#[repr(C, align(8))]
#[shm(version = 3,)]
struct Commas {
    #[shm(rename = "größe",)]
    size: u64,
}

fn main() -> Result<(), ShmError> {
    let hidden = Hidden::create_anonymous()?;
    hidden.word.set(1);
    hidden.quad[1].set(2);
    hidden.point.x.set(3);
    assert_eq!(hidden.point.load().x, 3);
    hidden.meant.set(4);
    hidden.some[1].set(5);
    hidden.end.set(6);

    let tree = Tree::create_anonymous()?;
    tree.nodes[3].key.set(7);
    let outcome = Outcome::<Point>::create_anonymous()?;
    outcome.kind.set(Kind::Err);
    outcome.order.set(Order::Less);
    let commas = Commas::create_anonymous()?;
    commas.size.set(8);
    Ok(())
}
