//! The attribute and derive macros of Motet.
