//! Reading on when a peer truncates the file of a mapped segment.
//!
//! An access to a page that a truncation took is a `SIGBUS`. The handler maps a page of zeros in its place and remembers the file.
//! The access is repeated and reads zeros, and the command reports the truncation when it is done. Any other `SIGBUS` ends the
//! process, as without a handler.
//!
//! Which addresses are those of a segment, /proc/self/maps says: a shared mapping, since the command maps nothing else shared. The
//! handler uses system calls and atomics only, so it can interrupt anything.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::failure::Failure;
use crate::output::escaped;

/// The longest path that is remembered: `/dev/shm/`, a name with four characters for each byte, and ` (deleted)`.
const LONGEST_PATH: usize = 1100;

/// From this number of pages on, the rest of a mapping is replaced at once: a process can have 65,530 mappings.
const MOST_PAGES: u32 = 1000;

/// Set before the handler is installed.
static PAGE: AtomicUsize = AtomicUsize::new(0);
static PAGES: AtomicU32 = AtomicU32::new(0);

/// The first page that was lost since the last [`take`]. `STATE` is `WRITING` while a handler fills in the others, then `READY`.
static STATE: AtomicU8 = AtomicU8::new(NOTHING);
static OFFSET: AtomicU64 = AtomicU64::new(0);
static PATH: [AtomicU8; LONGEST_PATH] = [const { AtomicU8::new(0) }; LONGEST_PATH];
static PATH_LEN: AtomicUsize = AtomicUsize::new(0);

const NOTHING: u8 = 0;
const WRITING: u8 = 1;
const READY: u8 = 2;

/// Installs the handler.
pub(crate) fn install() {
    // SAFETY: the call has no requirements.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_sigbus;
    // SAFETY: zeros are a valid `sigaction`: the default action, without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    // Not on the alternate stack, which is small: the stack is not what faults.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and does nothing that a signal handler must not.
    // A failure leaves the default action.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) };
}

/// What to report if pages of a segment were lost since the last call.
pub(crate) fn take() -> Option<Failure> {
    if STATE.load(Ordering::Acquire) != READY {
        return None;
    }
    let len = PATH_LEN.load(Ordering::Relaxed).min(LONGEST_PATH);
    let bytes: Vec<u8> = PATH[..len]
        .iter()
        .map(|byte| byte.load(Ordering::Relaxed))
        .collect();
    let offset = OFFSET.load(Ordering::Relaxed);
    STATE.store(NOTHING, Ordering::Release);
    let path = String::from_utf8_lossy(&bytes);
    let file = path.strip_suffix(" (deleted)").unwrap_or(&path);
    let name = file.strip_prefix("/dev/shm").unwrap_or(file);
    let name = escaped(name);
    let is_there = std::fs::metadata(Path::new(file)).is_ok_and(|file| file.len() > offset);
    if !is_there {
        return Some(truncated(name, offset));
    }
    Some(Failure::refused(format!(
        "`{name}` could not be read at byte {offset}, and zeros were read instead: the file was truncated while it was read and \
             has grown again, or it is sparse and there is no memory left for its pages; look at `df /dev/shm`, then run the \
             command again"
    )))
}

/// What to report if a file has lost the bytes from `offset` on.
pub(crate) fn truncated(name: impl fmt::Display, offset: u64) -> Failure {
    Failure::refused(format!(
        "`{name}`: the file was truncated while it was read, and zeros were read from byte {offset} on; another program \
         has damaged it, so remove it with `shm rm`, restart the programs that use it, and allow only those to write to it"
    ))
}

extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes the information about the signal, which is there until the handler returns.
    let info = unsafe { &*info };
    // SAFETY: the call has no requirements.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: `errno` lives as long as this thread, which alone uses it.
    let errno = unsafe { &mut *errno };
    let before = *errno;
    // SAFETY: of a fault, the kernel sets the address.
    let address = || unsafe { info.si_addr() } as usize;
    if info.si_code != libc::BUS_ADRERR || !replace(address()) {
        // SAFETY: sets the default action, which is always allowed.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        // SAFETY: the call has no requirements. The signal is blocked until the handler returns, and ends the process then.
        unsafe { libc::raise(signal) };
    }
    *errno = before;
}

/// Maps zeros over the page at an address in a shared mapping. Returns `false` if it is not in one.
fn replace(address: usize) -> bool {
    let Some(found) = mapping_at(address) else {
        return false;
    };
    if !found.shared {
        return false;
    }
    let page = PAGE.load(Ordering::Relaxed);
    let start = address & !(page - 1);
    let one = PAGES.fetch_add(1, Ordering::Relaxed) < MOST_PAGES;
    let rest = found.end - start;
    // All pages behind a truncation are lost. A mapping of huge pages of a fixed size can only be replaced as a whole.
    let replaced = one && map_zeros(start, page, found.writable)
        || map_zeros(start, rest, found.writable)
        || map_zeros(found.start, found.end - found.start, found.writable);
    if replaced {
        remember(&found, start);
    }
    replaced
}

