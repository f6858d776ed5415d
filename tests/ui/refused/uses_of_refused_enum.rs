//! A refused enum causes no second error where it is used.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Event {
    None,
    Key(u8),
}

#[derive(Clone, Copy, ShmLayout)]
enum Mode {
    Idle,
    Busy,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Shared {
    event: Event,
    modes: [Mode; 2],
}

fn main() -> Result<(), shm_core::ShmError> {
    let shm = Shared::create("/events")?;
    shm.event.set(Event::None);
    let _ = shm.event.try_get();
    let _ = shm.modes[1].try_get();
    let _ = shm.try_load();
    shm.modes[0].set(Mode::Busy);
    Ok(())
}
