use motet_macros::message;

#[message(crate = "motet_core")]
struct OptionalList {
    list: Option<Vec<String>>,
}

#[message(crate = "motet_core")]
struct ListOfOptions {
    list: Vec<Option<u32>>,
}

#[message(crate = "motet_core")]
struct ListOfLists {
    list: Vec<Vec<u32>>,
}

#[message(crate = "motet_core")]
struct MapOfLists {
    map: std::collections::BTreeMap<String, Vec<u32>>,
}

#[message(crate = "motet_core")]
enum VariantOfList {
    List(Vec<u32>),
}

fn main() {}
