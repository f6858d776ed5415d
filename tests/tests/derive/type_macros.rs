//! Fields whose types are macros. The derive does not see their expansion, and the compiler expands them in two
//! scopes. And types with the names of the expansion, spelled differently.

use shm_core::ShmLayout;

/// The name that the derive gives to the parameter of its view.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Access {
    level: u64,
}

macro_rules! named {
    () => {
        Access
    };
}

macro_rules! two {
    () => {
        2
    };
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Expanded {
    first: named!(),
    second: u64,
    list: [named!(); two!()],
}

// The standard derives do not support a generic struct with a macro in it.
#[derive(ShmLayout)]
#[repr(C)]
struct ExpandedFor<T, const N: usize> {
    first: named!(),
    rest: [T; N],
}

#[derive(Debug, ShmLayout)]
#[repr(C)]
struct ExpandedTail(named!(), [named!()]);

#[test]
fn a_macro_as_a_type_means_what_it_means_in_the_struct() {
    let shm = Expanded::create_anonymous().unwrap();
    shm.first.level.set(1);
    shm.second.set(2);
    shm.list[1].level.set(4);
    let expected = Expanded {
        first: Access { level: 1 },
        second: 2,
        list: [Access { level: 0 }, Access { level: 4 }],
    };
    assert_eq!(shm.load(), expected);

    let shm = ExpandedFor::<u64, 2>::create_anonymous().unwrap();
    shm.first.level.set(1);
    shm.rest[0].set(2);
    assert_eq!(
        format!("{shm:?}"),
        "Shm(\"(anonymous)\", ExpandedFor { first: Access { level: 1 }, rest: [2, 0] })"
    );

    let shm = ExpandedTail::create_anonymous_with_len(2).unwrap();
    shm.0.level.set(1);
    shm.1[1].level.set(2);
    assert_eq!(
        format!("{shm:?}"),
        "Shm(\"(anonymous)\", ExpandedTail(Access { level: 1 }, [Access { level: 0 }, Access { level: 2 }]))"
    );
}

mod raw {
    use shm_core::ShmLayout;

    type Access = [u32; 2];
    type SpelledView = u64;

    /// The name and parameter of its view would be the first two types'.
    #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
    #[repr(C)]
    pub(super) struct Spelled {
        pub(super) access: r#Access,
        pub(super) view: r#SpelledView,
        pub(super) last: u64,
    }
}

#[test]
fn raw_names_do_not_meet_those_of_the_expansion() {
    let shm = raw::Spelled::create_anonymous().expect("there is room");
    let all = raw::Spelled {
        access: [1, 2],
        view: 3,
        last: 4,
    };
    shm.store(all);
    assert_eq!(shm.access.to_vec(), [1, 2]);
    assert_eq!((shm.view.get(), shm.last.get()), (3, 4));
    assert_eq!(shm.load(), all);
}