fn map_zeros(start: usize, len: usize, writable: bool) -> bool {
    let protection = if writable {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_READ
    };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: the range lies in a shared mapping of this process, which is a segment's. Segments are only accessed atomically,
    // may change at any time and have the same protection afterwards, so zeros are as good as any other bytes.
    let mapped = unsafe { libc::mmap(start as *mut c_void, len, protection, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}

/// Remembers the first page that is lost.
fn remember(found: &Mapping, start: usize) {
    let exchanged = STATE.compare_exchange(NOTHING, WRITING, Ordering::Acquire, Ordering::Relaxed);
    if exchanged.is_err() {
        return;
    }
    let offset = found.offset + (start - found.start) as u64;
    OFFSET.store(offset, Ordering::Relaxed);
    for (to, from) in PATH.iter().zip(&found.path[..found.path_len]) {
        to.store(*from, Ordering::Relaxed);
    }
    PATH_LEN.store(found.path_len, Ordering::Relaxed);
    STATE.store(READY, Ordering::Release);
}

/// A line of /proc/self/maps.
struct Mapping {
    start: usize,
    end: usize,
    writable: bool,
    shared: bool,
    offset: u64,
    path: [u8; LONGEST_PATH],
    path_len: usize,
}

/// Finds the mapping with an address.
fn mapping_at(address: usize) -> Option<Mapping> {
    let path = c"/proc/self/maps".as_ptr();
    // SAFETY: the path is a C string.
    let file = unsafe { libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    let mut lines = Lines::new();
    let mut buffer = [0; 512];
    let found = 'found: loop {
        // SAFETY: the buffer is as long as it says.
        let count = unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) };
        let Ok(count @ 1..) = usize::try_from(count) else {
            break false;
        };
        for byte in &buffer[..count] {
            if lines.feed(*byte) {
                if (lines.line.start..lines.line.end).contains(&address) {
                    break 'found true;
                }
                lines = Lines::new();
            }
        }
    };
    // SAFETY: the descriptor was opened above and is used by nobody else.
    unsafe { libc::close(file) };
    found.then_some(lines.line)
}

/// Reads lines byte by byte: `7f00-7f10 rw-s 00001000 00:01 42    /dev/shm/a (deleted)`.
struct Lines {
    line: Mapping,
    field: Field,
}

#[derive(Clone, Copy)]
enum Field {
    Start,
    End,
    Permissions(u8),
    Offset,
    Device,
    Inode,
    Path,
}

impl Lines {
    const fn new() -> Self {
        Self {
            line: Mapping {
                start: 0,
                end: 0,
                writable: false,
                shared: false,
                offset: 0,
                path: [0; LONGEST_PATH],
                path_len: 0,
            },
            field: Field::Start,
        }
    }

    /// Takes the next byte. Returns `true` at the end of a line.
    fn feed(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            return true;
        }
        let line = &mut self.line;
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        self.field = match (self.field, byte) {
            (Field::Start, b'-') => Field::End,
            (Field::End, b' ') => Field::Permissions(0),
            (Field::Permissions(_), b' ') => Field::Offset,
            (Field::Offset, b' ') => Field::Device,
            (Field::Device, b' ') => Field::Inode,
            (Field::Inode, b' ') => Field::Path,
            (Field::Start, _) => {
                line.start = (line.start << 4) | digit as usize;
                Field::Start
            }
            (Field::End, _) => {
                line.end = (line.end << 4) | digit as usize;
                Field::End
            }
            (Field::Permissions(at), _) => {
                match at {
                    1 => line.writable = byte == b'w',
                    3 => line.shared = byte == b's',
                    _ => {}
                }
                Field::Permissions(at.saturating_add(1))
            }
            (Field::Offset, _) => {
                line.offset = (line.offset << 4) | u64::from(digit);
                Field::Offset
            }
            (Field::Path, b' ') if line.path_len == 0 => Field::Path,
            (Field::Path, _) => {
                if let Some(place) = line.path.get_mut(line.path_len) {
                    *place = byte;
                    line.path_len += 1;
                }
                Field::Path
            }
            (same @ (Field::Device | Field::Inode), _) => same,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read_byte_by_byte() {
        let text = b"7f00a000-7f00c000 rw-s 00001000 00:01 42         /dev/shm/a b (deleted)\n";
        let mut lines = Lines::new();
        let ends: Vec<bool> = text.iter().map(|byte| lines.feed(*byte)).collect();
        assert_eq!(ends.iter().filter(|end| **end).count(), 1);
        let line = lines.line;
        assert_eq!((line.start, line.end), (0x7f00_a000, 0x7f00_c000));
        assert!(line.writable && line.shared);
        assert_eq!(line.offset, 0x1000);
        assert_eq!(&line.path[..line.path_len], b"/dev/shm/a b (deleted)");
    }

    #[test]
    fn the_mapping_of_a_local_is_private() {
        let local = 5_u8;
        let found = mapping_at(&raw const local as usize).unwrap();
        assert!(!found.shared && found.writable);
        assert!(!replace(&raw const local as usize));
        assert_eq!(local, 5);
    }
}
