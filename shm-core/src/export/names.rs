//! Names of a layout as identifiers. They may come from a segment, and so be any text.

use std::collections::HashSet;

/// The longest part of an identifier that comes from a name.
const LONGEST: usize = 48;

/// Words that C, C++, or a header that generated code may meet gives a meaning.
const RESERVED: &[&str] = &[
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "assert",
    "atomic_bool",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "i386",
    "if",
    "inline",
    "int",
    "linux",
    "long",
    "major",
    "minor",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "noreturn",
    "not",
    "not_eq",
    "nullptr",
    "offsetof",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "std",
    "stderr",
    "stdin",
    "stdout",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "union",
    "unix",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
    "BUFSIZ",
    "EOF",
    "I",
    "NULL",
    "RAND_MAX",
    "TRUE",
    "FALSE",
    "SIZE_MAX",
];

/// Names at file scope that C libraries have, or that generated functions give to their variables.
const TAKEN: &[&str] = &[
    "abs",
    "accept",
    "access",
    "acct",
    "acos",
    "alarm",
    "asin",
    "at",
    "atan",
    "attempt",
    "basename",
    "bind",
    "brk",
    "bsearch",
    "bytes",
    "c",
    "calloc",
    "cbrt",
    "ceil",
    "chdir",
    "checksum",
    "chmod",
    "chown",
    "clearerr",
    "clock",
    "clone",
    "close",
    "connect",
    "copysign",
    "cos",
    "creat",
    "ctime",
    "daemon",
    "dirent",
    "dirname",
    "div",
    "dup",
    "elements",
    "end",
    "environ",
    "erf",
    "err",
    "exec",
    "exit",
    "exp",
    "extent",
    "fabs",
    "fcntl",
    "fdim",
    "ffs",
    "fileno",
    "fingerprint",
    "flags",
    "flock",
    "floor",
    "flushall",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "fopen",
    "fork",
    "free",
    "freopen",
    "frexp",
    "fseek",
    "fsync",
    "ftw",
    "gamma",
    "getc",
    "getenv",
    "gets",
    "group",
    "hash",
    "header",
    "hypot",
    "i0",
    "i1",
    "i2",
    "i3",
    "index",
    "insque",
    "ioctl",
    "iovec",
    "isatty",
    "j0",
    "j1",
    "jn",
    "kill",
    "labs",
    "ldexp",
    "ldiv",
    "len",
    "length",
    "level",
    "levels",
    "lfind",
    "lgamma",
    "link",
    "listen",
    "log",
    "log10",
    "log1p",
    "log2",
    "logb",
    "lsearch",
    "lseek",
    "malloc",
    "map",
    "memchr",
    "memcmp",
    "memcpy",
    "memset",
    "mkdir",
    "mktime",
    "mmap",
    "modf",
    "mount",
    "mprotect",
    "mq",
    "munmap",
    "nan",
    "nanosleep",
    "nice",
    "offset",
    "open",
    "optarg",
    "option",
    "passwd",
    "pause",
    "perror",
    "pipe",
    "poll",
    "pollfd",
    "popen",
    "pow",
    "printf",
    "putc",
    "putenv",
    "puts",
    "qsort",
    "raise",
    "rand",
    "random",
    "read",
    "readdir",
    "realloc",
    "recv",
    "regex",
    "remove",
    "rename",
    "rewind",
    "rindex",
    "rint",
    "rmdir",
    "round",
    "scanf",
    "seen",
    "select",
    "sem",
    "send",
    "setenv",
    "shutdown",
    "sigaction",
    "signal",
    "sin",
    "sinh",
    "sleep",
    "socket",
    "sqrt",
    "stage",
    "start",
    "stat",
    "statfs",
    "stpcpy",
    "stride",
    "strlen",
    "swab",
    "symlink",
    "sync",
    "syscall",
    "sysinfo",
    "system",
    "taken",
    "tan",
    "tanh",
    "telldir",
    "tempnam",
    "termios",
    "text",
    "time",
    "timer",
    "times",
    "timespec",
    "timeval",
    "tm",
    "total",
    "trunc",
    "truncate",
    "ttyname",
    "tzset",
    "umask",
    "uname",
    "ungetc",
    "unlink",
    "usleep",
    "utime",
    "value",
    "vfork",
    "wait",
    "warn",
    "write",
    "y0",
    "y1",
    "yn",
];

/// The name of the payload's type, with which all names at file scope begin.
pub(super) fn root(name: &str) -> String {
    let root = snake(name);
    match TAKEN.contains(&root.as_str()) || RESERVED.contains(&root.as_str()) {
        true => format!("{root}_segment"),
        false => root,
    }
}

/// The letters, digits and underscores of a name. Others are underscores, and letters other than ASCII their numbers.
fn plain(name: &str) -> String {
    let mut out = String::new();
    for char in name.chars() {
        if out.len() >= LONGEST {
            break;
        }
        if char.is_ascii_alphanumeric() {
            out.push(char);
        } else if char.is_alphanumeric() {
            out.push_str(&format!("u{:x}", u32::from(char)));
        } else if !out.ends_with('_') {
            // Two underscores are reserved.
            out.push('_');
        }
    }
    out
}

