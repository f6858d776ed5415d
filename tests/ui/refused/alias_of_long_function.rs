//! Functions of many arguments and other calling conventions, and long tuples.

use shm_core::ShmLayout;

type Six = fn(u8, u8, u8, u8, u8, u8);
type Twelve = unsafe extern "system" fn(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
type Variadic = unsafe extern "C" fn(*const u8, ...) -> i32;
type System = extern "system" fn();
type Tuple = (u8, u8, u8, u8, u8, u8, u8);
type LongTuple = (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    six: Six,
    twelve: Twelve,
    variadic: Variadic,
    system: System,
    tuple: Tuple,
    long: LongTuple,
}

fn main() {}
