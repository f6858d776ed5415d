//! What rows show, on real segments and with instants that the test chooses.

use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::dynamic::DynSegment;
use shm_core::sync::{Broadcast, Event, Mutex, SeqLock};
use shm_core::{Shm, ShmVec};

use super::*;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Node {
    next: u32,
    load: f32,
}

#[derive(ShmLayout)]
#[shm(padding)]
#[repr(C)]
struct Machine {
    frame: u64,
    pose: SeqLock<[f64; 3]>,
    ticks: Broadcast<Node, 8>,
    lock: Mutex<u64>,
    done: Event,
    log: ShmVec<u32, 8>,
    nodes: [Node; 100],
    huge: [u64; 100_000],
}

struct Fixture {
    shm: Shm<Machine>,
    model: Model,
    begin: Instant,
    now: Duration,
}

impl Fixture {
    fn new(tag: &str, paths: &[&str]) -> Self {
        let name = format!("/cli-model-{tag}-{}", std::process::id());
        let shm = Machine::create(&name).unwrap();
        let segment = DynSegment::attach_read_only(&name).unwrap();
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let model = Model::new(&segment, &paths, Duration::from_millis(250)).unwrap();
        let mut fixture = Self {
            shm,
            model,
            begin: Instant::now(),
            now: Duration::ZERO,
        };
        fixture.sample();
        fixture
    }

    /// Samples 20 rows, a quarter of a second later.
    fn sample(&mut self) {
        self.now += Duration::from_millis(250);
        self.model.sample(20, self.begin + self.now, true);
    }

    fn input(&mut self, inputs: &[Input]) {
        for input in inputs {
            assert_eq!(self.model.input(*input), Outcome::Continue);
        }
        self.sample();
    }

    fn typed(&mut self, text: &str) {
        let keys: Vec<_> = text.chars().map(Input::Char).collect();
        self.input(&keys);
    }

    fn paths(&self) -> Vec<&str> {
        let views = self.model.views().iter();
        views.map(|view| view.path.as_str()).collect()
    }

    fn view(&self, path: &str) -> &RowView {
        let mut views = self.model.views().iter();
        let found = views.find(|view| view.path == path);
        found.unwrap_or_else(|| panic!("{path} is not among {:?}", self.paths()))
    }

    /// Moves the cursor to a row, which must be visible.
    fn go_to(&mut self, path: &str) {
        let (_, top, _) = self.model.position();
        let row = self.paths().iter().position(|of| *of == path);
        self.model.cursor = top + row.unwrap_or_else(|| panic!("{path}: {:?}", self.paths()));
    }
}

#[test]
fn rows_show_values_and_states() {
    let mut fixture = Fixture::new("values", &["."]);
    fixture.shm.frame.set(7);
    fixture.shm.pose.store([0.5, 1.0, 1.5]).unwrap();
    fixture.shm.log.push(3).unwrap();
    fixture.sample();
    assert_eq!(fixture.view("frame").text, "7");
    assert_eq!(fixture.view("lock").text, "0 (free)");
    assert_eq!(fixture.view("done").text, "generation 0");
    assert_eq!(fixture.view("log").text, "[3]");
    let pose = &fixture.view("pose").text;
    assert!(pose.starts_with("[0.5, 1.0, 1.5] (commit 1"), "{pose}");
    assert_eq!(fixture.view("ticks[#0]").text, "no message was sent yet");
    let huge = &fixture.view("huge").text;
    assert_eq!(huge, "(100000 elements) [0, 0, 0, 0, 0, 0, 0, 0]");
    let guard = fixture.shm.lock.lock().unwrap();
    let now = fixture.begin + fixture.now;
    fixture.model.sample(20, now, true);
    drop(guard);
    let lock = fixture.view("lock").text.clone();
    assert!(lock.contains("locked by process"), "{lock}");
}

#[test]
fn changes_are_noticed_and_age() {
    let mut fixture = Fixture::new("changes", &["frame", "nodes"]);
    assert_eq!(fixture.view("frame").age, None);
    fixture.shm.frame.set(1);
    fixture.sample();
    assert_eq!(fixture.view("frame").age, Some(Duration::ZERO));
    assert_eq!(fixture.view("nodes[0]").age, None);
    fixture.shm.nodes[0].load.set(0.5);
    fixture.sample();
    assert_eq!(fixture.view("frame").age, Some(Duration::from_millis(250)));
    assert_eq!(fixture.view("nodes[0]").age, Some(Duration::ZERO));
    let curve = [0.0, 1.0, 1.0].map(Some);
    assert_eq!(fixture.view("frame").curve, curve);
}

