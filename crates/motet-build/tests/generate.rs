//! The generated code is what stands in `generated/`, which the other tests compile and use.

use std::path::{Path, PathBuf};

use motet_build::{Builder, Error};

fn protos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos")
}

fn builder() -> Builder {
    Builder::new().without_cargo().version("1.0.0")
}

#[track_caller]
fn is_golden(name: &str, code: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated").join(name);
    if std::fs::read_to_string(&golden).unwrap_or_default() != code {
        let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&found, code).expect("a folder of the tests' own");
        panic!("tests/generated/{name} differs from what is generated now: {}", found.display());
    }
}

#[test]
fn code_is_generated_without_protoc() {
    let code = builder().generate(&["shop.proto"], &[protos()]).expect("compiles");
    is_golden("shop.rs", &code);
}

#[test]
fn a_service_without_a_package_and_with_lower_case_names_is_taken_as_it_is() {
    let code = builder().service_name("sum", "adder").generate(&[protos().join("sum.proto")], &[protos()]);
    is_golden("sum.rs", &code.expect("compiles"));
}

fn problem(files: &[(&str, &str)], build: impl Fn(Builder, &Path) -> Result<String, Error>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let error = build(builder(), folder.path()).expect_err("a mistake");
    error.to_string().replace(&folder.path().display().to_string(), "FOLDER")
}

fn compiled(files: &[(&str, &str)]) -> String {
    problem(files, |builder, folder| builder.generate(&[folder.join(files[0].0)], &[folder]))
}

#[test]
fn mistakes_are_shown_with_file_line_and_advice() {
    let unknown = "syntax = \"proto3\";\nmessage A {\n  Gone gone = 1;\n}\n";
    let text = compiled(&[("a.proto", unknown)]);
    assert!(text.starts_with("FOLDER/a.proto:3:3: "), "{text}");
    assert!(text.contains("Gone") && text.contains("import the file that declares it"), "{text}");

    let text = compiled(&[("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\n")]);
    assert!(text.contains("b.proto") && text.contains("FOLDER") && text.contains("includes"), "{text}");

    let text = compiled(&[("a.proto", "syntax = \"proto3\";\nmessage A {\n  int32 a = 1\n}\n")]);
    assert!(text.starts_with("FOLDER/a.proto:4:1: "), "{text}");

    let text = compiled(&[("a.proto", "import \"b.proto\";"), ("b.proto", "syntax = \"proto3\";\n\nmessage {}")]);
    assert!(text.starts_with("FOLDER/b.proto:3:9: "), "the file in which it is\n{text}");
}

#[test]
fn files_that_are_not_found_and_names_that_are_none_are_told() {
    let text = problem(&[], |builder, folder| builder.generate(&["gone.proto"], &[folder]));
    assert!(text.contains("gone.proto is not there (FOLDER)"), "{text}");
    let text = problem(&[("a.proto", "syntax = \"proto3\";")], |builder, folder| {
        builder.generate(&[folder.join("a.proto")], &[folder.join("elsewhere")])
    });
    assert!(text.contains("is in none of the include folders"), "{text}");
    let text = problem(&[], |builder, _| builder.generate(&[] as &[&str], &[] as &[&str]));
    assert!(text.contains("no .proto file is named"), "{text}");
    let service = "syntax = \"proto3\";\npackage a;\nservice B {}\n";
    let text = problem(&[("a.proto", service)], |builder, folder| {
        builder.service_name("a.C", "c").generate(&["a.proto"], &[folder])
    });
    assert!(text.contains("there is no such service; there are: a.B"), "{text}");
}

#[test]
fn the_same_code_is_not_written_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.rs");
    let build = || builder().out_file(&out).compile(&["sum.proto"], &[protos()]).expect("compiles");
    build();
    let made = |file: &Path| std::fs::metadata(file).and_then(|found| found.modified()).expect("there");
    let first = made(&out);
    build();
    assert_eq!(made(&out), first);
}
