//! Several processes share a folder, and some of them come to a bad end.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    time::Duration,
};

use child::Child;
use motet_core::{Endpoint, Node, Registry, RegistryEvent, Watch};
use motet_registry_file::{FileConfig, FileRegistry};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

mod child;

#[test]
#[ignore = "what the other tests start as another process"]
fn another_process() {
    child::run();
}

fn node(id: impl Into<String>) -> Node {
    Node::new("greeter", id).endpoint(Endpoint::new("tcp", "127.0.0.1:4000"))
}

fn open(folder: &Path) -> FileRegistry {
    FileRegistry::open(FileConfig::at(folder)).expect("opened")
}

fn start(folder: &Path, ids: &[&str]) -> Child {
    let nodes: Vec<_> = ids.iter().map(|id| node(*id)).collect();
    let (child, said) = Child::start(folder, &nodes);
    assert_eq!(said, "ready");
    child
}

fn records(folder: &Path) -> usize {
    fs::read_dir(folder).expect("listed").count()
}

/// Watches until there are so many nodes, and gives how long that took.
async fn until(watch: &mut Watch, known: &mut Vec<Node>, count: usize) -> Duration {
    let began = Instant::now();
    while known.len() != count {
        let event = timeout(Duration::from_secs(20), watch.next()).await;
        let event = event.unwrap_or_else(|_| panic!("{} nodes instead of {count}", known.len()));
        event.expect("open").expect("no outage").apply(known);
    }
    began.elapsed()
}

