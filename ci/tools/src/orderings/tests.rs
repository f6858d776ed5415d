use super::site::{Weakening, weakenings};

fn found(text: &str) -> Vec<Weakening> {
    weakenings(&[("src/word.rs".to_owned(), text.to_owned())]).unwrap()
}

fn names(text: &str) -> Vec<String> {
    found(text).into_iter().map(|each| each.name).collect()
}

#[test]
fn each_ordering_has_its_weaker_ones() {
    let text = "
        pub const CLAIM: Ordering = Ordering::Acquire;
        trait Env { const BOTH: Ordering = AcqRel; const SAME: Ordering = CLAIM; }
        fn f(w: &AtomicU32) { w.store(1, Ordering::Release); w.load(Ordering::Relaxed); }
        impl S { fn g() { fence(Ordering::SeqCst); fence(Ordering::Acquire); } }
    ";
    let expected = [
        "word::CLAIM: Acquire -> Relaxed",
        "word::Env::BOTH: AcqRel -> Acquire",
        "word::Env::BOTH: AcqRel -> Release",
        "word::f: store Release -> Relaxed",
        "word::g: fence SeqCst -> AcqRel",
        "word::g: fence SeqCst -> none",
        "word::g: fence Acquire -> none",
    ];
    assert_eq!(names(text), expected);
}

#[test]
fn uses_of_a_constant_are_weakened_one_by_one() {
    let text = "
        trait Env { const CLAIM: Ordering = Ordering::Acquire; }
        fn f<W: Env>(w: &AtomicU32) {
            if w.compare_exchange(0, 1, W::CLAIM, Ordering::Relaxed).is_ok() {}
            if w.compare_exchange(2, 3, W::CLAIM, Ordering::Relaxed).is_ok() {}
        }
    ";
    let found = found(text);
    let [declared, first, second] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(declared.name, "word::Env::CLAIM: Acquire -> Relaxed");
    assert_eq!(first.name, "word::f: compare_exchange W::CLAIM -> Relaxed");
    assert_eq!(
        second.name,
        "word::f: compare_exchange W::CLAIM -> Relaxed #2"
    );
    let changed = second.apply(text);
    assert!(
        changed.contains("(2, 3, Ordering::Relaxed, Ordering::Relaxed)"),
        "{changed}"
    );
    assert!(
        changed.contains("(0, 1, W::CLAIM, Ordering::Relaxed)"),
        "{changed}"
    );
    assert!(
        declared
            .apply(text)
            .contains("CLAIM: Ordering = Ordering::Relaxed;")
    );
}

#[test]
fn a_number_of_the_same_name_is_left() {
    let text = "
        const COUNT: u64 = 3;
        trait Wake { const COUNT: Ordering = Ordering::Relaxed; }
        fn f<W: Wake>(w: &AtomicU64) { w.fetch_add(w.load(Ordering::Relaxed).min(COUNT), W::COUNT); }
    ";
    assert_eq!(names(text), ["word::f: fetch_add W::COUNT -> Relaxed"]);
}

#[test]
fn tests_and_comparisons_are_left() {
    let text = "
        #[cfg(all(test, not(loom)))]
        mod tests { fn f(w: &AtomicU32) { w.load(Ordering::Acquire); } }
        fn f(o: Ordering) -> bool { o != Ordering::Acquire }
    ";
    assert_eq!(names(text), [""; 0]);
}

#[test]
fn an_ordering_in_a_macro_is_an_error() {
    let text = "\nfn f(w: &AtomicU32) { assert_eq!(w.load(Ordering::Acquire), 1); }";
    let error = weakenings(&[("src/word.rs".to_owned(), text.to_owned())]).unwrap_err();
    assert_eq!(error, "src/word.rs:2: an ordering in a macro is not found");
}
