//! The shared struct. [`exchange`] has the protocol by which one process writes it while others read.
//!
//! The derive rejects padding and types whose width differs between processes. So counts are `u32` instead of `usize`, and
//! flags next to numbers are `u32` too.
//!
//! [`exchange`]: super::exchange

use std::sync::atomic::{AtomicU32, AtomicU64};

use shm_core::ShmLayout;

/// The number of processors that fit into a sample.
pub const MAX_CPUS: usize = 256;

/// Clock ticks that a processor has spent in each state since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ShmLayout)]
#[repr(C)]
pub struct Ticks {
    /// Running programs.
    pub user: u64,
    /// Running programs of a lowered priority.
    pub nice: u64,
    /// In the kernel.
    pub system: u64,
    /// With nothing to do.
    pub idle: u64,
    /// With nothing to do while a program waits for a device.
    pub iowait: u64,
    /// Serving interrupts.
    pub irq: u64,
    /// Serving what interrupts left for later.
    pub softirq: u64,
    /// Ready to run, while the hypervisor ran something else.
    pub steal: u64,
}

/// One processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ShmLayout)]
#[repr(C)]
pub struct Cpu {
    /// The `N` of `cpuN`. There can be gaps: processors can be offline.
    pub id: u64,
    /// How it spent its time.
    pub ticks: Ticks,
}

/// All processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ShmLayout)]
#[repr(C)]
pub struct Cpus {
    /// The number of processors online.
    pub online: u32,
    /// The number of them in `each`, from its start.
    pub kept: u32,
    /// All of them together.
    pub sum: Ticks,
    /// Each of them.
    pub each: [Cpu; MAX_CPUS],
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ShmLayout)]
#[repr(C)]
pub struct Memory {
    /// All that the kernel manages.
    pub total: u64,
    /// Not in use at all.
    pub free: u64,
    /// Available to programs without swapping, as estimated by the kernel.
    pub available: u64,
    /// Buffers of block devices.
    pub buffers: u64,
    /// File contents, shared memory included.
    pub cached: u64,
    /// Size of the swap space.
    pub swap_total: u64,
    /// Unused swap space.
    pub swap_free: u64,
}

/// Load averages.
#[derive(Debug, Clone, Copy, PartialEq, ShmLayout)]
#[repr(C)]
pub struct Load {
    /// Runnable and disk-bound tasks, averaged over 1, 5 and 15 minutes.
    pub averages: [f32; 3],
    /// Tasks that are runnable now.
    pub running: u32,
    /// Tasks that exist.
    pub tasks: u32,
    /// The newest process id.
    pub last_pid: u32,
}

/// One line of a pressure file: the share of time that tasks were stalled on a resource.
#[derive(Debug, Clone, Copy, PartialEq, ShmLayout)]
#[repr(C)]
pub struct Stall {
    /// Over ten seconds, in percent.
    pub avg10: f32,
    /// Over a minute, in percent.
    pub avg60: f32,
    /// Over five minutes, in percent.
    pub avg300: f32,
    /// 0 if the kernel has no such line.
    pub present: u32,
    /// Since the machine started, in microseconds.
    pub total_us: u64,
}

/// One pressure file.
#[derive(Debug, Clone, Copy, PartialEq, ShmLayout)]
#[repr(C)]
pub struct Pressure {
    /// At least one task was stalled.
    pub some: Stall,
    /// All tasks were stalled.
    pub full: Stall,
}

/// Pressure stall information.
#[derive(Debug, Clone, Copy, PartialEq, ShmLayout)]
#[repr(C)]
pub struct PressureFiles {
    /// Stalled on processors.
    pub cpu: Pressure,
    /// Stalled on memory.
    pub memory: Pressure,
    /// Stalled on devices.
    pub io: Pressure,
}

/// The machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, ShmLayout)]
#[repr(C)]
pub struct Sample {
    /// 1 for the first sample in a segment, then one more each time.
    pub number: u64,
    /// When it was taken, on the clock of [`now_ns`](super::exchange::now_ns).
    pub taken_ns: u64,
    /// When it was taken, in nanoseconds since 1970.
    pub taken_real_ns: u64,
    /// Processors.
    pub cpus: Cpus,
    /// Memory.
    pub memory: Memory,
    /// Load averages.
    pub load: Load,
    /// Pressure stall information.
    pub pressure: PressureFiles,
}

/// The segment.
#[derive(ShmLayout)]
#[repr(C)]
pub struct Sysmon {
    /// The number of the newest complete sample, 0 before the first. See [`exchange`](super::exchange).
    pub published: AtomicU64,
    /// The time of the writer's last heartbeat, on the clock of [`now_ns`](super::exchange::now_ns); 0 before the first.
    pub heartbeat_ns: AtomicU64,
    /// The writer's process id, as the writer itself sees it.
    pub writer_pid: AtomicU32,
    /// 1 once the writer has ended normally.
    pub stopped: AtomicU32,
    /// Sample `n` is in half `n % 2`.
    pub halves: [Sample; 2],
}

impl Ticks {
    /// All zero.
    pub const ZERO: Self = Self {
        user: 0,
        nice: 0,
        system: 0,
        idle: 0,
        iowait: 0,
        irq: 0,
        softirq: 0,
        steal: 0,
    };
}

impl Cpu {
    /// All zero.
    pub const ZERO: Self = Self {
        id: 0,
        ticks: Ticks::ZERO,
    };
}

impl Cpus {
    /// No processor.
    pub const ZERO: Self = Self {
        online: 0,
        kept: 0,
        sum: Ticks::ZERO,
        each: [Cpu::ZERO; MAX_CPUS],
    };
}

impl Memory {
    /// All zero.
    pub const ZERO: Self = Self {
        total: 0,
        free: 0,
        available: 0,
        buffers: 0,
        cached: 0,
        swap_total: 0,
        swap_free: 0,
    };
}

impl Load {
    /// All zero.
    pub const ZERO: Self = Self {
        averages: [0.0; 3],
        running: 0,
        tasks: 0,
        last_pid: 0,
    };
}

impl Stall {
    /// A line that the kernel does not have.
    pub const ABSENT: Self = Self {
        avg10: 0.0,
        avg60: 0.0,
        avg300: 0.0,
        present: 0,
        total_us: 0,
    };
}

impl Pressure {
    /// A file that the kernel does not have.
    pub const ABSENT: Self = Self {
        some: Stall::ABSENT,
        full: Stall::ABSENT,
    };
}

impl PressureFiles {
    /// A kernel without pressure accounting.
    pub const ABSENT: Self = Self {
        cpu: Pressure::ABSENT,
        memory: Pressure::ABSENT,
        io: Pressure::ABSENT,
    };
}

impl Sample {
    /// Nothing sampled yet.
    pub const ZERO: Self = Self {
        number: 0,
        taken_ns: 0,
        taken_real_ns: 0,
        cpus: Cpus::ZERO,
        memory: Memory::ZERO,
        load: Load::ZERO,
        pressure: PressureFiles::ABSENT,
    };
}