#[test]
fn the_rate_of_a_queue_is_that_of_its_messages() {
    let mut fixture = Fixture::new("rate", &["ticks", "done"]);
    for round in 0..8_u32 {
        {
            let mut ticks = fixture.shm.ticks.sender().unwrap();
            for message in 0..25 {
                ticks
                    .send(Node {
                        next: round * 25 + message,
                        load: 0.0,
                    })
                    .unwrap();
            }
        }
        fixture.sample();
    }
    let rate = fixture.view("ticks").rate.unwrap();
    assert!((rate - 100.0).abs() < 1e-6, "{rate}");
    assert_eq!(fixture.view("done").rate, Some(0.0));
    // The newest message, as a whole.
    assert_eq!(fixture.view("ticks[#0].next").text, "199");
    let newest = fixture.view("ticks[#0]").label.clone();
    assert_eq!(newest, "newest #199");
}

#[test]
fn only_visible_rows_are_read() {
    let mut fixture = Fixture::new("visible", &["huge"]);
    assert_eq!(fixture.model.position().0, 100_001);
    assert!(fixture.model.reads() <= 20, "{}", fixture.model.reads());
    fixture.shm.huge[99_999].set(5);
    fixture.input(&[Input::End]);
    assert!(fixture.model.reads() <= 20, "{}", fixture.model.reads());
    assert_eq!(fixture.paths().len(), 20);
    assert_eq!(fixture.view("huge[99999]").text, "5");
    fixture.input(&[Input::PageUp, Input::PageUp]);
    assert!(fixture.paths().contains(&"huge[99961]"));
    fixture.input(&[Input::Home]);
    assert_eq!(fixture.paths()[..2], ["huge", "huge[0]"]);
}

#[test]
fn rows_open_and_close() {
    let mut fixture = Fixture::new("fold", &["nodes", "pose"]);
    assert_eq!(fixture.model.position().0, 101 + 4);
    fixture.go_to("nodes[1]");
    fixture.input(&[Input::Right]);
    assert_eq!(
        fixture.paths()[2..5],
        ["nodes[1]", "nodes[1].next", "nodes[1].load"]
    );
    assert_eq!(fixture.model.position().0, 101 + 4 + 2);
    // Into it, out of it, and closed.
    fixture.input(&[Input::Right]);
    assert_eq!(fixture.model.position().2, 3);
    fixture.input(&[Input::Left]);
    assert_eq!(fixture.model.position().2, 2);
    fixture.input(&[Input::Left]);
    assert_eq!(fixture.paths()[2..4], ["nodes[1]", "nodes[2]"]);
    fixture.input(&[Input::Home, Input::Enter]);
    assert_eq!(fixture.paths()[..2], ["nodes", "pose"]);
    // An element that is opened after others keeps its place.
    fixture.input(&[Input::Enter]);
    fixture.go_to("nodes[3]");
    fixture.input(&[Input::Enter]);
    fixture.go_to("nodes[1]");
    fixture.input(&[Input::Enter]);
    let wanted = [
        "nodes",
        "nodes[0]",
        "nodes[1]",
        "nodes[1].next",
        "nodes[1].load",
        "nodes[2]",
        "nodes[3]",
        "nodes[3].next",
    ];
    assert_eq!(fixture.paths()[..8], wanted);
}

#[test]
fn a_filter_shows_matching_paths_and_those_around() {
    let mut fixture = Fixture::new("filter", &["."]);
    fixture.typed("/nodes[42].lo");
    assert_eq!(fixture.paths(), ["nodes", "nodes[42]", "nodes[42].load"]);
    assert!(matches!(fixture.model.mode, Mode::Filter(_)));
    fixture.input(&[Input::Enter]);
    assert_eq!(fixture.model.mode, Mode::Rows);
    // The first Esc shows all again, and the second one quits.
    fixture.input(&[Input::Escape]);
    assert!(fixture.paths().contains(&"frame"));
    assert_eq!(fixture.model.input(Input::Escape), Outcome::Quit);
    // Cases do not count, and Esc while typing cancels.
    fixture.typed("/FRAME");
    assert_eq!(fixture.paths(), ["frame"]);
    fixture.input(&[Input::Backspace; 5]);
    assert!(fixture.paths().len() > 1);
    fixture.input(&[Input::Escape]);
    assert_eq!(fixture.model.filter, "");
    fixture.typed("/no such");
    assert_eq!(fixture.paths(), [""; 0]);
    // A letter is a letter there.
    fixture.typed("q");
    assert_eq!(fixture.model.filter, "no suchq");
}

