//! Readers beside a writer at full speed never see half of one sample and half of another.

use std::thread;

use crate::support::Name;
use shm_examples::sysmon::Error;
use shm_examples::sysmon::exchange::{Reader, Writer};
use shm_examples::sysmon::segment::{Cpu, Sample, Ticks};
use shm_examples::sysmon::signals::Signals;

/// A sample in which every processor has the same number everywhere.
fn fill(sample: &mut Sample, number: u64) {
    let ticks = Ticks {
        user: number,
        idle: number,
        ..Ticks::ZERO
    };
    sample.cpus.each = [Cpu { id: number, ticks }; 256];
    sample.memory.swap_free = number;
}

#[test]
fn no_sample_is_torn() {
    const SAMPLES: u64 = 500;
    let name = Name::unique();
    let signals = Signals::block().unwrap();
    let writer = Writer::start(&name.0, &signals).unwrap().unwrap();
    let mut sample = Box::new(Sample::ZERO);
    fill(&mut sample, 1);
    writer.publish(&mut sample);

    thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                let reader = Reader::attach(&name.0).unwrap();
                let mut sample = Box::new(Sample::ZERO);
                let (mut seen, mut last) = (0, 0);
                while seen < SAMPLES {
                    match reader.latest(&mut sample) {
                        Ok(there) => assert!(there),
                        // So fast a writer can starve a reader, which is told and may go on.
                        Err(Error::Restless { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    }
                    let number = sample.number;
                    assert!(number >= last, "{number} after {last}");
                    assert_eq!(sample.memory.swap_free, number);
                    for cpu in &sample.cpus.each {
                        let ticks = cpu.ticks;
                        assert_eq!([cpu.id, ticks.user, ticks.idle], [number; 3]);
                    }
                    seen += u64::from(number > last);
                    last = number;
                }
            })
        });
        let mut number = 1;
        while readers.iter().any(|reader| !reader.is_finished()) {
            number += 1;
            fill(&mut sample, number);
            writer.publish(&mut sample);
        }
    });
}
