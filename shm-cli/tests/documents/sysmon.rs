//! The segment of the example `sysmon`, with values that do not depend on the machine.

use std::sync::atomic::Ordering;

use shm_core::Shm;
use shm_examples::sysmon::segment::{
    Cpu, Cpus, Load, Memory, Pressure, PressureFiles, Sample, Stall, Sysmon, Ticks,
};

/// Publishes a sample.
pub(crate) fn publish(shm: &Shm<Sysmon>, number: u64) {
    shm.writer_pid.store(2541, Ordering::Relaxed);
    let sample = sample(number);
    shm.heartbeat_ns.store(sample.taken_ns, Ordering::Relaxed);
    shm.halves[(number % 2) as usize].store(sample);
    shm.published.store(number, Ordering::Release);
}

/// The sample with this number, 0.1 s after the one before.
fn sample(number: u64) -> Sample {
    let mut each = [Cpu::ZERO; 256];
    for (id, cpu) in (0..).zip(&mut each[..4]) {
        *cpu = Cpu {
            id,
            ticks: ticks(number, id),
        };
    }
    let mut sum = Ticks::ZERO;
    for Cpu { ticks, .. } in &each {
        sum.user += ticks.user;
        sum.nice += ticks.nice;
        sum.system += ticks.system;
        sum.idle += ticks.idle;
        sum.iowait += ticks.iowait;
        sum.softirq += ticks.softirq;
    }
    let stall = |avg10, avg60, avg300, total_us| Stall {
        avg10,
        avg60,
        avg300,
        present: 1,
        total_us,
    };
    let quiet = stall(0.0, 0.0, 0.0, 0);
    // Goes up and down.
    let wave = [0, 1, 3, 6, 8, 9, 8, 6, 3, 1][(number % 10) as usize];
    Sample {
        number,
        taken_ns: 51_355_840_113_117 + number * 100_000_000,
        taken_real_ns: 1_795_997_463_064_398_419 + number * 100_000_000,
        cpus: Cpus {
            online: 4,
            kept: 4,
            sum,
            each,
        },
        memory: Memory {
            total: 16_742_051_840,
            free: 778_051_584 + wave * 4096,
            available: 11_428_569_600 - wave * (1 << 20),
            buffers: 78_684_160,
            cached: 9_003_059_200 + number * 4096,
            swap_total: 2_147_479_552,
            swap_free: 2_147_479_552,
        },
        load: Load {
            averages: [0.5 + wave as f32 / 16.0, 0.75, 0.5],
            running: 1 + (wave / 4) as u32,
            tasks: 412,
            last_pid: 2541 + number as u32,
        },
        pressure: PressureFiles {
            cpu: Pressure {
                some: stall(1.5, 0.75, 0.25, 390_125 + number * 512),
                full: quiet,
            },
            memory: Pressure {
                some: quiet,
                full: quiet,
            },
            io: Pressure {
                some: stall(0.5, 0.25, 0.0, 61_183 + number * 8),
                full: stall(0.25, 0.0, 0.0, 9423),
            },
        },
    }
}

fn ticks(number: u64, id: u64) -> Ticks {
    Ticks {
        user: 279_390 + id * 17_012 + number * (3 + id),
        nice: 1222,
        system: 54_607 - id * 5013 + number,
        idle: 4_548_961 + number * (6 - id),
        iowait: 4524 + id * 97,
        irq: 0,
        softirq: 880 + id * 12,
        steal: 0,
    }
}
