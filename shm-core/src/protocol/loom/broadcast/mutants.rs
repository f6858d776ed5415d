//! The mutants of the parent's models.

use super::*;
use crate::primitive::model::fence;
use crate::protocol::loom::{mutant_deadlocks, mutant_fails};

mutant_fails!(a_relaxed_load_of_the_tail_is_caught, overtaken::<Mutant, 2>(),
    impl Mutations for Mutant {
        const LOAD: Ordering = Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_slot_too_many_is_caught, overtaken::<Mutant, 2>(),
    impl Mutations for Mutant {
        const EXTRA_SLOTS: u64 = 1;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_copy_without_a_fence_behind_it_is_caught, overtaken::<Mutant, 2>(),
    impl Mutations for Mutant {
        fn copied() {}
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_write_without_a_fence_before_it_is_caught, overtaken::<Mutant, 2>(),
    impl Mutations for Mutant {
        fn reserve(reserved: &AtomicU64, value: u64) {
            reserved.store(value, Relaxed);
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_publication_is_caught, overtaken::<Mutant, 2>(),
    impl Mutations for Mutant {
        fn publish(tail: &AtomicU64, value: u64, _: CommitOrder) {
            tail.store(value, Relaxed);
            fence(Ordering::SeqCst);
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(no_recheck_after_leaving_is_caught, leaving::<Mutant>(),
    impl Mutations for Mutant {
        const RECHECKS: bool = false;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(no_recheck_after_a_death_is_caught, death::<Mutant, 2>(),
    impl Mutations for Mutant {
        const RECHECKS: bool = false;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_claim_that_is_loaded_too_early_is_caught, leaving::<Mutant>(),
    impl Mutations for Mutant {
        fn has_left(origin: &impl PeerState) -> bool {
            origin.owner() == 0 && origin.joined().load(Acquire) != 0
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_probe_is_caught, death::<Mutant, 2>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const PROBE: Ordering = Relaxed;
    }
);
mutant_fails!(a_relaxed_load_of_the_claim_is_caught, departure::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const OWNER: Ordering = Relaxed;
    }
);
mutant_fails!(a_relaxed_load_while_reconnecting_is_caught, reconnecting::<Mutant>(true),
    impl Mutations for Mutant {
        const LOAD: Ordering = Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(sends_to_a_reconnecting_receiver_without_a_fence, an_unfenced_send_while_reconnecting_is_caught,
    reconnecting::<Mutant>(false),
    impl Mutations for Mutant {
        fn publish(tail: &AtomicU64, value: u64, _: CommitOrder) {
            tail.store(value, Release);
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(joins_without_a_fence, coming_without_a_fence_is_caught, succession::<Mutant>(false),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const JOIN_FENCED: bool = false;
    }
);
mutant_deadlocks!(leaves_without_a_fence, leaving_without_a_fence_is_caught, leaving::<Mutant>(),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const LEAVE_FENCED: bool = false;
    }
);
mutant_deadlocks!(nobody_wakes, a_publication_without_a_fence_behind_it_is_caught, waiting::<Mutant>(),
    impl Mutations for Mutant {
        fn publish(tail: &AtomicU64, value: u64, _: CommitOrder) {
            tail.store(value, Release);
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(nobody_notifies, joining_without_a_notification_is_caught, succession::<Mutant>(false),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const NOTIFIES: bool = false;
    }
);
