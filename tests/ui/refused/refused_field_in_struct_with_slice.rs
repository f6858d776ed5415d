//! The correct fields of a refused struct can be used without further errors.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Names<T> {
    first: *const T,
    bytes: [u8],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<T>(u32, [*const T; 2]);

fn main() -> Result<(), shm_core::ShmError> {
    let names = Names::<u64>::create_with_len("/names", 10)?;
    names.bytes[2].set(7);
    let pair = Pair::<u64>::create("/pair")?;
    pair.0.set(7);
    Ok(())
}
