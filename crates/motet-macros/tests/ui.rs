//! Mistakes that must not compile, and what the compiler says about them.

#[test]
fn mistakes_in_messages_are_explained_on_the_token() {
    trybuild::TestCases::new().compile_fail("tests/ui/message/*.rs");
}
