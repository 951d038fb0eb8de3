//! Mistakes that must not compile, and what the compiler says about them.

#[test]
fn mistakes_in_services_and_errors_are_explained_on_the_token() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("../motet-macros/tests/ui/service/*.rs");
    cases.compile_fail("../motet-macros/tests/ui/rpc_error/*.rs");
}
