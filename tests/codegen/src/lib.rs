//! The same functions twice: through cells, and with the feature `raw` through a raw pointer. Their instructions are
//! compared by `tests/tests/derive/codegen.rs`.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
pub struct Inner {
    pub xs: [u32; 4],
    pub level: f64,
    pub count: u64,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
pub struct Telemetry {
    pub frame: u64,
    pub position: [f64; 3],
    pub inner: Inner,
    pub history: [Inner; 4],
    pub temperature: f32,
    pub flags: u32,
    pub state: u8,
    pub pad: u8,
    pub tail: [i16; 3],
    pub wide: [u64; 64],
}

/// A struct that has grown twice.
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
#[shm(room = 1024)]
pub struct Grown {
    pub frame: u64,
    #[shm(since = 1)]
    pub xs: [u32; 4],
    #[shm(since = 1)]
    pub history: [Inner; 4],
    #[shm(since = 2)]
    pub count: u64,
}

/// One function through cells, and the same through a pointer. `$shm` and `$raw` are what differs.
macro_rules! both {
    ($of:ident, $shm_mod:ident, $raw_mod:ident; $($name:ident($($arg:ident: $ty:ty),*) $(-> $out:ty)?: $shm:expr, $raw:expr;)*) => {
        #[cfg(not(feature = "raw"))]
        pub mod $shm_mod {
            use super::*;
            /// The handle as far as access goes: the address of the payload.
            pub type Handle = shm_core::ShmCell<$of>;
            $(
                #[unsafe(no_mangle)]
                pub fn $name(shm: &Handle, $($arg: $ty),*) $(-> $out)? {
                    let access: fn(&Handle, $($ty),*) $(-> $out)? = $shm;
                    access(shm, $($arg),*)
                }
            )*
        }
        #[cfg(feature = "raw")]
        pub mod $raw_mod {
            use super::*;
            $(
                /// # Safety
                ///
                /// `raw` points to a live value that nobody else accesses.
                #[unsafe(no_mangle)]
                pub unsafe fn $name(raw: *mut $of, $($arg: $ty),*) $(-> $out)? {
                    let access: unsafe fn(*mut $of, $($ty),*) $(-> $out)? = $raw;
                    // SAFETY: passed on.
                    unsafe { access(raw, $($arg),*) }
                }
            )*
        }
    };
}

#[cfg(feature = "raw")]
macro_rules! raw {
    (|$raw:ident $(, $arg:ident)*| $body:expr) => {
        |$raw $(, $arg)*| {
            // SAFETY: the caller vouches for the pointer.
            unsafe { $body }
        }
    };
}

both! { Telemetry, shm, raw;
    get_u64() -> u64: |shm| shm.frame.get(), raw!(|raw| (*raw).frame);
    get_f32() -> f32: |shm| shm.temperature.get(), raw!(|raw| (*raw).temperature);
    get_u8() -> u8: |shm| shm.state.get(), raw!(|raw| (*raw).state);
    get_nested() -> f64: |shm| shm.inner.level.get(), raw!(|raw| (*raw).inner.level);
    get_element() -> f64: |shm| shm.position[2].get(), raw!(|raw| (*raw).position[2]);
    get_deep() -> u32: |shm| shm.history[3].xs[1].get(), raw!(|raw| (*raw).history[3].xs[1]);
    get_indexed(i: usize) -> f64: |shm, i| shm.position[i].get(), raw!(|raw, i| (*raw).position[i]);
    get_deep_indexed(i: usize, j: usize) -> u32:
        |shm, i, j| shm.history[i].xs[j].get(), raw!(|raw, i, j| (*raw).history[i].xs[j]);
    get_i16() -> i16: |shm| shm.tail[2].get(), raw!(|raw| (*raw).tail[2]);
    set_u64(v: u64): |shm, v| shm.frame.set(v), raw!(|raw, v| (*raw).frame = v);
    set_f32(v: f32): |shm, v| shm.temperature.set(v), raw!(|raw, v| (*raw).temperature = v);
    set_nested(v: f64): |shm, v| shm.inner.level.set(v), raw!(|raw, v| (*raw).inner.level = v);
    set_indexed(i: usize, v: u32): |shm, i, v| shm.inner.xs[i].set(v), raw!(|raw, i, v| (*raw).inner.xs[i] = v);
    increment(): |shm| shm.frame.set(shm.frame.get() + 1), raw!(|raw| (*raw).frame += 1);
    increment_nested(): |shm| shm.inner.count.set(shm.inner.count.get() + 1), raw!(|raw| (*raw).inner.count += 1);
    or_flags(v: u32): |shm, v| shm.flags.set(shm.flags.get() | v), raw!(|raw, v| (*raw).flags |= v);
    add_f64(v: f64): |shm, v| shm.inner.level.set(shm.inner.level.get() + v), raw!(|raw, v| (*raw).inner.level += v);
    add_indexed(i: usize): |shm, i| shm.wide[i].set(shm.wide[i].get() + 1), raw!(|raw, i| (*raw).wide[i] += 1);
    decrement_byte(): |shm| shm.state.set(shm.state.get().wrapping_sub(1)),
        raw!(|raw| (*raw).state = (*raw).state.wrapping_sub(1));
}

both! { Grown, shm_grown, raw_grown;
    grown_get_element() -> u32: |shm| shm.xs[1].get(), raw!(|raw| (*raw).xs[1]);
    grown_get_indexed(i: usize) -> f64: |shm, i| shm.history[i].level.get(), raw!(|raw, i| (*raw).history[i].level);
    grown_set(v: u64): |shm, v| shm.count.set(v), raw!(|raw, v| (*raw).count = v);
    grown_increment(): |shm| shm.count.set(shm.count.get() + 1), raw!(|raw| (*raw).count += 1);
}

/// The same through the handle itself, which holds the address next to the number of elements of a trailing slice.
#[cfg(not(feature = "raw"))]
pub mod shm_handle {
    use super::*;
    use shm_core::Shm;

    #[unsafe(no_mangle)]
    pub fn handle_get(shm: &Shm<Telemetry>) -> u64 {
        shm.frame.get()
    }

    #[unsafe(no_mangle)]
    pub fn handle_increment(shm: &Shm<Telemetry>) {
        shm.inner.count.set(shm.inner.count.get() + 1);
    }

    #[unsafe(no_mangle)]
    pub fn handle_get_indexed(shm: &Shm<Telemetry>, i: usize) -> f64 {
        shm.history[i].level.get()
    }
}

/// What one would write by hand.
#[cfg(feature = "raw")]
pub mod raw_handle {
    use super::*;

    /// The fields of the handle that access needs, in its order.
    #[repr(C)]
    pub struct Handle {
        tail: usize,
        payload: *mut Telemetry,
    }

    /// # Safety
    ///
    /// The handle's pointer leads to a live value that nobody else accesses.
    #[unsafe(no_mangle)]
    pub unsafe fn handle_get(handle: &Handle) -> u64 {
        // SAFETY: the caller vouches for the pointer.
        unsafe { (*handle.payload).frame }
    }

    /// # Safety
    ///
    /// As `handle_get`.
    #[unsafe(no_mangle)]
    pub unsafe fn handle_increment(handle: &Handle) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { (*handle.payload).inner.count += 1 }
    }

    /// # Safety
    ///
    /// As `handle_get`.
    #[unsafe(no_mangle)]
    pub unsafe fn handle_get_indexed(handle: &Handle, i: usize) -> f64 {
        // SAFETY: the caller vouches for the pointer.
        unsafe { (*handle.payload).history[i].level }
    }
}
