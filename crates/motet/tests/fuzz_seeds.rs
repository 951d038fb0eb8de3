//! The fuzz targets' checks on their seeds, and on bytes of a fixed generator: a short replay of what
//! `cargo fuzz` does at length.

#[path = "../../../fuzz/src/checks/mod.rs"]
#[allow(missing_docs, unreachable_pub, dead_code, reason = "written for the fuzz crate")]
mod checks;

use motet_promises::{Measurement, is_long};

type Check = fn(&[u8]);

const CHECKS: [(&str, Check); 10] = [
    ("frames", checks::frames),
    ("server_machine", checks::server_machine),
    ("client_machine", checks::client_machine),
    ("two_machines", checks::two_machines),
    ("metadata", checks::metadata),
    ("json", checks::json),
    ("msgpack", checks::msgpack),
    ("protobuf", checks::protobuf),
    ("registry_record", checks::registry_record),
    ("config", checks::config),
];

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../../fuzz/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    files.map(|file| std::fs::read(file.expect("a file").path()).expect("readable")).collect()
}

#[test]
fn every_seed_passes() {
    let (mut measured, mut all) = (Measurement::begin("P14", "every_seed_passes"), 0);
    for (name, check) in CHECKS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| check(seed));
        all += seeds.len();
    }
    measured.at_least(all as f64, "fuzz seeds replayed without a panic", 1.0);
    measured.end();
}

/// xorshift64*: the same numbers everywhere.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}

#[test]
fn seeds_that_were_damaged_pass() {
    let mut measured = Measurement::begin("P14", "seeds_that_were_damaged_pass");
    let (ways, mut all) = (if is_long() { 2_000 } else { 50 }, 0);
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for (name, check) in CHECKS {
        for seed in seeds(name) {
            all += ways;
            for _ in 0..ways {
                let mut damaged = seed.clone();
                for _ in 0..=draw(&mut state) % 4 {
                    let at = draw(&mut state) as usize % (damaged.len() + 1);
                    match draw(&mut state) % 3 {
                        0 => damaged.truncate(at),
                        1 => damaged.insert(at, draw(&mut state) as u8),
                        _ => damaged.iter_mut().skip(at).take(1).for_each(|byte| *byte = draw(&mut state) as u8),
                    }
                }
                check(&damaged);
            }
        }
    }
    measured.at_least(all as f64, "damaged ones", 1.0);
    measured.end();
}

#[test]
fn machines_that_keep_the_rules_get_along_whatever_their_users_do() {
    let mut state = 0x1234_5678_9ABC_DEF1;
    for _ in 0..300 {
        let length = draw(&mut state) as usize % 4000;
        let script: Vec<u8> = (0..length).map(|_| draw(&mut state) as u8).collect();
        checks::two_machines(&script);
    }
}
