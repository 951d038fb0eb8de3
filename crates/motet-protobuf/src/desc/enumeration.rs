//! Enums without data.

use crate::shape::DescribeEnum;

/// An enum without data.
#[derive(Clone, Copy, Debug)]
pub struct EnumDesc {
    variants: &'static [VariantDesc],
    other: Option<u16>,
    name: &'static str,
    module: &'static str,
    doc: &'static str,
}

/// A variant of an [`EnumDesc`].
#[derive(Clone, Copy, Debug)]
pub struct VariantDesc {
    number: i32,
    name: &'static str,
    json_name: &'static str,
    doc: &'static str,
}

impl EnumDesc {
    pub(crate) const fn of<T: DescribeEnum>() -> Self {
        Self { variants: T::VARIANTS, other: T::OTHER, name: T::NAME, module: T::MODULE, doc: T::DOC }
    }

    /// The type's name, without its module.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The module that declares the type, as `module_path!` gives it.
    #[must_use]
    pub const fn module(&self) -> &'static str {
        self.module
    }

    /// The type's documentation.
    #[must_use]
    pub const fn doc(&self) -> &'static str {
        self.doc
    }

    /// The variants, as declared.
    #[must_use]
    pub const fn variants(&self) -> &'static [VariantDesc] {
        self.variants
    }

    /// The variant that stands for numbers that no variant has.
    #[must_use]
    pub fn other(&self) -> Option<&'static VariantDesc> {
        self.other.and_then(|index| self.variants.get(usize::from(index)))
    }

    /// The position of the variant that `number` reads as.
    #[inline]
    pub(crate) fn index_of(&self, number: i32) -> Option<usize> {
        let has = |variant: &VariantDesc| variant.number == number;
        match usize::try_from(number) {
            // Variants are numbered from 0 unless told otherwise.
            Ok(index) if self.variants.get(index).is_some_and(has) => Some(index),
            _ => self.variants.iter().position(has).or(self.other.map(usize::from)),
        }
    }
}

impl VariantDesc {
    /// A variant.
    #[must_use]
    pub const fn new(name: &'static str, number: i32) -> Self {
        Self { number, name, json_name: name, doc: "" }
    }

    /// The same with its documentation.
    #[must_use]
    pub const fn with_doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// The same with the name that serde gives it.
    #[must_use]
    pub const fn with_json_name(mut self, name: &'static str) -> Self {
        self.json_name = name;
        self
    }

    /// The name in the type's declaration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The name that serde, and so JSON, gives it.
    #[must_use]
    pub const fn json_name(&self) -> &'static str {
        self.json_name
    }

    /// The variant's documentation.
    #[must_use]
    pub const fn doc(&self) -> &'static str {
        self.doc
    }

    /// The variant's number.
    #[must_use]
    pub const fn number(&self) -> i32 {
        self.number
    }
}