#[tokio::test]
async fn a_killed_process_is_gone_within_a_second() {
    let folder = child::folder();
    let (watching, looking) = (open(folder.path()), open(folder.path()));
    for round in 0..3 {
        let child = start(folder.path(), &["a", "b"]);
        let (mut watch, mut known) = (watching.watch("greeter").await.expect("watched"), Vec::new());
        until(&mut watch, &mut known, 2).await;
        child.kill();
        let began = Instant::now();
        while !looking.lookup("greeter").await.expect("lookup").is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        let looked = began.elapsed();
        until(&mut watch, &mut known, 0).await;
        let watched = began.elapsed();
        println!("round {round}: gone for lookups after {looked:?}, for watches after {watched:?}");
        assert!(looked < Duration::from_secs(1) && watched < Duration::from_secs(1), "{looked:?} {watched:?}");
        assert_eq!(records(folder.path()), 0, "and its files are deleted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_processes_register_while_others_look() {
    let folder = child::folder();
    let mut watch = open(folder.path()).watch("greeter").await.expect("watched");
    let mut known = Vec::new();
    let starts: Vec<_> = (0..20)
        .map(|process| {
            let path = folder.path().to_owned();
            let nodes: Vec<_> = (0..10).map(|number| node(format!("{process}-{number}"))).collect();
            std::thread::spawn(move || Child::start(&path, &nodes))
        })
        .collect();
    let all = until(&mut watch, &mut known, 200).await;
    println!("200 nodes of 20 processes are known after {all:?}");
    let children: Vec<_> = starts.into_iter().map(|start| start.join().expect("started")).collect();
    for (_, said) in &children {
        assert_eq!(said, "ready");
    }
    assert_eq!(open(folder.path()).lookup("greeter").await.expect("lookup").len(), 200);
    let survivor = open(folder.path());
    let _lives = survivor.register(node("survivor"), Duration::ZERO).await.expect("registered");
    until(&mut watch, &mut known, 201).await;
    children.into_iter().for_each(|(child, _)| child.kill());
    until(&mut watch, &mut known, 1).await;
    assert_eq!(known[0].id, "survivor");
    assert_eq!(records(folder.path()), 1, "the files of the dead are deleted, no other is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_living_node_is_never_missing_while_others_are_killed_in_the_middle_of_writing() {
    let folder = child::folder();
    let nodes = |name: &str| (0..5).map(|number| node(format!("{name}-{number}"))).collect::<Vec<_>>();
    let (_survivor, said) = Child::start_restless(folder.path(), &nodes("survivor"));
    assert_eq!(said, "ready");
    let path = folder.path().to_owned();
    let killer = tokio::task::spawn_blocking(move || {
        for round in 0..15 {
            // The same ids each time: the dead are taken over as often as they are deleted.
            let victims = [Child::start_restless(&path, &nodes("x")), Child::start_restless(&path, &nodes("y"))];
            std::thread::sleep(Duration::from_millis(7 * round));
            victims.into_iter().for_each(|(child, said)| {
                assert_eq!(said, "ready");
                child.kill();
            });
        }
    });
    let registries = [open(folder.path()), open(folder.path()), open(folder.path())];
    let mut looks = 0;
    while !killer.is_finished() {
        for registry in &registries {
            let found = registry.lookup("greeter").await.expect("lookup");
            let alive = found.iter().filter(|node| node.id.starts_with("survivor-")).count();
            assert_eq!(alive, 5, "after {looks} lookups: {found:#?}");
            looks += 1;
        }
    }
    killer.await.expect("all were ready");
    println!("{looks} lookups");
    assert_eq!(registries[0].lookup("greeter").await.expect("lookup").len(), 5);
}

#[tokio::test]
async fn a_removed_folder_is_filled_again_within_a_second() {
    let temp = TempDir::new().expect("temp");
    let folder = temp.path().join("registry");
    let registry = open(&folder);
    let _own = registry.register(node("own"), Duration::ZERO).await.expect("registered");
    let _child = start(&folder, &["a", "b", "c"]);
    let (mut watch, mut known) = (registry.watch("greeter").await.expect("watched"), Vec::new());
    until(&mut watch, &mut known, 4).await;
    fs::remove_dir_all(&folder).expect("removed");
    let began = Instant::now();
    // One that opens it now finds all nodes in time.
    while open(&folder).lookup("greeter").await.expect("lookup").len() != 4 {
        sleep(Duration::from_millis(5)).await;
    }
    let filled = began.elapsed();
    println!("filled again after {filled:?}");
    assert!(filled < Duration::from_secs(1), "{filled:?}");
    // One that watched all the time is told of the gap, and never that the nodes are gone.
    let outage = watch.next().await.expect("open").expect_err("an outage");
    assert!(outage.may_retry() && outage.message().contains("was removed"), "{outage}");
    let RegistryEvent::Reset(nodes) = watch.next().await.expect("open").expect("over") else { panic!("no reset") };
    assert_eq!(nodes.len(), 4);
    assert_eq!(fs::metadata(&folder).expect("there").permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_removed_record_is_written_again() {
    let folder = child::folder();
    let registry = open(folder.path());
    let registration = registry.register(node("a"), Duration::ZERO).await.expect("registered");
    fs::remove_file(folder.path().join("greeter~a.node")).expect("removed");
    let began = Instant::now();
    while registry.lookup("greeter").await.expect("lookup").is_empty() {
        assert!(began.elapsed() < Duration::from_secs(1), "still missing");
        sleep(Duration::from_millis(5)).await;
    }
    fs::remove_file(folder.path().join("greeter~a.node")).expect("removed");
    registration.update(node("a").label("k", "v")).await.expect("written anew");
    assert_eq!(registry.lookup("greeter").await.expect("lookup"), [node("a").label("k", "v")]);
}

#[tokio::test]
async fn a_stopped_process_stays_listed_and_holds_up_nobody() {
    let folder = child::folder();
    let registry = open(folder.path());
    let child = start(folder.path(), &["stopped"]);
    let pid = Pid::from_raw(i32::try_from(child.pid()).expect("a pid")).expect("not 0");
    kill_process(pid, Signal::STOP).expect("stopped");
    sleep(Duration::from_millis(1500)).await;
    let _other = registry.register(node("other"), Duration::ZERO).await.expect("registered");
    let ids: Vec<_> = registry.lookup("greeter").await.expect("lookup").into_iter().map(|node| node.id).collect();
    assert_eq!(ids, ["other", "stopped"]);
    child.kill();
    let began = Instant::now();
    while registry.lookup("greeter").await.expect("lookup").len() != 1 {
        assert!(began.elapsed() < Duration::from_secs(1), "still listed");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let folder = child::folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).expect("chmod");
    // Root may write everywhere, so root's attempt is made as nobody.
    let (_child, said) = if rustix::process::geteuid().is_root() {
        let nobody = 65534;
        let binary = TempDir::new().expect("temp");
        fs::set_permissions(binary.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let copy = binary.path().join("copy");
        fs::copy(std::env::current_exe().expect("this binary"), &copy).expect("copied");
        chown(folder.path(), Some(nobody), Some(nobody)).expect("chown");
        Child::start_as(nobody, &copy, folder.path(), &[node("a")])
    } else {
        Child::start(folder.path(), &[node("a")])
    };
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
    assert!(said.contains("PERMISSION_DENIED: cannot take the name of a record"), "{said}");
    assert!(said.contains("greeter~a.node") && said.contains("make it writable (`chmod 700`)"), "{said}");
}

#[tokio::test]
async fn a_folder_that_becomes_unsafe_is_an_outage_until_it_is_safe_again() {
    let folder = child::folder();
    let registry = open(folder.path());
    let _own = registry.register(node("a"), Duration::ZERO).await.expect("registered");
    let mut watch = registry.watch("greeter").await.expect("watched");
    assert_eq!(watch.next().await.expect("open"), Ok(RegistryEvent::Reset(vec![node("a")])));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    let outage = watch.next().await.expect("open").expect_err("an outage");
    assert!(outage.message().contains("run `chmod 700"), "{outage}");
    assert!(registry.lookup("greeter").await.is_err());
    assert!(registry.register(node("b"), Duration::ZERO).await.is_err());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
    assert_eq!(watch.next().await.expect("open"), Ok(RegistryEvent::Reset(vec![node("a")])));
}

#[test]
fn a_registration_outlives_the_runtime_that_polled_for_it_and_cleans_up_without_one() {
    let folder = child::folder();
    let registry = open(folder.path());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let registration = runtime().block_on(registry.register(node("a"), Duration::ZERO)).expect("registered");
    // The second runtime polls anew: the record is restored there.
    runtime().block_on(async {
        let mut watch = registry.watch("greeter").await.expect("watched");
        let mut known = Vec::new();
        until(&mut watch, &mut known, 1).await;
        fs::remove_file(folder.path().join("greeter~a.node")).expect("removed");
        sleep(Duration::from_millis(500)).await;
    });
    assert_eq!(records(folder.path()), 1);
    drop(registration);
    assert_eq!(records(folder.path()), 0);
}
