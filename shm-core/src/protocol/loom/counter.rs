//! Waking under loom: what the models of semaphores share.

use std::marker::PhantomData;

use loom::sync::atomic::AtomicU32;

use crate::primitive::Ordering;
use crate::protocol::counter::WakeSome;
use crate::protocol::eventcount::WakeAll;
use crate::protocol::loom::{FutexQueue, Product};

/// The single step that differs.
pub(crate) trait ModelMutations: 'static {
    const COUNT: Ordering = <Product as WakeSome>::COUNT;
    const REWAKES: bool = <Product as WakeSome>::REWAKES;
    const WAKES: bool = true;
}

pub(crate) struct Correct;
impl ModelMutations for Correct {}

/// The waker.
pub(crate) struct Waker<'a, V>(&'a FutexQueue, PhantomData<V>);

impl<'a, V> Waker<'a, V> {
    pub(crate) fn of(queue: &'a FutexQueue) -> Self {
        Self(queue, PhantomData)
    }
}

impl<V: ModelMutations> WakeAll for Waker<'_, V> {
    fn wake_all(&self, _: &AtomicU32) {
        self.0.wake_all();
    }
}

impl<V: ModelMutations> WakeSome for Waker<'_, V> {
    const COUNT: Ordering = V::COUNT;
    const REWAKES: bool = V::REWAKES;

    fn wake_up_to(&self, _: &AtomicU32, count: u32) -> u32 {
        if V::WAKES { self.0.wake(count) } else { count }
    }
}
