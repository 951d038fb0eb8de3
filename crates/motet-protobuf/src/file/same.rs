//! Whether two descriptors are of one type. The compiler may make the same descriptor twice, so that
//! addresses alone do not tell.

use crate::desc::{EnumDesc, FieldType, Leaf, MessageDesc};

/// Whether two messages are one: name, module and all that they reach.
pub(super) fn messages(a: &'static MessageDesc, b: &'static MessageDesc) -> bool {
    same_message(a, b, &mut Vec::new())
}

/// Whether two enums are one.
pub(super) fn enums(a: &'static EnumDesc, b: &'static EnumDesc) -> bool {
    let variants = |desc: &'static EnumDesc| desc.variants().iter().map(|variant| (variant.name(), variant.number()));
    std::ptr::eq(a, b) || (a.name() == b.name() && a.module() == b.module() && variants(a).eq(variants(b)))
}

type Pair = (*const MessageDesc, *const MessageDesc);

/// Types contain themselves: pairs that are being compared count as the same.
fn same_message(a: &'static MessageDesc, b: &'static MessageDesc, assumed: &mut Vec<Pair>) -> bool {
    if std::ptr::eq(a, b) || assumed.contains(&(&raw const *a, &raw const *b)) {
        return true;
    }
    if (a.name(), a.module(), a.kind(), a.fields().len()) != (b.name(), b.module(), b.kind(), b.fields().len()) {
        return false;
    }
    assumed.push((a, b));
    a.fields()
        .iter()
        .zip(b.fields())
        .all(|(a, b)| (a.name(), a.number()) == (b.name(), b.number()) && same_type(a.ty(), b.ty(), assumed))
}

fn same_type(a: FieldType, b: FieldType, assumed: &mut Vec<Pair>) -> bool {
    a.card() == b.card()
        && match (a.leaf(), b.leaf()) {
            (Leaf::Scalar(a), Leaf::Scalar(b)) => a == b,
            (Leaf::String, Leaf::String) | (Leaf::Bytes, Leaf::Bytes) => true,
            (Leaf::Message(a), Leaf::Message(b)) => same_message(a(), b(), assumed),
            (Leaf::Enum(a), Leaf::Enum(b)) => enums(a(), b()),
            _ => false,
        }
}
