//! `motet new`: projects that build and pass their own tests, and refusals that say what to do.
#![cfg(unix)]

mod run_support;

use run_support::{Place, output};

#[test]
fn a_new_project_builds_passes_its_own_tests_and_is_formatted() {
    let place = Place::new();
    let (good, said) = output(place.motet(".", &["new", "fresh-project"]));
    assert!(good, "{said}");
    assert!(said.contains("cd fresh-project") && said.contains(" run"), "{said}");
    let mut format = place.command("cargo", "fresh-project");
    format.args(["fmt", "--check"]);
    assert_eq!(output(format), (true, String::new()));
    let mut test = place.command("cargo", "fresh-project");
    test.args(["test"]);
    let (good, said) = output(test);
    assert!(good && said.contains("2 passed"), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_project_goes_where_it_is_told_but_not_over_another() {
    let place = Place::new();
    place.write("full/notes.txt", "mine");
    std::fs::create_dir(place.path("empty")).expect("made");
    for (path, expected) in [("empty", None), ("deep/below", None), ("full", Some("not an empty folder"))] {
        let (good, said) = output(place.motet(".", &["new", "elsewhere", "--path", path]));
        assert_eq!(good, expected.is_none(), "{said}");
        assert!(said.contains(expected.unwrap_or("elsewhere")), "{said}");
    }
    assert_eq!(std::fs::read_dir(place.path("full")).expect("read").count(), 1);
    let manifest = std::fs::read_to_string(place.path("deep/below/Cargo.toml")).expect("read");
    assert!(manifest.contains("name = \"elsewhere\""), "{manifest}");
}

#[test]
fn a_bad_name_is_refused_with_a_good_one() {
    let place = Place::new();
    let mut command = place.motet(".", &["new", "My Service"]);
    assert_eq!(command.status().expect("runs").code(), Some(2));
    let (_, said) = output(command);
    assert!(said.contains("cannot name a project") && said.contains("motet new my-service"), "{said}");
    assert_eq!(std::fs::read_dir(place.path(".")).expect("read").count(), 0);
}

#[test]
fn in_a_workspace_it_says_what_makes_it_a_member() {
    let place = Place::new();
    place.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"services/*\"]\n");
    std::fs::create_dir(place.path("services")).expect("made");
    let (good, said) = output(place.motet("services", &["new", "member"]));
    assert!(good && !said.contains("members"), "{said}");
    assert!(!place.path("services/member/Cargo.lock").exists(), "the workspace has its own");
    let (good, said) = output(place.motet(".", &["new", "stranger"]));
    assert!(good && said.contains("add it to `members`"), "{said}");
    let manifest = std::fs::read_to_string(place.path("stranger/Cargo.toml")).expect("read");
    assert!(!manifest.contains("[profile"), "a profile counts in the workspace's manifest only: {manifest}");
}
