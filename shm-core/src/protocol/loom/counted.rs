//! Waking under loom: what the models of the types that are one word have in common.

use std::marker::PhantomData;

use loom::sync::atomic::AtomicU32;

use crate::primitive::Ordering;
use crate::protocol::counted::WakeSome;
use crate::protocol::eventcount::WakeAll;
use crate::protocol::loom::Queue;

/// The single step that differs.
pub(crate) trait Variant: 'static {
    const COUNT: Ordering = Ordering::Release;
    const TIDIES: bool = true;
    const WAKES: bool = true;
}

pub(crate) struct Sound;
impl Variant for Sound {}

/// Who wakes.
pub(crate) struct Waker<'a, V>(&'a Queue, PhantomData<V>);

impl<'a, V> Waker<'a, V> {
    pub(crate) fn of(queue: &'a Queue) -> Self {
        Self(queue, PhantomData)
    }
}

impl<V: Variant> WakeAll for Waker<'_, V> {
    fn wake_all(&self, _: &AtomicU32) {
        self.0.wake_all();
    }
}

impl<V: Variant> WakeSome for Waker<'_, V> {
    const COUNT: Ordering = V::COUNT;
    const TIDIES: bool = V::TIDIES;

    fn wake_up_to(&self, _: &AtomicU32, count: u32) -> u32 {
        if V::WAKES { self.0.wake(count) } else { count }
    }
}
