//! Readers next to a writer at full speed never see parts of two samples.

use std::thread;

use crate::support::Name;
use shm_examples::sysmon::Error;
use shm_examples::sysmon::exchange::{Reader, Writer};
use shm_examples::sysmon::segment::{Cpu, Sample, Ticks};
use shm_examples::sysmon::signals::Signals;

/// The field values of sample `number`. Three values in turn, so samples `n` and `n + 2`, which use the same half, differ.
fn value(number: u64) -> u64 {
    number % 3
}

/// A sample in which every processor has the same value everywhere.
fn filled(value: u64) -> Box<Sample> {
    let mut sample = Box::new(Sample::ZERO);
    let ticks = Ticks {
        user: value,
        idle: value,
        ..Ticks::ZERO
    };
    sample.cpus.each = [Cpu { id: value, ticks }; 256];
    sample.memory.swap_free = value;
    sample
}

#[test]
fn no_sample_is_torn() {
    const SAMPLES: u64 = 2_000;
    let name = Name::unique();
    let signals = Signals::block().unwrap();
    let writer = Writer::start(&name.0, &signals).unwrap().unwrap();
    // Made in advance, so that the writer does nothing but publish.
    let mut samples = [0, 1, 2].map(filled);
    writer.publish(&mut samples[1]);

    thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                let reader = Reader::attach(&name.0).unwrap();
                let mut sample = Box::new(Sample::ZERO);
                let (mut seen, mut last) = (0, 0);
                while seen < SAMPLES {
                    match reader.latest(&mut sample) {
                        Ok(there) => assert!(there),
                        // So fast a writer can starve a reader, which may try again.
                        Err(Error::Contended { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    }
                    let number = sample.number;
                    let expected = value(number);
                    assert!(number >= last, "{number} after {last}");
                    assert_eq!(sample.memory.swap_free, expected, "sample {number}");
                    for cpu in &sample.cpus.each {
                        let found = [cpu.id, cpu.ticks.user, cpu.ticks.idle];
                        assert_eq!(found, [expected; 3], "sample {number}");
                    }
                    seen += u64::from(number > last);
                    last = number;
                }
            })
        });
        let mut number = 1;
        while readers.iter().any(|reader| !reader.is_finished()) {
            number += 1;
            writer.publish(&mut samples[value(number) as usize]);
        }
    });
}
