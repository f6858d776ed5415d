//! Models that must fail: each differs from one that passes in a single step.

use super::*;
use crate::primitive::model::fence;
use crate::protocol::loom::{fails, gets_stuck};

fails!(a_relaxed_look_is_caught, overtaken::<Broken, 2>(),
    impl Steps for Broken {
        const LOOK: Ordering = Relaxed;
    }
    impl Variant for Broken {}
);
fails!(a_slot_too_many_is_caught, overtaken::<Broken, 2>(),
    impl Steps for Broken {
        const BEYOND: u64 = 1;
    }
    impl Variant for Broken {}
);
fails!(a_copy_without_a_fence_behind_it_is_caught, overtaken::<Broken, 2>(),
    impl Steps for Broken {
        fn copied() {}
    }
    impl Variant for Broken {}
);
fails!(a_write_without_a_fence_before_it_is_caught, overtaken::<Broken, 2>(),
    impl Steps for Broken {
        fn reserve(reserved: &AtomicU64, value: u64) {
            reserved.store(value, Relaxed);
        }
    }
    impl Variant for Broken {}
);
fails!(a_relaxed_publication_is_caught, overtaken::<Broken, 2>(),
    impl Steps for Broken {
        fn publish(tail: &AtomicU64, value: u64) {
            tail.store(value, Relaxed);
            fence(Ordering::SeqCst);
        }
    }
    impl Variant for Broken {}
);
fails!(news_of_leaving_without_a_second_look_is_caught, leaving::<Broken>(),
    impl Steps for Broken {
        const AGAIN: bool = false;
    }
    impl Variant for Broken {}
);
fails!(news_of_a_death_without_a_second_look_is_caught, death::<Broken, 2>(),
    impl Steps for Broken {
        const AGAIN: bool = false;
    }
    impl Variant for Broken {}
);
fails!(a_claim_that_is_looked_at_too_early_is_caught, leaving::<Broken>(),
    impl Steps for Broken {
        fn has_left(origin: &impl Seen) -> bool {
            origin.owner() == 0 && origin.came().load(Acquire) != 0
        }
    }
    impl Variant for Broken {}
);
fails!(a_relaxed_probe_is_caught, death::<Broken, 2>(),
    impl Steps for Broken {}
    impl Variant for Broken {
        const PROBE: Ordering = Relaxed;
    }
);
fails!(a_relaxed_look_at_the_claim_is_caught, departure::<Broken>(),
    impl Steps for Broken {}
    impl Variant for Broken {
        const OWNER: Ordering = Relaxed;
    }
);
gets_stuck!(comes_without_a_fence, coming_without_a_fence_is_caught, succession::<Broken>(false),
    impl Steps for Broken {}
    impl Variant for Broken {
        const COMING_IS_FENCED: bool = false;
    }
);
gets_stuck!(leaves_without_a_fence, leaving_without_a_fence_is_caught, leaving::<Broken>(),
    impl Steps for Broken {}
    impl Variant for Broken {
        const LEAVING_IS_FENCED: bool = false;
    }
);
gets_stuck!(nobody_wakes, a_publication_without_a_fence_behind_it_is_caught, waiting::<Broken>(),
    impl Steps for Broken {
        fn publish(tail: &AtomicU64, value: u64) {
            tail.store(value, Release);
        }
    }
    impl Variant for Broken {}
);
gets_stuck!(nobody_tells, a_sender_that_comes_without_a_word_is_caught, succession::<Broken>(false),
    impl Steps for Broken {}
    impl Variant for Broken {
        const TELLS: bool = false;
    }
);