#[test]
fn arrays_are_sorted_by_what_a_row_shows() {
    let mut fixture = Fixture::new("sort", &["nodes"]);
    for (index, load) in [(3, 9.0), (50, 7.0), (99, 8.0)] {
        fixture.shm.nodes[index].load.set(load);
    }
    fixture.go_to("nodes[1]");
    fixture.input(&[Input::Enter]);
    fixture.go_to("nodes[1].load");
    fixture.typed("s");
    assert_eq!(
        fixture.paths()[..4],
        ["nodes", "nodes[3]", "nodes[99]", "nodes[50]"]
    );
    assert_eq!(fixture.model.views()[0].label, "nodes (down by load)");
    // The order follows the values.
    fixture.shm.nodes[50].load.set(10.0);
    fixture.sample();
    fixture.input(&[Input::Home]);
    assert_eq!(
        fixture.paths()[..4],
        ["nodes", "nodes[50]", "nodes[3]", "nodes[99]"]
    );
    fixture.shm.nodes[7].load.set(-1.0);
    fixture.go_to("nodes[50]");
    fixture.typed("s");
    fixture.input(&[Input::Home]);
    assert_eq!(fixture.model.views()[0].label, "nodes (down)");
    let mut huge = Fixture::new("sort-huge", &["huge"]);
    huge.typed("s");
    let notice = huge.model.notice.clone().unwrap();
    assert!(notice.contains("at most 4096 elements"), "{notice}");
}

#[test]
fn a_vector_that_grows_has_more_rows() {
    let mut fixture = Fixture::new("vec", &["log"]);
    assert_eq!(fixture.paths(), ["log"]);
    for value in 0..3 {
        fixture.shm.log.push(value).unwrap();
    }
    fixture.sample();
    assert_eq!(fixture.paths(), ["log", "log[0]", "log[1]", "log[2]"]);
    fixture.shm.log.pop().unwrap();
    fixture.sample();
    assert_eq!(fixture.paths(), ["log", "log[0]", "log[1]"]);
}

#[test]
fn another_segment_keeps_what_is_open() {
    let mut fixture = Fixture::new("attach", &["nodes"]);
    fixture.go_to("nodes[1]");
    fixture.input(&[Input::Enter]);
    let before: Vec<String> = fixture.paths().into_iter().map(str::to_owned).collect();
    let other = Fixture::new("attach-other", &["."]);
    let segment = DynSegment::attach_read_only(other.shm.name()).unwrap();
    other.shm.nodes[1].next.set(12);
    fixture.model.attach(&segment).unwrap();
    fixture.sample();
    assert_eq!(fixture.paths(), before);
    assert_eq!(fixture.view("nodes[1].next").text, "12");
    assert_eq!(fixture.view("nodes[1].next").age, None);
}

#[test]
fn keys_change_the_interval_and_pause() {
    let mut fixture = Fixture::new("keys", &["frame"]);
    fixture.typed("+");
    assert_eq!(fixture.model.interval(), Duration::from_millis(200));
    fixture.typed("++++");
    assert_eq!(fixture.model.interval(), Duration::from_millis(50));
    fixture.typed("---------------");
    assert_eq!(fixture.model.interval(), Duration::from_secs(10));
    fixture.typed(" ");
    assert!(fixture.model.is_paused);
    fixture.typed("?");
    assert_eq!(fixture.model.mode, Mode::Help);
    fixture.typed("q");
    assert_eq!(fixture.model.mode, Mode::Rows);
    assert_eq!(fixture.model.input(Input::Char('q')), Outcome::Quit);
    assert_eq!(fixture.model.input(Input::Interrupt), Outcome::Quit);
}

#[test]
fn invalid_bytes_are_a_problem_of_one_row() {
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Text {
        letter: char,
        number: u32,
    }

    let name = format!("/cli-model-invalid-{}", std::process::id());
    let shm = Text::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    // A peer that writes what no `char` is.
    shm_tests::poke(&shm.letter, 3, 0xff);
    shm.number.set(4);
    let mut model = Model::new(&segment, &[".".to_owned()], Duration::from_secs(1)).unwrap();
    model.sample(5, Instant::now(), true);
    let [letter, number] = model.views() else {
        panic!("{:?}", model.views());
    };
    assert_eq!(letter.kind, Kind::Problem);
    assert_eq!(number.text, "4");
}

#[test]
fn a_filter_looks_at_so_many_elements_in_all() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Two {
        first: [u8; 60_000],
        second: [[u8; 0]; 60_000],
    }

    let name = format!("/cli-model-filtered-{}", std::process::id());
    let _shm = Two::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let paths = [".".to_owned()];
    let mut model = Model::new(&segment, &paths, Duration::from_secs(1)).unwrap();
    model.input(Input::Char('/'));
    for letter in "[59999]".chars() {
        model.input(Input::Char(letter));
    }
    model.sample(20, Instant::now(), true);
    let paths: Vec<&str> = model.views().iter().map(|view| &*view.path).collect();
    assert_eq!(paths, ["first", "first[59999]"]);
    assert!(model.is_partial());
}
