//! The names of a method in the spellings of other protocols.

use crate::{MethodDescriptor, ServiceDescriptor};

/// `say_hi` as `SayHi`. Names that are no identifiers, such as `/say/hi`, stay as they are.
pub(crate) fn upper_camel(name: &str) -> String {
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return name.to_owned();
    }
    let words = name.split('_').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// A service's name as a protobuf package: letters, digits and `_`, no digit first.
pub(crate) fn package(name: &str) -> String {
    let package: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if package.starts_with(|c: char| c.is_ascii_digit()) { format!("_{package}") } else { package }
}

/// The name as which protobuf knows a method: `greeter.Greeter/Hello`. A service without a trait has
/// no protobuf name; its names are verbatim everywhere.
pub(crate) fn proto_path(service: &ServiceDescriptor, method: &MethodDescriptor) -> String {
    match (service.proto_name.is_empty(), method.proto_name.is_empty()) {
        (true, _) => method.path.clone(),
        (false, true) => format!("{}/{}", service.proto_name, upper_camel(&method.name)),
        (false, false) => format!("{}/{}", service.proto_name, method.proto_name),
    }
}

/// `greeter.Greeter/Hello` as `Greeter.Hello`.
pub(crate) fn dotted(proto_path: &str) -> String {
    let (service, method) = proto_path.split_once('/').unwrap_or(("", proto_path));
    let last = service.rsplit('.').next().unwrap_or_default();
    format!("{last}.{method}")
}

/// `Hello` of the service `greeter` as `greeter.Hello`.
pub(crate) fn by_service(method: &MethodDescriptor) -> String {
    let spelled = method.proto_path().split_once('/').map_or("", |(_, name)| name);
    format!("{}.{spelled}", method.service())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_become_upper_camel_and_other_names_stay() {
        for (name, expected) in [
            ("hello", "Hello"),
            ("say_hi", "SayHi"),
            ("Hello", "Hello"),
            ("sayHi", "SayHi"),
            ("v2_list", "V2List"),
            ("/say/hi", "/say/hi"),
            ("_", ""),
        ] {
            assert_eq!(upper_camel(name), expected, "{name}");
        }
    }

    #[test]
    fn a_package_is_an_identifier() {
        assert_eq!(["shop.cart-v1", "7up", "a"].map(package), ["shop_cart_v1", "_7up", "a"]);
    }

    #[test]
    fn a_dotted_name_leaves_the_package_out() {
        assert_eq!(dotted("greeter.Greeter/Hello"), "Greeter.Hello");
        assert_eq!(dotted("a.b.C/D"), "C.D");
        assert_eq!(dotted("sum/add"), "sum.add");
        assert_eq!(dotted("say//say/hi"), "say./say/hi");
    }
}
