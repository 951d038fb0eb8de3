//! What the generator writes for each message and enum.

/// Makes `Serialize`, `Deserialize`, `JsonSchema` and [`ProtoJson`](crate::proto_json::ProtoJson) of a
/// prost message from the table of its fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __proto_json {
    (
        $(#[doc = $doc:literal])*
        $ty:ty, $name:literal {
            $($field:ident: $json:literal $proto:literal $as:ty;)*
        }
        $(oneof $oneof:ident: $enum:ty {
            $($variant:ident: $variant_json:literal $variant_proto:literal $variant_as:ty;)*
        })*
    ) => {
        #[allow(unused_mut, unused_variables, unreachable_patterns, deprecated, clippy::all)]
        const _: () = {
            // No name is brought into scope but these two: messages may have any.
            use $crate::__private::{schemars, serde};

            impl serde::Serialize for $ty {
                fn serialize<__S: serde::Serializer>(
                    &self,
                    serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    use serde::ser::SerializeMap as _;
                    let len = 0
                        $(+ usize::from(!<$as as $crate::proto_json::As<_>>::is_absent(&self.$field)))*
                        $(+ usize::from(self.$oneof.is_some()))*;
                    let mut map = serializer.serialize_map(::core::option::Option::Some(len))?;
                    $(if !<$as as $crate::proto_json::As<_>>::is_absent(&self.$field) {
                        map.serialize_entry($json, &$crate::proto_json::Value::<$as, _>::new(&self.$field))?;
                    })*
                    $({
                        type __Oneof = $enum;
                        match &self.$oneof {
                            $(::core::option::Option::Some(__Oneof::$variant(value)) => {
                                map.serialize_entry($variant_json, &$crate::proto_json::Value::<$variant_as, _>::new(value))?;
                            })*
                            ::core::option::Option::None => {}
                        }
                    })*
                    map.end()
                }
            }

            impl<'de> serde::Deserialize<'de> for $ty {
                fn deserialize<__D: serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    struct __Read;
                    impl<'de> serde::de::Visitor<'de> for __Read {
                        type Value = $ty;

                        fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                            $crate::proto_json::expect_object(f, $name)
                        }

                        fn visit_map<__M: serde::de::MapAccess<'de>>(
                            self,
                            mut map: __M,
                        ) -> ::core::result::Result<$ty, __M::Error> {
                            let mut message = <$ty as ::core::default::Default>::default();
                            while let ::core::option::Option::Some(key) = map.next_key::<$crate::proto_json::Key>()? {
                                match key.as_str() {
                                    $($json | $proto => {
                                        let field = $crate::proto_json::Field::<$as, _>::default();
                                        if let ::core::option::Option::Some(value) = map.next_value_seed(field)? {
                                            message.$field = value;
                                        }
                                    })*
                                    $($($variant_json | $variant_proto => {
                                        type __Oneof = $enum;
                                        let field = $crate::proto_json::Field::<$variant_as, _>::default();
                                        if let ::core::option::Option::Some(value) = map.next_value_seed(field)? {
                                            if message.$oneof.is_some() {
                                                return ::core::result::Result::Err(
                                                    serde::de::Error::custom("two fields of a oneof are there"),
                                                );
                                            }
                                            message.$oneof = ::core::option::Option::Some(__Oneof::$variant(value));
                                        }
                                    })*)*
                                    _ => {
                                        map.next_value::<serde::de::IgnoredAny>()?;
                                    }
                                }
                            }
                            ::core::result::Result::Ok(message)
                        }
                    }
                    deserializer.deserialize_map(__Read)
                }
            }

            impl $crate::proto_json::ProtoJson for $ty {
                fn write<__S: serde::Serializer>(&self, serializer: __S) -> ::core::result::Result<__S::Ok, __S::Error> {
                    serde::Serialize::serialize(self, serializer)
                }

                fn read<'de, __D: serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    serde::Deserialize::deserialize(deserializer)
                }

                fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    generator.subschema_for::<Self>()
                }
            }

            impl schemars::JsonSchema for $ty {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed($name)
                }

                fn schema_id() -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed(::core::concat!(::core::module_path!(), "::", $name))
                }

                fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    // The type of a field is known from the message alone.
                    fn __of<__A: $crate::proto_json::As<__T>, __T>(
                        generator: &mut schemars::SchemaGenerator,
                        _: fn(&$ty) -> &__T,
                    ) -> schemars::Schema {
                        __A::schema(generator)
                    }
                    #[allow(dead_code)]
                    fn __of_variant<__A: $crate::proto_json::As<__T>, __E, __T>(
                        generator: &mut schemars::SchemaGenerator,
                        _: fn(__T) -> __E,
                    ) -> schemars::Schema {
                        __A::schema(generator)
                    }
                    let mut properties = $crate::__private::serde_json::Map::new();
                    $(properties.insert(
                        $json.to_owned(),
                       __of::<$as, _>(generator, |message| &message.$field).to_value(),
                    );)*
                    $($({
                        type __Oneof = $enum;
                        let schema = __of_variant::<$variant_as, __Oneof, _>(generator, __Oneof::$variant);
                        properties.insert($variant_json.to_owned(), schema.to_value());
                    })*)*
                    let mut schema = schemars::Schema::default();
                    schema.insert("type".to_owned(), "object".into());
                    let doc: &[&str] = &[$($doc),*];
                    if !doc.is_empty() {
                        schema.insert("description".to_owned(), doc.concat().trim().into());
                    }
                    schema.insert("properties".to_owned(), properties.into());
                    schema
                }
            }
        };
    };
    (enum $ty:ty { $($number:literal $value:literal,)* }) => {
        impl $crate::proto_json::NamedEnum for $ty {
            const VALUES: &'static [(i32, &'static str)] = &[$(($number, $value)),*];
        }
    };
}
