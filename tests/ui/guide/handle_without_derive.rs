//! The struct has no derive, and the trait is not in scope.

struct Data {
    x: u64,
}

fn main() {
    let _ = Data::create("/x");
}
