//! What the derive makes of a type, and what the compiler says and generates.

mod codegen;
mod gaps;
mod property;
mod type_macros;
mod ui;
