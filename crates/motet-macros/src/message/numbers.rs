//! Field and variant numbers.

use proc_macro2::Span;

const RESERVED: std::ops::RangeInclusive<i64> = 19_000..=19_999;
const MAX_NUMBER: i64 = (1 << 29) - 1;

/// Field or variant numbers used so far.
#[derive(Default)]
pub(super) struct Numbers(Vec<i64>);

impl Numbers {
    pub(super) fn field(&mut self, number: i64, span: Span) -> syn::Result<()> {
        if !(1..=MAX_NUMBER).contains(&number) {
            return Err(syn::Error::new(span, format!("{number} is no field number: they are 1 to {MAX_NUMBER}")));
        }
        if RESERVED.contains(&number) {
            return Err(syn::Error::new(
                span,
                format!("{number} is reserved by protobuf: use one outside of 19000 to 19999"),
            ));
        }
        self.unique(number, span)
    }

    pub(super) fn variant(&mut self, number: i64, span: Span) -> syn::Result<()> {
        if i32::try_from(number).is_err() {
            return Err(syn::Error::new(span, format!("{number} does not fit 32 bits")));
        }
        self.unique(number, span)
    }

    fn unique(&mut self, number: i64, span: Span) -> syn::Result<()> {
        if self.0.contains(&number) {
            return Err(syn::Error::new(
                span,
                format!("number {number} is taken: set another with `#[motet(tag = N)]`"),
            ));
        }
        self.0.push(number);
        Ok(())
    }
}