/// The name of a member, as similar as can be.
pub(super) fn member(name: &str) -> String {
    let out = plain(name);
    match out.as_bytes() {
        [] | [b'_'] => "unnamed".to_owned(),
        [b'0'..=b'9', ..] => format!("field{out}"),
        [b'_', b'A'..=b'Z' | b'0'..=b'9', ..] => format!("field{out}"),
        _ => out,
    }
}

/// The name in capitals with underscores between words: `motor_state` of `MotorState`.
pub(super) fn snake(name: &str) -> String {
    let chars: Vec<char> = plain(name).chars().collect();
    let mut out = String::new();
    for (at, char) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1);
        let begins = char.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase()
                        && after.is_some_and(|after| after.is_ascii_lowercase())
            });
        if begins {
            out.push('_');
        }
        out.push(char.to_ascii_lowercase());
    }
    let out = out.trim_matches('_');
    match out.as_bytes() {
        [] => "unnamed".to_owned(),
        [b'0'..=b'9', ..] => format!("n{out}"),
        _ => out.to_owned(),
    }
}

/// The name without separators, each word with a capital: `SeqLockPose4` of `SeqLock<Pose, 4>`.
pub(super) fn camel(name: &str) -> String {
    let mut out = String::new();
    for word in plain(name).split('_') {
        let mut chars = word.chars();
        out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    match out.as_bytes() {
        [] => "Unnamed".to_owned(),
        [b'0'..=b'9', ..] => format!("N{out}"),
        _ => out,
    }
}

/// Identifiers that are in use in one scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope(HashSet<String>);

impl Scope {
    /// Keeps an identifier from being given.
    pub(super) fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// Returns the name, with something at its end if it is a reserved word or in use.
    pub(super) fn unique(&mut self, name: String) -> String {
        let name = match RESERVED.contains(&name.as_str()) {
            true => format!("{name}_"),
            false => name,
        };
        let mut found = name.clone();
        let mut number = 2;
        while !self.0.insert(found.clone()) {
            let joint = if name.ends_with('_') { "" } else { "_" };
            found = format!("{name}{joint}{number}");
            number += 1;
        }
        found
    }
}

/// A name inside a comment: one line of ASCII that does not end the comment.
pub(super) fn comment(name: &str) -> String {
    /// The longest name in a comment.
    const LONGEST: usize = 100;

    let mut out: String = name
        .chars()
        .take(LONGEST)
        .flat_map(|char| match char {
            ' '..='~' => char.to_string().chars().collect::<Vec<_>>(),
            _ => char.escape_default().collect(),
        })
        .collect();
    if name.chars().count() > LONGEST {
        out.push_str("..");
    }
    // The end and the beginning of a comment.
    let out = out.replace("*/", "* /").replace("/*", "/ *");
    // A trigraph may stand for a backslash.
    out.replace("??", "? ?").replace("??", "? ?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_identifiers() {
        for (name, as_member, as_snake, as_camel) in [
            ("position", "position", "position", "Position"),
            ("MotorState", "MotorState", "motor_state", "MotorState"),
            ("HTTPServer2", "HTTPServer2", "http_server2", "HTTPServer2"),
            (
                "SeqLock<Pose, 4>",
                "SeqLock_Pose_4_",
                "seq_lock_pose_4",
                "SeqLockPose4",
            ),
            ("0", "field0", "n0", "N0"),
            ("größe", "gruf6udfe", "gruf6udfe", "Gruf6udfe"),
            ("a b.c\n", "a_b_c_", "a_b_c", "ABC"),
            ("__x", "_x", "x", "X"),
            ("_Bool", "field_Bool", "bool", "Bool"),
            ("", "unnamed", "unnamed", "Unnamed"),
            ("*/", "unnamed", "unnamed", "Unnamed"),
        ] {
            assert_eq!(member(name), as_member, "{name:?}");
            assert_eq!(snake(name), as_snake, "{name:?}");
            assert_eq!(camel(name), as_camel, "{name:?}");
        }
        assert!(member(&"x".repeat(70_000)).len() <= LONGEST);
    }

    #[test]
    fn a_type_does_not_take_the_name_of_a_function() {
        for (name, wanted) in [
            ("Telemetry", "telemetry"),
            ("Log", "log_segment"),
            ("Int", "int_segment"),
            ("Value", "value_segment"),
        ] {
            assert_eq!(root(name), wanted);
        }
    }

    #[test]
    fn no_identifier_is_given_twice() {
        let mut scope = Scope::default();
        scope.reserve("x_3");
        let given = ["x", "x", "x", "int", "int_", "x_2"].map(|name| scope.unique(name.to_owned()));
        assert_eq!(given, ["x", "x_2", "x_4", "int_", "int_2", "x_2_2"]);
    }

    #[test]
    fn comments_do_not_end_early() {
        assert_eq!(comment("a*/b"), "a* /b");
        assert_eq!(comment("/*"), "/ *");
        assert_eq!(comment("a??/\nb\\"), "a? ?/\\nb\\");
        assert_eq!(comment("?????/"), "? ? ? ? ?/");
        assert_eq!(comment("\u{202e}ß"), "\\u{202e}\\u{df}");
        assert!(comment(&"*/".repeat(50_000)).len() < 300);
    }
}
