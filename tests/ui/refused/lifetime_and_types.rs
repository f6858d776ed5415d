//! A lifetime does not hide errors in the types of other fields.

use std::borrow::Cow;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Borrowed<'a, T: 'a> {
    count: usize,
    text: &'a str,
    name: Cow<'a, str>,
    value: T,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Outer {
    inner: Borrowed<'static, u64>,
}

fn main() -> Result<(), shm_core::ShmError> {
    let shm = Outer::create("/lifetime")?;
    shm.inner.value.set(4);
    Ok(())
}
