//! The derive's layouts, the compiler's messages, and the generated code.

mod build;
mod codegen;
mod gaps;
mod levels;
mod property;
mod renamed;
mod type_macros;
mod ui;
